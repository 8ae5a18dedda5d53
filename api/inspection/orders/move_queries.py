"""Statements that move an order or its dates, one function each."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from api.db import Tx


async def move(
    tx: Tx, order: UUID, state: str, *, breach: str | None = None, why: str | None = None
) -> None:
    """A move without dates of its own; `why` ends the order, `breach` is the head's judgement."""
    await tx.run(
        """
        update legal_order set state = $2, breach = coalesce($3::json, breach),
            ended_at = case when $4::text is null then ended_at else $5 end,
            ended_why = coalesce($4, ended_why), version = version + 1
        where id = $1
        """,
        order,
        state,
        breach,
        why,
        tx.now,
    )


async def supersede(tx: Tx, order: UUID, state: str, by: UUID, why: str) -> None:
    """The order has ended, and `by` stands in its place."""
    await tx.run(
        """
        update legal_order set state = $2, superseded_by = $3, ended_at = $4, ended_why = $5,
            version = version + 1
        where id = $1
        """,
        order,
        state,
        by,
        tx.now,
        why,
    )


async def set_superseded_by(tx: Tx, order: UUID, by: UUID) -> None:
    await tx.run(
        "update legal_order set superseded_by = $2, version = version + 1 where id = $1", order, by
    )


async def revive(tx: Tx, order: UUID, state: str) -> None:
    """The order has not ended after all."""
    await tx.run(
        """
        update legal_order set state = $2, superseded_by = null, ended_at = null,
            ended_why = null, version = version + 1
        where id = $1
        """,
        order,
        state,
    )


async def serve(
    tx: Tx, order: UUID, served_at: datetime, due_at: datetime | None, appeal_until: datetime
) -> None:
    await tx.run(
        """
        update legal_order set state = 'served', served_at = $2, due_at = $3, appeal_until = $4,
            version = version + 1
        where id = $1
        """,
        order,
        served_at,
        due_at,
        appeal_until,
    )


async def set_appeal_until(tx: Tx, order: UUID, until: datetime) -> None:
    await tx.run(
        "update legal_order set appeal_until = $2, version = version + 1 where id = $1",
        order,
        until,
    )


async def extend(tx: Tx, order: UUID, due_at: datetime) -> None:
    await tx.run(
        "update legal_order set state = 'served', due_at = $2, version = version + 1 where id = $1",
        order,
        due_at,
    )


async def insert_extension(
    tx: Tx, order: UUID, before: datetime, after: datetime, reason: str, by: UUID
) -> None:
    await tx.run(
        """
        insert into order_extension (legal_order, number, due_before, due_after, reason,
            granted_by, granted_at)
        select $1, count(*) + 1, $2, $3, $4, $5, $6 from order_extension where legal_order = $1
        """,
        order,
        before,
        after,
        reason,
        by,
        tx.now,
    )


async def set_stay(tx: Tx, order: UUID, stay: str | None, due_at: datetime | None) -> None:
    await tx.run(
        """
        update legal_order set stay = $2::json, due_at = $3, version = version + 1 where id = $1
        """,
        order,
        stay,
        due_at,
    )
