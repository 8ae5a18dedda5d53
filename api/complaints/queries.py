"""The statements that make a complaint and move it; of who told it only `identity.py` knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from api.complaints.model import ComplaintRow
from api.db import Tx
from api.permissions import Scope
from api.sealed import NewKey


class CategoryRow(msgspec.Struct):
    """A category as stored; `content` is JSON."""

    code: str
    version: int
    content: str


async def categories(tx: Tx) -> list[CategoryRow]:
    return await tx.all(
        CategoryRow,
        """
        select code, version, content::text from complaint_category where active
        order by place, code
        """,
    )


async def category_content(tx: Tx, code: str) -> str:
    """Its content, also where it is no longer in use."""
    found: str = await tx.value(
        "select content::text from complaint_category where code = $1", code
    )
    return found


class Basis(msgspec.Struct):
    """What a new complaint rests on: its category, its place, who answers for it, the calendar."""

    exists: bool
    category: str | None
    version: int | None
    content: str | None
    province: str | None
    premises: UUID | None
    office: UUID | None
    office_th: str | None
    office_en: str | None
    office_urgent: UUID | None
    """Null where no rule tells emergencies apart."""
    office_urgent_th: str | None
    office_urgent_en: str | None
    blocked: bool
    special_days: list[date]
    worked: list[bool]

    def named(self, office: UUID | None) -> tuple[str, str]:
        """The names of `office`, one of the two, in Thai and English."""
        urgent = office is not None and office == self.office_urgent
        th, en = (
            (self.office_urgent_th, self.office_urgent_en)
            if urgent
            else (self.office_th, self.office_en)
        )
        return th or "", en or ""


async def basis(
    tx: Tx,
    id: UUID,
    *,
    category: str,
    province: str | None,
    district: str | None,
    premises: UUID | None,
    earth: str | None,
    senders: Sequence[bytes],
    today: date,
) -> Basis:
    """One look at all that is known beforehand.

    Where no province was given it is the factory's, the district's, or that of the nearest factory
    of the register within 50 km.
    """
    return await tx.one(
        Basis,
        """
        select exists (select from complaint where id = $1), c.code as category, c.version,
            c.content::text, p.province, s.id as premises,
            o.id as office, o.name_th as office_th, o.name_en as office_en,
            u.id as office_urgent, u.name_th as office_urgent_th, u.name_en as office_urgent_en,
            exists (select from complaint_block b
                where b.sender = any ($7::bytea[]) and b.until > $9) as blocked,
            array(select day from special_day where day >= $8 order by day) as special_days,
            array(select working from special_day where day >= $8 order by day) as worked
        from (select) one
        left join complaint_category c on c.code = $2 and c.active
        left join premises s on s.id = $5
        left join lateral (
            select x.estate is not null as estate, x.licence_class as class from licence x
            where x.premises_id = s.id
            order by x.status = 'operating' desc, x.licence_class desc nulls last, x.id limit 1
        ) l on true
        cross join lateral (select coalesce($3::text, s.province, left($4::text, 2), (
            select n.province from premises n
            where n.earth is not null and n.live and n.merged_into is null
                and $3::text is null and s.id is null and $4::text is null
                and n.earth <-> $6::cube < 50000
            order by n.earth <-> $6::cube limit 1)) as province) p
        cross join lateral (
            select complaint_office(p.province, c.code, l.estate, l.class, false, $8::date) as id,
                case when exists (select from complaint_route where emergency is not null)
                    then complaint_office(p.province, c.code, l.estate, l.class, true, $8::date)
                    end as urgent
            offset 0 -- each is looked for once
        ) a
        left join office o on o.id = a.id
        left join office u on u.id = a.urgent
        """,
        id,
        category,
        province,
        district,
        premises,
        earth,
        list(senders),
        today,
        tx.now,
    )


class NewComplaint(msgspec.Struct, kw_only=True):
    """A complaint with its first complainant, as it is written."""

    id: UUID
    channel: str
    category: str
    category_version: int
    answers: str
    description: str
    happened_at: datetime | None
    severity: str
    flags: str
    lat: float | None
    lng: float | None
    accuracy_m: float | None
    earth: str | None
    address: str
    province: str | None
    district: str | None
    premises: UUID | None
    subject: str
    factory_named: str
    office: UUID | None
    clocks: str
    next_due: datetime | None
    next_point: datetime | None
    entered_by: UUID | None
    sent: bytes
    complainant: UUID
    account: UUID | None
    person: bytes | None
    secret: bytes
    data_key: NewKey | None
    identity: bytes | None
    callback: bool
    senders: Sequence[bytes]
    network: bytes | None


async def insert(tx: Tx, new: NewComplaint) -> int | None:
    """Writes the complaint, who told it, and its clock; returns its number.

    None when the id is taken: a transaction that was faster has by then been committed.
    """
    key = new.data_key
    number: int | None = await tx.value(
        """
        with made as (
            insert into complaint (id, channel, category, category_version, answers, description,
                happened_at, severity, flags, lat, lng, accuracy_m, earth, address, province,
                district, premises, subject, factory_named, office, clocks, next_due, entered_by,
                sent, callback, state, received_at)
            values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9::jsonb, $10, $11, $12, $13::cube,
                $14, $15, $16, $17, $18, $19, $20, $21::jsonb, $22, $24, $25, $32, 'submitted',
                $33)
            on conflict (id) do nothing
            returning number
        ), sealing as (
            insert into data_key (id, kid, wrapped, created_at)
            select $30::uuid, $34::text, $35::bytea, $33 from made where $30::uuid is not null
        ), told as (
            insert into complainant (id, complaint, kind, account, person, secret, data_key,
                identity, callback, senders, network, created_at)
            select $26, $1, 'reporter', $27::uuid, $28::bytea, $29::bytea, $30, $31::bytea, $32,
                $36::bytea[], $37::bytea, $33 from made
        ), clock as (
            insert into deadline (kind, record, due_at, set_at)
            select 'complaint.clock', $1, $23::timestamptz, $33 from made where $23 is not null
        )
        select number from made
        """,
        new.id,
        new.channel,
        new.category,
        new.category_version,
        new.answers,
        new.description,
        new.happened_at,
        new.severity,
        new.flags,
        new.lat,
        new.lng,
        new.accuracy_m,
        new.earth,
        new.address,
        new.province,
        new.district,
        new.premises,
        new.subject,
        new.factory_named,
        new.office,
        new.clocks,
        new.next_due,
        new.next_point,
        new.entered_by,
        new.sent,
        new.complainant,
        new.account,
        new.person,
        new.secret,
        key and key.id,
        new.identity,
        new.callback,
        tx.now,
        key and key.kid,
        key and key.wrapped,
        list(new.senders),
        new.network,
    )
    return number


_MANY = """
    select c.id, c.number, c.channel, c.category, c.category_version, c.answers::text,
        c.description, c.happened_at, c.severity, c.flags::text, c.lat, c.lng, c.accuracy_m,
        c.address, c.province, c.district, c.premises, c.subject, c.factory_named, c.office,
        c.assigned, c.forwarded_to, c.state, c.outcome, c.decision, c.merged_into,
        m.state as merged_state, m.outcome as merged_outcome, m.forwarded_to as merged_forwarded_to,
        coalesce(m.resolved_at, m.closed_at) as merged_ended_at,
        c.reopened, c.left_at, c.resolved_at, c.closed_at, c.solved, c.rating, c.clocks::text,
        c.next_due, c.paused_at, c.released_at, c.released_text, c.me_toos, c.occurrences,
        c.callback, c.entered_by, c.received_at, c.version
    from complaint c
    left join complaint m on m.id = c.merged_into
    where c.id = any ($1)
        and ($2::text[] is null or c.province = any ($2) or c.office = $4)
        and ($3::uuid is null or c.office = $3)
    order by c.id
