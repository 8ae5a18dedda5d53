"""Visits at the desk: plans, the review, its clock, findings, and who sees what."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock, deadlines, ids, workdays
from api.db import Database
from api.inspection.visits.model import FINDING_MOVES, MOVES, FindingState, VisitState
from api.reactions import DEADLINES
from tests.world import World, answer, encode, record, submit

STEPS = {"take-up": {}, "return": {"items": ["E08"]}, "accept": {}, "close": {}, "cancel": {}}


async def version(world: World, visit: UUID) -> int:
    seen: int = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
    return seen


async def step(world: World, visit: UUID, name: str, **body: Any) -> dict[str, Any]:
    """A desk's step by the head; must succeed."""
    kwargs = {} if name == "take-up" else {"json": STEPS[name] | body}
    done = await world.head.post(
        f"/v1/visits/{visit}/{name}", version=await version(world, visit), **kwargs
    )
    assert done.status_code == 200, done.text
    seen: dict[str, Any] = done.json()
    return seen


async def submitted(world: World, *answers: dict[str, Any], **plan: Any) -> UUID:
    visit = await world.begun(**plan)
    await world.inspector.push(record(visit, answers=list(answers), outcome="inspected"))
    await world.inspector.push(submit(visit))
    return visit


# --- plans --------------------------------------------------------------------------------------


async def test_the_same_plan_sent_twice_is_one_visit(world: World, db: Database) -> None:
    visit, site = ids.new(), await world.premises()
    plan = {"premises": site, "planned_on": "2026-12-01", "lead": world.inspector.account}
    first = await world.head.put(f"/v1/visits/{visit}", content=encode(plan))
    again = await world.head.put(f"/v1/visits/{visit}", content=encode(plan))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    other = plan | {"planned_on": "2026-12-02"}
    differs = await world.head.put(f"/v1/visits/{visit}", content=encode(other))
    assert differs.json()["code"] == "inspection/visit-exists"


async def test_another_persons_visit_id_cannot_be_probed_with_a_plan(world: World) -> None:
    visit = await world.plan()
    plan = {"premises": await world.premises(), "planned_on": "2026-12-01"}
    plan |= {"lead": world.inspector.account}
    refused = await world.inspector.put(f"/v1/visits/{visit}", content=encode(plan))
    assert refused.status_code == 404


async def test_premises_of_another_province_cannot_be_planned(world: World) -> None:
    plan = {"premises": await world.premises(province="74"), "planned_on": "2026-12-01"}
    plan |= {"lead": world.inspector.account}
    refused = await world.head.put(f"/v1/visits/{ids.new()}", content=encode(plan))
    assert refused.json()["code"] == "inspection/premises-unknown"


@pytest.mark.parametrize("who", ["operator", "citizen", "inspector-elsewhere", "auditor"])
async def test_only_officers_of_the_office_can_be_on_a_team(world: World, who: str) -> None:
    plan = {"premises": await world.premises(), "planned_on": "2026-12-01"}
    plan |= {"lead": world.inspector.account, "team": [world[who].account]}
    refused = await world.head.put(f"/v1/visits/{ids.new()}", content=encode(plan))
    assert refused.json()["code"] == "inspection/team-unknown"


# --- the review ---------------------------------------------------------------------------------


async def test_a_visit_goes_from_plan_to_closed_and_every_move_is_an_event(
    world: World, db: Database
) -> None:
    visit = await submitted(world, answer("E08", "fail"))
    await step(world, visit, "take-up")
    returned = await step(world, visit, "return", items=["E08"], note="โปรดถ่ายภาพใหม่")
    assert (returned["state"], returned["returned_items"]) == ("returned", ["E08"])
    await world.inspector.push(
        record(visit, answers=[answer("E08", "pass", reason="เปิดทางแล้ว")]), submit(visit)
    )
    await step(world, visit, "take-up")
    assert (await step(world, visit, "accept"))["state"] == "accepted"
    assert (await step(world, visit, "close"))["state"] == "closed"
    async with db.read() as tx:
        names = await tx.values(
            "select name from event where record = $1 and kind = 'visit' order by id", visit
        )
    assert names == [
        "visit.planned",
        "visit.recorded",
        "visit.recorded",
        "visit.submitted",
        "visit.review_begun",
        "visit.returned",
        "visit.recorded",
        "visit.submitted",
        "visit.review_begun",
        "visit.accepted",
        "visit.closed",
    ]


