"""When this happened, do that: the whole map on one screen.

`JOBS` says how a job is done, `REACTIONS` which jobs an event brings about, `DEADLINES` which verb
answers a clock that has run out. Clocks run in the worker, in the transaction that marks the clock
as fired.
"""

from __future__ import annotations

from api.deadlines import Reaction
from api.documents import pictures, printing
from api.documents import service as document_service
from api.evidence import assembly, derivatives, uploads
from api.inspection.visits import evidence as visit_evidence
from api.inspection.visits import record
from api.inspection.visits import service as visits
from api.jobs import Handler

JOBS: dict[str, Handler] = {
    uploads.ASSEMBLE: Handler(outside=assembly.assemble, lease=assembly.LEASE),
    uploads.SWEEP: Handler(outside=assembly.sweep, lease=assembly.LEASE),
    derivatives.EXAMINE: Handler(outside=derivatives.examine, lease=derivatives.LEASE),
    visit_evidence.CLAIM: Handler(inside=visit_evidence.claim_completed),
    visit_evidence.CLAIM_WAITING: Handler(inside=visit_evidence.claim_waiting),
    visit_evidence.SHOW: Handler(inside=visit_evidence.show),
    visit_evidence.COMPARE: Handler(inside=visit_evidence.compare),
    document_service.RENDER: Handler(outside=printing.renderer(pictures.of)),
    record.ISSUE: Handler(inside=record.issue_record),
    record.ISSUE_LATER: Handler(inside=record.issue_later),
}

REACTIONS: dict[str, tuple[str, ...]] = {
    "evidence.completed": (derivatives.EXAMINE, visit_evidence.CLAIM),
    "evidence.examined": (visit_evidence.COMPARE,),
    "visit.planned": (visit_evidence.CLAIM_WAITING,),
    "visit.accepted": (record.ISSUE, visit_evidence.SHOW),
    "finding.confirmed": (visit_evidence.SHOW,),
    "visit.result_added": (record.ISSUE,),
    "visit.evidence_added": (record.ISSUE_LATER,),
}

DEADLINES: dict[str, Reaction] = {
    "visit.review": visits.escalate_review,
}
