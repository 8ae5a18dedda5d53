"""Every clock of the house in one table, and one scan for all, by `due_at`.

A deadline is (kind, record, due_at). It is met, or it fires once: then the reaction for its kind
runs, in the transaction that marks it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from api.db import Database, Tx, Unreachable
from api.permissions import Worker

log = logging.getLogger("superapp.deadlines")
PAGE = 250


class Due(msgspec.Struct):
    record: UUID
    due_at: datetime


Reaction = Callable[[Tx, UUID], Awaitable[None]]


async def start(tx: Tx, kind: str, record: UUID, due_at: datetime) -> None:
    """Starts or restarts the clock `kind` of `record`."""
    await tx.run(
        """
        insert into deadline (kind, record, due_at, set_at) values ($1, $2, $3, $4)
        on conflict (kind, record) do update
        set due_at = excluded.due_at, set_at = excluded.set_at, met_at = null, fired_at = null
        """,
        kind,
        record,
        due_at,
        tx.now,
    )


async def meet(tx: Tx, kind: str, record: UUID) -> None:
    """What the clock waited for has happened; no clock is no error."""
    await tx.run(
        "update deadline set met_at = $3 where kind = $1 and record = $2 and met_at is null",
        kind,
        record,
        tx.now,
    )


async def fire_due(db: Database, reactions: Mapping[str, Reaction], limit: int = 2000) -> int:
    """Fires what is due, each in a transaction of its own; returns how many fired, at most `limit`
    of each kind.

    The record is locked as every verb locks it, before its clock: the other way round a verb that
    meets the clock and the worker would wait for each other. A record that a verb or another
    worker holds, and one whose reaction fails, stays due and is left for the next scan, so that
    it cannot hold up the others; a kind without a reaction stays open, never dropped.
    """
    return sum([await _fire_kind(db, kind, does, limit) for kind, does in reactions.items()])


async def _fire_kind(db: Database, kind: str, reaction: Reaction, limit: int) -> int:
    fired, after = 0, Due(UUID(int=0), datetime.min.replace(tzinfo=UTC))
    while fired < limit:
        wanted = min(PAGE, limit - fired)
        async with db.begin(Worker("timer")) as tx:
            page = await _due(tx, kind, after, wanted)
        for due in page:
            fired += await _fire(db, kind, due.record, reaction)
            after = due
        if len(page) < wanted:
            break
    return fired


async def _due(tx: Tx, kind: str, after: Due, limit: int) -> list[Due]:
    """The clocks that ran out, the longest due first; each row of the index is read once."""
    return await tx.all(
        Due,
        """
        select record, due_at from deadline
        where kind = $1 and met_at is null and fired_at is null and due_at <= $2
            and (due_at, record) > ($3, $4)
        order by due_at, record limit $5
        """,
        kind,
        tx.now,
        after.due_at,
        after.record,
        limit,
    )


async def _fire(db: Database, kind: str, record: UUID, reaction: Reaction) -> bool:
    try:
        async with db.begin(Worker("timer")) as tx:
            if not await tx.try_lock(record):
                return False
            if not await tx.run(
                """
                update deadline set fired_at = $3
                where kind = $1 and record = $2
                    and met_at is null and fired_at is null and due_at <= $3
                """,
                kind,
                record,
                tx.now,
            ):
                return False  # met, moved or fired by another worker before the lock was ours
            await reaction(tx, record)
        return True
    except Unreachable:
        raise
    except Exception:
        log.exception("deadline failed", extra={"facts": {"deadline": kind}})
        return False