async def test_items_that_the_visits_checklist_lacks_cannot_be_returned(world: World) -> None:
    visit = await submitted(world)
    before = await step(world, visit, "take-up")
    refused = await world.head.post(
        f"/v1/visits/{visit}/return",
        version=before["version"],
        json={"items": ["Z98", "E08", "e08"], "note": ""},
    )
    assert refused.status_code == 422
    problem = refused.json()
    assert problem["code"] == "inspection/items-unknown"
    assert problem["items"] == ["Z98", "e08"]
    assert problem["title"].endswith("Z98, e08")
    assert (await world.head.get(f"/v1/visits/{visit}")).json() == before


async def test_an_answer_to_an_item_that_was_not_returned_is_flagged(world: World) -> None:
    visit = await submitted(world, answer("E08", "fail"))
    await step(world, visit, "take-up")
    await step(world, visit, "return", items=["E08"])
    (result,) = await world.inspector.push(record(visit, answers=[answer("B10", "fail")]))
    assert "answer.not_returned" in {f["code"] for f in result["flags"]}


async def test_a_decision_on_a_version_that_is_no_longer_current_is_refused(world: World) -> None:
    visit = await submitted(world)
    stale = await version(world, visit)
    await step(world, visit, "take-up")
    refused = await world.head.post(f"/v1/visits/{visit}/accept", version=stale, json={"note": ""})
    assert refused.status_code == 409
    assert refused.json()["code"] == "ground/stale-version"
    assert refused.json()["current"] == stale + 1


@pytest.mark.parametrize("given", [None, "x", "-1", "", "1.5", "99999999999999999999"])
async def test_a_decision_without_a_readable_version_is_refused(
    world: World, given: str | None
) -> None:
    visit = await submitted(world)
    headers = {} if given is None else {"If-Match": given}
    refused = await world.head.post(f"/v1/visits/{visit}/take-up", headers=headers)
    assert refused.status_code == 422


async def test_a_visit_with_open_conflicts_is_not_accepted(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, answers=[answer("E08", "pass")]))
    await world.inspector_2.push(record(visit, answers=[answer("E08", "fail")]))
    (result,) = await world.inspector.push(submit(visit))
    assert "conflict.open" in {f["code"] for f in result["flags"]}
    await step(world, visit, "take-up")
    refused = await world.head.post(
        f"/v1/visits/{visit}/accept", version=await version(world, visit), json={"note": ""}
    )
    assert refused.json()["code"] == "inspection/conflict-open"
    assert refused.json()["items"] == ["E08"]


async def test_missing_answers_are_flagged_at_submission_and_named(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, answers=[answer("E08", "pass")], outcome="inspected"))
    (result,) = await world.inspector.push(submit(visit))
    (missing,) = [f for f in result["flags"] if f["code"] == "items.missing"]
    assert "E08" not in missing["facts"]["items"]
    assert len(missing["facts"]["items"]) > 50


async def test_a_refused_entry_needs_no_answers(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, outcome="refused_entry"))
    (result,) = await world.inspector.push(submit(visit))
    assert result["status"] == "stored", result


async def test_only_the_lead_submits(world: World) -> None:
    visit = await world.begun()
    (refused,) = await world.inspector_2.push(submit(visit))
    assert refused["problem"]["code"] == "inspection/not-lead"


async def test_the_review_clock_runs_in_thai_working_days_and_escalates(
    world: World, db: Database
) -> None:
    visit = await submitted(world)
    async with db.read() as tx:
        due = await tx.value("select due_at from deadline where record = $1", visit)
    today = clock.bangkok_date(clock.now())
    assert due == workdays.end_of(workdays.after(today, 7, {}))
    assert await deadlines.fire_due(db, DEADLINES, limit=1000) == 0
    with clock.travel(timedelta(days=40)):
        assert await deadlines.fire_due(db, DEADLINES, limit=1000) >= 1
        assert await deadlines.fire_due(db, DEADLINES, limit=1000) == 0, "it fires once"
    listed = (await world.department.get("/v1/visits", params={"overdue": "true"})).json()
    assert str(visit) in {v["id"] for v in listed["items"]}
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert "review.overdue" in {f["code"] for f in seen["flags"]}


