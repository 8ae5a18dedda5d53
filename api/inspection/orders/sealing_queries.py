"""Statements about sealings and their seals, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


class SealingRow(msgspec.Struct):
    """A sealing as stored; `machines` as JSON text."""

    id: UUID
    legal_order: UUID
    state: str
    machines: str
    reason: str
    evidence: list[UUID]
    requested_at: datetime
    approved_at: datetime | None
    sealed_at: datetime | None
    lifted_at: datetime | None
    version: int


async def sealings(tx: Tx, orders: Sequence[UUID]) -> list[SealingRow]:
    """What was asked for, and came of it, under `orders`."""
    return await tx.all(
        SealingRow,
        """
        select id, legal_order, state, machines, reason, evidence, requested_at,
            approved_at, sealed_at, lifted_at, version
        from sealing where legal_order = any($1::uuid[]) order by id
        """,
        list(orders),
    )


async def same_sealing(tx: Tx, id: UUID, order: UUID, machines: str, reason: str) -> bool:
    found: bool = await tx.value(
        """
        select legal_order = $2 and machines::text = $3 and reason = $4 from sealing where id = $1
        """,
        id,
        order,
        machines,
        reason,
    )
    return found


async def insert_sealing(
    tx: Tx, id: UUID, order: UUID, machines: str, reason: str, by: UUID
) -> int:
    return await tx.run(
        """
        insert into sealing (id, legal_order, state, machines, reason, requested_by, requested_at)
        values ($1, $2, 'requested', $3::json, $4, $5, $6) on conflict do nothing
        """,
        id,
        order,
        machines,
        reason,
        by,
        tx.now,
    )


async def decide_sealing(tx: Tx, id: UUID, state: str, by: UUID, authority: UUID) -> None:
    await tx.run(
        """
        update sealing set state = $2, approved_by = $3, approved_at = $4, authority = $5,
            version = version + 1
        where id = $1
        """,
        id,
        state,
        by,
        tx.now,
        authority,
    )


async def seal_machines(tx: Tx, id: UUID, evidence: Sequence[UUID], at: datetime, by: UUID) -> None:
    await tx.run(
        """
        update sealing set state = 'sealed', evidence = $2, sealed_at = $3, sealed_by = $4,
            version = version + 1
        where id = $1
        """,
        id,
        list(evidence),
        at,
        by,
    )


async def lifted(tx: Tx, id: UUID, state: str, evidence: Sequence[UUID], by: UUID) -> None:
    """Some seals were taken off; with the last one the sealing is `lifted`."""
    await tx.run(
        """
        update sealing set state = $2, evidence = evidence || $3::uuid[],
            lifted_at = case when $2 = 'lifted' then $4::timestamptz end,
            lifted_by = case when $2 = 'lifted' then $5::uuid end, version = version + 1
        where id = $1
        """,
        id,
        state,
        list(evidence),
        tx.now,
        by,
    )


# --- seals --------------------------------------------------------------------------------------


class SealRow(msgspec.Struct):
    sealing: UUID
    number: str
    machine: str
    lifted_at: datetime | None


async def seals(tx: Tx, sealings: Sequence[UUID]) -> list[SealRow]:
    """The seals of `sealings`, those that were taken off too."""
    return await tx.all(
        SealRow,
        """
        select sealing, number, machine, lifted_at from seal
        where sealing = any($1::uuid[]) order by number
        """,
        list(sealings),
    )


async def insert_seals(
    tx: Tx, sealing: UUID, numbers: Sequence[str], machines: Sequence[str], keys: Sequence[str]
) -> None:
    """`keys`: the names of the machines as they are compared."""
    await tx.run(
        """
        insert into seal (sealing, number, machine, machine_key)
        select $1, n, m, k from unnest($2::text[], $3::text[], $4::text[]) as x(n, m, k)
        """,
        sealing,
        list(numbers),
        list(machines),
        list(keys),
    )


async def lift(tx: Tx, sealing: UUID, numbers: Sequence[str], at: datetime, by: UUID) -> None:
    await tx.run(
        """
        update seal set lifted_at = $3, lifted_by = $4
        where sealing = $1 and number = any($2::text[]) and lifted_at is null
        """,
        sealing,
        list(numbers),
        at,
        by,
    )


async def under_seal(
    tx: Tx, premises: UUID, licence: UUID | None, keys: Sequence[str], but: UUID
) -> list[str]:
    """Machines among `keys` that another sealing than `but` holds sealed, at the site or one that
    was merged into it, under the same licence."""
    return await tx.values(
        """
        select distinct s.machine from seal s join sealing z on z.id = s.sealing
            join legal_order o on o.id = z.legal_order
            join premises p on p.id = o.premises
        where s.machine_key = any($3::text[]) and s.lifted_at is null and z.id <> $4
            and coalesce(p.merged_into, p.id) = $1 and o.licence is not distinct from $2
        order by s.machine
        """,
        premises,
        licence,
        list(keys),
        but,
    )
