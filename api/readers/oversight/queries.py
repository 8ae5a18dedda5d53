"""Statements of oversight: each bounded by a period and by a page."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from api.db import Tx
from api.readers.model import KNOWN_AGAIN
from api.readers.oversight.views import Count, DayAct, IncidentCount
from api.readers.views import ReadingLine


class Asked(msgspec.Struct, kw_only=True, frozen=True):
    """Which readings somebody asks for."""

    since: datetime | None = None
    until: datetime | None = None
    office: UUID | None = None
    account: UUID | None = None
    purpose: str | None = None
    desk: UUID | None = None
    label: str | None = None
    used: bool | None = None


class Wanted(Asked, kw_only=True, frozen=True):
    """Those of a period; `office` is at most the caller's own where they reach no further."""

    since: datetime
    until: datetime


class AfterCount(msgspec.Struct, array_like=True, frozen=True):
    """Where a page of counts left off."""

    day: date
    account: UUID
    purpose: str


class AfterUnused(msgspec.Struct, array_like=True, frozen=True):
    """Where a page of unused readings left off."""

    unused: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    account: UUID
    office: UUID


_LINE = """
select id, label, purpose, about, levels, flags, account, office, desk, bridge, read_at,
    received_at, used_for, used_by, used_at
from reading
"""
# A statement for each index: one for all would be planned once, for none of them.
_OF_ALL = "and $3::uuid is null and $4::uuid is null "
_OF_OFFICE = "and office = $3 and $4::uuid is null "
_OF_ACCOUNT = "and account = $4 and ($3::uuid is null or office = $3) "
_OF = "and ($3::uuid is null or office = $3) and ($4::uuid is null or account = $4) "
_WHERE = """
where received_at >= $1 and received_at < $2
    and ($5::text is null or purpose = $5)
    and ($6::uuid is null or desk = $6)
    and ($7::text is null or label = $7)
    and ($8::boolean is null or (used_at is not null) = $8)
    and ($9::timestamptz is null or (received_at, id) < ($9, $10))
"""
_NEWEST = "order by received_at desc, id desc limit $11"


async def readings(
    tx: Tx, w: Wanted, before: datetime | None, before_id: UUID | None, limit: int
) -> list[ReadingLine]:
    """The newest first."""
    wanted = (w.since, w.until, w.office, w.account, w.purpose, w.desk, w.label, w.used)
    args = (*wanted, before, before_id, limit)
    if w.account is not None:
        return await tx.all(ReadingLine, _LINE + _WHERE + _OF_ACCOUNT + _NEWEST, *args)
    if w.office is not None:
        return await tx.all(ReadingLine, _LINE + _WHERE + _OF_OFFICE + _NEWEST, *args)
    return await tx.all(ReadingLine, _LINE + _WHERE + _OF_ALL + _NEWEST, *args)


async def face_differs(
    tx: Tx, w: Wanted, before: datetime | None, before_id: UUID | None, limit: int
) -> list[ReadingLine]:
    """Those of which the officer said that the face differs."""
    return await tx.all(
        ReadingLine,
        _LINE + _WHERE + _OF + "and 'face:differs' = any (flags) " + _NEWEST,
        *(w.since, w.until, w.office, w.account, w.purpose, w.desk, w.label, w.used),
        *(before, before_id, limit),
    )


async def late(
    tx: Tx, w: Wanted, hours: int, before: datetime | None, before_id: UUID | None, limit: int
) -> list[ReadingLine]:
    """Those that came offline more than `hours` after the device says that it read them."""
    return await tx.all(
        ReadingLine,
        _LINE
        + _WHERE
        + _OF
        + "and label = 'offline' and received_at - read_at > make_interval(hours => $12::int) "
        + _NEWEST,
        *(w.since, w.until, w.office, w.account, w.purpose, w.desk, w.label, w.used),
        *(before, before_id, limit, hours),
    )


async def lines(tx: Tx, ids: list[UUID]) -> list[ReadingLine]:
    return await tx.all(ReadingLine, _LINE + "where id = any ($1)", ids)


