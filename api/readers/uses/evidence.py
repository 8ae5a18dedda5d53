"""What a reading must prove before it says who a person is."""

from __future__ import annotations

import msgspec

from api.readers.readings.using import Used
from api.readers.uses.problems import ReadingNotEnough
from reader_bridge.fields import Name


class PersonsCard(msgspec.Struct, frozen=True):
    """A chip's own words, of a card whose bearer the officer compared with the photograph; its
    repr shows nothing."""

    cid: str
    name_th: Name | None
    name_en: Name | None

    def __repr__(self) -> str:
        return "PersonsCard()"


def of_person(used: Used) -> PersonsCard:
    """Raises `ReadingNotEnough`: a card in a reader says nothing of whoever stands before it."""
    card = used.card
    if not used.trusted:
        raise ReadingNotEnough(reason="device")
    if card is None or not card.cid:
        raise ReadingNotEnough(reason="no_number")
    if card.expires is None and not card.no_expiry:
        raise ReadingNotEnough(reason="no_expiry")
    if "card:expired" in used.flags:
        raise ReadingNotEnough(reason="expired")
    if "officer-face-match" not in used.levels:
        raise ReadingNotEnough(reason="face")
    return PersonsCard(card.cid, card.name_th, card.name_en)


def name(of: Name | None) -> str | None:
    """As providers tell names: without title."""
    if of is None:
        return None
    return " ".join(filter(None, (of.first, of.middle, of.last))) or None
