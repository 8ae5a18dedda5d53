"""What a phone sends of a visit that is cancelled, accepted or closed: kept, counted nowhere.

A phone may have been without signal for weeks, and its officer's work must not be lost; but what
was decided stays decided (docs/adr/0012).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import events
from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import entry, late_queries, queries
from api.inspection.visits.model import VisitRow
from api.inspection.visits.operations import Answer, RecordVisit
from api.inspection.visits.views import LateEntry

_BESIDES = ("start", "outcome", "ended_at", "representative")
_sent = msgspec.json.Decoder(list[Answer])


async def keep(tx: Tx, op: RecordVisit, visit: VisitRow, author: UUID) -> Flag:
    """Keeps the record for the head to judge; returns the flag that tells the visit and the phone.

    No answer, finding, outcome or state changes, and the factory hears of nothing. What else the
    record holds is named by the flag and stays in the sealed operation.
    """
    facts: dict[str, Any] = {"state": visit.state}
    if besides := [part for part in _BESIDES if getattr(op, part) is not None]:
        facts["sealed"] = besides
    flag = Flag("arrived.after_end", facts)
    entry.add_flags(visit, [flag])
    await late_queries.save_late_entry(tx, visit, op.id, author, op.answers)
    if op.note:
        await queries.insert_note(tx, visit.id, op.id, author, op.note)
    await events.record(
        tx,
        "visit.recorded_late",
        "visit",
        visit.id,
        scopes=[events.province(visit.province)],
        facts={"operation": op.id, "answers": len(op.answers)},
    )
    return flag


async def entries_of(tx: Tx, ended: Sequence[UUID]) -> dict[UUID, list[LateEntry]]:
    """Visit → its late entries; `ended` are visits that have ended, others have none."""
    found: dict[UUID, list[LateEntry]] = {}
    for row in await late_queries.late_entries(tx, ended) if ended else []:
        answers = _sent.decode(row.answers)
        found.setdefault(row.visit, []).append(
            LateEntry(row.operation, row.author, row.received_at, answers, row.text)
        )
    return found
