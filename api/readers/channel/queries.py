"""Statements of the channel: what has ended or is new, and whose a photograph is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.readers.model import BridgeState


class Lost(msgspec.Struct):
    """A bridge that is no longer this server's to hold. `state`: active where it went elsewhere."""

    bridge: UUID
    state: BridgeState


class Shown(msgspec.Struct):
    """A delivered reading, its photograph asked for, and the key of the device that made it."""

    reading: UUID
    bridge: UUID
    session: UUID | None
    sequence: int | None
    received_at: datetime
    photo_sha256: bytes | None
    public_key: bytes


class Waiting(msgspec.Struct):
    """Of which intent a reading came, for whoever asks for its photograph."""

    intent: UUID | None
    session: UUID | None


async def lost(tx: Tx, bridges: list[UUID], server: UUID) -> list[Lost]:
    """Those of `bridges` that have ended, or have connected to another server since."""
    return await tx.all(
        Lost,
        """
        select b.id as bridge, b.state
        from unnest($1::uuid[]) as held(id) join bridge b on b.id = held.id
        where b.state <> 'active' or b.connected_to is distinct from $2
        """,
        bridges,
        server,
    )


async def ended(tx: Tx, sessions: list[UUID]) -> list[UUID]:
    """Those of `sessions` that are over."""
    return await tx.values(
        "select id from session where id = any($1::uuid[]) and ended_at is not null", sessions
    )


async def with_new_tickets(tx: Tx, bridges: list[UUID], since: datetime) -> list[UUID]:
    """Those of `bridges` whose tickets were given or made void since."""
    return await tx.values(
        """
        select distinct bridge from offline_ticket
        where (issued_at > $2 or void_at > $2) and bridge = any($1::uuid[])
        """,
        bridges,
        since,
    )


async def with_photo(tx: Tx, bridge: UUID, intent: UUID) -> Shown | None:
    """The reading of an intent that asked for a photograph, as its own bridge may add it."""
    return await tx.maybe_one(
        Shown,
        """
        select r.id as reading, i.bridge, r.session, r.sequence, r.received_at, r.photo_sha256,
            b.public_key
        from reading r join intent i on i.id = r.intent join bridge b on b.id = i.bridge
        where r.intent = $2 and i.bridge = $1 and i.photo
        """,
        bridge,
        intent,
    )


async def keep_photo_hash(tx: Tx, reading: UUID, sha256: bytes) -> int:
    """Once; 0 where there is one already."""
    return await tx.run(
        "update reading set photo_sha256 = $2 where id = $1 and photo_sha256 is null",
        reading,
        sha256,
    )


async def session(tx: Tx, intent: UUID, bridge: UUID) -> UUID | None:
    """Whose an intent at a bridge is."""
    found: UUID | None = await tx.value(
        "select session from intent where id = $1 and bridge = $2", intent, bridge
    )
    return found


async def holder(tx: Tx, reading: UUID) -> UUID | None:
    """Whose account a reading by ticket is; None for one that a session waited for."""
    found: UUID | None = await tx.value(
        "select account from reading where id = $1 and session is null", reading
    )
    return found


async def with_arrivals(tx: Tx, accounts: list[UUID], since: datetime) -> list[UUID]:
    """Those of `accounts` whose readings by ticket have come since."""
    return await tx.values(
        """
        select distinct account from reading
        where account = any($1::uuid[]) and session is null and received_at > $2
        """,
        accounts,
        since,
    )


async def waiting(tx: Tx, reading: UUID) -> Waiting | None:
    return await tx.maybe_one(Waiting, "select intent, session from reading where id = $1", reading)
