"""How every verb moves a complaint: lock, may, `MOVES`, write, clocks, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from api import deadlines, events
from api.complaints import clocks, queries, reading
from api.complaints.intake import CLOCK, scopes
from api.complaints.model import MOVES, ComplaintRow, EntryKind, State
from api.complaints.problems import ComplaintSealed
from api.db import Tx
from api.permissions import Session, Tracking
from api.problems import Stale


async def held(
    tx: Tx, id: UUID, verb: str, move: str | None, version: int | None = None
) -> ComplaintRow:
    """The complaint, locked, in the caller's reach, with the state that `move` leads to.

    `version`: as the caller saw it, for edits at a desk. Raises `ComplaintNotFound`, `Stale`,
    `ComplaintSealed`.
    """
    await tx.lock([id])
    complaint = await reading.row(tx, id, verb)
    if version is not None and complaint.version != version:
        raise Stale(current=complaint.version)
    if move is not None:
        complaint.state = target(complaint, move)
    return complaint


def target(complaint: ComplaintRow, move: str) -> State:
    """Where `move` leads; raises `ComplaintSealed`."""
    to = MOVES.get((move, complaint.state))
    if to is None:
        raise ComplaintSealed(state=complaint.state)
    return to


async def save(
    tx: Tx,
    complaint: ComplaintRow,
    event: str,
    facts: Mapping[str, Any] | None = None,
    running: list[clocks.Clock] | None = None,
    gone: Sequence[str] = (),
) -> None:
    """Writes what a verb changed of the row, and records `event`; must come last in the verb.

    `running`: its clocks, where they were moved or met; the deadline follows them. `gone`: the
    feed scopes that it leaves.
    """
    if running is not None:
        complaint.clocks = clocks.write(running)
        still = None if complaint.paused_at else running
        complaint.next_due = clocks.next_due(still) if still else None
        point = clocks.next_point(still) if still else None
        if point is None:
            await deadlines.meet(tx, CLOCK, complaint.id)
        else:
            await deadlines.start(tx, CLOCK, complaint.id, point)
    await queries.update(tx, complaint)
    complaint.version += 1
    await events.record(
        tx,
        event,
        "complaint",
        complaint.id,
        scopes=scopes(complaint.province),
        gone=gone,
        facts=facts,
    )


async def say(
    tx: Tx,
    complaint: ComplaintRow,
    id: UUID,
    kind: EntryKind,
    text: str,
    *,
    shown: bool,
    facts: Mapping[str, Any] | None = None,
    at: Any = None,
) -> bool:
    """Adds an entry under the sender's id; False when it was there before."""
    return await queries.insert_entry(
        tx,
        id,
        complaint.id,
        kind=kind,
        text=text,
        shown=shown,
        facts=facts or {},
        at=at,
        complainant=tx.actor.complainant if isinstance(tx.actor, Tracking) else None,
        account=tx.actor.account if isinstance(tx.actor, Session) else None,
    )
