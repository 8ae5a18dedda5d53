"""What visits and orders mean for the complaints behind them, and what the complainant hears."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from api import ids
from api.complaints.subjects import following
from api.jobs import Job
from api.permissions import Worker
from tests.complaints.conftest import by_code, secret
from tests.complaints.matters import about, accepted, planned, reviewed, stored
from tests.inspection.orders import act, serve, signed
from tests.world import Person, World, encode, now, record, submit


async def notes(world: World, id: UUID) -> list[str]:
    async with world.db.read() as tx:
        return await tx.values(
            "select facts->>'event' from complaint_entry where complaint = $1 and kind = 'note'"
            " order by received_at, id",
            id,
        )


async def heard(world: World, code: str, id: UUID) -> dict[str, Any]:
    found = await by_code(world, code).get(f"/v1/own-complaints/{id}")
    assert found.status_code == 200, found.text
    body: dict[str, Any] = found.json()
    return body


async def messages(world: World, person: Person, id: UUID) -> list[str]:
    listed = (await person.get("/v1/messages")).json()["items"]
    return [m["template"] for m in listed if m["about"]["id"] == str(id)]


async def test_an_accepted_visit_brings_its_complaints_back_and_tells_who_waits(
    world: World,
) -> None:
    premises, code = await world.premises(company=True), secret()
    first, second = await about(world, premises, secret=code), await about(world, premises)
    visit = await planned(world, first, second)
    assert (await heard(world, code, first))["status"] == "in_progress"
    assert (await heard(world, code, first))["said"] == []
    await accepted(world, visit["id"])
    for id in (first, second):
        assert (await stored(world, id))["state"] == "in_progress"
        assert {"visit.submitted", "visit.accepted"} <= set(await notes(world, id))
        assert await messages(world, world.inspector, id) == ["complaint.inspected"]
    told = await heard(world, code, first)
    assert told["status"] == "in_progress"
    (said,) = told["said"]
    assert (said["by"], said["kind"]) == ("office", "message")


async def test_the_complainant_sees_no_difference_until_the_inspection_is_over(
    world: World,
) -> None:
    code = secret()
    id = await about(world, await world.premises(company=True), secret=code)

    async def seen() -> dict[str, Any]:
        found = await heard(world, code, id)
        return {k: v for k, v in found.items() if k != "version"}

    before = await seen()
    visit = (await planned(world, id))["id"]
    await world.work()
    assert await seen() == before
    await world.inspector.push(record(UUID(visit), start=None, outcome="inspected"))
    await world.inspector.push(submit(UUID(visit)))
    await world.work()
    assert await seen() == before
    await reviewed(world, visit, "take-up")
    await world.work()
    assert await seen() == before


async def test_who_was_not_let_in_is_not_told_as_an_inspection(world: World) -> None:
    code = secret()
    id = await about(world, await world.premises(), secret=code)
    visit = (await planned(world, id))["id"]
    await world.inspector.push(record(UUID(visit), outcome="refused_entry"))
    await world.inspector.push(submit(UUID(visit)))
    await reviewed(world, visit, "take-up", "accept")
    await world.work()
    assert (await stored(world, id))["state"] == "in_progress"
    assert (await heard(world, code, id))["said"] == []


async def test_whoever_left_hears_no_more_and_the_inspection_goes_on(world: World) -> None:
    code = secret()
    id = await about(world, await world.premises(company=True), secret=code)
    visit = await planned(world, id)
    async with world.db.begin() as tx:
        await tx.run("update complaint set left_at = $2 where id = $1", id, now())
    await accepted(world, visit["id"])
    assert (await stored(world, id))["state"] == "in_progress"
    found = await heard(world, code, id)
    assert (found["status"], found["said"]) == ("withdrawn", [])


async def test_a_cancelled_visit_returns_its_complaints_unless_another_is_to_come(
    world: World,
) -> None:
    id = await about(world, await world.premises())
    first, second = (await planned(world, id))["id"], (await planned(world, id))["id"]
    await reviewed(world, first, "cancel")
    await world.work()
    assert (await stored(world, id))["state"] == "inspection_scheduled"
    await reviewed(world, second, "cancel")
    await world.work()
    assert (await stored(world, id))["state"] == "in_progress"
    assert (await notes(world, id)).count("visit.cancelled") == 2


async def test_an_order_stands_until_it_ends_and_then_the_officer_is_told_to_resolve(
    world: World,
) -> None:
    premises, code = await world.premises(company=True), secret()
    id = await about(world, premises, secret=code)
    visit = await accepted(world, (await planned(world, id))["id"])
    told = (await heard(world, code, id))["said"]
    order = await signed(world, visit)
    await world.work()
    assert (await stored(world, id))["state"] == "order_issued"
    assert (await serve(world, order)).status_code == 200
    await world.work()
    seen = await heard(world, code, id)
    assert (seen["status"], seen["said"]) == ("in_progress", told)
    again = await world.begun(UUID(visit["premises"]), reason="follow_up", follows=visit["id"])
    for finding in order["findings"]:
        done = await world.inspector.post(
            f"/v1/orders/{order['id']}/findings/{finding['finding']}/verify",
            content=encode({"visit": again, "corrected": True}),
        )
        assert done.status_code == 200, done.text
    assert done.json()["state"] == "complied"
    await world.work()
    assert (await stored(world, id))["state"] == "in_progress"
    assert "complaint.order_ended" in await messages(world, world.inspector, id)
    assert len((await heard(world, code, id))["said"]) == len(told) + 1
    assert {"order.signed", "order.served", "order.complied"} <= set(await notes(world, id))


async def test_an_order_of_a_routine_visit_moves_no_complaint(world: World) -> None:
    id = await about(world, await world.premises(company=True))
    await signed(world)
    await world.work()
    assert (await stored(world, id))["state"] == "in_progress"
    assert await notes(world, id) == []


async def test_the_same_event_followed_twice_is_followed_once(world: World) -> None:
    id = await about(world, await world.premises())
    visit = (await planned(world, id))["id"]
    await reviewed(world, visit, "cancel")
    await world.work()
    before = await stored(world, id)
    version = before["version"]
    assert before["state"] == "in_progress"
    async with world.db.read() as tx:
        event = await tx.value(
            "select id from event where record = $1 and name = 'visit.cancelled'", UUID(visit)
        )
    args = {"event": event, "name": "visit.cancelled", "record": visit}
    again = Job(ids.new(), following.VISIT, msgspec.json.encode(args).decode(), 1, 1, now())
    async with world.db.begin() as tx:
        await tx.run("update complaint set state = 'inspection_scheduled' where id = $1", id)
    async with world.db.begin(Worker("test")) as tx:
        await following.follow_visit(tx, again)
    after = await stored(world, id)
    assert (after["state"], after["version"]) == ("inspection_scheduled", version)
    assert (await notes(world, id)).count("visit.cancelled") == 1


async def test_a_complaint_that_waits_for_its_complainant_is_left_where_it_is(
    world: World,
) -> None:
    id = await about(world, await world.premises())
    visit = (await planned(world, id))["id"]
    async with world.db.begin() as tx:
        await tx.run("update complaint set state = 'awaiting_info' where id = $1", id)
    await reviewed(world, visit, "cancel")
    await world.work()
    assert (await stored(world, id))["state"] == "awaiting_info"
    assert await notes(world, id) == ["visit.cancelled"]


async def test_the_officer_hears_of_an_order_that_ended_while_its_complainant_is_asked(
    world: World,
) -> None:
    id = await about(world, await world.premises(company=True))
    visit = await accepted(world, (await planned(world, id))["id"])
    order = await signed(world, visit)
    await world.work()
    async with world.db.begin() as tx:
        await tx.run("update complaint set state = 'awaiting_info' where id = $1", id)
    assert (await act(world, order, "revoke", why="x")).status_code == 200
    await world.work()
    assert (await stored(world, id))["state"] == "awaiting_info"
    assert "complaint.order_ended" in await messages(world, world.inspector, id)


async def test_the_case_file_of_an_order_has_its_complaints_without_their_complainants(
    world: World,
) -> None:
    contact = {"name": "นางสาวลับ ตัวอย่างยิ่ง", "phone": "0899999999"}
    premises = await world.premises(company=True)
    id = await about(world, premises, contact=contact)
    other = await about(world, premises)
    for kind, body in (("notes", {"text": "ก"}), ("calls", {"reached": False, "text": "ข"})):
        path = f"/v1/complaints/{id}/{kind}/{ids.new()}"
        assert (await world.inspector.put(path, content=encode(body))).status_code == 200
    blocked = {"reason": "ตัวอย่าง", "network": True}
    path = f"/v1/complaints/{id}/block-sender"
    assert (await world.head.post(path, content=encode(blocked))).status_code == 200
    assert (await world.head.request("DELETE", path)).status_code == 204
    visit = await accepted(world, (await planned(world, id))["id"])
    order = await signed(world, visit)
    await world.work()
    for path in (f"/v1/orders/{order['id']}/case-file", f"/v1/visits/{visit['id']}/case-file"):
        issued = await world.head.post(path)
        assert issued.status_code == 201, issued.text
        content = msgspec.json.decode(issued.json()["content"])["content"]
        (told,) = content["complaints"]
        assert told["category"] == "กลิ่นเหม็นรบกวน" and "กลิ่นทินเนอร์" in told["what"]
        names = [e["name"] for e in content["events"]]
        assert {"complaint.submitted", "complaint.inspection_scheduled"} <= set(names)
        submitted = next(e for e in content["events"] if e["name"] == "complaint.submitted")
        assert submitted["who"] == "ผู้ร้อง"
        assert all(e["what"] != e["name"] for e in content["events"])
        assert not any(word in issued.text for word in ("ตัวอย่างยิ่ง", "0899999999", str(other)))
