"""The real bridge program at a real server, and the people at its counter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import ids
from api.accounts import seed as accounts
from api.db import Database
from api.permissions import Worker
from api.settings import Settings
from reader_bridge import attending
from reader_bridge.card import reading
from reader_bridge.chain import stating
from reader_bridge.line import rotation
from reader_bridge.pcsc import watcher
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.faults import after, pull, slow
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.bridges import Running, running
from tests.readers.pc import At, enrolled, mapped, serving, until
from tests.world import Person, World, do_jobs

READERS = ("Sample Reader A 00 00", "Sample Reader B 00 00")


@dataclass
class Counter:
    """Two readers at one PC, each on a desk of its own, and the program that serves them."""

    server: Running
    db: Database
    port: ScriptedReaders
    where: Path
    device: UUID
    desks: dict[str, UUID]

    async def arm(self, officer: At, reader: str, **entry: Any) -> UUID:
        intent = ids.new()
        body = {"desk": self.desks[reader], "purpose": "identify_complainant"} | entry
        await officer.request("PUT", f"/v1/intents/{intent}", body)
        return intent

    async def cid(self, officer: At, intent: UUID) -> str:
        """The number on the card that the officer got."""
        found = await until(officer, intent, state="delivered")
        got = await officer.request("GET", f"/v1/readings/{found['reading']}")
        return str(got["card"]["cid"])

    async def value(self, sql: str, *args: Any) -> Any:
        async with self.db.read() as tx:
            return await tx.value(sql, *args)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


@pytest_asyncio.fixture
async def counter(
    server: Running,
    conf: Settings,
    db: Database,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Counter]:
    monkeypatch.setattr(attending, "ALONE_FOR", 0.2)
    port = ScriptedReaders(*READERS)
    found = await enrolled(server, world.head, tmp_path, conf.base_url)
    assert found.device is not None
    async with serving(tmp_path, port) as program:
        desks = {
            reader: await mapped(
                server,
                world.head,
                found.device,
                port,
                reader=reader,
                card=VirtualCard(person(90)),
            )
            for reader in READERS
        }
        yield Counter(server, db, port, tmp_path, found.device, desks)
        assert not program.done()


async def test_a_card_in_the_reader_reaches_the_officer_who_waits(
    counter: Counter, world: World
) -> None:
    officer = At(counter.server, world.inspector)
    intent = await counter.arm(officer, READERS[1], photo=True)
    await until(officer, intent, step="waiting")
    counter.port.insert(READERS[0], VirtualCard(person(2)))  # the other desk's
    counter.port.insert(READERS[1], VirtualCard(person(3)))
    delivered = await until(officer, intent, state="delivered")
    reading = await officer.request("GET", f"/v1/readings/{delivered['reading']}")
    assert reading["card"]["cid"] == person(3).cid
    assert set(reading["card"]) == {"cid", "name_th"}
    assert UUID(reading["desk"]) == counter.desks[READERS[1]]
    photo = person(3).photo
    await until(officer, intent, step="photo", done=len(photo))
    async with counter.server.http() as http:
        headers = {"Authorization": f"Bearer {world.inspector.token}"}
        shown = await http.get(f"/v1/readings/{delivered['reading']}/photo", headers=headers)
    assert shown.content == photo


async def test_a_card_left_from_the_last_citizen_never_answers_the_next_officer(
    counter: Counter, world: World
) -> None:
    first, next_one = At(counter.server, world.inspector), At(counter.server, world["inspector-2"])
    intent = await counter.arm(first, READERS[0])
    await until(first, intent, step="waiting")
    left = counter.port.insert(READERS[0], VirtualCard(person(1)))
    assert await counter.cid(first, intent) == person(1).cid
    heard = len(left.seen)
    intent = await counter.arm(next_one, READERS[0])
    await until(next_one, intent, step="take_card_out", fault="card-left")
    await asyncio.sleep(0.5)
    assert (await next_one.request("GET", f"/v1/intents/{intent}"))["state"] == "armed"
    assert len(left.seen) == heard
    counter.port.remove(READERS[0])
    await until(next_one, intent, step="waiting")
    counter.port.insert(READERS[0], VirtualCard(person(2)))
    assert await counter.cid(next_one, intent) == person(2).cid


async def test_a_queue_of_twenty_at_two_readers_gives_no_officer_anothers_citizen(
    counter: Counter, world: World
) -> None:
    """Each comes as people do: in good time, too early, twice, or leaves the card in."""

    async def serve(officer: At, reader: str, numbers: range, seed: int) -> None:
        chance = random.Random(seed)
        for number in numbers:
            how = chance.choice(["in time", "too early", "pulled out", "left in"])
            if how == "too early":
                counter.port.insert(reader, VirtualCard(person(number)))
            intent = await counter.arm(officer, reader)
            if counter.port.slots[reader].card is not None:
                await until(officer, intent, step="take_card_out", fault="card-left")
                counter.port.remove(reader)
            await until(officer, intent, step="waiting")
            if how == "pulled out":
                counter.port.insert(reader, VirtualCard(person(number), after(5, pull())))
                await until(officer, intent, step="waiting", fault="card-removed")
            counter.port.insert(reader, VirtualCard(person(number)))
            assert await counter.cid(officer, intent) == person(number).cid
            if how != "left in":
                counter.port.remove(reader)

    await asyncio.gather(
        serve(At(counter.server, world.inspector), READERS[0], range(1, 11), 1),
        serve(At(counter.server, world["inspector-2"]), READERS[1], range(11, 21), 2),
    )
    count = "select count(*) from {} where bridge = $1"
    read = count.format("reading") + " and purpose <> 'map_desk'"
    assert await counter.value(read, counter.device) == 20
    assert await counter.value(count.format("bridge_incident"), counter.device) == 0


@pytest.mark.parametrize("told", [False, True], ids=["before the PC hears of it", "and is told"])
async def test_nothing_is_kept_of_a_card_whose_officer_signs_out_while_it_is_read(
    counter: Counter, world: World, db: Database, told: bool
) -> None:
    async with db.begin(Worker("test")) as tx:
        _, tokens = await accounts.sign_in(tx, "inspector")
    gone = Person(world.http, "inspector", world.inspector.account, tokens.access_token)
    officer = At(counter.server, gone)
    intent = await counter.arm(officer, READERS[0])
    await until(officer, intent, step="waiting")
    card = counter.port.insert(READERS[0], VirtualCard(person(1), slow(200)))
    await soon(lambda: len(card.seen) > 1)
    await officer.request("POST", "/v1/session/end")
    if told:
        await do_jobs(db)
    heard = 0
    while heard < len(card.seen):  # until nobody reads it any more
        heard = len(card.seen)
        await asyncio.sleep(0.6)
    said = await counter.value(
        "select array_agg(refused) from bridge_statement where bridge = $1 and reading is null",
        counter.device,
    )
    assert said in (None, ["readers/session-over"])
    count = "select count(*) from {} where {} = $1"
    assert await counter.value(count.format("reading", "intent"), intent) == 0
    assert await counter.value(count.format("bridge_incident", "bridge"), counter.device) == 0
    counter.port.remove(READERS[0])
    officer = At(counter.server, world["inspector-2"])  # and the desk goes on
    intent = await counter.arm(officer, READERS[0])
    await until(officer, intent, step="waiting")
    counter.port.insert(READERS[0], VirtualCard(person(2)))
    assert await counter.cid(officer, intent) == person(2).cid


async def soon(true: Callable[[], object], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)


ERA = timedelta(days=198_327)
"""543 years."""


@pytest.mark.parametrize("off", [ERA, timedelta(days=3), timedelta(days=-3)], ids=str)
async def test_a_pc_whose_clock_is_wrong_neither_loses_a_card_nor_passes_its_time_off_as_true(
    counter: Counter, world: World, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + off

    for module in (watcher, reading, stating):
        monkeypatch.setattr(module, "datetime", Wrong)
    officer = At(counter.server, world.inspector)
    intent = await counter.arm(officer, READERS[0])
    await until(officer, intent, step="waiting")
    counter.port.insert(READERS[0], VirtualCard(person(4)))
    assert await counter.cid(officer, intent) == person(4).cid
    flags = await counter.value("select flags from reading where intent = $1", intent)
    assert "clock:read_at" in flags
    _, kept = rotation.opened(counter.where)
    assert kept.count() == 0
    kept.close()
