"""What an officer's screen hears: every change of the session's intents, as it happens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from api.permissions import Session
from api.problems import Problem
from api.readers.channel.hub import DISTURBED, OVERLAP, Hub
from api.readers.intents import service as intents
from api.readers.model import IntentState
from api.readers.problems import TooManyScreens, TooManyWaits
from api.readers.readings import service as readings
from api.readers.views import Intent, Reading

log = logging.getLogger("superapp.readers")
BEAT_S: Final = 15.0
AGAIN_S: Final = 2.0
LONGEST_WAIT_S: Final = 25
WAITS: Final = 24
"""So many a session may have waiting at one server, streams and polls together."""
Again = Callable[[], Awaitable[Session]]
"""Who asks, authenticated anew; raises the problem that ends the stream."""
_encode: Final = msgspec.json.encode


async def events(hub: Hub, session: Session, again: Again) -> AsyncIterator[bytes]:
    """Server-sent events (WHATWG HTML §9.2): `intent` with an `Intent`, `reading` with a `Reading`
    that came by a ticket of the officer's, `end` with a code.

    It begins with every intent that is open, and what ended or came in the last ten minutes. It
    holds neither a transaction nor a connection, and ends with the session, its token, or the
    server, and for a session's newer ones (`TooManyScreens`).
    """
    told: dict[UUID, tuple[int, str]] = {}
    arrived: set[UUID] = set()
    since: datetime | None = None
    look = True
    ends: float | None = None
    yield b"retry: 2000\n\n"
    with (
        hub.waiting(session.session, session.account) as moved,
        hub.screen(session.session, moved) as is_open,
    ):
        while not hub.stopping:
            try:
                if not is_open():
                    raise TooManyScreens()
                session = await again()
                if look:
                    moved.clear()
                    found, came, at = await _moved(hub, session, since)
                    since, look = at - OVERLAP, False
                    for intent in found:
                        if told.get(intent.id) != _mark(intent):
                            yield _event("intent", f"{intent.id}.{intent.version}", intent)
                    for reading in came:
                        if reading.id not in arrived:
                            yield _event("reading", f"{reading.id}", reading)
                    arrived = {reading.id for reading in came}
                    told = {intent.id: _mark(intent) for intent in found}
                    ends = _next_end(found, at)
            except Problem as problem:
                yield b"event: end\ndata: " + _encode({"code": problem.code}) + b"\n\n"
                return
            except DISTURBED as error:
                facts = {"error": type(error).__name__}
                log.warning("a stream waits for the data base", extra={"facts": facts})
                look, ends = True, time.monotonic() + AGAIN_S
            pause = BEAT_S if ends is None else max(0.05, min(BEAT_S, ends - time.monotonic()))
            try:
                await asyncio.wait_for(moved.wait(), pause)
                look = True
            except TimeoutError:
                look = look or (ends is not None and time.monotonic() >= ends)
                yield b":\n\n"


async def read(hub: Hub, session: Session, id: UUID, after: int | None, wait_s: int) -> Intent:
    """The intent now, or as soon as its version is beyond `after`, at most `wait_s` later.

    Raises `IntentNotFound` and `TooManyWaits`.
    """
    if wait_s and hub.waits(session.session) >= WAITS:
        raise TooManyWaits(retry_after_s=LONGEST_WAIT_S // 2)
    until = time.monotonic() + wait_s
    with hub.waiting(session.session) as moved:
        while True:
            moved.clear()
            async with hub.db.read(session) as tx:
                found = await intents.read(tx, id)
                at = tx.now
            left = until - time.monotonic()
            over = after is None or found.version > after or found.state != IntentState.armed
            if over or left <= 0 or hub.stopping:
                return found
            ends = _next_end([found], at)
            assert ends is not None
            try:
                await asyncio.wait_for(moved.wait(), max(0.01, min(left, ends - time.monotonic())))
            except TimeoutError:
                continue


async def _moved(
    hub: Hub, session: Session, since: datetime | None
) -> tuple[list[Intent], list[Reading], datetime]:
    async with hub.db.read(session) as tx:
        return await intents.moved(tx, since), await readings.arrived(tx, since), tx.now


def _mark(intent: Intent) -> tuple[int, str]:
    """What makes it another one to look at. That it ran out is seen before it is written down."""
    return (0 if intent.state == IntentState.expired else intent.version, intent.state)


def _next_end(found: list[Intent], at: datetime) -> float | None:
    """When the next of those that are open runs out, by the monotonic clock."""
    left = [(i.expires_at - at).total_seconds() for i in found if i.state == IntentState.armed]
    return time.monotonic() + max(0.0, min(left)) + 0.01 if left else None


def _event(name: str, id: str, said: Intent | Reading) -> bytes:
    return f"id: {id}\nevent: {name}\ndata: ".encode() + _encode(said) + b"\n\n"
