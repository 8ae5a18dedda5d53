"""Nobody is asked to put their card in for what cannot be done with it afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.permissions import Worker
from tests.inspection.orders import accepted, draft, served, signed
from tests.readers.bridges import Bridge, arm
from tests.readers.device import Desk, at_desk
from tests.world import Person, World, encode


@pytest_asyncio.fixture
async def bridge(world: World, db: Database) -> Bridge:
    found = await Bridge.enrolled(db, world.inspector)
    async with db.begin(Worker("test")) as tx:
        await tx.run("delete from rate_limit")
    return found


async def ask(world: World, who: Person, bridge: Bridge, how: str, **entry: Any) -> httpx.Response:
    if how == "a card":
        return await arm(None, world, who, bridge, **entry)
    return await who.post("/v1/offline-tickets", content=encode({"desk": bridge.desk} | entry))


async def waits(db: Database, bridge: Bridge) -> int:
    async with db.read() as tx:
        found: int = await tx.value(
            "select (select count(*) from intent where bridge = $1)"
            " + (select count(*) from offline_ticket where bridge = $1)",
            bridge.id,
        )
    return found


HOW = pytest.mark.parametrize("how", ["a card", "a ticket"])


@HOW
async def test_no_card_is_waited_for_an_order_that_is_not_there_or_out_of_reach(
    world: World, db: Database, bridge: Bridge, how: str
) -> None:
    order = await signed(world)
    far = await Bridge.enrolled(db, world["inspector-elsewhere"])
    for who, where, about in (
        (world.inspector, bridge, str(ids.new())),
        (world["inspector-elsewhere"], far, order["id"]),
    ):
        found = await ask(world, who, where, how, purpose="serve_order", about=about)
        assert (found.status_code, found.json()["code"]) == (404, "inspection/no-such-order")
        assert await waits(db, where) == 0


@HOW
async def test_no_card_is_waited_for_an_order_that_cannot_be_served(
    world: World, db: Database, bridge: Bridge, how: str
) -> None:
    order = await draft(world, await accepted(world))
    wanted = {"purpose": "serve_order", "about": order["id"]}
    found = await ask(world, world.inspector, bridge, how, **wanted)
    assert (found.status_code, found.json()["code"]) == (409, "inspection/order-state")
    assert await waits(db, bridge) == 0


@HOW
async def test_a_card_is_waited_for_an_order_that_can_be_served_and_goes_on_being_so(
    world: World, db: Database, bridge: Bridge, how: str
) -> None:
    """Also one that counts as served: another attempt may say more."""
    for order in (await signed(world), await served(world)):
        id = ids.new()
        wanted = {"purpose": "serve_order", "about": order["id"]}
        again = wanted | ({"id": id} if how == "a card" else {})
        found = await ask(world, world.inspector, bridge, how, **again)
        assert found.status_code in (200, 201), found.text
        if how == "a card":
            async with db.begin(Worker("test")) as tx:  # what was asked before is not asked anew
                await tx.run("update intent set about = $2 where id = $1", id, missing := ids.new())
            again["about"] = str(missing)
            assert (await ask(world, world.inspector, bridge, how, **again)).status_code == 200
            await world.inspector.post(f"/v1/intents/{id}/cancel")


async def line(db: Database, person: Person) -> str:
    async with db.read() as tx:
        return str(await tx.value("select id from officer where account = $1", person.account))


async def test_no_card_is_waited_for_to_confirm_who_is_nobody_of_the_office_or_oneself(
    world: World, db: Database, bridge: Bridge
) -> None:
    far = await line(db, world["inspector-elsewhere"])
    own, colleague = await line(db, world.head), await line(db, world["inspector-2"])
    for who, about, status, code in (
        (world.head, str(ids.new()), 404, "accounts/no-officer"),
        (world.head, far, 404, "accounts/no-officer"),
        (world.head, own, 409, "readers/own-card"),
        (world.inspector, colleague, 403, "ground/not-allowed"),
    ):
        found = await arm(None, world, who, bridge, purpose="confirm_officer", about=about)
        assert (found.status_code, found.json()["code"]) == (status, code), found.text
    assert await waits(db, bridge) == 0
    entry = {"purpose": "confirm_officer", "about": colleague}
    assert (await arm(None, world, world.head, bridge, **entry)).status_code == 200
    async with db.begin(Worker("test")) as tx:
        await tx.run("update officer set ended_at = $2 where id = $1", UUID(colleague), tx.now)
    try:
        found = await arm(None, world, world.head, bridge, **entry)
        assert found.json()["code"] == "readers/officer-not-comparable"
    finally:
        async with db.begin(Worker("test")) as tx:
            await tx.run("update officer set ended_at = null where id = $1", UUID(colleague))


async def test_a_document_is_not_noted_as_seen_for_an_order_that_is_not_there(
    world: World, db: Database
) -> None:
    desk: Desk = await at_desk(db, world)
    document = {"kind": "passport", "why": "foreigner", "name": "SAMPLE-NAME", "number": "AA01"}
    body = {"desk": desk.desk, "purpose": "serve_order", "document": document}
    path, order = f"/v1/readings/{ids.new()}", await signed(world)
    refused = await world.inspector.put(path, content=encode(body | {"about": ids.new()}))
    assert (refused.status_code, refused.json()["code"]) == (404, "inspection/no-such-order")
    noted = await world.inspector.put(path, content=encode(body | {"about": order["id"]}))
    assert noted.status_code == 200, noted.text
