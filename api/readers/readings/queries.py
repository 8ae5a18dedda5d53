"""Statements about readings and about the chain of a device's statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.readers.bridges.reach import GONE, STILL
from api.readers.model import BridgeState, IntentState, Label, Purpose
from api.sealed import NewKey
from reader_bridge.messages import Statement


class Basis(msgspec.Struct):
    """What a statement is judged by: the device, and the intent or ticket that it names, if that
    is the device's. `live`: the session still counts, and its officer's role at this office;
    `stays`: the reader is still on the desk where it is waited for. Of a ticket, `void_at` and
    `gone`: since when, and why, its right has ended."""

    device: UUID
    state: BridgeState
    public_key: bytes
    sequence: int
    head: bytes
    reader: UUID | None
    intent: UUID | None
    intent_state: IntentState | None
    ticket: UUID | None
    used: bool
    void_at: datetime | None
    gone: str | None
    purpose: Purpose | None
    about: UUID | None
    fields: list[str] | None
    nonce: bytes | None
    wanted_reader: UUID | None
    stays: bool
    desk: UUID | None
    session: UUID | None
    account: UUID | None
    office: UUID
    since: datetime | None
    until: datetime | None
    live: bool


async def bases(tx: Tx, stated: Mapping[UUID, Statement]) -> dict[UUID, Basis]:
    """By device, for what each has stated; none of one that is not known."""
    found = await tx.each(
        Basis,
        f"""
        select b.id, b.state, b.public_key, b.sequence, b.head, r.id as reader,
            i.id as intent, i.state as intent_state, t.id as ticket,
            t.used_at is not null as used, t.void_at,
            case when t.id is not null then coalesce(t.void_why, {GONE}) end as gone,
            coalesce(i.purpose, t.purpose), coalesce(i.about, t.about),
            coalesce(i.fields, t.fields), coalesce(i.nonce, t.nonce), coalesce(i.reader, t.reader),
            t.id is not null or i.reader is null or i.reader is not distinct from d.reader
                or coalesce(b.boot <> $5, false) and d.reader is null and d.ended_at is null,
            coalesce(i.desk, t.desk), i.session, coalesce(i.account, t.account), b.office,
            coalesce(i.armed_at, t.issued_at), coalesce(i.expires_at, t.expires_at),
            coalesce(s.ended_at is null and {STILL}, false) as live
        from bridge b
            left join intent i on i.id = $2 and i.bridge = b.id
            left join offline_ticket t on t.id = $3 and t.bridge = b.id
            left join desk d on d.id = i.desk
            left join bridge_reader r on r.bridge = b.id and r.name = $4
            left join session s on s.id = i.session
            left join account a on a.id = coalesce(i.account, t.account)
        where b.id = $1
        """,  # noqa: S608 - of our own words
        [
            (bridge, said.intent, said.ticket, said.reader, said.boot)
            for bridge, said in stated.items()
        ],
    )
    return {basis.device: basis for basis in found}


class Stated(msgspec.Struct):
    """A statement that the server has."""

    hash: bytes
    reading: UUID | None
    refused: str | None


async def statement(tx: Tx, bridge: UUID, sequence: int) -> Stated | None:
    return await tx.maybe_one(
        Stated,
        "select hash, reading, refused from bridge_statement where bridge = $1 and sequence = $2",
        bridge,
        sequence,
    )


class NewReading(msgspec.Struct, kw_only=True):
    """A reading that came from a device, with what is sealed: the columns of `reading`, and what
    its statement must find to be taken: the chain at `previous`, and who waits, by `nonce`."""

    id: UUID
    label: Label
    purpose: Purpose
    about: UUID | None
    flags: list[str]
    session: UUID | None
    account: UUID
    office: UUID
    desk: UUID | None
    bridge: UUID
    reader: UUID
    intent: UUID | None
    ticket: UUID | None
    sequence: int
    inserted_at: datetime
    read_at: datetime
    key: NewKey | None
    cid_index: bytes | None
    chip_index: bytes | None
    cid_before: list[bytes]
    chip_before: list[bytes]
    cid: bytes | None
    statement: bytes | None
    passing: bytes | None
    passing_until: datetime | None
    keep_until: datetime
    nonce: bytes
    digest: bytes
    previous: bytes


class Took(msgspec.Struct):
    """`chained`: the chain was where the statement says. With that alone the device has moved on,
    and the caller notes why the reading was not taken."""

    chained: bool
    taken: bool


async def take(tx: Tx, news: Sequence[NewReading]) -> list[Took]:
    """The compare-and-set over sequence, nonce and a live session, and all that follows from it:
    of each reading alone, in their order."""
    return await tx.each(
        Took,
        """
        with b as (
            update bridge set sequence = $14, head = $25, last_seen_at = $27,
                moved = nextval('bridge_moves')
            where id = $10 and sequence = $14 - 1 and head = $26 and state = 'active'
            returning id
        ), i as (
            update intent i set state = 'delivered', reader = $11, fault = null, moved_at = $27,
                version = version + 1
            from b, session s, account a
            where i.id = $12 and i.bridge = b.id and i.state = 'armed' and i.nonce = $24
                and i.expires_at > $27 and s.id = i.session and s.ended_at is null
                and a.id = i.account and a.status = 'active'
            returning i.id
        ), t as (
            update offline_ticket t set used_at = $27 from b
            where t.id = $13 and t.bridge = b.id and t.used_at is null and t.nonce = $24
            returning t.id
        ), u as (
            select id from i union all select id from t
        ), k as (
            insert into data_key (id, kid, wrapped, created_at)
            select $17, $28, $29, $27 from u where $17::uuid is not null
        ), r as (
            insert into reading (id, label, purpose, about, levels, flags, session, account,
                office, desk, bridge, reader, intent, ticket, sequence, inserted_at, read_at,
                received_at, data_key, cid_index, chip_index, cid, statement, passing,
                passing_until, keep_until, cid_before, chip_before)
            select $1, $2, $3, $4, array['chip-bytes'], $5, $6, $7, $8, $9, $10, $11, $12, $13,
                $14, $15, $16, $27, $17, $18, $19, $20, $21, $22, $23, $30, $31, $32
            from u
            returning id
        ), st as (
            insert into bridge_statement (bridge, sequence, hash, reading, received_at)
            select $10, $14, $25, r.id, $27 from r
        )
        select exists (select from b), exists (select from r)
        """,
        [
            (
                new.id,
                new.label,
                new.purpose,
                new.about,
                new.flags,
                new.session,
                new.account,
                new.office,
                new.desk,
                new.bridge,
                new.reader,
                new.intent,
                new.ticket,
                new.sequence,
                new.inserted_at,
                new.read_at,
                new.key and new.key.id,
                new.cid_index,
                new.chip_index,
                new.cid,
                new.statement,
                new.passing,
                new.passing_until,
                new.nonce,
                new.digest,
                new.previous,
                tx.now,
                new.key and new.key.kid,
                new.key and new.key.wrapped,
                new.keep_until,
                new.cid_before,
                new.chip_before,
            )
            for new in news
        ],
    )


async def refuse(
    tx: Tx, bridge: UUID, sequence: int, digest: bytes, previous: bytes, refused: str
) -> bool:
    """Moves the chain on past a statement that was not taken; False if it stands elsewhere."""
    return bool(
        await tx.run(
            """
            with b as (
                update bridge set sequence = $2, head = $3, last_seen_at = $6,
                    moved = nextval('bridge_moves')
                where id = $1 and sequence = $2 - 1 and head = $4 and state = 'active'
                returning id
            )
            insert into bridge_statement (bridge, sequence, hash, refused, received_at)
            select $1, $2, $3, $5, $6 from b
            """,
            bridge,
            sequence,
            digest,
            previous,
            refused,
            tx.now,
        )
    )


async def note_refused(tx: Tx, bridge: UUID, sequence: int, digest: bytes, refused: str) -> None:
    """As `refuse`, where `take` has moved the chain already."""
    await tx.run(
        """
        insert into bridge_statement (bridge, sequence, hash, refused, received_at)
        values ($1, $2, $3, $4, $5)
        """,
        bridge,
        sequence,
        digest,
        refused,
        tx.now,
    )


# --- reading and using --------------------------------------------------------------------------


class Row(msgspec.Struct):
    """A reading as its own officer's verbs need it; sealed columns as they stand."""

    id: UUID
    label: Label
    purpose: Purpose
    about: UUID | None
    levels: list[str]
    flags: list[str]
    session: UUID | None
    account: UUID
    office: UUID
    desk: UUID | None
    bridge: UUID | None
    intent: UUID | None
    inserted_at: datetime | None
    read_at: datetime
    received_at: datetime
    data_key: UUID | None
    cid: bytes | None
    passing: bytes | None
    passing_until: datetime | None
    used_for: str | None
    used_by: UUID | None
    used_at: datetime | None
    keep_until: datetime
    statement: bytes | None
    photographed: bool
    device: BridgeState | None


