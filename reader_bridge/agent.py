"""What the desk PC does: an officer's intent meets a fresh card, and becomes one signed statement.

It knows neither sockets nor PC/SC: sightings of cards and messages of the server come in, messages
go out through `say`. A statement is in the journal before anything is said of it; `link` sends it
from there, now or when the line is back. All of it runs on the event loop's thread; only the card
is read elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from reader_bridge.cards import Cards
from reader_bridge.fields import Fault
from reader_bridge.folder import Unusable
from reader_bridge.messages import (
    MAP_DESK,
    Arm,
    Cancel,
    FromBridge,
    FromServer,
    Progress,
    ReadersNow,
    Receipt,
    Step,
    Tickets,
)
from reader_bridge.ports import CardFault
from reader_bridge.purposes import within
from reader_bridge.reading import TextReading, read_photo, read_text
from reader_bridge.sightings import Inserted, ReadersChanged, Removed, Sighting
from reader_bridge.stating import Stating
from reader_bridge.watcher import Watcher

log = logging.getLogger("reader_bridge.agent")
ALONE_FOR: Final = 2.0
"""Seconds around an insertion in which no other may come, where it shows a desk its reader."""
PHOTO_EVERY: Final = 0.5
"""Seconds between two tellings of how far a photograph is."""
AT_ONCE: Final = 64
"""Cards read at the same time; as many as a PC may have readers."""
T = TypeVar("T")


class Armed:
    """An intent that this PC knows of, and what is done about it."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.since = time.monotonic()
        self.until = self.since + arm.expires_in_s
        self.cancelled = threading.Event()
        self.task: asyncio.Task[None] | None = None
        self.sequence: int | None = None
        self.receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.step: Step = "armed"
        self.fault: Fault | None = None

    @property
    def over(self) -> bool:
        return self.cancelled.is_set() or time.monotonic() >= self.until

    @property
    def open(self) -> bool:
        return self.sequence is None and not self.over

    @property
    def reading(self) -> bool:
        return self.task is not None and not self.task.done()

    @property
    def maps(self) -> bool:
        return self.arm.purpose == MAP_DESK


