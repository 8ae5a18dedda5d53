"""Jobs: enqueued in a transaction each, done by two worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import asyncpg

from api import children, job_loop, jobs
from api.db import Database, Tx
from api.jobs import Handler, Job
from api.permissions import Worker
from bench import table
from bench.frame import Frame, median, spread

WORKERS, COUNT, ROUNDS, AT_ONCE = 2, 5_000, 3, 8
NAME = "bench.row"


async def measure(bench: Frame) -> list[table.Row]:
    """Raises AssertionError where a job was lost or done twice."""
    url = await bench.database("bench_jobs")
    owner = await asyncpg.connect(url)
    await owner.execute(
        "create table done (id uuid not null, worker int not null, at timestamptz not null);"
        "grant select, insert on done to superapp_app"
    )
    rounds, alone = [], []
    workers = [_start(url) for _ in range(WORKERS)]
    try:
        async with bench.connected(url, size=8) as db:
            await _round(db, owner, 500)  # warm
            for _ in range(ROUNDS):
                rounds.append(await _round(db, owner, COUNT))
                alone.append(await _enqueued_before(db, owner, COUNT))
    finally:
        for worker in workers:
            children.stop(worker, signal.SIGTERM, patience=15)
        await owner.close()
    note = (
        f"{spread(rounds)}; first enqueueing to last commit, own transaction an enqueueing;"
        f" with all enqueued before: {median(alone):.0f}"
    )
    return [table.row("jobs.per_s", median(rounds), note)]


async def _round(db: Database, owner: asyncpg.Connection, count: int) -> float:
    """Jobs a second while they are enqueued; both sides at once."""
    share = iter(range(count))

    async def enqueue() -> None:
        for _ in share:
            async with db.begin(Worker("bench")) as tx:
                await jobs.enqueue(tx, NAME, {})

    begun = time.perf_counter()
    await asyncio.gather(*(enqueue() for _ in range(8)))
    return await _until_done(owner, count, begun)


async def _enqueued_before(db: Database, owner: asyncpg.Connection, count: int) -> float:
    async with db.begin(Worker("bench")) as tx:
        for _ in range(count):
            await jobs.enqueue(tx, NAME, {})
    return await _until_done(owner, count, time.perf_counter())


async def _until_done(owner: asyncpg.Connection, count: int, begun: float) -> float:
    while await owner.fetchval("select exists (select from job where name = $1)", NAME):
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - begun
    found = await owner.fetchrow(
        "select count(*), count(distinct id), count(distinct worker) from done"
    )
    assert found is not None
    assert tuple(found)[:2] == (count, count), f"{count} jobs, {tuple(found)} effects"
    assert found[2] == WORKERS or count < COUNT, "one worker did everything"
    await owner.execute("truncate done")
    return count / seconds


def _start(url: str) -> subprocess.Popen[bytes]:
    return children.spawn([sys.executable, "-m", "bench.jobs", url])


async def _effect(tx: Tx, job: Job) -> None:
    await tx.run("insert into done values ($1, $2, $3)", job.id, os.getpid(), tx.now)


async def _work(url: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    db = await Database.connect(url, size=AT_ONCE + 2)
    try:
        await job_loop.work(db, {NAME: Handler(inside=_effect)}, stopping, at_once=AT_ONCE)
    finally:
        await db.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_work(sys.argv[1]))
