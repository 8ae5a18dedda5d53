"""Work behind the scenes: written with the event that causes it, done by any worker.

A job is a row. A worker takes it for the length of a lease; when the lease runs out, as after a
kill -9, another takes it. A job that ran is deleted in the transaction of its effect, so that an
effect inside the data base happens exactly once; what reaches outside happens at least once and
carries the job's id as its idempotency key. Why not a library: docs/adr/0012.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from api import ids
from api.db import Database, Tx, Unreachable
from api.permissions import Worker

log = logging.getLogger("superapp.jobs")
LEASE = timedelta(seconds=60)
ATTEMPTS = 12
"""So often a job is tried, over some hours, before it is given up and shown."""


class Job(msgspec.Struct):
    """A job as a worker took it; `attempts` counts this one."""

    id: UUID
    name: str
    arguments: str
    attempts: int
    enqueued_at: datetime

    @property
    def args(self) -> dict[str, Any]:
        found: dict[str, Any] = _args.decode(self.arguments)
        return found


_args = msgspec.json.Decoder(dict[str, Any])


class Handler(NamedTuple):
    """How a job of one name is done: by `inside` in one transaction with its deletion, or by
    `outside`, which may take long and reach other systems, and opens its own transactions."""

    inside: Callable[[Tx, Job], Awaitable[None]] | None = None
    outside: Callable[[Database, Job], Awaitable[None]] | None = None
    lease: timedelta = LEASE
    attempts: int = ATTEMPTS


class GiveUp(Exception):
    """Raised by a handler when trying again cannot help; its text is kept and must be no data."""


class Later(Exception):
    """Raised by a handler that knows when it is worth trying again."""

    def __init__(self, after: timedelta) -> None:
        super().__init__()
        self.after = after


async def enqueue(
    tx: Tx,
    name: str,
    args: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    after: timedelta = timedelta(0),
) -> None:
    """A job for any worker, once `tx` commits. While one of that name and `key` is open, a second
    is not added."""
    await tx.run(
        """
        insert into job (id, name, args, key, due_at, enqueued_at)
        values ($1, $2, $3::jsonb, $4, $5, $6) on conflict (name, key) do nothing
        """,
        ids.new(),
        name,
        msgspec.json.encode(args or {}).decode(),
        key,
        tx.now + after,
        tx.now,
    )


async def take(tx: Tx, names: list[str], limit: int, lease: timedelta) -> list[Job]:
    """Takes up to `limit` due jobs, the longest due first; nobody else gets them in `lease`."""
    return await tx.all(
        Job,
        """
        update job set due_at = $3, attempts = attempts + 1
        where id in (
            select id from job where failed_at is null and due_at <= $1 and name = any($2::text[])
            order by due_at limit $4 for update skip locked)
        returning id, name, args, attempts, enqueued_at
        """,
        tx.now,
        names,
        tx.now + lease,
        limit,
    )


async def finish(tx: Tx, job: Job) -> bool:
    """Deletes a job that was done; False when the lease was lost and another took it."""
    return bool(
        await tx.run("delete from job where id = $1 and attempts = $2", job.id, job.attempts)
    )


async def run(db: Database, job: Job, handler: Handler) -> None:
    """Does one job. A failure is noted and comes again after a growing, jittered pause."""
    try:
        if handler.inside is not None:
            async with db.begin(Worker(job.name)) as tx:
                if await finish(tx, job):
                    await handler.inside(tx, job)
            return
        assert handler.outside is not None
        await handler.outside(db, job)
        async with db.begin(Worker(job.name)) as tx:
            await finish(tx, job)
    except Unreachable:
        raise  # the lease runs out by itself
    except Later as later:
        await _again(db, job, later.after, "Later")
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


async def _again(db: Database, job: Job, after: timedelta | None, error: str) -> None:
    async with db.begin(Worker(job.name)) as tx:
        await tx.run(
            """
            update job set due_at = coalesce($3, due_at), error = $4,
                failed_at = case when $3::timestamptz is null then $5::timestamptz end
            where id = $1 and attempts = $2
            """,
            job.id,
            job.attempts,
            None if after is None else tx.now + after,
            error[:200],
            tx.now,
        )


async def work(
    db: Database,
    handlers: Mapping[str, Handler],
    stopping: asyncio.Event,
    *,
    at_once: int = 8,
    pause_s: float = 0.5,
) -> None:
    """Takes and does jobs until `stopping` is set; then finishes what runs and gives back the rest.

    Waits for a lost data base.
    """
    taken: asyncio.Queue[Job] = asyncio.Queue()
    low = asyncio.Event()

    async def do() -> None:
        while True:
            job = await taken.get()
            if taken.qsize() < at_once:
                low.set()
            await _quietly(db, job, handlers[job.name])
            taken.task_done()

    doing = [asyncio.create_task(do()) for _ in range(at_once)]
    try:
        while not stopping.is_set():
            try:
                full = await _take_into(taken, db, handlers, 4 * at_once)
            except Unreachable as error:
                facts = {"error": type(error).__name__}
                log.warning("data base unreachable", extra={"facts": facts})
                full = False
            low.clear()
            if full and taken.qsize() >= at_once:
                await _either(low.wait(), stopping.wait())
            elif not full:
                await _either(stopping.wait(), asyncio.sleep(pause_s))
    finally:
        await _give_back(taken, db)
        await taken.join()
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)


async def _take_into(
    taken: asyncio.Queue[Job], db: Database, handlers: Mapping[str, Handler], limit: int
) -> bool:
    """Whether there may be more."""
    by_lease: dict[timedelta, list[str]] = {}
    for name, handler in handlers.items():
        by_lease.setdefault(handler.lease, []).append(name)
    full = False
    for lease, names in by_lease.items():
        async with db.begin(Worker("jobs")) as tx:
            found = await take(tx, names, limit, lease)
        for job in found:
            taken.put_nowait(job)
        full = full or len(found) == limit
    return full


async def _give_back(taken: asyncio.Queue[Job], db: Database) -> None:
    """What was taken and not begun is another worker's at once."""
    rest = list[UUID]()
    while not taken.empty():
        rest.append(taken.get_nowait().id)
        taken.task_done()
    if not rest:
        return
    try:
        async with db.begin(Worker("jobs")) as tx:
            await tx.run(
                "update job set due_at = $2, attempts = attempts - 1 where id = any($1::uuid[])",
                rest,
                tx.now,
            )
    except Unreachable:
        return  # the leases run out by themselves


