"""Statements about fresh authentications; rows are added, used or cancelled, never changed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


class Fresh(msgspec.Struct):
    """What the provider vouched for, on its way from the callback to the ticket."""

    sha256: str
    provider: str
    subject_index: bytes
    authenticated_at: datetime


class FreshRow(msgspec.Struct):
    id: UUID
    account: UUID
    provider: str
    authenticated_at: datetime
    sha256: str
    expires_at: datetime
    used_at: datetime | None
    cancelled_at: datetime | None


async def insert(
    tx: Tx, id: UUID, ticket: bytes, account: UUID, client: str, fresh: Fresh, expires_at: datetime
) -> None:
    await tx.run(
        """
        insert into fresh_authentication (id, ticket_hash, account, client, provider,
            subject_index, authenticated_at, sha256, issued_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        id,
        ticket,
        account,
        client,
        fresh.provider,
        fresh.subject_index,
        fresh.authenticated_at,
        fresh.sha256,
        tx.now,
        expires_at,
    )


async def lock(tx: Tx, tickets: list[bytes]) -> FreshRow | None:
    """The row of a ticket; nobody else uses it until we are done."""
    return await tx.maybe_one(
        FreshRow,
        """
        select id, account, provider, authenticated_at, sha256, expires_at, used_at, cancelled_at
        from fresh_authentication where ticket_hash = any($1) for update
        """,
        tickets,
    )


async def use(tx: Tx, id: UUID) -> int:
    return await tx.run(
        "update fresh_authentication set used_at = $2 "
        "where id = $1 and used_at is null and cancelled_at is null",
        id,
        tx.now,
    )


async def cancel(tx: Tx, id: UUID) -> int:
    """0 where it was used or cancelled already."""
    return await tx.run(
        "update fresh_authentication set cancelled_at = $2 "
        "where id = $1 and used_at is null and cancelled_at is null",
        id,
        tx.now,
    )


async def cancel_of(tx: Tx, account: UUID) -> int:
    """Cancels what the account could still use."""
    return await tx.run(
        "update fresh_authentication set cancelled_at = $2 where account = $1 "
        "and used_at is null and cancelled_at is null and expires_at > $2",
        account,
        tx.now,
    )
