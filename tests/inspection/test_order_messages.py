"""Who is told what about an order, and that the company learns of it through its service alone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from api import events, ids, workdays
from api.db import Database
from api.inspection.orders import counting
from api.permissions import Worker
from api.workdays import DayEdit
from tests.inspection.orders import (
    accepted,
    act,
    allow,
    draft,
    read,
    serve,
    served,
    service,
    sign,
    signed,
)
from tests.world import Person, World


async def told(person: Person, order: dict[str, Any]) -> list[str]:
    items = (await person.get("/v1/messages", params={"limit": 200})).json()["items"]
    return [m["template"] for m in items if m["about"]["id"] == order["id"]]


async def test_the_drafter_is_told_to_serve_and_the_company_only_once_it_was_served(
    world: World,
) -> None:
    await allow(world, world.head)
    order = (await sign(world, await draft(world, await accepted(world)))).json()
    await world.work()
    assert await told(world.inspector, order) == ["order.signed"]
    assert await told(world.operator, order) == []
    await serve(world, order)
    await world.work()
    assert await told(world.operator, order) == ["order.served"]
    assert await told(world.inspector, order) == ["order.served", "order.signed"]
    assert await told(world.stranger, order) == []


async def test_an_order_revoked_before_service_is_never_told_to_the_company(world: World) -> None:
    await allow(world, world.head)
    order = (await sign(world, await draft(world, await accepted(world)))).json()
    assert (await act(world, order, "revoke", why="ผิดพลาด")).status_code == 200
    await world.work()
    assert await told(world.operator, order) == []
    assert "order.revoked" in await told(world.inspector, order)


async def test_who_was_told_a_time_is_told_when_a_new_holiday_moves_it(
    world: World, db: Database
) -> None:
    """A service that does not count yet is told to the drafter alone: the company knows nothing."""
    due = await served(world)
    waiting = await signed(world)
    await serve(world, waiting, service("posted"))
    await world.work()
    seen = await read(world, due)
    ends = [due_day(seen[name]) for name in ("due_at", "appeal_until")]
    ends.append(due_day((await read(world, waiting))["attempts"][0]["counts_at"]))
    async with db.begin(Worker("test")) as tx:
        for day in ends:
            await workdays.declare(tx, day, DayEdit(False, "วันหยุดตัวอย่าง"))
        scope = {"facts": {"day": ends[0]}}
        await events.record(tx, "special_day.edited", "special_day", ids.new(), **scope)
    try:
        await world.work()
        moved = {"order.due_postponed", "order.appeal_postponed"}
        for person in (world.operator, world.inspector):
            assert moved <= set(await told(person, due))
        assert "order.service_postponed" in await told(world.inspector, waiting)
        assert await told(world.operator, waiting) == []
        items = (await world.inspector.get("/v1/messages", params={"limit": 200})).json()["items"]
        (said,) = [m["text"] for m in items if m["template"] == "order.service_postponed"]
        counts = due_day((await read(world, waiting))["attempts"][0]["counts_at"])
        assert f"{counts:%d/%m}/{counts.year + 543}" in said and counts > ends[2]
    finally:
        async with db.begin() as tx:
            await tx.run("delete from special_day where day = any($1::date[])", ends)


def due_day(end: str) -> date:
    return counting.last_day(datetime.fromisoformat(end))


async def test_a_message_says_by_when_in_the_buddhist_era(world: World) -> None:
    await allow(world, world.head)
    order = (await sign(world, await draft(world, await accepted(world)))).json()
    await serve(world, order)
    await world.work()
    items = (await world.operator.get("/v1/messages", params={"limit": 200})).json()["items"]
    (message,) = [m for m in items if m["about"]["id"] == order["id"]]
    due = (await read(world, order))["due_at"][:10]
    assert order["number"] in message["text"]
    assert str(int(due[:4]) + 543) in message["text"]
