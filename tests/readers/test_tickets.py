"""Leave to read without the server: who gets it, for what, and when it is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.bridges import freezing
from api.readers.desks import queries as desks
from api.readers.model import POLICIES, TICKET_FOR, TICKETS_AT_ONCE, Purpose
from api.readers.readings import tickets
from reader_bridge.messages import Ticket
from tests.readers.device import Desk, at_desk
from tests.world import Person, World, encode


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


async def issue(person: Person, desk: Desk, **other: Any) -> httpx.Response:
    body = {"desk": desk.desk, "purpose": "identify_complainant"} | other
    return await person.post("/v1/offline-tickets", content=encode(body))


async def told(desk: Desk) -> tuple[Ticket, ...]:
    """What the device at the desk learns of them."""
    async with desk.db.read(Worker("test")) as tx:
        return await tickets.unused(tx, desk.bridge)


async def change(desk: Desk, sql: str, *args: Any) -> None:
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(sql, *args)


async def test_a_ticket_is_of_the_officer_the_desk_its_reader_and_twelve_hours(
    world: World, desk: Desk
) -> None:
    made = await issue(world.inspector, desk, count=2)
    assert made.status_code in (200, 201), made.text
    first, second = await told(desk)
    assert {str(first.id), str(second.id)} == {one["id"] for one in made.json()}
    assert first.nonce != second.nonce and len(first.nonce) == 32
    assert set(first.fields) == POLICIES[Purpose.identify_complainant].needed
    assert first.expires_at - first.issued_at == TICKET_FOR <= timedelta(hours=12)
    row = "select account, desk, reader from offline_ticket where id = $1"
    async with desk.db.read() as tx:
        kept = await tx.one(_Row, row, first.id)
    assert (kept.account, kept.desk, kept.reader) == (desk.account, desk.desk, desk.reader)


class _Row(tickets.msgspec.Struct):
    account: UUID
    desk: UUID
    reader: UUID


@pytest.mark.parametrize("purpose", [p for p in Purpose if not POLICIES[p].offline])
async def test_what_must_not_be_read_offline_gets_no_ticket(
    world: World, desk: Desk, purpose: Purpose
) -> None:
    refused = await issue(world.inspector, desk, purpose=purpose, about=ids.new())
    assert refused.json()["code"] == "readers/purpose-not-offline"
    assert await told(desk) == ()


async def test_a_ticket_reads_no_more_than_its_purpose_may_and_is_for_the_record_it_names(
    world: World, desk: Desk
) -> None:
    more = await issue(world.inspector, desk, fields=["cid", "birth"])
    assert more.json()["code"] == "readers/fields-not-allowed"
    without = await issue(world.inspector, desk, purpose="serve_order")
    assert without.json()["code"] == "readers/about-needed"
    assert await told(desk) == ()


async def test_no_ticket_is_given_where_no_card_can_be_read_nor_at_another_offices_desk(
    world: World, desk: Desk
) -> None:
    far = await issue(world["inspector-elsewhere"], desk)
    assert (far.status_code, far.json()["code"]) == (404, "readers/desk-not-found")
    frozen = "update bridge set state = 'frozen', ended_at = now() where id = $1"
    await change(desk, frozen, desk.bridge)
    assert (await issue(world.inspector, desk)).json()["reason"] == "offline"
    await change(
        desk,
        "update desk set reader = null, mapped_at = null, mapped_by = null where id = $1",
        desk.desk,
    )
    assert (await issue(world.inspector, desk)).json()["reason"] == "unmapped"
    assert await told(desk) == ()


async def test_two_officers_at_once_get_no_more_tickets_than_a_device_may_hold(
    world: World, desk: Desk
) -> None:
    people = (world.inspector, world["inspector-2"])
    asked = [issue(person, desk, count=20) for person in people for _ in range(2)]
    codes = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert len(await told(desk)) == 40 <= TICKETS_AT_ONCE, codes
    over = await issue(world.inspector, desk, count=11)
    assert over.json()["code"] == "readers/tickets-too-many"
    assert (await issue(world.inspector, desk, count=10)).status_code in (200, 201)


@pytest.mark.parametrize(
    "over",
    [
        "update offline_ticket set used_at = $2 where id = $1",
        "update offline_ticket set void_at = $2 where id = $1",
        "update offline_ticket set expires_at = $2 where id = $1",
    ],
    ids=["used", "void", "run out"],
)
async def test_a_device_is_not_told_of_a_ticket_that_is_over(desk: Desk, over: str) -> None:
    ends, stays = await desk.ticket(), await desk.ticket()
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(over, ends.id, tx.now)
    assert [one.id for one in await told(desk)] == [stays.id]


async def test_a_frozen_device_and_a_desk_that_has_ended_leave_no_ticket_behind(
    desk: Desk, db: Database
) -> None:
    ended, frozen = await desk.ticket(), await desk.ticket()
    other = await Desk(db, desk.account, desk.session, desk.office).put_up()
    async with db.begin(Worker("test")) as tx:
        await tx.run("update offline_ticket set desk = $2 where id = $1", ended.id, other.desk)
        await desks.end(tx, other.desk)
    assert [one.id for one in await told(desk)] == [frozen.id]
    async with db.begin(Worker("test")) as tx:
        await freezing.freeze(tx, desk.id, "fork", {})
    assert await told(desk) == ()


async def test_a_device_is_told_neither_of_anothers_tickets_nor_of_those_of_who_has_left(
    desk: Desk, db: Database
) -> None:
    other = await Desk(db, desk.account, desk.session, desk.office).put_up()
    mine = await desk.ticket()
    assert await told(other) == ()
    assert [one.id for one in await told(desk)] == [mine.id]
    await change(desk, "update account set status = 'suspended' where id = $1", desk.account)
    try:
        assert await told(desk) == ()
    finally:
        await change(desk, "update account set status = 'active' where id = $1", desk.account)
    assert [one.id for one in await told(desk)] == [mine.id]
