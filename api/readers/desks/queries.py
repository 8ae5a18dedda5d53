"""Statements about desks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


class DeskRow(msgspec.Struct):
    """`ready`: its reader is attached, and its bridge was heard of in the last minutes."""

    id: UUID
    office: UUID
    name: str
    reader: UUID | None
    reader_name: str | None
    bridge: UUID | None
    ready: bool
    mapped_at: datetime | None
    version: int


_DESK = """
    select d.id, d.office, d.name, d.reader, r.name as reader_name, r.bridge,
        coalesce(r.seen and b.state = 'active' and b.last_seen_at > $1, false) as ready,
        d.mapped_at, d.version
    from desk d left join bridge_reader r on r.id = d.reader left join bridge b on b.id = r.bridge
"""


async def desk(tx: Tx, heard_since: datetime, id: UUID, office: UUID | None) -> DeskRow | None:
    return await tx.maybe_one(
        DeskRow,
        _DESK + "where d.id = $2 and d.ended_at is null and ($3::uuid is null or d.office = $3)",
        heard_since,
        id,
        office,
    )


async def desks(
    tx: Tx,
    heard_since: datetime,
    reached: UUID | None,
    office: UUID | None,
    ready: bool | None,
    after: UUID | None,
    limit: int,
) -> list[DeskRow]:
    return await tx.all(
        DeskRow,
        _DESK
        + """
        where d.ended_at is null and ($2::uuid is null or d.office = $2)
            and ($3::uuid is null or d.office = $3) and ($5::uuid is null or d.id > $5)
            and ($4::boolean is null
                or coalesce(r.seen and b.state = 'active' and b.last_seen_at > $1, false) = $4)
        order by d.id limit $6
        """,
        heard_since,
        reached,
        office,
        ready,
        after,
        limit,
    )


async def is_used(tx: Tx, id: UUID) -> bool:
    """Whether the id stands for a desk of any office, also one that has ended."""
    return bool(await tx.value("select exists (select from desk where id = $1)", id))


async def insert(tx: Tx, id: UUID, office: UUID, name: str) -> None:
    await tx.run("insert into desk (id, office, name) values ($1, $2, $3)", id, office, name)


async def rename(tx: Tx, id: UUID, name: str) -> None:
    await tx.run("update desk set name = $2, version = version + 1 where id = $1", id, name)


async def end(tx: Tx, id: UUID) -> None:
    """Nobody waits for a card there any more, and no ticket is for it."""
    await tx.run(
        """
        with waiting as (
            update intent set state = 'cancelled', moved_at = $2, version = version + 1
            where desk = $1 and state = 'armed'
        ), tickets as (
            update offline_ticket set void_at = $2, void_why = 'desk:ended'
            where desk = $1 and used_at is null and void_at is null
        )
        update desk set ended_at = $2, version = version + 1 where id = $1
        """,
        id,
        tx.now,
    )


class Pair(msgspec.Struct):
    """A desk and a reader that shall be on it."""

    here: bool
    """Both are of one office."""
    now: UUID | None
    """The desk's reader so far."""
    held: bool
    """The reader is on another desk, or another one that is attached is on this."""


async def pair(tx: Tx, desk: UUID, reader: UUID) -> Pair | None:
    return await tx.maybe_one(
        Pair,
        """
        select d.office = b.office as here, d.reader as now,
            exists (select from desk o where o.reader = r.id and o.id <> d.id)
                or exists (select from bridge_reader o
                    where o.id = d.reader and o.id <> r.id and o.seen) as held
        from desk d, bridge_reader r join bridge b on b.id = r.bridge
        where d.id = $1 and r.id = $2 and d.ended_at is null
        """,
        desk,
        reader,
    )


async def has_role(tx: Tx, account: UUID | None, roles: list[str]) -> bool:
    return bool(
        await tx.value(
            """
            select exists (select from account_role
                where account = $1 and ended_at is null and role = any ($2::text[]))
            """,
            account,
            roles,
        )
    )


async def set_reader(tx: Tx, id: UUID, reader: UUID, by: UUID) -> None:
    await tx.run(
        """
        update desk set reader = $2, mapped_at = $3, mapped_by = $4, version = version + 1
        where id = $1
        """,
        id,
        reader,
        tx.now,
        by,
    )
