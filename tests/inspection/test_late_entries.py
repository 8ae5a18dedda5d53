"""What a phone sends of a visit that has ended meanwhile: kept for the head, counted nowhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from api import ids
from api.db import Database
from api.inspection.visits import queries
from api.inspection.visits.model import ENDED, VisitState
from tests.inspection.test_visits import in_state, pulled, step
from tests.world import World, answer, gate, record, submit

CHANGED = {"flags", "version", "late_entries"}
"""The fields of a visit in which a late entry shows."""


def codes(found: dict[str, Any]) -> list[str]:
    return [flag["code"] for flag in found.get("flags", [])]


async def seen(world: World, visit: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await world.head.get(f"/v1/visits/{visit}")).json()
    return found


async def accepted_with_a_finding(world: World) -> UUID:
    """A visit that its factory sees, with one open finding; its working team is both inspectors."""
    visit = await world.begun(await world.premises(company=True), announced=True)
    noted = record(visit, answers=[answer("E08", "fail")], outcome="inspected")
    await world.inspector.push(noted, submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    return visit


@pytest.mark.parametrize("state", sorted(ENDED))
async def test_a_record_after_the_end_is_kept_for_the_head_and_changes_nothing(
    world: World, state: VisitState
) -> None:
    visit = await in_state(world, state)
    before = await seen(world, visit)
    late = record(visit, answers=[answer("E08", "fail", note="ประตูล็อก"), answer("Z99", {"x": 1})])
    (result,) = await world.inspector.push(late)
    assert result["status"] == "flagged"
    assert result["receipt"]
    flag = {"code": "arrived.after_end", "facts": {"state": state}}
    assert result["flags"] == [flag]
    after = await seen(world, visit)
    assert {name for name in after if after[name] != before[name]} == CHANGED
    assert after["flags"] == [*before["flags"], flag]
    (kept,) = after["late_entries"]
    assert kept["operation"] == str(late["id"])
    assert kept["author"] == str(world.inspector.account)
    assert "received_at" in kept
    assert [(a["item"], a["value"], a["note"]) for a in kept["answers"]] == [
        ("E08", "fail", "ประตูล็อก"),
        ("Z99", {"x": 1}, None),
    ]


async def test_a_late_entry_never_reaches_the_merge_the_view_or_the_factory(
    world: World, db: Database
) -> None:
    visit = await accepted_with_a_finding(world)
    shown = await world.shown_as(visit)
    path = f"/v1/company/visits/{shown}"
    told = (await world.operator.get(path)).json()
    _, cursor = await pulled(world)
    async with db.read() as tx:
        (standing,) = (await queries.answers(tx, [visit]))[visit]
    said = [answer("E08", "pass", base=standing.operation, reason="x"), answer("B10", "fail")]
    (late,) = await world.inspector.push(record(visit, answers=said, start=gate()))
    assert late["status"] == "flagged"
    async with db.read() as tx:
        assert (await queries.answers(tx, [visit]))[visit] == [standing]
        listed = await tx.values("select operation from answer where visit = $1", visit)
        kept = await tx.value("select count(*) from entry where visit = $1 and not counts", visit)
    assert (listed, kept) == ([standing.operation], 1)
    assert (await world.operator.get(path)).json() == told
    changes, _ = await pulled(world, cursor)
    assert str(shown) not in {c["id"] for c in changes}


async def test_a_laboratory_result_after_a_late_entry_is_judged_without_it(world: World) -> None:
    visit = await world.begun()
    waiting = answer("H05", {"awaiting": "laboratory", "sample": "W-1"})
    await world.inspector.push(record(visit, answers=[waiting]), submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    await world.inspector_2.push(record(visit, answers=[answer("H05", 7), answer("E08", "fail")]))
    result = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05"}
    (taken,) = await world.inspector.push(result | {"value": 84.0})
    assert taken["status"] in ("stored", "flagged"), taken
    after = await seen(world, visit)
    assert [(a["item"], a["value"]) for a in after["answers"]] == [("H05", 84.0)]
    assert [f["item"] for f in after["findings"]] == ["H05"]


async def test_what_else_a_late_record_holds_is_named_and_not_applied(world: World) -> None:
    visit = await in_state(world, VisitState.cancelled)
    before = await seen(world, visit)
    representative = {"presence": "signed", "name": "นางสาวตัวอย่าง ลับมาก"}
    (result,) = await world.inspector.push(
        record(visit, start=gate(), outcome="unsafe", representative=representative, note="พบควัน")
    )
    facts = {"state": "cancelled", "sealed": ["start", "outcome", "representative"]}
    assert result["flags"] == [{"code": "arrived.after_end", "facts": facts}]
    answered = await world.head.get(f"/v1/visits/{visit}")
    assert "ลับมาก" not in answered.text
    after = answered.json()
    assert {name for name in after if after[name] != before[name]} == CHANGED
    assert [(e["answers"], e["note"]) for e in after["late_entries"]] == [([], "พบควัน")]


async def test_a_late_record_sent_again_is_a_replay_and_stands_once(world: World) -> None:
    visit = await in_state(world, VisitState.closed)
    late = record(visit, answers=[answer("E08", "fail")])
    (first,) = await world.inspector.push(late)
    (again,) = await world.inspector.push(late)
    assert again == first | {"replayed": True}
    await world.inspector_2.push(record(visit, answers=[answer("B10", "pass")]))
    after = await seen(world, visit)
    assert [e["answers"][0]["item"] for e in after["late_entries"]] == ["E08", "B10"]
    assert codes(after).count("arrived.after_end") == 1


async def test_a_late_record_is_the_teams_and_the_provinces(world: World) -> None:
    visit = await world.plan(team=[])
    await step(world, visit, "cancel")
    late = record(visit, answers=[answer("E08", "fail")])
    (refused,) = await world.inspector_2.push(late)
    assert refused["problem"]["code"] == "inspection/not-on-team"
    (refused,) = await world.inspector_elsewhere.push(late | {"id": ids.new()})
    assert refused["problem"]["code"] == "inspection/no-such-visit"
    assert (await seen(world, visit))["late_entries"] == []


async def test_the_rest_of_a_late_queue_is_refused_and_the_record_is_kept(world: World) -> None:
    visit = await in_state(world, VisitState.cancelled)
    result = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05", "value": 1}
    queue = [record(visit, answers=[answer("E08", "fail")]), result, submit(visit)]
    kept, *refused = await world.inspector.push(*queue)
    assert kept["status"] == "flagged"
    assert {r["problem"]["code"] for r in refused} == {"inspection/visit-sealed"}


async def test_the_offices_phones_pull_the_late_entry_and_no_others(world: World) -> None:
    visit = await in_state(world, VisitState.cancelled)
    _, cursor = await pulled(world, who="head")
    _, elsewhere = await pulled(world, who="inspector-elsewhere")
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    changes, _ = await pulled(world, cursor, "head")
    (told,) = [c["record"] for c in changes if c["id"] == str(visit)]
    assert len(told["late_entries"]) == 1
    changes, _ = await pulled(world, elsewhere, "inspector-elsewhere")
    assert str(visit) not in {c["id"] for c in changes}
