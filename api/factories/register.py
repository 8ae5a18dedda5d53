"""Imports the register's open feed: one process reads, connections side by side load.

A chunk is one transaction of at most 5,000 rows: COPY into a temporary table, then whole sets.
What a row says is hashed, so the same file twice writes nothing; a run that was killed goes on
with the chunks it has not committed. A row of the register is compared with the register's row
before, so an officer's correction stands until the register itself changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api import clock, events, ids
from api.db import Tx
from api.factories import register_queries as sql
from api.factories.feed import CHUNK, Chunk, Rejected
from api.factories.feed_row import COLUMNS, known_codes
from api.factories.feed_source import Source, open_source
from api.permissions import Worker

CONNECTIONS = 2
_REPORT_HEADER = ("line", "outcome", "field", "reason", "reason_th", "reason_en", "value")


class ImportRunning(Exception):
    """Another import of the register holds the lock."""


class ReferenceDataMissing(Exception):
    """Places or categories of the file are not in the data base: it was not seeded."""


class Outcome(msgspec.Struct):
    """What an import did. `read` = `rows` + `rejected`; `noted` rows were kept with a fault."""

    import_id: UUID
    read: int = 0
    rows: int = 0
    added: int = 0
    changed: int = 0
    rejected: int = 0
    noted: int = 0
    resumed: bool = False


Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


async def import_feed(
    url: str,
    path: Path,
    report: Path | None = None,
    *,
    progress: Progress | None = None,
    chunk: int = CHUNK,
    connections: int = CONNECTIONS,
) -> Outcome:
    """Brings the register up to `path`, as the owner of the tables.

    Raises `FeedNotUnderstood` when the header is not the feed's, `ImportRunning`, `OSError` and
    `asyncpg` errors; what was committed before an error stays, and the next run goes on.
    """
    async with open_source(path, chunk) as source:
        return await _import(url, source, report, progress, connections)


async def _import(
    url: str, source: Source, report: Path | None, progress: Progress | None, connections: int
) -> Outcome:
    pool: list[Any] = [await asyncpg.connect(url) for _ in range(connections)]
    try:
        if not await pool[0].fetchval("select pg_try_advisory_lock($1)", sql.LOCK):
            raise ImportRunning()
        if missing := known_codes() - set(await pool[0].fetchval(sql.CODES) or ()):
            raise ReferenceDataMissing(f"{len(missing)} places or categories are not loaded")
        outcome, done = await _begin(pool[0], source)
        with _Report(report) as lines:
            await _load(pool, source, outcome, done, lines, progress)
        if outcome.added or outcome.changed:
            async with asyncio.TaskGroup() as tasks:
                for connection, statement in zip(pool, sql.TIDY, strict=False):
                    tasks.create_task(connection.execute(statement))
        await _finish(pool[0], outcome)
        return outcome
    finally:
        for connection in pool:
            connection.terminate()


async def _begin(
    connection: Any, source: Source
) -> tuple[Outcome, dict[int, tuple[int, int, int]]]:
    """A new run, or the unfinished one of the same file with the chunks it has committed."""
    unfinished = await connection.fetchval(sql.UNFINISHED, source.facts.sha256, source.size)
    if unfinished is not None:
        rows = await connection.fetch(sql.DONE_CHUNKS, unfinished)
        return Outcome(unfinished, resumed=True), {r[0]: (r[1], r[2], r[3]) for r in rows}
    outcome = Outcome(ids.new())
    await connection.execute(
        sql.BEGIN,
        outcome.import_id,
        source.path.name,
        source.facts.sha256,
        source.size,
        clock.now(),
    )
    return outcome, {}


async def _load(
    pool: list[Any],
    source: Source,
    outcome: Outcome,
    done: dict[int, tuple[int, int, int]],
    report: _Report,
    progress: Progress | None,
) -> None:
    queue: asyncio.Queue[Chunk | None] = asyncio.Queue(len(pool))
    adopt: bool = await pool[0].fetchval(sql.ANY_WITHOUT_NEW_NUMBER)

    async def load(connection: Any) -> None:
        await connection.execute(sql.PREPARE)
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(sql.TRUST_CHECKED)
        while (part := await queue.get()) is not None:
            added, changed = await _load_chunk(connection, outcome.import_id, part, adopt)
            outcome.added += added
            outcome.changed += changed

    async def feed() -> None:
        async for part in source.chunks():
            outcome.read += part.read
            outcome.rows += part.rows
            for line in part.rejected:
                report.write(line)
            outcome.rejected += sum(not line.kept for line in part.rejected)
            outcome.noted += sum(line.kept for line in part.rejected)
            if part.number in done:
                _, added, changed = done[part.number]
                outcome.added += added
                outcome.changed += changed
            elif part.rows:
                await queue.put(part)
            if progress is not None:
                progress(*source.progress(part))
        for _ in pool:
            await queue.put(None)

    try:
        async with asyncio.TaskGroup() as tasks:
            for connection in pool:
                tasks.create_task(load(connection))
            tasks.create_task(feed())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _load_chunk(
    connection: Any, import_id: UUID, part: Chunk, adopt: bool
) -> tuple[int, int]:
    """(added, changed) of one chunk, committed."""
    now: datetime = clock.now()
    async with connection.transaction():
        await connection.copy_to_table(
            "feed_row", source=io.BytesIO(part.copy), columns=COLUMNS, format="text"
        )
        if adopt:
            await connection.execute(sql.ADOPT)
        added: int = await connection.fetchval(sql.ADD, now)
        changed = 0
        if added < part.rows:
            found = await connection.execute(sql.FIND_CHANGES)
            if found != "INSERT 0 0":
                await connection.execute(sql.CHANGE_LICENCES)
                await connection.execute(sql.CHANGE_SITES)
                await connection.execute(sql.CHANGE_SHARED_SITES)
                await connection.execute(sql.RENEW_LIVE)
                changed = await connection.fetchval(sql.RECORD_CHANGES, now, import_id)
        await connection.execute(
            sql.RECORD_CHUNK, import_id, part.number, part.rows, added, changed, now
        )
    return added, changed


async def _finish(connection: Any, outcome: Outcome) -> None:
    async with connection.transaction():
        await connection.execute(sql.FINISH, outcome.import_id, clock.now())
        await events.record(
            Tx(connection, Worker("import")),
            "register.imported",
            "register_import",
            outcome.import_id,
            facts={
                "read": outcome.read,
                "added": outcome.added,
                "changed": outcome.changed,
                "rejected": outcome.rejected,
            },
        )


class _Report:
    """Every row that was refused or kept with a fault, as a CSV that a spreadsheet opens."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def __enter__(self) -> _Report:
        self.file = None if self.path is None else self.path.open("w", encoding="utf-8-sig")
        if self.file is not None:
            self.sheet = csv.writer(self.file)
            self.sheet.writerow(_REPORT_HEADER)
        return self

    def write(self, line: Rejected) -> None:
        if self.file is not None:
            outcome = "kept" if line.kept else "rejected"
            # A leading apostrophe keeps a spreadsheet from running a value as a formula.
            value = f"'{line.value}" if line.value[:1] in "=+-@" and line.value else line.value
            self.sheet.writerow(
                (line.line, outcome, line.field, line.reason, line.th, line.en, value)
            )

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()
