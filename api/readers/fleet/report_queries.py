"""The statements of reconciliation and report: each bounded, over the whole fleet where asked."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec

from api.clock import Moment
from api.db import Tx

_COUNTS = """
    count(*)::integer as serials,
    count(a.distributed_on) filter (where a.state <> 'returned')::integer as distributed,
    count(*) filter (where a.state = 'allocated')::integer as unconfirmed,
    count(*) filter (where a.state = 'in_service')::integer as in_service,
    count(*) filter (where a.state = 'broken')::integer as broken,
    count(*) filter (where a.state = 'lost')::integer as lost,
    count(*) filter (where a.state = 'returned')::integer as returned
"""


# A serial's newest sighting: where it was before says nothing of where it is.
_LAST = """not exists (select from reader_seen n where n.serial_key = s.serial_key
                    and (n.last_seen_at, n.reader) > (s.last_seen_at, s.reader))"""


class FleetLine(msgspec.Struct):
    """What a letter's line or a unit comes to. `difference`: asked for, but with no unit; below
    zero, units have more than that.

    `serials`: readers that are known one by one, `distributed`: those that reached a unit and have
    not come back; `unallocated`: asked for, and not granted; `unnumbered`: granted, and no list has
    a serial for them that has not come back; `unconfirmed`: they have one, and no unit says it
    holds them. Where nobody has too many, `difference` is these three and what was lost on its way.
    """

    request: UUID | None
    document: str | None
    agency: str
    unit: str
    office: UUID | None
    asked_on: date | None
    requested: int
    allocated: int
    serials: int
    distributed: int
    unconfirmed: int
    in_service: int
    broken: int
    lost: int
    returned: int
    unallocated: int
    unnumbered: int
    difference: int


class FleetDifference(msgspec.Struct):
    """One serial on which lists, units and bridges do not agree. `told`: what the others say."""

    kind: str
    serial_key: str
    serial: str
    agency: str | None
    unit: str | None
    office: UUID | None
    state: str | None
    document: str | None
    told: str
    seen_at: Moment | None
    seen_office: UUID | None


class States(msgspec.Struct):
    agency: str
    serials: int
    distributed: int
    unconfirmed: int
    in_service: int
    broken: int
    lost: int
    returned: int


class Asked(msgspec.Struct):
    agency: str
    requested: int
    allocated: int


class Seen(msgspec.Struct):
    agency: str | None
    n: int


class FleetVersion(msgspec.Struct):
    """How many readers stand at bridges of this program, seen in the last seven days."""

    version: str
    readers: int


async def by_request(
    tx: Tx, agency: str | None, office: UUID | None, after: UUID | None, limit: int
) -> list[FleetLine]:
    """Lines of letters in the order of their ids, but for withdrawn ones."""
    return await tx.all(
        FleetLine,
        f"""
        select r.id as request, r.document, r.agency, r.unit, r.office, r.asked_on,
            r.quantity as requested, r.allocated, n.*,
            greatest(r.quantity - r.allocated, 0) as unallocated,
            greatest(r.allocated - n.serials + n.returned, 0) as unnumbered,
            r.quantity - n.distributed as difference
        from reader_request r cross join lateral (
            select {_COUNTS} from reader_asset a where a.request = r.id
        ) n
        where r.state <> 'withdrawn' and ($1::text is null or r.agency = $1)
            and ($2::uuid is null or r.office = $2) and ($3::uuid is null or r.id > $3)
        order by r.id limit $4
        """,  # noqa: S608 - the counts above
        agency,
        office,
        after,
        limit,
    )


async def by_unit(
    tx: Tx,
    agency: str | None,
    office: UUID | None,
    after: tuple[str, str] | None,
    limit: int,
) -> list[FleetLine]:
    """Units in the order of agency and name: what they asked for beside what is there."""
    return await tx.all(
        FleetLine,
        f"""
        select null::uuid as request, null::text as document, agency, unit,
            coalesce(n.office, q.office) as office, q.asked_on,
            coalesce(q.requested, 0)::bigint as requested,
            coalesce(q.allocated, 0)::bigint as allocated,
            coalesce(n.serials, 0) as serials, coalesce(n.distributed, 0) as distributed,
            coalesce(n.unconfirmed, 0) as unconfirmed, coalesce(n.in_service, 0) as in_service,
            coalesce(n.broken, 0) as broken, coalesce(n.lost, 0) as lost,
            coalesce(n.returned, 0) as returned,
            greatest(coalesce(q.requested, 0) - coalesce(q.allocated, 0), 0)::bigint
                as unallocated,
            greatest(coalesce(q.allocated, 0) - coalesce(n.serials - n.returned, 0), 0)::bigint
                as unnumbered,
            (coalesce(q.requested, 0) - coalesce(n.distributed, 0))::bigint as difference
        from (
            select r.agency, r.unit, (array_agg(r.office))[1] as office,
                max(r.asked_on) as asked_on, sum(r.quantity) as requested,
                sum(r.allocated) as allocated
            from reader_request r
            where r.state <> 'withdrawn' and ($1::text is null or r.agency = $1)
                and ($2::uuid is null or r.office = $2)
                and ($3::text is null or (r.agency, r.unit) > ($3, $4))
            group by 1, 2
        ) q full join (
            select a.agency, a.unit, (array_agg(a.office))[1] as office, {_COUNTS}
            from reader_asset a
            where ($1::text is null or a.agency = $1) and ($2::uuid is null or a.office = $2)
                and ($3::text is null or (a.agency, a.unit) > ($3, $4))
            group by 1, 2
        ) n using (agency, unit)
        order by agency, unit limit $5
        """,  # noqa: S608 - the counts above
        agency,
        office,
        *(after or (None, None)),
        limit,
    )


async def differences(
    tx: Tx,
    kinds: list[str],
    agency: str | None,
    office: UUID | None,
    request: UUID | None,
    after: tuple[str, str],
    limit: int,
) -> list[FleetDifference]:
    """Serials on which lists, units and bridges differ, by kind and serial, after `after`.

    With `agency`, `office` or `request` those of registered readers only, but for what a unit of
    that agency or office confirmed.
    """
    return await tx.all(
        FleetDifference,
        f"""
        with claim as not materialized (
            select c.serial_key, min(c.serial) as serial, count(*) as units,
                min(c.agency) as agency, min(c.unit) as unit, (array_agg(c.office))[1] as office,
                string_agg(c.agency || ' ' || c.unit, ' · ' order by c.confirmed_at) as told
            from reader_confirmation c
            left join reader_asset a on a.serial_key = c.serial_key
            where a.reissued_at is null or c.confirmed_at >= a.reissued_at
            group by c.serial_key
        ), sighting as not materialized (
            select s.serial_key, s.serial, s.office, s.last_seen_at, s.reader,
                n.code || ' ' || n.name_th as told
            from reader_seen s join office n on n.id = s.office
        )
        select d.kind, d.serial_key, d.serial, d.agency, d.unit, d.office, d.state, r.document,
            d.told, d.seen_at, d.seen_office
        from (
            select 'never_confirmed' as kind, a.serial_key, a.serial, a.agency, a.unit, a.office,
                a.state, a.request, '' as told, null::timestamptz as seen_at,
                null::uuid as seen_office
            from reader_asset a
            where 'never_confirmed' = any($1::text[]) and a.state = 'allocated'
                and not exists (select from reader_confirmation c
                    where c.serial_key = a.serial_key
                        and (a.reissued_at is null or c.confirmed_at >= a.reissued_at))
            union all
            select 'confirmed_twice', c.serial_key, c.serial, coalesce(a.agency, c.agency),
                coalesce(a.unit, c.unit), coalesce(a.office, c.office), a.state, a.request, c.told,
                null, null
            from claim c left join reader_asset a on a.serial_key = c.serial_key
            where 'confirmed_twice' = any($1) and c.units > 1
            union all
            select 'confirmed_elsewhere', c.serial_key, c.serial, a.agency, a.unit, a.office,
                a.state, a.request, c.told, null, null
            from claim c join reader_asset a on a.serial_key = c.serial_key
                left join reader_request q on q.id = a.request and q.unit <> ''
            where 'confirmed_elsewhere' = any($1) and c.units = 1
                and ((a.agency, a.unit) <> (c.agency, c.unit)
                    or (q.agency, q.unit) <> (c.agency, c.unit))
            union all
            select 'confirmed_unlisted', c.serial_key, c.serial, c.agency, c.unit, c.office, null,
                null, c.told, null, null
            from claim c
            where 'confirmed_unlisted' = any($1) and not exists (
                select from reader_asset a where a.serial_key = c.serial_key)
            union all
            select 'seen_elsewhere', a.serial_key, a.serial, a.agency,
                a.unit, a.office, a.state, a.request, s.told, s.last_seen_at, s.office
            from sighting s join reader_asset a on a.serial_key = s.serial_key
            where 'seen_elsewhere' = any($1) and a.office <> s.office -- null: of any
                and {_LAST}
            union all
            select 'seen_twice', s.serial_key, min(s.serial), null, null, null, null, null,
                string_agg(s.told, ' · ' order by s.last_seen_at desc), max(s.last_seen_at), null
            from sighting s
            where 'seen_twice' = any($1) and $2::text is null and $3::uuid is null
                and s.last_seen_at > $8::timestamptz - interval '1 day'
                and exists (select from reader_seen n where n.serial_key = s.serial_key
                    and n.reader <> s.reader
                    and n.last_seen_at > $8::timestamptz - interval '1 day')
            group by s.serial_key having count(*) > 1
            union all
            select 'seen_unlisted', s.serial_key, s.serial, null, null,
                s.office, null, null, s.told, s.last_seen_at, s.office
            from sighting s
            where 'seen_unlisted' = any($1) and {_LAST}
                and not exists (select from reader_asset a where a.serial_key = s.serial_key)
            union all
            select 'seen_though_gone', a.serial_key, a.serial, a.agency,
                a.unit, a.office, a.state, a.request, s.told, s.last_seen_at, s.office
            from sighting s join reader_asset a on a.serial_key = s.serial_key
            where 'seen_though_gone' = any($1) and a.state in ('lost', 'returned')
                and s.last_seen_at > a.state_at and {_LAST}
        ) d
        left join reader_request r on r.id = d.request
        where ($2::text is null or d.agency = $2) and ($3::uuid is null or d.office = $3)
            and ($4::uuid is null or d.request = $4) and (d.kind, d.serial_key) > ($5, $6)
        order by d.kind, d.serial_key limit $7
        """,  # noqa: S608 - of our own words
        kinds,
        agency,
        office,
        request,
        *after,
        limit,
        tx.now,
    )


async def states(tx: Tx) -> list[States]:
    return await tx.all(
        States,
        f"select a.agency, {_COUNTS} from reader_asset a group by 1 order by 1",  # noqa: S608
    )


async def asked(tx: Tx) -> list[Asked]:
    return await tx.all(
        Asked,
        """
        select agency, sum(quantity)::bigint as requested, sum(allocated)::bigint as allocated
        from reader_request where state <> 'withdrawn' group by 1
        """,
    )


async def seen_since(tx: Tx, since: datetime) -> list[Seen]:
    """Readers seen since then by agency; under null those that no list knows."""
    return await tx.all(
        Seen,
        """
        select a.agency, count(*)::integer as n
        from (select distinct serial_key from reader_seen where last_seen_at >= $1) s
        left join reader_asset a on a.serial_key = s.serial_key
        group by 1
        """,
        since,
    )


async def versions(tx: Tx, since: datetime) -> list[FleetVersion]:
    return await tx.all(
        FleetVersion,
        """
        select coalesce(s.version, '') as version, count(*)::integer as readers from reader_seen s
        where s.last_seen_at >= $1 group by 1 order by 2 desc, 1 limit 200
        """,
        since,
    )
