"""Statements of the inspection feature, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.inspection.model import (
    ChecklistLine,
    ChecklistRow,
    CompanyVisitRow,
    Finding,
    LicenceHolder,
    Site,
    Version,
    VisitHeader,
    VisitLine,
    VisitRow,
)
from api.inspection.rule_values import Flag
from api.permissions import Scope

# --- visits -------------------------------------------------------------------------------------


async def visits(tx: Tx, ids: Sequence[UUID], scope: Scope) -> list[VisitRow]:
    """The visits among `ids` that lie in `scope`, with the wrapped data key of each."""
    return await tx.all(
        VisitRow,
        """
        select v.id, v.premises, v.licence, v.company, v.province, v.checklist, v.state, v.reason,
            v.announced, v.planned_on, v.lead, v.team, v.subject, v.started_at, v.outcome,
            v.ended_at, v.representative, v.returned_items, v.flags, v.entries, v.version,
            v.started is not null, v.data_key, k.kid, k.wrapped
        from visit v join data_key k on k.id = v.data_key
        where v.id = any($1::uuid[])
            and ($2::text[] is null or v.province = any($2))
            and ($3::smallint[] is null or v.class = any($3))
        """,
        list(ids),
        scope.provinces,
        scope.classes,
    )


async def insert_visit(
    tx: Tx,
    *,
    id: UUID,
    premises: UUID,
    licence: UUID | None,
    company: UUID | None,
    province: str,
    class_: int | None,
    checklist: UUID,
    reason: str,
    announced: bool,
    planned_on: date | None,
    note: str,
    follows: UUID | None,
    lead: UUID,
    team: list[UUID],
    subject: str,
    data_key: UUID,
    created_by: UUID | None,
) -> None:
    """A planned visit; raises `AlreadyPlanned` when the id is taken."""
    await tx.run(
        """
        insert into visit (id, premises, licence, company, province, class, checklist, state,
            reason, announced, planned_on, note, follows, lead, team, subject, data_key,
            created_at, created_by)
        values ($1, $2, $3, $4, $5, $6, $7, 'planned', $8, $9, $10, $11, $12, $13, $14,
            $15::jsonb, $16, $17, $18)
        """,
        id,
        premises,
        licence,
        company,
        province,
        class_,
        checklist,
        reason,
        announced,
        planned_on,
        note,
        follows,
        lead,
        team,
        subject,
        data_key,
        tx.now,
        created_by,
    )


class SamePlan(msgspec.Struct):
    """What a plan said, to tell a replay from another plan under the same id."""

    premises: UUID
    licence: UUID | None
    reason: str
    announced: bool
    planned_on: date | None
    lead: UUID
    team: list[UUID]
    note: str
    follows: UUID | None
    created_by: UUID | None


async def plan_of(tx: Tx, id: UUID) -> SamePlan | None:
    return await tx.maybe_one(
        SamePlan,
        """
        select premises, licence, reason, announced, planned_on, lead, team, note, follows,
            created_by
        from visit where id = $1
        """,
        id,
    )


async def save_entry(
    tx: Tx,
    visit: VisitRow,
    *,
    started: str | None,
    working_hours: str | None,
    representative_name: bytes | None,
) -> None:
    """Writes what a field operation changed in the visit row; None keeps what is stored."""
    await tx.run(
        """
        update visit set state = $2, started_at = $3, started = coalesce($4::jsonb, started),
            working_hours = coalesce($5::jsonb, working_hours), outcome = $6, ended_at = $7,
            representative = $8, representative_name = coalesce($9, representative_name),
            flags = $10::jsonb, lead = $11, team = $12, entries = entries + 1,
            version = version + 1
        where id = $1
        """,
        visit.id,
        visit.state,
        visit.started_at,
        started,
        working_hours,
        visit.outcome,
        visit.ended_at,
        visit.representative,
        representative_name,
        visit.flags,
        visit.lead,
        visit.team,
    )


async def submit(tx: Tx, visit: UUID, by: UUID, ended_at: datetime | None, flags: str) -> None:
    await tx.run(
        """
        update visit set state = 'submitted', submitted_at = $2, submitted_by = $3,
            ended_at = coalesce(ended_at, $4), flags = $5::jsonb, returned_items = '{}',
            entries = entries + 1, version = version + 1
        where id = $1
        """,
        visit,
        tx.now,
        by,
        ended_at,
        flags,
    )


async def move(
    tx: Tx, visit: UUID, state: str, *, by: UUID | None, note: str = "", items: Sequence[str] = ()
) -> None:
    """A desk's move: take up, return (with `items`), accept, close, cancel."""
    await tx.run(
        """
        update visit set state = $2, reviewed_by = $3,
            review_note = case when $4 = '' then review_note else $4 end,
            returned_items = $5,
            accepted_at = case when $2 = 'accepted' then $6 else accepted_at end,
            version = version + 1
        where id = $1
        """,
        visit,
        state,
        by,
        note,
        list(items),
        tx.now,
    )


