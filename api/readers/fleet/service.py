"""What is done with readers: asked for, allocated, confirmed by units, moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from api import events, ids, permissions
from api.clock import bangkok_date
from api.db import Tx
from api.permissions import Reach, Session
from api.problems import Stale
from api.readers.fleet import queries as sql
from api.readers.fleet.model import (
    MOVES,
    REQUEST_MOVES,
    AgencyNotFound,
    AssetMoveImpossible,
    AssetNotFound,
    ConfirmedSerial,
    ReaderAgency,
    ReaderAgencyEntry,
    ReaderAllocation,
    ReaderAsset,
    ReaderConfirmation,
    ReaderConfirmationAnswer,
    ReaderMove,
    ReaderRequest,
    ReaderRequestEntry,
    ReaderRequestState,
    ReaderState,
    RequestMoveImpossible,
    RequestNotFound,
    RequestTaken,
    SerialsTaken,
    SerialUnreadable,
    TooManySerials,
    Unit,
    UnitNeeded,
    UnitNotFound,
    serial_key,
)
from api.readers.fleet.queries import Claim

MINISTRY = "industry"
"""The agency that our own offices belong to."""
_NOWHERE = UUID(int=0)


def own_office(tx: Tx, verb: str) -> UUID | None:
    """The one office whose readers the caller reaches under `verb`; None: everybody's."""
    if Reach.all in permissions.reaches(tx.actor, verb):
        return None
    assert isinstance(tx.actor, Session)
    return tx.actor.office or _NOWHERE


