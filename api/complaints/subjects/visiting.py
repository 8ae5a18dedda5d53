"""A visit because of complaints: planned by an officer from one or several about one factory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from api.complaints import moving, queries
from api.complaints.categories import content
from api.complaints.model import ComplaintRow, State
from api.complaints.problems import SubjectsDiffer, SubjectUnconfirmed
from api.complaints.subjects import site_questions, visit_queries
from api.complaints.subjects.site_questions import Told
from api.complaints.subjects.views import PlanComplaintVisit
from api.db import Tx
from api.inspection.visits import reading as visits_reading
from api.inspection.visits import service as visits
from api.inspection.visits.model import AlreadyPlanned, PlanVisit, VisitNotFound
from api.inspection.visits.views import Visit
from api.permissions import EVERYTHING

VERB = "complaint.handle"
_answers = msgspec.json.Decoder(dict[str, Any])


async def plan(tx: Tx, id: UUID, wanted: PlanComplaintVisit) -> Visit:
    """Plans visit `id` because of `wanted.complaints`; sent twice it is planned once.

    The complaints' questions become confidential items of the visit. Raises `ComplaintNotFound`,
    `ComplaintSealed`, `SubjectUnconfirmed`, `SubjectsDiffer`, and what `visits.plan_visit` raises.
    """
    ids = sorted(set(wanted.complaints))
    await tx.lock([id, *ids])
    before = await visit_queries.linked_to(tx, id)
    if before and not set(ids) <= set(before):  # others may have been added since
        raise AlreadyPlanned(visit=id)
    move = None if before else "schedule"
    complaints = [await moving.held(tx, complaint, VERB, None) for complaint in ids]
    premises = await _subject(tx, complaints)
    for complaint in complaints:
        if move and complaint.state != State.inspection_scheduled:
            complaint.state = moving.target(complaint, move)
    planned = PlanVisit(
        premises=premises,
        licence=wanted.licence,
        reason="complaint",
        announced=wanted.announced,
        planned_on=wanted.planned_on,
        lead=wanted.lead,
        team=wanted.team,
        note=wanted.note,
        follows=wanted.follows,
    )
    found = await visits.plan_visit(tx, id, planned, await _items(tx, complaints))
    if before:
        return found
    if not found.extra_items:  # the id is of a visit that was planned otherwise
        raise AlreadyPlanned(visit=id)
    await visit_queries.link(tx, ids, id)
    for complaint in complaints:
        await moving.save(tx, complaint, "complaint.inspection_scheduled", {"visit": id})
    return found


async def add(tx: Tx, visit: UUID, id: UUID) -> Visit:
    """One more complaint about the factory of a visit that is planned because of complaints and
    has not begun; added twice it is there once.

    Its questions come behind those that are asked already. Raises `VisitNotFound`, `VisitSealed`,
    `ComplaintNotFound`, `ComplaintSealed`, `SubjectUnconfirmed`, `SubjectsDiffer`.
    """
    await tx.lock([visit, id])
    seen = await visits_reading.read_visit(tx, visit)
    before = await visit_queries.linked_in_turn(tx, visit)
    if not before:
        raise VisitNotFound(visit=visit)
    if id in before:
        return seen
    complaint = await moving.held(tx, id, VERB, None)
    at = await visit_queries.standing_at(tx, [seen.premises])
    if at != [await _subject(tx, [complaint])]:
        raise SubjectsDiffer()
    if complaint.state != State.inspection_scheduled:
        complaint.state = moving.target(complaint, "schedule")
    rows = {row.id: row for row in await queries.complaints(tx, before, EVERYTHING)}
    asked = await _items(tx, [*(rows[other] for other in before), complaint])
    found = await visits.ask_more(tx, visit, asked)
    await visit_queries.link(tx, [id], visit)
    await moving.save(tx, complaint, "complaint.inspection_scheduled", {"visit": visit})
    return found


async def _subject(tx: Tx, complaints: Sequence[ComplaintRow]) -> UUID:
    """The one site that officers found all of them to be about."""
    for complaint in complaints:
        if complaint.premises is None or complaint.subject not in ("confirmed", "unregistered"):
            raise SubjectUnconfirmed(complaint=complaint.id)
    sites = await visit_queries.standing_at(tx, [c.premises for c in complaints if c.premises])
    if len(sites) != 1:
        raise SubjectsDiffer()
    found: UUID = sites[0]
    return found


async def _items(tx: Tx, complaints: Sequence[ComplaintRow]) -> list[Any]:
    contents = await visit_queries.contents(tx, [c.id for c in complaints])
    return site_questions.items(
        [
            Told(complaint.category, content(of_it), _answers.decode(complaint.answers))
            for complaint, of_it in zip(complaints, contents, strict=True)
        ]
    )