_COUNTS = """
with of_day as (
    select (received_at at time zone 'Asia/Bangkok')::date as day, account, purpose,
        count(*) as taken,
        count(used_at) as used,
        count(*) filter (where label = 'seen') as seen,
        count(*) filter (where label = 'offline') as offline,
        count(*) filter (where 'officer-face-match' = any (levels)) as face_compared,
        count(*) filter (where 'face:differs' = any (flags)) as face_differs
    from reading
    where received_at >= $1
        and received_at < least($2::timestamptz,
            ($6::date + 1)::timestamp at time zone 'Asia/Bangkok')
        and purpose <> 'map_desk' and ($5::text is null or purpose = $5)
"""
_COUNTED = """
    group by 1, 2, 3
)
select day, account, purpose, taken, used, seen, offline, face_compared, face_differs
from of_day
where $6::date is null or day < $6 or (account, purpose) > ($7::uuid, $8::text)
order by day desc, account, purpose limit $9
"""


async def counts(tx: Tx, w: Wanted, after: AfterCount | None, limit: int) -> list[Count]:
    """Officer × purpose × day, the newest day first."""
    place = (after.day, after.account, after.purpose) if after else (None, None, None)
    args = (w.since, w.until, w.office, w.account, w.purpose, *place, limit)
    if w.account is not None:
        return await tx.all(Count, _COUNTS + _OF_ACCOUNT + _COUNTED, *args)
    if w.office is not None:
        return await tx.all(Count, _COUNTS + _OF_OFFICE + _COUNTED, *args)
    return await tx.all(Count, _COUNTS + _OF_ALL + _COUNTED, *args)


class UnusedRow(msgspec.Struct):
    account: UUID
    office: UUID
    taken: int
    unused: int


_UNUSED = """
with by_officer as (
    select account, office, count(*) as taken,
        count(*) filter (where case when label = 'offline'
            then used_at is null and received_at < $5::timestamptz - interval '7 days'
            else used_at is null or used_at > received_at + interval '1 hour' end) as unused
    from reading
    where received_at >= $1 and received_at < least($2::timestamptz, $5)
        and purpose in ('serve_order', 'identify_complainant') and 'face:differs' <> all (flags)
"""
_UNUSED_END = """
    group by 1, 2
)
select account, office, taken, unused from by_officer
where unused > 0 and ($6::bigint is null or unused < $6
    or unused = $6 and (account, office) > ($7::uuid, $8::uuid))
order by unused desc, account, office limit $9
"""


async def unused(
    tx: Tx, w: Wanted, most: datetime, after: AfterUnused | None, limit: int
) -> list[UnusedRow]:
    """By officer and office, the most first; readings from before `most`, which have had their
    hour, those that came offline their seven days."""
    place = (after.unused, after.account, after.office) if after else (None, None, None)
    args = (w.since, w.until, w.office, w.account, most, *place, limit)
    if w.account is not None:
        return await tx.all(UnusedRow, _UNUSED + _OF_ACCOUNT + _UNUSED_END, *args)
    if w.office is not None:
        return await tx.all(UnusedRow, _UNUSED + _OF_OFFICE + _UNUSED_END, *args)
    return await tx.all(UnusedRow, _UNUSED + _OF_ALL + _UNUSED_END, *args)


class CrossingRow(msgspec.Struct):
    """Two readings by their ids; `at` is the later one's."""

    later: UUID
    earlier: UUID
    at: datetime
    matched: list[str]
    km: float
    minutes: float
    needed_min: float


