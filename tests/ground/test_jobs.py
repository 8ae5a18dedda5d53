"""Jobs: written with what causes them, done once, one for each key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from api import clock, events, ids, job_loop, jobs, reactions
from api.db import Database, Tx
from api.jobs import Handler, Job
from api.permissions import Worker
from tests.ground.labour import Labour, Stop, fail, labour

__all__ = ["labour"]


# --- the transaction that causes it ---------------------------------------------------------------


async def test_a_job_enqueued_in_a_rolled_back_transaction_does_not_exist(labour: Labour) -> None:
    with contextlib.suppress(Stop):
        async with labour.db.begin(Worker("test")) as tx:
            await jobs.enqueue(tx, labour.name)
            raise Stop
    assert await labour.rows() == []


async def test_an_event_enqueues_what_the_map_says_in_the_same_transaction(
    labour: Labour,
) -> None:
    record = ids.new()
    events.react({"thing.happened": (labour.name,)})
    try:
        async with labour.db.begin(Worker("test")) as tx:
            await events.record(tx, "thing.happened", "thing", record)
            await events.record(tx, "thing.ignored", "thing", record)
            assert await tx.value("select count(*) from job where name = $1", labour.name) == 1
        assert len(await labour.rows()) == 1
        with contextlib.suppress(Stop):
            async with labour.db.begin(Worker("test")) as tx:
                await events.record(tx, "thing.happened", "thing", ids.new())
                raise Stop
    finally:
        events.react(reactions.REACTIONS)
    (job,) = await labour.take(Handler(inside=labour.effect))
    async with labour.db.read() as tx:
        event = await tx.value("select id from event where record = $1 order by id", record)
    assert job.args == {"event": str(event), "name": "thing.happened", "record": str(record)}


def test_every_reaction_names_a_job_that_can_be_done() -> None:
    wanted = {job for names in reactions.REACTIONS.values() for job in names}
    assert wanted <= set(reactions.JOBS)
    for handler in reactions.JOBS.values():
        assert (handler.inside is None) != (handler.outside is None)


# --- once -----------------------------------------------------------------------------------------


async def test_a_job_is_done_and_gone(labour: Labour) -> None:
    await labour.enqueue()
    await labour.work(Handler(inside=labour.effect))
    assert await labour.effects() == 1
    assert await labour.rows() == []


async def test_two_workers_never_do_one_job_twice(labour: Labour) -> None:
    async with labour.db.begin(Worker("test")) as tx:
        for _ in range(200):
            await jobs.enqueue(tx, labour.name)
    handler = Handler(inside=labour.effect)
    await asyncio.gather(labour.work(handler, at_once=4), labour.work(handler, at_once=4))
    assert await labour.effects() == 200
    assert await labour.rows() == []


async def test_a_taken_job_is_nobody_elses_until_its_lease_runs_out(labour: Labour) -> None:
    await labour.enqueue()
    handler = Handler(inside=labour.effect, lease=timedelta(minutes=5))
    (first,) = await labour.take(handler)
    assert await labour.take(handler) == []
    with clock.travel(timedelta(minutes=6)):
        (second,) = await labour.take(handler)
    assert (first.id, first.attempts, second.attempts) == (second.id, 1, 2)
    await job_loop.run(labour.db, first, handler)  # comes too late
    assert await labour.effects() == 0
    await job_loop.run(labour.db, second, handler)
    assert await labour.effects() == 1


async def test_two_that_do_the_same_turn_have_one_effect(labour: Labour) -> None:
    await labour.enqueue()
    handler = Handler(inside=labour.effect)
    (job,) = await labour.take(handler)
    await asyncio.gather(*(job_loop.run(labour.db, job, handler) for _ in range(5)))
    assert await labour.effects() == 1


async def test_what_waited_beyond_its_lease_is_not_begun_outside(labour: Labour) -> None:
    begun = []

    async def reach(db: Database, job: Job) -> None:
        begun.append(job.attempts)

    await labour.enqueue()
    handler = Handler(outside=reach, lease=timedelta(seconds=5))
    (first,) = await labour.take(handler)
    with clock.travel(timedelta(seconds=6)):
        (second,) = await labour.take(handler)
        await job_loop.run(labour.db, first, handler)
        await job_loop.run(labour.db, second, handler)
    assert begun == [2]
    assert await labour.rows() == []


async def test_a_job_that_outlives_its_lease_is_ended_and_comes_again(labour: Labour) -> None:
    async def hang(db: Database, job: Job) -> None:
        await asyncio.sleep(60)

    await labour.enqueue()
    handler = Handler(outside=hang, lease=timedelta(seconds=0.05))
    (job,) = await labour.take(handler)
    await asyncio.wait_for(job_loop.run(labour.db, job, handler), 5)
    (row,) = await labour.rows()
    assert (row.error, row.failed_at) == ("TimeoutError", None)


KILLED = """
import asyncio, os, sys
from api.db import Database
from api.jobs import Handler
from api import job_loop

