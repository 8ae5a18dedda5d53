"""What a record from the field may and may not do, and what of it is told to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api import ids
from api.db import Database
from tests.inspection.test_visits import pulled, step, submitted
from tests.world import World, answer, gate, now, record, submit


def codes(found: dict[str, Any]) -> list[str]:
    return [flag["code"] for flag in found.get("flags", [])]


async def test_a_record_during_the_review_is_told_as_late_and_stands_once_at_the_visit(
    world: World,
) -> None:
    visit = await submitted(world)
    await step(world, visit, "take-up")
    for item in ("E08", "B10"):
        (late,) = await world.inspector_2.push(record(visit, answers=[answer(item, "pass")]))
        assert "arrived.late" in codes(late)
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert codes(seen).count("arrived.late") == 1


async def test_a_push_is_told_only_the_conflicts_of_its_own_answers(world: World) -> None:
    visit = await world.plan()
    await world.inspector.push(record(visit, answers=[answer("E08", "pass")]))
    await world.inspector_2.push(record(visit, answers=[answer("E08", "fail")]))
    earlier = gate(now() - timedelta(days=3))  # moves the day of the visit: all is judged again
    (result,) = await world.inspector.push(
        record(visit, start=earlier, answers=[answer("B10", "pass")])
    )
    assert (result["status"], result.get("conflicts", [])) == ("flagged", [])


async def test_the_working_hours_of_a_start_that_does_not_stand_are_not_taken(
    world: World, db: Database
) -> None:
    visit = await world.plan()
    first, second = gate(now() - timedelta(hours=2)), gate(now() - timedelta(hours=1))
    first["working_hours"] = {"start": "08:00", "end": "17:00"}
    await world.inspector.push(record(visit, start=first))
    (result,) = await world.inspector_2.push(record(visit, start=second))
    assert "start.differs" in codes(result)
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert seen["started_at"] == seen["start"]["at"]
    assert seen["started_at"].startswith(f"{first['at']:%Y-%m-%dT%H:%M:%S}")
    async with db.read() as tx:
        kept = await tx.value("select working_hours ->> 'end' from visit where id = $1", visit)
    assert kept == "17:00"


async def test_an_unplanned_visit_cannot_be_of_premises_in_another_province(world: World) -> None:
    site = await world.premises()
    (refused,) = await world.inspector_elsewhere.push(
        record(ids.new(), premises=site, start=gate())
    )
    assert refused["problem"]["code"] == "inspection/premises-unknown"


@pytest.mark.parametrize("who", ["operator", "auditor", "inspector-elsewhere", "head"])
async def test_an_unplanned_visit_takes_only_officers_who_may_record_it(
    world: World, who: str
) -> None:
    op = record(ids.new(), premises=await world.premises(), start=gate())
    for part in ({"team": [world[who].account]}, {"lead": world[who].account}):
        (refused,) = await world.inspector.push(op | part)
        assert refused["problem"]["code"] == "inspection/team-unknown"


async def test_an_item_answered_twice_in_one_record_counts_as_its_last_answer(
    world: World,
) -> None:
    visit = await world.begun()
    (result,) = await world.inspector.push(
        record(visit, answers=[answer("E08", "fail"), answer("E08", "pass")])
    )
    assert "answer.twice" in codes(result)
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [a["value"] for a in seen["answers"]] == ["pass"]


async def test_a_laboratory_result_comes_from_the_team(world: World) -> None:
    visit = await world.begun(team=[])
    waiting = answer("H05", {"awaiting": "laboratory", "sample": "W-1"})
    await world.inspector.push(record(visit, answers=[waiting]))
    result = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05"}
    (refused,) = await world.inspector_2.push(result | {"value": 12})
    assert refused["problem"]["code"] == "inspection/not-on-team"


async def test_a_visit_that_nobody_started_is_not_submitted(world: World) -> None:
    visit = await world.plan()
    (refused,) = await world.inspector.push(submit(visit))
    assert refused["problem"]["code"] == "inspection/not-started"


async def test_a_visit_submitted_without_an_outcome_is_told_so_with_what_is_missing(
    world: World,
) -> None:
    visit = await world.begun()
    (result,) = await world.inspector.push(submit(visit))
    assert {"outcome.missing", "items.missing"} <= set(codes(result))


async def test_the_factory_is_told_when_a_laboratory_adds_a_finding_after_acceptance(
    world: World,
) -> None:
    visit = await world.begun(await world.premises(company=True))
    waiting = answer("H05", {"awaiting": "laboratory", "sample": "W-1"})
    await world.inspector.push(record(visit, answers=[waiting]), submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    _, cursor = await pulled(world)
    result = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05"}
    await world.inspector.push(result | {"value": 84.0, "reported_at": now()})
    changes, _ = await pulled(world, cursor)
    (change,) = [c for c in changes if c["kind"] == "company_visit"]
    assert [f["item"] for f in change["record"]["findings"]] == ["H05"]


async def test_a_sample_awaits_its_laboratory_whatever_was_known_when_it_was_taken(
    world: World,
) -> None:
    """Without a treatment plant (H01) the item was hidden when the answer came in."""
    visit = await world.begun()
    first = record(visit, answers=[answer("H01", "na")])
    waiting = answer("H05", {"awaiting": "laboratory", "sample": "W-1"})
    await world.inspector.push(
        first,
        record(visit, answers=[waiting]),
        record(visit, answers=[answer("H01", "pass", base=first["id"])]),
    )
    result = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05"}
    (done,) = await world.inspector.push(result | {"value": 84.0})
    assert done["status"] in ("stored", "flagged"), done


@pytest.mark.parametrize(("accuracy_m", "far"), [(10, True), (5000, False)])
async def test_a_position_is_far_only_beyond_what_its_accuracy_explains(
    world: World, accuracy_m: float, far: bool
) -> None:
    visit = await world.plan()
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()["subject"]["position"]
    start = gate(lat=seen["lat"] + 0.02, lng=seen["lng"])  # 2.2 km to the north
    start["position"]["accuracy_m"] = accuracy_m
    (result,) = await world.inspector.push(record(visit, start=start))
    assert ("position.far" in codes(result)) is far


async def test_an_officers_own_fail_that_becomes_a_pass_needs_a_reason_also_without_a_base(
    world: World,
) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    (result,) = await world.inspector.push(record(visit, answers=[answer("E08", "pass")]))
    assert "change.without_reason" in codes(result)


async def test_a_finding_comes_and_goes_with_the_answer_that_its_item_depends_on(
    world: World,
) -> None:
    """H04 counts only where there is a treatment plant (H01)."""
    visit = await world.begun()
    await world.inspector.push(record(visit, answers=[answer("H04", 10.2)]))
    states = []
    for value in ("na", "pass"):
        await world.inspector.push(record(visit, answers=[answer("H01", value)]))
        (found,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
        states.append(found["state"])
    assert states == ["withdrawn", "needs_confirmation"]


@pytest.mark.parametrize("first", ["fail", "pass"])
async def test_a_conflict_has_its_finding_as_long_as_one_of_its_answers_fails(
    world: World, first: str
) -> None:
    visit = await world.begun()
    second = "pass" if first == "fail" else "fail"
    await world.inspector.push(record(visit, answers=[answer("E08", first)]))
    await world.inspector_2.push(record(visit, answers=[answer("E08", second)]))
    (found,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
    assert (found["state"], found["in_conflict"]) == ("open", True)


async def test_a_finding_keeps_its_version_while_nothing_about_it_changes(world: World) -> None:
    visit = await world.begun()
    for note in ("a", "b"):
        await world.inspector.push(record(visit, answers=[answer("E08", "fail", note=note)]))
    await world.inspector.push(record(visit, answers=[answer("B10", "pass")]))
    (found,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
    assert found["version"] == 1


async def test_a_visit_submitted_again_after_a_return_has_its_review_clock_again(
    world: World, db: Database
) -> None:
    visit = await submitted(world)
    await step(world, visit, "take-up")
    await step(world, visit, "return", items=["E08"])
    running = "select met_at is null from deadline where record = $1"
    async with db.read() as tx:
        assert await tx.value(running, visit) is False
    await world.inspector.push(submit(visit))
    async with db.read() as tx:
        assert await tx.value(running, visit) is True


async def test_a_licence_that_is_not_at_the_site_is_flagged_and_takes_no_finding_away(
    world: World,
) -> None:
    visit = await world.begun(await world.premises(company=True))
    (result,) = await world.inspector.push(
        record(visit, answers=[answer("E08", "fail", licence=ids.new())])
    )
    assert "licence.elsewhere" in codes(result)
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert [f["licence"] for f in seen["findings"]] == [seen["licence"]]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_visit_cancelled_under_way_is_told_to_the_company_only_if_it_was_announced(
    world: World, announced: bool
) -> None:
    site = await world.premises(company=True)
    _, cursor = await pulled(world)
    visit = await world.begun(site, announced=announced)
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    await step(world, visit, "cancel")
    changes, _ = await pulled(world, cursor)
    told = [c["record"] for c in changes if c["kind"] == "company_visit"]
    assert [t["state"] for t in told] == (["cancelled"] if announced else [])
    assert [t["findings"] for t in told] == ([[]] if announced else [])


async def test_a_finding_is_confirmed_on_its_current_version_and_its_company_is_told(
    world: World,
) -> None:
    visit = await submitted(world, answer("H04", 10.2), premises=await world.premises(company=True))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    (finding,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
    path = f"/v1/findings/{finding['id']}/confirm"
    stale = await world.head.post(path, version=finding["version"] + 1)
    assert stale.json()["code"] == "ground/stale-version"
    _, cursor = await pulled(world)
    assert (await world.head.post(path, version=finding["version"])).status_code == 200
    changes, _ = await pulled(world, cursor)
    (change,) = [c for c in changes if c["kind"] == "company_visit"]
    assert [f["state"] for f in change["record"]["findings"]] == ["open"]
