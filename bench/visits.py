"""Visits as inspectors make them: planned ones, and the push of 120 answers that fills one."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from api import ids
from api.accounts import seed as accounts
from api.clock import BANGKOK, bangkok_date
from api.db import Database, Tx
from api.inspection.checklists import rules
from api.inspection.checklists import standard as std
from api.inspection.visits import service
from api.inspection.visits.model import PlanVisit
from api.permissions import Worker

ANSWERS = 120
SUBJECT = {
    "registered": True,
    "class": 3,
    "categories": ["02200"],
    "horsepower": 200,
    "workers": 80,
    "position": {"lat": 13.6, "lng": 100.6},
}
"""The facts by which the items are chosen: a class 3 factory that all conditions look at."""
FAILS = ("A05", "B05", "D04", "E08", "I03", "M03")
NOTES = {
    "E08": "ทางหนีไฟชั้น 2 ถูกกั้นด้วยพาเลทวัตถุดิบ ให้ย้ายออกและเปิดทางทันที",
    "B05": "พื้นโรงงานแตกร้าวบริเวณหน้าเตาอบ มีน้ำขัง",
    "I03": "ถังเก็บกากไม่มีฉลากและไม่มีหลังคา",
    "D04": "การ์ดครอบสายพานเครื่องอัดหมายเลข 3 ถูกถอดออก",
    "H04": "วัดที่จุดระบายน้ำทิ้งก่อนออกนอกโรงงาน วัดซ้ำสองครั้ง",
    "K01": "วัดที่แท่นปั๊มขึ้นรูป เวลาทำงานปกติ",
}
_NUMBERS: dict[str, float] = {
    "A06": 265,  # above the licence, below the step of s.18: a finding
    "A07": 112,  # 40 % off the register: flagged
    "B02": 350,
    "B08": 3.6,
    "B09": 4.2,
    "C05": 110,
    "H04": 11.2,  # out of its limit
    "H05": 38,
    "H06": 240,
    "H07": 42,
    "H08": 4.5,
    "H09": 31.5,
    "H12": 3.1,
    "H13": 45,
    "I08": 230,  # no percentage: kept and flagged
    "K01": 92.5,
    "K02": 64,
    "K03": 29.5,
    "K04": 310,
    "L01": 6,
}


@cache
def items() -> dict[str, std.Item]:
    """The items that count for the subject, by code."""
    compiled = rules.compiled_1()
    return {code: compiled.items[code].item for code in compiled.applicable(SUBJECT)}


def answers(dice: random.Random, started: datetime) -> list[dict[str, Any]]:
    """120 answers to the items of a class 3 factory, one after the other from `started` on."""
    at, found = started, list[dict[str, Any]]()
    for code in list(items())[:ANSWERS]:
        at += timedelta(milliseconds=dice.randint(20_000, 100_000))
        answer: dict[str, Any] = {"item": code, "value": _value(code, dice, at), "answered_at": at}
        if note := NOTES.get(code):
            answer["note"] = f"{note} ({dice.randint(1, 99)})"
        found.append(answer)
    assert len(found) == ANSWERS
    return found


def _value(code: str, dice: random.Random, at: datetime) -> Any:
    kind = type(items()[code].answer).__name__
    if code in _NUMBERS:
        number = _NUMBERS[code]
        return number if number == int(number) else round(number * dice.uniform(0.99, 1.01), 2)
    day = f"{at - timedelta(days=dice.randint(20, 300)):%Y-%m-%d}"
    match kind:
        case "PassFail" | "PassFailNa":
            skipped = kind == "PassFailNa" and dice.random() < 0.1 and code != "H01"
            return "fail" if code in FAILS else "na" if skipped else "pass"
        case "Date":
            return day
        case "Position":
            return {"lat": 13.6004, "lng": 100.6003, "accuracy_m": dice.randint(4, 20)}
        case "Choice":
            return {"P03": "2", "P04": "yes"}[code]
        case "FreeText":
            return "โรงงานให้ความร่วมมือดี นัดตรวจติดตามภายใน 30 วัน"
        case "Sample":
            custody = [{"by": "ผู้ตรวจตัวอย่าง", "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}]
            return {
                "sample_no": f"SP-{dice.randint(1000, 9999)}",
                "point": "จุดระบายน้ำทิ้งสุดท้าย",
                "laboratory": "ห้องปฏิบัติการตัวอย่าง",
                "taken_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "custody": custody,
            }
        case "Comparison":
            return [
                {"what": "raw_material", "counted": dice.randint(96, 104), "reported": 100},
                {"what": "workers", "counted": 112, "reported": 110},
            ]
    if code == "F01":
        return [{"number": "B-1", "capacity_t_h": 12, "pressure_bar": 8}]
    return [
        {"name": "โทลูอีน", "cas": "108-88-3", "quantity": dice.randint(50, 400), "unit": "kg"},
        {"name": "กรดซัลฟิวริก", "cas": "7664-93-9", "quantity": 120, "unit": "kg"},
        {"name": "โซเดียมไฮดรอกไซด์", "cas": "1310-73-2", "quantity": 75, "unit": "kg"},
    ]


class Filled(NamedTuple):
    """The operation that fills one visit."""

    visit: UUID
    operation: dict[str, Any]


def filled(visit: UUID, seed: int) -> Filled:
    """The start at the gate yesterday at nine, 120 answers, the outcome and who was met."""
    dice = random.Random(seed)
    yesterday = bangkok_date(datetime.now(UTC)) - timedelta(days=1)
    started = datetime.combine(yesterday, time(9), BANGKOK).astimezone(UTC)
    started += timedelta(seconds=dice.randint(0, 600))
    given = answers(dice, started)
    position = {"lat": 13.6003, "lng": 100.6004, "accuracy_m": 9, "taken_at": started}
    return Filled(
        visit,
        {
            "op": "visit.record",
            "id": ids.new(),
            "visit": visit,
            "start": {
                "at": started,
                "position": position,
                "working_hours": {"start": "08:00", "end": "17:00"},
            },
            "answers": given,
            "outcome": "inspected",
            "ended_at": given[-1]["answered_at"] + timedelta(minutes=5),
            "representative": {"presence": "signed", "name": "นายตัวอย่าง ทดสอบระบบ"},
        },
    )


def body(visits: Sequence[Filled]) -> bytes:
    """One push, as a phone sends it: compressed."""
    plain = msgspec.json.encode({"operations": [v.operation for v in visits]})
    return gzip.compress(plain, 6)


async def sites(tx: Tx, province: str) -> list[UUID]:
    """Class 3 sites of the sample, each with one operating licence."""
    return await tx.values(
        """
        select l.premises_id from licence l join premises p on p.id = l.premises_id
        where l.licence_class = 3 and p.province = $1 and l.status = 'operating'
            and (select count(*) from licence o where o.premises_id = p.id) = 1
        order by l.key limit 100
        """,
        province,
    )


async def planned(db: Database, count: int, inspector: str, colleague: str) -> list[UUID]:
    """`count` visits planned for the sample inspectors, spread over the sample sites."""
    made = list[UUID]()
    async with db.begin(Worker("bench")) as tx:
        lead = await accounts.account(tx, inspector)
        team = [lead, await accounts.account(tx, colleague)]
        province = await tx.value(
            """
            select o.province from account a join office_province o on o.office = a.office
            where a.id = $1
            """,
            lead,
        )
        found = await sites(tx, province)
    today = bangkok_date(datetime.now(UTC))
    while len(made) < count:
        async with db.begin(Worker("bench")) as tx:
            for n in range(len(made), min(count, len(made) + 200)):
                plan = PlanVisit(
                    premises=found[n % len(found)], planned_on=today, lead=lead, team=team
                )
                made.append((await service.plan_visit(tx, ids.new(), plan)).id)
    return made
