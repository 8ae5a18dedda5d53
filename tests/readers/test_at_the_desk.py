"""A complainant shows their card at the desk: the name goes under the seal, and nowhere else."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from api import ids
from api.accounts import authority
from api.accounts.model import AuthorityGrant, Power
from api.complaints.desk import service as sealing
from api.db import Database
from api.permissions import Worker
from reader_bridge.fields import CardText
from tests.complaints.conftest import detail, told
from tests.readers.device import Desk, at_desk
from tests.world import World, encode

DESK = "provincial-officer"


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world, DESK)


async def card(desk: Desk) -> UUID:
    receipt = await desk.read(await desk.arm())
    assert receipt.reading is not None
    return receipt.reading


async def send(world: World, id: UUID, said: dict[str, Any], who: str = DESK) -> httpx.Response:
    return await world[who].put(f"/v1/complaints/{id}", content=encode(said))


async def test_a_complainants_name_is_that_of_the_card_and_only_under_the_seal(
    world: World, desk: Desk
) -> None:
    id, reading = ids.new(), await card(desk)
    contact = {"name": "ชื่อที่บอก", "phone": "0800000001"}
    said = told(channel="desk", contact=contact, reading=reading)
    taken = await send(world, id, said)
    assert taken.status_code == 200, taken.text
    assert "หน้าเคาน์เตอร์" not in taken.text
    assert "หน้าเคาน์เตอร์" not in str(await detail(world.head, id))
    grant = AuthorityGrant(
        account=world.head.account or ids.new(),
        power=Power.unseal,
        section=sealing.SECTION,
        area=["11"],
        instrument="คำสั่งตัวอย่างที่ 1/2569",
        valid_from=date(2026, 1, 1),
    )
    async with world.db.begin(Worker("test")) as tx:
        await authority.grant_authority(tx, ids.new(), grant)
    opened = await world.head.post(
        f"/v1/complaints/{id}/identity", content=encode({"reason": "โทรกลับ (ตัวอย่าง)"})
    )
    found = opened.json()
    assert found["name"] == "นายตัวอย่าง หน้าเคาน์เตอร์" and found["phone"] == "0800000001"
    assert found["levels"] == ["chip-bytes"]
    waiting = await desk.arm(fields=("cid",))
    reading = (await desk.read(waiting, text=CardText(cid="1999900000019"))).reading
    said = told(channel="desk", contact=contact, reading=reading)
    id = ids.new()
    assert (await send(world, id, said)).status_code == 200
    opened = await world.head.post(
        f"/v1/complaints/{id}/identity", content=encode({"reason": "โทรกลับ (ตัวอย่าง)"})
    )
    found = opened.json()
    assert (found["name"], found["levels"]) == ("ชื่อที่บอก", [])  # that name no card has said


async def test_forty_equal_complaints_at_once_use_one_reading_for_one_complaint(
    world: World, desk: Desk
) -> None:
    id = ids.new()
    said = told(channel="desk", reading=await card(desk))
    found = await asyncio.gather(*(send(world, id, said) for _ in range(40)))
    assert {answer.status_code for answer in found} == {200}
    assert len({answer.json()["number"] for answer in found}) == 1


async def test_a_reading_names_no_second_complainant(world: World, desk: Desk) -> None:
    reading = await card(desk)
    first = await send(world, ids.new(), told(channel="desk", reading=reading))
    second = await send(world, ids.new(), told(channel="desk", reading=reading))
    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (409, "readers/reading-used")


async def test_nobody_else_can_tell_a_complaint_with_an_officers_reading(
    world: World, desk: Desk
) -> None:
    reading = await card(desk)
    by_citizen = await send(world, ids.new(), told(reading=reading), "citizen")
    assert by_citizen.json()["code"] == "complaints/reading-not-at-desk"
    by_another = await send(world, ids.new(), told(channel="desk", reading=reading), "inspector")
    assert by_another.json()["code"] == "readers/reading-not-found"


async def test_the_same_person_is_one_however_they_can_be_reached(
    world: World, desk: Desk, db: Database
) -> None:
    persons = []
    for phone in ("0800000001", "0800000002"):
        id = ids.new()
        contact = {"phone": phone}
        said = told(channel="desk", contact=contact, reading=await card(desk))
        assert (await send(world, id, said)).status_code == 200
        async with db.read() as tx:
            persons.append(
                await tx.value("select person from complainant where complaint = $1", id)
            )
    assert persons[0] == persons[1]
