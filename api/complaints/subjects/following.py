"""What visits and orders mean for the complaints behind them.

Jobs on their events, each in one transaction with its end. What an event did to a complaint is
kept as a note whose id is made of both, so that the same event does it once. The complainant is
told when something is over, never that it is coming: no visit, order or finding of an open case.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from api import ids
from api.complaints import moving
from api.complaints.model import MOVES, OPEN, ComplaintRow, EntryKind, State, Subject
from api.complaints.subjects import queries as subject_queries
from api.complaints.subjects import visit_queries
from api.db import Tx
from api.inspection.visits import queries as visits
from api.inspection.visits.model import VisitRow, VisitState
from api.jobs import Job
from api.permissions import EVERYTHING

VISIT, ORDER, FACTORY = (
    "complaints.follow_visit",
    "complaints.follow_order",
    "complaints.follow_factory",
)

VISIT_NOTES: Final = {
    "visit.submitted": "ส่งผลการตรวจแล้ว รอการรับรอง / The visit was submitted and awaits its review",
    "visit.returned": "ผลการตรวจถูกส่งกลับแก้ไข / The visit was returned to the inspectors",
    "visit.accepted": "รับรองผลการตรวจแล้ว / The result of the visit was accepted",
    "visit.cancelled": "ยกเลิกการตรวจ / The visit was cancelled",
    "finding.confirmed": "ยืนยันข้อกฎหมายของข้อบกพร่องแล้ว / The law of a finding was confirmed",
    "finding.resolved": "ข้อบกพร่องได้รับการแก้ไขแล้ว / A finding was put right",
}
ORDER_NOTES: Final = {
    "order.signed": "ลงนามคำสั่งแล้ว / An order was signed",
    "order.served": "แจ้งคำสั่งแล้ว / The order was served",
    "order.overdue": "คำสั่งพ้นกำหนด / The time of the order ran out",
    "order.breached": "วินิจฉัยว่าฝ่าฝืนคำสั่ง / The order was judged disobeyed",
    "order.complied": "ปฏิบัติตามคำสั่งครบถ้วน / The order was complied with",
    "order.revoked": "เพิกถอนคำสั่ง / The order was revoked",
    "order.annulled": "คำสั่งถูกยกเลิกโดยคำวินิจฉัย / The order was annulled",
    "order.superseded": "มีคำสั่งใหม่แทน / The order was superseded",
}
ORDER_ENDS: Final = frozenset(
    {"order.complied", "order.revoked", "order.annulled", "order.superseded"}
)
INSPECTED: Final = (
    "เจ้าหน้าที่ได้เข้าตรวจสอบแล้ว อยู่ระหว่างพิจารณา จะแจ้งผลเมื่อเสร็จสิ้น / "
    "Officers have looked into it on site. It is being considered; you will be told how it ends."
)
MEASURES_OVER: Final = (
    "การดำเนินการตามกฎหมายในเรื่องนี้เสร็จแล้ว เจ้าหน้าที่จะสรุปผลให้ท่านทราบ / "
    "The legal steps in this matter are over. The office will tell you how it ended."
)


async def follow_visit(tx: Tx, job: Job) -> None:
    """Accepted: inspected. Cancelled, and no other visit to come: back to in progress."""
    name, id = job.args["name"], UUID(job.args["record"])
    linked = await visit_queries.linked_to(tx, id)
    if not linked:
        return
    await tx.lock(linked)
    (visit,) = await visits.visits(tx, [id], EVERYTHING)
    for one in linked:
        complaint = await moving.held(tx, one, "complaint.read", None)
        if not await _note(tx, job, complaint, VISIT_NOTES[name], {"visit": id}):
            continue
        if await visit_queries.has_live_visit(tx, one):
            continue
        if name == "visit.accepted":
            await _tell(tx, job, complaint, INSPECTED if _was_inside(visit) else "")
            await _over(tx, complaint, "inspected", "complaint.inspected", visit=id)
        elif name == "visit.cancelled":
            await _moved(tx, complaint, "inspected", "complaint.visit_cancelled", visit=id)


async def follow_order(tx: Tx, job: Job) -> None:
    """From its signature an order stands; when none stands any more it has ended, and the event
    has the assigned officer told to resolve."""
    name, id = job.args["name"], UUID(job.args["record"])
    order = await visit_queries.order(tx, id)
    if order is None or not order.complaints:
        return
    await tx.lock(order.complaints)
    for one in order.complaints:
        complaint = await moving.held(tx, one, "complaint.read", None)
        if not await _note(tx, job, complaint, ORDER_NOTES[name], {"order": id}):
            continue
        if await visit_queries.has_order_in_force(tx, one):
            if complaint.state == State.inspection_scheduled:
                await _moved(tx, complaint, "inspected", "complaint.inspected", order=id)
            await _moved(tx, complaint, "order", "complaint.ordered", order=id)
        elif name in ORDER_ENDS:
            await _tell(tx, job, complaint, MEASURES_OVER if name == "order.complied" else "")
            await _over(tx, complaint, "order_ended", "complaint.order_ended", order=id)


async def follow_factory(tx: Tx, job: Job) -> None:
    """A site was merged into another: its complaints are about that one."""
    other = UUID(job.args["record"])
    (standing,) = await visit_queries.standing_at(tx, [other])
    if standing == other:
        return  # the event of the site that stays
    moved = await subject_queries.at_premises(tx, other)
    await tx.lock(moved)
    site = await visits.site(tx, standing, None)
    for one in moved:
        complaint = await moving.held(tx, one, "complaint.read", None)
        if complaint.premises != other or site is None:
            continue
        complaint.premises = standing
        if complaint.subject == Subject.unregistered and site.registered:
            complaint.subject = Subject.confirmed
            await subject_queries.set_licence(tx, one, site.licence)
        facts = {"premises": standing, "before": other, "merged": True}
        await moving.save(tx, complaint, "complaint.subject_confirmed", facts)


async def _over(tx: Tx, complaint: ComplaintRow, move: str, event: str, **facts: UUID) -> None:
    """As `_moved`; the officer hears of it too where the complaint stands elsewhere meanwhile, such
    as waiting for its complainant. Nobody hears of one that is over."""
    if not await _moved(tx, complaint, move, event, **facts) and complaint.state in OPEN:
        await moving.save(tx, complaint, event, facts)


def _was_inside(visit: VisitRow) -> bool:
    return visit.state != VisitState.cancelled and visit.outcome in ("inspected", "partly")


async def _note(
    tx: Tx, job: Job, complaint: ComplaintRow, text: str, facts: dict[str, UUID]
) -> bool:
    """For officers; False where this event was followed before."""
    id = ids.of_text(f"{job.args['event']} {complaint.id}")
    facts_ = {"event": job.args["name"], **facts}
    return await moving.say(tx, complaint, id, EntryKind.note, text, shown=False, facts=facts_)


async def _tell(tx: Tx, job: Job, complaint: ComplaintRow, text: str) -> None:
    """Shows the complainant `text`, unless they want to hear no more or it is all over."""
    if text and complaint.left_at is None and complaint.state in OPEN:
        id = ids.of_text(f"told {job.args['event']} {complaint.id}")
        await moving.say(tx, complaint, id, EntryKind.message, text, shown=True)
        await moving.save(tx, complaint, "complaint.messaged")


async def _moved(tx: Tx, complaint: ComplaintRow, move: str, event: str, **facts: UUID) -> bool:
    """Moves it where the table of moves says so; else it stays."""
    to = MOVES.get((move, complaint.state))
    if to is None:
        return False
    complaint.state = to
    await moving.save(tx, complaint, event, facts)
    return True
