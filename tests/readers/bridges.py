"""Real servers on loopback, a desk PC that holds a socket, and a screen that follows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from api import ids, serving
from api.db import Database
from api.readers.channel.hub import Hub
from api.settings import Settings
from reader_bridge import messages
from reader_bridge.fields import CardText, Name
from reader_bridge.messages import (
    SUBPROTOCOL,
    Arm,
    Challenge,
    FromServer,
    Photographed,
    Stated,
    Welcome,
)
from tests import apps
from tests.readers.desk_pc import JPEG, DeskPC
from tests.readers.desk_pc import READER as READER
from tests.world import Person, World, encode

TLS = ssl.create_default_context()
"""One for all clients: making it takes longer than most that is asked with it."""
CARD = CardText(cid="1999900000019", name_th=Name(prefix="นาย", first="ตัวอย่าง", last="ทดสอบ"))


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
    with apps.lent(conf, db) as app:
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


class Bridge(DeskPC):
    """A desk PC with one reader, approved and mapped by hand, and its socket."""

    def __init__(self, office: UUID) -> None:
        super().__init__()
        self.office = office
        self.socket: ClientConnection | None = None

    @classmethod
    async def enrolled(cls, db: Database, person: Person, *, heard: bool = True) -> Bridge:
        assert person.account is not None
        async with db.read() as tx:
            office = await tx.value("select office from account where id = $1", person.account)
        self = cls(office)
        await self.set_up(db, office, person.account, heard=heard)
        return self

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
        self.know(found.keys)
        await self.until(messages.Tickets)
        return found

    async def say(self, message: Any) -> None:
        assert self.socket is not None
        await self.socket.send(messages.encode(message).decode())

    async def heard(self, within_s: float = 8.0) -> FromServer:
        assert self.socket is not None
        async with asyncio.timeout(within_s):
            return self.told(messages.from_server(await self.socket.recv()))

    async def until(self, kind: type[Any], within_s: float = 8.0) -> Any:
        async with asyncio.timeout(within_s):
            while not isinstance(found := await self.heard(within_s), kind):
                pass
        return found

    async def close(self) -> None:
        if self.socket is not None:
            await self.socket.close()

    # -- what it states --------------------------------------------------------------------------

    def stated(self, arm: Arm, card: CardText = CARD, **other: Any) -> Stated:
        """The next statement of its chain, which goes on with it."""
        entry = {"purpose": arm.purpose} | other
        found = self.statement(arm.intent, arm.nonce, card, **entry)
        self.sequence, self.head = self.sequence + 1, found.signed.sha256
        return found

    def photographed(self, arm: Arm, jpeg: bytes = JPEG, **other: Any) -> Photographed:
        return self.photograph(arm.intent, jpeg, **other)


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
