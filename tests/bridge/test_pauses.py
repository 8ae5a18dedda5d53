"""How long a bridge waits before it dials again: a fleet must not come back in one moment."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from reader_bridge import keys, link
from reader_bridge.agent import Agent, Identity
from reader_bridge.folder import Configuration
from reader_bridge.journal import Journal
from reader_bridge.link import Link
from reader_bridge.watcher import Watcher
from tests.bridge.scripted import ScriptedReaders


class Enough(Exception):
    pass


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Link:
    device = keys.make(tmp_path, in_file=True)
    journal = Journal(tmp_path, device)
    agent = Agent(Identity(uuid4(), "https://sample.test", uuid4()), device, journal)
    monkeypatch.setattr(link.random, "uniform", lambda least, most: most)
    return Link(Configuration(server="https://sample.test"), journal, agent, "test")


async def pauses(line: Link, monkeypatch: pytest.MonkeyPatch, *failures: Exception) -> list[Any]:
    """The longest pause after each failure; "HTTP" where the fall-back was taken instead."""
    found: list[Any] = []
    failing = iter(failures)

    async def fail() -> None:
        error = next(failing, None)
        if error is None:
            raise Enough
        raise error

    async def by_http() -> None:
        found.append("HTTP")
        raise Enough

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(line, "_by_socket", fail)
    monkeypatch.setattr(line, "_by_http", by_http)
    monkeypatch.setattr(link.asyncio, "sleep", sleep)
    with pytest.raises(Enough):
        await line.run()
    return found


def refusal(status: int) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers()))


async def test_a_loose_cable_does_not_keep_a_counter_waiting(
    line: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = ConnectionClosedError(None, Close(link.SILENT, "keepalive ping timeout"), None)
    assert await pauses(line, monkeypatch, silent, OSError(), OSError()) == [1, 2, 4]


@pytest.mark.parametrize(
    "end",
    [
        ConnectionClosedError(Close(1012, "service restart"), None, None),
        ConnectionClosedError(Close(1013, ""), Close(1013, ""), True),
        ConnectionClosedError(None, None, None),
        httpx.HTTPStatusError("", request=None, response=httpx.Response(503)),  # type: ignore[arg-type]
    ],
)
async def test_a_server_that_ends_does_not_get_its_whole_fleet_back_at_once(
    line: Link, monkeypatch: pytest.MonkeyPatch, end: Exception
) -> None:
    assert await pauses(line, monkeypatch, end, OSError()) == [64, 128]


async def test_after_a_long_outage_nobody_waits_for_longer_than_five_minutes(
    line: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await pauses(line, monkeypatch, *[OSError()] * 40)
    assert found[-1] == link.LONGEST_RETRY_S == max(found)


@pytest.mark.parametrize("busy", [refusal(503), refusal(502), refusal(429), InvalidMessage()])
async def test_an_overloaded_server_does_not_drive_the_fleet_to_the_fall_back(
    line: Link, monkeypatch: pytest.MonkeyPatch, busy: Exception
) -> None:
    assert await pauses(line, monkeypatch, busy, busy) == [64, 128]
    line._tries = line._refused = 0
    assert await pauses(line, monkeypatch, busy, busy, busy) == [64, 128, "HTTP"]


async def test_a_proxy_that_takes_no_websocket_costs_no_pause(
    line: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await pauses(line, monkeypatch, refusal(403)) == ["HTTP"]


def test_no_greeting_says_that_there_are_no_readers_before_anybody_looked() -> None:
    readers, free = ScriptedReaders("A", "B"), threading.Event()
    opened = readers.open
    readers.open = lambda: (free.wait(5), opened())[1]  # type: ignore[method-assign]
    watcher = Watcher(readers, lambda sighting: None, settled=0)
    watcher.start()
    try:
        assert not watcher.first_look(0.05)
        free.set()
        assert watcher.first_look(5)
        assert [reader.name for reader in watcher.readers()] == ["A", "B"]
    finally:
        free.set()
        watcher.stop()