ROW = """
select id, label, purpose, about, levels, flags, session, account, office, desk, bridge, intent,
    inserted_at, read_at, received_at, data_key, cid, passing, passing_until, used_for, used_by,
    used_at, keep_until, statement, photo_sha256 is not null as photographed,
    (select b.state from bridge b where b.id = reading.bridge) as device
from reading
"""


async def one(tx: Tx, id: UUID) -> Row | None:
    return await tx.maybe_one(Row, ROW + "where id = $1 and erased_at is null", id)


async def held(tx: Tx, id: UUID) -> Row | None:
    """As `one`, for a change."""
    return await tx.maybe_one(Row, ROW + "where id = $1 and erased_at is null for update", id)


async def use(tx: Tx, id: UUID, used_for: str, used_by: UUID, flags: list[str]) -> None:
    """What the session could still see is gone with its use; `flags` are all of them then."""
    await tx.run(
        """
        update reading set used_for = $2, used_by = $3, used_at = $4, passing = null,
            passing_until = null, flags = $5
        where id = $1
        """,
        id,
        used_for,
        used_by,
        tx.now,
        flags,
    )


async def add_level(tx: Tx, id: UUID, level: str) -> bool:
    """False where it had it, was erased, or has no chip that a register could confirm."""
    return bool(
        await tx.run(
            """
            update reading set levels = levels || $2::text
            where id = $1 and $2 <> all(levels) and erased_at is null
                and ($2 <> 'rmac-online' or label <> 'seen')
            """,
            id,
            level,
        )
    )