async def flag_visit(tx: Tx, visit: UUID, flag: Flag) -> None:
    await tx.run(
        "update visit set flags = flags || $2::jsonb, version = version + 1 where id = $1",
        visit,
        msgspec.json.encode([flag]).decode(),
    )


# --- answers ------------------------------------------------------------------------------------


class _AnswerRow(msgspec.Struct):
    visit: UUID
    item: str
    operation: UUID
    author: UUID
    answered_at: datetime | None
    received_at: datetime
    value: str | None
    outcome: str
    supersedes: list[UUID]
    note: str | None
    reason: str | None
    licence: UUID | None
    flags: str | None


_flags = msgspec.json.Decoder(list[Flag])
_value = msgspec.json.Decoder()


async def answers(tx: Tx, visits: Sequence[UUID]) -> dict[UUID, list[Version]]:
    """Visit → every version of every answer."""
    rows = await tx.all(
        _AnswerRow,
        """
        select visit, item, operation, author, answered_at, received_at, value, outcome,
            supersedes, note, reason, licence, flags
        from answer where visit = any($1::uuid[])
        """,
        list(visits),
    )
    found: dict[UUID, list[Version]] = {visit: [] for visit in visits}
    for r in rows:
        found[r.visit].append(
            Version(
                item=r.item,
                operation=r.operation,
                author=r.author,
                answered_at=r.answered_at,
                received_at=r.received_at,
                value=None if r.value is None else _value.decode(r.value),
                outcome=r.outcome,
                supersedes=tuple(r.supersedes),
                note=r.note,
                reason=r.reason,
                licence=r.licence,
                flags=_flags.decode(r.flags) if r.flags else [],
            )
        )
    return found


async def insert_entry(
    tx: Tx, visit: UUID, versions: Sequence[Version], findings: Sequence[Finding]
) -> None:
    """The new versions of an operation, and its findings raised, changed or withdrawn.

    A finding keeps its id and its first facts' time; each write moves its version.
    """
    await tx.run(
        """
        with added as (
            insert into answer (visit, item, operation, author, answered_at, received_at, value,
                outcome, supersedes, note, reason, licence, flags)
            select $1, item, operation, author, answered_at, received_at, value, outcome,
                supersedes, note, reason, licence, flags
            from jsonb_to_recordset($2::jsonb) as r(item text, operation uuid, author uuid,
                answered_at timestamptz, received_at timestamptz, value jsonb, outcome text,
                supersedes uuid[], note text, reason text, licence uuid, flags jsonb)
        )
        insert into finding as f (id, visit, item, premises, licence, company, province, state,
            severity, critical, confidential, in_conflict, legal_ref, ref_status, basis,
            limit_id, penalty, facts, created_at)
        select r.id, $1, r.item, r.premises, r.licence, r.company, v.province, r.state,
            r.severity, r.critical, r.confidential, r.in_conflict, r.legal_ref, r.ref_status,
            r.basis, r.limit_id, r.penalty, r.facts::jsonb, r.created_at
        from jsonb_to_recordset($3::jsonb) as r(id uuid, item text, premises uuid, licence uuid,
            company uuid, state text, severity text, critical boolean, confidential boolean,
            in_conflict boolean, legal_ref text, ref_status text, basis text,
            limit_id text, penalty text, facts text,
            created_at timestamptz)
        cross join (select province from visit where id = $1) v
        on conflict (visit, item) do update set
            licence = excluded.licence, company = excluded.company, state = excluded.state,
            severity = excluded.severity, critical = excluded.critical,
            confidential = excluded.confidential, in_conflict = excluded.in_conflict,
            legal_ref = excluded.legal_ref, ref_status = excluded.ref_status,
            basis = excluded.basis, limit_id = excluded.limit_id,
            penalty = excluded.penalty, facts = excluded.facts, version = f.version + 1
        """,
        visit,
        msgspec.json.encode(versions).decode(),
        msgspec.json.encode(findings).decode(),
    )


