"""Imports lists of readers: previewed or applied, part by part, each part one commit.

The same file again writes nothing; what is the same by serial is not written either, so a run that
was stopped is simply run again. A line is compared with the list's line before: what an officer has
entered since stands until the list itself says something new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from api import events, ids
from api.clock import bangkok_date
from api.db import Database, Tx
from api.factories.feed import Rejected
from api.factories.feed_report import Report
from api.permissions import Worker
from api.readers.fleet import import_queries as sql
from api.readers.fleet import queries, rows
from api.readers.fleet.model import (
    BATCH,
    LISTABLE,
    STATE_TH,
    AgencyNotFound,
    ReaderRequestState,
    ReaderState,
)
from api.readers.fleet.queries import Claim, Known
from api.readers.fleet.rows import File, Kind, Part, Row
from api.readers.fleet.service import MINISTRY, account, keep_claims

TOLD = 1_000
"""Faults that an answer names; the report file has all."""

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


class ReaderImportFault(msgspec.Struct):
    """`kept`: the line counts, but for what is said here."""

    line: int
    kept: bool
    column: str
    reason: str
    th: str
    en: str
    value: str


class ReaderImport(msgspec.Struct):
    """What an import did, or would do (`preview`). `replayed`: this very file was imported before.

    `read` = added + changed + same + rejected; `noted` lines count, with a remark. `faults` names
    the first 1,000.
    """

    id: UUID
    kind: Kind
    preview: bool
    replayed: bool = False
    read: int = 0
    added: int = 0
    changed: int = 0
    same: int = 0
    rejected: int = 0
    noted: int = 0
    faults: list[ReaderImportFault] = []


class Run:
    """One import under way: what it looks up by, and what came of it so far."""

    def __init__(self, file: File, agency: str | None, preview: bool, by: UUID | None) -> None:
        self.file, self.agency, self.by = file, agency, by
        self.outcome = ReaderImport(ids.new(), file.kind, preview)
        self.agencies: dict[str, str] = {}
        self.offices: dict[str, tuple[UUID, str]] = {}

    async def begin(self, tx: Tx, name: str) -> bool:
        """Whether there is anything to do. Raises `AgencyNotFound`."""
        for agency in await queries.agencies(tx):
            self.agencies |= dict.fromkeys((agency.code, agency.name_th), agency.code)
        if self.agency is not None and self.agency not in self.agencies:
            raise AgencyNotFound(agency=self.agency)
        for office in await queries.offices(tx):
            self.offices |= dict.fromkeys(
                (office.code, office.name_th), (office.id, office.name_th)
            )
        sha256, kind, outcome = self.file.facts.sha256, self.file.kind, self.outcome
        if outcome.preview:
            return True
        if done := await sql.before(tx, sha256, kind, self.agency):
            outcome.id, outcome.replayed = done.id, True
            outcome.read, outcome.added, outcome.changed = done.read, done.added, done.changed
            outcome.same = done.read - done.added - done.changed
            return False
        await sql.begin(tx, outcome.id, kind, name[:200], sha256, self.agency, self.by)
        return True

    async def take(self, tx: Tx, part: Part) -> tuple[int, int, list[Rejected]]:
        """(added, changed, faults) of a part, in the transaction of `tx`."""
        faults = list(part.faults)
        found: list[tuple[Row, Place]] = []
        for row in part.rows:
            placed = self._place(row)
            if isinstance(placed, Rejected):
                faults.append(placed)
            else:
                found.append((row, placed))
        if not self.outcome.preview:
            await tx.lock([queries.LOCK])
        take = {"readers": self._readers, "requests": self._requests}.get(
            self.file.kind, self._confirmations
        )
        added, changed = await take(tx, found, faults)
        faults.sort(key=lambda fault: fault.line)
        return added, changed, faults

    def count(self, part: Part, added: int, changed: int, faults: Sequence[Rejected]) -> None:
        outcome = self.outcome
        rejected = sum(not fault.kept for fault in faults)
        outcome.read += part.read
        outcome.added += added
        outcome.changed += changed
        outcome.rejected += rejected
        outcome.noted += len(faults) - rejected
        outcome.same += part.read - added - changed - rejected
        room = TOLD - len(outcome.faults)
        outcome.faults += [ReaderImportFault(*msgspec.structs.astuple(f)) for f in faults[:room]]

    async def finish(self, tx: Tx) -> None:
        o = self.outcome
        counts = (o.read, o.added, o.changed, o.rejected, o.noted)
        await sql.finish(tx, o.id, *counts)
        names = ("read", "added", "changed", "rejected", "noted")
        facts = {"kind": o.kind, "agency": self.agency} | dict(zip(names, counts, strict=True))
        await events.record(tx, "reader_asset.imported", "reader_import", o.id, facts=facts)

    # --- what a line means ----------------------------------------------------------------------

    def _place(self, row: Row) -> Place | Rejected:
        agency, unit, office = row.agency or self.agency or "", row.unit, row.office
        named = self.offices.get(office) or (None if office else self.offices.get(unit))
        if office and named is None:
            return _rejected(row, "office", "unknown", "ไม่รู้จักสำนักงานนี้", "no such office", office)
        if named is not None:
            agency, unit = agency or MINISTRY, named[1]
        code = self.agencies.get(agency)
        if code is None:
            return _rejected(
                row,
                "agency",
                "unknown" if agency else "missing",
                "หน่วยงานนี้ยังไม่อยู่ในบัญชีผู้ใช้เครื่องอ่านบัตร" if agency else "ไม่ได้ระบุหน่วยงาน",
                "no such agency on the list" if agency else "the agency is missing",
                agency,
            )
        if self.agency is not None and code != self.agencies[self.agency]:
            return _rejected(
                row,
                "agency",
                "other_agency",
                f"แฟ้มนี้นำเข้าในนามของ {self.agency} แต่บรรทัดนี้เป็นของ {code}",
                f"the file is imported for {self.agency}, but this line is {code}'s",
                code,
            )
        if self.file.kind == "confirmations" and not unit:
            return _rejected(row, "unit", "missing", "ไม่ได้ระบุหน่วยที่ได้รับ", "the unit is missing", "")
        return Place(code, unit, named[0] if named else None)

    async def _readers(
        self, tx: Tx, found: list[tuple[Row, Place]], faults: list[Rejected]
    ) -> tuple[int, int]:
        known = {k.serial_key: k for k in await queries.known(tx, [row.key for row, _ in found])}
        documents = sorted({row.document for row, _ in found if row.document})
        letters: dict[tuple[str, str], dict[str, UUID]] = {}
        for line in await sql.asked(tx, documents) if documents else []:
            if line.state != ReaderRequestState.withdrawn:
                letters.setdefault((line.agency, line.document), {})[line.unit] = line.id
        day = bangkok_date(tx.now)
        new: list[sql.NewAsset] = []
        changed: list[sql.ChangedAsset] = []
        same: list[tuple[UUID, bytes]] = []
        for row, place in found:
            request = _letter(letters.get((place.agency, row.document), {}), place.unit)
            if row.document and request is None:
                faults.append(_unknown_letter(row))
            before = known.get(row.key)
            if before is None:
                new.append(_new(row, place, request, day))
            elif before.listed != row.hash:
                made = _changed(row, place, request, before, day, self.outcome.id)
                if isinstance(made, Rejected):
                    faults.append(made)
                elif made is None:
                    same.append((before.id, row.hash))
                else:
                    changed.append(made)
        if not self.outcome.preview:
            if new:
                await sql.add_assets(tx, new, self.outcome.id)
            if changed:
                who, by, _ = events.actor_columns(tx)
                await sql.change_assets(tx, changed, self.outcome.id, who, by)
            if same:
                await sql.listed(tx, *zip(*same, strict=True))
        return len(new), len(changed)

    async def _confirmations(
        self, tx: Tx, found: list[tuple[Row, Place]], faults: list[Rejected]
    ) -> tuple[int, int]:
        claims = {
            (row.key.partition("\n")[0], p.agency, p.unit): Claim(
                row.serial, row.key.partition("\n")[0], p.agency, p.unit, p.office
            )
            for row, p in found
        }
        if self.outcome.preview:
            keys = sorted({c.serial_key for c in claims.values()})
            said = {(e.serial_key, e.agency, e.unit) for e in await queries.earlier(tx, keys)}
            known = {k.serial_key for k in await queries.known(tx, keys)}
            what = {c: "again" if c in said else "" for c in claims}
            what |= {c: "unlisted" for c in claims if not what[c] and c[0] not in known}
        else:
            told = await keep_claims(tx, list(claims.values()), self.by, self.outcome.id)
            what = {c: item.what for c, item in zip(claims, told, strict=True)}
        for row, p in found:
            judged = what[row.key.partition("\n")[0], p.agency, p.unit]
            if judged in _REMARKS:
                th, en = _REMARKS[judged]
                faults.append(Rejected(row.line, True, "serial", judged, th, en, row.serial))
        return sum(w != "again" for w in what.values()), 0

    async def _requests(
        self, tx: Tx, found: list[tuple[Row, Place]], faults: list[Rejected]
    ) -> tuple[int, int]:
        documents = sorted({row.document for row, _ in found})
        known = {(k.agency, k.document, k.unit): k for k in await sql.asked(tx, documents)}
        lines = []
        added = 0
        first: dict[tuple[str, str, str], int] = {}
        for row, p in found:
            assert row.day is not None
            if (line := first.setdefault((p.agency, row.document, p.unit), row.line)) != row.line:
                th, en = f"ซ้ำกับบรรทัดที่ {line} ใช้บรรทัดแรก", f"the same as line {line}"
                faults.append(_rejected(row, "document", "duplicate", th, en, row.document))
                continue
            before = known.get((p.agency, row.document, p.unit))
            granted = before.allocated if before else 0
            if row.allocated is not None:
                granted = row.allocated
            if before is not None and before.state == ReaderRequestState.withdrawn:
                th, en = "รายการขอนี้ถอนไปแล้ว", "this request was withdrawn"
                faults.append(_rejected(row, "document", "withdrawn", th, en, row.document))
                continue
            if before is not None and (before.quantity, before.allocated, before.asked_on) == (
                row.quantity,
                granted,
                row.day,
            ):
                continue
            added += before is None
            id = before.id if before else ids.new()
            place = (p.agency, row.document, p.unit, p.office)
            lines.append((id, *place, row.day, row.quantity, granted))
        if lines and not self.outcome.preview:
            await sql.write_requests(tx, lines, self.by)
        return added, len(lines) - added


class Place(msgspec.Struct, frozen=True):
    """Whose line it is."""

    agency: str
    unit: str
    office: UUID | None


_REMARKS = {
    "unlisted": (
        "เก็บคำยืนยันไว้ แต่หมายเลขนี้ไม่อยู่ในบัญชีใด",
        "the confirmation is kept, but no list knows this serial",
    ),
    "elsewhere": (
        "เก็บคำยืนยันไว้ แต่หน่วยอื่นก็ถือเครื่องหมายเลขนี้",
        "the confirmation is kept, but another unit has this reader, too",
    ),
}


def _new(row: Row, place: Place, request: UUID | None, day: date) -> sql.NewAsset:
    state = row.state or ReaderState.allocated
    return sql.NewAsset(
        ids.new(),
        row.serial,
        row.key,
        place.agency,
        place.unit,
        place.office,
        request,
        row.model,
        row.note,
        state,
        None if state is ReaderState.allocated else row.day or day,
        row.hash,
    )


def _changed(
    row: Row, place: Place, request: UUID | None, before: Known, day: date, run: UUID
) -> sql.ChangedAsset | Rejected | None:
    """What the list changes of a reader; None where it says what is known."""
    if before.agency != place.agency:
        return _rejected(
            row,
            "agency",
            "other_agency",
            f"หมายเลขนี้ขึ้นทะเบียนไว้กับหน่วยงาน {before.agency}",
            f"this serial is registered for agency {before.agency}",
            row.serial,
        )
    was = ReaderState(before.state)
    state = row.state or was
    if state not in LISTABLE[was]:
        return _rejected(
            row,
            "state",
            "backwards",
            f"ทะเบียนอยู่ในสถานะ{STATE_TH[was]} ย้อนเป็น{STATE_TH[state]}ด้วยแฟ้มไม่ได้",
            f"it is {was}; a file cannot take it back to {state}",
            state,
        )
    reached = state is not ReaderState.allocated
    on = (row.day if row.day and reached else None) or before.distributed_on
    after: dict[str, Any] = {
        "unit": place.unit or before.unit,
        "office": place.office if place.unit else before.office,
        "request": request or before.request,
        "model": row.model or before.model,
        "note": row.note or before.note,
        "state": state.value,
        "distributed_on": on or (day if reached else None),
    }
    differing = {k: v for k, v in after.items() if v != getattr(before, k)}
    if not differing:
        return None
    facts: dict[str, object] = {"import": run, "line": row.line, "fields": ", ".join(differing)}
    if "state" in differing:
        facts |= {"was": was, "state": state}
    if "unit" in differing:
        facts |= {"unit_was": before.unit, "unit": after["unit"]}
    told = msgspec.json.encode(facts).decode()
    return sql.ChangedAsset(id=before.id, **after, listed=row.hash, event=ids.new(), facts=told)


def _letter(lines: dict[str, UUID], unit: str) -> UUID | None:
    """The line of a letter that a reader came of: its unit's, the agency's, or the only one."""
    found = lines.get(unit) or lines.get("")
    return found or (next(iter(lines.values())) if len(lines) == 1 else None)


def _unknown_letter(row: Row) -> Rejected:
    th, en = "ไม่มีรายการขอตามหนังสือฉบับนี้ บันทึกเครื่องไว้โดยไม่ผูกกับรายการขอ", "no request by this letter"
    return Rejected(row.line, True, "document", "unknown", th, en, row.document)


def _rejected(row: Row, field: str, reason: str, th: str, en: str, value: str) -> Rejected:
    return Rejected(row.line, False, field, reason, th, en, value[:80])


# --- runs ---------------------------------------------------------------------------------------


async def import_file(
    db: Database,
    path: Path,
    kind: Kind,
    agency: str | None = None,
    *,
    report: Path | None = None,
    preview: bool = False,
    progress: Progress | None = None,
    size: int = BATCH,
) -> ReaderImport:
    """Applies a list of any length, a commit a part, or previews it. The memory is a part's.

    Raises `NotAList`, `AgencyNotFound`, `OSError`, `asyncpg` errors; what was committed stays.
    """
    actor = Worker("import")
    file = await asyncio.to_thread(rows.open_file, path, kind)
    run = Run(file, agency, preview, None)
    if not await db.retrying(lambda tx: run.begin(tx, path.name), actor):
        return run.outcome
    parts = rows.read(file, size)
    with Report(report) as lines:
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            taken = await db.retrying(lambda tx, part=part: run.take(tx, part), actor)  # type: ignore[misc]
            run.count(part, *taken)
            for fault in taken[2]:
                lines.write(fault)
            if progress is not None:
                progress(part.at, file.facts.size)
    if not preview:
        await db.retrying(run.finish, actor)
    return run.outcome


async def import_small(
    tx: Tx, path: Path, kind: Kind, agency: str | None, *, name: str, preview: bool
) -> ReaderImport:
    """A list of at most `BATCH` lines in one transaction, for a desk.

    Raises `NotAList` also where it is longer, and `AgencyNotFound`.
    """
    file = await asyncio.to_thread(rows.open_file, path, kind)
    parts = await asyncio.to_thread(_all_of, file)
    run = Run(file, agency, preview, account(tx))
    if not await run.begin(tx, name):
        return run.outcome
    for part in parts:
        run.count(part, *await run.take(tx, part))
    if not preview:
        await run.finish(tx)
    return run.outcome


def _all_of(file: File) -> list[Part]:
    found, lines = [], 0
    for part in rows.read(file):
        lines += part.read
        if lines > BATCH:
            raise rows.NotAList(
                f"มีมากกว่า {BATCH:,} บรรทัด ให้ใช้คำสั่ง superapp import-readers",
                f"it has more than {BATCH:,} lines; use superapp import-readers",
            )
        found.append(part)
    return found
