"""Statements about devices as they connect, and about what is attached to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api import ids
from api.db import Tx
from reader_bridge.messages import Hello, ReaderSeen


class DeviceRow(msgspec.Struct):
    """A device as far as its connecting is concerned."""

    id: UUID
    office: UUID
    office_name: str
    name: str
    state: str
    public_key: bytes
    starts: int
    boot: UUID | None
    sequence: int
    head: bytes
    moved: int


class Mark(msgspec.Struct, frozen=True):
    """A moment, the same for all servers: `moves` counts how often devices have moved on until
    then, `at` is PostgreSQL's time."""

    moves: int
    at: datetime


async def mark(tx: Tx) -> Mark:
    return await tx.one(Mark, "select last_value, clock_timestamp() from bridge_moves")


async def device(tx: Tx, id: UUID) -> DeviceRow | None:
    return await tx.maybe_one(
        DeviceRow,
        """
        select b.id, b.office, o.name_th as office_name, b.name, b.state, b.public_key, b.starts,
            b.boot, b.sequence, b.head, b.moved
        from bridge b join office o on o.id = b.office
        where b.id = $1
        """,
        id,
    )


async def connected(tx: Tx, was: DeviceRow, hello: Hello, server: UUID) -> bool:
    """Stores a hello that was judged by `was`; False where that has moved in the meantime."""
    return bool(
        await tx.run(
            """
            update bridge set starts = $7, boot = $8, software = $9, platform = $10,
                key_protection = $11, last_seen_at = $12, connected_to = $13, stated = $14,
                moved = case when starts < $7 then nextval('bridge_moves') else moved end
            where id = $1 and state = 'active' and public_key = $2 and starts = $3
                and boot is not distinct from $4 and sequence = $5 and head = $6
            """,
            was.id,
            was.public_key,
            was.starts,
            was.boot,
            was.sequence,
            was.head,
            hello.starts,
            hello.boot,
            hello.software,
            hello.platform,
            hello.key_protection,
            tx.now,
            server,
            hello.sequence,
        )
    )


async def go_on(tx: Tx, was: DeviceRow, sequence: int, head: bytes) -> bool:
    """The chain goes on from there; False where the device has moved in the meantime."""
    return bool(
        await tx.run(
            """
            update bridge set sequence = $4, head = $5, moved = nextval('bridge_moves')
            where id = $1 and sequence = $2 and head = $3 and state = 'active'
            """,
            was.id,
            was.sequence,
            was.head,
            sequence,
            head,
        )
    )


async def seen(tx: Tx, bridges: Sequence[UUID], now: datetime) -> int:
    """Waits for nobody: whoever is busy with a device will say so itself."""
    return await tx.run(
        """
        update bridge set last_seen_at = greatest(last_seen_at, $2)
        where id in (select id from bridge where id = any ($1::uuid[]) for update skip locked)
        """,
        list(bridges),
        now,
    )


async def set_key(tx: Tx, id: UUID, old: bytes, new: bytes, key_protection: str) -> bool:
    """False where `old` is not the key any more, or the device has ended."""
    return bool(
        await tx.run(
            """
            update bridge set public_key = $3, key_protection = $4, key_since = $5,
                moved = nextval('bridge_moves'), version = version + 1
            where id = $1 and public_key = $2 and state = 'active'
            """,
            id,
            old,
            new,
            key_protection,
            tx.now,
        )
    )


# --- readers --------------------------------------------------------------------------------------


class Held(msgspec.Struct):
    """A reader that a device has, or had."""

    id: UUID
    name: str
    serial: str | None
    model: str | None
    seen: bool
    desk: UUID | None


async def held(tx: Tx, bridge: UUID) -> list[Held]:
    return await tx.all(
        Held,
        """
        select r.id, r.name, r.serial, r.model, r.seen, d.id as desk
        from bridge_reader r left join desk d on d.reader = r.id
        where r.bridge = $1 order by r.name
        """,
        bridge,
    )


async def put_readers(
    tx: Tx, bridge: UUID, present: Sequence[ReaderSeen], gone: Sequence[UUID]
) -> None:
    """Writes those that came or changed, and those that went."""
    await tx.run(
        """
        with gone as (
            update bridge_reader set seen = false, last_seen_at = $6 where id = any ($7::uuid[])
        )
        insert into bridge_reader (id, bridge, name, serial, model, seen, last_seen_at)
        select n.id, $1, n.name, n.serial, n.model, true, $6
        from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) as n(id, name, serial, model)
        on conflict (bridge, name) do update set serial = excluded.serial, model = excluded.model,
            seen = true, last_seen_at = excluded.last_seen_at
        """,
        bridge,
        [ids.new() for _ in present],
        [reader.name for reader in present],
        [reader.serial for reader in present],
        [reader.model for reader in present],
        tx.now,
        list(gone),
    )


async def forget_readers(tx: Tx, spare: Sequence[UUID], count: int) -> int:
    """Of `spare` the `count` that were seen least lately, if nothing was ever read in them."""
    return await tx.run(
        """
        delete from bridge_reader where id in (
            select r.id from bridge_reader r
            where r.id = any ($1::uuid[])
                and not exists (select from intent where reader = r.id)
                and not exists (select from reading where reader = r.id)
                and not exists (select from offline_ticket where reader = r.id)
            order by r.last_seen_at limit $2)
        """,
        list(spare),
        count,
    )


async def let_go(tx: Tx, readers: Sequence[UUID], waiting: bool) -> list[UUID]:
    """Takes readers off their desks, which are returned; nobody waits for a card in them
    then, unless `waiting`."""
    return await tx.values(
        """
        with waiting as (
            update intent set state = 'cancelled', moved_at = $2, version = version + 1
            where reader = any ($1::uuid[]) and state = 'armed' and not $3
        )
        update desk set reader = null, mapped_at = null, mapped_by = null, version = version + 1
        where id in (select id from desk where reader = any ($1::uuid[]) order by id for update)
        returning id
        """,
        list(readers),
        tx.now,
        waiting,
    )