async def test_a_review_that_was_finished_in_time_does_not_escalate(
    world: World, db: Database
) -> None:
    visit = await submitted(world)
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    with clock.travel(timedelta(days=40)):
        await deadlines.fire_due(db, DEADLINES, limit=1000)
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert "review.overdue" not in {f["code"] for f in seen["flags"]}


async def test_two_workers_fire_a_clock_once(world: World, db: Database) -> None:
    import asyncio

    visits = [await submitted(world) for _ in range(5)]
    with clock.travel(timedelta(days=40)):
        await asyncio.gather(*(deadlines.fire_due(db, DEADLINES, limit=1000) for _ in range(4)))
    async with db.read() as tx:
        fired = await tx.value(
            """
            select count(*) from event
            where name = 'visit.review_overdue' and record = any($1::uuid[])
            """,
            visits,
        )
    assert fired == 5


# --- findings -----------------------------------------------------------------------------------


async def test_failed_items_become_findings_with_law_severity_and_licence(world: World) -> None:
    site = await world.premises(company=True)
    visit = await submitted(
        world,
        answer("E08", "fail"),
        answer("H04", 10.2),
        answer("A06", 5000),
        answer("B10", "pass"),
        premises=site,
    )
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    found = {f["item"]: f for f in seen["findings"]}
    assert found.keys() == {"E08", "H04", "A06"}
    assert found["E08"]["state"] == "open"
    assert found["H04"]["state"] == "needs_confirmation", "its reference is recalled"
    assert found["A06"]["limit_id"] == "A06.s18"
    assert all(f["licence"] and f["company"] and f["legal_ref"] for f in found.values())


