"""Tables of the counters' traffic do not grow for ever, and nothing is found out less for it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest

from api import clock, ids
from api.db import Database
from api.jobs import Job
from api.permissions import Worker
from api.readers.bridges import connecting
from api.readers.model import INTENT_KEPT_FOR, STATEMENT_KEPT_FOR, Purpose
from api.readers.problems import BridgeForked
from api.readers.readings import forgetting
from tests.readers.device import Desk, at_desk
from tests.world import World

JOB = Job(ids.new(), forgetting.JOB, "{}", 1, 1, clock.now())


async def with_old_chain(db: Database, world: World) -> Desk:
    """A device whose first three statements were refused long ago."""
    desk = await at_desk(db, world)
    async with db.begin(Worker("test")) as tx:
        for number in (1, 2, 3):
            desk.sequence, desk.head = number, os.urandom(32)
            await tx.run(
                """
                insert into bridge_statement (bridge, sequence, hash, refused, received_at)
                values ($1, $2, $3, 'readers/intent-over', $4)
                """,
                *(desk.bridge, number, desk.head),
                tx.now - STATEMENT_KEPT_FOR - timedelta(days=1),
            )
        await tx.run(
            "update bridge set sequence = 3, head = $2 where id = $1", desk.bridge, desk.head
        )
    return desk


async def statements(desk: Desk) -> list[int]:
    async with desk.db.read() as tx:
        return await tx.values(
            "select sequence from bridge_statement where bridge = $1 order by sequence", desk.bridge
        )


async def test_old_statements_are_forgotten_and_a_second_history_is_found_out_all_the_same(
    world: World, db: Database
) -> None:
    desk = await with_old_chain(db, world)
    reading = (await desk.read(await desk.arm())).reading
    await forgetting.forget(db, JOB)
    assert await statements(desk) == [4] and reading is not None
    assert await desk.value("select intent from reading where id = $1", reading) is not None
    again = (await desk.read(await desk.arm())).sequence
    assert again == 5  # the chain goes on
    with pytest.raises(BridgeForked):
        await desk.send(*desk.state(await desk.arm(), sequence=2))
    assert await desk.incidents() == ["replay"]


async def test_the_server_itself_cannot_forget_a_statement_of_yesterday(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    await desk.read(await desk.arm())
    tomorrow = clock.now() + timedelta(days=1)
    async with db.begin(Worker("test")) as tx:
        await tx.value("select forget_statements($1, 1000000)", tomorrow)
    assert await statements(desk) == [1]


async def test_intents_are_forgotten_and_their_readings_and_the_days_of_officers_are_not(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    held = await desk.arm()
    reading = (await desk.read(held)).reading
    over, open_, fresh = await desk.arm(), await desk.arm(), await desk.arm()
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update intent set moved_at = $2 where id = any($1)",
            [held.id, over.id],
            tx.now - INTENT_KEPT_FOR - timedelta(hours=1),
        )
    await forgetting.forget(db, JOB)
    left = await desk.value("select array_agg(id) from intent where bridge = $1", desk.bridge)
    assert set(left) == {open_.id, fresh.id}
    found = await desk.value("select intent from reading where id = $1", reading)
    assert found == held.id


async def test_an_auditor_sees_what_an_intent_was_for_after_it_is_forgotten(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    async with db.begin(Worker("test")) as tx:
        await tx.run("update bridge set last_seen_at = $2 where id = $1", desk.bridge, tx.now)
    id, body = ids.new(), {"desk": str(desk.desk), "purpose": Purpose.identify_complainant}
    (await world.inspector.put(f"/v1/intents/{id}", json=body)).raise_for_status()
    (await world.inspector.post(f"/v1/intents/{id}/cancel")).raise_for_status()
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update intent set moved_at = $2 where id = $1", id, tx.now - timedelta(days=31)
        )
    await forgetting.forget(db, JOB)
    day = clock.bangkok_date(clock.now())
    found: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await world.auditor.get(
            f"/v1/reading-audit/officers/{desk.account}/days/{day}",
            params={"limit": 200} | ({"cursor": cursor} if cursor else {}),
        )
        found += [a for a in page.raise_for_status().json()["items"] if a["record"] == str(id)]
        cursor = page.json()["next"]
    assert [a["what"] for a in found] == ["intent.armed", "intent.cancelled"]
    assert {(a["purpose"], a["desk"]) for a in found} == {(body["purpose"], body["desk"])}


# --- tickets --------------------------------------------------------------------------------------


LONG_AGO = timedelta(days=200)


async def tickets(desk: Desk) -> set[Any]:
    return set(
        await desk.value("select array_agg(id) from offline_ticket where bridge = $1", desk.id)
        or ()
    )


async def says_hello(desk: Desk, sequence: int | None = None) -> None:
    """The device connects; its own chain may be further than the server's."""
    challenge = os.urandom(32)
    said = {} if sequence is None else {"sequence": sequence, "head": os.urandom(32)}
    async with desk.db.begin(Worker("test")) as tx:
        hello = desk.hello(challenge, **said)
        await connecting.connect(tx, hello, challenge, ids.new(), 0)


async def test_tickets_that_are_over_are_forgotten_and_their_readings_are_not(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    with clock.travel(-LONG_AGO):
        read, unused, void = await desk.ticket(), await desk.ticket(), await desk.ticket()
        reading = (await desk.read(read, read_at=clock.now(), inserted_at=clock.now())).reading
        async with db.begin(Worker("test")) as tx:
            await tx.run("update offline_ticket set void_at = $2 where id = $1", void.id, tx.now)
    fresh = await desk.ticket()
    assert reading is not None and await tickets(desk) == {read.id, unused.id, void.id, fresh.id}
    await says_hello(desk)
    await forgetting.forget(db, JOB)
    assert await tickets(desk) == {fresh.id}
    assert await desk.value("select ticket from reading where id = $1", reading) == read.id


async def test_the_tickets_of_a_pc_that_was_away_for_months_are_there_when_it_is_back(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    with clock.travel(-LONG_AGO):
        await says_hello(desk)
        ticket, spare = await desk.ticket(), await desk.ticket()
        then = clock.now()
    await forgetting.forget(db, JOB)
    await says_hello(desk, sequence=1)  # and is cut off before it could say more
    await forgetting.forget(db, JOB)
    assert await tickets(desk) == {ticket.id, spare.id}
    assert (await desk.read(ticket, read_at=then, inserted_at=then)).refused is None
    await forgetting.forget(db, JOB)
    assert await tickets(desk) == set()
    assert await desk.incidents() == []


async def test_no_ticket_stays_for_ever_for_a_device_that_has_ended(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    with clock.travel(-LONG_AGO):
        await desk.ticket()
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update bridge set state = 'revoked', ended_at = $2 where id = $1", desk.id, tx.now
        )
    await forgetting.forget(db, JOB)
    assert await tickets(desk) == set()
