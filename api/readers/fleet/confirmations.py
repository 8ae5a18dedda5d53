"""A unit's word for the readers it holds, by serial: every word is kept, whatever lists say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from api import events, ids
from api.clock import bangkok_date
from api.db import Tx
from api.readers.fleet import confirmation_queries as sql
from api.readers.fleet import queries
from api.readers.fleet.confirmation_queries import Claim
from api.readers.fleet.model import (
    MOVES,
    ConfirmedSerial,
    ReaderConfirmation,
    ReaderConfirmationAnswer,
    ReaderState,
    serial_key,
)
from api.readers.fleet.problems import UnitNeeded
from api.readers.fleet.queries import Known
from api.readers.fleet.service import account, plain, unit_of

What = Literal["confirmed", "again", "unlisted", "elsewhere"]


async def confirm(tx: Tx, entry: ReaderConfirmation) -> ReaderConfirmationAnswer:
    """A unit's word for the readers it holds, by serial; every word is kept, whatever lists say.

    Raises `UnitNeeded`, `UnitNotFound`, `AgencyNotFound`.
    """
    agency, unit, office = await unit_of(tx, entry, "reader_asset.confirm")
    if not unit:
        raise UnitNeeded()
    items: dict[str, ConfirmedSerial] = {}
    claims: dict[str, Claim] = {}
    for serial in entry.serials:
        if (key := serial_key(serial)) is None:
            items[serial] = ConfirmedSerial(serial, "unreadable")
        else:
            claims.setdefault(key, Claim(serial.strip(), key, agency, unit, office))
    told = await keep(tx, list(claims.values()), account(tx), None)
    items |= {item.serial: item for item in told}
    count = {what: sum(i.what == what for i in items.values()) for what in _WHAT}
    answer = ReaderConfirmationAnswer(
        confirmed=count["confirmed"],
        again=count["again"],
        kept=count["unlisted"] + count["elsewhere"],
        unreadable=count["unreadable"],
        items=list(items.values()),
    )
    facts = {"agency": agency, "office": office} | count
    record = ids.of_text(f"reader unit {agency} {unit}")
    await events.record(tx, "reader_asset.confirmed", "reader_unit", record, facts=plain(facts))
    return answer


_WHAT = ("confirmed", "again", "unlisted", "elsewhere", "unreadable")


class Judged(msgspec.Struct):
    """What a claim comes to; `moves`: the reader is the unit's from now on."""

    claim: Claim
    what: What
    reader: Known | None
    moves: bool = False


async def judge(tx: Tx, claims: Sequence[Claim]) -> list[Judged]:
    """What claims of any units come to, at most one of a serial and unit. Writes nothing.

    A word that was said before says nothing new, unless the reader was reissued or told lost since.
    """
    keys = sorted({c.serial_key for c in claims})
    known = {k.serial_key: k for k in await queries.known(tx, keys)}
    earlier: dict[str, set[tuple[str, str]]] = {}
    for e in await sql.earlier(tx, keys):
        since = known[e.serial_key].reissued_at if e.serial_key in known else None
        if since is None or e.confirmed_at >= since:
            earlier.setdefault(e.serial_key, set()).add((e.agency, e.unit))
    found: list[Judged] = []
    moved: set[str] = set()
    for claim in claims:
        reader, before = known.get(claim.serial_key), earlier.setdefault(claim.serial_key, set())
        unit = (claim.agency, claim.unit)
        waits = (
            reader is not None
            and reader.agency == claim.agency
            and ("confirm", ReaderState(reader.state)) in MOVES
            and claim.serial_key not in moved
        )
        if unit in before and not waits:
            found.append(Judged(claim, "again", reader))
            continue
        found.append(Judged(claim, _what(reader, claim, bool(before - {unit})), reader, waits))
        before.add(unit)
        if waits:
            moved.add(claim.serial_key)
    return found


async def keep(
    tx: Tx, claims: Sequence[Claim], by: UUID | None, import_id: UUID | None
) -> list[ConfirmedSerial]:
    """Keeps what says anything new, and moves the readers."""
    await tx.lock([queries.LOCK])
    judged = await judge(tx, claims)
    fresh = [j for j in judged if j.what != "again"]
    if fresh:
        await sql.keep(tx, [ids.new() for _ in fresh], [j.claim for j in fresh], by, import_id)
    if words := [
        sql.Word(ids.new(), j.reader.id, _told(j, j.reader, import_id)) for j in fresh if j.reader
    ]:
        await sql.tell(tx, words)
    if places := [j.claim for j in fresh if j.moves]:
        await sql.move(
            tx,
            [c.serial_key for c in places],
            [c.unit for c in places],
            [c.office for c in places],
            bangkok_date(tx.now),
        )
    return [ConfirmedSerial(j.claim.serial, j.what) for j in judged]


def _told(judged: Judged, reader: Known, import_id: UUID | None) -> str:
    facts = {"agency": judged.claim.agency, "unit": judged.claim.unit, "import": import_id}
    if judged.moves:
        facts |= {"was": reader.state, "state": ReaderState.distributed}
    return msgspec.json.encode(plain(facts)).decode()


def _what(reader: Known | None, claim: Claim, others: bool) -> What:
    if reader is None:
        return "unlisted"
    if others or reader.agency != claim.agency:
        return "elsewhere"
    waiting = ("confirm", ReaderState(reader.state)) in MOVES
    return "confirmed" if waiting or reader.unit == claim.unit else "elsewhere"
