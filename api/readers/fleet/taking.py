"""Takes a part of a list: readers, letters or confirmations, each its own way, set by set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from api import events, ids
from api.clock import bangkok_date
from api.db import Tx
from api.factories.feed import Rejected
from api.readers.fleet import confirmations, listing, queries
from api.readers.fleet import import_queries as sql
from api.readers.fleet.confirmation_queries import Claim
from api.readers.fleet.listing import Place, rejected
from api.readers.fleet.model import ReaderRequestState
from api.readers.fleet.rows import Kind, Row
from api.readers.fleet.service import MINISTRY

Line = tuple[Row, Place]


class Taking(msgspec.Struct):
    """One import: what its lines are looked up by. `agency`: whose lines alone it may have."""

    id: UUID
    kind: Kind
    agency: str | None
    preview: bool
    by: UUID | None
    agencies: dict[str, str] = {}
    offices: dict[str, tuple[UUID, str]] = {}

    async def look_up(self, tx: Tx) -> None:
        for agency in await queries.agencies(tx):
            self.agencies |= dict.fromkeys((agency.code, agency.name_th), agency.code)
        for office in await queries.offices(tx):
            names = (office.code, office.name_th, str(office.id))
            self.offices |= dict.fromkeys(names, (office.id, office.name_th))

    def place(self, row: Row, today: date) -> Place | Rejected:
        """Whose line it is, if it can be anybody's."""
        if row.day is not None and row.day > today:
            th, en = "วันที่ยังมาไม่ถึง", "the day has not come yet"
            return rejected(row, "date", "future", th, en, row.day.isoformat())
        agency, unit, office = row.agency or self.agency or "", row.unit, row.office
        named = self.offices.get(office) or (None if office else self.offices.get(unit))
        if office and named is None:
            return rejected(row, "office", "unknown", "ไม่รู้จักสำนักงานนี้", "no such office", office)
        if named is not None:
            agency, unit = agency or MINISTRY, named[1]
        code = self.agencies.get(agency)
        if code is None:
            return rejected(
                row,
                "agency",
                "unknown" if agency else "missing",
                "หน่วยงานนี้ยังไม่อยู่ในบัญชีผู้ใช้เครื่องอ่านบัตร" if agency else "ไม่ได้ระบุหน่วยงาน",
                "no such agency on the list" if agency else "the agency is missing",
                agency,
            )
        if self.agency is not None and code != self.agencies[self.agency]:
            return rejected(
                row,
                "agency",
                "other_agency",
                f"แฟ้มนี้นำเข้าในนามของ {self.agency} แต่บรรทัดนี้เป็นของ {code}",
                f"the file is imported for {self.agency}, but this line is {code}'s",
                code,
            )
        if self.kind == "confirmations" and not unit:
            return rejected(row, "unit", "missing", "ไม่ได้ระบุหน่วยที่ได้รับ", "the unit is missing", "")
        return Place(code, unit, named[0] if named else None)


async def take_readers(
    of: Taking, tx: Tx, lines: list[Line], faults: list[Rejected]
) -> tuple[int, int]:
    """(added, changed); so with the others."""
    known = {k.serial_key: k for k in await queries.known(tx, [row.key for row, _ in lines])}
    documents = sorted({row.document for row, _ in lines if row.document})
    letters: dict[tuple[str, str], dict[str, UUID]] = {}
    for line in await sql.asked(tx, documents) if documents else []:
        if line.state != ReaderRequestState.withdrawn:
            letters.setdefault((line.agency, line.document), {})[line.unit] = line.id
    today = bangkok_date(tx.now)
    new: list[sql.NewAsset] = []
    changed: list[sql.ChangedAsset] = []
    same: list[tuple[UUID, bytes]] = []
    for row, place in lines:
        request = listing.letter(letters.get((place.agency, row.document), {}), place.unit)
        if row.document and request is None:
            faults.append(listing.unknown_letter(row))
        before = known.get(row.key)
        if before is None:
            new.append(listing.added(row, place, request, today))
            continue
        if row.says == before.listed and before.agency == place.agency:
            continue  # nothing new: most lines of most lists
        made = listing.changed(row, place, request, before, today, of.id, faults)
        if isinstance(made, Rejected):
            faults.append(made)
        elif made is not None:
            changed.append(made)
        elif (says := listing.merged(row.says, before.listed)) != before.listed:
            same.append((before.id, says))
    if not of.preview:
        if new:
            await sql.add_assets(tx, new, of.id)
        if changed:
            who, by, _ = events.actor_columns(tx)
            await sql.change_assets(tx, changed, who, by)
        if same:
            await sql.listed(tx, *zip(*same, strict=True))
    return len(new), len(changed)


