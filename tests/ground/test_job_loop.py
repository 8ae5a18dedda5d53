"""Jobs that fail, workers that stop, a data base that is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from api import clock, ids, job_loop, jobs
from api.db import Database, Tx
from api.embedded import EmbeddedPostgres
from api.jobs import GiveUp, Handler, Job, Later
from api.permissions import Worker
from tests.ground.labour import Labour, fail, labour

__all__ = ["labour"]


# --- failing --------------------------------------------------------------------------------------


async def test_afailing_job_waits_longer_each_time_and_is_given_up_visibly(labour: Labour) -> None:
    await labour.enqueue()
    handler = Handler(inside=fail, attempts=5)
    waits, now = [], clock.now()
    for _ in range(5):
        with clock.travel(now - clock.now()):
            (job,) = await labour.take(handler)
            await job_loop.run(labour.db, job, handler)
            spent = (clock.now() - now).total_seconds()
        (row,) = await labour.rows()
        waits.append(((row.due_at - now).total_seconds(), spent))
        now = max(row.due_at, now + timedelta(seconds=1))
    for (wait, spent), most in zip(waits[:4], (2, 4, 8, 16), strict=True):
        assert most / 2 <= wait <= most * 1.5 + spent
    assert row.failed_at is not None
    assert (row.attempts, row.error) == (5, "ValueError"), "the kind of the error, never its text"
    with clock.travel(timedelta(days=9)):
        assert await labour.take(handler) == []


def test_the_pause_grows_to_an_hour_and_no_further() -> None:
    assert all(1800 <= job_loop.pause(n).total_seconds() <= 5400 for n in (12, 16, 1000))


async def test_a_job_that_is_requeued_is_tried_from_the_beginning(labour: Labour) -> None:
    for _ in range(2):
        await labour.enqueue()
    handler = Handler(inside=fail, attempts=1)
    for job in await labour.take(handler):
        await job_loop.run(labour.db, job, handler)
    one, other = await labour.rows()
    async with labour.db.begin(Worker("test")) as tx:
        assert await jobs.requeue(tx, [one.id]) == 1
    await labour.work(Handler(inside=labour.effect))
    assert await labour.effects() == 1
    assert [row.id for row in await labour.rows()] == [other.id]
    async with labour.db.begin(Worker("test")) as tx:
        assert await jobs.requeue(tx) >= 1
    await labour.work(Handler(inside=labour.effect))
    assert await labour.effects() == 2


async def test_giving_up_at_once_says_why(labour: Labour) -> None:
    async def refuse(tx: Tx, job: Job) -> None:
        raise GiveUp("no such template")

    await labour.enqueue()
    (job,) = await labour.take(handler := Handler(inside=refuse))
    await job_loop.run(labour.db, job, handler)
    (row,) = await labour.rows()
    assert (row.attempts, row.error) == (1, "GiveUp: no such template")
    assert row.failed_at is not None


async def test_later_counts_no_attempt(labour: Labour) -> None:
    async def wait(tx: Tx, job: Job) -> None:
        raise Later(timedelta(minutes=10))

    await labour.enqueue()
    (job,) = await labour.take(handler := Handler(inside=wait, attempts=1))
    await job_loop.run(labour.db, job, handler)
    (row,) = await labour.rows()
    assert (row.attempts, row.error, row.failed_at) == (0, None, None)
    assert timedelta(minutes=9) < row.due_at - clock.now() < timedelta(minutes=11)


async def test_a_job_that_kills_every_worker_is_given_up(labour: Labour) -> None:
    await labour.enqueue()
    handler = Handler(inside=labour.effect, attempts=2)
    now = clock.now()
    for _ in range(3):
        with clock.travel(now - clock.now()):
            (job,) = await labour.take(handler)
        now += timedelta(minutes=2)
    await job_loop.run(labour.db, job, handler)
    (row,) = await labour.rows()
    assert await labour.effects() == 0
    assert row.failed_at is not None
    assert row.error == "GiveUp: its worker ended every time"


async def test_an_outside_job_that_finds_the_network_down_is_noted_not_left_to_its_lease(
    labour: Labour,
) -> None:
    async def reach(db: Database, job: Job) -> None:
        raise ConnectionRefusedError

    await labour.enqueue()
    (job,) = await labour.take(handler := Handler(outside=reach))
    await job_loop.run(labour.db, job, handler)
    (row,) = await labour.rows()
    assert row.error == "ConnectionRefusedError"
    assert row.due_at - clock.now() < timedelta(seconds=4)


async def test_one_thatfails_holds_up_no_other(labour: Labour) -> None:
    async def some(tx: Tx, job: Job) -> None:
        if job.args["n"] % 2:
            raise ValueError
        await labour.effect(tx, job)

    async with labour.db.begin(Worker("test")) as tx:
        for n in range(20):
            await jobs.enqueue(tx, labour.name, {"n": n})
    await labour.work(Handler(inside=some, attempts=1), at_once=3)
    assert await labour.effects() == 10
    assert len(await labour.rows()) == 10


# --- stopping, and a lost data base ---------------------------------------------------------------


async def test_stopping_finishes_what_runs_and_gives_back_the_rest(labour: Labour) -> None:
    begun, go, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx, job: Job) -> None:
        begun.set()
        await go.wait()
        await labour.effect(tx, job)

    async with labour.db.begin(Worker("test")) as tx:
        for _ in range(6):
            await jobs.enqueue(tx, labour.name)
    handler = Handler(inside=slow)
    loop = asyncio.create_task(
        job_loop.work(labour.db, {labour.name: handler}, stopping, at_once=2, pause_s=0.01)
    )
    await begun.wait()
    stopping.set()
    await asyncio.sleep(0.1)
    go.set()
    await asyncio.wait_for(loop, 10)
    assert await labour.effects() == 2
    left = await labour.rows()
    assert [row.attempts for row in left] == [0] * 4
    assert len(await labour.take(handler)) == 4, "at once, not when a lease runs out"


async def test_stopping_is_bounded_and_what_still_runs_is_given_back(labour: Labour) -> None:
    begun, stopping = asyncio.Event(), asyncio.Event()

    async def endless(db: Database, job: Job) -> None:
        begun.set()
        await asyncio.sleep(60)

    await labour.enqueue()
    handler = Handler(outside=endless)
    loop = asyncio.create_task(
        job_loop.work(labour.db, {labour.name: handler}, stopping, pause_s=0.01, drain_s=0.1)
    )
    await begun.wait()
    stopping.set()
    await asyncio.wait_for(loop, 5)
    assert len(await labour.take(handler)) == 1


async def test_a_lost_data_base_is_waited_for(
    labour: Labour, postgres: EmbeddedPostgres, template: str
) -> None:
    """A data base of its own, from which everybody is thrown out while jobs are done."""
    url = await postgres.create_database(f"jobs_{ids.new().hex}", template)
    db = await Database.connect(url, size=6)
    own, done, stopping = Labour(db), set[UUID](), asyncio.Event()

    async def effect(tx: Tx, job: Job) -> None:
        await asyncio.sleep(0.005)
        await own.effect(tx, job)
        done.add(job.id)

    async with db.begin(Worker("test")) as tx:
        for _ in range(100):
            await jobs.enqueue(tx, own.name)
    handler = Handler(inside=effect, lease=timedelta(seconds=1))
    loop = asyncio.create_task(
        job_loop.work(db, {own.name: handler}, stopping, at_once=4, pause_s=0.05)
    )
    while len(done) < 20:
        await asyncio.sleep(0.01)
    async with labour.db.pool.acquire() as connection:
        await connection.execute("set role none")
        thrown = await connection.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1",
            url.partition("?")[0].rpartition("/")[2],
        )
        await connection.execute("set role superapp_app")
    assert thrown
    watching = await asyncpg.connect(url)  # the pool may not have noticed yet that it is thrown out
    for _ in range(1500):
        if not await watching.fetchval("select count(*) from job"):
            break
        await asyncio.sleep(0.02)
    await watching.close()
    stopping.set()
    await asyncio.wait_for(loop, 10)
    assert await own.effects() == 100
    await db.close()


async def test_a_job_whose_failure_could_not_be_noted_does_not_wait_for_its_lease(
    labour: Labour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when PostgreSQL is killed under it: once it is back, the job is anybody's."""
    done, stopping, note = asyncio.Event(), asyncio.Event(), job_loop._again

    async def lost(db: Database, job: Job) -> None:
        if not done.is_set():
            done.set()
            raise ConnectionResetError
        stopping.set()

    async def unnoted(*_: object) -> None:
        monkeypatch.setattr(job_loop, "_again", note)
        raise ConnectionRefusedError

    monkeypatch.setattr(job_loop, "_again", unnoted)
    await labour.enqueue()
    handler = Handler(outside=lost, lease=timedelta(minutes=10))
    await asyncio.wait_for(
        job_loop.work(labour.db, {labour.name: handler}, stopping, pause_s=0.05), 5
    )
    assert await labour.rows() == []