async def crossings(
    tx: Tx, w: Wanted, before: datetime | None, before_id: UUID | None, limit: int
) -> list[CrossingRow]:
    """One card at two offices too soon after one another; see `views.Crossing` for the rule.

    Whenever a card comes to an office, it is held against the last time at each other office in the
    four hours before, and the worst of these is told. An office between the two hides nothing: the
    distances are rounded down, so that steps may each be possible where the way is not. What came
    offline counts when its device says, and at the latest when it came. A value is of one thing
    alone: what is hashed names it. Kilometres on a sphere of 6,371 km, by the haversine formula.
    """
    return await tx.all(
        CrossingRow,
        """
        with taken as materialized (
            select id, office, cid_index, chip_index, cid_before, chip_before, received_at as at
            from reading
            where label = 'online' and received_at >= $1::timestamptz - $7::interval
                and received_at < $2
            union all
            select * from (
                select id, office, cid_index, chip_index, cid_before, chip_before,
                    least(read_at, received_at) as at
                from reading
                where label = 'offline'
                    and received_at >= $1::timestamptz - $7::interval - interval '1 hour'
            ) late
            where at >= $1::timestamptz - $7::interval and at < $2
        ), mark as (
            select 'cid' as by_what, cid_index as value, id, office, at from taken
            where cid_index is not null
            union all
            select 'cid', unnest(cid_before), id, office, at from taken where cid_before <> '{}'
            union all
            select 'chip', chip_index, id, office, at from taken where chip_index is not null
            union all
            select 'chip', unnest(chip_before), id, office, at from taken where chip_before <> '{}'
        ), way as (
            select by_what, value, id, office, at,
                lag(office) over one <> office and at - lag(at) over one < $7::interval as came,
                lead(office) over one <> office and lead(at) over one - at < $7::interval as went
            from mark window one as (partition by value order by at, id)
        ), step as materialized (
            select * from way where came or went
        ), pair as (
            select l.id as later, e.id as earlier, l.office, e.office as office_before, l.at,
                extract(epoch from l.at - e.at)::float8 / 60 as minutes,
                array_agg(distinct l.by_what order by l.by_what) as matched
            from step l join step e using (value)
            where l.came and e.went and e.office <> l.office
                and (e.at, e.id) < (l.at, l.id) and l.at - e.at < $7::interval and l.at >= $1
                and ($3::uuid is null or $3 in (l.office, e.office))
            group by 1, 2, 3, 4, 5, 6
        ), judged as (
            select pair.*, near.km, 60 * least(near.km / 120, 1.5 + near.km / 700) as needed_min
            from pair cross join lateral (
                select greatest(0, min(12742 * asin(sqrt(
                    power(sin(radians(b.lat - a.lat) / 2), 2) + cos(radians(a.lat))
                        * cos(radians(b.lat)) * power(sin(radians(b.lng - a.lng) / 2), 2)))) - 20)
                    as km
                from office_province oa join province_seat a using (province)
                    cross join office_province ob
                    join province_seat b on b.province = ob.province
                where oa.office = pair.office_before and ob.office = pair.office
            ) near
        ), worst as (
            select distinct on (later) * from judged where minutes < needed_min
            order by later, needed_min - minutes desc, earlier
        )
        select later, earlier, at, matched, km, minutes, needed_min
        from worst
        where $4::timestamptz is null or (at, later) < ($4, $5)
        order by at desc, later desc limit $6
        """,
        *(w.since, w.until, w.office, before, before_id, limit, KNOWN_AGAIN),
    )


async def office_of(tx: Tx, account: UUID) -> UUID | None:
    """The office of an account that has one."""
    found: UUID | None = await tx.value("select office from account where id = $1", account)
    return found


async def day(
    tx: Tx,
    account: UUID,
    since: datetime,
    until: datetime,
    first: UUID,
    last: UUID,
    after: datetime | None,
    after_id: UUID | None,
    limit: int,
) -> list[DayAct]:
    """In their order; `first` and `last` bound the ids of events of that day. What an intent was
    for is in the event that armed it: the intent itself is forgotten before (`forgetting`)."""
    return await tx.all(
        DayAct,
        """
        with act as (
            select id, at, name as what, kind, record, facts from event
            where account = $1 and id >= $4 and id < $5 and at >= $2 and at < $3
                and (kind in ('intent', 'reading', 'desk', 'bridge', 'reading_audit')
                    or name in ('offline_ticket.issued', 'account.bound', 'officer.confirmed'))
            union all
            select id, received_at, 'reading.taken', 'reading', id, '{}' from reading
            where account = $1 and received_at >= $2 and received_at < $3 and label <> 'seen'
        ), page as (
            select id, at, what, kind, record, facts from act
            where $6::timestamptz is null or (at, id) > ($6, $7)
            order by at, id limit $8
        )
        select p.id, p.at, p.what, p.kind, p.record, coalesce(r.purpose, i.purpose) as purpose,
            coalesce(r.desk, i.desk) as desk
        from page p
            left join lateral (
                select p.facts->>'purpose' as purpose, (p.facts->>'desk')::uuid as desk
            ) i on p.kind = 'intent'
            left join reading r on p.kind = 'reading' and r.id = p.record
        order by p.at, p.id
        """,
        *(account, since, until, first, last, after, after_id, limit),
    )


async def incidents(tx: Tx, w: Wanted) -> list[IncidentCount]:
    """Device × kind, at most 1,000; the most that nobody looked at first."""
    return await tx.all(
        IncidentCount,
        """
        select b.id as bridge, b.name as bridge_name, b.office, i.kind, count(*),
            count(*) filter (where i.looked_at is null) as unlooked, max(i.at) as last_at
        from bridge_incident i join bridge b on b.id = i.bridge
        where i.at >= $1 and i.at < $2 and ($3::uuid is null or b.office = $3)
        group by b.id, i.kind
        order by unlooked desc, last_at desc, b.id, i.kind limit 1000
        """,
        *(w.since, w.until, w.office),
    )
