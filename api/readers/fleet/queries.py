"""The statements of agencies, requests and readers. `office`: limits to one office's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api import events
from api.db import Tx
from api.ids import of_text
from api.readers.fleet.model import (
    Filters,
    ReaderAgency,
    ReaderAsset,
    ReaderRequest,
    ReaderRequestEntry,
    ReaderState,
)

LOCK = of_text("reader fleet")
"""Held by whatever writes many serials at once, so that two of them never wait for each other."""


class Known(msgspec.Struct):
    """A reader as it stands, for whoever decides what to do with it."""

    id: UUID
    serial_key: str
    agency: str
    unit: str
    office: UUID | None
    request: UUID | None
    model: str
    note: str
    state: ReaderState
    distributed_on: date | None
    version: int
    listed: bytes | None
    reissued_at: datetime | None


class Happened(msgspec.Struct):
    at: datetime
    name: str
    account: UUID | None
    facts: str


# --- agencies and units -------------------------------------------------------------------------


async def agencies(tx: Tx) -> list[ReaderAgency]:
    return await tx.all(
        ReaderAgency, "select code, name_th, name_en from reader_agency order by code"
    )


async def agency(tx: Tx, code: str) -> ReaderAgency | None:
    return await tx.maybe_one(
        ReaderAgency, "select code, name_th, name_en from reader_agency where code = $1", code
    )


async def write_agency(tx: Tx, agency: ReaderAgency) -> bool:
    """Whether anything is new."""
    return bool(
        await tx.run(
            """
            insert into reader_agency as a (code, name_th, name_en) values ($1, $2, $3)
            on conflict (code) do update
            set name_th = excluded.name_th, name_en = excluded.name_en
            where (a.name_th, a.name_en) is distinct from (excluded.name_th, excluded.name_en)
            """,
            agency.code,
            agency.name_th,
            agency.name_en,
        )
    )


class OfficeName(msgspec.Struct):
    id: UUID
    code: str
    name_th: str


async def offices(tx: Tx) -> list[OfficeName]:
    return await tx.all(OfficeName, "select id, code, name_th from office order by code")


async def office_name(tx: Tx, id: UUID) -> str | None:
    found: str | None = await tx.value("select name_th from office where id = $1", id)
    return found


# --- requests -----------------------------------------------------------------------------------

_REQUEST = """
select r.id, r.agency, r.document, r.unit, r.office, r.asked_on, r.quantity, r.allocated, r.state,
    r.version, r.created_at, n.serials, n.distributed
from reader_request r cross join lateral (
    select count(*)::integer as serials,
        count(a.distributed_on) filter (where a.state <> 'returned')::integer as distributed
    from reader_asset a where a.request = r.id
) n
"""


async def request(tx: Tx, id: UUID, office: UUID | None = None) -> ReaderRequest | None:
    return await tx.maybe_one(
        ReaderRequest,
        f"{_REQUEST} where r.id = $1 and ($2::uuid is null or r.office = $2)",
        id,
        office,
    )


async def requests(
    tx: Tx, agency: str | None, office: UUID | None, short: bool, after: UUID | None, limit: int
) -> list[ReaderRequest]:
    """In the order of their ids; `short`: only where fewer reached a unit than were asked for."""
    return await tx.all(
        ReaderRequest,
        f"""
        {_REQUEST}
        where ($1::text is null or r.agency = $1) and ($2::uuid is null or r.office = $2)
            and ($3::uuid is null or r.id > $3)
            and (not $4 or (r.state <> 'withdrawn' and n.distributed < r.quantity))
        order by r.id limit $5
        """,
        agency,
        office,
        after,
        short,
        limit,
    )


async def insert_request(
    tx: Tx,
    id: UUID,
    entry: ReaderRequestEntry,
    where: tuple[str, str, UUID | None],
    by: UUID | None,
) -> None:
    await tx.run(
        """
        insert into reader_request (id, agency, document, unit, office, asked_on, quantity,
            created_at, created_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        id,
        where[0],
        entry.document.strip(),
        *where[1:],
        entry.asked_on,
        entry.quantity,
        tx.now,
        by,
    )


