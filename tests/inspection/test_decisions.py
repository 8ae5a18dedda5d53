"""Decisions about answers and findings: settling, laboratories, references, the visit's day."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api import clock, deadlines, ids
from api.db import Database, Tx
from api.inspection.checklists import rules, standard
from api.inspection.visits import findings
from api.inspection.visits.model import Finding, FindingState, Held, Version, VisitRow
from api.permissions import Worker
from api.reactions import DEADLINES
from tests.inspection.test_visits import step, submitted
from tests.world import World, answer, encode, gate, now, record, submit

RAYONG = {"name": "โรงงานไม่มีใบอนุญาต ตัวอย่าง", "province": "21", "lat": 12.7, "lng": 101.2}


def codes(result: dict[str, Any]) -> set[str]:
    return {flag["code"] for flag in result.get("flags", [])}


def settling(visit: UUID, item: str, value: object, *supersedes: object, **more: object) -> Any:
    op = {"op": "visit.settle", "id": ids.new(), "visit": visit, "item": item, "value": value}
    return op | {"supersedes": supersedes} | more


async def officers_view(world: World, visit: UUID) -> dict[str, Any]:
    seen: dict[str, Any] = (await world.head.get(f"/v1/visits/{visit}")).json()
    return seen


# --- settling -----------------------------------------------------------------------------------


async def test_settling_also_ends_what_agrees_with_a_settled_answer(world: World) -> None:
    """A phone is shown one operation for each value and can name no other."""
    team = [world.inspector_2.account, world.department.account]
    visit = await world.begun(team=team)
    for who, value in (("inspector-2", "pass"), ("department", "pass"), ("inspector", "fail")):
        await world[who].push(record(visit, answers=[answer("E08", value)]))
    (held,) = (await officers_view(world, visit))["answers"]
    shown = [held["operation"], *(o["operation"] for o in held["others"])]
    assert len(shown) == 2
    (result,) = await world.inspector.push(
        settling(visit, "E08", "fail", *shown, reason="ดูด้วยกันแล้ว")
    )
    assert result["status"] == "stored", result
    (held,) = (await officers_view(world, visit))["answers"]
    assert (held["value"], held.get("conflict", False)) == ("fail", False)


async def test_the_leads_own_older_answer_does_not_outlive_their_decision(world: World) -> None:
    visit = await world.begun()
    first = [record(visit, answers=[answer("E08", value)]) for value in ("fail", "pass")]
    other = record(visit, answers=[answer("E08", "fail")])
    await world.inspector.push(*first)
    await world.inspector_2.push(other)
    decision = settling(visit, "E08", "na", first[1]["id"], other["id"], reason="ไม่เกี่ยวข้อง")
    await world.inspector.push(decision)  # without answered_at
    (held,) = (await officers_view(world, visit))["answers"]
    assert (held["operation"], held.get("conflict", False)) == (str(decision["id"]), False)


async def test_every_answer_in_conflict_must_be_named_to_settle_it(world: World) -> None:
    visit = await world.begun()
    ours = record(visit, answers=[answer("E08", "pass")])
    await world.inspector.push(ours)
    await world.inspector_2.push(record(visit, answers=[answer("E08", "fail")]))
    (refused,) = await world.inspector.push(settling(visit, "E08", "pass", ours["id"]))
    assert refused["problem"]["code"] == "inspection/nothing-to-settle"


@pytest.mark.parametrize(("reason", "flagged"), [(None, True), ("ย้ายของออกแล้ว", False)])
async def test_a_colleagues_fail_settled_as_a_pass_needs_a_reason(
    world: World, reason: str | None, flagged: bool
) -> None:
    visit = await world.begun()
    ours = record(visit, answers=[answer("E08", "pass")])
    theirs = record(visit, answers=[answer("E08", "fail")])
    await world.inspector.push(ours)
    await world.inspector_2.push(theirs)
    (result,) = await world.inspector.push(
        settling(visit, "E08", "pass", ours["id"], theirs["id"], reason=reason)
    )
    assert ("change.without_reason" in codes(result)) is flagged


async def test_a_decision_or_a_laboratory_result_is_no_answer_that_was_not_asked_for(
    world: World,
) -> None:
    visit = await world.begun()
    waiting = answer("H05", {"awaiting": "laboratory", "sample": "W-1"})
    ours = record(visit, answers=[answer("B10", "pass"), waiting])
    theirs = record(visit, answers=[answer("B10", "fail")])
    await world.inspector.push(ours)
    await world.inspector_2.push(theirs)
    await world.inspector.push(submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "return", items=["E08"])
    result = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05"}
    both = await world.inspector.push(
        settling(visit, "B10", "fail", ours["id"], theirs["id"]), result | {"value": 12}
    )
    assert all(r["status"] in ("stored", "flagged") for r in both), both
    assert not {"answer.not_returned"} & (codes(both[0]) | codes(both[1]))


# --- findings -----------------------------------------------------------------------------------


def two_references() -> rules.Compiled:
    """Version 1 with an item whose milder limit is certain and whose harder one is recalled."""
    content = msgspec.json.decode(standard.encode(standard.load_standard_1()))
    (item,) = [i for i in content["items"] if i["code"] == "H04"]
    certain = {"text": "ม. 1", "status": "act_text"}
    recalled = {"text": "ม. 2", "status": "recalled"}
    item.pop("show_when", None)
    item["limits"] = [
        {"kind": "range", "id": "H04.hard", "max": 12, "legal": recalled},
        {"kind": "range", "id": "H04.mild", "max": 9, "legal": certain},
    ]
    return rules.compile(standard.decode(msgspec.json.encode(content)))


def reading(number: int, value: float) -> Version:
    return Version(
        item="H04",
        operation=UUID(int=number),
        author=UUID(int=1),
        answered_at=now() + timedelta(minutes=number),
        received_at=now(),
        value=value,
        outcome="recorded",
    )


async def test_a_confirmed_reference_confirms_no_other_one(world: World, db: Database) -> None:
    visit, compiled = await world.begun(), two_references()
    subject = {"class": 3}
    async with db.read(Worker("test")) as tx:
        row: VisitRow = await findings.queries.visits(  # type: ignore[attr-defined]
            tx, [visit], findings_scope()
        )
        held = Held(row[0], {}, {})  # type: ignore[index]
        states = []
        for number, value in enumerate((10.0, 11.0, 13.0, 10.0), 1):
            held.versions["H04"] = [reading(number, value)]
            judged = findings.Judged({}, {})
            await findings.settle(tx, held, {"H04"}, compiled, subject, judged, [])
            finding: Finding = held.findings["H04"]
            states.append((finding.limit_id, finding.state))
            if number == 1:
                finding.state = FindingState.open
    assert states == [
        ("H04.mild", FindingState.open),
        ("H04.mild", FindingState.open),
        ("H04.hard", FindingState.needs_confirmation),
        ("H04.mild", FindingState.open),
    ]


def findings_scope() -> Any:
    from api.permissions import scope

    return scope(Worker("test"), "visit.read")


@pytest.mark.parametrize("start_first", [True, False])
async def test_what_expires_is_judged_by_the_day_of_the_visit_whichever_part_came_first(
    world: World, start_first: bool
) -> None:
    """A drill 11 months and 20 days before the visit, told 20 days after it."""
    visit = await world.plan()
    entered = now() - timedelta(days=20)
    drill = (clock.bangkok_date(entered) - timedelta(days=350)).isoformat()
    parts = [
        record(visit, start=gate(entered)),
        record(visit, answers=[answer("E06", drill, answered_at=entered)]),
    ]
    for op in parts if start_first else parts[::-1]:
        (result,) = await world.inspector.push(op)
        assert result["status"] in ("stored", "flagged")
        assert not result.get("conflicts")
    found = (await officers_view(world, visit))["findings"]
    assert [f["state"] for f in found] in ([], ["withdrawn"])


async def test_what_the_lead_concluded_before_is_told_where_it_changes(world: World) -> None:
    visit = await world.begun()
    signed, refused = {"presence": "signed", "name": "ตัวอย่าง"}, {"presence": "refused"}
    await world.inspector.push(record(visit, outcome="partly", representative=signed))
    (same,) = await world.inspector.push(record(visit, outcome="partly", representative=signed))
    assert "conclusion.differs" not in codes(same)
    (other,) = await world.inspector.push(
        record(visit, outcome="inspected", representative=refused)
    )
    told = [f["facts"] for f in other["flags"] if f["code"] == "conclusion.differs"]
    assert told == [
        {"field": "outcome", "before": "partly"},
        {"field": "representative", "before": "signed"},
    ]


# --- plans --------------------------------------------------------------------------------------


async def test_another_plan_under_a_used_id_is_refused_whatever_differs(world: World) -> None:
    visit, site = ids.new(), await world.premises()
    follows = await world.plan(site)
    plan = {"premises": site, "planned_on": "2026-12-01", "lead": world.inspector.account}
    assert (await world.head.put(f"/v1/visits/{visit}", content=encode(plan))).status_code == 200
    others: list[dict[str, object]] = [
        {"premises": await world.premises(nth=3)},
        {"note": "อื่น"},
        {"follows": follows},
        {"reason": "accident"},
        {"announced": True},
        {"team": [world.inspector_2.account]},
        {"lead": world.inspector_2.account},
        {"licence": ids.new()},
    ]
    for other in others:
        differs = await world.head.put(f"/v1/visits/{visit}", content=encode(plan | other))
        assert differs.status_code == 409, other
        assert differs.json()["code"] == "inspection/visit-exists"
    again = await world.head.put(f"/v1/visits/{visit}", content=encode(plan))
    assert again.status_code == 200


async def test_a_visit_can_only_follow_one_that_the_planner_may_know_of(world: World) -> None:
    elsewhere = ids.new()
    (made,) = await world.inspector_elsewhere.push(record(elsewhere, site=RAYONG, start=gate()))
    assert made["status"] in ("stored", "flagged")
    ours = {"premises": await world.premises(), "planned_on": "2026-12-01"}
    ours |= {"lead": world.inspector.account}
    for follows in (ids.new(), elsewhere):
        refused = await world.head.put(
            f"/v1/visits/{ids.new()}", content=encode(ours | {"follows": follows})
        )
        assert refused.status_code == 404, refused.text


@pytest.mark.parametrize("who", ["provincial-officer", "head", "auditor", "ministry"])
async def test_nobody_leads_a_visit_who_could_not_record_and_submit_it(
    world: World, who: str
) -> None:
    plan = {"premises": await world.premises(class_=2), "planned_on": "2026-12-01"}
    plan |= {"lead": world[who].account}
    refused = await world.head.put(f"/v1/visits/{ids.new()}", content=encode(plan))
    assert refused.json()["code"] == "inspection/team-unknown"


async def test_a_phone_cannot_tell_a_foreign_visit_from_none(world: World) -> None:
    visit = await world.begun()
    (foreign,) = await world.inspector_elsewhere.push(record(visit, site=RAYONG, start=gate()))
    assert foreign["problem"]["code"] == "inspection/no-such-visit"


# --- clocks -------------------------------------------------------------------------------------


async def make_due(db: Database, *visits: UUID) -> None:
    """Lets the review clocks of `visits` run out a moment ago."""
    async with db.begin(Worker("test")) as tx:
        done = await tx.run(
            "update deadline set due_at = $2 where record = any($1::uuid[])",
            list(visits),
            now() - timedelta(seconds=1),
        )
    assert done == len(visits)


async def test_a_clock_whose_visit_somebody_is_writing_waits_for_the_next_scan(
    world: World, db: Database
) -> None:
    busy, free = await submitted(world), await submitted(world)
    await make_due(db, busy, free)
    async with db.begin(Worker("test")) as tx:
        await tx.lock([busy])
        assert await asyncio.wait_for(deadlines.fire_due(db, DEADLINES, limit=1000), 10) >= 1
    flags = [codes(await officers_view(world, visit)) for visit in (busy, free)]
    assert ["review.overdue" in found for found in flags] == [False, True]
    await deadlines.fire_due(db, DEADLINES, limit=1000)
    assert "review.overdue" in codes(await officers_view(world, busy))


async def test_a_clock_whose_reaction_fails_stays_due_and_holds_up_no_other(
    world: World, db: Database
) -> None:
    broken, sound = await submitted(world), await submitted(world)
    await make_due(db, broken)
    await make_due(db, sound)

    async def react(tx: Tx, record: UUID) -> None:
        if record == broken:
            raise ZeroDivisionError
        await DEADLINES["visit.review"](tx, record)

    await deadlines.fire_due(db, {"visit.review": react}, limit=1000)
    async with db.read() as tx:
        fired = await tx.values(
            "select record from deadline where record = any($1::uuid[]) and fired_at is not null",
            [broken, sound],
        )
    assert fired == [sound]
    await deadlines.fire_due(db, DEADLINES, limit=1000)
    assert "review.overdue" in codes(await officers_view(world, broken))


async def test_escalation_and_acceptance_at_the_same_moment_never_wait_for_each_other(
    world: World, db: Database
) -> None:
    visits = [await submitted(world) for _ in range(6)]
    versions = [(await step(world, visit, "take-up"))["version"] for visit in visits]

    answers: dict[UUID, tuple[int, str]] = {}

    async def accept(visit: UUID, version: int) -> None:
        done = await world.head.post(
            f"/v1/visits/{visit}/accept", version=version, json={"note": ""}
        )
        answers[visit] = (done.status_code, done.json().get("code", ""))

    async def scan() -> None:
        await deadlines.fire_due(db, DEADLINES, limit=1000)

    await make_due(db, *visits)
    accepting = (accept(*pair) for pair in zip(visits, versions, strict=True))
    await asyncio.gather(*accepting, scan(), scan())
    assert set(answers.values()) <= {(200, ""), (409, "ground/stale-version")}, answers
    for visit, (status, _) in answers.items():
        seen = await officers_view(world, visit)
        assert ("review.overdue" in codes(seen)) is (status == 409)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_an_answer_is_read_in_the_light_of_those_that_came_later(
    world: World, order: tuple[int, int]
) -> None:
    """H04 counts only where there is a treatment plant (H01), whichever answer came first."""
    visit = await world.begun()
    ops = [record(visit, answers=[answer("H01", "na")]), record(visit, answers=[answer("H04", 10)])]
    for place in order:
        await world.inspector.push(ops[place])
    await world.inspector_2.push(record(visit, answers=[answer("H04", 11)]))
    seen = await officers_view(world, visit)
    (held,) = [a for a in seen["answers"] if a["item"] == "H04"]
    assert [a["outcome"] for a in (held, *held["others"])] == ["recorded", "recorded"]
    assert [[f["code"] for f in a["flags"]] for a in (held, *held["others"])] == [
        ["item.hidden"],
        ["item.hidden"],
    ]
    assert [f for f in seen["findings"] if f["state"] != "withdrawn"] == []