def account(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


async def write_agency(tx: Tx, code: str, entry: ReaderAgencyEntry) -> ReaderAgency:
    """Puts an agency on the list of those with readers, or corrects its names."""
    permissions.reaches(tx.actor, "reader_agency.write")
    agency = ReaderAgency(code, entry.name_th.strip(), entry.name_en.strip())
    if await sql.write_agency(tx, agency):
        facts = {"code": code}
        record = ids.of_text(f"reader agency {code}")
        await events.record(tx, "reader_agency.written", "reader_agency", record, facts=facts)
    return agency


async def request_readers(tx: Tx, id: UUID, entry: ReaderRequestEntry) -> ReaderRequest:
    """Keeps a line of a letter under the sender's id; the same again changes nothing.

    Raises `RequestTaken`, `RequestNotFound`, `UnitNotFound`, `AgencyNotFound`.
    """
    where = await _unit(tx, entry, "reader_asset.request")
    await tx.lock([id])
    if (found := await sql.request(tx, id)) is not None:
        own = own_office(tx, "reader_asset.request")
        if own is not None and found.office != own:
            raise RequestNotFound()
        told = (*where, entry.document.strip(), entry.asked_on, entry.quantity)
        kept = (found.agency, found.unit, found.office, found.document, found.asked_on)
        if (*kept, found.quantity) != told:
            raise RequestTaken()
        return found
    await sql.insert_request(tx, id, entry, where, account(tx))
    facts = {"agency": where[0], "office": where[2], "quantity": entry.quantity}
    await events.record(tx, "reader_request.made", "reader_request", id, facts=_plain(facts))
    return await _request(tx, id)


async def allocate(tx: Tx, id: UUID, version: int, entry: ReaderAllocation) -> ReaderRequest:
    """Grants readers to a request: how many in all, and the serials that are known by now.

    Raises `RequestNotFound`, `Stale`, `RequestMoveImpossible`, `SerialUnreadable`,
    `TooManySerials`, `SerialsTaken`.
    """
    await tx.lock([sql.LOCK, id])
    request = await _request(tx, id, own_office(tx, "reader_asset.allocate"))
    state = _request_move(request, "allocate", version)
    serials = _keys(entry.serials)
    fresh = await sql.insert_allocated(
        tx, [ids.new() for _ in serials], list(serials.values()), list(serials), id, entry.model
    )
    if taken := serials.keys() - set(fresh):
        known = {k.serial_key: k for k in await sql.known(tx, sorted(taken))}
        if other := sorted(key for key in taken if known[key].request != id):
            raise SerialsTaken(serials=", ".join(serials[key] for key in other[:20]))
    if (count := await sql.serials_of(tx, id)) > entry.allocated:
        raise TooManySerials(serials=count, allocated=entry.allocated)
    await sql.move_request(tx, id, state, entry.allocated)
    facts = {"allocated": entry.allocated, "was": request.allocated, "serials": len(fresh)}
    await events.record(tx, "reader_request.allocated", "reader_request", id, facts=facts)
    return await _request(tx, id)


async def withdraw(tx: Tx, id: UUID, version: int) -> ReaderRequest:
    """Takes a request back for which nothing was granted yet. Raises as `allocate`."""
    await tx.lock([id])
    request = await _request(tx, id, own_office(tx, "reader_asset.request"))
    state = _request_move(request, "withdraw", version)
    await sql.move_request(tx, id, state, request.allocated)
    await events.record(tx, "reader_request.withdrawn", "reader_request", id)
    return await _request(tx, id)


async def confirm(tx: Tx, entry: ReaderConfirmation) -> ReaderConfirmationAnswer:
    """A unit's word for the readers it holds, by serial; every word is kept, whatever lists say.

    Raises `UnitNeeded`, `UnitNotFound`, `AgencyNotFound`.
    """
    agency, unit, office = await _unit(tx, entry, "reader_asset.confirm")
    if not unit:
        raise UnitNeeded()
    items: dict[str, ConfirmedSerial] = {}
    claims: dict[str, Claim] = {}
    for serial in entry.serials:
        if (key := serial_key(serial)) is None:
            items[serial] = ConfirmedSerial(serial, "unreadable")
        else:
            claims.setdefault(key, Claim(serial.strip(), key, agency, unit, office))
    told = await keep_claims(tx, list(claims.values()), account(tx), None)
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
    await events.record(tx, "reader_asset.confirmed", "reader_unit", record, facts=_plain(facts))
    return answer


_WHAT = ("confirmed", "again", "unlisted", "elsewhere", "unreadable")


async def keep_claims(
    tx: Tx, claims: Sequence[Claim], by: UUID | None, import_id: UUID | None
) -> list[ConfirmedSerial]:
    """Keeps claims of any units, at most one of a serial and unit, and moves the readers."""
    await tx.lock([sql.LOCK])
    keys = sorted({c.serial_key for c in claims})
    known = {k.serial_key: k for k in await sql.known(tx, keys)}
    earlier: dict[str, set[tuple[str, str]]] = {}
    for e in await sql.earlier(tx, keys):
        since = known[e.serial_key].reissued_at if e.serial_key in known else None
        if since is None or e.confirmed_at >= since:
            earlier.setdefault(e.serial_key, set()).add((e.agency, e.unit))
    told: list[ConfirmedSerial] = []
    moved: dict[str, Claim] = {}
    for claim in claims:
        reader, before = known.get(claim.serial_key), earlier.get(claim.serial_key, set())
        unit = (claim.agency, claim.unit)
        if unit in before:
            told.append(ConfirmedSerial(claim.serial, "again"))
            continue
        told.append(ConfirmedSerial(claim.serial, _judged(reader, claim, bool(before))))
        earlier.setdefault(claim.serial_key, set()).add(unit)
        if reader and ("confirm", reader.state) in MOVES and reader.agency == claim.agency:
            moved.setdefault(claim.serial_key, claim)
    await sql.keep_confirmations(tx, [ids.new() for _ in claims], claims, by, import_id)
    if moved:
        places = list(moved.values())
        await sql.move_confirmed(
            tx,
            list(moved),
            [c.unit for c in places],
            [c.office for c in places],
            bangkok_date(tx.now),
        )
    return told


def _judged(
    reader: sql.Known | None, claim: Claim, others: bool
) -> Literal["confirmed", "unlisted", "elsewhere"]:
    if reader is None:
        return "unlisted"
    if others or reader.agency != claim.agency:
        return "elsewhere"
    waiting = ("confirm", reader.state) in MOVES
    return "confirmed" if waiting or reader.unit == claim.unit else "elsewhere"


async def move(tx: Tx, id: UUID, version: int, entry: ReaderMove) -> ReaderAsset:
    """Carries one reader to its next state. Raises `AssetNotFound`, `Stale`,
    `AssetMoveImpossible`, and `NotAllowed` for `reissue`, which is the ministry's."""
    if entry.act == "reissue":
        permissions.reaches(tx.actor, "reader_asset.allocate")
    own = own_office(tx, "reader_asset.move")
    await sql.lock_asset(tx, id)
    asset = await sql.asset(tx, id, own)
    if asset is None:
        raise AssetNotFound()
    if asset.version != version:
        raise Stale(current=asset.version)
    state = MOVES.get((entry.act, ReaderState(asset.state)))
    other = entry.replaced_by
    replaced = other is None or (
        state in (ReaderState.broken, ReaderState.returned, ReaderState.lost)
        and other != id
        and await sql.asset(tx, other, own) is not None
    )
    if state is None or not replaced:
        raise AssetMoveImpossible(state=asset.state, verb=entry.act)
    await sql.move_asset(
        tx,
        id,
        state,
        note=entry.note.strip(),
        replaced_by=other,
        distributed_on=_distributed(tx, asset, state),
        reissued=entry.act == "reissue",
    )
    facts = {"act": entry.act, "was": asset.state, "state": state, "replaced_by": other}
    await events.record(tx, "reader_asset.moved", "reader_asset", id, facts=_plain(facts))
    after = await sql.asset(tx, id)
    assert after is not None
    return after


def _distributed(tx: Tx, asset: ReaderAsset, state: ReaderState) -> date | None:
    if state is ReaderState.allocated:
        return None
    if state is ReaderState.distributed:
        return asset.distributed_on or bangkok_date(tx.now)
    return asset.distributed_on


async def _unit(tx: Tx, entry: Unit, verb: str) -> tuple[str, str, UUID | None]:
    """(agency, unit, office) that is meant, if the caller may act for it."""
    own = own_office(tx, verb)
    office = entry.office
    if own is not None:
        if office not in (None, own) or entry.agency not in (None, MINISTRY) or entry.unit:
            raise UnitNotFound()
        office = own
    unit, agency = entry.unit.strip(), entry.agency
    if office is not None:
        name = await sql.office_name(tx, office)
        if name is None:
            raise UnitNotFound()
        unit, agency = name, agency or MINISTRY
    if agency is None or await sql.agency(tx, agency) is None:
        raise AgencyNotFound(agency=agency or "")
    return agency, unit, office


async def _request(tx: Tx, id: UUID, office: UUID | None = None) -> ReaderRequest:
    found = await sql.request(tx, id, office)
    if found is None:
        raise RequestNotFound()
    return found


def _request_move(request: ReaderRequest, verb: str, version: int) -> ReaderRequestState:
    if request.version != version:
        raise Stale(current=request.version)
    state = REQUEST_MOVES.get((verb, ReaderRequestState(request.state)))
    if state is None:
        raise RequestMoveImpossible(state=request.state, verb=verb)
    return state


def _keys(serials: Sequence[str]) -> dict[str, str]:
    """Key → serial as it was written; raises `SerialUnreadable`."""
    found: dict[str, str] = {}
    wrong = []
    for serial in serials:
        key = serial_key(serial)
        if key is None:
            wrong.append(serial)
        else:
            found.setdefault(key, serial.strip())
    if wrong:
        raise SerialUnreadable(serials=", ".join(wrong[:20]))
    return found


def _plain(facts: Mapping[str, object]) -> dict[str, object]:
    """Without what is not known, as JSON has it."""
    converted = msgspec.to_builtins(facts)
    return {k: v for k, v in converted.items() if v is not None}