# --- findings -----------------------------------------------------------------------------------


async def findings_of(tx: Tx, visits: Sequence[UUID]) -> list[Finding]:
    return await tx.all(
        Finding,
        """
        select id, visit, item, premises, licence, company, state, severity, critical,
            confidential, in_conflict, legal_ref, ref_status, basis, limit_id, penalty, facts,
            created_at, version
        from finding where visit = any($1::uuid[]) order by visit, item
        """,
        list(visits),
    )


async def open_findings_of_premises(
    tx: Tx, premises: Sequence[UUID], except_visits: Sequence[UUID] = ()
) -> list[Finding]:
    """What earlier visits left open at these premises: an inspector's list begins with it."""
    return await tx.all(
        Finding,
        """
        select f.id, f.visit, f.item, f.premises, f.licence, f.company, f.state, f.severity,
            f.critical, f.confidential, f.in_conflict, f.legal_ref, f.ref_status, f.basis,
            f.limit_id, f.penalty, f.facts, f.created_at, f.version
        from finding f join visit v on v.id = f.visit
        where f.premises = any($1::uuid[]) and f.visit <> all($2::uuid[])
            and f.state in ('needs_confirmation', 'open') and v.state in ('accepted', 'closed')
        order by f.visit desc, f.item
        """,
        list(premises),
        list(except_visits),
    )


async def finding(tx: Tx, id: UUID, scope: Scope) -> Finding | None:
    return await tx.maybe_one(
        Finding,
        """
        select f.id, f.visit, f.item, f.premises, f.licence, f.company, f.state, f.severity,
            f.critical, f.confidential, f.in_conflict, f.legal_ref, f.ref_status, f.basis,
            f.limit_id, f.penalty, f.facts, f.created_at, f.version
        from finding f join visit v on v.id = f.visit
        where f.id = $1 and ($2::text[] is null or f.province = any($2))
            and ($3::smallint[] is null or v.class = any($3))
        """,
        id,
        scope.provinces,
        scope.classes,
    )


async def licences_at(tx: Tx, premises: UUID) -> dict[UUID, UUID | None]:
    """Licence → operator's company, for every licence of the site."""
    rows = await tx.all(
        LicenceHolder,
        "select id, operator_company from licence where premises_id = $1",
        premises,
    )
    return {row.licence: row.company for row in rows}


async def set_finding_state(tx: Tx, id: UUID, state: str, confirmed_by: UUID | None) -> None:
    await tx.run(
        """
        update finding set state = $2, confirmed_by = coalesce($3, confirmed_by),
            confirmed_at = case when $3::uuid is null then confirmed_at else $4 end,
            version = version + 1
        where id = $1
        """,
        id,
        state,
        confirmed_by,
        tx.now,
    )


# --- checklists ---------------------------------------------------------------------------------


async def checklist(tx: Tx, number: int) -> ChecklistRow | None:
    return await tx.maybe_one(
        ChecklistRow,
        """
        select id, number, content, content_hash, published_at, note
        from checklist where number = $1
        """,
        number,
    )


async def checklist_by_id(tx: Tx, id: UUID) -> ChecklistRow:
    return await tx.one(
        ChecklistRow,
        "select id, number, content, content_hash, published_at, note from checklist where id = $1",
        id,
    )


async def checklists(tx: Tx) -> list[ChecklistLine]:
    """Every published version, the newest first."""
    return await tx.all(
        ChecklistLine,
        "select id, number, content_hash, published_at, note from checklist order by number desc",
    )


async def insert_checklist(
    tx: Tx, id: UUID, number: int, content: str, content_hash: str, by: UUID | None, note: str
) -> None:
    await tx.run(
        """
        insert into checklist (id, number, content, content_hash, published_at, published_by, note)
        values ($1, $2, $3::jsonb, $4, $5, $6, $7)
        """,
        id,
        number,
        content,
        content_hash,
        tx.now,
        by,
        note,
    )


