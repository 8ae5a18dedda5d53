"""kill -9 of the real worker while it tells people: no message lost, none twice in an inbox."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys

import asyncpg

from api import children, ids, jobs
from api.db import Database
from api.permissions import Worker
from tests.trials.house import House

JOB = "tell.visit_submitted"


async def trial(house: House, visit: str, kills: int, seed: int) -> dict[str, int]:
    """Events of one visit, each of which its head is told of once. Raises AssertionError."""
    rng = random.Random(seed)
    owner = await asyncpg.connect(house.url)
    db = await Database.connect(house.url, size=2)
    workers = [_start(house) for _ in range(2)]
    events = list[str]()
    killed = 0

    async def more(count: int) -> None:
        async with db.begin(Worker("trial")) as tx:
            for _ in range(count):
                events.append(str(ids.new()))
                args = {"event": events[-1], "name": "visit.submitted", "record": visit}
                await jobs.enqueue(tx, JOB, args)

    try:
        while killed < kills:
            before = await _told(owner, visit)
            await more(60)
            while await _told(owner, visit) == before:
                await asyncio.sleep(0.02)
            await asyncio.sleep(rng.uniform(0, 0.15))
            victim = rng.randrange(2)
            workers[victim].kill()
            workers[victim].wait(10)
            workers[victim] = _start(house)
            killed += 1
        # What a killed worker held comes back after its lease of a minute: brought forward here.
        for _ in range(600):
            await owner.execute("update job set due_at = now() where name = $1", JOB)
            if not await owner.fetchval("select exists (select from job where name = $1)", JOB):
                break
            await asyncio.sleep(0.5)
        counted = await owner.fetchrow(
            """
            select count(*), count(distinct (account, key)), count(distinct key),
                count(distinct account),
                (select count(*) from event e join message m on m.id = e.record
                    where e.name = 'message.sent' and m.about = $1),
                (select count(*) from change c join message m on m.id = c.record
                    where c.kind = 'message' and m.about = $1)
            from message where about = $1
            """,
            visit,
        )
        assert counted is not None
        messages, different, keys, heads, told, pulled = counted
        assert keys == len(events)
        assert messages == different == told == pulled == len(events) * heads
    finally:
        for worker in workers:
            children.stop(worker, signal.SIGTERM, patience=40)
        await db.close()
        await owner.close()
    return {"events": len(events), "messages": messages, "killed": killed}


async def _told(owner: asyncpg.Connection, visit: str) -> int:
    found: int = await owner.fetchval("select count(*) from message where about = $1", visit)
    return found


def _start(house: House) -> subprocess.Popen[bytes]:
    with (house.postgres.home / "worker.log").open("ab") as log:
        return children.spawn(
            [sys.executable, "-m", "api.cli", "worker"],
            env=house.environment,
            stdout=log,
            stderr=log,
        )
