"""Statements about intents. Columns follow the Structs' fields."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.readers.model import IntentState, Purpose
from reader_bridge.fields import Fault, Field
from reader_bridge.messages import Step


class Row(msgspec.Struct):
    id: UUID
    session: UUID
    desk: UUID
    bridge: UUID
    reader: UUID | None
    purpose: Purpose
    about: UUID | None
    fields: list[Field]
    photo: bool
    state: IntentState
    step: Step
    fault: Fault | None
    done: int
    total: int
    reading: UUID | None
    armed_at: datetime
    expires_at: datetime
    version: int


class Place(msgspec.Struct):
    """A desk, and the reader that would serve it; `bridge` of a desk without one is None."""

    desk: UUID
    office: UUID
    reader: UUID | None
    seen: bool
    bridge: UUID | None
    active: bool
    last_seen_at: datetime | None


class Open(msgspec.Struct):
    """An intent as its bridge has to know it."""

    id: UUID
    session: UUID
    nonce: bytes
    purpose: Purpose
    reader: str | None
    fields: list[Field]
    photo: bool
    expires_at: datetime
    state: IntentState


class Moved(msgspec.Struct):
    id: UUID
    version: int
    bridge: UUID
    session: UUID
    moved_at: datetime


async def intent(tx: Tx, id: UUID) -> Row | None:
    return await tx.maybe_one(
        Row,
        """
        select i.id, i.session, i.desk, i.bridge, i.reader, i.purpose, i.about, i.fields, i.photo,
            i.state, i.step, i.fault, i.done, i.total, r.id as reading, i.armed_at, i.expires_at,
            i.version
        from intent i left join reading r on r.intent = i.id
        where i.id = $1
        """,
        id,
    )


async def of_session(
    tx: Tx, session: UUID, before: datetime | None, before_id: UUID | None, limit: int
) -> list[Row]:
    """Those of a session, the newest first."""
    return await tx.all(
        Row,
        """
        select i.id, i.session, i.desk, i.bridge, i.reader, i.purpose, i.about, i.fields, i.photo,
            i.state, i.step, i.fault, i.done, i.total, r.id as reading, i.armed_at, i.expires_at,
            i.version
        from intent i left join reading r on r.intent = i.id
        where i.session = $1 and ($2::timestamptz is null or (i.armed_at, i.id) < ($2, $3))
        order by i.armed_at desc, i.id desc limit $4
        """,
        session,
        before,
        before_id,
        limit,
    )


async def moved_of_session(tx: Tx, session: UUID, since: datetime) -> list[Row]:
    """What an event stream tells: those that moved since, the oldest first."""
    return await tx.all(
        Row,
        """
        select i.id, i.session, i.desk, i.bridge, i.reader, i.purpose, i.about, i.fields, i.photo,
            i.state, i.step, i.fault, i.done, i.total, r.id as reading, i.armed_at, i.expires_at,
            i.version
        from intent i left join reading r on r.intent = i.id
        where i.session = $1 and (i.moved_at > $2 or i.state = 'armed')
        order by i.moved_at, i.id limit 200
        """,
        session,
        since,
    )


async def place(tx: Tx, desk: UUID, office: UUID | None) -> Place | None:
    """A desk of `office`; None: of any."""
    return await tx.maybe_one(
        Place,
        """
        select d.id as desk, d.office, d.reader, coalesce(r.seen, false) as seen, r.bridge,
            coalesce(b.state = 'active', false) as active, b.last_seen_at
        from desk d
            left join bridge_reader r on r.id = d.reader
            left join bridge b on b.id = r.bridge
        where d.id = $1 and d.ended_at is null and ($2::uuid is null or d.office = $2)
        """,
        desk,
        office,
    )


async def place_at(tx: Tx, desk: UUID, office: UUID | None, bridge: UUID) -> Place | None:
    """The same with a bridge of the desk's own office, for a desk that is to be mapped."""
    return await tx.maybe_one(
        Place,
        """
        select d.id as desk, d.office, null::uuid as reader, true as seen, b.id as bridge,
            coalesce(b.state = 'active', false) as active, b.last_seen_at
        from desk d left join bridge b on b.id = $3 and b.office = d.office
        where d.id = $1 and d.ended_at is null and ($2::uuid is null or d.office = $2)
        """,
        desk,
        office,
        bridge,
    )


