"""Cards that were read offline have come: their officer is told, once for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import clock
from api.db import Database, Tx
from api.permissions import Worker
from api.readers.model import PASSED_ON_LATE_FOR
from api.readers.readings import accept, judging, telling
from api.settings import Settings
from reader_bridge.messages import Arm, Receipt, Tickets
from tests.readers.bridges import CARD, Bridge, Running, Screen, arm, running, screen
from tests.readers.device import SAMPLE, Desk, at_desk
from tests.world import Person, World, do_jobs, encode

SOON = timedelta(minutes=1)


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    await later(db)  # nothing waits from before
    async with db.begin(Worker("test")) as tx:
        await tx.run("update reading set passing = null, passing_until = null")
        await tx.run("update message set read_at = $1", tx.now)
    return await at_desk(db, world)


async def told(person: Person) -> list[dict[str, Any]]:
    """What is unread."""
    found = (await person.get("/v1/messages?unread=true")).json()["items"]
    return [one for one in found if one["template"] == "readings.arrived"]


async def later(db: Database) -> None:
    with clock.travel(SOON):
        await do_jobs(db)


async def test_twenty_cards_that_come_together_are_one_message_to_their_officer(
    desk: Desk, db: Database, world: World
) -> None:
    receipts = [await desk.read(await desk.ticket()) for _ in range(20)]
    await do_jobs(db)
    assert await told(world.inspector) == []  # more may come
    await later(db)
    (message,) = await told(world.inspector)
    last = clock.bangkok_date(clock.now() + PASSED_ON_LATE_FOR)
    assert "20" in message["text"] and f"{last:%d/%m}/{last.year + 543}" in message["text"]
    assert "บัตร" in message["title"]
    assert message["about"] == {"kind": "reading", "id": str(receipts[-1].reading)}
    assert await told(world["inspector-2"]) == await told(world.head) == []
    await later(db)
    assert len(await told(world.inspector)) == 1


async def test_what_comes_later_is_told_anew(desk: Desk, db: Database, world: World) -> None:
    for count in (1, 2):
        await desk.read(await desk.ticket())
        await later(db)
        assert len(await told(world.inspector)) == count
    assert " 2 " in (await told(world.inspector))[0]["text"]


async def test_a_message_of_cards_says_nothing_of_whose_they_are(
    desk: Desk, db: Database, world: World
) -> None:
    await desk.read(await desk.ticket())
    await later(db)
    async with db.read() as tx:
        kept = await tx.values("select to_jsonb(m)::text from message m")
        kept += await tx.values("select to_jsonb(j)::text from job j")
        kept += await tx.values("select to_jsonb(e)::text from event e where name = 'message.sent'")
    assert SAMPLE.cid and SAMPLE.name_th
    assert not [row for row in kept if SAMPLE.cid in row or SAMPLE.name_th.last in row]


async def test_nobody_is_written_to_of_a_card_that_they_waited_for_or_have_used(
    desk: Desk, db: Database, world: World
) -> None:
    await desk.read(await desk.arm())
    await desk.read(await desk.ticket(), nonce=bytes(32))  # refused
    used = await desk.read(await desk.ticket())
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update reading set used_for = 'complaint', used_by = id, used_at = $2, passing = null,"
            " passing_until = null where id = $1",
            used.reading,
            tx.now,
        )
    await later(db)
    assert await told(world.inspector) == []


# --- whoever is signed in ---------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


@pytest.mark.parametrize("deaf", [False, True], ids=["told", "found by looking"])
async def test_an_officer_who_is_signed_in_hears_of_it_at_once_at_any_server(
    one: Running, world: World, db: Database, conf: Settings, deaf: bool
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    async with running(conf, db, deaf=deaf) as other:
        async with screen(other, world.inspector) as mine, screen(other, world.head) as theirs:
            receipt = await back(one, bridge, world.inspector)
            while (event := await mine.next(4))[1]["id"] != str(receipt.reading):
                pass
            name, seen = event
            assert (name, seen["label"], seen["card"]) == ("reading", "offline", None)
            assert str(receipt.reading) not in await heard(theirs)
        async with screen(other, world.inspector) as again:  # who looks a moment later, too
            assert str(receipt.reading) in await heard(again)
    await bridge.close()


async def test_a_card_that_somebody_waited_for_is_no_arrival(
    one: Running, two: Running, world: World, db: Database
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    async with screen(two, world.inspector) as seen:
        made = await arm(two, world, world.inspector, bridge)
        await bridge.say(bridge.stated(await bridge.until(Arm)))
        receipt = await bridge.until(Receipt)
        await seen.until(id=made.json()["id"], state="delivered")
        assert str(receipt.reading) not in await heard(seen)
    await bridge.close()


async def heard(screen: Screen) -> set[str]:
    """Of which records a screen is told until nothing more is."""
    found = set()
    with contextlib.suppress(TimeoutError):
        while True:
            found.add((await screen.next(1))[1]["id"])
    return found


async def back(at: Running, bridge: Bridge, officer: Person) -> Receipt:
    """The PC is back with a card that was read meanwhile."""
    headers = {"Authorization": f"Bearer {officer.token}"}
    body = encode({"desk": bridge.desk, "purpose": "identify_complainant"})
    async with at.http() as http:
        made = await http.post("/v1/offline-tickets", content=body, headers=headers)
    assert made.status_code < 300, made.text
    ticket = UUID(made.json()[0]["id"])
    told = await bridge.until(Tickets)
    while not (nonces := [t.nonce for t in told.tickets if t.id == ticket]):
        told = await bridge.until(Tickets)
    await bridge.say(bridge.statement(ticket, nonces[0], CARD, intent=None, ticket=ticket))
    found = await bridge.until(Receipt)
    assert isinstance(found, Receipt) and found.refused is None, found
    return found


async def test_two_transactions_that_tell_the_same_officers_do_not_wait_for_each_other_in_a_ring(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage PCs of several offices come back to several servers at once."""
    people = ("inspector", "inspector-2")
    pairs = []
    for keys in (people, tuple(reversed(people))):
        desks = [await at_desk(db, world, key) for key in keys]
        said = [desk.state(await desk.ticket()) for desk in desks]
        pairs.append([accept.asked(d.id, *s) for d, s in zip(desks, said, strict=True)])
    real = telling.arrived

    async def slowly(tx: Tx, account: UUID) -> None:
        await real(tx, account)
        await asyncio.sleep(0.3)

    monkeypatch.setattr(telling, "arrived", slowly)

    async def take(pair: list[judging.Asked]) -> list[Any]:
        async with db.begin(Worker("test")) as tx:
            return await accept.take_all(tx, pair)

    found = await asyncio.gather(*(take(pair) for pair in pairs))
    assert all(isinstance(one, Receipt) and one.reading for pair in found for one in pair)
