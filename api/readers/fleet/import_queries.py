"""The statements of an import: a part of a file at a time, set by set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec

from api.db import Tx


class Before(msgspec.Struct):
    """The last import of its kind, of the same file and without a fault."""

    id: UUID
    read: int
    added: int
    changed: int


class Asking(msgspec.Struct):
    """A line of a letter as it stands; `serials`: its readers that have not come back."""

    id: UUID
    agency: str
    document: str
    unit: str
    quantity: int
    allocated: int
    asked_on: date
    state: str
    listed: bytes | None
    serials: int


Letter = tuple[UUID, str, str, str, UUID | None, date, int, int, bytes]
"""A line of one: (id, agency, document, unit, office, asked_on, quantity, allocated, listed)."""


class NewAsset(msgspec.Struct):
    """Columns of `reader_asset`, in the order in which they are written."""

    id: UUID
    serial: str
    serial_key: str
    agency: str
    unit: str
    office: UUID | None
    request: UUID | None
    model: str
    note: str
    state: str
    distributed_on: date | None
    listed: bytes


class ChangedAsset(msgspec.Struct):
    """What a newer list makes of a reader; `event` is the id of the event that tells it."""

    id: UUID
    unit: str
    office: UUID | None
    request: UUID | None
    model: str
    note: str
    state: str
    distributed_on: date | None
    listed: bytes
    event: UUID
    facts: str


async def before(tx: Tx, file_hash: str, kind: str, agency: str | None) -> Before | None:
    return await tx.maybe_one(
        Before,
        """
        select i.id, i.read, i.added, i.changed from reader_import i
        where i.file_hash = $1 and i.kind = $2 and i.agency is not distinct from $3
            and i.finished_at is not null and i.rejected = 0 and i.noted = 0
            and not exists (
                select from reader_import o where o.kind = i.kind and o.started_at > i.started_at)
        order by i.started_at desc limit 1
        """,
        file_hash,
        kind,
        agency,
    )


async def begin(
    tx: Tx, id: UUID, kind: str, name: str, file_hash: str, agency: str | None, by: UUID | None
) -> None:
    await tx.run(
        """
        insert into reader_import (id, kind, file_name, file_hash, agency, started_at, account)
        values ($1, $2, $3, $4, $5, $6, $7)
        """,
        id,
        kind,
        name,
        file_hash,
        agency,
        tx.now,
        by,
    )


async def finish(
    tx: Tx, id: UUID, read: int, added: int, changed: int, rejected: int, noted: int
) -> None:
    await tx.run(
        """
        update reader_import set finished_at = $2, read = $3, added = $4, changed = $5,
            rejected = $6, noted = $7
        where id = $1
        """,
        id,
        tx.now,
        read,
        added,
        changed,
        rejected,
        noted,
    )


async def asked(tx: Tx, documents: Sequence[str]) -> list[Asking]:
    """All lines of these letters, whichever agencies'."""
    return await tx.all(
        Asking,
        """
        select r.id, r.agency, r.document, r.unit, r.quantity, r.allocated, r.asked_on, r.state,
            r.listed, (select count(*) from reader_asset a
                where a.request = r.id and a.state <> 'returned') as serials
        from reader_request r where r.document = any($1::text[])
        """,
        list(documents),
    )


async def add_assets(tx: Tx, rows: Sequence[NewAsset], import_id: UUID) -> None:
    await tx.run(
        """
        insert into reader_asset (id, serial, serial_key, agency, unit, office, request, model,
            note, state, distributed_on, listed, import_id, state_at, created_at)
        select n.*, $13, $14, $14
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[],
            $7::uuid[], $8::text[], $9::text[], $10::text[], $11::date[], $12::bytea[]) n
        """,
        *_columns(NewAsset, rows),
        import_id,
        tx.now,
    )


async def change_assets(tx: Tx, rows: Sequence[ChangedAsset], actor: str, by: UUID | None) -> None:
    """Brings readers up to the list and tells each change in the trail."""
    await tx.run(
        """
        with n as (
            select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[],
                $6::text[], $7::text[], $8::date[], $9::bytea[], $10::uuid[], $11::text[])
                as n (id, unit, office, request, model, note, state, distributed_on, listed,
                    event, facts)
        ), told as (
            insert into event (id, at, name, kind, record, actor, account, request_id, facts)
            select n.event, $12, 'reader_asset.relisted', 'reader_asset', n.id, $13, $14, $15,
                n.facts::jsonb
            from n
        )
        update reader_asset a
        set unit = n.unit, office = n.office, request = n.request, model = n.model,
            note = n.note, state = n.state, distributed_on = n.distributed_on,
            listed = n.listed, version = a.version + 1,
            state_at = case when a.state = n.state then a.state_at else $12 end
        from n where a.id = n.id
        """,
        *_columns(ChangedAsset, rows),
        tx.now,
        actor,
        by,
        tx.request_id,
    )


async def listed(tx: Tx, found: Sequence[UUID], hashes: Sequence[bytes]) -> None:
    """Notes what the list says of readers of which it says nothing new."""
    await tx.run(
        """
        update reader_asset a set listed = n.listed
        from unnest($1::uuid[], $2::bytea[]) as n (id, listed) where a.id = n.id
        """,
        list(found),
        list(hashes),
    )


async def write_requests(tx: Tx, rows: Sequence[Letter], by: UUID | None) -> int:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return await tx.run(
        """
        insert into reader_request as r (id, agency, document, unit, office, asked_on, quantity,
            allocated, listed, state, created_at, created_by)
        select n.id, n.agency, n.document, n.unit, n.office, n.day, n.quantity, n.allocated,
            n.listed, case when n.allocated > 0 then 'allocated' else 'requested' end, $10, $11
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::date[],
            $7::integer[], $8::integer[], $9::bytea[])
            as n (id, agency, document, unit, office, day, quantity, allocated, listed)
        on conflict (agency, document, unit) do update
        set quantity = excluded.quantity, allocated = excluded.allocated,
            asked_on = excluded.asked_on, state = excluded.state, listed = excluded.listed,
            version = r.version + 1
        """,
        *columns,
        tx.now,
        by,
    )


def _columns(kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> list[list[object]]:
    return [[getattr(row, name) for row in rows] for name in kind.__struct_fields__]
