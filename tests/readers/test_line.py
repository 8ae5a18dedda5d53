"""The real program's line to a real server, and what may stand between them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api.db import Database
from api.readers.channel import challenges
from api.settings import Settings
from reader_bridge import attending, service
from reader_bridge.chain.journal import Journal
from reader_bridge.device import folder, keys
from reader_bridge.line import by_http, by_socket, retries, rotation
from reader_bridge.line.endings import Over
from tests.bridge.papers import statement
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.between import Between, between
from tests.readers.bridges import Running, running
from tests.readers.pc import enrolled, mapped, noted, read_once, serving
from tests.world import World

READER = "Sample Reader A 00 00"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


@pytest_asyncio.fixture
async def way(server: Running) -> AsyncIterator[Between]:
    async with between(server.url) as found:
        yield found


@pytest.fixture(autouse=True)
def _unhurried_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of seconds become some of hundredths."""
    monkeypatch.setattr(retries, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(by_http, "IDLE_WAIT_S", 1)
    monkeypatch.setattr(by_socket, "LOOK_S", 0.1)
    monkeypatch.setattr(by_socket, "ROTATES_S", 0.3)
    monkeypatch.setattr(by_socket, "ANSWER_S", 1.0)
    monkeypatch.setattr(attending, "ALONE_FOR", 0.2)


async def desk(
    server: Running, world: World, conf: Settings, where: Path, way: Between
) -> folder.Configuration:
    """An enrolled PC whose way to the server leads over `way`."""
    found = await enrolled(server, world.head, where, conf.base_url)
    found = msgspec.structs.replace(found, server=way.url)
    folder.save(where, found)
    return found


async def device_row(db: Database, device: UUID | None) -> Any:
    class Row(msgspec.Struct):
        state: str
        sequence: int
        public_key: bytes

    async with db.read() as tx:
        return await tx.one(
            Row, "select state, sequence, public_key from bridge where id = $1", device
        )


@pytest.mark.parametrize("mode", ["refuses", "swallows"])
async def test_where_no_websocket_passes_the_reading_comes_by_http(
    server: Running,
    way: Between,
    conf: Settings,
    db: Database,
    world: World,
    tmp_path: Path,
    mode: Any,
) -> None:
    way.mode = mode
    port = ScriptedReaders(READER)
    found = await desk(server, world, conf, tmp_path, way)
    assert found.device is not None
    async with serving(tmp_path, port) as program:
        await noted(tmp_path, lambda told: told.get("connected", "").endswith("HTTP"))
        where = await mapped(
            server, world.head, found.device, port, reader=READER, card=VirtualCard(person(1))
        )
        for number in (2, 3):
            reading = await read_once(server, world, found.device, port, number, where)
            assert reading["card"]["cid"] == person(number).cid
        assert not program.done()
    row = await device_row(db, found.device)
    assert (row.state, row.sequence) == ("active", 3)


async def test_by_http_a_websocket_is_tried_again_after_a_while(
    server: Running,
    way: Between,
    conf: Settings,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "HTTP_FOR_S", 1.5)
    way.mode = "refuses"
    await desk(server, world, conf, tmp_path, way)
    async with serving(tmp_path, ScriptedReaders(READER)):
        await noted(tmp_path, lambda told: told.get("connected", "").endswith("HTTP"))
        way.mode = "passes"
        await noted(tmp_path, lambda told: told.get("connected", "").endswith("WebSocket"))


@pytest.mark.parametrize("mode", ["refuses", "overloaded", "away"])
async def test_no_word_of_a_proxy_ends_a_device(
    server: Running, way: Between, conf: Settings, world: World, tmp_path: Path, mode: Any
) -> None:
    way.mode = way.http = mode
    await desk(server, world, conf, tmp_path, way)
    async with serving(tmp_path, ScriptedReaders(READER)) as program:
        await noted(tmp_path, lambda told: told.get("error"))
        await asyncio.sleep(0.5)
        assert not program.done()
        way.mode = way.http = "passes"
        await noted(tmp_path, lambda told: told.get("connected"))


async def test_a_pc_that_slept_over_its_challenge_asks_for_another(
    server: Running,
    way: Between,
    conf: Settings,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way.mode, fetched, real = "refuses", 0, by_http.fetch_challenge

    async def fetch(http: Any) -> Any:
        nonlocal fetched
        fetched += 1
        return await real(http)

    monkeypatch.setattr(by_http, "fetch_challenge", fetch)
    await desk(server, world, conf, tmp_path, way)
    async with serving(tmp_path, ScriptedReaders(READER)) as program:
        await noted(tmp_path, lambda told: told.get("connected", "").endswith("HTTP"))
        with monkeypatch.context() as slept:
            slept.setattr(challenges, "stands", lambda *_: False)
            await asyncio.sleep(1.5)
        await noted(tmp_path, lambda told: told.get("connected"))
        assert fetched > 1
        assert not program.done()


async def test_a_line_cut_again_and_again_delivers_each_reading_once(
    server: Running, way: Between, conf: Settings, db: Database, world: World, tmp_path: Path
) -> None:
    found = await desk(server, world, conf, tmp_path, way)
    device = keys.load(tmp_path)
    async with serving(tmp_path, ScriptedReaders(READER)) as program:
        await noted(tmp_path, lambda told: told.get("connected"))
        other = Journal(tmp_path, device)  # what nobody waits for is refused, and settled
        for _ in range(20):
            other.state(
                statement(device, device=found.device, audience=conf.base_url, reader=READER)
            )
            await asyncio.sleep(0.05)
            way.cut()
        async with asyncio.timeout(20):
            while other.count():
                await asyncio.sleep(0.05)
        other.close()
        assert not program.done()
    row = await device_row(db, found.device)
    assert (row.state, row.sequence) == ("active", 20)


@pytest.mark.parametrize("mode", ["passes", "refuses"])
async def test_the_running_service_changes_its_key_when_asked(
    server: Running,
    way: Between,
    conf: Settings,
    db: Database,
    world: World,
    tmp_path: Path,
    mode: Any,
) -> None:
    way.mode = mode
    found = await desk(server, world, conf, tmp_path, way)
    before = keys.load(tmp_path).public
    async with serving(tmp_path, ScriptedReaders(READER)) as program:
        await noted(tmp_path, lambda told: told.get("connected"))
        assert await asyncio.wait_for(service.rotate(tmp_path, "test"), 15)
        assert not program.done()
    row = await device_row(db, found.device)
    assert row.state == "active"
    assert row.public_key == keys.load(tmp_path).public != before


async def test_without_a_service_a_key_is_changed_all_the_same(
    server: Running, way: Between, conf: Settings, db: Database, world: World, tmp_path: Path
) -> None:
    found = await desk(server, world, conf, tmp_path, way)
    before = keys.load(tmp_path).public
    assert await asyncio.wait_for(service.rotate(tmp_path, "test"), 15)
    row = await device_row(db, found.device)
    assert row.public_key == keys.load(tmp_path).public != before
    async with serving(tmp_path, ScriptedReaders(READER)):
        await noted(tmp_path, lambda told: told.get("connected"))


async def test_a_second_program_in_one_folder_does_not_start_and_freezes_nothing(
    server: Running, way: Between, conf: Settings, db: Database, world: World, tmp_path: Path
) -> None:
    found = await desk(server, world, conf, tmp_path, way)
    async with serving(tmp_path, ScriptedReaders(READER)) as program:
        await noted(tmp_path, lambda told: told.get("connected"))
        async with serving(tmp_path, ScriptedReaders(READER)) as second:
            await asyncio.wait([second], timeout=5)
            with pytest.raises(folder.Unusable):
                second.result()
        way.cut()
        await asyncio.sleep(0.5)
        await noted(tmp_path, lambda told: told.get("connected"))
        assert not program.done()
    assert (await device_row(db, found.device)).state == "active"


async def test_a_copy_of_the_folder_on_another_pc_is_frozen_with_it(
    server: Running, way: Between, conf: Settings, db: Database, world: World, tmp_path: Path
) -> None:
    where, copy = tmp_path / "a", tmp_path / "b"
    found = await desk(server, world, conf, where, way)
    shutil.copytree(where, copy)
    async with serving(where, ScriptedReaders(READER)) as program:
        await noted(where, lambda told: told.get("connected"))
        async with serving(copy, ScriptedReaders(READER)) as second:
            done, _ = await asyncio.wait(
                [program, second], timeout=40, return_when=asyncio.FIRST_COMPLETED
            )
            assert done
            with pytest.raises(Over):
                done.pop().result()
    assert (await device_row(db, found.device)).state == "frozen"


async def test_a_folder_that_was_put_back_to_an_older_state_states_nothing_more(
    server: Running, way: Between, conf: Settings, db: Database, world: World, tmp_path: Path
) -> None:
    """As a backup of the PC would, or whoever wants a statement of theirs undone."""
    where, older = tmp_path / "now", tmp_path / "older"
    found = await desk(server, world, conf, where, way)
    async with serving(where, ScriptedReaders(READER)):
        await noted(where, lambda told: told.get("connected"))
    shutil.copytree(where, older)
    async with serving(where, ScriptedReaders(READER)):
        await noted(where, lambda told: told.get("connected"))
        device, kept = rotation.opened(where)
        kept.state(statement(device, device=found.device, audience=conf.base_url, reader=READER))
        async with asyncio.timeout(10):
            while kept.count():
                await asyncio.sleep(0.05)
        kept.close()
    shutil.rmtree(where)
    older.rename(where)
    async with serving(where, ScriptedReaders(READER)) as program:
        done, _ = await asyncio.wait([program], timeout=40)
        assert done, "it goes on as if nothing had been"
        with pytest.raises(Over):
            program.result()
    row = await device_row(db, found.device)
    assert (row.state, row.sequence) == ("frozen", 1)
    async with db.read() as tx:
        kinds = await tx.values(
            "select kind from bridge_incident where bridge = $1 order by id", found.device
        )
    assert kinds == ["foreign", "rollback"]  # what it stated was of no intent
