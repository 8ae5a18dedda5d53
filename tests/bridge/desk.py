"""One scripted reader with a card in it, without a watcher's thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from reader_bridge.card.reading import TextReading, read_photo, read_text
from reader_bridge.fields import Fault, Field
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Inserted
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import Person, person
from tests.pcsc.virtual_card import VirtualCard

READER = "Sample Reader 00 00"
ONE, OTHER = person(1), person(2)
_numbers = count(1)


class Desk:
    """`present` answers for the watcher: the insertion that `insert` made, until `take`."""

    def __init__(self, card: VirtualCard | None = None, *, oblivious: bool = False) -> None:
        self.readers = ScriptedReaders(READER, oblivious=oblivious)
        self.cards = Cards(self.readers, self)
        self.service_up = True
        self.inserted: Inserted | None = None
        self.card = card or VirtualCard()
        self.insert(self.card)

    def present(self, reader: str) -> Inserted | None:
        return self.inserted

    def insert(self, card: VirtualCard) -> Inserted:
        self.card = self.readers.insert(READER, card)
        state = self.readers.slots[READER].state()
        self.inserted = Inserted(
            READER,
            next(_numbers),
            state.atr,
            datetime.now(UTC),
            time.monotonic(),
            count=state.count,
        )
        return self.inserted

    def take(self) -> None:
        """The card is taken out, and the watcher has seen it."""
        self.readers.remove(READER)
        self.inserted = None

    def read(self, fields: Iterable[Field] = Field, **how: Any) -> TextReading:
        assert self.inserted is not None
        return read_text(self.cards, self.inserted, frozenset(fields), **how)

    def photo(self, same: TextReading, **how: Any) -> bytes:
        assert self.inserted is not None
        return read_photo(self.cards, self.inserted, same, **how)

    def close(self) -> None:
        self.cards.close()


Make = Callable[..., Desk]
"""The fixture `desk`: a desk with that card in its reader, or with ONE's."""


def fault(read: Callable[[], object]) -> Fault:
    with pytest.raises(CardFault) as raised:
        read()
    for name in ("cid", "name_th", "name_en"):
        assert str(getattr(ONE, name)) not in str(raised.value)
    return raised.value.fault


def commands(make: Make) -> int:
    """How many commands a whole text reading takes."""
    return make().read().apdus


def of_one_person(got: TextReading, whose: Person) -> bool:
    text = got.text
    assert text.cid and text.name_en and text.birth and text.address
    return (
        text.cid == whose.cid
        and f"Sample{int(str(whose.request)[4:])}" == text.name_en.first
        and text.address.house == f"{int(str(whose.request)[4:])}/999"
        and text.laser_no == whose.laser
        and got.chip_serial == whose.chip().hex().upper()
    )


def whole(make: Make) -> list[bytes]:
    place = make()
    place.read()
    return list(place.card.seen)
