"""Lists, one reader and its history, reconciliation, the national report: what is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, get_args
from uuid import UUID

import msgspec

from api import cursors
from api.clock import Moment
from api.db import Tx
from api.readers.fleet import queries as sql
from api.readers.fleet import report_queries as report_sql
from api.readers.fleet.model import (
    DIGITS,
    DifferenceKind,
    Filters,
    ReaderAsset,
    ReaderHappening,
    ReaderRequest,
)
from api.readers.fleet.problems import AssetNotFound, RequestNotFound
from api.readers.fleet.report_queries import FleetDifference, FleetLine, FleetVersion
from api.readers.fleet.service import own_office

By = Literal["request", "unit"]
WEEK = timedelta(days=7)
KINDS: tuple[str, ...] = get_args(DifferenceKind)
_facts = msgspec.json.Decoder(dict[str, Any])


class Reconciling(msgspec.Struct, frozen=True):
    """Which letters' lines, or which units."""

    by: By = "request"
    agency: str | None = None
    office: UUID | None = None


class Differing(msgspec.Struct, frozen=True):
    """Which differences, of which readers; without kinds all."""

    kinds: list[DifferenceKind] | None = None
    agency: str | None = None
    office: UUID | None = None
    request: UUID | None = None


class FleetAgency(msgspec.Struct, kw_only=True):
    """An agency's readers. `broken_rate`: the broken among those that reached a unit, 0 to 1.

    `seen`: seen at a bridge in the last seven days. `distributed`: reached a unit and have not come
    back; `difference`: asked for, less these. What is lacking is `missing`, what is too much
    `surplus`: of the whole country, one agency's surplus makes up for nothing that another lacks.
    """

    agency: str
    name_th: str
    name_en: str
    requested: int = 0
    allocated: int = 0
    serials: int = 0
    distributed: int = 0
    unconfirmed: int = 0
    in_service: int = 0
    broken: int = 0
    lost: int = 0
    returned: int = 0
    seen: int = 0
    difference: int = 0
    missing: int = 0
    surplus: int = 0
    broken_rate: float = 0.0


class FleetReport(msgspec.Struct):
    """The national picture at `as_of`. `seen_unlisted`: seen, but on no agency's list."""

    as_of: Moment
    agencies: list[FleetAgency]
    total: FleetAgency
    versions: list[FleetVersion]
    seen_unlisted: int


async def requests(
    tx: Tx, agency: str | None, office: UUID | None, short: bool, cursor: str | None, limit: int
) -> tuple[list[ReaderRequest], str | None]:
    """A page of letters' lines in reach, and the cursor of the next."""
    office = _narrowed(own_office(tx, "reader_asset.read"), office)
    after = cursors.read(cursor, UUID) if cursor else None
    found = await sql.requests(tx, agency, office, short, after, limit)
    return found, cursors.write(found[-1].id) if len(found) == limit else None


async def request(tx: Tx, id: UUID) -> ReaderRequest:
    found = await sql.request(tx, id, own_office(tx, "reader_asset.read"))
    if found is None:
        raise RequestNotFound()
    return found


async def assets(
    tx: Tx, filters: Filters, cursor: str | None, limit: int
) -> tuple[list[ReaderAsset], str | None]:
    """A page of readers in reach by serial. A serial that cannot be one finds nothing."""
    own = own_office(tx, "reader_asset.read")
    after = cursors.read(cursor, str) if cursor else None
    serial = filters.serial
    if serial is not None:
        plain = serial.translate(DIGITS).upper()
        serial = "".join(c for c in plain if c.isascii() and c.isalnum()) or None
        if serial is None:
            return [], None
    asked = msgspec.structs.replace(filters, office=_narrowed(own, filters.office), serial=serial)
    found = await sql.assets(tx, asked, after, limit)
    return found, cursors.write(found[-1].serial_key) if len(found) == limit else None


