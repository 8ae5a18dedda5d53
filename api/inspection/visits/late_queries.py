"""Statements about entries that came after their visit's end, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from api.db import Tx
from api.inspection.visits.model import VisitRow
from api.inspection.visits.operations import Answer
from api.inspection.visits.views import LateEntryRow


async def save_late_entry(
    tx: Tx, visit: VisitRow, operation: UUID, author: UUID, answers: Sequence[Answer]
) -> None:
    """Keeps what came after the visit's end as it was sent, and the visit's flags."""
    await tx.run(
        """
        with flagged as (
            update visit set flags = $2::jsonb, version = version + 1 where id = $1
        )
        insert into entry (visit, operation, author, received_at, answers, counts)
        values ($1, $3, $4, $5, $6::json, false)
        """,
        visit.id,
        visit.flags,
        operation,
        author,
        tx.now,
        msgspec.json.encode(answers).decode(),
    )


async def late_entries(tx: Tx, visits: Sequence[UUID]) -> list[LateEntryRow]:
    """What came after the end of each visit, in the order of arrival."""
    return await tx.all(
        LateEntryRow,
        """
        select e.visit, e.operation, e.author, e.received_at, e.answers, n.text
        from entry e
            left join visit_note n on n.visit = e.visit and n.operation = e.operation
        where e.visit = any($1::uuid[]) and not e.counts
        order by e.visit, e.received_at, e.operation
        """,
        list(visits),
    )
