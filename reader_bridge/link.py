"""The line to the server: outbound only, over a WebSocket, and by HTTP where no WebSocket passes.

The bridge opens no port. A line that breaks is made again after a random while that grows: after an
outage the whole fleet comes back spread over minutes, one PC with a loose cable within seconds.
What was stated goes out in order from the journal, and again until its receipt is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import random
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)

from reader_bridge import messages
from reader_bridge.agent import Agent
from reader_bridge.folder import Configuration
from reader_bridge.journal import Journal
from reader_bridge.messages import (
    Challenge,
    Ended,
    Exchange,
    Exchanged,
    FromBridge,
    FromServer,
    Greeting,
    Hello,
    Kind,
    Missing,
    NotTaken,
    ReaderSeen,
    Receipt,
    Signed,
    Stated,
    Welcome,
)

log = logging.getLogger("reader_bridge.link")
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0
"""The fleet's reconnects are spread over this when an outage was long."""
AFTER_THE_SERVER: Final = 6
"""Where the server ended the line, or vanished in the middle of it, ten thousand others lost theirs
in the same moment: the first try is spread over 2**6 seconds. A line that fell silent is this PC's
own trouble, and is tried again within one."""
REFUSALS: Final = 3
"""Handshakes in a row that fail as they do at an overloaded server, until it is taken for a proxy
that knows no WebSocket: a fleet on the fall-back is what such a server needs least."""
SILENT: Final = 1011
"""The code with which this side gives a connection up that answers no ping."""
ANSWER_S: Final = 15.0
PING_S: Final = 20.0
HTTP_FOR: Final = timedelta(minutes=10)
"""So long the fall-back is kept to before a WebSocket is tried again."""
HTTP_WAIT_S: Final = 20
QUEUE: Final = 200
LOOK_S: Final = 2.0
"""So often the journal is looked into for what another process of this PC has stated."""
SKEW: Final = timedelta(minutes=5)


class Over(Exception):
    """The server will have no more of this device; the text says why, and what to do."""


