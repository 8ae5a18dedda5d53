"""A card confirms whom a line of the officers' list names, or says that it is somebody else's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest_asyncio

from api.accounts.samples import BY_KEY
from api.db import Database
from api.readers.model import Purpose
from api.readers.readings import service as readings
from api.readers.views import MatchFace
from reader_bridge.fields import CardText
from tests.readers.device import Desk, at_desk
from tests.world import Person, World, encode


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    """The head's desk: confirming colleagues is theirs."""
    found = await at_desk(db, world, "head")
    assert found.actor is not None
    return found


async def line_of(world: World, key: str) -> UUID:
    async with world.db.read() as tx:
        found: UUID = await tx.value(
            "select id from officer where account = $1", world[key].account
        )
    return found


async def card(desk: Desk, officer: UUID, cid: str, *, face: bool = True) -> UUID:
    waiting = await desk.arm(Purpose.confirm_officer, about=officer, fields=("cid", "expires"))
    receipt = await desk.read(
        waiting, purpose="confirm_officer", text=CardText(cid=cid, no_expiry=True)
    )
    assert receipt.reading is not None and desk.actor is not None
    if face:
        async with desk.db.begin(desk.actor) as tx:
            await readings.match_face(
                tx, receipt.reading, MatchFace(matches=True, against="printed")
            )
    return receipt.reading


async def confirm(person: Person, officer: UUID, reading: UUID) -> tuple[int, dict[str, Any]]:
    path = f"/v1/officers/{officer}/confirm"
    found = await person.post(path, content=encode({"reading": reading}))
    return found.status_code, found.json()


async def test_a_card_of_the_listed_officer_confirms_the_line_once_and_again(
    world: World, desk: Desk
) -> None:
    officer = await line_of(world, "inspector")
    reading = await card(desk, officer, BY_KEY["inspector"].cid)
    status, found = await confirm(world.head, officer, reading)
    assert status == 200 and found["confirmed_at"], found
    assert await confirm(world.head, officer, reading) == (200, found)
    listed = (await world.administrator.get("/v1/officers?limit=200")).json()["items"]
    assert [o["confirmed_at"] for o in listed if o["id"] == str(officer)] == [found["confirmed_at"]]


async def test_a_card_of_another_is_told_kept_without_numbers_and_confirms_nothing(
    world: World, desk: Desk
) -> None:
    officer, cid = await line_of(world, "inspector-2"), BY_KEY["inspector"].cid
    reading = await card(desk, officer, cid)
    status, found = await confirm(world.head, officer, reading)
    assert (status, found["code"]) == (409, "readers/officer-differs")
    async with world.db.read() as tx:
        facts = await tx.value(
            "select facts::text from event where record = $1 and name = $2",
            officer,
            "officer.confirmation_differed",
        )
        confirmed = await tx.value("select confirmed_at from officer where id = $1", officer)
    assert str(reading) in facts and cid not in facts + str(found)
    assert BY_KEY["inspector-2"].cid not in facts and confirmed is None
    status, found = await confirm(world.head, officer, reading)
    assert (status, found["code"]) == (409, "readers/reading-used")


async def test_a_confirmation_ends_with_another_number_on_the_line_and_not_with_another_post(
    world: World, desk: Desk
) -> None:
    cid, entry = "1999900005112", {"office": "pio-11", "name": "ตัวอย่าง", "roles": ["inspector"]}
    made = await world.administrator.post("/v1/officers", content=encode(entry | {"cid": cid}))
    officer = UUID(made.json()["id"])
    status, _ = await confirm(world.head, officer, await card(desk, officer, cid))
    assert status == 200
    path = f"/v1/officers/{officer}"
    for change in ({}, {"cid": cid}):
        changed = entry | change | {"position": f"ตำแหน่ง {len(change)}"}
        found = (await world.administrator.put(path, content=encode(changed))).json()
        assert found["confirmed_at"], change
    found = await world.administrator.put(path, content=encode(entry | {"cid": "1999900005104"}))
    assert found.status_code == 200 and found.json()["confirmed_at"] is None


async def test_what_cannot_be_compared_is_not_confirmed(world: World, desk: Desk) -> None:
    entry = {"office": "pio-11", "name": "ตัวอย่าง", "roles": ["inspector"]}
    made = await world.administrator.post(
        "/v1/officers", content=encode(entry | {"email": "confirm@example.invalid"})
    )
    officer = UUID(made.json()["id"])
    status, found = await confirm(world.head, officer, await card(desk, officer, "1999900005007"))
    assert (status, found["reason"]) == (409, "no_number")
    await world.administrator.put(
        f"/v1/officers/{officer}", content=encode(entry | {"ended": True})
    )
    status, found = await confirm(world.head, officer, await card(desk, officer, "1999900005007"))
    assert (status, found["reason"]) == (409, "ended")


async def test_a_card_whose_bearer_nobody_looked_at_confirms_nothing(
    world: World, desk: Desk
) -> None:
    officer = await line_of(world, "inspector-2")
    reading = await card(desk, officer, BY_KEY["inspector-2"].cid, face=False)
    status, found = await confirm(world.head, officer, reading)
    assert (status, found["reason"]) == (409, "face")


async def test_nobody_confirms_themselves_or_an_officer_of_another_office(
    world: World, desk: Desk
) -> None:
    own = await line_of(world, "head")
    status, found = await confirm(world.head, own, await card(desk, own, BY_KEY["head"].cid))
    assert (status, found["code"]) == (409, "readers/own-card")
    far = await line_of(world, "inspector-elsewhere")
    reading = await card(desk, far, BY_KEY["inspector-elsewhere"].cid)
    status, found = await confirm(world.head, far, reading)
    assert (status, found["code"]) == (404, "accounts/no-officer")


async def test_a_reading_for_one_officer_confirms_no_other(world: World, desk: Desk) -> None:
    officer = await line_of(world, "inspector")
    reading = await card(desk, officer, BY_KEY["inspector-2"].cid)
    other = await line_of(world, "inspector-2")
    status, found = await confirm(world.head, other, reading)
    assert (status, found["code"]) == (409, "readers/reading-for-other")
