"""How a complaint ends: by its timer, by whoever told it, and not over the heads of others."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from api import clock, deadlines, ids
from api.complaints import timing
from tests.complaints.conftest import by_code, tell
from tests.world import Person, World, encode


async def told(world: World) -> tuple[UUID, Person]:
    """A complaint that is assigned and begun, and who has nothing but its code."""
    id = ids.new()
    answer = await tell(world.nobody, id)
    assert answer.status_code == 200, answer.text
    return id, by_code(world, answer.json()["code"])


async def version(world: World, id: UUID) -> int:
    found: int = (await world.department.get(f"/v1/complaints/{id}")).json()["version"]
    return found


async def act(world: World, id: UUID, verb: str, body: object = None) -> str:
    answer = await world.department.post(
        f"/v1/complaints/{id}/{verb}",
        content=encode(body) if body is not None else None,
        version=await version(world, id),
    )
    assert answer.status_code == 200, answer.text
    state: str = answer.json()["state"]
    return state


async def resolved(world: World, id: UUID) -> None:
    await act(world, id, "accept")
    await act(world, id, "assign", {"officer": world.inspector.account})
    await act(world, id, "begin")
    await act(world, id, "resolve", {"outcome": "no_evidence", "text": "ไม่พบหลักฐาน"})


async def fire(world: World) -> None:
    while await deadlines.fire_due(world.db, {timing.CLOSE: timing.close}):
        pass


async def state(world: World, id: UUID) -> str:
    async with world.db.read() as tx:
        found: str = await tx.value("select state from complaint where id = $1", id)
    return found


async def test_what_is_resolved_closes_when_its_time_for_reopening_is_over_and_not_before(
    world: World,
) -> None:
    id, _ = await told(world)
    await resolved(world, id)
    with clock.travel(timedelta(days=14)):
        await fire(world)
        assert await state(world, id) == "resolved"
    with clock.travel(timedelta(days=15, minutes=1)):
        await fire(world)
        assert await state(world, id) == "closed"


async def test_what_was_reopened_is_not_closed_by_the_timer_of_its_first_end(world: World) -> None:
    id, holder = await told(world)
    await resolved(world, id)
    again = await holder.put(
        f"/v1/own-complaints/{id}/reopenings/{ids.new()}", content=encode({"text": "ยังเหม็น"})
    )
    assert again.status_code == 200, again.text
    with clock.travel(timedelta(days=20)):
        await fire(world)
        assert await state(world, id) == "reopened"


async def test_a_complaint_that_others_wait_for_goes_on_when_its_first_teller_withdraws(
    world: World,
) -> None:
    target, teller = await told(world)
    other, follower = await told(world)
    alone, lonely = await told(world)
    await act(world, other, "merge", {"into": target, "text": "เรื่องเดียวกัน"})
    for id, holder in ((target, teller), (alone, lonely)):
        seen = await holder.put(f"/v1/own-complaints/{id}/withdrawal")
        assert seen.status_code == 200, seen.text
        assert seen.json()["status"] == "withdrawn"
    assert await state(world, target) == "submitted"
    assert await state(world, alone) == "withdrawn"
    followed = (await follower.get(f"/v1/own-complaints/{other}")).json()
    assert followed["status"] == "in_progress"
