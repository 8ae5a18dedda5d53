"""The small port that everything which needs a card goes through.

`pcsc.py` fills it with the PC/SC of the machine; tests fill it with a scripted card.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from reader_bridge.fields import Fault

# Bits of a reader's state (PC/SC part 5, SCARD_READERSTATE); the high word counts insertions and
# removals, so that two cards are told apart though nobody looked in between.
UNKNOWN, UNAVAILABLE, EMPTY, PRESENT = 0x04, 0x08, 0x10, 0x20
EXCLUSIVE, IN_USE, MUTE = 0x80, 0x100, 0x200
CHANGED = 0x02


class CardFault(Exception):
    """Why there is no reading. `detail` is for logs: codes and calls, never what a card said."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault, self.detail = fault, detail


@dataclass(frozen=True)
class ReaderState:
    """What PC/SC says of one reader: its state bits with the counter above them, and the ATR."""

    raw: int = 0
    atr: bytes = b""

    @property
    def count(self) -> int:
        """How often cards went in or out, modulo 65,536; always 0 where PC/SC does not count."""
        return self.raw >> 16 & 0xFFFF

    @property
    def present(self) -> bool:
        return bool(self.raw & PRESENT)

    @property
    def mute(self) -> bool:
        """A card that does not answer its power-up: upside down, or none at all."""
        return bool(self.raw & MUTE)

    @property
    def known(self) -> bool:
        """There is such a reader."""
        return not self.raw & UNKNOWN

    @property
    def seen(self) -> bool:
        """Somebody looked, and PC/SC could tell (it cannot while a driver stumbles)."""
        return self.raw != 0 and not self.raw & UNAVAILABLE

    def went_back(self, before: ReaderState) -> bool:
        """It counts less than it did: the reader came anew, or another one under its name, though
        nobody saw one leave."""
        return before.seen and self.seen and (self.count - before.count) & 0xFFFF >= 0x8000


@dataclass(frozen=True)
class Identity:
    """What a reader says of itself; what it does not say is None."""

    serial: str | None = None
    model: str | None = None


class Transaction(Protocol):
    """One connection to one card that nobody else can use meanwhile. For one thread."""

    def transmit(self, apdu: bytes) -> tuple[bytes, int, int]:
        """Data, SW1, SW2. Raises CardFault; after that the transaction is good for nothing."""
        ...

    def state(self) -> ReaderState:
        """The reader as it is now, whatever this transaction believes. Raises CardFault."""
        ...


class CardPort(Protocol):
    def connect(self, reader: str) -> AbstractContextManager[Transaction]:
        """One transaction, at the end of which the card is left as it is. Raises CardFault.

        May block for as long as another program holds the card; `Cards` sets a limit to that.
        """
        ...


class States(Protocol):
    """One connection to PC/SC, to see readers and cards come and go. `cancel` is for any thread."""

    @property
    def plug_and_play(self) -> bool:
        """Whether `changes` also ends when readers come or go."""
        ...

    def readers(self) -> list[str]:
        """Their names; an empty list when there are none. Raises CardFault."""
        ...

    def changes(self, known: Mapping[str, ReaderState], seconds: float) -> dict[str, ReaderState]:
        """The state of every reader in `known`, as soon as one differs from it, or after `seconds`.

        Also ends early after `cancel`, and when readers come or go. Raises CardFault.
        """
        ...

    def cancel(self) -> None:
        """End a `changes` that runs. Raises nothing."""
        ...


class StatePort(Protocol):
    def open(self) -> AbstractContextManager[States]:
        """Raises CardFault (`service-gone` when PC/SC does not run)."""
        ...

    def identity(self, reader: str) -> Identity | None:
        """What the reader says of itself; None where it cannot be asked just now, for another
        program has it for itself. May block while another program holds it; no errors."""
        ...


class Port(CardPort, StatePort, Protocol):
    """Both halves of PC/SC."""
