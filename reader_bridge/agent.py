"""What the desk PC does: an officer's intent meets a fresh card, and becomes one signed statement.

It knows neither sockets nor PC/SC: sightings of cards and messages of the server come in, messages
go out through `say`. A statement is in the journal before anything is said of it; `link` sends it
from there, now or when the line is back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from reader_bridge import messages
from reader_bridge.cards import Cards
from reader_bridge.fields import Fault
from reader_bridge.journal import Journal
from reader_bridge.keys import Device
from reader_bridge.messages import (
    MAP_DESK,
    Arm,
    Cancel,
    FromBridge,
    FromServer,
    Kind,
    Photographed,
    PhotoStatement,
    Progress,
    ReadersNow,
    Receipt,
    Sealed,
    SealingKey,
    Signed,
    Statement,
    Step,
    Tickets,
)
from reader_bridge.ports import CardFault
from reader_bridge.reading import TextReading, read_photo, read_text
from reader_bridge.sightings import Inserted, ReadersChanged, Removed, Sighting
from reader_bridge.watcher import Watcher

log = logging.getLogger("reader_bridge.agent")
ALONE_FOR: Final = 1.5
"""Seconds after an insertion in which no other may come, where it shows which reader a desk has."""
PHOTO_EVERY: Final = 0.5
"""Seconds between two tellings of how far a photograph is."""


class Identity(msgspec.Struct, frozen=True):
    """What every statement of this run says of the device."""

    device: UUID
    audience: str
    boot: UUID


class Armed:
    """An intent that this PC knows of, and what is done about it."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.since = time.monotonic()
        self.until = self.since + arm.expires_in_s
        self.cancelled = threading.Event()
        self.reading: asyncio.Task[None] | None = None
        self.sequence: int | None = None
        self.receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.step: Step = "armed"

    @property
    def open(self) -> bool:
        over = self.cancelled.is_set() or time.monotonic() >= self.until
        return self.sequence is None and not over


