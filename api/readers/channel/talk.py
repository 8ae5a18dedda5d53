"""What the server says to a bridge, on a socket and over the HTTP fall-back alike."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from uuid import UUID

import msgspec

from api import clock
from api.permissions import Bridge
from api.problems import Overloaded, Problem
from api.readers.bridges import attached, connecting, device_queries, identity
from api.readers.bridges.connecting import Device
from api.readers.bridges.device_queries import DeviceRow
from api.readers.channel import photos, queries
from api.readers.channel.hub import Hub
from api.readers.intents import service as intents
from api.readers.intents.queries import Open
from api.readers.problems import BridgeEnded, BridgeForked, BridgeUnknown
from api.readers.readings import tickets
from reader_bridge.messages import (
    Arm,
    Cancel,
    FromBridge,
    FromServer,
    Greeting,
    Missing,
    NotTaken,
    Photographed,
    Progress,
    ReadersNow,
    Receipt,
    Rotated,
    Signed,
    Stated,
    Ticket,
    Tickets,
    Welcome,
)

LEAVE: Final = 20.0
LEAVE_PER_S: Final = 1.0
"""What a device may leave behind for good, which serves nobody: changes of its readers, statements
that are refused; and photographs, each of which goes to every server. Beyond that it waits: a
broken plug or a hostile PC fills no table and no line."""
PROGRESS_EVERY_S: Final = 0.25
"""Bytes of a photograph are counted no oftener than this."""


GREETED_A_SECOND: Final = 160
"""Bridges that a process can greet without strain; see docs/reader-fleet.md."""
SPREAD_S: Final = 600.0


class Over(Exception):
    """The device no longer counts: tell it `code` and end."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _About(msgspec.Struct):
    intent: UUID | None = None


