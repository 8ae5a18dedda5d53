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
from api.inspection.visits.views import Visit
from api.permissions import Worker

ANSWERS = 120
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
def _standard() -> rules.Compiled:
    return rules.compiled_1()


def answers(visit: Visit, dice: random.Random, started: datetime) -> list[dict[str, Any]]:
    """120 answers to the items of a class 3 factory, one after the other from `started` on."""
    compiled = _standard()
    at, found = started, list[dict[str, Any]]()
    for code in compiled.applicable(visit.subject)[:ANSWERS]:
        at += timedelta(milliseconds=dice.randint(20_000, 100_000))
        value = _value(compiled.items[code].item, visit.subject, dice, at)
        answer: dict[str, Any] = {"item": code, "value": value, "answered_at": at}
        if note := NOTES.get(code):
            answer["note"] = f"{note} ({dice.randint(1, 99)})"
        found.append(answer)
    assert len(found) == ANSWERS
    return found


def _value(item: std.Item, subject: dict[str, Any], dice: random.Random, at: datetime) -> Any:
    code, kind = item.code, type(item.answer).__name__
    if code in _NUMBERS:
        number = _NUMBERS[code]
        return number if number == int(number) else round(number * dice.uniform(0.99, 1.01), 2)
    if code in ("A06", "A07"):  # horsepower above the licence; workers off the register, flagged
        return round(subject["horsepower"] * 1.1 if code == "A06" else subject["workers"] * 1.4)
    day = f"{at - timedelta(days=dice.randint(20, 300)):%Y-%m-%d}"
    match kind:
        case "PassFail" | "PassFailNa":
            skipped = kind == "PassFailNa" and dice.random() < 0.1 and code != "H01"
            return "fail" if code in FAILS else "na" if skipped else "pass"
        case "Date":
            return day
        case "Position":
            return subject["position"] | {"accuracy_m": dice.randint(4, 20)}
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


def filled(visit: Visit, seed: int) -> Filled:
    """The start at the gate yesterday at nine, 120 answers, the outcome and who was met."""
    dice = random.Random(seed)
    yesterday = bangkok_date(datetime.now(UTC)) - timedelta(days=1)
    started = datetime.combine(yesterday, time(9), BANGKOK).astimezone(UTC)
    started += timedelta(seconds=dice.randint(0, 600))
    given = answers(visit, dice, started)
    position = visit.subject["position"] | {"accuracy_m": 9, "taken_at": started}
    return Filled(
        visit.id,
        {
            "op": "visit.record",
            "id": ids.new(),
            "visit": visit.id,
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
    """Class 3 sites of which the register knows all that the rules look at."""
    return await tx.values(
        """
        select l.premises_id from licence l join premises p on p.id = l.premises_id
        where l.licence_class = 3 and p.province = $1 and l.status = 'operating'
            and p.lat is not null and l.workers is not null
            and (select count(*) from licence o where o.premises_id = p.id) = 1
        order by l.key limit 100
        """,
        province,
    )


async def planned(db: Database, count: int, inspector: str, colleague: str) -> list[Visit]:
    """`count` visits planned for the sample inspectors, spread over the sample sites."""
    made = list[Visit]()
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
                made.append(await service.plan_visit(tx, ids.new(), plan))
    return made
