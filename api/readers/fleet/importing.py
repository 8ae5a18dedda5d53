"""Imports lists of readers: previewed or applied, part by part, each part one commit.

The same file again writes nothing, unless another was imported since; what is the same by serial
is not written either, so a run that was stopped is simply run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from api import events, ids
from api.clock import bangkok_date
from api.db import Database, Tx
from api.factories.feed import Rejected
from api.factories.feed_report import Report
from api.permissions import Worker
from api.readers.fleet import import_queries as sql
from api.readers.fleet import queries, rows, taking
from api.readers.fleet.model import BATCH
from api.readers.fleet.problems import AgencyNotFound
from api.readers.fleet.rows import File, Kind, Part
from api.readers.fleet.service import account
from api.readers.fleet.taking import Line, Taking

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
        self.takes = Taking(self.outcome.id, file.kind, agency, preview, by)

    async def begin(self, tx: Tx, name: str) -> bool:
        """Whether there is anything to do. Raises `AgencyNotFound`."""
        await self.takes.look_up(tx)
        if self.agency is not None and self.agency not in self.takes.agencies:
            raise AgencyNotFound(agency=self.agency)
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
        lines: list[Line] = []
        for row in part.rows:
            placed = self.takes.place(row, bangkok_date(tx.now))
            if isinstance(placed, Rejected):
                faults.append(placed)
            else:
                lines.append((row, placed))
        if not self.outcome.preview:
            await tx.lock([queries.LOCK])
        added, changed = await taking.TAKE[self.file.kind](self.takes, tx, lines, faults)
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
