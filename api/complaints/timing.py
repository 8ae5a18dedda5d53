"""A complaint's time: its clocks speak, stand still and start anew, and its last word is spoken."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from api import deadlines, events, ids, permissions, settings, workdays
from api.accounts import directory
from api.clock import bangkok_date
from api.complaints import categories, clocks, moving, queries
from api.complaints.clocks import Clock, Kind
from api.complaints.intake import CLOCK, scopes
from api.complaints.model import OPEN, ComplaintRow, EntryKind, Severity, State
from api.db import Tx

CLOSE = "complaint.close"
"""Runs while the complainant may say that it is not solved."""
WAIT = "complaint.wait"
"""Runs while the office waits for the complainant's answer."""
NO_ANSWER = (
    "ไม่ได้รับคำตอบภายในเวลาที่รอ สำนักงานดำเนินการต่อตามข้อมูลที่มี · "
    "No answer came in time; the office goes on with what it knows."
)


async def tick(tx: Tx, id: UUID) -> None:
    """A point of a clock has come: it reminds, or tells the next level that it is overdue.

    No version is taken, so that a clock never makes an officer's edit stale.
    """
    found = await queries.complaints(tx, [id], permissions.EVERYTHING)
    if not found or found[0].state not in OPEN or found[0].paused_at is not None:
        return
    complaint = found[0]
    running = clocks.read(complaint.clocks)
    officer = complaint.assigned
    assigned = officer is not None and await directory.serves(tx, officer)
    sayings = clocks.say(running, tx.now, assigned=assigned)
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


async def paused(tx: Tx, complaint: ComplaintRow) -> None:
    """The clocks stand still for an answer, but not for ever."""
    complaint.paused_at = tx.now
    await deadlines.start(tx, WAIT, complaint.id, tx.now + _patience() / 2)


async def waited(tx: Tx, id: UUID) -> None:
    """Half of the time for an answer is over, and the complainant is reminded; or all of it, and
    the office goes on without one."""
    found = await queries.complaints(tx, [id], permissions.EVERYTHING)
    if not found or found[0].state is not State.awaiting_info or found[0].paused_at is None:
        return
    complaint, until = found[0], found[0].paused_at + _patience()
    if tx.now < until:
        await deadlines.start(tx, WAIT, id, until)
        await events.record(
            tx, "complaint.wait_reminded", "complaint", id, scopes=scopes(complaint.province)
        )
        return
    complaint.state = moving.target(complaint, "inform")
    await moving.say(tx, complaint, ids.new(), EntryKind.message, NO_ANSWER, shown=True)
    running = await resumed(tx, complaint)
    await moving.save(tx, complaint, "complaint.wait_ended", running=running)


def _patience() -> timedelta:
    return timedelta(days=settings.current().answer_days)


async def resumed(tx: Tx, complaint: ComplaintRow) -> list[Clock]:
    """The clocks of a complaint that no longer waits for its complainant, running again."""
    running, since = clocks.read(complaint.clocks), complaint.paused_at
    complaint.paused_at = None
    await deadlines.meet(tx, WAIT, complaint.id)
    if since is not None:
        special = await workdays.special_days(tx, bangkok_date(since))
        clocks.resume(running, since, tx.now, special)
    return running


async def reopened(tx: Tx, complaint: ComplaintRow) -> list[Clock]:
    """What reopening means for the row, by whomever; its clocks, with the one for the answer anew.

    It belongs to nobody until the head assigns it again, and so its clock starts at the head.
    """
    complaint.reopened += 1
    complaint.assigned = complaint.outcome = complaint.merged_into = complaint.merged_state = None
    complaint.resolved_at = complaint.closed_at = complaint.paused_at = complaint.solved = None
    complaint.forwarded_to = ""
    await deadlines.meet(tx, CLOSE, complaint.id)
    content = categories.content(await queries.category_content(tx, complaint.category))
    lengths = clocks.durations(complaint.severity, settings.current(), content.clocks)
    special = await workdays.special_days(tx, bangkok_date(tx.now))
    running, kind = clocks.read(complaint.clocks), Kind.answer_reopened
    clocks.meet_all(running, tx.now)
    urgent = complaint.severity is Severity.emergency
    return [
        *(clock for clock in running if clock.kind is not kind),
        clocks.start(kind, tx.now, lengths[kind], special, urgent=urgent),
    ]


async def answered(tx: Tx, complaint: ComplaintRow) -> None:
    """It is resolved: closed is another matter, and comes when nobody has said otherwise."""
    until = tx.now + timedelta(days=settings.current().reopen_days)
    await deadlines.start(tx, CLOSE, complaint.id, until)


async def close(tx: Tx, id: UUID) -> None:
    """The complainant had their time to say that it is not solved."""
    found = await queries.complaints(tx, [id], permissions.EVERYTHING)
    if not found or found[0].state is not State.resolved:
        return
    complaint = found[0]
    complaint.state = moving.target(complaint, "close")
    complaint.closed_at = tx.now
    await moving.save(tx, complaint, "complaint.closed", {"outcome": complaint.outcome})
