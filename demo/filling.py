"""The inspector with the checklist in hand: what a sound class 3 factory looks like, item by item.

A phone has rules of its own that come to the server's verdicts (openapi/rules.md); here it is the
same engine, fed with nothing but the pack that was pulled.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from api.inspection.checklists import rules, standard

SOUND: dict[str, Any] = {
    "B02": 250,
    "B08": 4.2,
    "B09": 6.5,
    "C05": 95,
    "F01": [{"number": "B-1", "capacity_t_h": 5, "pressure_bar": 7}],
    "G01": [
        {
            "name": "กรดไฮโดรคลอริก",
            "cas": "7647-01-0",
            "quantity": 200,
            "unit": "kg",
            "store": "คลัง 2",
        }
    ],
    "H05": 12,
    "H06": {"awaiting": "laboratory", "sample": "W-1"},
    "H07": 21,
    "H08": 2.5,
    "H09": 31.5,
    "H12": 860,
    "H13": 40,
    "I08": 6,
    "K01": 82,
    "K02": 61,
    "K03": 29.5,
    "K04": 420,
    "L01": 12,
    "O06": "เพื่อนบ้านร้องเรียนเรื่องกลิ่น ตรวจแล้วพบที่บ่อบำบัด",
    "P03": "3",
    "P04": "yes",
}


class Checklist:
    """The pack of one visit, as the phone works with it."""

    def __init__(self, pack: dict[str, Any], visit_date: date) -> None:
        self.standard = standard.decode(msgspec.json.encode(pack["checklist"]).decode())
        self.rules = rules.compile(self.standard)
        self.subject = pack["visit"]["subject"] | {"visit_date": visit_date.isoformat()}
        self.today = visit_date
        self.answers: dict[str, Any] = {}

    def fill(self) -> list[str]:
        """Answers every item that applies and is shown, in the order of the checklist.

        One at a time, because an answer may show or hide what comes after it.
        """
        for code, item in self.rules.applicable_items(self.subject).items():
            if code not in self.answers and item.shown(self.subject, self.answers):
                self.answers[code] = self._sound(code)
        return list(self.answers)

    def missing(self) -> list[str]:
        """Required items without an answer."""
        return rules.missing(self.rules, self.subject, self.answers)

    def failed(self) -> list[str]:
        """What fails, in the phone's own judgement."""
        verdicts = rules.evaluate_visit(self.rules, self.subject, self.answers)
        return sorted(code for code, verdict in verdicts.items() if verdict.outcome == "fail")

    def odd(self) -> dict[str, list[str]]:
        """Items that are flagged or cannot be read, in the phone's own judgement."""
        verdicts = rules.evaluate_visit(self.rules, self.subject, self.answers)
        return {
            code: [flag.code for flag in verdict.flags]
            for code, verdict in verdicts.items()
            if verdict.flags or verdict.outcome == "unreadable"
        }

    def section(self, code: str) -> str:
        item = self.rules.item(code)
        assert item is not None
        return item.item.section

    def text(self, code: str) -> str:
        item = self.rules.item(code)
        assert item is not None
        return item.item.text.th

    def noted(self, codes: list[str], began: datetime) -> list[dict[str, Any]]:
        """The answers to `codes` as they go to the server, one every 20 seconds from `began`."""
        return [
            {
                "item": code,
                "value": self.answers[code],
                "answered_at": began + timedelta(seconds=20 * place),
            }
            for place, code in enumerate(codes)
        ]

    def _sound(self, code: str) -> Any:
        item = self.rules.item(code)
        assert item is not None
        fact = self.subject.get
        if code in SOUND:
            return SOUND[code]
        match item.item.answer:
            case standard.Number():
                return {"A06": fact("horsepower"), "A07": fact("workers")}[code]
            case standard.Position():
                return {**self.subject["position"], "accuracy_m": 6}
            case standard.Date():
                return (self.today - timedelta(days=90)).isoformat()
            case standard.Sample():
                at = datetime.combine(self.today, datetime.min.time()).isoformat() + "+07:00"
                return {
                    "sample_no": "W-1",
                    "point": "จุดปล่อยสุดท้าย",
                    "laboratory": "ห้องปฏิบัติการตัวอย่าง",
                    "taken_at": at,
                    "custody": [{"by": "สมชาย ตัวอย่าง", "at": at}],
                }
            case standard.Comparison():
                workers = fact("workers")
                return [{"what": "workers", "counted": workers, "reported": workers}]
            case standard.PassFail() | standard.PassFailNa():
                return "pass"
        raise LookupError(f"the demo has no sound answer for {code}")
