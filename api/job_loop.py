"""A worker's loop over the jobs: takes them for a lease, does several at once, stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from api.db import Database, Tx, Unreachable
from api.jobs import GiveUp, Handler, Job, Later, finish, take
from api.permissions import Worker

log = logging.getLogger("superapp.jobs")
DRAIN_S = 30.0
"""So long a worker that is told to stop lets its running jobs finish."""


async def run(db: Database, job: Job, handler: Handler) -> None:
    """Does one job. A failure is noted and comes again after a growing, jittered pause.

    Raises where it cannot be noted, as when the data base is lost: `work` frees it afterwards.
    """
    try:
        if job.attempts > handler.attempts:
            raise GiveUp("its worker ended every time")
        if handler.inside is not None:
            async with db.begin(Worker(job.name)) as tx:
                if await finish(tx, job):
                    await handler.inside(tx, job)
            return
        assert handler.outside is not None
        if not await _begin(db, job, handler.lease):
            return  # it waited here for so long that another took it
        async with asyncio.timeout(handler.lease.total_seconds()):
            await handler.outside(db, job)
        async with db.begin(Worker(job.name)) as tx:
            await finish(tx, job)
    except Later as later:
        job.attempts -= 1
        await _again(db, job, later.after, None)
    except Exception as error:
        gave_up = isinstance(error, GiveUp) or job.attempts >= handler.attempts
        level = logging.ERROR if gave_up else logging.WARNING
        facts = {"job": str(job.id), "name": job.name, "attempt": job.attempts, "given_up": gave_up}
        log.log(level, "job failed", exc_info=error, extra={"facts": facts})
        said = f"GiveUp: {error}" if isinstance(error, GiveUp) else type(error).__name__
        await _again(db, job, None if gave_up else pause(job.attempts), said)


def pause(attempts: int) -> timedelta:
    """2, 4, 8 … seconds up to an hour, by half more or less, so that herds break up."""
    seconds: float = min(2.0**attempts, 3600.0)
    return timedelta(seconds=seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


async def _begin(db: Database, job: Job, lease: timedelta) -> bool:
    """The lease counts from here, not from when the job was fetched."""
    async with db.begin(Worker(job.name)) as tx:
        return bool(
            await tx.run(
                "update job set due_at = $3 where id = $1 and turn = $2",
                job.id,
                job.turn,
                tx.now + lease,
            )
        )


async def _again(db: Database, job: Job, after: timedelta | None, error: str | None) -> None:
    async with db.begin(Worker(job.name)) as tx:
        await tx.run(
            """
            update job set due_at = coalesce($3, due_at), error = $4, attempts = $6,
                failed_at = case when $3::timestamptz is null then $5::timestamptz end
            where id = $1 and turn = $2
            """,
            job.id,
            job.turn,
            None if after is None else tx.now + after,
            error and error[:200],
            tx.now,
            job.attempts,
        )


async def work(
    db: Database,
    handlers: Mapping[str, Handler],
    stopping: asyncio.Event,
    *,
    at_once: int = 8,
    pause_s: float = 0.5,
    drain_s: float = DRAIN_S,
) -> None:
    """Takes and does jobs until `stopping` is set; then finishes what runs and gives back the rest.

    What runs for more than `drain_s` after that is cancelled and given back too. Waits for a lost
    data base.
    """
    taken: asyncio.Queue[Job] = asyncio.Queue()
    running: dict[UUID, Job] = {}
    unnoted: list[Job] = []
    low = asyncio.Event()

    async def do() -> None:
        while True:
            job = await taken.get()
            if taken.qsize() < at_once:
                low.set()
            running[job.id] = job
            if not await _quietly(db, job, handlers[job.name]):
                unnoted.append(job)
            del running[job.id]
            taken.task_done()

    doing = [asyncio.create_task(do()) for _ in range(at_once)]
    try:
        while not stopping.is_set():
            found, again = list[Job](), list(unnoted)
            try:
                async with db.begin(Worker("jobs")) as tx:
                    if again:  # the data base is back: nobody waits for their leases
                        await _free(tx, again, 0)
                    found = await take(tx, handlers, 4 * at_once)
                del unnoted[: len(again)]
            except Unreachable as error:
                facts = {"error": type(error).__name__}
                log.warning("data base unreachable", extra={"facts": facts})
            for job in sorted(found, key=lambda job: job.id):
                taken.put_nowait(job)
            low.clear()
            if len(found) < 4 * at_once:
                await _either(stopping.wait(), asyncio.sleep(pause_s))
            elif taken.qsize() >= at_once:
                await _either(stopping.wait(), low.wait())
    finally:
        await _give_back(db, _emptied(taken))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(taken.join(), drain_s)
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)
        await _give_back(db, [*running.values(), *unnoted])


def _emptied(taken: asyncio.Queue[Job]) -> list[Job]:
    rest = []
    while not taken.empty():
        rest.append(taken.get_nowait())
        taken.task_done()
    return rest


async def _give_back(db: Database, jobs: list[Job]) -> None:
    """What was taken and not done is another worker's at once."""
    if not jobs:
        return
    try:
        async with db.begin(Worker("jobs")) as tx:
            await _free(tx, jobs, 1)
    except Unreachable:
        return  # the leases run out by themselves


async def _free(tx: Tx, jobs: list[Job], untried: int) -> None:
    """Any worker may take them at once; `untried` attempts are not counted."""
    await tx.run(
        """
        update job set due_at = $3, attempts = attempts - $4, turn = job.turn + 1
        from unnest($1::uuid[], $2::integer[]) as held (id, turn)
        where job.id = held.id and job.turn = held.turn
        """,
        [job.id for job in jobs],
        [job.turn for job in jobs],
        tx.now,
        untried,
    )


async def _quietly(db: Database, job: Job, handler: Handler) -> bool:
    """False where what became of the job could not be noted: the data base was lost."""
    try:
        await run(db, job, handler)
        return True
    except Exception as error:  # of the data base: nobody else may be held up
        facts = {"job": str(job.id), "name": job.name, "error": type(error).__name__}
        log.warning("job left for later", extra={"facts": facts})
        return False


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