class Link:
    """Keeps the line up until it is cancelled. Raises `Over`."""

    def __init__(
        self, configuration: Configuration, journal: Journal, agent: Agent, software: str
    ) -> None:
        self.configuration, self.journal, self.agent = configuration, journal, agent
        self.software = software
        self.starts = 0
        self.readers: Callable[[], Iterable[ReaderSeen]] = tuple
        self._out: asyncio.Queue[FromBridge] = asyncio.Queue(QUEUE)
        self._fresh = asyncio.Event()
        self._sent = 0
        self._tries = self._refused = 0
        agent.say, agent.stated = self.say, self._fresh.set

    def say(self, message: FromBridge) -> None:
        """Queues what is worth saying only now; a line that stands still loses it."""
        with contextlib.suppress(asyncio.QueueFull):
            self._out.put_nowait(message)
            self._fresh.set()

    async def run(self) -> None:
        http_until: datetime | None = None
        while True:
            try:
                if http_until is None or datetime.now(UTC) > http_until:
                    await self._by_socket()
                    http_until = None
                else:
                    await self._by_http()
            except InvalidHandshake as error:
                self._note("error", f"WebSocket: {error}")
                self._refused += 1
                if not _busy(error) or self._refused >= REFUSALS:
                    # Somebody on the way takes no WebSocket.
                    log.warning("no WebSocket: %s; going on by HTTP", type(error).__name__)
                    http_until = datetime.now(UTC) + HTTP_FOR
                    continue
                log.warning("server out of order: %s", type(error).__name__)
                self._tries = max(self._tries, AFTER_THE_SERVER)
            except (OSError, WebSocketException, httpx.HTTPError, TimeoutError) as error:
                if _by_the_server(error):
                    self._tries = max(self._tries, AFTER_THE_SERVER)
                log.warning("line broken: %s", type(error).__name__)
                self._note("error", f"{type(error).__name__}: {error}")
            self._note("connected", "")
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2**self._tries)
        self._tries = min(self._tries + 1, 16)
        return random.uniform(0, longest)  # noqa: S311 - spreads, hides nothing

    # -- WebSocket -------------------------------------------------------------------------------

    async def _by_socket(self) -> None:
        server = self.configuration.server.rstrip("/")
        address = "ws" + server.removeprefix("http") + "/v1/bridge"
        async with connect(
            address,
            subprotocols=[messages.SUBPROTOCOL],  # type: ignore[list-item]
            ssl=self._tls() if address.startswith("wss") else None,
            proxy=self.configuration.proxy or True,
            compression=None,
            max_size=messages.LARGEST,
            open_timeout=ANSWER_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            user_agent_header=f"superapp-reader-bridge/{self.software}",
        ) as socket:
            async with asyncio.timeout(ANSWER_S):
                challenge = await self._received(socket)
                if not isinstance(challenge, Challenge):
                    raise Over("the server speaks another protocol; update this program")
                await self._send(socket, Greeting(self._hello(challenge)))
                welcome = await self._received(socket)
            self._begun(welcome, "WebSocket")
            sending = asyncio.create_task(self._keep_sending(socket))
            try:
                while True:
                    self._heard(await self._received(socket))
            finally:
                sending.cancel()

    async def _received(self, socket: ClientConnection) -> FromServer:
        try:
            return messages.from_server(await socket.recv())
        except messages.NotUnderstood as error:
            raise Over(
                f"the server said something unknown ({error}); update this program"
            ) from None

    async def _send(self, socket: ClientConnection, message: FromBridge) -> None:
        await socket.send(messages.encode(message).decode())

    async def _keep_sending(self, socket: ClientConnection) -> None:
        while True:
            self._fresh.clear()
            for stated in self._unsent():
                await self._send(socket, stated)
            while not self._out.empty():
                await self._send(socket, self._out.get_nowait())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), LOOK_S)

    # -- HTTP ------------------------------------------------------------------------------------

    async def _by_http(self) -> None:
        async with httpx.AsyncClient(
            base_url=self.configuration.server.rstrip("/"),
            verify=self._tls(),
            proxy=self.configuration.proxy or None,
            timeout=HTTP_WAIT_S + ANSWER_S,
            headers={"User-Agent": f"superapp-reader-bridge/{self.software}"},
        ) as http:
            answer = (await http.get("/v1/bridge/challenge")).raise_for_status()
            challenge = messages.from_server(answer.content)
            if not isinstance(challenge, Challenge):
                raise Over("the server speaks another protocol; update this program")
            self._sent = 0
            first = True
            while True:
                self._fresh.clear()
                said: list[FromBridge] = list(self._unsent())
                while not self._out.empty() and len(said) < 50:
                    said.append(self._out.get_nowait())
                wait = 0 if first or said else HTTP_WAIT_S
                asking = asyncio.create_task(self._exchange(http, challenge, said, wait))
                try:
                    if wait:
                        await self._something_or(asking)
                    found = await asking if not wait or asking.done() else None
                finally:
                    if not asking.done():
                        asking.cancel()
                if found is None:
                    continue
                challenge = found.challenge
                if first:
                    self._begun(found.messages[0] if found.messages else challenge, "HTTP")
                for message in found.messages[1:] if first else found.messages:
                    if not isinstance(message, Welcome):
                        self._heard(message)
                first = False

    async def _something_or(self, asking: asyncio.Task[Exchanged]) -> None:
        fresh = asyncio.create_task(self._fresh.wait())
        try:
            await asyncio.wait([asking, fresh], return_when=asyncio.FIRST_COMPLETED)
        finally:
            fresh.cancel()

    async def _exchange(
        self, http: httpx.AsyncClient, challenge: Challenge, said: list[FromBridge], wait_s: int
    ) -> Exchanged:
        body = Exchange(hello=self._hello(challenge), messages=said, wait_s=wait_s)
        answer = await http.post(
            "/v1/bridge/exchange",
            content=messages.encode(body),
            headers={"Content-Type": "application/json"},
        )
        if answer.status_code in (401, 403):
            raise Over(f"the server refuses this device ({_code(answer)}); enrol it anew")
        answer.raise_for_status()
        try:
            return messages.exchanged(answer.content)
        except messages.NotUnderstood as error:
            raise Over(
                f"the server said something unknown ({error}); update this program"
            ) from None

    # -- both ------------------------------------------------------------------------------------

    def _hello(self, challenge: Challenge) -> Signed:
        drift = abs(datetime.now(UTC) - challenge.at)
        self._note("clock", f"{drift.total_seconds():.0f}" if drift > SKEW else "")
        sequence, head = self.journal.end()
        identity = self.agent.identity
        said = Hello(
            audience=identity.audience,
            challenge=challenge.challenge,
            device=identity.device,
            boot=identity.boot,
            starts=self.starts,
            sequence=sequence,
            head=head,
            software=self.software,
            platform=f"{platform.system()} {platform.release()} {platform.machine()}"[:200],
            key_protection=self.agent.device.protection,
            at=datetime.now(UTC),
            readers=list(self.readers()),
        )
        return messages.sign(self.agent.device.private, Kind.hello, said)

    def _begun(self, welcome: FromServer, by: str) -> None:
        if not isinstance(welcome, Welcome):
            self._heard(welcome)
            raise Over("the server did not welcome this device; update this program")
        if not self.journal.settle_until(welcome.sequence, welcome.head):
            raise Over(
                "what this device has stated is not what the server has of it: one of them was put "
                "back to an older state; enrol it anew"
            )
        self.journal.remember_key(welcome.key)
        self.agent.key = welcome.key
        self._sent = welcome.sequence
        self._tries = self._refused = 0
        self._fresh.set()
        self._note("connected", f"{datetime.now(UTC).isoformat(timespec='seconds')} {by}")
        self._note("error", "")
        log.info("connected by %s", by)

    def _unsent(self) -> list[Stated]:
        found = self.journal.waiting(self._sent)
        if found:
            self._sent = found[-1].sequence
            self._fresh.set()  # there may be more than were asked for at once
        return [one.stated for one in found]

    def _heard(self, message: FromServer) -> None:
        match message:
            case Receipt(sequence=sequence, sha256=sha256):
                if not self.journal.settle(sequence, sha256):
                    raise Over("the server has a statement of this number that is not ours")
                if message.refused:
                    log.warning("statement %d refused: %s", sequence, message.refused)
                self.agent.heard(message)
            case Missing(sequence=sequence):
                self._sent = sequence - 1
                first = self.journal.waiting(limit=1)
                if not first or first[0].sequence > sequence:
                    raise Over("the server lacks a statement that is not here any more; enrol anew")
                self._fresh.set()
            case Ended(code="elsewhere"):
                raise ConnectionError("this device has connected from elsewhere")
            case Ended(code=code):
                raise Over(f"the server has ended this device ({code}); enrol it anew")
            case NotTaken(code=code):
                log.warning("not taken: %s", code)
            case _:
                self.agent.heard(message)

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.configuration.ca_file or None)

    def _note(self, name: str, value: str) -> None:
        """For `reader-bridge status`; never what was read."""
        if self.journal.notes().get(name, "") != value:
            self.journal.note(name, value[:300])


def _busy(error: InvalidHandshake) -> bool:
    """What a server says, or whoever stands before it, while it begins, ends or has too much to do;
    also some proxies that know no WebSocket."""
    if isinstance(error, InvalidStatus):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, InvalidMessage)


def _by_the_server(error: Exception) -> bool:
    """It ended the line, or is too busy to take one."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    if not isinstance(error, ConnectionClosed):
        return False
    return error.rcvd is not None or error.sent is None or error.sent.code != SILENT


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", answer.status_code))
    except ValueError:
        return str(answer.status_code)
