"""Who is told what about an order, and that the company learns of it through its service alone."""

from __future__ import annotations

from typing import Any

from tests.inspection.orders import accepted, act, allow, draft, read, serve, sign
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
