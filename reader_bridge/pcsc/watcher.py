"""Sees readers and cards come and go, on a thread of its own that nothing ends but `stop`.

PC/SC may be killed and started again, readers unplugged down to the last one, a card swapped for
another between two looks: each becomes a `Sighting`, in order, through one callback.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from reader_bridge.pcsc.ports import CardFault, Identity, ReaderState, StatePort, States
from reader_bridge.pcsc.sightings import (
    Inserted,
    ReadersChanged,
    ReaderSeen,
    Removed,
    ServiceBack,
    ServiceLost,
    Sighting,
)

log = logging.getLogger("reader_bridge.pcsc.watcher")
_insertions = count(1)
NEVER_SEEN = ReaderState()

LOOK, SHORT_LOOK = 1.0, 0.25
"""Seconds of one wait; the shorter where PC/SC does not tell of readers (macOS)."""
BACKOFF, LONGEST = 0.05, 2.0
"""Seconds between two tries to reach PC/SC: the first, doubling up to the last."""
IDENTITY_WITHIN, ASK_AGAIN = 0.3, 1.0
"""Seconds for which the watching waits until new readers have said who they are, and after which
one that another program has for itself is asked again."""
SETTLED = 2.0
"""Seconds that a reader has been there before a card in it counts as seen to come: a PC/SC service
that has just started shows a reader as empty until it has powered up the card that lies in it."""


class Watcher:
    """`tell` is called on the watcher's thread, one sighting at a time; be quick in it.

    What it raises is logged and goes no further.
    """

    def __init__(
        self, port: StatePort, tell: Callable[[Sighting], None], *, settled: float = SETTLED
    ) -> None:
        self._port, self._tell, self._settled = port, tell, settled
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()
        self._present: dict[str, Inserted] = {}
        self._attached: dict[str, object] = {}  # what tells a reader from the next of its name
        self._identities: dict[str, Identity] = {}
        self._announced: tuple[ReaderSeen, ...] | None = None
        self._states: States | None = None
        self._up = False
        self._lost = False
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="card-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, within: float = 5.0) -> None:
        """End the watching; after it nothing more is told."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(within)

    def present(self, reader: str) -> Inserted | None:
        """The card that lies in `reader` now, as far as the watcher knows."""
        return self._present.get(reader)

    def readers(self) -> tuple[ReaderSeen, ...]:
        """All readers there now that have said who they are, by name."""
        with self._lock:
            return self._announced or ()

    def first_look(self, within: float) -> bool:
        """Waits until it knows what is attached, or that PC/SC does not answer: before that
        `readers` is an empty guess. False if it knows neither after `within` seconds."""
        return self._looked.wait(within)

    @property
    def service_up(self) -> bool:
        """PC/SC answers."""
        return self._up

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        wait = BACKOFF
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                with self._port.open() as states:
                    self._states = states
                    self._watch(states)
            except CardFault as fault:
                log.log(logging.DEBUG if self._lost else logging.WARNING, "PC/SC: %s", fault)
            except Exception:
                log.exception("the watcher stumbled and begins anew")
            finally:
                self._states = None
            if self._stopping.is_set():
                return
            self._lose()
            if time.monotonic() - began > LONGEST:
                wait = BACKOFF
            self._stopping.wait(wait)
            wait = min(wait * 2, LONGEST)

    def _watch(self, states: States) -> None:
        known: dict[str, ReaderState] = {}
        left: set[str] = set()  # listed, and yet gone, as far as anybody could see since
        look = LOOK if states.plug_and_play else SHORT_LOOK
        while not self._stopping.is_set():
            names = list(dict.fromkeys(states.readers()))  # drivers may give a name twice
            self._reached()
            for gone in known.keys() - set(names):
                del known[gone]
                self._forget(gone)
            come = [name for name in names if name not in known]
            if come:
                self._since |= dict.fromkeys(come, time.monotonic())
                self._ask_who(come)
                known |= dict.fromkeys(come, NEVER_SEEN)
            self._announce([name for name in names if name not in left])
            began = time.monotonic()
            now = states.changes(known, look)
            if now == known and time.monotonic() - began < BACKOFF:
                # Some systems say at once that there is something new when there is nothing.
                self._stopping.wait(BACKOFF)
            for name, state in now.items():
                if name not in known:
                    continue
                if not state.known or state.went_back(known[name]):
                    # It left, perhaps to come again before the next look: begin anew with it,
                    # and not at once, lest a service that still lists it keeps us running.
                    del known[name]
                    self._forget(name)
                    left.add(name)
                    self._stopping.wait(BACKOFF)
                    continue
                left.discard(name)
                self._compare(name, known[name], state)
                known[name] = state

    def _compare(self, name: str, old: ReaderState, new: ReaderState) -> None:
        before = self.present(name)
        if before is not None and (not new.present or _another(before, new)):
            self._remove(name)
            before = None
        if new.present and before is None:
            self._insert(name, new, fresh=old.seen and self._is_settled(name))

    def _is_settled(self, name: str) -> bool:
        return time.monotonic() - self._since.get(name, math.inf) >= self._settled

    def _insert(self, name: str, state: ReaderState, *, fresh: bool) -> None:
        inserted = Inserted(
            reader=name,
            insertion=next(_insertions),
            atr=state.atr,
            at=datetime.now(UTC),
            monotonic=time.monotonic(),
            fresh=fresh,
            mute=state.mute,
            count=state.count,
        )
        with self._lock:
            self._present[name] = inserted
        self._say(inserted)

    def _remove(self, name: str) -> None:
        with self._lock:
            gone = self._present.pop(name, None)
        if gone is not None:
            self._say(Removed(name, gone.insertion))

    def _forget(self, name: str) -> None:
        """The reader is gone; what comes under its name may be another one."""
        with self._lock:
            self._attached.pop(name, None)
            self._identities.pop(name, None)
        self._remove(name)

    def _announce(self, names: list[str]) -> None:
        """Those that have said who they are: without its number, the server would take a reader
        for another one, and off its desk."""
        with self._lock:
            told = {name: self._identities[name] for name in names if name in self._identities}
        readers = tuple(
            ReaderSeen(name, told[name].serial, told[name].model) for name in sorted(told)
        )
        if readers != self._announced:
            with self._lock:
                self._announced = readers
            self._looked.set()
            self._say(ReadersChanged(readers))

    def _reached(self) -> None:
        if not self._up:
            self._up = True
            if self._lost:
                self._lost = False
                self._say(ServiceBack())

    def _lose(self) -> None:
        """PC/SC is gone, and with it all that was known."""
        self._up = False
        with self._lock:
            self._attached, self._identities = {}, {}
        for name in list(self._present):
            self._remove(name)
        if self._announced:
            self._announce([])
        with self._lock:
            self._announced = None
        if not self._lost:
            self._lost = True
            self._looked.set()
            self._say(ServiceLost())

    def _ask_who(self, names: list[str]) -> None:
        """Asks each reader who it is, aside: that may block for as long as others hold it."""
        asking = []
        for name in names:
            attached = self._attached[name] = object()
            thread = threading.Thread(
                target=self._ask, args=(name, attached), name=f"who is {name}", daemon=True
            )
            thread.start()
            asking.append(thread)
        end = time.monotonic() + IDENTITY_WITHIN
        for thread in asking:
            thread.join(max(0.0, end - time.monotonic()))

    def _ask(self, name: str, attached: object) -> None:
        began = time.monotonic()
        while not self._stopping.is_set():
            who = self._identity(name)
            with self._lock:
                if self._attached.get(name) is not attached:
                    return
                if who is not None:
                    self._identities[name] = who
            if who is not None:
                break
            self._stopping.wait(ASK_AGAIN)
        if time.monotonic() - began > IDENTITY_WITHIN:
            log.info("a reader that others held has said who it is: %s", name)
            self._wake()

    def _identity(self, name: str) -> Identity | None:
        try:
            return self._port.identity(name)
        except Exception as error:
            log.warning("a reader does not tell who it is: %s", type(error).__name__)
            return Identity()

    def _wake(self) -> None:
        states = self._states
        if states is not None:
            try:
                states.cancel()
            except Exception as error:
                log.debug("could not wake: %s", type(error).__name__)

    def _say(self, sighting: Sighting) -> None:
        try:
            self._tell(sighting)
        except Exception:
            log.exception("whoever listens to the watcher failed")


def _another(before: Inserted, now: ReaderState) -> bool:
    """Not the card of that insertion. The ATR helps where PC/SC does not count."""
    return now.count != before.count or bool(before.atr and now.atr and now.atr != before.atr)
