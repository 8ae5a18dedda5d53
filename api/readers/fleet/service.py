"""What is done with readers: asked for, allocated, moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
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
    ReaderAgency,
    ReaderAgencyEntry,
    ReaderAllocation,
    ReaderAsset,
    ReaderMove,
    ReaderRequest,
    ReaderRequestEntry,
    ReaderRequestState,
    ReaderState,
    Unit,
    serial_key,
)
from api.readers.fleet.problems import (
    AgencyNotFound,
    AssetMoveImpossible,
    AssetNotFound,
    DayWrong,
    RequestMoveImpossible,
    RequestNotFound,
    RequestTaken,
    SerialsTaken,
    SerialUnreadable,
    TooManySerials,
    UnitNotFound,
)

MINISTRY = "industry"
"""The agency that our own offices belong to."""
EARLIEST = date(2000, 1, 1)
"""No letter about readers is older."""
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

    Raises `RequestTaken`, `RequestNotFound`, `UnitNotFound`, `AgencyNotFound`, `DayWrong`.
    """
    where = await unit_of(tx, entry, "reader_asset.request")
    if not EARLIEST <= entry.asked_on <= bangkok_date(tx.now):
        raise DayWrong()
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
    await events.record(tx, "reader_request.made", "reader_request", id, facts=plain(facts))
    return await _request(tx, id)


async def allocate(tx: Tx, id: UUID, version: int, entry: ReaderAllocation) -> ReaderRequest:
    """Grants readers to a request: how many in all, and the serials that are known by now. A reader
    that its agency's list had without a letter, or that was reissued, is granted by its serial.

    Raises `RequestNotFound`, `Stale`, `RequestMoveImpossible`, `SerialUnreadable`,
    `TooManySerials`, `SerialsTaken`.
    """
    await tx.lock([sql.LOCK, id])
    request = await _request(tx, id, own_office(tx, "reader_asset.allocate"))
    state = _request_move(request, "allocate", version)
    serials = _keys(entry.serials)
    fresh = await sql.grant(
        tx, [ids.new() for _ in serials], list(serials.values()), list(serials), id, entry.model
    )
    if taken := serials.keys() - {reader.serial_key for reader in fresh}:
        known = {k.serial_key: k for k in await sql.known(tx, sorted(taken))}
        if other := sorted(key for key in taken if known[key].request != id):
            raise SerialsTaken(serials=", ".join(serials[key] for key in other[:20]))
    if (count := await sql.serials_of(tx, id)) > entry.allocated:
        raise TooManySerials(serials=count, allocated=entry.allocated)
    await sql.move_request(tx, id, state, entry.allocated)
    if before := [reader.id for reader in fresh if reader.known]:
        facts = {"request": id, "document": request.document}
        told = msgspec.json.encode(facts).decode()
        await sql.tell_granted(tx, before, [ids.new() for _ in before], told)
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
    facts: dict[str, object] = {"act": entry.act, "was": asset.state, "state": state}
    facts["replaced_by"] = other
    if entry.act == "reissue":
        facts |= {"request_was": asset.request, "unit_was": asset.unit or None}
    await events.record(tx, "reader_asset.moved", "reader_asset", id, facts=plain(facts))
    after = await sql.asset(tx, id)
    assert after is not None
    return after


def _distributed(tx: Tx, asset: ReaderAsset, state: ReaderState) -> date | None:
    if state is ReaderState.allocated:
        return None
    if state is ReaderState.distributed:
        return asset.distributed_on or bangkok_date(tx.now)
    return asset.distributed_on


async def unit_of(tx: Tx, entry: Unit, verb: str) -> tuple[str, str, UUID | None]:
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


def plain(facts: Mapping[str, object]) -> dict[str, object]:
    """Without what is not known, as JSON has it."""
    converted = msgspec.to_builtins(facts)
    return {k: v for k, v in converted.items() if v is not None}
