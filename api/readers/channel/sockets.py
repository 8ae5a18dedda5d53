"""The WebSocket of a bridge, in bare ASGI: 10,000 of them stay idle in one process.

An idle one is a task that waits for a message, and nothing else: no timer of ours, no transaction,
no connection of the pool. What is to be sent goes through a bounded queue, emptied by a task that
exists only while there is something to send. Whoever does not read is cut off, without a goodbye.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from uuid import UUID

from api.permissions import NOBODY
from api.problems import Overloaded
from api.readers.bridges import connecting, identity
from api.readers.bridges.connecting import Device
from api.readers.channel import challenges
from api.readers.channel.hub import DISTURBED, Hub
from api.readers.channel.talk import Over, Talk, welcome
from api.readers.problems import BridgeElsewhere, BridgeEnded, BridgeForked, BridgeUnknown
from reader_bridge import messages
from reader_bridge.messages import (
    FIRST_LARGEST,
    LARGEST,
    SUBPROTOCOL,
    Ended,
    FromBridge,
    FromServer,
    Greeting,
    NotTaken,
    NotUnderstood,
)

log = logging.getLogger("superapp.readers")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PATH: Final = "/v1/bridge"
GREET_S: Final = 10.0
SEND_S: Final = 20.0
"""So long one message may take to leave; then the other side does not read."""
QUEUED: Final = 256
MISTAKES: Final = 20
"""Messages not understood, after which the connection ends."""
NORMAL, NOT_TEXT, REFUSED, TOO_BIG, LATER = 1000, 1003, 1008, 1009, 1013
NOT_UNDERSTOOD: Final = "readers/not-understood"


class Lost(Exception):
    """The other side has gone, or is cut off."""


async def serve(hub: Hub, scope: Any, receive: Receive, send: Send, network: str) -> None:
    """One connection, from the handshake to its end; `network`: where it comes from, for limits."""
    await receive()  # websocket.connect
    if SUBPROTOCOL not in scope.get("subprotocols", ()):
        await send({"type": "websocket.close", "code": REFUSED})
        return
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL, "headers": []})
    if hub.full(network):  # refused in the handshake, a bridge would think that none passes
        await send({"type": "websocket.close", "code": LATER})
        return
    connection = Connection(hub, receive, send)
    try:
        with hub.stranger(network):
            device = await connection.introduce()
        if device is not None:
            connection.begin(device)
            del device
            await connection.listen()
    except Lost:
        pass
    except Over as over:
        connection.end(over.code)
    except (*DISTURBED, Overloaded) as error:
        log.warning("bridge sent away", extra={"facts": {"error": type(error).__name__}})
        connection.close(LATER)
    finally:
        await connection.finish()


class Connection:
    """A bridge's socket; until `begin` nobody knows whose."""

    __slots__ = (
        "_closing",
        "_hello",
        "_hub",
        "_news",
        "_queue",
        "_receive",
        "_send",
        "_sender",
        "talk",
    )

    def __init__(self, hub: Hub, receive: Receive, send: Send) -> None:
        self._hub, self._receive, self._send = hub, receive, send
        self._queue: list[FromServer] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._news: str = ""  # "", "running" or "again"
        self._closing: int | None = None
        self._hello = b""
        self.talk: Talk | None = None

    # -- in --------------------------------------------------------------------------------------

    async def introduce(self) -> Device | None:
        """Who it is, within `GREET_S`; None where it is sent away."""
        try:
            challenge, given = secrets.token_bytes(32), await self._hub.mark()
            self.post(challenges.told(challenge, given))
            try:
                async with asyncio.timeout(GREET_S):
                    text = await self._text(FIRST_LARGEST)
            except TimeoutError:
                self.close(REFUSED)
                return None
            said = messages.from_bridge(text, FIRST_LARGEST)
            if not isinstance(said, Greeting):
                raise Over("unknown")
            async with self._hub.doors, self._hub.db.begin(NOBODY) as tx:
                device = await connecting.connect(
                    tx, said.hello, challenge, self._hub.server, given.moves
                )
            self._hello = said.hello.sha256
            self.talk = Talk(self._hub, device.id, challenge)
            return device
        except (NotUnderstood, BridgeUnknown):
            self.end("unknown")
        except BridgeElsewhere:
            self.end("elsewhere")
        except BridgeForked:
            self.end("frozen")
        except BridgeEnded as problem:
            self.end(str(problem.facts["state"]))
        return None

    def begin(self, device: Device) -> None:
        self.post(welcome(device, len(self._hub.sockets)))
        self._hub.enter(device.id, self)
        self.wake()

    async def listen(self) -> None:
        """One message after the other; a second waits until the first is answered."""
        assert self.talk is not None
        mistakes = 0
        while True:
            said = await self._message()
            if said is None:
                mistakes += 1
                if mistakes >= MISTAKES:
                    self.close(REFUSED)
                    raise Lost
                self.post(NotTaken(NOT_UNDERSTOOD))
                continue
            answer = await self.talk.answer(said)
            if answer is not None:
                self.post(answer)

    async def _message(self) -> FromBridge | None:
        text = await self._text(LARGEST)
        try:
            return messages.from_bridge(text)
        except NotUnderstood:
            return None

    async def _text(self, limit: int) -> str:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise Lost
        text = message.get("text")
        if text is None or len(text) > limit:
            self.close(NOT_TEXT if text is None else TOO_BIG)
            raise Lost
        return str(text)

    # -- out -------------------------------------------------------------------------------------

    def post(self, message: FromServer) -> None:
        """Never waits. Where too much is queued already, the other side does not read."""
        if self._closing is not None:
            return
        queue = self._queue = self._queue or []
        if len(queue) >= QUEUED:
            self._cut_off()
            return
        queue.append(message)
        self._start()

    def end(self, code: str) -> None:
        self.post(Ended(code))
        self.close(NORMAL)

    def close(self, code: int) -> None:
        """After what is queued."""
        if self._closing is None:
            self._closing = code
            self._start()

    def wake(self) -> None:
        if self._news:
            self._news = "again"
        elif self._closing is None:
            self._news = "running"
            self._hub.spawn(self._tell_news())

    async def _tell_news(self) -> None:
        assert self.talk is not None
        try:
            while self._news:
                self._news = "running"
                for message in await self.talk.news():
                    self.post(identity.signed(self._hello, message))
                if self._news == "running":
                    self._news = ""
        except DISTURBED:
            self._news = ""
            self.close(LATER)  # it comes again, to whoever can tell it
        except Exception:
            self._news = ""
            log.exception("a bridge could not be told")
            self.close(LATER)

    def _start(self) -> None:
        if self._sender is None:
            self._sender = asyncio.create_task(self._empty())

    async def _empty(self) -> None:
        try:
            async with asyncio.timeout(SEND_S) as left:
                while self._queue:
                    text = messages.encode(self._queue.pop(0)).decode()
                    await self._send({"type": "websocket.send", "text": text})
                    left.reschedule(asyncio.get_running_loop().time() + SEND_S)
                if self._closing is not None:
                    await self._send({"type": "websocket.close", "code": self._closing})
        except TimeoutError:
            self._cut_off()
        except Exception:  # it has gone: whoever receives learns of it
            self._closing = self._closing or LATER
        finally:
            self._queue = self._sender = None

    def _cut_off(self) -> None:
        """uvicorn offers no other way to end a connection whose other side does not read."""
        self._closing = LATER
        self._queue = None
        transport = getattr(getattr(self._receive, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()

    async def finish(self) -> None:
        if self.talk is not None:
            self._hub.leave(self.talk.bridge, self)
        self.close(NORMAL)
        if (sender := self._sender) is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((sender,), timeout=SEND_S)


def known(hub: Hub) -> list[UUID]:
    """Which devices this process holds, for whoever measures."""
    return list(hub.sockets)
