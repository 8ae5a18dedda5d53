"""Many idle bridges in one process: `python -m bench.idle_bridges FILE`.

FILE is a line of JSON, an `Orders`. Each bridge has a real WebSocket (the client of the library
that the bridge uses, without its reading and writing), a real greeting with its own key, and then
only answers pings. Prints "connected SECONDS" once all were welcomed; ends at TERM with a line of
JSON, a `Told`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import msgspec
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from reader_bridge import messages
from reader_bridge.line.by_socket import PING_S
from reader_bridge.messages import (
    GENESIS,
    SUBPROTOCOL,
    Challenge,
    Greeting,
    Hello,
    Kind,
    ReaderSeen,
    Welcome,
)

AT_ONCE = 50
PATIENCE_S = 60.0


class One(msgspec.Struct):
    """An enrolled bridge: its id, its private key, its reader's name."""

    id: UUID
    key: bytes
    reader: str


class Orders(msgspec.Struct):
    """`source`: the loopback address to connect from."""

    port: int
    audience: str
    source: str
    bridges: list[One]


class Told(msgspec.Struct):
    """At the end: bridges still connected, and pings that all together have answered."""

    alive: int
    pings: int


class Bridge(asyncio.Protocol):
    pings = 0
    alive = 0

    def __init__(self, orders: Orders, one: One) -> None:
        self._orders, self._one = orders, one
        uri = parse_uri(f"ws://127.0.0.1:{orders.port}/v1/bridge")
        self._ws = ClientProtocol(uri, subprotocols=[cast(Subprotocol, SUBPROTOCOL)])
        self.welcomed: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ws.send_request(self._ws.connect())
        self._write()

    def data_received(self, data: bytes) -> None:
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._heard(event)
        self._write()

    def connection_lost(self, error: Exception | None) -> None:
        if self.welcomed is None:
            Bridge.alive -= 1
        elif not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError("sent away"))

    def _write(self) -> None:
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)

    def _heard(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            Bridge.pings += 1
        if frame.opcode is not Opcode.TEXT:
            return
        said = messages.from_server(bytes(frame.data).decode())
        if isinstance(said, Challenge):
            self._ws.send_text(messages.encode(Greeting(self._hello(said))))
        elif isinstance(said, Welcome) and self.welcomed is not None:
            self.welcomed.set_result(None)
            self.welcomed = None
            Bridge.alive += 1
            asyncio.get_running_loop().call_later(PING_S, self._beat)

    def _beat(self) -> None:
        """As the bridge's own library does."""
        if self._transport.is_closing():
            return
        self._ws.send_ping(b"idle")
        self._write()
        asyncio.get_running_loop().call_later(PING_S, self._beat)

    def _hello(self, challenge: Challenge) -> messages.Signed:
        said = Hello(
            audience=self._orders.audience,
            challenge=challenge.challenge,
            device=self._one.id,
            boot=uuid4(),
            starts=1,
            sequence=0,
            head=GENESIS,
            software="bench",
            platform="Linux",
            key_protection="file",
            at=datetime.now(UTC),
            readers=[ReaderSeen(self._one.reader)],
        )
        key = Ed25519PrivateKey.from_private_bytes(self._one.key)
        return messages.sign(key, Kind.hello, said)


async def main(file: Path) -> None:
    orders = msgspec.json.decode(file.read_bytes(), type=Orders)
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    waiting, begun = iter(orders.bridges), time.perf_counter()

    async def some() -> None:
        for one in waiting:
            _, bridge = await loop.create_connection(
                lambda one=one: Bridge(orders, one),  # type: ignore[misc]
                "127.0.0.1",
                orders.port,
                local_addr=(orders.source, 0),
            )
            assert bridge.welcomed is not None
            await asyncio.wait_for(bridge.welcomed, PATIENCE_S)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    print(f"connected {time.perf_counter() - begun:.1f}", flush=True)
    await stopping.wait()
    print(msgspec.json.encode(Told(Bridge.alive, Bridge.pings)).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
