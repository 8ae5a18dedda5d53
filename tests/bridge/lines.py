"""A server that says what a test wants, and the bridge's line to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from websockets.asyncio.server import ServerConnection, serve

from reader_bridge import messages
from reader_bridge.agent import Agent
from reader_bridge.chain.journal import Journal
from reader_bridge.device import folder
from reader_bridge.device.folder import Configuration
from reader_bridge.device.keys import Device
from reader_bridge.line.keeping import keep_up
from reader_bridge.line.link import Link
from reader_bridge.line.rotation import Rotation
from reader_bridge.messages import (
    GENESIS,
    SUBPROTOCOL,
    Challenge,
    FromBridge,
    Greeting,
    Hello,
    Kind,
    Receipt,
    Rotated,
    Stated,
    Statement,
    Welcome,
)
from tests.bridge.papers import KEYS, journal, statement, stating

Talks = Callable[["Server", ServerConnection], Awaitable[None]]


class Server:
    """Takes statements as the real one does, unless `talks` does something else; `lose` is asked
    before each receipt is sent."""

    def __init__(self) -> None:
        self.key: bytes = b""
        self.sequence, self.head = 0, GENESIS
        self.keys = KEYS
        self.hello = b""
        self.taken: list[Statement] = []
        self.heard: list[FromBridge] = []
        self.hellos: list[Hello] = []
        self.lose: Callable[[int], bool] = lambda sequence: False
        self.talks: Talks | None = None
        self.loses_rotation = False
        self.socket: ServerConnection | None = None

    async def welcome(self, socket: ServerConnection) -> bool:
        challenge = secrets.token_bytes(32)
        await self.say(socket, Challenge(challenge, "http://testserver", datetime.now(UTC)))
        said = messages.from_bridge(await socket.recv())
        assert isinstance(said, Greeting)
        try:
            hello = messages.opened(_public(self.key), Kind.hello, said.hello, Hello)
        except messages.NotSigned:
            await self.say(socket, messages.Ended("unknown"))
            return False
        assert hello.challenge == challenge
        assert hello.sequence >= self.sequence, "it would be frozen"
        self.hellos.append(hello)
        self.hello = said.hello.sha256
        at = datetime.now(UTC)
        await self.say(socket, Welcome(self.sequence, self.head, self.keys, at))
        return True

    async def say(self, socket: ServerConnection, message: Any) -> None:
        await socket.send(messages.encode(message).decode())

    async def serve(self, socket: ServerConnection) -> None:
        self.socket = socket
        if self.talks is not None:
            await self.talks(self, socket)
            return
        if await self.welcome(socket):
            async for text in socket:
                await self.take(socket, messages.from_bridge(text))

    async def take(self, socket: ServerConnection, said: FromBridge) -> None:
        self.heard.append(said)
        if isinstance(said, Rotated):
            body = messages.opened(_public(self.key), Kind.rotation, said.by_old, messages.Rotation)
            signed = messages.Signed(said.by_old.body, said.by_new)
            messages.opened(_public(body.public_key), Kind.rotation, signed, messages.Rotation)
            if not self.loses_rotation:
                self.key = body.public_key
        if isinstance(said, Stated):
            body = messages.opened(_public(self.key), Kind.statement, said.signed, Statement)
            if body.sequence == self.sequence + 1:
                assert body.previous == self.head
                self.sequence, self.head = body.sequence, said.signed.sha256
                self.taken.append(body)
            elif body.sequence > self.sequence:
                await self.say(socket, messages.Missing(self.sequence + 1))
                return
            if self.lose(body.sequence):
                socket.transport.abort()
                return
            await self.say(socket, Receipt(body.sequence, said.signed.sha256, uuid4()))


class Pc:
    """A desk PC without readers, its line and its journal."""

    def __init__(self, where: Path, port: int, server: Server) -> None:
        self.where, self.server = where, server
        self.device, self.journal = journal(where)
        server.key = self.device.public
        self.configuration = Configuration(
            server=f"http://127.0.0.1:{port}", device=UUID(int=1), audience="http://testserver"
        )
        folder.save(where, self.configuration)
        self.link = self.line(self.device, self.journal)

    def line(self, device: Device, kept: Journal) -> Link:
        made = stating(device, kept)
        link = Link(self.configuration, Agent(made), Rotation(self.where, made), "test")
        link.retries.pause = lambda: 0.01  # type: ignore[method-assign]
        return link

    def state(self) -> int:
        sequence, _ = self.journal.state(statement(self.link.agent.stating.device))
        self.link.agent.stated()
        return sequence

    async def until(self, true: Callable[[], object], seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def pc(where: Path) -> AsyncIterator[Pc]:
    """Its line is not up yet."""
    server = Server()
    async with serve(
        server.serve,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL],
        ping_interval=None,  # type: ignore[list-item]
    ) as listening:
        found = Pc(where, listening.sockets[0].getsockname()[1], server)
        yield found
        await found.link.agent.close()
        found.journal.close()


@asynccontextmanager
async def up(link: Link) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(keep_up(link))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _public(key: bytes) -> Any:
    return messages.Ed25519PublicKey.from_public_bytes(key)
