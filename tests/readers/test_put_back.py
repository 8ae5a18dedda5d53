"""The server is put back to an older state: desk PCs go on by themselves, and it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api.db import Database
from api.permissions import Worker
from api.readers.problems import BridgeForked
from api.settings import Settings
from reader_bridge.chain.journal import Journal
from reader_bridge.device import keys
from reader_bridge.line import by_socket
from tests.bridge.papers import statement
from tests.bridge.scripted import ScriptedReaders
from tests.readers.bridge import FakeBridge
from tests.readers.bridges import Running, running
from tests.readers.pc import enrolled, serving
from tests.readers.test_line import READER, noted
from tests.world import World


@pytest_asyncio.fixture
async def server(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


class State(msgspec.Struct):
    state: str
    sequence: int
    head: bytes


async def state(db: Database, device: UUID) -> State:
    async with db.read() as tx:
        return await tx.one(State, "select state, sequence, head from bridge where id = $1", device)


async def put_back(db: Database, device: UUID, to: State) -> None:
    """As a backup has the device. What it stated since is beyond what the chain knows of."""
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update bridge set sequence = $2, head = $3, starts = 0, boot = null,"
            " moved = 0 where id = $1",
            *(device, to.sequence, to.head),
        )


async def incidents(db: Database, device: UUID) -> list[str]:
    async with db.read() as tx:
        return await tx.values(
            "select kind || ' ' || facts::text from bridge_incident where bridge = $1", device
        )


async def test_a_server_that_was_put_back_ends_no_pc_that_went_on_meanwhile(
    server: Running,
    world: World,
    conf: Settings,
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_socket, "LOOK_S", 0.1)
    found = await enrolled(server, world.head, tmp_path, conf.base_url)
    assert found.device is not None
    key, at = keys.load(tmp_path), found.device

    async def stated(times: int) -> State:
        """The program runs, states this often, and has its receipts; nobody waits for any."""
        async with serving(tmp_path, ScriptedReaders(READER)) as program:
            await noted(tmp_path, lambda told: told.get("connected"))
            journal = Journal(tmp_path, key)
            for _ in range(times):
                journal.state(statement(key, device=at, audience=conf.base_url, reader=READER))
            async with asyncio.timeout(10):
                while journal.count():
                    await asyncio.sleep(0.05)
            journal.close()
            assert not program.done()
        return await state(db, at)

    backup = await stated(1)
    await stated(2)
    await put_back(db, at, backup)
    now = await stated(1)
    assert (now.state, now.sequence) == ("active", 4)
    (told,) = [i for i in await incidents(db, at) if not i.startswith("foreign")]
    assert told.startswith("gap ") and "3, known 1" in told


async def test_a_gap_that_no_receipt_can_be_behind_moves_nothing(
    world: World, db: Database
) -> None:
    """Only a device's signed word that it had a receipt does; what it says must fit together."""
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    before = await state(db, bridge.device)
    await bridge.connect(db, settled=7, settled_head=b"x" * 32)  # of which it made no statement
    await bridge.connect(db, sequence=7, head=b"y" * 32, settled=7, settled_head=b"x" * 32)
    await bridge.connect(db, sequence=7, head=b"y" * 32, settled=8, settled_head=b"y" * 32)
    assert await state(db, bridge.device) == before
    assert await incidents(db, bridge.device) == []


async def test_a_copied_key_that_jumps_ahead_is_found_out_by_the_pc_that_is_left_behind(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    head = b"x" * 32
    await bridge.connect(db, sequence=7, head=head, settled=7, settled_head=head)
    assert (await state(db, bridge.device)).sequence == 7
    with pytest.raises(BridgeForked):
        await bridge.connect(db)
    assert (await state(db, bridge.device)).state == "frozen"
