"""Statements about those who ask to become a device."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from reader_bridge.messages import Enrolment


class EnrolmentRow(msgspec.Struct):
    """An enrolment; `device_state` is that of the bridge which came of it."""

    id: UUID
    state: str
    public_key: bytes
    fingerprint: str
    name: str
    platform: str
    software: str
    key_protection: str
    network: str
    tries: int
    polled_at: datetime | None
    asked_at: datetime
    expires_at: datetime
    bridge: UUID | None
    device_name: str | None
    device_state: str | None
    office: str | None


_ENROLMENT = """
    select e.id, e.state, e.public_key, e.fingerprint, e.name, e.platform, e.software,
        e.key_protection, e.network, e.tries, e.polled_at, e.asked_at, e.expires_at, e.bridge,
        b.name as device_name, b.state as device_state, o.name_th as office
    from bridge_enrolment e left join bridge b on b.id = e.bridge
        left join office o on o.id = b.office
"""


async def insert(
    tx: Tx,
    id: UUID,
    device_code: bytes,
    user_code: bytes,
    asked: Enrolment,
    fingerprint: str,
    network: str,
    expires_at: datetime,
) -> bool:
    """False where another enrolment has one of the codes."""
    return bool(
        await tx.run(
            """
            insert into bridge_enrolment (id, device_code, user_code, public_key, name, platform,
                software, key_protection, network, asked_at, expires_at, fingerprint)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            on conflict do nothing
            """,
            id,
            device_code,
            user_code,
            asked.public_key,
            asked.name,
            asked.platform,
            asked.software,
            asked.key_protection,
            network,
            tx.now,
            expires_at,
            fingerprint,
        )
    )


async def key_is_taken(tx: Tx, public_key: bytes) -> bool:
    return bool(
        await tx.value("select exists (select from bridge where public_key = $1)", public_key)
    )


async def by_user_code(tx: Tx, codes: Sequence[bytes]) -> EnrolmentRow | None:
    return await tx.maybe_one(
        EnrolmentRow, _ENROLMENT + "where e.user_code = any ($1::bytea[])", list(codes)
    )


async def by_device_code(tx: Tx, codes: Sequence[bytes]) -> EnrolmentRow | None:
    return await tx.maybe_one(
        EnrolmentRow, _ENROLMENT + "where e.device_code = any ($1::bytea[])", list(codes)
    )


async def enrolment(tx: Tx, id: UUID) -> EnrolmentRow | None:
    return await tx.maybe_one(EnrolmentRow, _ENROLMENT + "where e.id = $1", id)


async def move(tx: Tx, id: UUID, state: str, bridge: UUID | None = None) -> None:
    await tx.run(
        "update bridge_enrolment set state = $2, bridge = $3 where id = $1", id, state, bridge
    )


async def polled(tx: Tx, id: UUID) -> None:
    await tx.run("update bridge_enrolment set polled_at = $2 where id = $1", id, tx.now)


async def count_try(tx: Tx, id: UUID) -> int:
    """How many fingerprints were wrong by now."""
    found: int = await tx.value(
        "update bridge_enrolment set tries = tries + 1 where id = $1 returning tries", id
    )
    return found


async def insert_bridge(
    tx: Tx, id: UUID, office: UUID, name: str, row: EnrolmentRow, by: UUID, head: bytes
) -> None:
    await tx.run(
        """
        insert into bridge (id, office, name, public_key, key_protection, platform, software,
            approved_at, approved_by, head, key_since)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $8)
        """,
        id,
        office,
        name,
        row.public_key,
        row.key_protection,
        row.platform,
        row.software,
        tx.now,
        by,
        head,
    )


async def sweep(tx: Tx) -> None:
    """Ends those that nobody approved in time, and forgets all after a week."""
    await tx.run(
        """
        update bridge_enrolment set state = 'expired' where state = 'pending' and expires_at <= $1
        """,
        tx.now,
    )
    await tx.run(
        """
        delete from bridge_enrolment where expires_at < $1::timestamptz - interval '7 days'
        """,
        tx.now,
    )
