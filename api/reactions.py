"""When this happened, do that: the whole map on one screen.

`JOBS` says how a job is done, `REACTIONS` which jobs an event brings about, `DEADLINES` which verb
answers a clock that has run out. Clocks run in the worker, in the transaction that marks the clock
as fired.
"""

from __future__ import annotations

from datetime import timedelta

from api import recipients
from api.complaints import intake as complaint_intake
from api.complaints import mailing as complaint_mailing
from api.complaints import telling as complaint_telling
from api.complaints import timing as complaint_timing
from api.complaints.own import evidence as complaint_evidence
from api.complaints.subjects import following
from api.deadlines import Reaction
from api.documents import pictures, printing
from api.documents import service as document_service
from api.evidence import assembly, derivatives, uploads
from api.inspection.orders import ending as orders
from api.inspection.orders import serving
from api.inspection.visits import evidence as visit_evidence
from api.inspection.visits import record
from api.inspection.visits import service as visits
from api.jobs import Handler
from api.notify import service as notify
from api.readers.intents import service as intents
from api.readers.readings import forgetting, telling, tickets

JOBS: dict[str, Handler] = {
    uploads.ASSEMBLE: Handler(outside=assembly.assemble, lease=assembly.LEASE),
    uploads.SWEEP: Handler(outside=assembly.sweep, lease=assembly.LEASE),
    derivatives.EXAMINE: Handler(outside=derivatives.examine, lease=derivatives.LEASE),
    visit_evidence.CLAIM: Handler(inside=visit_evidence.claim_completed),
    visit_evidence.CLAIM_WAITING: Handler(inside=visit_evidence.claim_waiting),
    visit_evidence.SHOW: Handler(inside=visit_evidence.show),
    visit_evidence.COMPARE: Handler(inside=visit_evidence.compare),
    document_service.RENDER: Handler(outside=printing.renderer(pictures.of), lease=printing.LEASE),
    record.ISSUE: Handler(inside=record.issue_record),
    record.ISSUE_LATER: Handler(inside=record.issue_later),
    "tell.visit_submitted": Handler(inside=recipients.visit_submitted),
    "tell.visit_returned": Handler(inside=recipients.visit_returned),
    "tell.visit_accepted": Handler(inside=recipients.visit_accepted),
    "tell.visit_review_overdue": Handler(inside=recipients.visit_review_overdue),
    "tell.order": Handler(inside=recipients.order),
    notify.PUSH_JOB: Handler(outside=notify.push, lease=timedelta(minutes=5)),
    notify.EXPIRE_JOB: Handler(outside=notify.expire, lease=timedelta(minutes=10)),
    "notify.forget_devices": Handler(inside=notify.forget_devices),
    "orders.recount": Handler(inside=serving.recount),
    serving.RECOUNT_ORDER: Handler(inside=serving.recount_order),
    "tell.complaint": Handler(inside=complaint_telling.tell),
    complaint_mailing.JOB: Handler(outside=complaint_mailing.send, lease=complaint_mailing.LEASE),
    complaint_evidence.CLAIM: Handler(inside=complaint_evidence.claim_completed),
    complaint_evidence.FOLLOW: Handler(inside=complaint_evidence.follow),
    following.VISIT: Handler(inside=following.follow_visit),
    following.ORDER: Handler(inside=following.follow_order),
    following.FACTORY: Handler(inside=following.follow_factory),
    intents.CANCEL_OF_SESSION: Handler(inside=intents.cancel_of_session),
    telling.JOB: Handler(inside=telling.tell),
    tickets.VOID: Handler(inside=tickets.void),
    forgetting.JOB: Handler(outside=forgetting.forget, lease=forgetting.LEASE),
    "tell.account_bound": Handler(inside=recipients.account_bound),
    "tell.account_binding_refused": Handler(inside=recipients.account_binding_refused),
}

_REACTIONS: dict[str, tuple[str, ...]] = {
    "evidence.completed": (
        derivatives.EXAMINE,
        visit_evidence.CLAIM,
        complaint_evidence.CLAIM,
    ),
    "evidence.examined": (visit_evidence.COMPARE,),
    "visit.planned": (visit_evidence.CLAIM_WAITING,),
    "visit.accepted": (record.ISSUE, visit_evidence.SHOW, "tell.visit_accepted"),
    "finding.confirmed": (visit_evidence.SHOW,),
    "visit.result_added": (record.ISSUE,),
    "visit.evidence_added": (record.ISSUE_LATER,),
    "visit.sample_handed_over": (record.ISSUE_LATER,),
    "visit.submitted": ("tell.visit_submitted",),
    "visit.returned": ("tell.visit_returned",),
    "visit.review_overdue": ("tell.visit_review_overdue",),
    **dict.fromkeys(recipients.ORDERS, ("tell.order",)),
    **dict.fromkeys(complaint_telling.EVENTS, ("tell.complaint",)),
    **dict.fromkeys(
        ("complaint.accepted", "complaint.forwarded"),
        ("tell.complaint", complaint_evidence.FOLLOW),
    ),
    "complaint.subject_confirmed": (complaint_evidence.FOLLOW,),
    "session.ended": ("notify.forget_devices", intents.CANCEL_OF_SESSION),
    "account.suspended": ("notify.forget_devices", tickets.VOID),
    "officer.listed": (tickets.VOID,),
    "account.bound": ("tell.account_bound",),
    "account.binding_refused": ("tell.account_binding_refused",),
    "special_day.edited": ("orders.recount",),
}

_FOLLOWED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(following.VISIT_NOTES, (following.VISIT,)),
    **dict.fromkeys(following.ORDER_NOTES, (following.ORDER,)),
    "premises.merged": (following.FACTORY,),
}
"""What visits and orders mean for complaints."""

REACTIONS: dict[str, tuple[str, ...]] = {
    name: _REACTIONS.get(name, ()) + _FOLLOWED.get(name, ())
    for name in dict.fromkeys((*_REACTIONS, *_FOLLOWED))
}

DEADLINES: dict[str, Reaction] = {
    "visit.review": visits.escalate_review,
    "order.service": serving.counts_now,
    "order.due": orders.run_out,
    "order.appeal": orders.appeal_over,
    complaint_intake.CLOCK: complaint_timing.tick,
    complaint_timing.CLOSE: complaint_timing.close,
    complaint_timing.WAIT: complaint_timing.waited,
}