async def _quietly(db: Database, job: Job, handler: Handler) -> None:
    try:
        await run(db, job, handler)
    except Exception as error:  # of the data base: nobody else may be held up
        facts = {"job": str(job.id), "name": job.name, "error": type(error).__name__}
        log.warning("job left to its lease", extra={"facts": facts})


async def _either(*waits: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


# --- for whoever looks after it -----------------------------------------------------------------


class Line(msgspec.Struct):
    """An open or failed job as `superapp jobs` lists it."""

    id: UUID
    name: str
    attempts: int
    due_at: datetime
    enqueued_at: datetime
    failed_at: datetime | None
    error: str | None


async def lines(tx: Tx, *, failed: bool, limit: int = 200) -> list[Line]:
    return await tx.all(
        Line,
        """
        select id, name, attempts, due_at, enqueued_at, failed_at, error from job
        where (failed_at is not null) = $1 order by enqueued_at limit $2
        """,
        failed,
        limit,
    )


async def requeue(tx: Tx, ids: list[UUID] | None = None) -> int:
    """Tries failed jobs again, all of them or those of `ids`; returns how many."""
    return await tx.run(
        """
        update job set failed_at = null, attempts = 0, due_at = $1
        where failed_at is not null and ($2::uuid[] is null or id = any($2))
        """,
        tx.now,
        ids,
    )