async def asset(tx: Tx, id: UUID) -> ReaderAsset:
    found = await sql.asset(tx, id, own_office(tx, "reader_asset.read"))
    if found is None:
        raise AssetNotFound()
    return found


async def history(tx: Tx, id: UUID) -> list[ReaderHappening]:
    """What happened to a reader, the oldest first. Raises `AssetNotFound`."""
    await asset(tx, id)
    return [
        ReaderHappening(h.at, h.name, h.account, _facts.decode(h.facts))
        for h in await sql.history(tx, id)
    ]


class _UnitPlace(msgspec.Struct, array_like=True, frozen=True):
    agency: str
    unit: str


async def reconciliation(
    tx: Tx, of: Reconciling, cursor: str | None, limit: int
) -> tuple[list[FleetLine], str | None]:
    """A page of what was asked for beside what is there, by letter's line or by unit."""
    office = _narrowed(own_office(tx, "reader_asset.read"), of.office)
    if of.by == "request":
        after = cursors.read(cursor, UUID) if cursor else None
        found = await report_sql.by_request(tx, of.agency, office, after, limit)
        place: Any = found[-1].request if found else None
    else:
        last = cursors.read(cursor, _UnitPlace) if cursor else None
        after_unit = (last.agency, last.unit) if last else None
        found = await report_sql.by_unit(tx, of.agency, office, after_unit, limit)
        place = (found[-1].agency, found[-1].unit) if found else None
    return found, cursors.write(place) if len(found) == limit else None


class _DifferencePlace(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    serial_key: str


async def differences(
    tx: Tx, of: Differing, cursor: str | None, limit: int
) -> tuple[list[FleetDifference], str | None]:
    """A page of serials on which lists, units and bridges do not agree."""
    last = cursors.read(cursor, _DifferencePlace) if cursor else _DifferencePlace("", "")
    office = _narrowed(own_office(tx, "reader_asset.report"), of.office)
    found = await report_sql.differences(
        tx,
        [str(kind) for kind in of.kinds or KINDS],
        of.agency,
        office,
        of.request,
        (last.kind, last.serial_key),
        limit,
    )
    more = len(found) == limit
    return found, cursors.write((found[-1].kind, found[-1].serial_key)) if more else None


async def report(tx: Tx) -> FleetReport:
    """The national picture: five statements, whatever the fleet's size."""
    own_office(tx, "reader_asset.report")
    since = tx.now - WEEK
    lines = {
        a.code: FleetAgency(agency=a.code, name_th=a.name_th, name_en=a.name_en)
        for a in await sql.agencies(tx)
    }
    unlisted = 0
    for found in (await report_sql.states(tx), await report_sql.asked(tx)):
        for row in found:
            for name in row.__struct_fields__[1:]:
                setattr(lines[row.agency], name, getattr(row, name))
    for seen in await report_sql.seen_since(tx, since):
        if seen.agency is None:
            unlisted = seen.n
        else:
            lines[seen.agency].seen = seen.n
    for line in lines.values():
        line.difference = line.requested - line.distributed
        line.missing, line.surplus = max(line.difference, 0), max(-line.difference, 0)
    total = FleetAgency(agency="", name_th="รวมทั้งประเทศ", name_en="Nationwide")
    for line in lines.values():
        for name in _ADDED:
            setattr(total, name, getattr(total, name) + getattr(line, name))
    for line in (*lines.values(), total):
        line.broken_rate = round(line.broken / line.distributed, 4) if line.distributed else 0.0
    versions = await report_sql.versions(tx, since)
    return FleetReport(tx.now, list(lines.values()), total, versions, unlisted)


_ADDED = (
    *("requested", "allocated", "serials", "distributed", "unconfirmed", "in_service"),
    *("broken", "lost", "returned", "seen", "difference", "missing", "surplus"),
)


def _narrowed(own: UUID | None, asked: UUID | None) -> UUID | None:
    """The caller's own office, or what was asked for where they reach all; another's: nothing."""
    if own is None or asked in (None, own):
        return own or asked
    return UUID(int=0)