async def effect(tx, job):
    await tx.run("insert into rate_limit (bucket, tokens, at) values ($1, 1, $2)",
        job.name + " x", tx.now)
    print("inside", flush=True)
    await asyncio.sleep(60)

async def main():
    db = await Database.connect(sys.argv[1], size=4)
    await job_loop.work(db, {sys.argv[2]: Handler(inside=effect)}, asyncio.Event())

asyncio.run(main())
"""


async def test_a_job_whose_worker_was_killed_comes_back_and_its_effect_happens_once(
    labour: Labour, conf: Any
) -> None:
    await labour.enqueue()
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, conf.database_url, labour.name],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert worker.stdout is not None
    assert await asyncio.to_thread(worker.stdout.readline) == b"inside\n"
    worker.kill()
    worker.wait(10)
    worker.stdout.close()
    assert await labour.effects() == 0, "what it wrote was never committed"
    handler = Handler(inside=labour.effect)
    assert await labour.take(handler) == [], "its lease still runs"
    with clock.travel(timedelta(seconds=61)):
        async with asyncio.timeout(10):
            # The dead worker's lock stands until PostgreSQL has seen that its line is gone.
            while not (taken := await labour.take(handler)):
                await asyncio.sleep(0.05)
        (job,) = taken
        await job_loop.run(labour.db, job, handler)
    assert job.attempts == 2
    assert await labour.effects() == 1
    assert await labour.rows() == []


# --- keys -----------------------------------------------------------------------------------------


async def test_a_key_holds_back_a_second_open_job(labour: Labour) -> None:
    for n in range(3):
        await labour.enqueue(key="k", args={"n": n})
    await labour.enqueue(key="other")
    await labour.enqueue()
    await labour.enqueue()
    assert len(await labour.rows()) == 4


async def test_what_is_enqueued_under_a_key_while_it_runs_is_not_lost(labour: Labour) -> None:
    runs = []

    async def reach(db: Database, job: Job) -> None:
        runs.append(job.args["n"])
        if len(runs) == 1:
            await labour.enqueue(key="k", args={"n": 2})

    await labour.enqueue(key="k", args={"n": 1})
    await labour.work(Handler(outside=reach))
    assert runs == [1, 2]
    assert await labour.rows() == []


async def test_a_job_waits_for_the_verb_that_enqueues_it_again_and_sees_its_work(
    labour: Labour,
) -> None:
    seen = []

    async def look(tx: Tx, job: Job) -> None:
        bucket = f"{labour.name} written"
        seen.append(await tx.value("select count(*) from rate_limit where bucket = $1", bucket))

    await labour.enqueue(key="k")
    (job,) = await labour.take(handler := Handler(inside=look))
    async with labour.db.begin(Worker("test")) as tx:
        await jobs.enqueue(tx, labour.name, key="k")
        running = asyncio.create_task(job_loop.run(labour.db, job, handler))
        await asyncio.sleep(0.1)
        bucket = f"{labour.name} written"
        await tx.run(
            "insert into rate_limit (bucket, tokens, at) values ($1, 1, $2)", bucket, tx.now
        )
    await running
    await labour.work(handler)
    assert seen == [1]


async def test_a_key_of_a_job_that_was_given_up_holds_nothing_back(labour: Labour) -> None:
    await labour.enqueue(key="k")
    (job,) = await labour.take(handler := Handler(inside=fail, attempts=1))
    await job_loop.run(labour.db, job, handler)
    await labour.enqueue(key="k")
    await labour.work(Handler(inside=labour.effect))
    assert await labour.effects() == 1
    assert await labour.rows() == []


async def test_a_job_for_later_is_not_taken_before_its_time(labour: Labour) -> None:
    await labour.enqueue(after=timedelta(hours=1))
    handler = Handler(inside=labour.effect)
    assert await labour.take(handler) == []
    with clock.travel(timedelta(hours=2)):
        assert len(await labour.take(handler)) == 1
