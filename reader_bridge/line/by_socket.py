"""One WebSocket to the server, from its handshake to its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    WebSocketException,
)

from reader_bridge import messages
from reader_bridge.line.endings import Blocked, Busy, Stuck
from reader_bridge.line.link import Link
from reader_bridge.messages import Challenge, FromBridge, FromServer, Greeting, NotUnderstood

log = logging.getLogger("reader_bridge.line.link")
ANSWER_S: Final = 15.0
PING_S: Final = 20.0
UNANSWERED: Final = 2
"""Handshakes in a row without an answer, after which HTTP is tried: some proxies drop them."""
LOOK_S: Final = 2.0
"""So often the journal is looked into for what another process of this PC has stated."""
ROTATES_S: Final = 2.0
"""So long the server is given to take a new key before a connection is tried with it."""
GOING: Final = {1001, 1012, 1013}
"""Close codes of a server that goes, restarts, or has too much to do."""
SILENT: Final = 1011
"""The code with which this side gives up a line on which no ping is answered: that is the trouble
of one PC, as a rule, and not of a server."""
TOO_MUCH: Final = {429, 500, 502, 503, 504}


class _Connect(connect):
    """Follows no redirect: our server gives none, and a hello is for nobody else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def hold(link: Link) -> None:
    """Talks until the line breaks. Raises `Blocked` where no WebSocket passes, `Busy`, `Stuck`,
    what `Link.heard` raises, OSError, TimeoutError, WebSocketException."""
    server = link.configuration.server.rstrip("/")
    address = "ws" + server.removeprefix("http") + "/v1/bridge"
    try:
        socket = await _Connect(
            address,
            subprotocols=[messages.SUBPROTOCOL],  # type: ignore[list-item]
            ssl=link.tls() if address.startswith("wss") else None,
            proxy=link.configuration.proxy or True,
            compression=None,
            max_size=messages.LARGEST_ASKED,
            open_timeout=ANSWER_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=2,
            user_agent_header=f"superapp-reader-bridge/{link.software}",
        )
    except InvalidStatus as error:
        if error.response.status_code in TOO_MUCH:
            raise Busy(f"HTTP {error.response.status_code}") from None
        raise Blocked(f"HTTP {error.response.status_code}") from None
    except TimeoutError:
        link.retries.unanswered += 1
        if link.retries.unanswered < UNANSWERED:
            raise
        raise Blocked("no answer to a WebSocket's handshake") from None
    except (InvalidHandshake, ImportError) as error:  # ImportError: for a SOCKS proxy
        raise Blocked(f"{type(error).__name__}: {error}") from None
    async with socket:
        await _talk(link, socket)


async def _talk(link: Link, socket: ClientConnection) -> None:
    if socket.subprotocol != messages.SUBPROTOCOL:
        raise Blocked("it is not our server that answers")
    try:
        async with asyncio.timeout(ANSWER_S):
            challenge = await _received(socket)
    except (TimeoutError, ConnectionClosed) as error:
        _going(error)
        raise Blocked("a WebSocket opens, and nothing comes through it") from None
    if not isinstance(challenge, Challenge):
        raise Stuck("the server speaks another protocol; update this program")
    async with asyncio.timeout(ANSWER_S):
        await _send(socket, Greeting(link.hello(challenge)))
        welcome = await _received(socket)
    if welcome is None:
        raise Stuck("the server's welcome is not understood; update this program")
    link.begun(welcome, "WebSocket")
    listening = asyncio.create_task(_listen(link, socket))
    speaking = asyncio.create_task(_speak(link, socket, challenge.challenge))
    steady = asyncio.get_running_loop().call_later(60, link.retries.steady)
    try:
        await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
        if not listening.done() and isinstance(speaking.exception(), WebSocketException):
            # The line is gone, but what came before that has not all been heard.
            await asyncio.wait((listening,), timeout=ANSWER_S)
        for task in (listening, speaking):
            if task.done():
                task.result()
    except ConnectionClosed as error:
        _going(error)
        if error.rcvd is None and (error.sent is None or error.sent.code != SILENT):
            raise Busy("the server vanished") from None
        raise
    finally:
        steady.cancel()
        for task in (listening, speaking):
            task.cancel()
        await asyncio.gather(listening, speaking, return_exceptions=True)


async def _listen(link: Link, socket: ClientConnection) -> None:
    while True:
        message = await _received(socket)
        if message is not None:
            link.heard(message)


async def _speak(link: Link, socket: ClientConnection, challenge: bytes) -> None:
    while True:
        link.fresh.clear()
        for message in link.outgoing():
            await _send(socket, message)
        if not link.fresh.is_set() and not link.agent.busy and link.rotation.due():
            offer = link.rotation.offer(challenge)
            link.rotation.offered()
            await _send(socket, offer)
            await asyncio.sleep(ROTATES_S)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(link.fresh.wait(), LOOK_S)


async def _received(socket: ClientConnection) -> FromServer | None:
    """None for a message of a later version than ours."""
    try:
        return messages.from_server(await socket.recv())
    except NotUnderstood as error:
        log.warning("the server said something unknown (%s)", error)
        return None


async def _send(socket: ClientConnection, message: FromBridge) -> None:
    await socket.send(messages.encode(message).decode())


def _going(error: Exception) -> None:
    """Raises `Busy` where the server has said so."""
    said = error.rcvd if isinstance(error, ConnectionClosed) else None
    if said is not None and said.code in GOING:
        raise Busy(f"the server closes ({said.code})") from None
