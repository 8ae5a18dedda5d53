"""Statements that tie complaints to visits and orders, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx

LIVE = ("planned", "under_way", "submitted", "in_review", "returned")
"""States in which a visit is still to come to its end."""
IN_FORCE = ("signed", "served", "overdue", "breached")
"""States in which an order still asks something of the factory."""


async def linked_to(tx: Tx, visit: UUID) -> list[UUID]:
    """The complaints that a visit is because of."""
    return await tx.values(
        "select complaint from complaint_visit where visit = $1 order by complaint", visit
    )


async def linked_in_turn(tx: Tx, visit: UUID) -> list[UUID]:
    """The same in the order in which their questions stand in the visit."""
    return await tx.values(
        "select complaint from complaint_visit where visit = $1 order by linked_at, complaint",
        visit,
    )


async def link(tx: Tx, complaints: Sequence[UUID], visit: UUID) -> None:
    await tx.run(
        """
        insert into complaint_visit (complaint, visit, linked_at)
        select c, $2, $3 from unnest($1::uuid[]) c on conflict do nothing
        """,
        list(complaints),
        visit,
        tx.now,
    )


async def standing_at(tx: Tx, premises: Sequence[UUID]) -> list[UUID]:
    """The sites that these records of the register lead to."""
    return await tx.values(
        "select distinct coalesce(merged_into, id) from premises where id = any ($1::uuid[])",
        list(premises),
    )


async def contents(tx: Tx, complaints: Sequence[UUID]) -> list[str]:
    """The category of each complaint as it was when it was told, as JSON, in the given order."""
    return await tx.values(
        """
        select v.content::text from unnest($1::uuid[]) with ordinality as wanted(id, n)
        join complaint c on c.id = wanted.id
        join complaint_category_version v on v.category = c.category
            and v.version = c.category_version
        order by wanted.n
        """,
        list(complaints),
    )


async def has_live_visit(tx: Tx, complaint: UUID) -> bool:
    """Whether a visit because of the complaint is still to come to its end."""
    found: bool = await tx.value(
        """
        select exists (select from complaint_visit l join visit v on v.id = l.visit
            where l.complaint = $1 and v.state = any ($2::text[]))
        """,
        complaint,
        list(LIVE),
    )
    return found


class OrderOf(msgspec.Struct):
    """An order with the complaints that its visits were because of."""

    number: str | None
    state: str
    complaints: list[UUID]


async def order(tx: Tx, id: UUID) -> OrderOf | None:
    """By its own visit, and by those that made its findings; of earlier orders in its chain too."""
    return await tx.maybe_one(
        OrderOf,
        """
        with recursive chain (id) as (
            select $1::uuid
            union
            select e.other from chain c join legal_order o on o.id = c.id
                cross join lateral (values (o.follows), (o.corrects)) as e(other)
            where e.other is not null
        ), seen (visit) as (
            select o.visit from legal_order o join chain c on c.id = o.id
            union
            select f.visit from order_finding l join chain c on c.id = l.legal_order
                join finding f on f.id = l.finding
        )
        select o.number, o.state, array(
            select distinct l.complaint from complaint_visit l join seen s on s.visit = l.visit
            order by 1)
        from legal_order o where o.id = $1
        """,
        id,
    )


async def has_order_in_force(tx: Tx, complaint: UUID) -> bool:
    """Whether an order on a visit because of the complaint still asks something of the factory."""
    found: bool = await tx.value(
        """
        with recursive mine (id) as (
            select o.id from complaint_visit l join legal_order o on o.visit = l.visit
            where l.complaint = $1
            union
            select f.legal_order from complaint_visit l join finding g on g.visit = l.visit
                join order_finding f on f.finding = g.id
            where l.complaint = $1
            union
            select o.id from mine m join legal_order o on m.id in (o.follows, o.corrects)
        )
        select exists (select from mine m join legal_order o on o.id = m.id
            where o.state = any ($2::text[]))
        """,
        complaint,
        list(IN_FORCE),
    )
    return found


class OfMatter(msgspec.Struct):
    """A complaint as a case file has it; nothing of who told it."""

    id: UUID
    number: int
    received_at: datetime
    category_th: str
    category_en: str
    description: str
    state: str
    outcome: str | None
    decision: str


async def of_visits(tx: Tx, visits: Sequence[UUID]) -> list[OfMatter]:
    """The complaints that these visits were because of, and those merged into them."""
    return await tx.all(
        OfMatter,
        """
        with mine as (
            select complaint as id from complaint_visit where visit = any ($1::uuid[])
            union
            select d.id from complaint d join complaint_visit l on l.complaint = d.merged_into
            where l.visit = any ($1)
        )
        select c.id, c.number, c.received_at, v.content->>'th', v.content->>'en',
            c.description, c.state, c.outcome, c.decision
        from mine m join complaint c on c.id = m.id
        join complaint_category_version v on v.category = c.category
            and v.version = c.category_version
        order by c.received_at, c.id
        """,
        list(visits),
    )