async def move_request(tx: Tx, id: UUID, state: str, allocated: int) -> None:
    await tx.run(
        """
        update reader_request set state = $2, allocated = $3, version = version + 1 where id = $1
        """,
        id,
        state,
        allocated,
    )


# --- readers ------------------------------------------------------------------------------------

_ASSET = """
select a.id, a.serial, a.serial_key, a.agency, a.unit, a.office, a.request, a.model, a.note,
    a.state, a.state_at, a.distributed_on, a.replaced_by, a.version,
    s.last_seen_at as seen_at, s.office as seen_office, s.version as seen_version
from reader_asset a left join lateral (
    select s.last_seen_at, s.office, s.version from reader_seen s
    where s.serial_key = a.serial_key order by s.last_seen_at desc limit 1
) s on true
"""


async def asset(tx: Tx, id: UUID, office: UUID | None = None) -> ReaderAsset | None:
    return await tx.maybe_one(
        ReaderAsset, f"{_ASSET} where a.id = $1 and ($2::uuid is null or a.office = $2)", id, office
    )


async def lock_asset(tx: Tx, id: UUID) -> None:
    await tx.run("select from reader_asset where id = $1 for update", id)


async def assets(tx: Tx, f: Filters, after: str | None, limit: int) -> list[ReaderAsset]:
    """In the order of their serials; `f.serial` is a part of a key."""
    return await tx.all(
        ReaderAsset,
        f"""
        {_ASSET}
        where ($1::text is null or a.agency = $1) and ($2::uuid is null or a.office = $2)
            and ($3::text is null or a.state = $3)
            and ($4::text is null or (a.serial_key >= $4 and a.serial_key < $4 || '['))
            and ($5::uuid is null or a.request = $5)
            and ($6::timestamptz is null or (a.state = 'in_service' and not exists (
                select from reader_seen n
                where n.serial_key = a.serial_key and n.last_seen_at >= $6)))
            and ($7::text is null or a.serial_key > $7)
        order by a.serial_key limit $8
        """,
        f.agency,
        f.office,
        f.state,
        f.serial,
        f.request,
        f.unseen_since,
        after,
        limit,
    )


async def known(tx: Tx, keys: Sequence[str]) -> list[Known]:
    """The readers of these serials, locked against desks."""
    return await tx.all(
        Known,
        """
        select id, serial_key, agency, unit, office, request, model, note, state, distributed_on,
            version, listed, reissued_at
        from reader_asset where serial_key = any($1::text[]) order by serial_key for update
        """,
        list(keys),
    )


class Granted(msgspec.Struct):
    """A reader that came of a request: made for it, or `known` to a list before, or come back."""

    id: UUID
    serial_key: str
    known: bool


async def grant(
    tx: Tx, ids: list[UUID], serials: list[str], keys: list[str], request: UUID, model: str
) -> list[Granted]:
    """Makes readers of a request, and takes up those that wait for one: listed without a letter by
    the same agency, or reissued. Returns these alone; all other serials are taken."""
    return await tx.all(
        Granted,
        """
        insert into reader_asset as a (id, serial, serial_key, agency, unit, office, request, model,
            state, state_at, created_at)
        select n.id, n.serial, n.key, r.agency, r.unit, r.office, r.id, $5, 'allocated', $6, $6
        from unnest($1::uuid[], $2::text[], $3::text[]) as n (id, serial, key)
        join reader_request r on r.id = $4
        on conflict (serial_key) do update
        set request = excluded.request, agency = excluded.agency, version = a.version + 1,
            unit = case when a.agency = excluded.agency and excluded.unit = '' then a.unit
                else excluded.unit end,
            office = case when a.agency = excluded.agency and excluded.unit = '' then a.office
                else excluded.office end,
            model = coalesce(nullif(excluded.model, ''), a.model)
        where a.request is null and a.state = 'allocated'
            and (a.agency = excluded.agency or a.reissued_at is not null)
        returning a.id, a.serial_key, a.created_at < $6 as known
        """,
        ids,
        serials,
        keys,
        request,
        model,
        tx.now,
    )


