"""The counter's rhythm: insert, done, next. Two officers, two readers at one PC, a queue of twenty.

The bridge program, the server and both officers' event streams are real; the cards are scripted,
and do what cards at counters do: stay in from the last citizen, come before they are asked for,
leave too early, bounce, go into the neighbour's reader, or are the next citizen's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio

from api import ids
from api.db import Database
from api.settings import Settings
from reader_bridge.fields import Fault
from tests.bridge.scripted import ScriptedReaders
from tests.complaints.conftest import told
from tests.pcsc.faults import after, pull
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.bridges import Running, running, screen
from tests.readers.pc import enrolled, mapped, serving
from tests.world import Person, World, encode

A, B = "Sample Reader A 00 00", "Sample Reader B 00 00"
HABITS = ("calm", "left_in", "too_early", "pulled", "bounced", "neighbour", "out_of_turn")


@pytest_asyncio.fixture
async def server(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


class Officer:
    """One officer at one desk: `told` is what the event stream of their screen has shown."""

    def __init__(
        self, http: httpx.AsyncClient, who: Person, port: ScriptedReaders, reader: str, desk: UUID
    ) -> None:
        self.http, self.who, self.port = http, who, port
        self.reader, self.desk = reader, desk
        self.armed: set[str] = set()
        self.told: list[dict[str, Any]] = []
        self.news = asyncio.Condition()
        self.readings: dict[str, str] = {}  # id → CID
        self.works = asyncio.Lock()

    async def follow(self, server: Running) -> None:
        async with screen(server, self.who) as seen:
            while True:
                name, said = await seen.next(within_s=60)
                if name == "intent":
                    async with self.news:
                        self.told.append(said)
                        self.news.notify_all()

    async def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        content = None if body is None else encode(body)
        headers = {"Authorization": f"Bearer {self.who.token}"}
        return await self.http.request(method, path, content=content, headers=headers)

    async def has(self, method: str, path: str, body: Any = None) -> Any:
        found = await self.request(method, path, body)
        assert found.status_code == 200, found.text
        return found.json()

    async def arm(self) -> UUID:
        intent = ids.new()
        self.armed.add(str(intent))
        body = {"desk": self.desk, "purpose": "identify_complainant"}
        await self.has("PUT", f"/v1/intents/{intent}", body)
        return intent

    async def waits(self, intent: UUID, **wanted: Any) -> dict[str, Any]:
        """What the screen shows of the intent, once it shows this."""

        def shown() -> dict[str, Any]:
            return next((t for t in reversed(self.told) if t["id"] == str(intent)), {})

        def true() -> bool:
            return bool(shown()) and all(shown()[name] == wanted[name] for name in wanted)

        async with self.news, asyncio.timeout(20):
            await self.news.wait_for(true)
        return shown()

    async def received(self, intent: UUID) -> str:
        """The CID that this screen got."""
        found = await self.waits(intent, state="delivered")
        reading = await self.has("GET", f"/v1/readings/{found['reading']}")
        self.readings[reading["id"]] = str(reading["card"]["cid"])
        return str(reading["card"]["cid"])

    async def done(self) -> None:
        """What was read last is used for a complaint."""
        said = told(channel="desk", reading=list(self.readings)[-1])
        await self.has("PUT", f"/v1/complaints/{ids.new()}", said)

    async def serve(self, number: int, habit: str, other: Officer) -> None:
        cid, card = str(person(number).cid), VirtualCard(person(number))
        intent = await self.arm() if habit != "too_early" else None
        match habit:
            case "left_in":
                await self.waits(intent, step="take_card_out", fault=Fault.card_left)
                self.port.remove(self.reader)
                await self.waits(intent, step="waiting")
                self.port.insert(self.reader, card)
            case "too_early":
                self.port.insert(self.reader, card)
                await asyncio.sleep(0.1)
                intent = await self.arm()
                await self.waits(intent, step="take_card_out", fault=Fault.card_left)
                self.port.remove(self.reader)
                await self.waits(intent, step="waiting")
                self.port.insert(self.reader, card)
            case "pulled":
                await self.waits(intent, step="waiting")
                self.port.insert(self.reader, VirtualCard(person(number), after(5, pull())))
                await self.waits(intent, step="waiting", fault=Fault.card_removed)
                self.port.insert(self.reader, card)
            case "bounced":
                await self.waits(intent, step="waiting")
                for _ in range(3):
                    self.port.insert(self.reader, VirtualCard(person(number)))
                    self.port.remove(self.reader)
                self.port.insert(self.reader, card)
            case "neighbour":
                async with other.works:  # who waits for nobody at this moment
                    await self.waits(intent, step="waiting")
                    self.port.remove(other.reader)
                    stray = self.port.insert(other.reader, VirtualCard(person(number)))
                    await asyncio.sleep(0.2)
                    assert not stray.seen and (await self.waits(intent))["state"] == "armed"
                    self.port.remove(other.reader)
                self.port.insert(self.reader, card)
            case "out_of_turn":
                await self.waits(intent, step="waiting")
                self.port.insert(self.reader, VirtualCard(person(number + 100)))
                assert await self.received(intent) == str(person(number + 100).cid)
                intent = await self.arm()  # the name on the screen is not of whoever stands there
                await self.waits(intent, step="take_card_out")
                self.port.remove(self.reader)
                await self.waits(intent, step="waiting")
                self.port.insert(self.reader, card)
            case _:
                await self.waits(intent, step="waiting")
                self.port.insert(self.reader, card)
        assert intent is not None
        assert await self.received(intent) == cid, habit
        await self.done()

    async def work(self, numbers: range, other: Officer) -> None:
        for turn, number in enumerate(numbers):
            habit = HABITS[turn % len(HABITS)]
            if habit == "neighbour" and self.reader == B:
                habit = "calm"  # one of the two does it: else each waits for the other
            async with self.works:
                await self.serve(number, habit, other)
                following = HABITS[(turn + 1) % len(HABITS)]
                if following != "left_in":
                    self.port.remove(self.reader)


async def test_a_queue_of_twenty_at_two_readers_of_one_pc_confuses_nobody(
    server: Running, conf: Settings, world: World, db: Database, tmp_path: Path
) -> None:
    port = ScriptedReaders(A, B)
    found = await enrolled(server, world.head, tmp_path, conf.base_url)
    assert found.device is not None
    async with (
        serving(tmp_path, port),
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
    ):
        await asyncio.sleep(2.5)  # readers that have just been seen show no fresh card
        officers = []
        for name, reader in (("inspector", A), ("inspector-2", B)):
            card = VirtualCard(person(90))
            desk = await mapped(server, world.head, found.device, port, reader=reader, card=card)
            await world[name].keep_signed_in()
            officers.append(Officer(http, world[name], port, reader, desk))
        one, two = officers
        screens = [asyncio.create_task(o.follow(server)) for o in officers]
        async with asyncio.timeout(120):
            await asyncio.gather(one.work(range(1, 11), two), two.work(range(11, 21), one))
        await asyncio.sleep(0.3)
        for officer, numbers in ((one, range(1, 11)), (two, range(11, 21))):
            await got_their_own(officer, numbers)
        await has_nothing_of(two, one)
        await has_nothing_of(one, two)
        assert not [task for task in screens if task.done()]
        for task in screens:
            task.cancel()
        await asyncio.gather(*screens, return_exceptions=True)
    async with db.read() as tx:
        assert await tx.value("select state from bridge where id = $1", found.device) == "active"


async def got_their_own(officer: Officer, numbers: range) -> None:
    """Each citizen once, the one who was out of turn besides, and on the screen nothing else."""
    expected = [*numbers, numbers[HABITS.index("out_of_turn")] + 100]
    assert Counter(officer.readings.values()) == Counter(str(person(n).cid) for n in expected)
    assert {said["id"] for said in officer.told} == officer.armed
    assert {said["reading"] for said in officer.told} - {None} == set(officer.readings)
    listed = (await officer.has("GET", "/v1/readings"))["items"]
    served = {item["id"]: item["used_for"] for item in listed}
    used_for = Counter(served[reading] for reading in officer.readings)
    assert used_for == {"complaint": len(numbers), None: 1}


async def has_nothing_of(officer: Officer, other: Officer) -> None:
    for reading in other.readings:
        for path in (f"/v1/readings/{reading}", f"/v1/readings/{reading}/photo"):
            assert (await officer.request("GET", path)).status_code == 404
        said = told(channel="desk", reading=reading)
        found = await officer.request("PUT", f"/v1/complaints/{ids.new()}", said)
        assert found.json()["code"] == "readers/reading-not-found"
