"""The statements of the officers' desk; none of them knows who told a complaint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.complaints.model import EntryKind
from api.db import Tx

# --- one complaint --------------------------------------------------------------------------------


class EntryRow(msgspec.Struct):
    """What was said; `facts` is JSON. Which complainant said it is not the officers' to know."""

    id: UUID
    complaint: UUID
    kind: EntryKind
    account: UUID | None
    text: str
    facts: str
    shown: bool
    at: datetime | None
    received_at: datetime


async def entries(tx: Tx, complaint: UUID) -> list[EntryRow]:
    return await tx.all(
        EntryRow,
        """
        select id, complaint, kind, account, text, facts::text, shown, at, received_at
        from complaint_entry where complaint = $1 order by received_at, id
        """,
        complaint,
    )


async def entry(tx: Tx, id: UUID) -> EntryRow | None:
    return await tx.maybe_one(
        EntryRow,
        """
        select id, complaint, kind, account, text, facts::text, shown, at, received_at
        from complaint_entry where id = $1
        """,
        id,
    )


class Beside(msgspec.Struct):
    """What belongs to a complaint: its visits, the duplicates merged into it; who looked."""

    visits: list[UUID]
    duplicates: list[UUID]
    seen: bool


async def beside(tx: Tx, complaint: UUID, by: UUID | None, since: datetime) -> Beside:
    """`seen`: whether a look of `by` has left a trace since `since`."""
    return await tx.one(
        Beside,
        """
        select array(select visit from complaint_visit where complaint = $1 order by visit)
                as visits,
            array(select id from complaint where merged_into = $1 order by id) as duplicates,
            exists (select from event e where e.record = $1 and e.name = 'complaint.viewed'
                and e.account = $2 and e.at > $3) as seen
        """,
        complaint,
        by,
        since,
    )


async def seen(tx: Tx, complaint: UUID, by: UUID, since: datetime) -> bool:
    found: bool = await tx.value(
        """
        select exists (select from event e where e.record = $1 and e.name = 'complaint.viewed'
            and e.account = $2 and e.at > $3)
        """,
        complaint,
        by,
        since,
    )
    return found


class TraceRow(msgspec.Struct):
    """Somebody looked at a complaint, or opened the seal over who told it."""

    id: UUID
    at: datetime
    name: str
    account: UUID | None
    officer: str
    office: UUID | None
    reason: str


async def traces(tx: Tx, complaint: UUID, before: UUID | None, limit: int) -> list[TraceRow]:
    """The newest first; `before` is an event."""
    return await tx.all(
        TraceRow,
        """
        select e.id, e.at, e.name, e.account, coalesce(f.name, '') as officer, a.office,
            coalesce(e.facts->>'reason', '') as reason
        from event e
        left join account a on a.id = e.account
        left join officer f on f.account = e.account and f.ended_at is null
        where e.record = $1 and e.name in ('complaint.viewed', 'complaint.identity_opened')
            and ($2::uuid is null or e.id < $2)
        order by e.id desc limit $3
        """,
        complaint,
        before,
        limit,
    )


# --- who may be named -----------------------------------------------------------------------------


class OfficeRow(msgspec.Struct):
    """An office that a complaint may go to. `appointed`: local government may act on it (s.11/1).

    `only`: its one province, where it has but one.
    """

    id: UUID
    kind: str
    name_th: str
    name_en: str
    only: str | None
    covers: bool
    appointed: bool


async def office(
    tx: Tx, id: UUID, province: str | None, premises: UUID | None, today: date
) -> OfficeRow | None:
    return await tx.maybe_one(
        OfficeRow,
        """
        select o.id, o.kind, o.name_th, o.name_en,
            (select min(p.province) from office_province p where p.office = o.id
                having count(*) = 1) as only,
            exists (select from office_province p where p.office = o.id and p.province = $2)
                as covers,
            o.kind <> 'local' or exists (
                select from local_appointment a
                join licence l on l.premises_id = $3 and l.licence_class = any (a.classes)
                where a.office = o.id and a.province = $2 and $4 >= a.valid_from
                    and $4 <= coalesce(a.valid_to, 'infinity'::date)) as appointed
        from office o where o.id = $1
        """,
        id,
        province,
        premises,
        today,
    )


async def may_act(
    tx: Tx, account: UUID, roles: Sequence[str], province: str | None, office: UUID | None
) -> bool:
    """Whether `account` holds one of `roles` and acts in `province`, or in `office`.

    A local officer acts on what their own office answers for; the department everywhere.
    """
    found: bool = await tx.value(
        """
        select exists (
            select from account a join account_role r on r.account = a.id
            where a.id = $1 and a.status = 'active' and r.ended_at is null and r.role = any ($2)
                and (r.role = 'department' or a.office = $4
                    or (r.role <> 'local_officer' and exists (
                        select from office_province p
                        where p.office = a.office and p.province = $3))))
        """,
        account,
        roles,
        province,
        office,
    )
    return found


# --- merging --------------------------------------------------------------------------------------


async def duplicates(tx: Tx, of: UUID) -> list[UUID]:
    """The complaints that were merged into this one."""
    return await tx.values("select id from complaint where merged_into = $1 order by id", of)


async def point_to(tx: Tx, ids: Sequence[UUID], target: UUID) -> None:
    """Duplicates follow when what they were merged into is merged itself: no chains.

    The caller holds their locks.
    """
    await tx.run(
        """
        update complaint set merged_into = $2, version = version + 1
        where id = any ($1) and merged_into is not null
        """,
        ids,
        target,
    )
