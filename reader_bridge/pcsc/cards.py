"""One reading at a time on each reader, none longer than its limit.

PC/SC has no time limits: `connect` blocks for as long as another program holds its transaction,
and a card that never answers blocks `transmit`. So each reader has a thread that does the work;
when its time is up the caller goes on, and the reader is busy until that thread comes back.
(A thread for each reading took longer to start than a card takes to tell its text.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from reader_bridge.fields import Fault
from reader_bridge.pcsc.ports import CardFault, CardPort, Transaction
from reader_bridge.pcsc.sightings import Inserted

log = logging.getLogger("reader_bridge.pcsc.cards")
T = TypeVar("T")
Lane: TypeAlias = "SimpleQueue[_Job[Any] | None]"
LET_GO = 3.0
"""Seconds for which the end of the program waits for cards to be let go; a slow reader takes half a
second for one command."""
LOOK = 0.05  # seconds between two looks whether the reading was cancelled
NOTICED = 0.8
"""Seconds in which PC/SC notices that a card was taken out: pcscd looks every 0.4."""


class Presence(Protocol):
    """What a reading asks the watcher."""

    def present(self, reader: str) -> Inserted | None:
        """The card that lies in `reader` now."""
        ...

    @property
    def service_up(self) -> bool:
        """PC/SC answers."""
        ...


class Cards:
    """The cards in all readers; `watcher` knows which insertion each of them holds now."""

    def __init__(self, port: CardPort, watcher: Presence) -> None:
        self._port, self._watcher = port, watcher
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._lanes: dict[str, Lane] = {}
        self._threads: list[threading.Thread] = []
        self._closing = False

    def busy(self, reader: str) -> bool:
        """A reading runs on it, or one that was given up has not ended."""
        with self._lock:
            return reader in self._busy

    def use(
        self,
        inserted: Inserted,
        work: Callable[[Transaction, Callable[[], None]], T],
        *,
        within: float,
        cancelled: Callable[[], bool],
    ) -> T:
        """What `work` returns, if the reader still holds that very insertion when it has.

        `work` gets the transaction, and a function to call before every step, which raises when
        the reading is over: cancelled, given up, or the card taken out.

        `within`: seconds for all of it. Raises CardFault: `reader-busy` when the time was spent
        waiting for another program or the reader is still at an earlier reading, `timed-out`
        when the card was too slow, `cancelled`, and whatever befell the work.
        """
        reader = inserted.reader
        with self._lock:
            if reader in self._busy:
                raise CardFault(Fault.reader_busy, "a reading before this one has not ended")
            self._busy.add(reader)
        job = _Job(self._port, self._watcher, inserted, work, lambda: self._closing or cancelled())
        try:
            self._lane(reader).put(job)
        except RuntimeError as error:
            self._free(reader)
            raise CardFault(Fault.failed, "no thread to be had") from error
        end = time.monotonic() + within
        while not job.done.acquire(timeout=min(LOOK, max(0.0, end - time.monotonic()))):
            if cancelled():
                job.given_up = CardFault(Fault.cancelled)
            elif time.monotonic() >= end:
                slow = Fault.timed_out if job.connected else Fault.reader_busy
                job.given_up = CardFault(slow, f"not within {within:g} s")
            if job.given_up is not None:
                # What runs sees it before its next command; a moment for that, so that the next
                # reading does not find the reader busy.
                if job.done.acquire(timeout=LOOK):
                    break
                raise job.given_up
        return job.outcome()

    def close(self, within: float = LET_GO) -> None:
        """Ends every reading, before its next command, and waits until the cards are let go:
        PC/SC resets a card whose program dies in the middle of a transaction."""
        self._closing = True
        with self._lock:
            lanes, self._lanes = self._lanes, {}
            threads, self._threads = self._threads, []
        for lane in lanes.values():
            lane.put(None)
        end = time.monotonic() + within
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _lane(self, reader: str) -> Lane:
        """Where to leave work for the thread of `reader`. Raises RuntimeError without a thread."""
        with self._lock:
            lane = self._lanes.get(reader)
            if lane is None:
                lane = SimpleQueue()
                thread = threading.Thread(
                    target=self._work, args=(lane,), name=f"cards in {reader}", daemon=True
                )
                thread.start()
                self._threads.append(thread)
                self._lanes[reader] = lane
            return lane

    def _work(self, lane: Lane) -> None:
        while True:
            job = lane.get()
            if job is None:
                return
            job.run()
            self._free(job.inserted.reader)
            job.done.release()
            del job  # with what was read

    def _free(self, reader: str) -> None:
        with self._lock:
            self._busy.discard(reader)


def still_there(inserted: Inserted, transaction: Transaction) -> None:
    """Raises CardFault if PC/SC itself knows of another insertion by now."""
    state = transaction.state()
    if not state.known:
        raise CardFault(Fault.reader_gone, "says PC/SC")
    if not state.present or state.count != inserted.count:
        raise CardFault(Fault.card_removed, "another insertion, says PC/SC")


def _gone(watcher: Presence) -> CardFault:
    if not watcher.service_up:
        return CardFault(Fault.service_gone, "says the watcher")
    return CardFault(Fault.card_removed, "taken out, says the watcher")


class _Job(Generic[T]):
    def __init__(
        self,
        port: CardPort,
        watcher: Presence,
        inserted: Inserted,
        work: Callable[[Transaction, Callable[[], None]], T],
        cancelled: Callable[[], bool],
    ) -> None:
        self.inserted = inserted
        # Held until it has run. A bare lock: an Event wakes its waiter in twice the time.
        self.done = threading.Lock()
        self.done.acquire()
        self.connected = False
        self.given_up: CardFault | None = None
        self._port, self._watcher, self._work = port, watcher, work
        self._cancelled = cancelled
        self._result: list[T] = []
        self._error: CardFault | None = None

    def run(self) -> None:
        try:
            self._stopped()
            with self._port.connect(self.inserted.reader) as transaction:
                self.connected = True
                result = self._work(transaction, self._stopped)
                self._stopped()
                still_there(self.inserted, transaction)
            self._result.append(result)
        except CardFault as fault:
            self._error = self._why(fault)
        except BaseException as error:
            log.exception("a reading failed", exc_info=_without_values(error))
            self._error = CardFault(Fault.failed, type(error).__name__)

    def _why(self, fault: CardFault) -> CardFault:
        """A card that was pulled out, or whose service has died, does not answer: why, is noticed
        only after that."""
        end = time.monotonic() + NOTICED
        while fault.fault is Fault.card_silent and time.monotonic() < end:
            try:
                self._stopped()
            except CardFault as reason:
                return reason
            time.sleep(LOOK)
        return fault

    def outcome(self) -> T:
        if self.given_up is not None:
            raise self.given_up
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _stopped(self) -> None:
        """Asked before every command: raises when this reading is over."""
        if self.given_up is not None:
            raise self.given_up
        inserted = self.inserted
        now = self._watcher.present(inserted.reader)
        if now is not inserted and (now is None or now.insertion != inserted.insertion):
            raise _gone(self._watcher)
        if self._cancelled():
            raise CardFault(Fault.cancelled)


def _without_values(error: BaseException) -> BaseException:
    """The same traceback with no message: a message could quote what the card said."""
    bare = RuntimeError(type(error).__name__)
    return bare.with_traceback(error.__traceback__)
