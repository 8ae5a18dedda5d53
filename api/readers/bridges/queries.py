"""Statements about bridges, readers and incidents as officers see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from api.db import Tx
from api.readers.model import BridgeState

IN_REACH: Final = timedelta(minutes=3)
"""A device that no server has heard of for longer is not connected."""


class BridgeRow(msgspec.Struct):
    id: UUID
    office: UUID
    name: str
    state: str
    public_key: bytes
    key_protection: str
    platform: str
    software: str
    approved_at: datetime
    last_seen_at: datetime | None
    sequence: int
    ended_at: datetime | None
    ended_why: str
    version: int


_BRIDGE = """
    select id, office, name, state, public_key, key_protection, platform, software, approved_at,
        last_seen_at, sequence, ended_at, ended_why, version
    from bridge
"""


async def bridge(tx: Tx, id: UUID, office: UUID | None) -> BridgeRow | None:
    """`office`: only where it is of that one."""
    return await tx.maybe_one(
        BridgeRow, _BRIDGE + "where id = $1 and ($2::uuid is null or office = $2)", id, office
    )


async def bridges(
    tx: Tx,
    reached: UUID | None,
    office: UUID | None,
    state: BridgeState | None,
    after: UUID | None,
    limit: int,
) -> list[BridgeRow]:
    return await tx.all(
        BridgeRow,
        _BRIDGE
        + """
        where ($1::uuid is null or office = $1) and ($2::uuid is null or office = $2)
            and ($3::text is null or state = $3) and ($4::uuid is null or id > $4)
        order by id limit $5
        """,
        reached,
        office,
        state,
        after,
        limit,
    )


async def rename(tx: Tx, id: UUID, name: str) -> None:
    await tx.run("update bridge set name = $2, version = version + 1 where id = $1", id, name)


async def revoke(tx: Tx, id: UUID, why: str) -> None:
    await tx.run(
        """
        update bridge set state = 'revoked', ended_at = $2, ended_why = $3, version = version + 1
        where id = $1
        """,
        id,
        tx.now,
        why,
    )


async def readers_of(tx: Tx, bridge: UUID) -> list[UUID]:
    return await tx.values("select id from bridge_reader where bridge = $1", bridge)


class ReaderRow(msgspec.Struct):
    id: UUID
    bridge: UUID
    bridge_name: str
    name: str
    serial: str | None
    model: str | None
    seen: bool
    last_seen_at: datetime
    desk: UUID | None


async def readers(
    tx: Tx,
    reached: UUID | None,
    office: UUID | None,
    bridge: UUID | None,
    after: UUID | None,
    limit: int,
) -> list[ReaderRow]:
    """Of devices in service."""
    return await tx.all(
        ReaderRow,
        """
        select r.id, r.bridge, b.name as bridge_name, r.name, r.serial, r.model, r.seen,
            case when r.seen then greatest(r.last_seen_at, b.last_seen_at)
                else r.last_seen_at end as last_seen_at,
            d.id as desk
        from bridge_reader r join bridge b on b.id = r.bridge left join desk d on d.reader = r.id
        where b.state = 'active' and ($1::uuid is null or b.office = $1)
            and ($2::uuid is null or b.office = $2) and ($3::uuid is null or r.bridge = $3)
            and ($4::uuid is null or r.id > $4)
        order by r.id limit $5
        """,
        reached,
        office,
        bridge,
        after,
        limit,
    )


# --- incidents ------------------------------------------------------------------------------------


class IncidentRow(msgspec.Struct):
    id: UUID
    bridge: UUID
    office: UUID
    kind: str
    at: datetime
    facts: str
    looked_at: datetime | None
    note: str


_INCIDENT = """
    select i.id, i.bridge, b.office, i.kind, i.at, i.facts::text as facts, i.looked_at, i.note
    from bridge_incident i join bridge b on b.id = i.bridge
"""


async def incidents(
    tx: Tx,
    reached: UUID | None,
    bridge: UUID | None,
    looked: bool | None,
    after: UUID | None,
    limit: int,
) -> list[IncidentRow]:
    """The newest first."""
    return await tx.all(
        IncidentRow,
        _INCIDENT
        + """
        where ($1::uuid is null or b.office = $1) and ($2::uuid is null or i.bridge = $2)
            and ($3::boolean is distinct from true or i.looked_at is not null)
            and ($3::boolean is distinct from false or i.looked_at is null)
            and ($4::uuid is null or i.id < $4)
        order by i.id desc limit $5
        """,
        reached,
        bridge,
        looked,
        after,
        limit,
    )


async def incident(tx: Tx, id: UUID, office: UUID | None) -> IncidentRow | None:
    return await tx.maybe_one(
        IncidentRow,
        _INCIDENT + "where i.id = $1 and ($2::uuid is null or b.office = $2)",
        id,
        office,
    )


async def look_at_incident(tx: Tx, id: UUID, by: UUID | None, note: str) -> bool:
    """False where somebody has looked already."""
    return bool(
        await tx.run(
            """
            update bridge_incident set looked_at = $2, looked_by = $3, note = $4
            where id = $1 and looked_at is null
            """,
            id,
            tx.now,
            by,
            note,
        )
    )
