"""What a device read by ticket, when it comes to the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.bridges import identity
from api.readers.model import TICKETS_AT_ONCE
from api.readers.problems import (
    ReadingNotFound,
)
from api.readers.readings import service, tickets
from reader_bridge import messages
from reader_bridge.fields import Field
from reader_bridge.messages import Tickets
from tests.readers.device import READER, SAMPLE, Desk, at_desk, person
from tests.readers.test_taking import refused
from tests.world import World


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


async def test_a_ticket_is_good_for_one_card_and_the_reading_says_offline(
    desk: Desk, db: Database, world: World
) -> None:
    ticket = await desk.ticket()
    receipt = await desk.read(ticket)
    assert (await desk.read(ticket)).refused == "readers/ticket-used"
    assert desk.actor is not None and receipt.reading is not None
    later = msgspec.structs.replace(desk.actor, session=uuid4())  # signed in anew since
    async with db.begin(later) as tx:
        found = await service.read(tx, receipt.reading)
    assert found.label == "offline" and found.card == SAMPLE
    async with db.begin(await person(db, world, "inspector-2")) as tx:
        with pytest.raises(ReadingNotFound):
            await service.read(tx, receipt.reading)


@pytest.mark.parametrize("hours", [-1, 13])
async def test_a_ticket_is_good_within_its_hours_only(desk: Desk, hours: float) -> None:
    ticket = await desk.ticket()
    at = datetime.now(UTC) + timedelta(hours=hours)
    assert await refused(desk, ticket, read_at=at, inserted_at=at) == "readers/ticket-used"


async def test_a_ticket_says_which_reader_it_is_for_and_another_ones_card_is_no_attack(
    desk: Desk,
) -> None:
    ticket, other = await desk.ticket(), "Sample Reader B 00 00"
    async with desk.db.begin(Worker("test")) as tx:
        await desk.add_reader(tx, ids.new(), other)
        await tx.run("update bridge_reader set serial = 'S-1' where id = $1", desk.reader)
        (told,) = await tickets.unused(tx, desk.bridge)
    assert (told.id, told.reader, told.serial) == (ticket.id, READER, "S-1")
    assert told.desk == f"ช่อง {desk.desk}"
    assert await refused(desk, ticket, reader=other) == "readers/ticket-elsewhere"
    noted = "select count(*) from bridge_incident where bridge = $1"
    assert await desk.value(noted, desk.bridge) == 0
    assert (await desk.read(ticket)).reading is not None


async def test_as_many_tickets_as_there_may_be_fit_into_one_message(desk: Desk) -> None:
    for _ in range(TICKETS_AT_ONCE):
        await desk.ticket()
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run("update desk set name = repeat('ช่อง', 25) where id = $1", desk.desk)
        await tx.run(
            "update bridge_reader set name = repeat('R', 200), serial = repeat('S', 100) "
            "where id = $1",
            desk.reader,
        )
        await tx.run(
            "update offline_ticket set about = $2, fields = $3 where bridge = $1",
            desk.bridge,
            uuid4(),
            list(Field),
        )
        found = await tickets.unused(tx, desk.bridge)
    assert len(found) == TICKETS_AT_ONCE
    longest = [msgspec.structs.replace(one, officer="ช" * tickets.SHOWN) for one in found]
    signed = identity.signed(bytes(32), Tickets(tuple(longest)))
    assert len(messages.encode(signed)) < messages.LARGEST_ASKED
    assert messages.from_server(messages.encode(signed)) == signed


async def test_a_list_has_the_sessions_own_readings_and_those_by_ticket_and_no_others(
    desk: Desk, db: Database, world: World
) -> None:
    own = (await desk.read(await desk.arm())).reading
    offline = (await desk.read(await desk.ticket())).reading
    assert desk.actor is not None

    async def listed(actor: Any) -> set[UUID]:
        async with db.begin(actor) as tx:
            found, _ = await service.mine(tx, None, 50)
        return {one.id for one in found} & {own, offline}

    assert await listed(desk.actor) == {own, offline}
    assert await listed(msgspec.structs.replace(desk.actor, session=uuid4())) == {offline}
    assert await listed(await person(db, world, "inspector-2")) == set()
