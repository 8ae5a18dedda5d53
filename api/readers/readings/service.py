"""Verbs of an officer over the readings of their own session, and the end of what was read."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from api import cursors, events, permissions, sealed
from api.db import Tx
from api.permissions import Session
from api.readers.desks import reading as desks
from api.readers.intents import abouts
from api.readers.intents import service as intents
from api.readers.model import LEVEL_TH, POLICIES, Confirmed, Level, passed_on_for
from api.readers.problems import (
    AboutNeeded,
    ChipNeeded,
    PhotoGone,
    ReadingExists,
    ReadingNotFound,
    ReadingUsed,
)
from api.readers.readings import listing_queries, queries, using
from api.readers.readings.queries import Row, SeenReading
from api.readers.views import MatchFace, Reading, SeeDocument, SeenDocument
from api.sealed import Cell, Sealed
from reader_bridge.card.card_text import check_digit_is_right

ERASE_AT_ONCE: Final = 500
_WITHOUT_FACE: Final = ("birth_certificate", "house_register")


async def read(tx: Tx, id: UUID) -> Reading:
    """The caller's own reading, with what was read for as long as it is passed on.

    Raises `ReadingNotFound`.
    """
    return await _view(tx, await _own(tx, id, "reading.read"))


async def mine(tx: Tx, cursor: str | None, limit: int) -> tuple[list[Reading], str | None]:
    """The session's own readings, what came last first, without what was read; and the cursor of
    the next page. Raises `CursorInvalid`."""
    permissions.reaches(tx.actor, "reading.read")
    assert isinstance(tx.actor, Session)
    place = cursors.read(cursor, cursors.Place) if cursor else None
    rows = await listing_queries.mine(
        tx,
        tx.actor.account,
        tx.actor.session,
        place.at if place else None,
        place.id if place else None,
        limit,
    )
    more = len(rows) == limit
    after = cursors.write(cursors.Place(rows[-1].received_at, rows[-1].id)) if more else None
    return [_plain(row) for row in rows], after


async def arrived(tx: Tx, since: datetime | None) -> list[Reading]:
    """What came by the caller's tickets since, or in the last minutes: what a stream tells."""
    assert isinstance(tx.actor, Session)
    since = since or tx.now - intents.SHOWN_FOR
    return [_plain(row) for row in await listing_queries.arrived(tx, tx.actor.account, since)]


async def match_face(tx: Tx, id: UUID, wanted: MatchFace) -> Reading:
    """The officer's own act: they compared the person with the photograph, and say what they saw.

    A face that differs makes the reading useless. Raises `ReadingNotFound`, `ReadingUsed`,
    `ReadingStale`, and `PhotoGone` for a photograph that was never there, or a document without.
    """
    row = await queries.held(tx, id)
    if row is None or not using.is_own(tx, row):
        raise ReadingNotFound()
    if row.used_at is not None:
        raise ReadingUsed(used_for=row.used_for)
    using.check_fresh(tx, row)
    if wanted.against == "photo" and not row.photographed:
        raise PhotoGone()
    if row.label == "seen":
        _, document = await using.opened(tx, row, purpose="reading.match_face")
        if document is not None and document.kind in _WITHOUT_FACE:
            raise PhotoGone()
    if wanted.matches:
        changed = await queries.add_level(tx, id, "officer-face-match")
    else:
        changed = using.FACE_DIFFERS not in row.flags
        await queries.add_flag(tx, id, using.FACE_DIFFERS)
    if changed:
        facts = {"matches": wanted.matches, "against": wanted.against}
        await events.record(tx, "reading.face_matched", "reading", id, facts=facts)
    return await read(tx, id)


