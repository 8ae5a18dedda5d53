"""Statements about what an order is of: the site, who operates it, what was found there."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from api.db import Tx
from api.permissions import Scope


class Site(msgspec.Struct):
    """Where an order applies and to whom it is addressed."""

    premises: UUID
    here: UUID
    province: str
    licence: UUID | None
    company: UUID | None
    class_: int | None
    number_shown: str | None
    name: str
    operator_name: str
    address: str


async def site(tx: Tx, premises: UUID, licence: UUID | None, scope: Scope) -> Site | None:
    """The site in `scope`, with the licence where one is named; None where they do not belong.

    `here` is where a merged site stands.
    """
    return await tx.maybe_one(
        Site,
        """
        select s.id, p.id as here, p.province, l.id, l.operator_company, l.licence_class,
            l.number_shown, coalesce(l.name, p.name, ''), coalesce(l.operator_name, ''),
            coalesce(p.address, '')
        from premises s join premises p on p.id = coalesce(s.merged_into, s.id)
            left join licence l on l.id = $2 and l.premises_id = p.id
        where s.id = $1 and ($2::uuid is null or l.id is not null)
            and ($3::text[] is null or p.province = any($3))
            and ($4::smallint[] is null or l.licence_class = any($4))
        """,
        premises,
        licence,
        scope.provinces,
        scope.classes,
    )


async def following(tx: Tx, order: UUID, but: Sequence[UUID]) -> str | None:
    """The number of an order that goes on from `order` and is signed or in force, save `but`."""
    found: str | None = await tx.value(
        """
        select number from legal_order
        where follows = $1 and id <> all($2::uuid[])
            and state in ('signed', 'served', 'overdue', 'breached')
        order by id limit 1
        """,
        order,
        list(but),
    )
    return found


async def other_closure(tx: Tx, order: UUID) -> UUID | None:
    """Another closure than `order` of its licence or after its stop, served and in force."""
    found: UUID | None = await tx.value(
        """
        select o.id from legal_order mine join legal_order o
            on o.id <> mine.id and (o.licence = mine.licence or o.follows = mine.follows)
        where mine.id = $1 and o.kind = 'close' and o.state in ('served', 'overdue', 'breached')
        order by o.served_at limit 1
        """,
        order,
    )
    return found


async def stops_taken(tx: Tx, closure: UUID) -> list[UUID]:
    """The stops in whose place the closure stands."""
    return await tx.values(
        "select id from legal_order where superseded_by = $1 and kind = 'stop' order by id", closure
    )


async def stands_at(tx: Tx, premises: UUID) -> UUID:
    """The site itself, or that into which it was merged."""
    found: UUID = await tx.value(
        "select coalesce(merged_into, id) from premises where id = $1", premises
    )
    return found


async def operator(tx: Tx, licence: UUID) -> UUID | None:
    """The company that operates the licence now."""
    found: UUID | None = await tx.value(
        "select operator_company from licence where id = $1", licence
    )
    return found


async def office_of(tx: Tx, account: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select office from account where id = $1", account)
    return found


class FindingOf(msgspec.Struct):
    """A finding that an order is or shall be about."""

    finding: UUID
    item: str
    state: str
    severity: str
    legal_ref: str
    ref_status: str
    basis: str
    penalty: str
    licence: UUID | None
    premises: UUID
    visit: UUID
    visit_state: str
    confidential: bool


async def findings(tx: Tx, ids: Sequence[UUID], scope: Scope) -> list[FindingOf]:
    return await tx.all(
        FindingOf,
        """
        select f.id, f.item, f.state, f.severity, f.legal_ref, f.ref_status, f.basis, f.penalty,
            f.licence, coalesce(p.merged_into, p.id) as premises, f.visit,
            v.state as visit_state, f.confidential
        from finding f join visit v on v.id = f.visit join premises p on p.id = v.premises
        where f.id = any($1::uuid[]) and ($2::text[] is null or f.province = any($2))
        order by f.item
        """,
        list(ids),
        scope.provinces,
    )


async def ordered(tx: Tx, findings: Sequence[UUID], kind: str, but: UUID | None) -> set[UUID]:
    """Those of `findings` that another order of that kind in force is about, `but` left out."""
    found = await tx.values(
        """
        select distinct f.finding from order_finding f join legal_order o on o.id = f.legal_order
        where f.finding = any($1::uuid[]) and o.kind = $2 and o.id is distinct from $3
            and o.state in ('signed', 'served', 'overdue', 'breached')
        """,
        list(findings),
        kind,
        but,
    )
    return set(found)