class Agent:
    """`say` hands a message to whoever has the line; without a line it is dropped, for what counts
    is in the journal. `stated` is called when a statement is."""

    def __init__(self, stating: Stating) -> None:
        self.stating = stating
        self.say: Callable[[FromBridge], None] = lambda message: None
        self.stated: Callable[[], None] = lambda: None
        self._armed: dict[UUID, Armed] = {}
        self._insertions: list[Inserted] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, "reading")
        self._watcher: Watcher | None = None
        self._cards: Cards | None = None

    def use(self, watcher: Watcher, cards: Cards) -> None:
        self._watcher, self._cards = watcher, cards

    @property
    def busy(self) -> bool:
        """Somebody waits for a card, or one is being read."""
        return any(armed.open or armed.reading for armed in self._armed.values())

    # -- the server says -------------------------------------------------------------------------

    def heard(self, message: FromServer) -> None:
        """Raises as `Journal.set_tickets` does."""
        match message:
            case Arm():
                self._arm(message)
            case Cancel(intent=intent):
                if (armed := self._armed.get(intent)) is not None:
                    armed.cancelled.set()
            case Tickets(tickets=tickets):
                good = tuple(t for t in tickets if within(t.purpose, t.fields))
                if good != tickets:
                    log.error("%d tickets ask for too much", len(tickets) - len(good))
                self.stating.journal.set_tickets(good)
            case Receipt():
                self._settle(message)
            case _:
                pass

    def _arm(self, arm: Arm) -> None:
        if not within(arm.purpose, arm.fields, photo=arm.photo):
            log.error("asked for more than %s may read", arm.purpose)
            self.say(Progress(arm.intent, "armed", Fault.asked_too_much))
            return
        known = self._armed.get(arm.intent)
        if known is not None and known.arm.nonce == arm.nonce:
            self._tell(known, known.step, known.fault)  # the line was away, the screen too
            return
        self._armed = {id: a for id, a in self._armed.items() if a.open or a.reading}
        for other in self._armed.values():  # one open intent a reader: what is newer counts
            if other.arm.intent == arm.intent or other.arm.reader == arm.reader:
                other.cancelled.set()
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
                if receipt.reading is None:
                    armed.cancelled.set()  # nobody may see the photograph

    # -- the readers show ------------------------------------------------------------------------

    def saw(self, sighting: Sighting) -> None:
        match sighting:
            case Inserted():
                self._inserted(sighting)
            case Removed(reader=reader):
                for armed in self._waiting(reader):
                    if armed.step == "take_card_out" and not armed.reading:
                        self._tell(armed, "waiting", armed.fault)
            case ReadersChanged(readers=readers):
                self.say(ReadersNow(list(readers)))
            case _:
                log.info("%s", type(sighting).__name__)

    def _inserted(self, card: Inserted) -> None:
        now = time.monotonic()
        self._insertions = [c for c in self._insertions if c.monotonic > now - 3 * ALONE_FOR]
        if all(c.insertion != card.insertion for c in self._insertions):
            self._insertions.append(card)
        waiting = self._waiting(card.reader)
        if any(not armed.maps for armed in waiting):
            waiting = [armed for armed in waiting if not armed.maps]  # a citizen's, no sign
        for armed in waiting:
            if armed.reading:
                continue
            if not card.fresh or card.monotonic < armed.since:
                self._tell(armed, "take_card_out", Fault.card_left)
            else:
                armed.task = self._run(self._served(armed, card))

    def _waiting(self, reader: str) -> list[Armed]:
        return [a for a in self._armed.values() if a.open and a.arm.reader in (None, reader)]

    # -- one card --------------------------------------------------------------------------------

    async def _served(self, armed: Armed, card: Inserted) -> None:
        """Until it is stated, or the intent is over: also the cards that come while one is read."""
        now: Inserted | None = card
        while now is not None:
            card, now = now, None
            try:
                if armed.maps:
                    await self._map(armed, card)
                else:
                    await self._read(armed, card)
                return
            except CardFault as fault:
                log.info("reading failed: %s %s", fault.fault, fault.detail)
                why = fault.fault
            except Unusable as error:
                log.error("reading not kept: %s", error)
                why = Fault.failed
            lies = self._watcher.present(card.reader) if self._watcher else None
            if not armed.open:
                return
            if lies is None:
                self._tell(armed, "waiting", why)
            elif lies.insertion != card.insertion and self._counts(armed, lies):
                now = lies  # another card is there already: it may be the one
            else:
                self._tell(armed, "take_card_out", why)

    def _counts(self, armed: Armed, card: Inserted) -> bool:
        return card.fresh and card.monotonic >= armed.since and not armed.maps

    async def _read(self, armed: Armed, card: Inserted) -> None:
        """Raises `CardFault` while nothing is stated."""
        if card.mute:
            raise CardFault(Fault.card_silent, "no answer to reset: upside down?")
        assert self._cards is not None
        self._tell(armed, "reading")
        text = await self._aside(
            partial(
                read_text,
                self._cards,
                card,
                frozenset(armed.arm.fields),
                cancelled=lambda: armed.over,
            )
        )
        self._state(armed, card, text)
        if armed.arm.photo:
            await self._photo(armed, card, text)

    async def _map(self, armed: Armed, card: Inserted) -> None:
        """Only a card that is put in alone says which reader it is."""
        await asyncio.sleep(max(0.0, card.monotonic + ALONE_FOR - time.monotonic()))
        near = [c for c in self._insertions if abs(c.monotonic - card.monotonic) <= ALONE_FOR]
        if len({c.reader for c in near}) > 1:
            raise CardFault(Fault.two_cards)
        self._state(armed, card, None)

    def _state(self, armed: Armed, card: Inserted, text: TextReading | None) -> None:
        """Raises `CardFault` where it came too late."""
        if not armed.open:
            raise CardFault(Fault.cancelled if armed.cancelled.is_set() else Fault.timed_out)
        armed.sequence = self.stating.state(
            card,
            text,
            intent=armed.arm.intent,
            nonce=armed.arm.nonce,
            purpose=armed.arm.purpose,
            waited=card.monotonic - armed.since,
        )
        armed.step, armed.fault = "sending", None
        self.stated()

    async def _photo(self, armed: Armed, card: Inserted, text: TextReading) -> None:
        """Shown to the officer and stored nowhere: a fault here leaves the reading as it is."""
        assert armed.sequence is not None and self._cards is not None
        loop, told = asyncio.get_running_loop(), 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > PHOTO_EVERY:
                told = time.monotonic()
                loop.call_soon_threadsafe(
                    self.say, Progress(armed.arm.intent, "photo", None, done, total)
                )

        try:
            jpeg = await self._aside(
                partial(
                    read_photo,
                    self._cards,
                    card,
                    text,
                    cancelled=armed.cancelled.is_set,
                    progress=progress,
                )
            )
            async with asyncio.timeout(max(1.0, armed.until - time.monotonic())):
                receipt = await armed.receipt
            if receipt.reading is not None:
                intent, sequence = armed.arm.intent, armed.sequence
                self.say(self.stating.photo(jpeg, intent=intent, sequence=sequence))
        except CardFault as fault:
            if not armed.cancelled.is_set():
                self._tell(armed, "photo", fault.fault)
        except TimeoutError:
            pass  # no line: the officer sees the reading later, without the photograph

    # -- below -----------------------------------------------------------------------------------

    def _tell(self, armed: Armed, step: Step, fault: Fault | None = None) -> None:
        armed.step, armed.fault = step, fault
        self.say(Progress(armed.arm.intent, step, fault))

    async def _aside(self, work: Callable[[], T]) -> T:
        """On a thread of this agent's own: there are as many as readers, however few processors."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def quietly() -> None:
            try:
                await work
            except Exception as error:  # its message could quote what the card said
                bare = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
                log.error("an intent ended in a fault of ours", exc_info=bare)

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Ends what is being read; what was stated stays in the journal."""
        for armed in self._armed.values():
            armed.cancelled.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
