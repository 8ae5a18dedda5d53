"""Statements about what comes after an order: corrections, appeals, seals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.db import Tx


async def insert_claim(
    tx: Tx, id: UUID, order: UUID, by: UUID, note: str, evidence: Sequence[UUID]
) -> int:
    return await tx.run(
        """
        insert into correction_claim (id, legal_order, claimed_by, claimed_at, note, evidence)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
        """,
        id,
        order,
        by,
        tx.now,
        note,
        list(evidence),
    )


async def same_claim(tx: Tx, id: UUID, order: UUID, note: str, evidence: Sequence[UUID]) -> bool:
    found: bool = await tx.value(
        """
        select legal_order = $2 and note = $3 and evidence = $4::uuid[]
        from correction_claim where id = $1
        """,
        id,
        order,
        note,
        list(evidence),
    )
    return found


class ClaimRow(msgspec.Struct):
    legal_order: UUID
    id: UUID
    claimed_at: datetime
    note: str
    evidence: list[UUID]


async def claims(tx: Tx, orders: Sequence[UUID]) -> list[ClaimRow]:
    """What was claimed under `orders`, the first first."""
    return await tx.all(
        ClaimRow,
        """
        select legal_order, id, claimed_at, note, evidence from correction_claim
        where legal_order = any($1::uuid[]) order by claimed_at, id
        """,
        list(orders),
    )


# --- appeal -------------------------------------------------------------------------------------


class AppealRow(msgspec.Struct):
    legal_order: UUID
    filed_on: date
    late: bool
    grounds: str
    outcome: str | None
    decided_on: date | None
    decision: str


async def appeal(tx: Tx, order: UUID) -> AppealRow | None:
    found = await appeals(tx, [order])
    return found[0] if found else None


async def appeals(tx: Tx, orders: Sequence[UUID]) -> list[AppealRow]:
    """At most one of each of `orders`."""
    return await tx.all(
        AppealRow,
        """
        select legal_order, filed_on, late, grounds, outcome, decided_on, decision
        from appeal where legal_order = any($1::uuid[])
        """,
        list(orders),
    )


async def insert_appeal(
    tx: Tx, order: UUID, filed_on: date, late: bool, grounds: str, by: UUID
) -> int:
    return await tx.run(
        """
        insert into appeal (legal_order, filed_at, filed_on, late, grounds, recorded_by)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
        """,
        order,
        tx.now,
        filed_on,
        late,
        grounds,
        by,
    )


async def decide_appeal(
    tx: Tx, order: UUID, outcome: str, on: date, decision: str, by: UUID
) -> int:
    return await tx.run(
        """
        update appeal set outcome = $2, decided_on = $3, decision = $4, decided_by = $5
        where legal_order = $1 and outcome is null
        """,
        order,
        outcome,
        on,
        decision,
        by,
    )
