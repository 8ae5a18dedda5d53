"""Faults of a card, to be ordered: `VirtualCard(person(), after(7, pull()))`.

Each is a function of card and APDU; the first of `VirtualCard.faults` that answers is heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.pcsc.people import Person
from tests.pcsc.virtual_card import CardPulled, Fault, VirtualCard


def after(count: int, fault: Fault) -> Fault:
    """`fault` for every APDU behind the first `count` since the card was put in."""
    return lambda card, apdu: fault(card, apdu) if len(card.seen) > count else None


def once(count: int, fault: Fault) -> Fault:
    """`fault` for APDU number `count` + 1 alone."""
    return lambda card, apdu: fault(card, apdu) if len(card.seen) == count + 1 else None


def fetching(fault: Fault) -> Fault:
    """`fault` for GET RESPONSE alone."""
    return lambda card, apdu: fault(card, apdu) if apdu[:2] == b"\x00\xc0" else None


def pull(then: VirtualCard | None = None) -> Fault:
    """The card is pulled out instead of answering, and `then` put in at once."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        raise CardPulled(then)

    return fault


def become(other: Person) -> Fault:
    """From here on another person's card answers, with nothing on the line to show it."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        if card.person is not other:
            card.person, card.chip = other, other.chip() if card.chip is not None else None
        return None

    return fault


def says(status: bytes | str) -> Fault:
    """This status word and nothing else: `says("6F00")`."""
    answer = bytes.fromhex(status) if isinstance(status, str) else status
    return lambda card, apdu: answer


def more_for_ever(count: int = 0x10) -> Fault:
    """Data that never ends: `count` more bytes are always waiting."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        card.answer(apdu)
        more = bytes((0x61, count))
        return b"A" * (apdu[4] or 256) + more if apdu[:2] == b"\x00\xc0" else more

    return fault


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """Data of another shape, under the same status word; an answer without data stays."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        answer = card.answer(apdu)
        return change(answer[:-2]) + answer[-2:] if len(answer) > 2 else answer

    return fault


def short(by: int = 1) -> Fault:
    """The last `by` bytes of what was asked for are missing."""
    return changed(lambda data: data[:-by])


def too_long(by: int = 1) -> Fault:
    """`by` bytes more than were asked for."""
    return changed(lambda data: data + b"A" * by)


def nulls() -> Fault:
    """NULs in place of the data."""
    return changed(lambda data: bytes(len(data)))


def lies_of_length(by: int) -> Fault:
    """`61 xx` that promises `by` bytes more (or fewer) than there are."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        answer = card.answer(apdu)
        return answer[:-1] + bytes(((answer[-1] + by) & 0xFF,)) if answer[-2] == 0x61 else answer

    return fault


CLOCK_HZ = 4_000_000  # what common readers give a chip
CLOCKS = {"3B68": 372, "3B78": 31, "3B79": 31, "3B79-fast": 16, "3B67": 372}
"""Clocks of a bit for each of `virtual_card.ATRS`: F/D of its TA1 (372/12, 512/32; else 372)."""


def seconds_of_bytes(apdu: bytes, answer: bytes, clocks: float) -> float:
    """How long command and answer take on the contact of a T=0 card: 12 bits a byte, `clocks` a
    bit (ISO 7816-3)."""
    more = len(apdu) - 5 + len(answer) - 2
    # Header, status word, and the chip's one byte before anything more goes either way.
    return (7 + more + (more > 0)) * 12 * clocks / CLOCK_HZ


def byte_time(clocks: float) -> Fault:
    """Every answer takes the time of its bytes, and its command's; none of the chip's own."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        answer = card.answer(apdu)
        time.sleep(seconds_of_bytes(apdu, answer, clocks))
        return answer

    return fault


def slow(milliseconds: float) -> Fault:
    """Every answer takes that much longer; what comes behind it in `faults` still applies."""

    def fault(card: VirtualCard, apdu: bytes) -> bytes | None:
        time.sleep(milliseconds / 1000)
        return None

    return fault
