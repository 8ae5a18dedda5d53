"""Card readers out of memory: the port of `reader_bridge` filled without any PC/SC.

They behave as PC/SC does where it is at its strictest: after a card has left, its transaction
answers `card-removed` for ever, whatever lies in the reader now. With `oblivious` they do the
opposite, and whatever card lies there answers; that is what a broken driver could do at worst.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from reader_bridge.fields import Fault
from reader_bridge.pcsc.ports import (
    EMPTY,
    PRESENT,
    UNKNOWN,
    CardFault,
    Identity,
    ReaderState,
    States,
)
from tests.pcsc.virtual_card import CardPulled, VirtualCard


@dataclass
class Slot:
    card: VirtualCard | None = None
    count: int = 0
    held: threading.Lock = field(default_factory=threading.Lock)

    def state(self) -> ReaderState:
        if self.card is None:
            return ReaderState(self.count << 16 | EMPTY)
        return ReaderState(self.count << 16 | PRESENT, self.card.atr)


class ScriptedReaders:
    """A `CardPort` and a `StatePort`. `left` holds how each transaction was ended.

    `before` is called with the number of each command of a transaction (from 1), before the card
    hears it: the place for a hand that pulls the card out, or a service that dies.
    """

    def __init__(self, *names: str, oblivious: bool = False) -> None:
        self.slots = {name: Slot() for name in names}
        self.identities: dict[str, Identity] = {}
        self.oblivious = oblivious
        self.running = True
        self.plug_and_play = True
        self.opened = 0
        self.before: Callable[[int], None] = lambda number: None
        self.open_transactions = 0
        self._changed = threading.Condition(threading.RLock())

    def insert(self, name: str, card: VirtualCard) -> VirtualCard:
        with self._changed:
            slot = self.slots[name]
            if slot.card is not None:
                slot.count += 1
            slot.card = card
            slot.count += 1
            card.inserted()
            self._changed.notify_all()
        return card

    def remove(self, name: str) -> None:
        with self._changed:
            slot = self.slots[name]
            if slot.card is not None:
                slot.card, slot.count = None, slot.count + 1
            self._changed.notify_all()

    def plug(self, name: str, card: VirtualCard | None = None) -> None:
        with self._changed:
            self.slots[name] = Slot()
            if card is not None:
                self.insert(name, card)
            self._changed.notify_all()

    def unplug(self, name: str) -> None:
        with self._changed:
            del self.slots[name]
            self._changed.notify_all()

    def service(self, running: bool) -> None:
        """Killed, or started again: then every reader counts from nothing."""
        with self._changed:
            self.running = running
            for slot in self.slots.values():
                slot.count = int(slot.card is not None)
            self._changed.notify_all()

    @contextmanager
    def connect(self, reader: str) -> Iterator[_Transaction]:
        slot = self._slot(reader)
        with slot.held:
            self.open_transactions += 1
            try:
                yield _Transaction(self, reader, slot)
            finally:
                self.open_transactions -= 1

    @contextmanager
    def open(self) -> Iterator[States]:
        if not self.running:
            raise CardFault(Fault.service_gone, "scripted")
        self.opened += 1
        yield _States(self)

    def identity(self, reader: str) -> Identity | None:
        return self.identities.get(reader, Identity())

    def _slot(self, reader: str) -> Slot:
        with self._changed:
            if not self.running:
                raise CardFault(Fault.service_gone, "scripted")
            if reader not in self.slots:
                raise CardFault(Fault.reader_gone, "scripted")
            slot = self.slots[reader]
            if slot.card is None:
                raise CardFault(Fault.card_removed, "scripted")
            return slot


class _Transaction:
    def __init__(self, port: ScriptedReaders, reader: str, slot: Slot) -> None:
        self._port, self._reader, self._slot = port, reader, slot
        self._count, self._sent = slot.count, 0

    def transmit(self, apdu: bytes) -> tuple[bytes, int, int]:
        self._sent += 1
        self._port.before(self._sent)
        slot = self._port._slot(self._reader)
        if slot is not self._slot or (slot.count != self._count and not self._port.oblivious):
            raise CardFault(Fault.card_removed, "scripted")
        assert slot.card is not None
        try:
            return slot.card.transmit(apdu)
        except CardPulled as pulled:
            self._port.remove(self._reader)
            if pulled.then is not None:
                self._port.insert(self._reader, pulled.then)
            raise CardFault(Fault.card_removed, "scripted") from None

    def state(self) -> ReaderState:
        with self._port._changed:
            if not self._port.running:
                raise CardFault(Fault.service_gone, "scripted")
            slot = self._port.slots.get(self._reader)
            return ReaderState(UNKNOWN) if slot is None else slot.state()


class _States:
    def __init__(self, port: ScriptedReaders) -> None:
        self._port, self._cancelled = port, False

    @property
    def plug_and_play(self) -> bool:
        return self._port.plug_and_play

    def readers(self) -> list[str]:
        self._alive()
        return list(self._port.slots)

    def changes(self, known: Mapping[str, ReaderState], seconds: float) -> dict[str, ReaderState]:
        def now() -> dict[str, ReaderState]:
            slots = self._port.slots
            return {
                name: slots[name].state() if name in slots else ReaderState(UNKNOWN)
                for name in known
            }

        def over() -> bool:
            if not self._port.running or self._cancelled or now() != dict(known):
                return True
            return self.plug_and_play and set(self._port.slots) != set(known)

        with self._port._changed:
            self._port._changed.wait_for(over, seconds)
            self._cancelled = False
            self._alive()
            return now()

    def cancel(self) -> None:
        with self._port._changed:
            self._cancelled = True
            self._port._changed.notify_all()

    def _alive(self) -> None:
        if not self._port.running:
            raise CardFault(Fault.service_gone, "scripted")


def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Raises AssertionError if `true` does not become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.002)
