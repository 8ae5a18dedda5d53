"""Drawn signatures on a visit: the inspector's, the representative's, or a refusal to sign.

The image is evidence like any other and may come before or after. What is odd is kept and flagged;
who signed for the factory is personal data and sealed under the visit's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api import events, settings
from api.db import Tx
from api.evidence import content
from api.evidence import service as evidence
from api.evidence.model import EvidenceUnknown
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import entry, signature_queries, signatures, steps
from api.inspection.visits import evidence as visit_evidence
from api.inspection.visits.model import ENDED, Held, VisitRow, VisitState
from api.inspection.visits.operations import SignVisit
from api.inspection.visits.steps import Applied
from api.inspection.visits.views import Signatory


async def sign_visit(
    tx: Tx, op: SignVisit, visits: dict[UUID, Held], odd: Sequence[Flag]
) -> Applied:
    """Keeps a signature for the record, in whatever state the visit is.

    After its end it is kept as late and shown in no document. Raises `VisitNotFound`, `NotOnTeam`.
    """
    actor = steps.officer(tx, "visit.sign")
    visit = steps.find(visits, op.visit).visit
    steps.on_team(visit, actor)
    flags = [*odd, *_odd(tx, op, visit)]
    officer = None
    if op.who == "inspector":
        officer = op.officer or actor.account
        if officer not in visit.team:
            flags.append(Flag("signature.not_on_team", {"officer": str(officer)}))
            officer = None
        elif officer != actor.account:
            flags.append(Flag("signature.for_another"))
    if op.evidence is not None:
        flags += await _image(tx, visit, op.evidence)
    late = visit.state in ENDED
    entry.add_flags(visit, flags)
    said = Signatory(op.id, op.name or "", op.capacity or "", op.reason or "")
    await signature_queries.insert_signature(
        tx,
        visit,
        op,
        author=actor.account,
        officer=officer,
        said=None if said == Signatory(op.id) else await signatures.seal(tx, visit, said),
        late=late,
        flags=flags,
    )
    await events.record(
        tx,
        "visit.signed",
        "visit",
        visit.id,
        scopes=[events.province(visit.province)],
        facts={"operation": op.id, "who": op.who, "evidence": op.evidence, "late": late},
    )
    return Applied(flags, [])


def _odd(tx: Tx, op: SignVisit, visit: VisitRow) -> list[Flag]:
    flags = []
    if visit.state in ENDED:
        flags.append(Flag("arrived.after_end", {"state": visit.state}))
    elif visit.state == VisitState.planned:
        flags.append(Flag("signature.before_start"))
    elif visit.state in (VisitState.submitted, VisitState.in_review):
        flags.append(Flag("arrived.late", {"state": visit.state}))
    if op.who == "refused":
        if not (op.reason or "").strip():
            flags.append(Flag("signature.reason_missing"))
        if op.evidence is not None:
            flags.append(Flag("signature.drawn_and_refused"))
    elif op.evidence is None:
        flags.append(Flag("signature.image_missing"))
    if op.who == "representative":
        if not (op.name or "").strip():
            flags.append(Flag("signature.name_missing"))
        if not (op.capacity or "").strip():
            flags.append(Flag("signature.capacity_missing"))
    if op.signed_at is None:
        flags.append(Flag("signature.time_missing"))
    else:
        skew = settings.current().clock_skew_s
        flags += entry.clock_flags(op.signed_at, tx.now, skew, "signature")
        if visit.started_at is not None and op.signed_at < visit.started_at:
            flags.append(Flag("signature.before_start"))
    return flags


async def _image(tx: Tx, visit: VisitRow, id: UUID) -> list[Flag]:
    """What is odd about the image, if it is here; on its way it is nothing odd."""
    try:
        found = await evidence.one(tx, id)
    except EvidenceUnknown:
        return []
    flags = []
    if not found.claimed:
        await visit_evidence.claim_soon(tx, id)
        mine = found.account in visit.team
    else:
        mine = (found.owner_kind, found.owner) == (visit_evidence.OWNER, visit.id)
    if not mine:
        flags.append(Flag("signature.image_foreign", {"evidence": str(id)}))
    if found.media not in content.PICTURES:
        flags.append(Flag("signature.no_image", {"evidence": str(id), "media": found.media}))
    return flags