async def add_flag(tx: Tx, id: UUID, flag: str) -> None:
    await tx.run(
        "update reading set flags = flags || $2::text where id = $1 and $2 <> all(flags)", id, flag
    )


async def see(tx: Tx, new: SeenReading) -> None:
    """Stores what an officer saw without a chip."""
    await tx.run(
        """
        with k as (
            insert into data_key (id, kid, wrapped, created_at) values ($10, $11, $12, $9)
        )
        insert into reading (id, label, purpose, about, levels, session, account, office, desk,
            read_at, received_at, data_key, cid_index, cid, statement, passing, passing_until,
            keep_until, flags)
        values ($1, 'seen', $2, $3, array['document-seen'], $4, $5, $6, $7, $8, $9, $10, $13, $14,
            $15, $16, $17, $18, $19)
        """,
        new.id,
        new.purpose,
        new.about,
        new.session,
        new.account,
        new.office,
        new.desk,
        new.read_at,
        tx.now,
        new.key.id,
        new.key.kid,
        new.key.wrapped,
        new.cid_index,
        new.cid,
        new.statement,
        new.passing,
        new.passing_until,
        new.keep_until,
        new.flags,
    )


class SeenReading(msgspec.Struct, kw_only=True):
    """A document that an officer saw."""

    id: UUID
    purpose: Purpose
    about: UUID | None
    session: UUID
    account: UUID
    office: UUID
    desk: UUID | None
    read_at: datetime
    key: NewKey
    cid_index: bytes | None
    cid: bytes | None
    statement: bytes
    passing: bytes
    passing_until: datetime
    keep_until: datetime
    flags: list[str]


async def wipe(tx: Tx) -> int:
    """What sessions could see and may no more; returns of how many readings."""
    return await tx.run(
        "update reading set passing = null, passing_until = null where passing_until <= $1",
        tx.now,
    )


class Ended(msgspec.Struct):
    id: UUID
    data_key: UUID | None


async def erase(tx: Tx, limit: int) -> list[Ended]:
    """The personal data of readings whose time is over; their keys are the caller's to destroy."""
    return await tx.all(
        Ended,
        """
        with over as (
            select id, data_key from reading where keep_until <= $1 and erased_at is null
            order by keep_until limit $2 for update skip locked
        )
        update reading r set cid_index = null, chip_index = null, cid_before = '{}',
            chip_before = '{}', cid = null, statement = null, passing = null,
            passing_until = null, photo_sha256 = null, data_key = null, erased_at = $1
        from over where r.id = over.id
        returning over.id, over.data_key
        """,
        tx.now,
        limit,
    )
