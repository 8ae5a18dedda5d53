"""Statements behind the verbs on orders, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.inspection.orders.model import Row
from api.inspection.orders.subject_queries import Site
from api.inspection.orders.views import OrderLine
from api.inspection.visits.model import Severity
from api.permissions import Scope


async def order(tx: Tx, id: UUID, scope: Scope) -> Row | None:
    found = await orders(tx, [id], scope)
    return found[0] if found else None


async def orders(tx: Tx, ids: Sequence[UUID], scope: Scope) -> list[Row]:
    """Those of `ids` that lie in `scope`."""
    return await tx.all(
        Row,
        """
        select id, kind, state, basis, premises, licence, company, province, class, office, visit,
            follows, corrects, content, drafted_by, number, signed_by, signed_at,
            content_hash, signed_content, served_at, due_at, appeal_until, stay,
            breach, ended_at, ended_why, superseded_by, document, data_key, version
        from legal_order
        where id = any($1::uuid[]) and ($2::text[] is null or province = any($2))
            and ($3::smallint[] is null or class = any($3))
        """,
        list(ids),
        scope.provinces,
        scope.classes,
    )


async def insert_order(
    tx: Tx,
    *,
    id: UUID,
    kind: str,
    basis: str,
    site: Site,
    office: UUID,
    visit: UUID | None,
    follows: UUID | None,
    corrects: UUID | None,
    content: str,
    drafted_by: UUID,
    data_key: UUID,
) -> None:
    """A draft; raises `OrderExists` when the id is taken."""
    await tx.run(
        """
        insert into legal_order (id, kind, state, basis, premises, licence, company, province,
            class, office, visit, follows, corrects, content, drafted_by, drafted_at, data_key)
        values ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::json, $14, $15,
            $16)
        """,
        id,
        kind,
        basis,
        site.premises,
        site.licence,
        site.company,
        site.province,
        site.class_,
        office,
        visit,
        follows,
        corrects,
        content,
        drafted_by,
        tx.now,
        data_key,
    )


async def insert_version(tx: Tx, order: UUID, version: int, content: str, by: UUID) -> None:
    await tx.run(
        """
        insert into legal_order_version (legal_order, version, content, made_by, made_at)
        values ($1, $2, $3::json, $4, $5)
        """,
        order,
        version,
        content,
        by,
        tx.now,
    )


async def redraft(tx: Tx, order: UUID, content: str) -> None:
    await tx.run(
        "update legal_order set content = $2::json, version = version + 1 where id = $1",
        order,
        content,
    )


# --- findings -----------------------------------------------------------------------------------


async def first_words(tx: Tx, order: UUID) -> str:
    """What the draft said when it was made."""
    found: str = await tx.value(
        """
        select content::text from legal_order_version where legal_order = $1 and version = 1
        """,
        order,
    )
    return found


class Verified(msgspec.Struct):
    """What an order requires about a finding, and whether it was seen to be done."""

    legal_order: UUID
    finding: UUID
    item: str
    state: str
    severity: Severity
    legal_ref: str
    ref_status: str
    required: str
    verified_at: datetime | None
    corrected: bool | None
    verified_visit: UUID | None
    visit: UUID


async def findings_of(tx: Tx, orders: Sequence[UUID]) -> list[Verified]:
    """What each of `orders` is about, in the order of the checklist."""
    return await tx.all(
        Verified,
        """
        select o.legal_order, o.finding, f.item, f.state, f.severity, f.legal_ref, f.ref_status,
            o.required, o.verified_at, o.corrected, o.verified_visit, f.visit
        from order_finding o join finding f on f.id = o.finding
        where o.legal_order = any($1::uuid[]) order by f.item
        """,
        list(orders),
    )


async def insert_findings(
    tx: Tx, order: UUID, findings: Sequence[UUID], required: Sequence[str]
) -> None:
    await tx.run(
        """
        insert into order_finding (legal_order, finding, required)
        select $1, f, r from unnest($2::uuid[], $3::text[]) as x(f, r)
        """,
        order,
        list(findings),
        list(required),
    )


async def verify_finding(
    tx: Tx, order: UUID, finding: UUID, *, by: UUID, visit: UUID, corrected: bool, note: str
) -> int:
    return await tx.run(
        """
        update order_finding set verified_at = $3, verified_by = $4, verified_visit = $5,
            corrected = $6, note = $7
        where legal_order = $1 and finding = $2
        """,
        order,
        finding,
        tx.now,
        by,
        visit,
        corrected,
        note,
    )


# --- signing ------------------------------------------------------------------------------------


async def next_number(tx: Tx, office: UUID, year: int) -> int:
    """The next number of an office in a Buddhist year; its row stays locked until the commit."""
    found: int = await tx.value(
        """
        insert into order_number as n (office, year, last) values ($1, $2, 1)
        on conflict (office, year) do update set last = n.last + 1
        returning last
        """,
        office,
        year,
    )
    return found


async def sign(
    tx: Tx,
    order: UUID,
    *,
    number: str,
    by: UUID,
    authority: UUID,
    authentication: UUID | None,
    wet_ink: UUID | None,
    sha256: str,
    content: str,
    company: UUID | None,
    class_: int | None,
) -> None:
    await tx.run(
        """
        update legal_order set state = 'signed', number = $2, signed_by = $3, signed_at = $4,
            authority = $5, authentication = $6, wet_ink = $7, content_hash = $8,
            signed_content = $9, company = $10, class = $11,
            version = version + 1
        where id = $1
        """,
        order,
        number,
        by,
        tx.now,
        authority,
        authentication,
        wet_ink,
        sha256,
        content,
        company,
        class_,
    )


async def wet_ink(tx: Tx, order: UUID) -> UUID | None:
    """The scan, where the order was signed on paper."""
    found: UUID | None = await tx.value("select wet_ink from legal_order where id = $1", order)
    return found


async def set_document(tx: Tx, order: UUID, document: UUID) -> None:
    await tx.run("update legal_order set document = $2 where id = $1", order, document)


# --- lists --------------------------------------------------------------------------------------


async def lines(
    tx: Tx,
    scope: Scope,
    *,
    states: Sequence[str] | None,
    premises: UUID | None,
    before: UUID | None,
    limit: int,
) -> list[OrderLine]:
    """Orders in `scope`, the newest first."""
    return await tx.all(
        OrderLine,
        """
        select o.id, o.kind, o.state, o.number, o.premises, coalesce(l.name, p.name), o.licence,
            o.province, o.signed_at, o.served_at, o.due_at, o.version
        from legal_order o join premises p on p.id = o.premises
            left join licence l on l.id = o.licence
        where ($1::text[] is null or o.province = any($1))
            and ($2::smallint[] is null or o.class = any($2))
            and ($3::text[] is null or o.state = any($3))
            and ($4::uuid is null or o.premises = $4)
            and ($5::uuid is null or o.id < $5)
        order by o.id desc limit $6
        """,
        scope.provinces,
        scope.classes,
        None if states is None else list(states),
        premises,
        before,
        limit,
    )


async def of_companies(
    tx: Tx,
    companies: Sequence[UUID],
    states: Sequence[str],
    *,
    ids: Sequence[UUID] | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Row]:
    """Orders addressed to `companies`, the newest first."""
    return await tx.all(
        Row,
        """
        select id, kind, state, basis, premises, licence, company, province, class, office, visit,
            follows, corrects, content, drafted_by, number, signed_by, signed_at,
            content_hash, signed_content, served_at, due_at, appeal_until, stay,
            breach, ended_at, ended_why, superseded_by, document, data_key, version
        from legal_order
        where company = any($1::uuid[]) and state = any($2::text[]) and served_at is not null
            and ($3::uuid[] is null or id = any($3)) and ($4::uuid is null or id < $4)
        order by id desc limit $5
        """,
        list(companies),
        list(states),
        None if ids is None else list(ids),
        before,
        limit,
    )


async def in_scope(tx: Tx, ids: Sequence[UUID], scope: Scope) -> set[UUID]:
    """Those of `ids` that lie in `scope`."""
    found = await tx.values(
        """
        select id from legal_order
        where id = any($1::uuid[]) and ($2::text[] is null or province = any($2))
            and ($3::smallint[] is null or class = any($3))
        """,
        list(ids),
        scope.provinces,
        scope.classes,
    )
    return set(found)
