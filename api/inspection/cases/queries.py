"""Statements that gather one matter, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.notify.model import MessageRow


class EventRow(msgspec.Struct):
    """An event with who did it: `account` for a signed-in person, else the kind of actor."""

    at: datetime
    name: str
    kind: str
    record: UUID
    actor: str
    account: UUID | None


class ClockRow(msgspec.Struct):
    kind: str
    set_at: datetime
    due_at: datetime
    met_at: datetime | None
    fired_at: datetime | None


class CaseOfficer(msgspec.Struct):
    account: UUID
    name: str
    position: str


async def chain(tx: Tx, visit: UUID) -> list[UUID]:
    """The visit with those that it follows and those that follow it, the first planned first."""
    found: list[UUID] = await tx.values(
        """
        with recursive up as (
            select id, follows from visit where id = $1
            union select v.id, v.follows from visit v join up on v.id = up.follows
        ), down as (
            select id from up
            union select v.id from visit v join down on v.follows = down.id
        )
        select id from down order by id
        """,
        visit,
    )
    return found


async def orders_on(tx: Tx, visits: Sequence[UUID]) -> list[UUID]:
    """Orders that rest on these visits or their findings, or were verified at one of them."""
    found: list[UUID] = await tx.values(
        """
        select id from legal_order where visit = any($1::uuid[])
        union
        select f.legal_order from order_finding f join finding g on g.id = f.finding
        where g.visit = any($1)
        union
        select legal_order from order_finding where verified_visit = any($1)
        """,
        list(visits),
    )
    return found


class OrderMatter(msgspec.Struct):
    """The orders that belong together, the first drafted first, and the visits behind them."""

    orders: list[UUID]
    visits: list[UUID]


async def order_matter(tx: Tx, orders: Sequence[UUID]) -> OrderMatter:
    """All that hangs together with `orders` by follows and corrects, both ways, and its visits."""
    return await tx.one(
        OrderMatter,
        """
        with recursive chain (id) as (
            select unnest($1::uuid[])
            union
            select case when o.id = c.id then e.other else o.id end
            from chain c
                join legal_order o on c.id in (o.id, o.follows, o.corrects)
                cross join lateral (values (o.follows), (o.corrects)) as e(other)
            where (o.id = c.id and e.other is not null) or o.id <> c.id
        ), seen as (
            select o.visit as id from legal_order o join chain c on c.id = o.id
            union
            select f.verified_visit from order_finding f join chain c on c.id = f.legal_order
            union
            select f.visit from finding f join order_finding l on l.finding = f.id
                join chain c on c.id = l.legal_order
        )
        select coalesce((select array_agg(id order by id) from chain), '{}'),
            coalesce((select array_agg(id order by id) from seen where id is not null), '{}')
        """,
        list(orders),
    )


async def proofs(tx: Tx, orders: Sequence[UUID]) -> list[UUID]:
    """What else owns evidence of these orders: service, notices, seals, claims of correction."""
    found: list[UUID] = await tx.values(
        """
        select id from service_attempt where legal_order = any($1::uuid[])
        union all select id from order_notice where legal_order = any($1)
        union all select id from sealing where legal_order = any($1)
        union all select id from correction_claim where legal_order = any($1)
        """,
        list(orders),
    )
    return found


class Acknowledgement(msgspec.Struct):
    """A service that someone signed for; who it was is sealed."""

    number: str | None
    how: str
    at: datetime
    proof_evidence: UUID | None


async def acknowledgements(tx: Tx, orders: Sequence[UUID]) -> list[Acknowledgement]:
    """Those of `orders` with a signature on file, in the order of their arrival."""
    return await tx.all(
        Acknowledgement,
        """
        select o.number, a.how, a.at, a.proof_evidence
        from service_attempt a join legal_order o on o.id = a.legal_order
        where o.id = any($1::uuid[]) and a.how in ('personal', 'adult')
            and a.proof_evidence is not null
        order by a.received_at, a.id
        """,
        list(orders),
    )


async def messages(tx: Tx, records: Sequence[UUID]) -> list[MessageRow]:
    """What the inboxes were told about `records`, in its order."""
    return await tx.all(
        MessageRow,
        """
        select id, account, template, facts, about_kind, about, sent_at, read_at from message
        where about = any($1::uuid[]) order by sent_at, id
        """,
        list(records),
    )


async def events(tx: Tx, records: Sequence[UUID]) -> list[EventRow]:
    """Everything in the audit trail about `records`, in its order."""
    return await tx.all(
        EventRow,
        """
        select at, name, kind, record, actor, account from event
        where record = any($1::uuid[]) order by id
        """,
        list(records),
    )


async def clocks(tx: Tx, records: Sequence[UUID]) -> list[ClockRow]:
    return await tx.all(
        ClockRow,
        """
        select kind, set_at, due_at, met_at, fired_at from deadline
        where record = any($1::uuid[]) order by set_at, kind
        """,
        list(records),
    )


async def officers(tx: Tx, accounts: Sequence[UUID]) -> list[CaseOfficer]:
    """Those of `accounts` that are on the list of officers, also if they have left it."""
    return await tx.all(
        CaseOfficer,
        "select account, name, position from officer where account = any($1::uuid[]) order by id",
        list(accounts),
    )