async def tell_granted(tx: Tx, readers: Sequence[UUID], told: Sequence[UUID], facts: str) -> None:
    """An event `told` of each of these readers, which had been known before."""
    who, by, _ = events.actor_columns(tx)
    await tx.run(
        """
        insert into event (id, at, name, kind, record, actor, account, request_id, facts)
        select n.event, $3, 'reader_asset.granted', 'reader_asset', n.id, $4, $5, $6, $7::jsonb
        from unnest($1::uuid[], $2::uuid[]) as n (id, event)
        """,
        list(readers),
        list(told),
        tx.now,
        who,
        by,
        tx.request_id,
        facts,
    )


async def serials_of(tx: Tx, request: UUID) -> int:
    """How many of a request's readers have not come back."""
    found: int = await tx.value(
        "select count(*) from reader_asset where request = $1 and state <> 'returned'", request
    )
    return found


async def move_asset(
    tx: Tx,
    id: UUID,
    state: ReaderState,
    *,
    note: str,
    replaced_by: UUID | None,
    distributed_on: date | None,
    reissued: bool,
) -> None:
    """`reissued`: it is nobody's any more, until it is granted or confirmed anew."""
    await tx.run(
        """
        update reader_asset set state = $2, state_at = $3, version = version + 1,
            note = coalesce(nullif($4, ''), note), replaced_by = coalesce($5, replaced_by),
            distributed_on = $6, reissued_at = case when $7 then $3 else reissued_at end,
            request = case when $7 then null else request end,
            unit = case when $7 then '' else unit end,
            office = case when $7 then null else office end
        where id = $1
        """,
        id,
        state,
        tx.now,
        note,
        replaced_by,
        distributed_on,
        reissued,
    )


# --- what happened ------------------------------------------------------------------------------


async def history(tx: Tx, id: UUID) -> list[Happened]:
    """What happened to a reader, the oldest first: how it came, who confirmed it, what was done.

    Its letter stands where it came of one, not where it was granted to one later.
    """
    return await tx.all(
        Happened,
        """
        with told as (
            select e.at, e.name, e.account, e.facts::text as facts from event e
            where e.record = $1 order by e.id desc limit 500
        )
        select at, name, account, facts from (
            select a.created_at as at, 'reader_asset.listed' as name,
                coalesce(i.account, g.account) as account,
                jsonb_strip_nulls(jsonb_build_object('file', i.file_name, 'import', i.id,
                    'request', r.id, 'document', r.document))::text as facts, 0 as nth
            from reader_asset a
            left join reader_import i on i.id = a.import_id
            left join lateral (
                select true as changed,
                    case when t.name <> 'reader_asset.granted'
                        then (t.facts::jsonb ->> 'request_was')::uuid end as request
                from told t
                where t.name = 'reader_asset.granted' or t.facts::jsonb ? 'request_was'
                order by t.at limit 1
            ) f on true
            left join reader_request r
                on r.id = case when f.changed then f.request else a.request end
            left join event g on g.record = r.id and g.at = a.created_at
                and g.name = 'reader_request.allocated'
            where a.id = $1
            union all
            select c.confirmed_at, 'reader_asset.confirmed', c.account,
                jsonb_build_object('agency', c.agency, 'unit', c.unit)::text, 1
            from reader_confirmation c join reader_asset a on a.serial_key = c.serial_key
            where a.id = $1 and not exists (
                select from told t
                where t.name = 'reader_asset.confirmed' and t.at = c.confirmed_at)
            union all
            select at, name, account, facts, 2 from told
        ) h order by at, nth
        """,
        id,
    )
