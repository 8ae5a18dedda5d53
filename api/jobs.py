"""Work behind the scenes: written with the event that causes it, done by any worker.

A job is a row. A worker takes it for the length of a lease; when the lease runs out, as after a
kill -9, another takes it. A job that ran is deleted in the transaction of its effect, so that an
effect inside the data base happens exactly once; what reaches outside happens at least once and
carries the job's id as its idempotency key. How workers do it: `job_loop.py`. Why not a library:
docs/adr/0013.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from api import ids
from api.db import Database, Tx

LEASE = timedelta(seconds=60)
ATTEMPTS = 16
"""So often a job is tried, over about five hours, before it is given up and shown."""


class Job(msgspec.Struct):
    """A job as a worker took it; `attempts` counts this one."""

    id: UUID
    name: str
    arguments: str
    attempts: int
    turn: int
    enqueued_at: datetime

    @property
    def args(self) -> dict[str, Any]:
        found: dict[str, Any] = _args.decode(self.arguments)
        return found


_args = msgspec.json.Decoder(dict[str, Any])


class Handler(NamedTuple):
    """How a job of one name is done: by `inside` in one transaction with its deletion, or by
    `outside`, which may reach other systems, opens its own transactions and is ended with its
    lease."""

    inside: Callable[[Tx, Job], Awaitable[None]] | None = None
    outside: Callable[[Database, Job], Awaitable[None]] | None = None
    lease: timedelta = LEASE
    attempts: int = ATTEMPTS


class GiveUp(Exception):
    """Raised by a handler when trying again cannot help; its text is kept and must be no data."""


class Later(Exception):
    """Raised by a handler that knows when it is worth trying again; no attempt is counted."""

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
    """A job for any worker, once `tx` commits.

    Of one name and `key` there is one. A second becomes the first, also where that was given up;
    where it runs at this moment it runs once more, for it may not have seen what `tx` writes.
    """
    await tx.run(
        """
        insert into job (id, name, args, key, due_at, enqueued_at)
        values ($1, $2, $3::jsonb, $4, $5, $6)
        on conflict (name, key) do update set args = excluded.args, attempts = 0,
            turn = job.turn + 1, due_at = least(job.due_at, excluded.due_at), failed_at = null
        """,
        ids.new(),
        name,
        msgspec.json.encode(args or {}).decode(),
        key,
        tx.now + after,
        tx.now,
    )


async def take(tx: Tx, handlers: Mapping[str, Handler], limit: int) -> list[Job]:
    """Takes up to `limit` due jobs, the longest due first; nobody else gets them in their lease."""
    return await tx.all(
        Job,
        """
        with due as materialized (
            select id from job
            where failed_at is null and due_at <= $1 and name = any($2::text[])
            order by due_at limit $4 for update skip locked
        )
        update job set due_at = $1::timestamptz + l.lease, attempts = attempts + 1, turn = turn + 1
        from due, unnest($2::text[], $3::interval[]) as l (name, lease)
        where job.id = due.id and job.name = l.name
        returning job.id, job.name, args, attempts, turn, enqueued_at
        """,
        tx.now,
        list(handlers),
        [handler.lease for handler in handlers.values()],
        limit,
    )


async def finish(tx: Tx, job: Job) -> bool:
    """Deletes a job that was done; False when it is another's turn."""
    return bool(await tx.run("delete from job where id = $1 and turn = $2", job.id, job.turn))


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


class Backlog(msgspec.Struct):
    """`oldest_s`: since when the longest due job waits; minutes mean that no worker runs."""

    open: int
    oldest_s: float
    failed: int


async def backlog(tx: Tx) -> Backlog:
    """Three looks at small indexes."""
    return await tx.one(
        Backlog,
        """
        select (select count(*) from job where failed_at is null),
            (select coalesce(greatest(extract(epoch from $1 - min(due_at)), 0), 0)::float8
                from job where failed_at is null),
            (select count(*) from job where failed_at is not null)
        """,
        tx.now,
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
