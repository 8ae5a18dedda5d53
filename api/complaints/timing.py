"""What happens when a complaint's clock has something to say, and when its last word is spoken."""

from __future__ import annotations

from uuid import UUID

from api import deadlines, events, permissions
from api.complaints import clocks, queries
from api.complaints.intake import CLOCK, scopes
from api.complaints.model import OPEN
from api.db import Tx


async def tick(tx: Tx, id: UUID) -> None:
    """A point of a clock has come: it reminds, or tells the next level that it is overdue.

    No version is taken, so that a clock never makes an officer's edit stale.
    """
    found = await queries.complaints(tx, [id], permissions.EVERYTHING)
    if not found or found[0].state not in OPEN or found[0].paused_at is not None:
        return
    complaint = found[0]
    running = clocks.read(complaint.clocks)
    sayings = clocks.say(running, tx.now, assigned=complaint.assigned is not None)
    await queries.set_clocks(tx, id, clocks.write(running), clocks.next_due(running))
    if (point := clocks.next_point(running)) is not None:
        await deadlines.start(tx, CLOCK, id, point)
    for saying in sayings:
        await events.record(
            tx,
            "complaint.clock_overdue" if saying.overdue else "complaint.clock_reminded",
            "complaint",
            id,
            scopes=scopes(complaint.province),
            facts={"clock": saying.kind, "level": saying.level, "due_at": saying.due_at},
        )