async def insert(
    tx: Tx, row: Row, *, account: UUID, office: UUID, nonce: bytes, at: datetime
) -> None:
    await tx.run(
        """
        insert into intent (id, session, account, office, desk, bridge, reader, purpose, about,
            fields, photo, nonce, armed_at, expires_at, moved_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $13)
        """,
        row.id,
        row.session,
        account,
        office,
        row.desk,
        row.bridge,
        row.reader,
        row.purpose,
        row.about,
        [str(f) for f in row.fields],
        row.photo,
        nonce,
        at,
        row.expires_at,
    )


async def free(tx: Tx, bridge: UUID, reader: UUID | None, at: datetime) -> None:
    """Ends what nobody waits for any more at a reader (None: at a bridge, to map)."""
    await tx.run(
        """
        update intent i set version = version + 1, moved_at = $3,
            state = case when i.expires_at <= $3 then 'expired' else 'cancelled' end
        from session s
        where i.state = 'armed' and i.bridge = $1 and i.reader is not distinct from $2
            and s.id = i.session and (i.expires_at <= $3 or s.ended_at is not null)
        """,
        bridge,
        reader,
        at,
    )


async def move(tx: Tx, id: UUID, state: IntentState, at: datetime) -> int:
    """Moves an armed intent; 0 where it is no longer armed."""
    return await tx.run(
        """
        update intent set state = $2, moved_at = greatest(moved_at, $3), version = version + 1
        where id = $1 and state = 'armed'
        """,
        id,
        state,
        at,
    )


async def cancel_of_session(tx: Tx, session: UUID, at: datetime) -> list[UUID]:
    return await tx.values(
        """
        update intent set state = 'cancelled', moved_at = $2, version = version + 1
        where session = $1 and state = 'armed' returning id
        """,
        session,
        at,
    )


async def expire(tx: Tx, at: datetime) -> list[Moved]:
    """Writes down which are over; what somebody else holds at this moment is left to them."""
    return await tx.all(
        Moved,
        """
        update intent set state = 'expired', moved_at = $1, version = version + 1
        where id in (
            select id from intent where state = 'armed' and expires_at <= $1
            order by expires_at limit 500 for update skip locked)
        returning id, version, bridge, session, moved_at
        """,
        at,
    )


async def progress(
    tx: Tx, id: UUID, bridge: UUID, step: str, fault: str | None, done: int, total: int
) -> Moved | None:
    """How far it is. Once delivered only its photograph still comes, and that only grows."""
    return await tx.maybe_one(
        Moved,
        """
        update intent set step = $3, fault = $4, done = $5, total = $6,
            moved_at = greatest(moved_at, $7), version = version + 1
        where id = $1 and bridge = $2
            and (state = 'armed' and expires_at > $7
                or state = 'delivered' and photo and $3 = 'photo'
                    and moved_at > $7 - interval '90 s' and (step <> 'photo' or done <= $5))
            and (step, coalesce(fault, ''), done, total) is distinct from
                ($3, coalesce($4, ''), $5, $6)
        returning id, version, bridge, session, moved_at
        """,
        id,
        bridge,
        step,
        fault,
        done,
        total,
        tx.now,
    )


async def at_bridge(tx: Tx, bridge: UUID, told: list[UUID], at: datetime) -> list[Open]:
    """Open intents of live sessions at a bridge, those that ended before their time, and how those
    that it was told of stand now."""
    return await tx.all(
        Open,
        """
        select i.id, i.session, i.nonce, i.purpose, r.name as reader, i.fields, i.photo,
            i.expires_at,
            case when i.state = 'armed' and i.expires_at <= $3 then 'expired'
                when i.state = 'armed' and s.ended_at is not null then 'cancelled'
                else i.state end as state
        from intent i
            join session s on s.id = i.session
            left join bridge_reader r on r.id = i.reader
        where i.bridge = $1 and (i.state = 'armed' or i.id = any($2::uuid[])
            or i.state = 'cancelled' and i.expires_at > $3)
        order by i.armed_at, i.id
        """,
        bridge,
        told,
        at,
    )


async def moved_since(
    tx: Tx, since: datetime, bridges: list[UUID], sessions: list[UUID]
) -> list[Moved]:
    """What moved at any of `bridges`, or of any of `sessions`."""
    return await tx.all(
        Moved,
        """
        select id, version, bridge, session, moved_at from intent
        where moved_at > $1 and (bridge = any($2::uuid[]) or session = any($3::uuid[]))
        order by moved_at
        """,
        since,
        bridges,
        sessions,
    )


async def forget(tx: Tx, before: datetime, at_most: int) -> int:
    """Those that ended before; returns how many."""
    return await tx.run(
        """
        delete from intent where id in (
            select id from intent where moved_at < $1 and state <> 'armed'
            order by moved_at limit $2 for update skip locked)
        """,
        before,
        at_most,
    )
