"""Bytes that nobody needs: no process may keep them, or wait for more, however many come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api import serving
from reader_bridge.messages import NotTaken
from tests.readers.bridges import Bridge, Running

MASK = bytes(4)
PING = bytes([0x89, 0x80 | 125]) + MASK + bytes(125)
PONG = bytes([0x8A, 0x80]) + MASK
BEGUN = bytes([0x01, 0x80]) + MASK
PART = bytes([0x00, 0x80]) + MASK


def server_end(one: Running) -> Any:
    """The server's end of the one WebSocket that there is."""
    ends = one.server.server_state.connections
    (found,) = (end for end in ends if isinstance(end, serving.WebSocket))
    return found


@pytest.mark.parametrize(("first", "again"), [(b"", PING), (b"", PONG), (BEGUN, PART)])
@pytest.mark.parametrize("known", [True, False])
async def test_a_flood_of_what_is_no_message_ends_the_connection_and_fills_no_memory(
    one: Running, bridge: Bridge, first: bytes, again: bytes, known: bool
) -> None:
    await (bridge.connect(one) if known else bridge.dial(one))
    assert bridge.socket is not None
    end, transport = server_end(one), bridge.socket.transport
    transport.pause_reading()  # it does not take the answers
    transport.write(first)
    most = 0
    async with asyncio.timeout(20):
        while end in one.server.server_state.connections:
            transport.write(again * 20)
            await asyncio.sleep(0.001)
            kept = sum(map(len, end.frames)) + 64 * len(end.frames)
            most = max(most, kept + end.transport.get_write_buffer_size())
    assert most < 100_000
    assert not one.hub.sockets and not one.hub.strangers


async def test_a_message_that_a_proxy_cut_into_parts_between_pings_is_one_message(
    one: Running, bridge: Bridge
) -> None:
    await bridge.connect(one)
    assert bridge.socket is not None
    transport = bridge.socket.transport
    for _ in range(3):
        transport.write(BEGUN + (PART + PING) * 20 + bytes([0x80, 0x81]) + MASK + b"{")
        assert isinstance(await bridge.heard(), NotTaken)


async def ended(one: Running, *said: bytes) -> float:
    """Seconds until the server ends a connection on which this is said, a tenth apart."""
    port = int(one.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(5):
            for part in said:
                if reader.exception() is not None or reader.at_eof():
                    break
                writer.write(part)
                await asyncio.sleep(0.1)
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass
    finally:
        writer.close()
    return asyncio.get_running_loop().time() - began


LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ASKED = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b"GET /health HTTP/1.1\r\n", *(b"X-%d: 1\r\n" % n for n in range(40))],
        [ASKED, *(bytes([byte]) for byte in ASKED)],
    ],
)
async def test_nobody_is_waited_for_who_connects_and_does_not_ask(
    one: Running, monkeypatch: pytest.MonkeyPatch, said: list[bytes]
) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.5)
    assert await ended(one, *said) < 3
    assert await ended(one, ASKED[:10], ASKED[10:], *[b""] * 6, LAST[:10], LAST[10:]) > 0.9