class Talk:
    """One bridge's side of things: what it was told, so that it is told each thing once."""

    __slots__ = (
        "_counted",
        "_left",
        "_left_at",
        "_over",
        "_progress",
        "_tickets",
        "_told",
        "bridge",
        "challenge",
        "hub",
        "turn",
    )

    def __init__(self, hub: Hub, bridge: UUID, challenge: bytes) -> None:
        self.hub, self.bridge, self.challenge = hub, bridge, challenge
        self._told: dict[UUID, UUID] | None = None  # intent → session; None costs less than empty
        self._over: frozenset[UUID] = frozenset()  # intents that it was told are over
        self._tickets: frozenset[UUID] | None = None
        self._progress: Progress | None = None
        self._counted = 0.0
        self._left, self._left_at = LEAVE, 0.0
        self.turn: object = None

    async def news(self) -> list[FromServer]:
        """What it has not been told yet: cards waited for, or no longer, and its tickets.

        What is over is told also where this talk never told of it: another connection, or another
        server, may have."""
        told = self._told or {}
        async with self.hub.slots, self.hub.db.read(Bridge(self.bridge)) as tx:
            found = await intents.at_bridge(tx, self.bridge, list(told))
            unused = await tickets.unused(tx, self.bridge)
            now = tx.now
        armed = {i.id: i for i in found if i.state == "armed"}
        over = frozenset(i.id for i in found if i.state not in ("armed", "delivered"))
        out: list[FromServer] = [Cancel(id) for id in over - self._over]
        for intent in armed.values():
            if intent.id not in told:
                out.append(_arm(intent, (intent.expires_at - now).total_seconds()))
        self._told = {id: i.session for id, i in armed.items()} or None
        self._over = over
        out += self._new_tickets(unused)
        return out

    def _new_tickets(self, unused: tuple[Ticket, ...]) -> list[FromServer]:
        """At first also that there are none: what it holds from before is void."""
        held = frozenset(ticket.id for ticket in unused)
        if held == self._tickets:
            return []
        self._tickets = held
        return [Tickets(unused)]

    async def answer(self, said: FromBridge) -> FromServer | None:
        """Raises `Over` where the device no longer counts, and what says that the data base is
        away: then it is to be said again."""
        try:
            return await self._answer(said)
        except BridgeForked:
            raise Over("frozen") from None
        except BridgeEnded as problem:
            raise Over(str(problem.facts["state"])) from None
        except Overloaded:
            raise
        except Problem as problem:
            return NotTaken(problem.code, _intent(said))

    async def _answer(self, said: FromBridge) -> FromServer | None:
        if isinstance(said, Stated):
            return await self._state(said)
        if isinstance(said, Progress):
            await self._go_on(said)
            return None
        if isinstance(said, Photographed):
            await self._photograph(said)
            return None
        if isinstance(said, ReadersNow):
            async with self.hub.slots, self.hub.db.begin(Bridge(self.bridge)) as tx:
                changed = await attached.readers_now(tx, self.bridge, said.readers)
            await self._slow_down(changed)
            return None
        if isinstance(said, Rotated):
            async with self.hub.slots, self.hub.db.begin(Bridge(self.bridge)) as tx:
                await connecting.rotate(tx, self.bridge, said, self.challenge)
                row = await device_queries.device(tx, self.bridge)
            assert row is not None
            return welcome(row, len(self.hub.sockets))
        assert isinstance(said, Greeting)
        return NotTaken(BridgeUnknown.code)

    async def _state(self, said: Stated) -> Receipt | Missing:
        receipt = await self.hub.statements.take(self.bridge, said.signed, said.payload)
        if isinstance(receipt, Receipt):
            if (intent := about(said.signed)) is not None:
                self.hub.moved(self.bridge, await self._session(intent))
            elif receipt.reading is not None:
                self.hub.moved(None, await self._holder(receipt.reading))
        await self._slow_down(isinstance(receipt, Receipt) and receipt.refused is not None)
        return receipt

    async def _session(self, intent: UUID) -> UUID | None:
        """Who waits for it, also where another connection, or another server, has told of it."""
        if intent in (told := self._told or {}):
            return told[intent]
        async with self.hub.slots, self.hub.db.read(Bridge(self.bridge)) as tx:
            return await queries.session(tx, intent, self.bridge)

    async def _holder(self, reading: UUID) -> UUID | None:
        """Whose ticket a reading came by."""
        async with self.hub.slots, self.hub.db.read(Bridge(self.bridge)) as tx:
            return await queries.holder(tx, reading)

    async def _slow_down(self, left: bool) -> None:
        if not left:
            return
        now = time.monotonic()
        gained = (now - self._left_at) * LEAVE_PER_S
        self._left, self._left_at = min(LEAVE, self._left + gained) - 1, now
        if self._left < 0:
            await asyncio.sleep(-self._left / LEAVE_PER_S)

    async def _go_on(self, said: Progress) -> None:
        last, self._progress = self._progress, said
        now = time.monotonic()
        same = last is not None and (last.intent, last.step, last.fault) == (
            (said.intent, said.step, said.fault)
        )
        if same and said.done < said.total and now - self._counted < PROGRESS_EVERY_S:
            return
        self._counted = now
        await self._note(said)

    async def _note(self, said: Progress) -> None:
        async with self.hub.slots, self.hub.db.begin(Bridge(self.bridge)) as tx:
            moved = await intents.progress(tx, self.bridge, said)
        if moved is not None:
            self.hub.moved(None, moved.session)  # the bridge itself said it

    async def _photograph(self, said: Photographed) -> None:
        async with self.hub.slots, self.hub.db.begin(Bridge(self.bridge)) as tx:
            photo, size = await photos.take(tx, self.bridge, said)
        self.hub.show(photo)  # before the officer is told to fetch it
        await self._note(Progress(photo.intent, "photo", None, size, size))
        await self._slow_down(True)


def welcome(device: Device | DeviceRow, beside: int) -> Welcome:
    """`beside`: how many others this process serves, who would all come back at once."""
    return Welcome(
        device.sequence,
        device.head,
        identity.shown(),
        clock.now(),
        device.office_name,
        device.name,
        min(SPREAD_S, max(1.0, beside / GREETED_A_SECOND)),
    )


def about(signed: Signed) -> UUID | None:
    """The intent that a statement names."""
    try:
        return msgspec.json.decode(signed.body, type=_About).intent
    except (msgspec.MsgspecError, RecursionError):
        return None


def _intent(said: FromBridge) -> UUID | None:
    if isinstance(said, Progress):
        return said.intent
    return about(said.signed) if isinstance(said, Stated | Photographed) else None


def _arm(intent: Open, left_s: float) -> Arm:
    return Arm(
        intent.id,
        intent.nonce,
        intent.purpose,
        round(left_s, 1),
        intent.reader,
        tuple(intent.fields),
        intent.photo,
    )
