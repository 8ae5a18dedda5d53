"""A card in the reader proves who received an order: once, for that order, in a capacity."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.readers.model import Purpose
from api.readers.readings import service as readings
from api.readers.views import MatchFace
from tests.inspection.orders import serve, service, signed
from tests.readers.device import Desk, at_desk
from tests.world import World, encode


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


async def card(desk: Desk, order: dict[str, Any], *, face: bool = True) -> UUID:
    """A reading made for this order, by the inspector who serves it."""
    waiting = await desk.arm(Purpose.serve_order, about=UUID(order["id"]))
    receipt = await desk.read(waiting, purpose="serve_order")
    assert receipt.reading is not None and desk.actor is not None
    if face:
        async with desk.db.begin(desk.actor) as tx:
            await readings.match_face(
                tx, receipt.reading, MatchFace(matches=True, against="printed")
            )
    return receipt.reading


def by_card(reading: UUID, capacity: str = "director", how: str = "personal") -> dict[str, Any]:
    proof = {"type": "card", "reading": reading, "capacity": capacity}
    return service(how, proof=proof)


async def test_an_order_is_served_to_whom_the_card_names(world: World, desk: Desk) -> None:
    order = await signed(world)
    reading = await card(desk, order)
    wanted, attempt = by_card(reading), str(ids.new())
    path = f"/v1/orders/{order['id']}/service/{attempt}"
    found = (await world.inspector.put(path, content=encode(wanted))).json()
    assert found["reading"] == str(reading)
    assert found["levels"] == ["chip-bytes", "officer-face-match"] and found["counts_at"]
    assert not [flag for flag in found["flags"] if flag["code"].startswith("service.")]
    again = (await world.inspector.put(path, content=encode(wanted))).json()
    assert again == found  # a reading that is used up does not stop the same from being the same
    opened = (await world.head.post(f"{path}/proof")).json()["proof"]
    assert opened["name"] == "นายตัวอย่าง หน้าเคาน์เตอร์" and opened["capacity"] == "director"


async def test_a_reading_serves_no_second_order(world: World, desk: Desk) -> None:
    one, other = await signed(world), await signed(world)
    reading = await card(desk, one)
    assert (await serve(world, one, by_card(reading))).status_code in (200, 201)
    refused = await serve(world, one, by_card(reading))
    assert (refused.status_code, refused.json()["code"]) == (409, "readers/reading-used")
    refused = await serve(world, other, by_card(await card(desk, one)))
    assert refused.json()["code"] == "readers/reading-for-other"


async def test_a_colleagues_reading_proves_nothing(world: World, desk: Desk) -> None:
    order = await signed(world)
    reading = await card(desk, order)
    path = f"/v1/orders/{order['id']}/service/{ids.new()}"
    refused = await world["inspector-2"].put(path, content=encode(by_card(reading)))
    assert (refused.status_code, refused.json()["code"]) == (404, "readers/reading-not-found")


@pytest.mark.parametrize(
    ("how", "capacity"),
    [("personal", "employee"), ("adult", "director"), ("refused", "director")],
)
async def test_a_card_proves_no_authority_so_capacity_and_way_must_agree(
    world: World, desk: Desk, how: str, capacity: str
) -> None:
    order = await signed(world)
    reading = await card(desk, order)
    refused = await serve(world, order, by_card(reading, capacity, how))
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/service-proof")
    assert await desk.value("select used_at from reading where id = $1", reading) is None


async def test_a_face_that_nobody_compared_is_told(world: World, desk: Desk) -> None:
    order = await signed(world)
    found = (await serve(world, order, by_card(await card(desk, order, face=False)))).json()
    assert "service.face_not_compared" in [flag["code"] for flag in found["flags"]]
