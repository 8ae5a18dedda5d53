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
import itertools
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api import clock, events, ids
from api.db import Tx
from api.factories import register_queries as sql
from api.factories.feed import CHUNK, Chunk, FeedNotUnderstood, Rejected, Survey, survey
from api.factories.feed_row import COLUMNS, known_codes
from api.permissions import Worker

CONNECTIONS = 2
READERS = 2
ROOT = Path(__file__).resolve().parents[2]
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
    async with _readers(path, chunk) as readers:
        facts = await asyncio.to_thread(survey, path)
        return await _import(url, path, facts, report, progress, connections, readers)


async def _import(
    url: str,
    path: Path,
    facts: Survey,
    report: Path | None,
    progress: Progress | None,
    connections: int,
    readers: list[Process],
) -> Outcome:
    pool: list[Any] = [await asyncpg.connect(url) for _ in range(connections)]
    try:
        if not await pool[0].fetchval("select pg_try_advisory_lock($1)", sql.LOCK):
            raise ImportRunning()
        if missing := known_codes() - set(await pool[0].fetchval(sql.CODES) or ()):
            raise ReferenceDataMissing(f"{len(missing)} places or categories are not loaded")
        outcome, done = await _begin(pool[0], path, facts)
        with _Report(report) as lines:
            await _load(pool, _chunks(readers, facts), facts, outcome, done, lines, progress)
        await _finish(pool[0], outcome)
        return outcome
    finally:
        for connection in pool:
            connection.terminate()


async def _begin(
    connection: Any, path: Path, facts: Survey
) -> tuple[Outcome, dict[int, tuple[int, int, int]]]:
    """A new run, or the unfinished one of the same file with the chunks it has committed."""
    unfinished = await connection.fetchval(sql.UNFINISHED, facts.sha256)
    if unfinished is not None:
        rows = await connection.fetch(sql.DONE_CHUNKS, unfinished)
        return Outcome(unfinished, resumed=True), {r[0]: (r[1], r[2], r[3]) for r in rows}
    outcome = Outcome(ids.new())
    await connection.execute(sql.BEGIN, outcome.import_id, path.name, facts.sha256, clock.now())
    return outcome, {}


async def _load(
    pool: list[Any],
    chunks: AsyncIterator[Chunk],
    facts: Survey,
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
        async for part in chunks:
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
                progress(part.offset, facts.size)
        for _ in pool:
            await queue.put(None)

    async with asyncio.TaskGroup() as tasks:
        for connection in pool:
            tasks.create_task(load(connection))
        tasks.create_task(feed())
    await pool[0].execute(sql.TIDY)


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
    if outcome.added:
        await connection.execute("analyze premises, licence, licence_version, change")


@asynccontextmanager
async def _readers(path: Path, size: int) -> AsyncIterator[list[Process]]:
    """Processes that read the file side by side and end with us."""
    started: list[Process] = []
    try:
        for part in range(READERS):
            arguments = map(str, (Path.cwd() / path, size, part, READERS))
            started.append(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "api.factories.feed",
                    *arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    limit=4 << 20,
                    cwd=ROOT,
                )
            )
        yield started
    finally:
        for reader in started:
            if reader.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    reader.kill()
            await reader.wait()


async def _chunks(readers: list[Process], facts: Survey) -> AsyncIterator[Chunk]:
    """The chunks of the file in order; of a number that occurs twice the first row counts."""
    decode = msgspec.msgpack.Decoder(Chunk).decode
    seen: set[int | str] = set()
    for reader in readers:
        assert reader.stdin is not None
        reader.stdin.write(f"{facts.encoding}\n".encode())
    for reader in itertools.cycle(readers):
        assert reader.stdout is not None
        length = int.from_bytes(await reader.stdout.readexactly(4), "big")
        part = decode(await reader.stdout.readexactly(length))
        if part.fault:
            raise FeedNotUnderstood(part.fault)
        fresh = {int(key) if key.isdigit() else key for key in part.keys}
        if len(fresh) < len(part.keys) or not fresh.isdisjoint(seen):
            _drop_repeated(part, seen)
        seen |= fresh
        yield part
        if part.end:
            return


def _drop_repeated(part: Chunk, seen: set[int | str]) -> None:
    kept, here = [], set[int | str]()
    for key, line in zip(part.keys, part.copy.splitlines(keepends=True), strict=True):
        marker = int(key) if key.isdigit() else key
        if marker not in seen and marker not in here:
            here.add(marker)
            kept.append(line)
            continue
        number = int(line.partition(b"\t")[0])
        part.rejected.append(
            Rejected(
                number,
                False,
                "FID",
                "duplicate",
                "เลขทะเบียนนี้มีแล้วในแฟ้มเดียวกัน ใช้แถวแรก",
                "this number stands earlier in the same file; the first row counts",
                key,
            )
        )
    part.rejected.sort(key=lambda line: line.line)
    part.copy, part.rows = b"".join(kept), len(kept)


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
