"""kill -9 of a worker at random moments: no job lost, none done twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from datetime import timedelta

import asyncpg

from api import children, ids, job_loop, jobs
from api.db import Database, Tx
from api.jobs import Handler, Job
from api.migrate import migrate
from api.permissions import Worker
from tests.trials.house import House

NAME = "trial.row"
FAILS = 0.05


async def trial(house: House, kills: int, seed: int) -> dict[str, int]:
    """Two workers under load, of which one or the other is killed `kills` times.

    Every twentieth attempt fails by itself. Raises AssertionError where a job has not one effect.
    """
    rng = random.Random(seed)
    url = await house.postgres.create_database(f"workers_{ids.new().hex}")
    await migrate(url)
    owner = await asyncpg.connect(url)
    try:
        # No constraint forbids a second effect: it is counted.
        await owner.execute(
            "create table effect (job bigint not null, worker int not null);"
            "grant select, insert on effect to superapp_app"
        )
        db = await Database.connect(url, size=4)
        workers = [_start(url) for _ in range(2)]
        made, killed = 0, 0
        try:
            while killed < kills:
                victim = rng.randrange(2)
                while not await _works(owner, workers[victim].pid):
                    made = await _enqueue(db, made, 50)
                    await asyncio.sleep(0.1)
                made = await _enqueue(db, made, 150)
                await asyncio.sleep(rng.uniform(0, 0.4))
                workers[victim].kill()
                workers[victim].wait(10)
                workers[victim] = _start(url)
                killed += 1
            for _ in range(1200):
                if not await owner.fetchval("select exists (select from job)"):
                    break
                await asyncio.sleep(0.05)
            counted = await owner.fetchrow(
                """
                select count(*), count(distinct job), (select count(*) from job),
                    count(distinct worker) from effect
                """
            )
            assert counted is not None
            effects, different, left, pids = counted
            assert (left, effects, different) == (0, made, made)
            begun = asyncio.get_running_loop().time()
            workers[0].terminate()
            assert await asyncio.to_thread(workers[0].wait, 20) == 0
            stopped_in = asyncio.get_running_loop().time() - begun
        finally:
            for worker in workers:
                children.stop(worker, signal.SIGTERM, patience=15)
            await db.close()
    finally:
        await owner.close()
    return {
        "jobs": made,
        "killed": killed,
        "workers": pids,
        "TERM took ms": round(stopped_in * 1000),
    }


async def _enqueue(db: Database, made: int, count: int) -> int:
    async with db.begin(Worker("trial")) as tx:
        for n in range(made, made + count):
            await jobs.enqueue(tx, NAME, {"n": n})
    return made + count


async def _works(owner: asyncpg.Connection, pid: int) -> bool:
    found: bool = await owner.fetchval("select exists (select from effect where worker = $1)", pid)
    return found


def _start(url: str) -> subprocess.Popen[bytes]:
    return children.spawn([sys.executable, "-m", "tests.trials.workers", url])


async def _effect(tx: Tx, job: Job) -> None:
    if random.random() < FAILS:
        raise ValueError
    await tx.run("insert into effect values ($1, $2)", job.args["n"], os.getpid())
    await asyncio.sleep(random.uniform(0, 0.01))


async def _work(url: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    db = await Database.connect(url, size=10)
    handlers = {NAME: Handler(inside=_effect, lease=timedelta(seconds=2))}
    try:
        await job_loop.work(db, handlers, stopping, pause_s=0.1)
    finally:
        await db.close()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
