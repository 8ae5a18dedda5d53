"""Statements behind lists and views of visits, and whose eyes they are for, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.cursors import Place
from api.db import Tx
from api.inspection.visits.model import Finding
from api.inspection.visits.views import CompanyVisitRow, Note, VisitHeader, VisitLine
from api.permissions import Scope


async def open_findings_of_premises(
    tx: Tx, scope: Scope, premises: UUID, except_visit: UUID
) -> list[Finding]:
    """What earlier visits in `scope` left open at a site: an inspector's list begins with it."""
    return await tx.all(
        Finding,
        """
        select f.id, f.visit, f.item, f.licence, f.company, f.state, f.severity,
            f.critical, f.confidential, f.in_conflict, f.legal_ref, f.ref_status, f.basis,
            f.limit_id, f.penalty, f.facts, f.created_at, f.version
        from finding f join visit v on v.id = f.visit
        where v.premises = $1 and v.id <> $2
            and ($3::text[] is null or v.province = any($3))
            and ($4::smallint[] is null or v.class = any($4))
            and f.state in ('needs_confirmation', 'open') and v.state in ('accepted', 'closed')
        order by f.visit desc, f.item
        """,
        premises,
        except_visit,
        scope.provinces,
        scope.classes,
    )


async def visit_lines(
    tx: Tx,
    scope: Scope,
    *,
    states: Sequence[str] | None,
    premises: UUID | None,
    mine: UUID | None,
    overdue: bool,
    before: UUID | None,
    limit: int,
) -> list[VisitLine]:
    """A page of visits in `scope`, the newest id first; `before`: where the last page ended."""
    return await tx.all(
        VisitLine,
        """
        select v.id, v.premises, p.name, v.licence, v.province, v.state, v.reason, v.announced,
            v.planned_on, v.lead, v.team, v.started_at, v.submitted_at, v.accepted_at, v.outcome,
            v.version,
            exists (select from deadline d where d.kind = 'visit.review' and d.record = v.id
                and d.fired_at is not null and d.met_at is null)
        from visit v join premises p on p.id = v.premises
        where ($1::text[] is null or v.province = any($1))
            and ($2::smallint[] is null or v.class = any($2))
            and ($3::text[] is null or v.state = any($3))
            and ($4::uuid is null or v.premises = $4)
            and ($5::uuid is null or $5 = any(v.team))
            and (not $6 or exists (select from deadline d where d.kind = 'visit.review'
                and d.record = v.id and d.fired_at is not null and d.met_at is null))
            and ($7::uuid is null or v.id < $7)
        order by v.id desc limit $8
        """,
        scope.provinces,
        scope.classes,
        None if states is None else list(states),
        premises,
        mine,
        overdue,
        before,
        limit,
    )


async def notes(tx: Tx, visits: Sequence[UUID]) -> list[Note]:
    """The remarks on `visits`; what came with a late entry is told there."""
    return await tx.all(
        Note,
        """
        select n.visit, n.author, n.received_at, n.text from visit_note n
        where n.visit = any($1::uuid[]) and not exists (
            select from entry e
            where e.visit = n.visit and e.operation = n.operation and not e.counts)
        order by n.visit, n.operation
        """,
        list(visits),
    )


async def headers(tx: Tx, ids: Sequence[UUID]) -> list[VisitHeader]:
    """What phones and desks show of visits besides answers and findings."""
    return await tx.all(
        VisitHeader,
        """
        select v.id, v.premises, p.name, v.licence, l.number_shown, v.province, v.class,
            c.number, v.state, v.reason, v.announced, v.planned_on, v.note, v.follows, v.lead,
            v.team, v.started_at, v.outcome, v.ended_at, v.representative, v.submitted_at,
            v.accepted_at, v.review_note, v.returned_items, v.subject, v.started, v.flags,
            v.version, v.checklist as checklist_id, v.extra_items
        from visit v
            join premises p on p.id = v.premises
            join checklist c on c.id = v.checklist
            left join licence l on l.id = v.licence
        where v.id = any($1::uuid[])
        """,
        list(ids),
    )


async def company_visits(
    tx: Tx,
    companies: Sequence[UUID],
    *,
    ids: Sequence[UUID] | None,
    after: Place | None,
    limit: int,
) -> list[CompanyVisitRow]:
    """Visits that these companies may know of: accepted ones, and announced ones.

    Announced ones first, then the latest accepted. The reason, the team, notes and whatever is
    confidential are not even read here; nor is the licence of another company at the same site.
    """
    return await tx.all(
        CompanyVisitRow,
        """
        select v.shown_as as id, v.premises, p.name,
            case when v.company = any($1) then v.licence end,
            case when v.company = any($1) then l.number_shown end,
            case when v.state in ('accepted', 'closed') then v.state
                when v.state = 'cancelled' then 'cancelled' else 'announced' end,
            case when v.announced then v.planned_on end,
            case when v.state in ('accepted', 'closed') then v.started_at end,
            case when v.state in ('accepted', 'closed') then v.outcome end,
            case when v.state in ('accepted', 'closed') then v.accepted_at end,
            v.id as visit, v.checklist
        from visit v
            join premises p on p.id = v.premises
            left join licence l on l.id = v.licence
        where (
                (v.company = any($1::uuid[]) and (v.announced or v.accepted_at is not null))
                or (v.accepted_at is not null and exists (
                    select from finding f where f.visit = v.id and f.company = any($1)
                        and not f.confidential and f.state <> 'withdrawn'))
            )
            and ($2::uuid[] is null or v.shown_as = any($2))
            and ($4::uuid is null or (coalesce(v.accepted_at, 'infinity'), v.shown_as)
                < (coalesce($3::timestamptz, 'infinity'), $4))
        order by coalesce(v.accepted_at, 'infinity') desc, v.shown_as desc limit $5
        """,
        list(companies),
        None if ids is None else list(ids),
        after and after.at,
        after and after.id,
        limit,
    )


async def planned_of(tx: Tx, licence: UUID) -> list[UUID]:
    """The visits of a licence that have not begun."""
    return await tx.values(
        "select id from visit where licence = $1 and state = 'planned' order by id", licence
    )


async def give_to(tx: Tx, visit: UUID, company: UUID | None) -> None:
    """Whose visit it is; officers are not shown it, so the version stays."""
    await tx.run("update visit set company = $2 where id = $1", visit, company)
