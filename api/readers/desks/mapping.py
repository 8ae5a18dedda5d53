"""Which reader stands on which desk: learned by putting a card in, forgotten when in doubt."""

from __future__ import annotations

from uuid import UUID

from api import events
from api.db import Tx


async def mapped(tx: Tx, desk: UUID, reader: UUID, account: UUID) -> None:
    """`reader` stands on `desk` now, and on no other."""
    await tx.run(
        """
        update desk set reader = null, mapped_at = null, mapped_by = null, version = version + 1
        where reader = $1 and id <> $2
        """,
        reader,
        desk,
    )
    await tx.run(
        """
        update desk set reader = $2, mapped_at = $4, mapped_by = $3, version = version + 1
        where id = $1
        """,
        desk,
        reader,
        account,
        tx.now,
    )
    await events.record(tx, "desk.mapped", "desk", desk, facts={"reader": reader})