class Agent:
    """`say` hands a message to whoever has the line; without a line it is dropped, for what counts
    is in the journal. `stated` is called when a statement is."""

    def __init__(self, identity: Identity, device: Device, journal: Journal) -> None:
        self.identity, self.device, self.journal = identity, device, journal
        self.say: Callable[[FromBridge], None] = lambda message: None
        self.stated: Callable[[], None] = lambda: None
        self.key: SealingKey | None = journal.sealing_key()
        self._armed: dict[UUID, Armed] = {}
        self._insertions: list[Inserted] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._watcher: Watcher | None = None
        self._cards: Cards | None = None

    def use(self, watcher: Watcher, cards: Cards) -> None:
        self._watcher, self._cards = watcher, cards

    # -- the server says -------------------------------------------------------------------------

    def heard(self, message: FromServer) -> None:
        match message:
            case Arm():
                self._arm(message)
            case Cancel(intent=intent):
                if (armed := self._armed.get(intent)) is not None:
                    armed.cancelled.set()
            case Tickets(tickets=tickets):
                self.journal.set_tickets(tickets)
            case Receipt():
                self._settle(message)
            case _:
                pass

    def _arm(self, arm: Arm) -> None:
        known = self._armed.get(arm.intent)
        if known is not None and known.arm.nonce == arm.nonce:
            self._tell(known, known.step)  # the line was away, the officer's screen too
            return
        self._armed = {id: a for id, a in self._armed.items() if a.open or a.reading is not None}
        armed = self._armed[arm.intent] = Armed(arm)
        lies = self._watcher.present(arm.reader) if self._watcher and arm.reader else None
        if lies is not None:
            self._tell(armed, "take_card_out", Fault.card_left)
        else:
            self._tell(armed, "waiting")

    def _settle(self, receipt: Receipt) -> None:
        for armed in self._armed.values():
            if armed.sequence == receipt.sequence and not armed.receipt.done():
                armed.receipt.set_result(receipt)

    # -- the readers show ------------------------------------------------------------------------

    def saw(self, sighting: Sighting) -> None:
        match sighting:
            case Inserted():
                self._inserted(sighting)
            case Removed(reader=reader):
                for armed in self._waiting(reader):
                    if armed.step == "take_card_out" and armed.reading is None:
                        self._tell(armed, "waiting")
            case ReadersChanged(readers=readers):
                self.say(ReadersNow(list(readers)))
            case _:
                log.info("%s", type(sighting).__name__)

    def _inserted(self, card: Inserted) -> None:
        now = time.monotonic()
        self._insertions = [c for c in self._insertions if c.monotonic > now - 2 * ALONE_FOR]
        self._insertions.append(card)
        for armed in self._waiting(card.reader):
            if not card.fresh or card.monotonic < armed.since:
                self._tell(armed, "take_card_out", Fault.card_left)
            elif armed.reading is None:
                does = self._map if armed.arm.purpose == MAP_DESK else self._read
                armed.reading = self._run(does(armed, card))

    def _waiting(self, reader: str) -> list[Armed]:
        return [a for a in self._armed.values() if a.open and a.arm.reader in (None, reader)]

    # -- one card --------------------------------------------------------------------------------

    async def _read(self, armed: Armed, card: Inserted) -> None:
        try:
            text = await self._text(armed, card)
            self._state(armed, card, text)
        except CardFault as fault:
            log.info("reading failed: %s %s", fault.fault, fault.detail)
            self._fault(armed, card, fault.fault)
            return
        if armed.arm.photo:
            await self._photo(armed, card, text)

    async def _text(self, armed: Armed, card: Inserted) -> TextReading:
        assert self._cards is not None
        if card.mute:
            raise CardFault(Fault.card_silent, "no answer to reset: upside down?")
        self._tell(armed, "reading")
        return await asyncio.to_thread(
            read_text,
            self._cards,
            card,
            frozenset(armed.arm.fields),
            cancelled=lambda: armed.cancelled.is_set() or time.monotonic() >= armed.until,
        )

    def _fault(self, armed: Armed, card: Inserted, fault: Fault) -> None:
        armed.reading = None
        lies = self._watcher.present(card.reader) if self._watcher else None
        if lies is not None and lies.insertion != card.insertion:
            self._inserted(lies)  # another card is there already: it may be the one
        elif armed.open:
            self._tell(armed, "take_card_out" if lies is not None else "waiting", fault)

    async def _map(self, armed: Armed, card: Inserted) -> None:
        """Only a card that is put in alone says which reader it is."""
        await asyncio.sleep(ALONE_FOR)
        near = [c for c in self._insertions if abs(c.monotonic - card.monotonic) <= ALONE_FOR]
        if len({c.reader for c in near}) > 1:
            armed.reading = None
            self._tell(armed, "waiting", Fault.two_cards)
        elif armed.open:
            self._state(armed, card, None)

    def _state(self, armed: Armed, card: Inserted, text: TextReading | None) -> None:
        """Raises `CardFault` where it came too late."""
        if not armed.open:
            raise CardFault(Fault.cancelled if armed.cancelled.is_set() else Fault.timed_out)
        waited = max(0.0, card.monotonic - armed.since)
        sequence, _ = self.journal.state(
            lambda sequence, previous: self.statement(
                sequence,
                previous,
                card,
                text,
                intent=armed.arm.intent,
                nonce=armed.arm.nonce,
                purpose=armed.arm.purpose,
                waited_ms=round(waited * 1000),
            )
        )
        armed.sequence = sequence
        self.stated()

    def statement(
        self,
        sequence: int,
        previous: bytes,
        card: Inserted,
        text: TextReading | None,
        *,
        nonce: bytes,
        purpose: str,
        waited_ms: int,
        intent: UUID | None = None,
        ticket: UUID | None = None,
    ) -> tuple[Signed, Sealed | None]:
        """What the journal stores as number `sequence`: for an intent, or by a ticket."""
        of = intent or ticket
        assert of is not None
        payload = None
        if text is not None:
            payload = self._seal(msgspec.json.encode(text.text), "text", of)
        said = Statement(
            audience=self.identity.audience,
            intent=intent,
            ticket=ticket,
            nonce=nonce,
            purpose=purpose,
            device=self.identity.device,
            reader=card.reader,
            boot=self.identity.boot,
            sequence=sequence,
            previous=previous,
            waited_ms=waited_ms,
            inserted_at=card.at,
            read_at=datetime.now(UTC) if text is None else text.read_at,
            atr=b"" if text is None else text.atr,
            chip_serial=bytes.fromhex(text.chip_serial or "") if text is not None else b"",
            payload_sha256=b"" if payload is None else payload.sha256,
            key_protection=self.device.protection,
        )
        return messages.sign(self.device.private, Kind.statement, said), payload

    async def _photo(self, armed: Armed, card: Inserted, text: TextReading) -> None:
        """Shown to the officer and stored nowhere: a fault here leaves the reading as it is."""
        assert self._cards is not None and armed.sequence is not None
        loop, told = asyncio.get_running_loop(), 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > PHOTO_EVERY:
                told = time.monotonic()
                loop.call_soon_threadsafe(
                    self.say, Progress(armed.arm.intent, "photo", None, done, total)
                )

        try:
            jpeg = await asyncio.to_thread(
                read_photo,
                self._cards,
                card,
                text,
                cancelled=armed.cancelled.is_set,
                progress=progress,
            )
            receipt = await asyncio.wait_for(
                asyncio.shield(armed.receipt), max(1.0, armed.until - time.monotonic())
            )
        except CardFault as fault:
            self._tell(armed, "photo", fault.fault)
            return
        except TimeoutError:
            return
        if receipt.reading is None:
            return
        payload = self._seal(jpeg, "photo", armed.arm.intent)
        said = PhotoStatement(
            device=self.identity.device,
            intent=armed.arm.intent,
            sequence=armed.sequence,
            payload_sha256=payload.sha256,
        )
        signed = messages.sign(self.device.private, Kind.photo, said)
        self.say(Photographed(signed, payload))

    def _seal(self, value: bytes, what: messages.What, of: UUID) -> Sealed:
        if self.key is None:
            raise CardFault(Fault.failed, "the server has never been reached")
        return messages.seal(self.key, value, what, of, self.identity.device)

    # -- below -----------------------------------------------------------------------------------

    def _tell(self, armed: Armed, step: Step, fault: Fault | None = None) -> None:
        armed.step = step
        self.say(Progress(armed.arm.intent, step, fault))

    def _run(self, work: Awaitable[None]) -> asyncio.Task[None]:
        async def quietly() -> None:
            try:
                await work
            except Exception:
                log.exception("an intent ended in a fault of ours")

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancels what is being read; what was stated stays in the journal."""
        for armed in self._armed.values():
            armed.cancelled.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
