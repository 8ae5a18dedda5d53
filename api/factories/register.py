"""Imports the register's open feed: one process reads, connections side by side load.

A chunk is one transaction of at most 5,000 rows, worked off as whole sets.
What a row says is hashed, so the same file twice writes nothing; a run that was killed goes on
with the chunks it has not committed. A row of the register is compared with the register's row
before, so an officer's correction stands until the register itself changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api import clock, events, ids
from api.db import Tx
from api.factories import register_queries as sql
from api.factories.feed import CHUNK, Chunk
from api.factories.feed_report import Report
from api.factories.feed_row import LICENCE_COLUMNS, SITE_COLUMNS, known_codes
from api.factories.feed_source import Source, open_source
from api.permissions import Worker

CONNECTIONS = 2
LET_GO_S = 5.0
"""So long the lock is waited for: an import that has just ended, or was killed, holds it until
PostgreSQL has noticed that its connection is gone."""


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
        await _alone(pool[0])
        if missing := known_codes() - set(await pool[0].fetchval(sql.CODES) or ()):
            raise ReferenceDataMissing(f"{len(missing)} places or categories are not loaded")
        outcome, done = await _begin(pool[0], source)
        with Report(report) as lines:
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


async def _alone(connection: Any) -> None:
    """Holds the lock for as long as `connection` lives. Raises `ImportRunning`."""
    try:
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = {int(LET_GO_S * 1000)}")
            await connection.execute("select pg_advisory_lock($1)", sql.LOCK)
    except asyncpg.LockNotAvailableError:
        raise ImportRunning() from None


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
    report: Report,
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
            outcome.rows += len(part.keys)
            for line in part.rejected:
                report.write(line)
            outcome.rejected += sum(not line.kept for line in part.rejected)
            outcome.noted += sum(line.kept for line in part.rejected)
            if part.number in done:
                _, added, changed = done[part.number]
                outcome.added += added
                outcome.changed += changed
            elif part.keys:
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
    """(added, changed) of one chunk, committed.

    What is new is copied straight into its tables; only what differs takes the longer way.
    """
    async with connection.transaction():
        if adopt:
            await connection.execute(sql.ADOPT, *_numbers(part))
        known = dict(await connection.fetch(sql.KNOWN, "\n".join(part.keys)))
        fresh = [n for n, key in enumerate(part.keys) if key not in known]
        differing = (
            [
                n
                for n, key in enumerate(part.keys)
                if known.get(key, part.hashes[n]) != part.hashes[n]
            ]
            if known
            else []
        )
        if fresh:
            await _add(connection, part, fresh)
        changed = await _change(connection, import_id, part, differing) if differing else 0
        await connection.execute(
            sql.RECORD_CHUNK, import_id, part.number, len(part.keys), len(fresh), changed
        )
    return len(fresh), changed


async def _add(connection: Any, part: Chunk, rows: list[int]) -> None:
    """Copies new sites and licences and tells the phones of those that are in force."""
    for table, columns, lines in (
        ("premises", SITE_COLUMNS, part.sites),
        ("licence", LICENCE_COLUMNS, part.licences),
    ):
        text = io.BytesIO(part.pick(lines, rows))
        await connection.copy_to_table(table, source=text, columns=columns, format="text")
    sites = part.sites.split(b"\n")
    told = [(part.told[n], sites[n][:36].decode()) for n in rows if part.told[n]]
    await connection.execute(sql.TELL, [t[0] for t in told], [t[1] for t in told])


async def _change(connection: Any, import_id: UUID, part: Chunk, rows: list[int]) -> int:
    """Brings the licences of `rows` up to the feed; returns how many say something else now."""
    sites, licences = part.sites.split(b"\n"), part.licences.split(b"\n")
    text = io.BytesIO(
        b"".join(b"%d\t%b\t%b\n" % (part.lines[n], licences[n], sites[n]) for n in rows)
    )
    await connection.copy_to_table("feed_row", source=text, format="text")
    await connection.execute(sql.FIND_CHANGES)
    await connection.execute(sql.CHANGE_LICENCES)
    await connection.execute(sql.CHANGE_SITES)
    await connection.execute(sql.CHANGE_SHARED_SITES)
    await connection.execute(sql.RENEW_LIVE)
    changed: int = await connection.fetchval(sql.RECORD_CHANGES, import_id)
    return changed


def _numbers(part: Chunk) -> tuple[list[str], list[str]]:
    """(new, old) of the rows that bear both."""
    pairs = [line.split(b"\t", 4)[2:4] for line in part.licences.splitlines()]
    both = [(new.decode(), old.decode()) for new, old in pairs if b"\\N" not in (new, old)]
    return [new for new, _ in both], [old for _, old in both]


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