async def see_document(tx: Tx, id: UUID, wanted: SeeDocument) -> Reading:
    """No chip could be read: the officer says which document they saw. No copy is taken.

    Under the sender's id: the same again is the same. Raises `ReadingExists`, `AboutNeeded`,
    `ChipNeeded`, `DeskNotFound`, and what the use for `about` would raise now.
    """
    assert isinstance(tx.actor, Session)
    permissions.reaches(tx.actor, "reading.see_document")
    await tx.lock([id])
    before = await queries.one(tx, id)
    if before is not None:
        if not using.is_own(tx, before):
            raise ReadingNotFound()
        same = (before.label, before.purpose, before.about) == (
            ("seen", wanted.purpose, wanted.about)
        )
        if not same or await _seen(tx, before) != wanted.document:
            raise ReadingExists(reading=id)
        return await _view(tx, before)
    policy = POLICIES[wanted.purpose]
    if not policy.seen:
        raise ChipNeeded()
    if policy.about is not None and wanted.about is None:
        raise AboutNeeded(kind=policy.about)
    await abouts.check(tx, wanted.purpose, wanted.about)
    desk = await desks.one(tx, wanted.desk, "reading.see_document")
    key = sealed.make_key()

    async def seal(column: str, value: bytes) -> bytes:
        return await sealed.seal_bytes(tx, key.id, Cell("reading", column, id), value)

    document = msgspec.json.encode(wanted.document)
    number = wanted.document.cid
    await queries.see(
        tx,
        SeenReading(
            id=id,
            purpose=wanted.purpose,
            about=wanted.about,
            session=tx.actor.session,
            account=tx.actor.account,
            office=desk.office,
            desk=desk.id,
            read_at=tx.now,
            key=key,
            cid_index=sealed.index("reading.cid", number) if number else None,
            cid=await seal("cid", number.encode()) if number else None,
            statement=await seal("statement", document),
            passing=await seal("passing", document),
            passing_until=tx.now + passed_on_for("seen"),
            keep_until=tx.now + policy.keep,
            flags=_odd(wanted.document),
        ),
    )
    facts = {"purpose": wanted.purpose, "kind": wanted.document.kind, "why": wanted.document.why}
    await events.record(tx, "reading.seen", "reading", id, facts=facts)
    return await read(tx, id)


def _odd(document: SeenDocument) -> list[str]:
    """As a chip's: a national ID that was mistyped is nobody's."""
    wrong = document.kind == "national_id" and document.number != ""
    if wrong and document.cid:
        wrong = not check_digit_is_right(document.cid)
    return ["cid:check-digit"] if wrong else []


async def _seen(tx: Tx, row: Row) -> SeenDocument:
    """Which document it was, also when that is no longer shown."""
    assert row.statement is not None  # until it is erased
    value = Sealed(Cell("reading", "statement", row.id), row.statement)
    return msgspec.json.decode(
        await sealed.unseal(tx, value, purpose="reading.replay"), type=SeenDocument
    )


async def raise_level(tx: Tx, id: UUID, level: Confirmed) -> None:
    """For a connector that has confirmed a reading; one that is erased, or for `rmac-online` has no
    chip, stays as it is."""
    if await queries.add_level(tx, id, level):
        await events.record(tx, "reading.confirmed", "reading", id, facts={"level": level})


async def sweep(tx: Tx) -> int:
    """Erases readings whose time is over, at most `ERASE_AT_ONCE`; returns how many."""
    ended = await queries.erase(tx, ERASE_AT_ONCE)
    for one in ended:
        if one.data_key is not None:
            await sealed.destroy_key(tx, one.data_key, reason="reading kept long enough")
        await events.record(tx, "reading.erased", "reading", one.id)
    return len(ended)


async def _own(tx: Tx, id: UUID, verb: str) -> Row:
    permissions.reaches(tx.actor, verb)
    row = await queries.one(tx, id)
    if row is None or not using.is_own(tx, row):
        raise ReadingNotFound()
    return row


async def _view(tx: Tx, row: Row) -> Reading:
    found = _plain(row)
    found.card, found.document = await using.opened(tx, row, purpose="reading.read")
    return found


def _plain(row: Row) -> Reading:
    levels = msgspec.convert(row.levels, list[Level])
    return Reading(
        id=row.id,
        label=row.label,
        purpose=row.purpose,
        about=row.about,
        levels=levels,
        levels_th=[LEVEL_TH[level] for level in levels],
        flags=row.flags,
        desk=row.desk,
        intent=row.intent,
        inserted_at=row.inserted_at,
        read_at=row.read_at,
        received_at=row.received_at,
        card=None,
        document=None,
        used_for=row.used_for,
        used_at=row.used_at,
        keep_until=row.keep_until,
    )