# --- lists and views ----------------------------------------------------------------------------


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


async def headers(tx: Tx, ids: Sequence[UUID]) -> list[VisitHeader]:
    """What phones and desks show of visits besides answers and findings."""
    return await tx.all(
        VisitHeader,
        """
        select v.id, v.premises, p.name, v.licence, l.number_shown, v.province, v.class,
            c.number, v.state, v.reason, v.announced, v.planned_on, v.note, v.follows, v.lead,
            v.team, v.started_at, v.outcome, v.ended_at, v.representative, v.submitted_at,
            v.accepted_at, v.review_note, v.returned_items, v.subject, v.started,
            v.working_hours, v.flags, v.version
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
    before: UUID | None,
    limit: int,
) -> list[CompanyVisitRow]:
    """Visits that these companies may know of: accepted ones, and announced ones that are planned.

    The reason, the team, notes and whatever is confidential are not even read here.
    """
    return await tx.all(
        CompanyVisitRow,
        """
        select v.id, v.premises, p.name, v.licence, l.number_shown,
            case when v.state in ('accepted', 'closed') then v.state
                when v.state = 'cancelled' then 'cancelled' else 'announced' end,
            case when v.announced then v.planned_on end,
            case when v.state in ('accepted', 'closed') then v.started_at end,
            case when v.state in ('accepted', 'closed') then v.outcome end,
            case when v.state in ('accepted', 'closed') then v.accepted_at end
        from visit v
            join premises p on p.id = v.premises
            left join licence l on l.id = v.licence
        where (v.company = any($1::uuid[]) or exists (
                select from finding f where f.visit = v.id and f.company = any($1)))
            and (v.state in ('accepted', 'closed') or v.announced)
            and ($2::uuid[] is null or v.id = any($2))
            and ($3::uuid is null or v.id < $3)
        order by v.id desc limit $4
        """,
        list(companies),
        None if ids is None else list(ids),
        before,
        limit,
    )


async def site(tx: Tx, premises: UUID, licence: UUID | None) -> Site | None:
    """Where and what a visit is of; a merged site leads to the one it was merged into.

    Without `licence` it is the one licence of the site, or none where there are several or none.
    """
    return await tx.maybe_one(
        Site,
        """
        with s as (select coalesce(p.merged_into, p.id) as id from premises p where p.id = $1)
        select p.id, p.province, p.lat, p.lng, p.registered, l.id, l.operator_company,
            l.licence_class, l.category, l.other_categories, l.hp, l.workers,
            l.estate is not null and l.estate <> ''
        from s join premises p on p.id = s.id
            left join licence l on l.premises_id = p.id
                and (l.id = $2 or ($2::uuid is null and not exists (
                    select from licence o where o.premises_id = p.id and o.id <> l.id
                        and o.status <> 'struck_off')))
        where $2::uuid is null or l.id is not null
        limit 1
        """,
        premises,
        licence,
    )


async def officers(tx: Tx, accounts: Sequence[UUID], province: str) -> int:
    """How many of `accounts` are active officers who may visit in `province`."""
    count: int = await tx.value(
        """
        select count(*) from account a
        where a.id = any($1::uuid[]) and a.status = 'active' and exists (
            select from account_role r where r.account = a.id and r.role = any($3::text[])
                and (r.role = 'department' or exists (
                    select from office_province o
                    where o.office = a.office and o.province = $2)))
        """,
        list(accounts),
        province,
        ["inspector", "department", "provincial_officer", "provincial_head", "local_officer"],
    )
    return count


async def newest_checklist(tx: Tx) -> ChecklistLine | None:
    return await tx.maybe_one(
        ChecklistLine,
        """
        select id, number, content_hash, published_at, note
        from checklist order by number desc limit 1
        """,
    )


async def checklist_lines(tx: Tx, ids: Sequence[UUID]) -> list[ChecklistLine]:
    return await tx.all(
        ChecklistLine,
        """
        select id, number, content_hash, published_at, note
        from checklist where id = any($1::uuid[])
        """,
        list(ids),
    )
