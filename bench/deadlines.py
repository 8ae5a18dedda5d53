"""Clocks: what the scan reads of a million open ones when a thousand are due."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import asyncpg

from api import clock, deadlines
from api.db import Tx
from bench import table
from bench.frame import Frame

OPEN, DUE = 1_000_000, 1_000
_READ = """
select s.seq_tup_read + i.idx_tup_read, s.seq_tup_read + s.idx_tup_fetch
from pg_stat_user_tables s
join pg_stat_user_indexes i using (relid)
where s.relname = 'deadline' and i.indexrelname = 'deadline_open'
"""
_OTHERS = """
select exists (select from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
        and backend_type = 'client backend')
"""


async def measure(bench: Frame) -> list[table.Row]:
    """Half of the due ones are due at one instant, as at the end of a working day, among as many
    of a kind that nobody answers. Raises AssertionError where not exactly the due ones fire."""
    url = await bench.database("bench_deadlines")
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(
            """
            insert into deadline (kind, record, due_at, set_at)
            select case when n % 4 = 3 then 'bench.mute' else 'bench.clock' end,
                gen_random_uuid(),
                case when n <= $2 and n % 2 = 0 then $3::timestamptz - interval '1 hour'
                    when n <= $2 then $3 - n * interval '1 second'
                    else $3 + interval '1 day' + n * interval '1 second' end,
                $3
            from generate_series(1, $1) n
            """,
            OPEN,
            DUE * 4 // 3,
            clock.now(),
        )
        await owner.execute("vacuum analyze deadline")
        due = await owner.fetchval(
            "select count(*) from deadline where kind = 'bench.clock' and due_at <= $1",
            clock.now(),
        )
        fired = set[UUID]()

        async def react(tx: Tx, record: UUID) -> None:
            fired.add(record)

        async with bench.connected(url) as db:
            before = await _stat(owner)
            begun = time.perf_counter()
            count = await deadlines.fire_due(db, {"bench.clock": react})
            seconds = time.perf_counter() - begun
        while await owner.fetchval(_OTHERS):  # a session that ends hands in its statistics
            await asyncio.sleep(0.05)
        after = await _stat(owner)
        assert count == len(fired) == due, (count, len(fired), due)
    finally:
        await owner.close()
    scanned, touched = (b - a for a, b in zip(before, after, strict=True))
    note = (
        f"{scanned} index entries read for {due} due in pages of {deadlines.PAGE}; with the look-up"
        f" of each row that is marked {touched / due:.3g} rows; {due / seconds:.0f} fired/s"
    )
    return [table.row("deadlines.scan_ratio", scanned / due, note)]


async def _stat(owner: asyncpg.Connection) -> tuple[int, int]:
    await owner.execute("select pg_stat_force_next_flush()")
    await owner.execute("select pg_stat_clear_snapshot()")
    found = await owner.fetchrow(_READ)
    assert found is not None
    return found[0], found[1]
