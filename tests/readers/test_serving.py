"""A card in the reader proves who received an order: once, for that order, in a capacity."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.model import Purpose
from api.readers.readings import service as readings
from api.readers.views import MatchFace
from reader_bridge.fields import CardText
from tests.inspection.orders import serve, service, signed
from tests.readers.device import SAMPLE, Desk, at_desk
from tests.world import World, encode, now


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


@pytest.mark.parametrize(("capacity", "told"), [("attorney", True), ("director", False)])
async def test_an_attorney_without_a_power_on_file_is_told(
    world: World, desk: Desk, capacity: str, told: bool
) -> None:
    order = await signed(world)
    found = (await serve(world, order, by_card(await card(desk, order), capacity))).json()
    codes = [flag["code"] for flag in found["flags"]]
    assert ("service.authority_not_shown" in codes) is told


async def test_a_face_that_nobody_compared_is_told(world: World, desk: Desk) -> None:
    order = await signed(world)
    found = (await serve(world, order, by_card(await card(desk, order, face=False)))).json()
    assert "service.face_not_compared" in [flag["code"] for flag in found["flags"]]


async def test_an_order_is_not_served_before_the_card_that_proves_it_was_read(
    world: World, desk: Desk
) -> None:
    order = await signed(world)
    reading = await card(desk, order)
    async with desk.db.begin(Worker("test")) as tx:
        sql = "update legal_order set signed_at = signed_at - interval '20 days' where id = $1"
        await tx.run(sql, UUID(order["id"]))
    wanted = by_card(reading) | {"at": now() - timedelta(days=10)}
    found = (await serve(world, order, wanted)).json()
    came = await desk.value("select received_at from reading where id = $1", reading)
    assert datetime.fromisoformat(found["counts_at"]) == came
    assert "service.not_when_read" in [flag["code"] for flag in found["flags"]]
    served = (await world.head.get(f"/v1/orders/{order['id']}")).json()
    assert datetime.fromisoformat(served["served_at"]) == came


async def test_a_wrong_clock_of_the_pc_moves_no_service_by_a_card_that_was_read_now(
    world: World, desk: Desk
) -> None:
    order = await signed(world)
    waiting = await desk.arm(Purpose.serve_order, about=UUID(order["id"]))
    wrong = now() + timedelta(days=40)
    receipt = await desk.read(waiting, purpose="serve_order", read_at=wrong, inserted_at=wrong)
    assert receipt.reading is not None
    found = (await serve(world, order, by_card(receipt.reading))).json()
    codes = [flag["code"] for flag in found["flags"]]
    assert "service.card:clock:read_at" in codes and "service.not_when_read" not in codes
    assert abs(datetime.fromisoformat(found["counts_at"]) - now()) < timedelta(minutes=1)


async def test_a_service_without_the_server_counts_from_when_its_card_was_read(
    world: World, desk: Desk
) -> None:
    order = await signed(world)
    async with desk.db.begin(Worker("test")) as tx:
        sql = "update legal_order set signed_at = signed_at - interval '1 day' where id = $1"
        await tx.run(sql, UUID(order["id"]))
    ticket, read = await desk.ticket(), now() - timedelta(hours=8)
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(
            """
            update offline_ticket set purpose = 'serve_order', about = $2,
                issued_at = issued_at - interval '10 hours' where id = $1
            """,
            ticket.id,
            UUID(order["id"]),
        )
    receipt = await desk.read(ticket, purpose="serve_order", read_at=read, inserted_at=read)
    assert receipt.reading is not None, receipt.refused
    found = (await serve(world, order, by_card(receipt.reading) | {"at": read})).json()
    assert datetime.fromisoformat(found["counts_at"]) == read
    assert "service.not_when_read" not in [flag["code"] for flag in found["flags"]]


@pytest.mark.parametrize("fields", [("cid",), ("name_th",), ("expires",)])
async def test_a_card_that_names_nobody_does_not_pass_for_a_proof_untold(
    world: World, desk: Desk, fields: tuple[str, ...]
) -> None:
    order = await signed(world)
    waiting = await desk.arm(Purpose.serve_order, about=UUID(order["id"]), fields=fields)
    text = CardText(**{f: getattr(SAMPLE, f) for f in fields})
    receipt = await desk.read(waiting, purpose="serve_order", text=text)
    assert receipt.reading is not None
    found = (await serve(world, order, by_card(receipt.reading))).json()
    assert "service.card_names_nobody" in [flag["code"] for flag in found["flags"]]