async def test_a_recalled_reference_is_confirmed_by_an_officer_once(world: World) -> None:
    visit = await submitted(world, answer("H04", 10.2))
    (finding,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
    path = f"/v1/findings/{finding['id']}/confirm"
    assert (await world.inspector.post(path, version=1)).status_code == 403
    assert (await world.inspector_elsewhere.post(path, version=1)).status_code == 403
    done = await world.provincial_officer.post(path, version=finding["version"])
    assert done.json()["state"] == "open"
    again = await world.provincial_officer.post(path, version=done.json()["version"])
    assert again.json()["code"] == "inspection/finding-state"


async def test_the_list_for_the_next_visit_opens_with_what_the_last_one_left_open(
    world: World,
) -> None:
    site = await world.premises(nth=2)
    visit = await submitted(world, answer("E08", "fail"), premises=site)
    following = await world.plan(site, reason="follow_up", follows=visit)
    pack = (await world.inspector.get(f"/v1/visits/{following}/pack")).json()
    assert pack["open_findings"] == [], "nothing counts before it is accepted"
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    pack = (await world.inspector.get(f"/v1/visits/{following}/pack")).json()
    assert "E08" in [f["item"] for f in pack["open_findings"] if f["visit"] == str(visit)]
    assert len(pack["checklist"]["items"]) == 125


# --- the factory's view -------------------------------------------------------------------------


async def test_a_factory_sees_its_visit_once_accepted_and_a_stranger_never(world: World) -> None:
    site = await world.premises(company=True)
    visit = await submitted(world, answer("E08", "fail"), premises=site)
    path = f"/v1/company/visits/{await world.shown_as(visit)}"
    assert (await world.operator.get(path)).status_code == 404
    await step(world, visit, "take-up")
    assert (await world.operator.get(path)).status_code == 404
    await step(world, visit, "accept")
    seen = await world.operator.get(path)
    assert [f["item"] for f in seen.json()["findings"]] == ["E08"]
    assert (await world.stranger.get(path)).status_code == 404
    listed = (await world.stranger.get("/v1/company/visits")).json()["items"]
    assert str(await world.shown_as(visit)) not in {v["id"] for v in listed}
    assert (await world.operator.get(f"/v1/visits/{visit}")).status_code == 403


async def test_an_announced_visit_tells_the_factory_that_it_takes_place_and_no_more(
    world: World,
) -> None:
    site = await world.premises(company=True)
    visit = await world.begun(
        site, announced=True, reason="complaint", note="เพื่อนบ้านร้องเรียนเรื่องกลิ่น"
    )
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    shown = await world.shown_as(visit)
    seen = (await world.operator.get(f"/v1/company/visits/{shown}")).json()
    assert seen["state"] == "announced"
    assert seen["findings"] == []
    assert seen["visited_at"] is None and seen["outcome"] is None


async def insider_view(world: World, site: UUID, reason: str) -> dict[str, Any]:
    """Everything that the factory's account gets about a visit made for `reason`."""
    visit = await submitted(
        world,
        answer("E08", "fail"),
        answer("O06", "กลิ่นตัวทำละลายตอนกลางคืน"),
        premises=site,
        reason=reason,
        note="ลับ: เพื่อนบ้านร้องเรียน",
    )
    _, cursor = await pulled(world)
    await step(world, visit, "take-up")
    await step(world, visit, "accept", note="ลับ")
    changes, _ = await pulled(world, cursor)
    shown = str(await world.shown_as(visit))
    one = (await world.operator.get(f"/v1/company/visits/{shown}")).json()
    every = (await world.operator.get("/v1/company/visits", params={"limit": 200})).json()["items"]
    (listed,) = [v for v in every if v["id"] == shown]
    view = {"one": one, "listed": listed, "changes": changes}
    assert str(visit) not in str(view), "a UUIDv7 tells when the visit was planned"
    return view


async def pulled(
    world: World, cursor: str | None = None, who: str = "operator"
) -> tuple[list[Any], str]:
    found: list[Any] = []
    while True:
        params = {"cursor": cursor} if cursor else {}
        page = (await world[who].get("/v1/sync", params=params)).json()
        found, cursor = found + page["changes"], page["next"]
        if not page["more"]:
            return found, cursor or ""


def shape(value: Any) -> Any:
    """The value with everything that differs between any two visits taken out."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    text = str(value)
    varies = len(text) == 36 and text.count("-") == 4 or text.startswith("20")
    return "…" if varies else value


async def test_nothing_that_a_factory_insider_gets_tells_why_a_visit_was_made(
    world: World,
) -> None:
    site = await world.premises(company=True)
    views = {}
    for reason in ("routine", "complaint", "follow_up", "accident", "not_reporting"):
        view = await insider_view(world, site, reason)
        text = str(view)
        assert "ลับ" not in text and "กลิ่น" not in text and "O06" not in text
        for word in ("routine", "complaint", "follow_up", "accident", "not_reporting", "reason"):
            assert word not in text
        views[reason] = shape(view)
    assert all(view == views["routine"] for view in views.values())


# --- states -------------------------------------------------------------------------------------


async def in_state(world: World, state: VisitState) -> UUID:
    """A visit brought to `state` by real requests."""
    if state is VisitState.planned:
        return await world.plan()
    if state is VisitState.cancelled:
        visit = await world.plan()
        await step(world, visit, "cancel")
        return visit
    visit = await world.begun()
    if state is VisitState.under_way:
        return visit
    await world.inspector.push(submit(visit))
    path = {
        VisitState.submitted: [],
        VisitState.in_review: ["take-up"],
        VisitState.returned: ["take-up", "return"],
        VisitState.accepted: ["take-up", "accept"],
        VisitState.closed: ["take-up", "accept", "close"],
    }[state]
    for name in path:
        await step(world, visit, name)
    return visit


@pytest.mark.parametrize("state", list(VisitState))
@pytest.mark.parametrize("name", list(STEPS))
async def test_a_desk_moves_a_visit_exactly_where_the_table_says(
    world: World, state: VisitState, name: str
) -> None:
    visit = await in_state(world, state)
    kwargs = {} if name == "take-up" else {"json": STEPS[name]}
    done = await world.head.post(
        f"/v1/visits/{visit}/{name}", version=await version(world, visit), **kwargs
    )
    to = MOVES.get((name.replace("-", "_"), state))
    if to is None:
        assert done.status_code == 409
        assert done.json()["code"] == "inspection/visit-sealed"
        assert (await world.head.get(f"/v1/visits/{visit}")).json()["state"] == state
    else:
        assert done.status_code == 200
        assert done.json()["state"] == to


def test_every_state_can_be_reached_and_none_but_the_last_ones_is_a_dead_end() -> None:
    reached, todo = {VisitState.planned}, [VisitState.planned]
    while todo:
        state = todo.pop()
        for (_, start), to in MOVES.items():
            if start == state and to not in reached:
                reached.add(to)
                todo.append(to)
    assert reached == set(VisitState)
    ends = set(VisitState) - {start for _, start in MOVES}
    assert ends == {VisitState.closed, VisitState.cancelled}
    assert {s for _, s in FINDING_MOVES} | set(FINDING_MOVES.values()) == set(FindingState)


# --- checklists ---------------------------------------------------------------------------------


async def test_the_checklist_is_served_as_published_with_its_hash(world: World) -> None:
    (line, *_) = (await world.inspector.get("/v1/checklists")).json()
    one = await world.inspector.get("/v1/checklists/1")
    assert one.status_code == 200
    assert line["content_hash"] in one.headers["etag"] or line["number"] > 1
    assert len(one.json()["items"]) == 125
    assert (await world.inspector.get("/v1/checklists/999")).status_code == 404


async def test_an_administrator_publishes_a_limit_without_code_and_begun_visits_keep_theirs(
    world: World,
) -> None:
    begun = await world.begun()
    lines = (await world.administrator.get("/v1/checklists")).json()
    content = (await world.administrator.get(f"/v1/checklists/{lines[0]['number']}")).json()
    number = lines[0]["number"] + 1
    content["version"] = number
    (item,) = [i for i in content["items"] if i["code"] == "H04"]
    item["limits"][0]["max"] = 7.5
    assert (
        await world.inspector.post("/v1/checklists", json={"content": content})
    ).status_code == 403
    done = await world.administrator.post("/v1/checklists", json={"content": content})
    assert done.status_code == 201, done.text
    after = await world.begun()
    for visit, findings in ((begun, 0), (after, 1)):
        await world.inspector.push(record(visit, answers=[answer("H04", 8.0)]))
        seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
        assert len(seen["findings"]) == findings, seen["checklist"]
    content["version"] = number + 1
    item["limits"][0]["max"] = 9.0
    await world.administrator.post("/v1/checklists", json={"content": content})


async def test_a_faulty_checklist_is_refused_with_every_fault(world: World) -> None:
    lines = (await world.administrator.get("/v1/checklists")).json()
    content = (await world.administrator.get(f"/v1/checklists/{lines[0]['number']}")).json()
    content["items"].append(content["items"][0])
    refused = await world.administrator.post("/v1/checklists", json={"content": content})
    assert refused.status_code == 422
    assert len(refused.json()["faults"]) >= 2


# --- working days -------------------------------------------------------------------------------


def test_a_special_day_moves_a_clock_over_songkran() -> None:
    friday = date(2026, 4, 10)
    plain = workdays.after(friday, 3, {})
    assert plain > date(2026, 4, 16), "13 to 15 April are holidays"
    later = workdays.after(friday, 3, {plain: False})
    assert later > plain
    assert workdays.after(friday, 3, {date(2026, 4, 13): True}) < plain


async def test_only_an_administrator_declares_a_special_day(world: World) -> None:
    body = {"working": False, "name_th": "วันหยุดพิเศษ"}
    day = f"{clock.bangkok_date(now()) + timedelta(days=75)}"
    assert (await world.head.put(f"/v1/special-days/{day}", json=body)).status_code == 403
    done = await world.administrator.put(f"/v1/special-days/{day}", json=body)
    assert done.status_code == 200, done.text
    days = (await world.nobody.get("/v1/special-days")).json()
    assert day in {d["day"] for d in days}