async def test_the_backlog_tells_what_is_open_how_old_and_what_was_given_up(labour: Labour) -> None:
    async with labour.db.read() as tx:
        before = await jobs.backlog(tx)
    await labour.enqueue()
    await labour.enqueue()
    (job, _) = await labour.take(handler := Handler(inside=fail, attempts=1))
    await job_loop.run(labour.db, job, handler)
    with clock.travel(timedelta(seconds=160)):
        async with labour.db.read() as tx:
            after = await jobs.backlog(tx)
    assert (after.open, after.failed) == (before.open + 1, before.failed + 1)
    assert after.oldest_s > 95


async def test_readiness_and_metrics_tell_of_jobs_that_wait_and_of_those_given_up(
    labour: Labour, http: httpx.AsyncClient
) -> None:
    await labour.enqueue()
    (job,) = await labour.take(handler := Handler(inside=fail, attempts=1))
    await job_loop.run(labour.db, job, handler)
    await labour.enqueue()
    with clock.travel(timedelta(minutes=6)):
        ready = await http.get("/health/ready")
    found = ready.json()
    assert ready.status_code == 200, "late work does not make a server unready"
    assert found["jobs_failed"] >= 1
    assert found["jobs_oldest_s"] >= 355
    said = " ".join(found["warnings"])
    assert "does a worker run?" in said
    assert "superapp jobs --failed" in said
    metrics = (await http.get("/metrics")).text
    for name in ("superapp_jobs_open", "superapp_jobs_oldest_seconds", "superapp_jobs_failed"):
        assert f"\n{name} " in metrics
