"""A reading serves one purpose once: how other features take one up."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from api import events, sealed
from api.accounts import by_card
from api.db import Tx
from api.permissions import Session
from api.problems import SignInNeeded
from api.readers.model import BridgeState, Level, Purpose
from api.readers.problems import (
    ReadingFaceDiffers,
    ReadingForOther,
    ReadingNotFound,
    ReadingStale,
    ReadingUsed,
)
from api.readers.readings import queries
from api.readers.readings.queries import Row
from api.readers.views import SeenDocument
from api.sealed import Cell, Sealed
from reader_bridge.fields import CardText

FACE_DIFFERS: Final = "face:differs"
OWN_CARD: Final = "card:own"
"""The card is of the officer who read it."""
STOPPED: Final = {
    BridgeState.frozen: "device:frozen",
    BridgeState.revoked: "device:revoked",
}
"""Its device was stopped between reading and use: what it said may be somebody else's word."""
_OF_ONE_PERSON: Final = ("passport", "alien_id", "driving_licence")
PROBLEMS = (
    ReadingNotFound,
    ReadingUsed,
    ReadingForOther,
    ReadingStale,
    ReadingFaceDiffers,
)
"""What a route declares whose verb uses a reading."""


class Used(msgspec.Struct, frozen=True):
    """What the using feature may know of the reading that it has just used up.

    `read_at`: by the server's clock, but for one that came offline by its device's, and never after
    its arrival. `card` for a chip, `document` for what was only seen. The feature keeps of it what
    its own law asks for, sealed; its repr shows nothing.
    """

    id: UUID
    levels: tuple[Level, ...]
    label: str
    flags: tuple[str, ...]
    read_at: datetime
    card: CardText | None
    document: SeenDocument | None

    def __repr__(self) -> str:
        return f"Used({self.id})"

    @property
    def trusted(self) -> bool:
        """Whether its device was still one of ours when it was used."""
        return not set(STOPPED.values()) & set(self.flags)

    @property
    def name(self) -> str:
        """In one line, Thai; empty where it was not read."""
        if self.document is not None:
            return self.document.name
        if self.card is None or self.card.name_th is None:
            return ""
        name = self.card.name_th
        return " ".join(filter(None, (name.prefix + name.first, name.middle, name.last)))

    @property
    def person(self) -> str:
        """What tells its bearer from anybody else: the CID, or a document with who issued it; empty
        where nothing that was read is one person's alone."""
        cid = _cid(self.card, self.document)
        if cid or self.document is None or self.document.kind not in _OF_ONE_PERSON:
            return cid
        said = (self.document.kind, self.document.issued_by, self.document.number)
        return ":".join("".join(s.split()).casefold() for s in said) if self.number else ""

    @property
    def number(self) -> str:
        """The CID, or what stands on the document; empty where it was not read."""
        if self.document is not None:
            return self.document.number
        return "" if self.card is None else self.card.cid or ""


async def use(
    tx: Tx, reading: UUID, purpose: Purpose, *, about: UUID | None, used_for: str, by: UUID
) -> Used:
    """Uses up the caller's own `reading` for `used_for`, a kind of record, of id `by`.

    Call it in the transaction of the act, after asking whether the act was done before: a rollback
    gives the reading back. `about`: the record that it must have been made for, where it names one.
    Raises `ReadingNotFound` (not of this session), `ReadingUsed`, `ReadingForOther`,
    `ReadingStale`, `ReadingFaceDiffers`.
    """
    row = await own(tx, reading)
    if row.used_at is not None:
        raise ReadingUsed(used_for=row.used_for)
    if row.purpose != purpose or (row.about is not None and row.about != about):
        raise ReadingForOther(purpose=row.purpose)
    check_fresh(tx, row)
    if FACE_DIFFERS in row.flags:
        raise ReadingFaceDiffers()
    card, document = await opened(tx, row, purpose=f"reading.{used_for}")
    flags = [*row.flags, *await _odd(tx, row, _cid(card, document))]
    await queries.use(tx, reading, used_for, by, flags)
    facts = {"for": used_for, "by": by}
    await events.record(tx, "reading.used", "reading", reading, facts=facts)
    return Used(
        id=reading,
        levels=tuple(_levels(row)),
        label=row.label,
        flags=tuple(flags),
        read_at=min(row.read_at, row.received_at) if row.label == "offline" else row.received_at,
        card=card,
        document=document,
    )


async def own(tx: Tx, reading: UUID) -> Row:
    """The caller's own reading, for a change. Raises `ReadingNotFound`."""
    row = await queries.held(tx, reading)
    if row is None or not is_own(tx, row):
        raise ReadingNotFound()
    return row


async def spend(tx: Tx, reading: UUID, *, used_for: str, by: UUID) -> None:
    """Uses a reading up after a refusal that must stand; one that is used already stays."""
    row = await queries.held(tx, reading)
    if row is not None and row.used_at is None:
        await queries.use(tx, reading, used_for, by, row.flags)
        facts = {"for": used_for, "by": by}
        await events.record(tx, "reading.used", "reading", reading, facts=facts)


def check_fresh(tx: Tx, row: Row) -> None:
    """Raises `ReadingStale` where what was read is no longer passed on."""
    if row.passing is None or row.passing_until is None or row.passing_until <= tx.now:
        raise ReadingStale()


def is_own(tx: Tx, row: Row) -> bool:
    """Released to the session that waited for it alone; one that came offline, to its officer."""
    if not isinstance(tx.actor, Session):
        raise SignInNeeded()
    return row.account == tx.actor.account and row.session in (None, tx.actor.session)


async def opened(tx: Tx, row: Row, *, purpose: str) -> tuple[CardText | None, SeenDocument | None]:
    """What may still be seen of a reading; opening it is an event."""
    if row.passing is None or row.passing_until is None or row.passing_until <= tx.now:
        return None, None
    value = Sealed(Cell("reading", "passing", row.id), row.passing)
    text = await sealed.unseal(tx, value, purpose=purpose)
    if row.label == "seen":
        return None, msgspec.json.decode(text, type=SeenDocument)
    return msgspec.json.decode(text, type=CardText), None


async def _odd(tx: Tx, row: Row, cid: str) -> list[str]:
    """What has become strange about a reading by the time that it is used."""
    flags = [STOPPED[row.device]] if row.device in STOPPED else []
    if cid and await by_card.is_of_account(tx, row.account, cid):
        flags.append(OWN_CARD)
    return flags


def _cid(card: CardText | None, document: SeenDocument | None) -> str:
    if document is not None:
        return document.cid
    return "" if card is None else card.cid or ""


def _levels(row: Row) -> list[Level]:
    return msgspec.convert(row.levels, list[Level])
