"""Every clock of the house in one table, and one scan for all, by `due_at`.

A deadline is (kind, record, due_at). It is met, or it fires once: then the reaction for its kind
runs, in the transaction that marks it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Database, Tx, Unreachable
from api.permissions import Worker

log = logging.getLogger("superapp.deadlines")


class Due(msgspec.Struct):
    kind: str
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


async def fire_due(db: Database, reactions: Mapping[str, Reaction], limit: int = 100) -> int:
    """Fires what is due, each in a transaction of its own; returns how many fired.

    The record is locked as every verb locks it, before its clock: the other way round a verb that
    meets the clock and the worker would wait for each other. A record that a verb or another
    worker holds, and one whose reaction fails, stays due and is left for the next scan, so that
    it cannot hold up the others; a kind without a reaction stays open, never dropped.
    """
    fired, passed = 0, list[UUID]()
    while fired < limit and len(passed) < limit:
        due: Due | None = None
        try:
            async with db.begin(Worker("timer")) as tx:
                due = await tx.maybe_one(
                    Due,
                    """
                    select kind, record, due_at from deadline
                    where met_at is null and fired_at is null and due_at <= $1
                        and kind = any($2::text[]) and record <> all($3::uuid[])
                    order by due_at limit 1
                    """,
                    tx.now,
                    list(reactions),
                    passed,
                )
                if due is None:
                    break
                if not await tx.try_lock(due.record):
                    passed.append(due.record)
                    continue
                if not await tx.run(
                    """
                    update deadline set fired_at = $3
                    where kind = $1 and record = $2
                        and met_at is null and fired_at is null and due_at <= $3
                    """,
                    due.kind,
                    due.record,
                    tx.now,
                ):
                    continue  # met, moved or fired by another worker before the lock was ours
                await reactions[due.kind](tx, due.record)
            fired += 1
        except Unreachable:
            raise
        except Exception:
            if due is None:
                raise
            log.exception("deadline failed", extra={"facts": {"deadline": due.kind}})
            passed.append(due.record)
    return fired
