"""Statements about the service of orders and their notices, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


class AttemptRow(msgspec.Struct):
    """An attempt as stored; `flags` as JSON text."""

    id: UUID
    legal_order: UUID
    how: str
    at: datetime
    received_at: datetime
    officer: UUID
    place: str
    evidence: list[UUID]
    proof_evidence: UUID | None
    reading: UUID | None
    levels: list[str]
    flags: str
    counts_at: datetime | None
    counted_at: datetime | None
    hash: bytes


async def attempt(tx: Tx, id: UUID) -> AttemptRow | None:
    return await tx.maybe_one(
        AttemptRow,
        """
        select a.id, legal_order, how, at, a.received_at, officer, place, evidence, proof_evidence,
            reading, coalesce(r.levels, '{}'), a.flags, counts_at, counted_at, hash
        from service_attempt a left join reading r on r.id = a.reading where a.id = $1
        """,
        id,
    )


async def attempts(tx: Tx, orders: Sequence[UUID]) -> list[AttemptRow]:
    """Every attempt to serve `orders`, as they arrived."""
    return await tx.all(
        AttemptRow,
        """
        select a.id, legal_order, how, at, a.received_at, officer, place, evidence, proof_evidence,
            reading, coalesce(r.levels, '{}'), a.flags, counts_at, counted_at, hash
        from service_attempt a left join reading r on r.id = a.reading
        where legal_order = any($1::uuid[]) order by a.received_at, a.id
        """,
        list(orders),
    )


async def insert_attempt(
    tx: Tx,
    *,
    id: UUID,
    order: UUID,
    how: str,
    at: datetime,
    officer: UUID,
    place: str,
    position: str | None,
    proof: bytes | None,
    proof_evidence: UUID | None,
    reading: UUID | None,
    evidence: Sequence[UUID],
    flags: str,
    counts_at: datetime | None,
    digest: bytes,
) -> None:
    await tx.run(
        """
        insert into service_attempt (id, legal_order, how, at, received_at, officer, place,
            position, proof, evidence, flags, counts_at, hash, proof_evidence,
            reading)
        values ($1, $2, $3, $4, $5, $6, $7, $8::json, $9, $10, $11::json, $12, $13, $14, $15)
        """,
        id,
        order,
        how,
        at,
        tx.now,
        officer,
        place,
        position,
        proof,
        list(evidence),
        flags,
        counts_at,
        digest,
        proof_evidence,
        reading,
    )


async def count_attempt(tx: Tx, id: UUID) -> None:
    await tx.run("update service_attempt set counted_at = $2 where id = $1", id, tx.now)


async def postpone_attempt(tx: Tx, id: UUID, counts_at: datetime) -> int:
    """Moves the day of a service that does not count yet, later and never earlier."""
    return await tx.run(
        """
        update service_attempt set counts_at = $2
        where id = $1 and counted_at is null and counts_at < $2
        """,
        id,
        counts_at,
    )


async def waiting_orders(tx: Tx) -> list[UUID]:
    """Posted orders that are not served yet."""
    return await tx.values(
        """
        select distinct o.id from legal_order o join service_attempt a on a.legal_order = o.id
        where o.state = 'signed' and a.counts_at is not null and a.counted_at is null
        order by o.id
        """
    )


async def ending_at(tx: Tx, ends: Sequence[datetime]) -> list[UUID]:
    """Orders whose time to mend or to appeal ends at one of `ends`."""
    return await tx.values(
        """
        select id from legal_order
        where served_at is not null
            and (due_at = any($1::timestamptz[]) or appeal_until = any($1::timestamptz[]))
        order by id
        """,
        list(ends),
    )


class SealedProof(msgspec.Struct):
    proof: bytes | None


async def proof_of(tx: Tx, attempt: UUID) -> bytes | None:
    found = await tx.one(SealedProof, "select proof from service_attempt where id = $1", attempt)
    return found.proof


async def insert_notice(
    tx: Tx, id: UUID, order: UUID, place: str, at: datetime, by: UUID, evidence: Sequence[UUID]
) -> int:
    return await tx.run(
        """
        insert into order_notice (id, legal_order, place, posted_at, officer, evidence)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing
        """,
        id,
        order,
        place,
        at,
        by,
        list(evidence),
    )


class Posted(msgspec.Struct):
    legal_order: UUID
    places: int


async def notices(tx: Tx, orders: Sequence[UUID]) -> dict[UUID, int]:
    """Order → in how many different places it was posted, where it was."""
    found = await tx.all(
        Posted,
        """
        select legal_order, count(distinct lower(place)) from order_notice
        where legal_order = any($1::uuid[]) group by legal_order
        """,
        list(orders),
    )
    return {posted.legal_order: posted.places for posted in found}


async def same_notice(tx: Tx, id: UUID, order: UUID, place: str, at: datetime) -> bool:
    found: bool = await tx.value(
        """
        select legal_order = $2 and place = $3 and posted_at = $4 from order_notice where id = $1
        """,
        id,
        order,
        place,
        at,
    )
    return found
