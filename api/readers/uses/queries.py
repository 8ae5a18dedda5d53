"""Statements about the codes that account holders show at a counter."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


class CodeRow(msgspec.Struct):
    """A code, by its keyed hash; what it served, once it did."""

    id: UUID
    account: UUID
    expires_at: datetime
    used_at: datetime | None
    reading: UUID | None
    known_before: bool
    filled: list[str]


async def insert_code(tx: Tx, id: UUID, account: UUID, code: bytes, expires_at: datetime) -> bool:
    """False where the code is another's. The account's earlier code ends."""
    await tx.run(
        """
        update account_code set expires_at = $2
        where account = $1 and used_at is null and expires_at > $2
        """,
        account,
        tx.now,
    )
    return bool(
        await tx.run(
            """
            insert into account_code (id, account, code, asked_at, expires_at)
            values ($1, $2, $3, $4, $5) on conflict (code) do nothing
            """,
            id,
            account,
            code,
            tx.now,
            expires_at,
        )
    )


async def held_code(tx: Tx, codes: list[bytes]) -> CodeRow | None:
    return await tx.maybe_one(
        CodeRow,
        """
        select id, account, expires_at, used_at, reading, known_before, filled
        from account_code where code = any ($1) for update
        """,
        codes,
    )


async def use_code(tx: Tx, id: UUID, reading: UUID, known_before: bool, filled: list[str]) -> None:
    await tx.run(
        """
        update account_code set used_at = $2, reading = $3, known_before = $4, filled = $5
        where id = $1
        """,
        id,
        tx.now,
        reading,
        known_before,
        filled,
    )


async def sweep(tx: Tx) -> None:
    """Forgets codes that nobody showed, a day after their end."""
    await tx.run(
        """
        delete from account_code
        where used_at is null and expires_at < $1::timestamptz - interval '1 day'
        """,
        tx.now,
    )
