"""Statements behind the verbs on visits, answers and findings, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits.model import Finding, LicenceHolder, Site, Version, VisitRow
from api.permissions import PERMISSIONS, Scope

# --- visits -------------------------------------------------------------------------------------


async def visits(tx: Tx, ids: Sequence[UUID], scope: Scope) -> list[VisitRow]:
    """The visits among `ids` that lie in `scope`, with the wrapped data key of each."""
    return await tx.all(
        VisitRow,
        """
        select v.id, v.premises, v.licence, v.company, v.province, v.class, v.checklist, v.state,
            v.reason, v.announced, v.planned_on, v.lead, v.team, v.subject, v.started_at, v.outcome,
            v.ended_at, v.representative, v.returned_items, v.flags, v.entries, v.version,
            v.started is not null, v.shown_as, l.operator_company,
            v.extra_items, v.data_key, k.kid, k.wrapped
        from visit v join data_key k on k.id = v.data_key left join licence l on l.id = v.licence
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
    extra_items: str = "[]",
) -> None:
    """A planned visit; raises `AlreadyPlanned` when the id is taken."""
    await tx.run(
        """
        insert into visit (id, premises, licence, company, province, class, checklist, state,
            reason, announced, planned_on, note, follows, lead, team, subject, data_key,
            created_at, created_by, extra_items)
        values ($1, $2, $3, $4, $5, $6, $7, 'planned', $8, $9, $10, $11, $12, $13, $14,
            $15::jsonb, $16, $17, $18, $19::jsonb)
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
        extra_items,
    )


async def set_extra_items(tx: Tx, id: UUID, items: str) -> None:
    """Of a visit that the caller has locked; no version, for no officer edited the plan."""
    await tx.run("update visit set extra_items = $2::jsonb where id = $1", id, items)


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


class _EntryRow(msgspec.Struct):
    visit: UUID
    operation: UUID
    author: UUID
    received_at: datetime
    answers: str


class _Noted(msgspec.Struct, omit_defaults=True):
    """An answer as its entry keeps it; the operation's own facts stand beside all of them."""

    item: str
    outcome: str
    value: Any = None
    answered_at: datetime | None = None
    supersedes: tuple[UUID, ...] = ()
    note: str | None = None
    reason: str | None = None
    licence: UUID | None = None
    flags: list[Flag] = []


_noted = msgspec.json.Decoder(list[_Noted])


async def answers(tx: Tx, visits: Sequence[UUID]) -> dict[UUID, list[Version]]:
    """Visit → every version of every answer that counts."""
    rows = await tx.all(
        _EntryRow,
        """
        select visit, operation, author, received_at, answers
        from entry where visit = any($1::uuid[]) and counts
        """,
        list(visits),
    )
    found: dict[UUID, list[Version]] = {visit: [] for visit in visits}
    for row in rows:
        found[row.visit] += [
            Version(
                item=a.item,
                operation=row.operation,
                author=row.author,
                answered_at=a.answered_at,
                received_at=row.received_at,
                value=a.value,
                outcome=a.outcome,
                supersedes=a.supersedes,
                note=a.note,
                reason=a.reason,
                licence=a.licence,
                flags=a.flags,
            )
            for a in _noted.decode(row.answers)
        ]
    return found


async def save_entry(
    tx: Tx,
    visit: VisitRow,
    operation: UUID,
    author: UUID,
    versions: Sequence[Version],
    findings: Sequence[Finding],
    *,
    started: str | None = None,
    working_hours: str | None = None,
    representative_name: bytes | None = None,
) -> None:
    """Writes what a field operation changed in its visit; None keeps what is stored.

    `versions` are added; `findings` are those raised, changed or withdrawn. A finding keeps its id
    and the time of its first facts; each write moves its version. One statement, because each one
    costs the server and PostgreSQL a tenth of a millisecond.
    """
    noted = [
        _Noted(
            v.item,
            v.outcome,
            v.value,
            v.answered_at,
            v.supersedes,
            v.note,
            v.reason,
            v.licence,
            v.flags,
        )
        for v in versions
    ]
    await tx.run(
        """
        with saved as (
            update visit set state = $2, started_at = $3, started = coalesce($4::jsonb, started),
                working_hours = coalesce($5::jsonb, working_hours), outcome = $6, ended_at = $7,
                representative = $8, representative_name = coalesce($9, representative_name),
                flags = $10::jsonb, company = $17, entries = entries + 1, version = version + 1
            where id = $1
        ), added as (
            insert into entry (visit, operation, author, received_at, answers)
            select $1, $11, $12, $13, $14::json where $14::text <> '[]'
        )
        insert into finding as f (id, visit, item, licence, company, province, state, severity,
            critical, confidential, in_conflict, legal_ref, ref_status, basis, limit_id,
            penalty, facts, created_at)
        select id, $1, item, licence, company, $15, state, severity, critical, confidential,
            in_conflict, legal_ref, ref_status, basis, limit_id, penalty, facts::jsonb,
            created_at
        from json_to_recordset($16::json) as r(id uuid, item text, licence uuid, company uuid,
            state text, severity text, critical boolean, confidential boolean,
            in_conflict boolean, legal_ref text, ref_status text, basis text, limit_id text,
            penalty text, facts text, created_at timestamptz)
        on conflict (visit, item) do update set
            licence = excluded.licence, company = excluded.company, state = excluded.state,
            severity = excluded.severity, critical = excluded.critical,
            confidential = excluded.confidential, in_conflict = excluded.in_conflict,
            legal_ref = excluded.legal_ref, ref_status = excluded.ref_status,
            basis = excluded.basis, limit_id = excluded.limit_id,
            penalty = excluded.penalty, facts = excluded.facts, version = f.version + 1
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
        operation,
        author,
        tx.now,
        msgspec.json.encode(noted).decode(),
        visit.province,
        msgspec.json.encode(findings).decode(),
        visit.company,
    )


async def insert_note(tx: Tx, visit: UUID, operation: UUID, author: UUID, text: str) -> None:
    await tx.run(
        """
        insert into visit_note (visit, operation, author, received_at, text)
        values ($1, $2, $3, $4, $5)
        """,
        visit,
        operation,
        author,
        tx.now,
        text,
    )


class SealedName(msgspec.Struct):
    representative: str | None
    name: bytes | None


async def representative(tx: Tx, visit: UUID) -> SealedName:
    return await tx.one(
        SealedName, "select representative, representative_name from visit where id = $1", visit
    )


# --- findings -----------------------------------------------------------------------------------


async def findings_of(tx: Tx, visits: Sequence[UUID]) -> list[Finding]:
    return await tx.all(
        Finding,
        """
        select id, visit, item, licence, company, state, severity, critical, confidential,
            in_conflict, legal_ref, ref_status, basis, limit_id, penalty, facts, created_at,
            version
        from finding where visit = any($1::uuid[]) order by visit, item
        """,
        list(visits),
    )


async def finding(tx: Tx, id: UUID, scope: Scope) -> Finding | None:
    return await tx.maybe_one(
        Finding,
        """
        select f.id, f.visit, f.item, f.licence, f.company, f.state, f.severity,
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


async def site(tx: Tx, premises: UUID, licence: UUID | None) -> Site | None:
    """Where and what a visit is of; a merged site leads to the one it was merged into.

    Without `licence` it is the only one of the site that is not struck off, or the only one at
    all: a visit that looks whether a struck-off factory has stopped needs its class, which says
    what is asked and whose visit it is. Of several none is taken: the caller names one.
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
                        and (o.status <> 'struck_off' or l.status = 'struck_off'))))
        where $2::uuid is null or l.id is not null
        """,
        premises,
        licence,
    )


async def officers(tx: Tx, accounts: Sequence[UUID], province: str, class_: int | None) -> int:
    """How many of `accounts` are active officers who may record a visit of that class there."""
    count: int = await tx.value(
        """
        select count(*) from account a
        where a.id = any($1::uuid[]) and a.status = 'active' and exists (
            select from account_role r where r.account = a.id and r.role = any($3::text[])
                and (r.role <> 'local_officer' or $4::smallint in (1, 2))
                and (r.role = 'department' or exists (
                    select from office_province o
                    where o.office = a.office and o.province = $2)))
        """,
        list(accounts),
        province,
        list(PERMISSIONS["visit.record"]),
        class_,
    )
    return count
