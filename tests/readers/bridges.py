"""Real servers on loopback, a bridge that speaks the protocol, and a screen that follows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect

from api import ids, serving, settings
from api.app import create_app
from api.db import Database
from api.permissions import Worker
from api.readers.channel.hub import Hub
from api.settings import Settings
from reader_bridge import messages
from reader_bridge.fields import CardText, Name
from reader_bridge.messages import (
    GENESIS,
    SUBPROTOCOL,
    Arm,
    Challenge,
    FromServer,
    Hello,
    Kind,
    PhotoStatement,
    ReaderSeen,
    SealingKey,
    Signed,
    Statement,
    Welcome,
)
from tests.world import Person, World, encode

TLS = ssl.create_default_context()
"""One for all clients: making it takes longer than most that is asked with it."""
READER = "Sample Reader 00 00"
CARD = CardText(cid="1999900000019", name_th=Name(prefix="นาย", first="ตัวอย่าง", last="ทดสอบ"))
JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 19 + b"\xff\xd9"


class _Server(serving.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:  # they are the test runner's
        yield


class Running:
    def __init__(self, app: Any, server: _Server, port: int) -> None:
        self.app, self.server = app, server
        self.url = f"http://127.0.0.1:{port}"
        self.socket = f"ws://127.0.0.1:{port}/v1/bridge"

    def http(self, timeout: float = 30) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=timeout, verify=TLS)

    @property
    def hub(self) -> Hub:
        found: Hub = self.app.state.readers
        return found


@asynccontextmanager
async def running(conf: Settings, db: Database, *, deaf: bool = False) -> AsyncIterator[Running]:
    """One more API server on the same data base. A deaf one neither hears nor tells the others."""
    app = create_app(conf, db)
    server = serving.server(app, conf)
    mine = _Server(server.config)
    listening = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(mine.serve(sockets=[listening]))
    while not mine.started:
        await asyncio.sleep(0.01)
        if task.done():
            task.result()
    found = Running(app, mine, listening.getsockname()[1])
    if deaf:
        found.hub.wire = None
    try:
        yield found
    finally:
        mine.should_exit = True
        await task
        listening.close()


class Bridge:
    """A desk PC with one reader, approved and mapped by hand; its key, its chain, its socket."""

    def __init__(self, office: UUID) -> None:
        self.id, self.desk, self.reader = ids.new(), ids.new(), ids.new()
        self.office = office
        self.key = Ed25519PrivateKey.generate()
        self.boot, self.starts = ids.new(), 1
        self.sequence, self.head = 0, GENESIS
        self.sealing: SealingKey | None = None
        self.socket: ClientConnection | None = None
        self.welcomed: Welcome | None = None
        self.readers = [ReaderSeen(READER)]

    @classmethod
    async def enrolled(cls, db: Database, person: Person, *, heard: bool = True) -> Bridge:
        async with db.begin(Worker("test")) as tx:
            office = await tx.value("select office from account where id = $1", person.account)
            self = cls(office)
            await tx.run(
                """
                insert into bridge (id, office, name, public_key, key_protection, platform,
                    software, approved_at, approved_by, head, key_since, last_seen_at)
                values ($1, $2, 'โต๊ะตัวอย่าง', $3, 'file', 'test', '1', $4, $5, $6, $4, $7)
                """,
                self.id,
                office,
                self.key.public_key().public_bytes_raw(),
                tx.now,
                person.account,
                GENESIS,
                tx.now if heard else None,
            )
            await tx.run(
                """
                insert into bridge_reader (id, bridge, name, last_seen_at) values ($1, $2, $3, $4)
                """,
                self.reader,
                self.id,
                READER,
                tx.now,
            )
            await tx.run(
                """
                insert into desk (id, office, name, reader, mapped_at, mapped_by)
                values ($1, $2, $3, $4, $5, $6)
                """,
                self.desk,
                office,
                f"โต๊ะ {self.desk}",
                self.reader,
                tx.now,
                person.account,
            )
        return self

    @property
    def audience(self) -> str:
        return settings.current().base_url

    def hello(self, challenge: bytes, **other: Any) -> Signed:
        body = Hello(
            **{
                "audience": settings.current().base_url,
                "challenge": challenge,
                "device": self.id,
                "boot": self.boot,
                "starts": self.starts,
                "sequence": self.sequence,
                "head": self.head,
                "software": "1",
                "platform": "test",
                "key_protection": "file",
                "at": datetime.now(UTC),
                "readers": self.readers,
            }
            | other
        )
        return messages.sign(self.key, Kind.hello, body)

    # -- the socket ------------------------------------------------------------------------------

    async def dial(self, at: Running) -> Challenge:
        self.socket = await connect(
            at.socket,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            ping_interval=None,
            close_timeout=0.2,  # a server that is kept busy does not keep a test waiting
        )
        found = await self.heard()
        assert isinstance(found, Challenge)
        return found

    async def connect(self, at: Running) -> Welcome:
        """Through the whole introduction, to where the server has told its tickets."""
        challenge = await self.dial(at)
        await self.say(messages.Greeting(self.hello(challenge.challenge)))
        found = await self.heard()
        assert isinstance(found, Welcome), found
        self.welcomed, self.sealing = found, found.key
        await self.until(messages.Tickets)
        return found

    async def say(self, message: Any) -> None:
        assert self.socket is not None
        await self.socket.send(messages.encode(message).decode())

    async def heard(self, within_s: float = 8.0) -> FromServer:
        assert self.socket is not None
        async with asyncio.timeout(within_s):
            return messages.from_server(await self.socket.recv())

    async def until(self, kind: type[Any], within_s: float = 8.0) -> Any:
        async with asyncio.timeout(within_s):
            while not isinstance(found := await self.heard(within_s), kind):
                pass
        return found

    async def close(self) -> None:
        if self.socket is not None:
            await self.socket.close()

    # -- what it states --------------------------------------------------------------------------

    def stated(self, arm: Arm, card: CardText = CARD, **other: Any) -> messages.Stated:
        """The next statement of its chain."""
        assert self.sealing is not None
        payload = messages.seal(self.sealing, messages.encode(card), "text", arm.intent, self.id)
        at = datetime.now(UTC)
        body = Statement(
            **{
                "audience": settings.current().base_url,
                "intent": arm.intent,
                "nonce": arm.nonce,
                "purpose": arm.purpose,
                "device": self.id,
                "reader": READER,
                "boot": self.boot,
                "sequence": self.sequence + 1,
                "previous": self.head,
                "waited_ms": 900,
                "inserted_at": at,
                "read_at": at,
                "atr": b"\x3b\x68",
                "chip_serial": b"12345678",
                "payload_sha256": payload.sha256,
                "key_protection": "file",
            }
            | other
        )
        signed = messages.sign(self.key, Kind.statement, body)
        self.sequence, self.head = self.sequence + 1, signed.sha256
        return messages.Stated(signed, payload)

    def photographed(
        self, arm: Arm, jpeg: bytes = JPEG, *, of: UUID | None = None, **other: Any
    ) -> messages.Photographed:
        assert self.sealing is not None
        payload = messages.seal(self.sealing, jpeg, "photo", of or arm.intent, self.id)
        body = PhotoStatement(
            **{
                "device": self.id,
                "intent": arm.intent,
                "sequence": self.sequence,
                "payload_sha256": payload.sha256,
            }
            | other
        )
        return messages.Photographed(messages.sign(self.key, Kind.photo, body), payload)


class Screen:
    """An officer's event stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, within_s: float = 8.0) -> tuple[str, dict[str, Any]]:
        """The next event: its name and what it says. StopAsyncIteration at the end."""
        name = ""
        async with asyncio.timeout(within_s):
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    return name, msgspec.json.decode(line[6:])
        raise EOFError

    async def until(self, within_s: float = 8.0, **wanted: Any) -> dict[str, Any]:
        """The first event of an intent that has these values."""
        async with asyncio.timeout(within_s):
            while True:
                _, found = await self.next(within_s)
                if all(found.get(key) == value for key, value in wanted.items()):
                    return found


@asynccontextmanager
async def screen(at: Running, person: Person) -> AsyncIterator[Screen]:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with (
        at.http() as http,
        http.stream("GET", "/v1/intents/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        yield Screen(answer.aiter_lines())


async def arm(
    at: Running | None, world: World, person: Person, device: Bridge, /, **entry: Any
) -> httpx.Response:
    """Waits for a card at the bridge's desk, through server `at`."""
    id = entry.pop("id", None) or ids.new()
    body = {"desk": device.desk, "purpose": "identify_complainant"} | entry
    headers = {"Authorization": f"Bearer {person.token}"}
    path = f"/v1/intents/{id}"
    if at is None:
        return await person.put(path, content=encode(body))
    async with at.http() as http:
        return await http.put(path, content=encode(body), headers=headers)