async def take_confirmations(
    of: Taking, tx: Tx, lines: list[Line], faults: list[Rejected]
) -> tuple[int, int]:
    claims: dict[tuple[str, str, str], Claim] = {}
    for row, p in lines:
        key = row.key.partition("\n")[0]
        claims.setdefault(
            (key, p.agency, p.unit), Claim(row.serial, key, p.agency, p.unit, p.office)
        )
    said = list(claims.values())
    what: list[str]
    if of.preview:
        what = [judged.what for judged in await confirmations.judge(tx, said)]
    else:
        what = [item.what for item in await confirmations.keep(tx, said, of.by, of.id)]
    judged = dict(zip(claims, what, strict=True))
    for row, p in lines:
        found = judged[row.key.partition("\n")[0], p.agency, p.unit]
        if found in _REMARKS:
            th, en = _REMARKS[found]
            faults.append(Rejected(row.line, True, "serial", found, th, en, row.serial))
    return sum(w != "again" for w in what), 0


async def take_requests(
    of: Taking, tx: Tx, lines: list[Line], faults: list[Rejected]
) -> tuple[int, int]:
    documents = sorted({row.document for row, _ in lines})
    known = {(k.agency, k.document, k.unit): k for k in await sql.asked(tx, documents)}
    written: list[sql.Letter] = []
    added = 0
    first: dict[tuple[str, str, str], int] = {}
    for row, p in lines:
        assert row.day is not None
        name = (p.agency, row.document, p.unit)
        if (line := first.setdefault(name, row.line)) != row.line:
            th, en = f"ซ้ำกับบรรทัดที่ {line} ใช้บรรทัดแรก", f"the same as line {line}"
            faults.append(rejected(row, "document", "duplicate", th, en, row.document))
            continue
        before = known.get(name)
        if before is None:
            added += 1
            written.append(
                (ids.new(), *name, p.office, row.day, row.quantity, row.allocated or 0, row.says)
            )
            continue
        if before.state == ReaderRequestState.withdrawn:
            th, en = "รายการขอนี้ถอนไปแล้ว", "this request was withdrawn"
            faults.append(rejected(row, "document", "withdrawn", th, en, row.document))
            continue
        day, quantity, allocated = listing.new_of(row.says, before.listed)
        if allocated and row.allocated is not None and row.allocated < before.serials:
            faults.append(listing.fewer_than_serials(row, before.serials))
            continue
        after = (
            row.day if day else before.asked_on,
            row.quantity if quantity else before.quantity,
            row.allocated if allocated and row.allocated is not None else before.allocated,
        )
        if after != (before.asked_on, before.quantity, before.allocated):
            says = listing.merged(row.says, before.listed)
            written.append((before.id, *name, p.office, *after, says))
    if written and not of.preview:
        await sql.write_requests(tx, written, of.by)
    return added, len(written) - added


_REMARKS: Final = {
    "unlisted": (
        "เก็บคำยืนยันไว้ แต่หมายเลขนี้ไม่อยู่ในบัญชีใด",
        "the confirmation is kept, but no list knows this serial",
    ),
    "elsewhere": (
        "เก็บคำยืนยันไว้ แต่หน่วยอื่นก็ถือเครื่องหมายเลขนี้",
        "the confirmation is kept, but another unit has this reader, too",
    ),
}
TAKE: Final[
    dict[Kind, Callable[[Taking, Tx, list[Line], list[Rejected]], Awaitable[tuple[int, int]]]]
] = {
    "readers": take_readers,
    "confirmations": take_confirmations,
    "requests": take_requests,
}
