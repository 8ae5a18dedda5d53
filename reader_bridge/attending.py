"""One card for one intent: read, stated, and its photograph shown.

A statement is in the journal before anything is said of it. All of it runs on the event loop's
thread; only the card is read elsewhere.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from reader_bridge.card.reading import TextReading, read_photo, read_text
from reader_bridge.chain.stating import Stating
from reader_bridge.fields import Fault
from reader_bridge.messages import MAP_DESK, Arm, FromBridge, Progress, Receipt, Step
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Inserted

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


class Attending:
    """`say` hands a message to whoever has the line; `stated` is called when a statement is."""

    def __init__(
        self, stating: Stating, say: Callable[[FromBridge], None], stated: Callable[[], None]
    ) -> None:
        self._stating, self._say, self._stated = stating, say, stated
        self._came: list[Inserted] = []
        self._threads = ThreadPoolExecutor(AT_ONCE, "reading")

    async def read(self, armed: Armed, card: Inserted, cards: Cards) -> None:
        """Raises `CardFault` while nothing is stated, and as `Stating.state` does."""
        if card.mute:
            raise CardFault(Fault.card_silent, "no answer to reset: upside down?")
        self.tell(armed, "reading")
        text = await self._aside(
            partial(
                read_text,
                cards,
                card,
                frozenset(armed.arm.fields),
                cancelled=lambda: armed.over,
            )
        )
        self._state(armed, card, text)
        if armed.arm.photo:
            await self._photo(armed, card, cards, text)

    def came(self, card: Inserted) -> None:
        """Each card that is put in anywhere."""
        now = time.monotonic()
        self._came = [c for c in self._came if c.monotonic > now - 3 * ALONE_FOR]
        if all(c.insertion != card.insertion for c in self._came):
            self._came.append(card)

    async def map(self, armed: Armed, card: Inserted) -> None:
        """Only a card that is put in alone says which reader it is. Raises as `read` does."""
        await asyncio.sleep(max(0.0, card.monotonic + ALONE_FOR - time.monotonic()))
        near = [c for c in self._came if abs(c.monotonic - card.monotonic) <= ALONE_FOR]
        if len({c.reader for c in near}) > 1:
            raise CardFault(Fault.two_cards)
        self._state(armed, card, None)

    def tell(self, armed: Armed, step: Step, fault: Fault | None = None) -> None:
        """The officer's screen, and whoever asks again."""
        armed.step, armed.fault = step, fault
        self._say(Progress(armed.arm.intent, step, fault))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _state(self, armed: Armed, card: Inserted, text: TextReading | None) -> None:
        """Raises `CardFault` where it came too late."""
        if not armed.open:
            raise CardFault(Fault.cancelled if armed.cancelled.is_set() else Fault.timed_out)
        armed.sequence = self._stating.state(
            card,
            text,
            intent=armed.arm.intent,
            nonce=armed.arm.nonce,
            purpose=armed.arm.purpose,
            waited=card.monotonic - armed.since,
        )
        armed.step, armed.fault = "sending", None
        self._stated()

    async def _photo(self, armed: Armed, card: Inserted, cards: Cards, text: TextReading) -> None:
        """Shown to the officer and stored nowhere: a fault here leaves the reading as it is."""
        assert armed.sequence is not None
        loop, told = asyncio.get_running_loop(), 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > PHOTO_EVERY:
                told = time.monotonic()
                loop.call_soon_threadsafe(
                    self._say, Progress(armed.arm.intent, "photo", None, done, total)
                )

        try:
            jpeg = await self._aside(
                partial(
                    read_photo,
                    cards,
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
                self._say(self._stating.photo(jpeg, intent=intent, sequence=sequence))
        except CardFault as fault:
            if not armed.cancelled.is_set():
                self.tell(armed, "photo", fault.fault)
        except TimeoutError:
            pass  # no line: the officer sees the reading later, without the photograph

    async def _aside(self, work: Callable[[], T]) -> T:
        """On a thread of its own: there are as many as readers, however few processors."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