"""
# PostgreSQL plans the look-up of one by `= $1` once, but that by `any` anew each time.
_ONE = _MANY.replace("= any ($1)", "= $1")


async def complaints(
    tx: Tx,
    ids: Sequence[UUID],
    scope: Scope,
    only_of: UUID | None = None,
    office: UUID | None = None,
) -> list[ComplaintRow]:
    """Those of `ids` in the caller's reach, or that `office` answers for, wherever they are.

    `only_of`: of that office alone. A complaint of which nobody knows the province is the
    department's.
    """
    reach = None if scope.provinces is None else list(scope.provinces)
    if len(ids) == 1:
        return await tx.all(ComplaintRow, _ONE, ids[0], reach, only_of, office)
    return await tx.all(ComplaintRow, _MANY, list(ids), reach, only_of, office)


async def update(tx: Tx, row: ComplaintRow) -> None:
    """Writes all of a complaint that a verb may change; the caller holds its lock."""
    await tx.run(
        """
        update complaint set category = $2, severity = $3, flags = $4::jsonb, province = $5,
            premises = $6, subject = $7, office = $8, assigned = $9, forwarded_to = $10,
            state = $11, outcome = $12, decision = $13, merged_into = $14, reopened = $15,
            left_at = $16, resolved_at = $17, closed_at = $18, solved = $19, rating = $20,
            clocks = $21::jsonb, next_due = $22, paused_at = $23, me_toos = $24,
            occurrences = $25, callback = $26, version = version + 1
        where id = $1
        """,
        row.id,
        row.category,
        row.severity,
        row.flags,
        row.province,
        row.premises,
        row.subject,
        row.office,
        row.assigned,
        row.forwarded_to,
        row.state,
        row.outcome,
        row.decision,
        row.merged_into,
        row.reopened,
        row.left_at,
        row.resolved_at,
        row.closed_at,
        row.solved,
        row.rating,
        row.clocks,
        row.next_due,
        row.paused_at,
        row.me_toos,
        row.occurrences,
        row.callback,
    )


async def insert_entry(
    tx: Tx,
    id: UUID,
    complaint: UUID,
    *,
    kind: str,
    text: str,
    shown: bool,
    facts: Mapping[str, Any],
    at: datetime | None,
    complainant: UUID | None,
    account: UUID | None,
) -> bool:
    """Adds what was said; False when the id was there before."""
    added = await tx.run(
        """
        insert into complaint_entry (id, complaint, complainant, account, kind, text, facts,
            shown, at, received_at)
        values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10)
        on conflict (id) do nothing
        """,
        id,
        complaint,
        complainant,
        account,
        kind,
        text,
        msgspec.json.encode(facts).decode(),
        shown,
        at,
        tx.now,
    )
    return added == 1


async def set_clocks(tx: Tx, id: UUID, clocks: str, next_due: datetime | None) -> None:
    """Writes what a clock has said; no version, for nobody edited anything."""
    await tx.run(
        "update complaint set clocks = $2::jsonb, next_due = $3 where id = $1", id, clocks, next_due
    )
