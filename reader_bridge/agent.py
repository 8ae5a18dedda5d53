"""What the desk PC does: an officer's intent meets a fresh card, and is served with it.

It knows neither sockets nor PC/SC: sightings of cards and messages of the server come in, messages
go out through `say`. `attending` reads the card and states it; `link` sends what was stated from
the journal, now or when the line is back. All of it runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from reader_bridge.attending import Armed, Attending
from reader_bridge.chain.stating import Stating
from reader_bridge.device.folder import Unusable
from reader_bridge.fields import Fault
from reader_bridge.messages import (
    Arm,
    Cancel,
    FromBridge,
    FromServer,
    Progress,
    ReadersNow,
    Receipt,
    Tickets,
)
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Inserted, ReadersChanged, Removed, Sighting
from reader_bridge.pcsc.watcher import Watcher
from reader_bridge.purposes import within

log = logging.getLogger("reader_bridge.agent")


class Agent:
    """`say` hands a message to whoever has the line; without a line it is dropped, for what counts
    is in the journal. `stated` is called when a statement is."""

    def __init__(self, stating: Stating) -> None:
        self.stating = stating
        self.say: Callable[[FromBridge], None] = lambda message: None
        self.stated: Callable[[], None] = lambda: None
        self._attending = Attending(stating, lambda m: self.say(m), lambda: self.stated())
        self._armed: dict[UUID, Armed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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
        if self.stating.pin is None:
            self.say(Progress(arm.intent, "armed", Fault.server_not_pinned))
            return
        if not within(arm.purpose, arm.fields, photo=arm.photo):
            log.error("asked for more than %s may read", arm.purpose)
            self.say(Progress(arm.intent, "armed", Fault.asked_too_much))
            return
        known = self._armed.get(arm.intent)
        if known is not None and known.arm.nonce == arm.nonce:
            # The line was away, the screen too.
            self._attending.tell(known, known.step, known.fault)
            return
        self._armed = {id: a for id, a in self._armed.items() if a.open or a.reading}
        for other in self._armed.values():  # one open intent a reader: what is newer counts
            if other.arm.intent == arm.intent or other.arm.reader == arm.reader:
                other.cancelled.set()
        armed = self._armed[arm.intent] = Armed(arm)
        lies = self._watcher.present(arm.reader) if self._watcher and arm.reader else None
        if lies is not None:
            self._attending.tell(armed, "take_card_out", Fault.card_left)
        else:
            self._attending.tell(armed, "waiting")

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
                        self._attending.tell(armed, "waiting", armed.fault)
            case ReadersChanged(readers=readers):
                self.say(ReadersNow(list(readers)))
            case _:
                log.info("%s", type(sighting).__name__)

    def _inserted(self, card: Inserted) -> None:
        self._attending.came(card)
        waiting = self._waiting(card.reader)
        if any(not armed.maps for armed in waiting):
            waiting = [armed for armed in waiting if not armed.maps]  # a citizen's, no sign
        for armed in waiting:
            if armed.reading:
                continue
            if not card.fresh or card.monotonic < armed.since:
                self._attending.tell(armed, "take_card_out", Fault.card_left)
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
                    await self._attending.map(armed, card)
                else:
                    assert self._cards is not None
                    await self._attending.read(armed, card, self._cards)
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
                self._attending.tell(armed, "waiting", why)
            elif lies.insertion != card.insertion and self._counts(armed, lies):
                now = lies  # another card is there already: it may be the one
            else:
                self._attending.tell(armed, "take_card_out", why)

    def _counts(self, armed: Armed, card: Inserted) -> bool:
        return card.fresh and card.monotonic >= armed.since and not armed.maps

    # -- below -----------------------------------------------------------------------------------

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
        self._attending.close()
