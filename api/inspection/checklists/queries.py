"""Statements about published checklists, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.db import Tx
from api.inspection.checklists.model import ChecklistLine, ChecklistRow


async def checklist(tx: Tx, number: int) -> ChecklistRow | None:
    return await tx.maybe_one(
        ChecklistRow,
        """
        select id, number, content, content_hash, published_at, note
        from checklist where number = $1
        """,
        number,
    )


async def checklist_by_id(tx: Tx, id: UUID) -> ChecklistRow:
    return await tx.one(
        ChecklistRow,
        "select id, number, content, content_hash, published_at, note from checklist where id = $1",
        id,
    )


async def checklists(tx: Tx) -> list[ChecklistLine]:
    """Every published version, the newest first."""
    return await tx.all(
        ChecklistLine,
        "select id, number, content_hash, published_at, note from checklist order by number desc",
    )


async def insert_checklist(
    tx: Tx, id: UUID, number: int, content: str, content_hash: str, by: UUID | None, note: str
) -> None:
    await tx.run(
        """
        insert into checklist (id, number, content, content_hash, published_at, published_by, note)
        values ($1, $2, $3::jsonb, $4, $5, $6, $7)
        """,
        id,
        number,
        content,
        content_hash,
        tx.now,
        by,
        note,
    )


async def newest_checklist(tx: Tx) -> ChecklistLine | None:
    return await tx.maybe_one(
        ChecklistLine,
        """
        select id, number, content_hash, published_at, note
        from checklist order by number desc limit 1
        """,
    )


async def checklist_lines(tx: Tx, ids: Sequence[UUID]) -> list[ChecklistLine]:
    return await tx.all(
        ChecklistLine,
        """
        select id, number, content_hash, published_at, note
        from checklist where id = any($1::uuid[])
        """,
        list(ids),
    )
