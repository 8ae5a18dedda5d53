"""The program as a process of its own, at a real PC/SC service and a real server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.settings import Settings
from reader_bridge.device import folder
from reader_bridge.line import rotation
from tests.pcsc.conftest import RigMaker, card_stack, new_rig  # noqa: F401
from tests.pcsc.faults import after, pull, slow
from tests.pcsc.people import Person as Citizen
from tests.pcsc.people import person
from tests.pcsc.rig import Rig
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.between import Between, between
from tests.readers.bridges import Running, running
from tests.readers.pc import At, enrolled, until
from tests.world import World

READER = "Sample Reader A 00 00"


class Desk:
    """One PC with one reader: its service of readers, its program, its way to the server."""

    def __init__(self, server: Running, world: World, way: Between, rig: Rig, where: Path) -> None:
        self.server, self.world, self.way, self.rig, self.where = server, world, way, rig, where
        self.officer = At(server, world.inspector)
        self.desk, self.bridge = ids.new(), ids.new()
        self.programs: list[subprocess.Popen[str]] = []
        self.said = ""

    async def enrol(self, audience: str) -> UUID:
        found = await enrolled(self.server, self.world.head, self.where, audience)
        folder.save(self.where, msgspec.structs.replace(found, server=self.way.url))
        assert found.device is not None
        return found.device

    def run(self) -> subprocess.Popen[str]:
        arguments = ("-m", "reader_bridge", "--folder", str(self.where), "run", "--verbose")
        self.programs.append(self.rig[0].start(*arguments))
        return self.programs[-1]

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Of the program that runs; keeps what it said."""
        program = self.programs.pop()
        program.send_signal(how)
        out, err = await asyncio.to_thread(program.communicate, None, 20)
        self.said += out + err
        return program.returncode

    async def command(self, *arguments: str) -> str:
        """Another command of the program, to its end: what it said."""
        return await (await self.begin(*arguments))

    async def begin(self, *arguments: str, says: str = "") -> asyncio.Task[str]:
        """The same, from where the command `says` this."""
        whole = ("-m", "reader_bridge", "--folder", str(self.where), *arguments)
        program, said = self.rig[0].start(*whole), ""
        assert program.stdout is not None
        while says not in said:
            line = await asyncio.to_thread(program.stdout.readline)
            assert line, f"it ended without saying {says!r}: {said}"
            said += line

        async def ended() -> str:
            out, err = await asyncio.to_thread(program.communicate, None, 90)
            self.said += said + out + err
            assert program.returncode == 0, said + out + err
            return said + out

        return asyncio.create_task(ended())

    async def noted(self, true: Any, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while True:
                _, kept = await asyncio.to_thread(rotation.opened, self.where)
                told, waiting = kept.notes(), kept.count()
                kept.close()
                if true(told, waiting):
                    return
                await asyncio.sleep(0.05)

    async def connected(self) -> None:
        await self.noted(lambda told, _: told.get("connected"))
        await asyncio.sleep(2.2)  # a reader that was seen only now shows no card as fresh

    async def map(self, bridge: UUID) -> None:
        boss, intent = At(self.server, self.world.head), ids.new()
        office = (await boss.request("GET", "/v1/me"))["office"]["id"]
        body = {"office": office, "name": f"ช่อง {self.desk}"}
        await boss.request("PUT", f"/v1/desks/{self.desk}", body)
        await boss.request(
            "PUT",
            f"/v1/intents/{intent}",
            {"desk": self.desk, "purpose": "map_desk", "bridge": bridge},
        )
        await until(boss, intent, step="waiting")
        for _ in range(5):  # a busy machine may see the card before the reader has settled
            await self.put(VirtualCard(person(9)))
            with contextlib.suppress(TimeoutError):
                await until(boss, intent, 4, state="delivered")
                break
            self.rig.remove()
            await asyncio.sleep(0.6)
        await until(boss, intent, state="delivered")
        self.rig.remove()

    async def arm(self, **entry: Any) -> UUID:
        intent = ids.new()
        body = {"desk": self.desk, "purpose": "identify_complainant"} | entry
        await self.officer.request("PUT", f"/v1/intents/{intent}", body)
        await until(self.officer, intent, step="waiting")
        return intent

    async def put(self, card: VirtualCard) -> VirtualCard:
        return await asyncio.to_thread(self.rig.insert, card)

    async def reading(self, intent: UUID) -> dict[str, Any]:
        found = await until(self.officer, intent, 30, state="delivered")
        got: dict[str, Any] = await self.officer.request("GET", f"/v1/readings/{found['reading']}")
        return got


@pytest_asyncio.fixture
async def desk(
    conf: Settings,
    db: Database,
    world: World,
    tmp_path: Path,
    new_rig: RigMaker,  # noqa: F811
) -> AsyncIterator[Desk]:
    """Enrolled and mapped; its program runs."""
    rig = new_rig(1)
    async with running(conf, db) as server, between(server.url) as way:
        found = Desk(server, world, way, rig, tmp_path / "bridge")
        found.bridge = await found.enrol(conf.base_url)
        found.run()
        await found.connected()
        await found.map(found.bridge)
        yield found


async def readings(db: Database, intent: UUID) -> int:
    async with db.read() as tx:
        found: int = await tx.value("select count(*) from reading where intent = $1", intent)
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_readers_service_killed_in_mid_reading_delivers_no_half_and_the_desk_goes_on(
    desk: Desk, db: Database, how: signal.Signals
) -> None:
    intent = await desk.arm()
    card = await desk.put(VirtualCard(person(1), slow(60)))
    while len(card.seen) < 6:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(desk.rig[0].restart, how, 0.5)
    await asyncio.sleep(3)
    desk.rig.remove()
    await asyncio.sleep(0.6)
    assert await readings(db, intent) == 0
    # Both slots of the virtual reader were away, neither has a serial number: which is which now?
    assert (await desk.officer.request("GET", f"/v1/intents/{intent}"))["state"] == "cancelled"
    await desk.map(desk.bridge)
    await asyncio.sleep(0.6)
    intent = await desk.arm()
    await desk.put(VirtualCard(person(2)))
    assert (await desk.reading(intent))["card"]["cid"] == person(2).cid
    assert desk.programs[-1].poll() is None
    assert await desk.end() == 0


@pytest.mark.parametrize("lost", ["there", "back"])
async def test_killed_after_the_statement_is_on_the_disk_there_is_exactly_one_reading(
    desk: Desk, db: Database, lost: str
) -> None:
    intent = await desk.arm()
    getattr(desk.way, lost).clear()
    await desk.put(VirtualCard(person(4)))
    await desk.noted(lambda _, waiting: waiting == 1)
    if lost == "back":
        await until(desk.officer, intent, 20, state="delivered")
    await desk.end(signal.SIGKILL)
    desk.way.cut()
    getattr(desk.way, lost).set()
    desk.run()
    assert (await desk.reading(intent))["card"]["cid"] == person(4).cid
    await desk.noted(lambda _, waiting: waiting == 0)
    assert await readings(db, intent) == 1
    assert await desk.end() == 0


async def test_a_reading_without_the_server_is_sent_when_it_is_back_and_tells_nobody_else(
    desk: Desk, db: Database
) -> None:
    citizen = replace(person(5), name_th="นาย#ผู้ไม่มีตัวตน##ทดสอบระบบ")
    body = {"desk": desk.desk, "purpose": "identify_complainant", "count": 2}
    ticket, other = await desk.officer.request("POST", "/v1/offline-tickets", body)
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(tickets, desk.where):
            await asyncio.sleep(0.1)
    assert "identify_complainant" in await desk.command("offline-read", "--list")
    desk.way.mode = desk.way.http = "away"
    desk.way.cut()
    reading = await desk.begin("offline-read", "--ticket", "1", says="put the card in now")
    await desk.put(VirtualCard(citizen))
    receipt = await reading
    assert "✓" in receipt and "1-xxxx" in receipt
    secret(desk, citizen)
    desk.way.mode = desk.way.http = "passes"
    await desk.noted(lambda _, waiting: waiting == 0, 40)

    class Row(msgspec.Struct):
        label: str
        count: int

    async with db.read() as tx:
        (row,) = await tx.all(
            Row,
            "select label, count(*) from reading where ticket = any ($1::uuid[]) group by label",
            [UUID(ticket["id"]), UUID(other["id"])],
        )
    assert (row.label, row.count) == ("offline", 1)
    await desk.end()
    secret(desk, citizen)


async def test_nothing_of_a_card_is_in_what_the_program_says_or_keeps(desk: Desk) -> None:
    citizen = replace(person(7), name_th="นาย#ผู้ไม่มีตัวตน##ทดสอบระบบ")
    assert str(desk.bridge) in await desk.command("status")  # exit code 0: connected
    intent = await desk.arm(photo=True)
    await desk.put(VirtualCard(citizen, after(7, pull())))
    await asyncio.sleep(1.5)
    nonsense = replace(citizen, born="99XX77ZZ")
    await desk.put(VirtualCard(nonsense))
    await asyncio.sleep(1.5)
    desk.rig.remove()
    await asyncio.sleep(0.6)
    state = await desk.officer.request("GET", f"/v1/intents/{intent}")
    if state["state"] == "armed":
        await desk.put(VirtualCard(citizen))
    await until(desk.officer, intent, 20, state="delivered")
    await asyncio.sleep(1)  # for the photograph
    if state["state"] == "armed":
        assert "photo" in await desk.command("test-read", "--photo")
        assert f"{READER}" in (shown := await desk.command("readers")) and "card in" in shown
    await desk.end()
    assert "reading failed" in desk.said
    secret(desk, citizen)


def tickets(where: Path) -> int:
    """How many the PC has."""
    _, kept = rotation.opened(where)
    try:
        return len(kept.tickets(datetime.now(UTC)))
    finally:
        kept.close()


def secret(desk: Desk, citizen: Citizen) -> None:
    """Neither the program's output nor any byte of its folder has the card's data."""
    card = VirtualCard(citizen)
    assert card.chip is not None
    first, last = "ผู้ไม่มีตัวตน", "ทดสอบระบบ"
    words = [citizen.cid, first, last, card.chip.hex(), card.chip.hex().upper()]
    blobs = [word.encode() for word in words]
    blobs += [word.encode("tis-620") for word in (first, last)] + [card.chip]
    for word in words:
        assert word not in desk.said
    for path in desk.where.rglob("*"):
        held = path.read_bytes() if path.is_file() else b""
        for blob in blobs:
            assert blob not in held, path.name
