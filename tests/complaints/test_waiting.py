"""An office waits for an answer, and not for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from api import clock, deadlines, ids, reactions
from tests.complaints.conftest import begun, by_code, detail, do, secret, tell
from tests.complaints.states import heard, stored_clocks
from tests.complaints.test_endings import state
from tests.world import World, encode


async def fire(world: World) -> None:
    while await deadlines.fire_due(world.db, reactions.DEADLINES):
        pass


async def asked(world: World, **parts: object) -> UUID:
    id = await begun(world, **parts)
    done = await do(world.inspector, id, "ask", {"id": ids.new(), "text": "เวลาใด"})
    assert done.status_code == 200, done.text
    assert done.json()["next_due"] is None
    return id


async def test_a_question_without_an_answer_stops_no_clock_for_ever(world: World) -> None:
    code = secret()
    id = await asked(world, secret=code)
    before = {c.kind: c.due_at for c in await stored_clocks(world, id) if c.met_at is None}
    with clock.travel(timedelta(days=6, hours=23)):
        await fire(world)
        assert "complaint.wait_reminded" not in await heard(world, id)
    with clock.travel(timedelta(days=7, minutes=1)):
        await fire(world)
        await fire(world)
        assert (await heard(world, id)).count("complaint.wait_reminded") == 1
        assert await state(world, id) == "awaiting_info"
    with clock.travel(timedelta(days=14, minutes=1)):
        await fire(world)
        await world.work()
        mine = (await by_code(world, code).get(f"/v1/own-complaints/{id}")).json()
    found = await detail(world.head, id)
    assert (found["state"], found["paused_at"]) == ("in_progress", None)
    assert datetime.fromisoformat(found["next_due"])
    after = {c.kind: c.due_at for c in await stored_clocks(world, id) if c.met_at is None}
    for kind, due in before.items():
        assert timedelta(days=14) <= after[kind] - due < timedelta(days=14, minutes=10)
    assert mine["status"] == "in_progress"
    assert "No answer came in time" in mine["said"][-1]["text"]
    listed = (await world.inspector.get("/v1/messages", params={"limit": 200})).json()["items"]
    told = [m["template"] for m in listed if m["about"]["id"] == str(id)]
    assert told.count("complaint.wait_ended") == 1


async def test_the_complainant_is_reminded_of_a_question_and_not_after_the_answer(
    world: World,
) -> None:
    for answers, times in ((True, 0), (False, 1)):
        id, me = ids.new(), world["citizen"]
        assert (await tell(me, id)).status_code == 200
        for verb, body in (("accept", None), ("assign", {"officer": world.inspector.account})):
            await do(world.head, id, verb, body)
        await do(world.inspector, id, "begin")
        await do(world.inspector, id, "ask", {"id": ids.new(), "text": "เวลาใด"})
        if answers:
            path = f"/v1/own-complaints/{id}/answers/{ids.new()}"
            assert (await me.put(path, content=encode({"text": "สี่ทุ่ม"}))).status_code == 200
        with clock.travel(timedelta(days=8)):
            await fire(world)
            await world.work()
        listed = (await me.get("/v1/messages", params={"limit": 200})).json()["items"]
        told = [m["template"] for m in listed if m["about"]["id"] == str(id)]
        assert told.count("own_complaint.wait_reminded") == times
        with clock.travel(timedelta(days=15)):
            await fire(world)
        assert ("complaint.wait_ended" in await heard(world, id)) is not answers


async def test_nobody_is_asked_who_wants_no_more_of_it(world: World) -> None:
    code, other = secret(), ids.new()
    id = await begun(world, secret=code)
    await tell(world.nobody, other)
    merged = await do(world.head, other, "merge", {"into": id, "text": "เรื่องเดียวกัน"})
    assert merged.status_code == 200, merged.text
    left = await by_code(world, code).put(f"/v1/own-complaints/{id}/withdrawal")
    assert left.status_code == 200, left.text
    done = await do(world.inspector, id, "ask", {"id": ids.new(), "text": "เวลาใด"})
    assert (done.status_code, done.json()["code"]) == (409, "complaints/nobody-to-ask")
    assert (await detail(world.head, id))["state"] == "in_progress"
