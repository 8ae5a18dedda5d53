"""The fall-back, and who else may answer there: proxies, sign-in pages, servers that are ill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reader_bridge.line import by_http
from reader_bridge.line.endings import Stuck
from tests.bridge.lines import pc, up

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
Speaks = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def somebody(speaks: Speaks) -> AsyncIterator[str]:
    """The address of who answers whatever is asked with what `speaks` writes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speaks(writer)
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def drips(writer: asyncio.StreamWriter) -> None:
    writer.write(OK)
    while True:
        writer.write(b"<")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_an_answer_that_never_ends_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_http, "IDLE_WAIT_S", 0.2)
    monkeypatch.setattr(by_http, "ANSWER_S", 0.3)
    async with pc(tmp_path) as at, somebody(drips) as address:
        at.configuration.server = address
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(by_http.hold(at.link), 5)
        assert time.monotonic() - began < 3


async def test_an_answer_of_any_size_is_not_held_in_memory(tmp_path: Path) -> None:
    sent = 0

    async def floods(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(OK)
        for _ in range(100):
            writer.write(bytes(1_000_000))
            await writer.drain()
            sent += 1

    async with pc(tmp_path) as at, somebody(floods) as address:
        at.configuration.server = address
        with pytest.raises(Stuck):
            await asyncio.wait_for(by_http.hold(at.link), 10)
    assert sent < 50, "MB"


@pytest.mark.parametrize(
    "to", ["https://sign-in.example/?next=", "wss://other.example/v1/bridge", "/v1/bridge/", ":"]
)
async def test_a_proxy_that_sends_a_websocket_elsewhere_is_gone_round_by_http(
    tmp_path: Path, to: str
) -> None:
    async def elsewhere(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async with pc(tmp_path) as at, somebody(elsewhere) as address:
        at.configuration.server = address
        async with up(at.link):
            await at.until(lambda: at.journal.notes().get("error", "").startswith("WebSocket"))
