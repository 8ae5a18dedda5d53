"""The desk's verbs on visits and findings.

What arrives from phones is in `field.py`; what readers see is made in `reading.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from api import deadlines, events, permissions, sealed, settings, workdays
from api.clock import bangkok_date
from api.db import Tx
from api.inspection.checklists import service as checklists
from api.inspection.checklists.rule_values import Flag
from api.inspection.checklists.standard import Item
from api.inspection.visits import (
    merge,
    queries,
    reading,
    signature_queries,
    signatures,
    view_queries,
)
from api.inspection.visits.model import (
    FINDING_MOVES,
    MOVES,
    AlreadyPlanned,
    ConflictOpen,
    FindingNotFound,
    FindingState,
    ItemsUnknown,
    PlanVisit,
    PremisesUnknown,
    TeamUnknown,
    VisitNotFound,
    VisitRow,
    VisitSealed,
    VisitState,
    WrongFindingState,
)
from api.inspection.visits.views import FindingView, RepresentativeName, Visit
from api.permissions import Session
from api.problems import Stale

REVIEW = "visit.review"


async def plan_visit(tx: Tx, id: UUID, plan: PlanVisit, extra_items: Sequence[Item] = ()) -> Visit:
    """Plans a visit under the sender's id; the same plan again is the same visit.

    `extra_items` are asked at this visit beside the checklist.

    Raises `PremisesUnknown`, `TeamUnknown`, `AlreadyPlanned`, and `VisitNotFound` also for a
    visit to follow that the caller may not know of.
    """
    scope = permissions.scope(tx.actor, "visit.plan")
    await tx.lock([id])
    team = sorted({plan.lead, *plan.team})
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    before = await queries.plan_of(tx, id)
    if before is not None:
        if before.created_by != by:
            raise VisitNotFound(visit=id)
        if not await _is_plan(tx, before, plan, team):
            raise AlreadyPlanned(visit=id)
        return await reading.read_visit(tx, id)
    if plan.follows is not None:
        await reading.row(tx, plan.follows, "visit.read")
    site = await queries.site(tx, plan.premises, plan.licence)
    if site is None or (scope.provinces is not None and site.province not in scope.provinces):
        raise PremisesUnknown()
    if scope.classes is not None and site.class_ not in scope.classes:
        raise PremisesUnknown()
    if await queries.officers(tx, team, site.province, site.class_) != len(team):
        raise TeamUnknown()
    await queries.insert_visit(
        tx,
        id=id,
        premises=site.premises,
        licence=site.licence,
        company=site.company,
        province=site.province,
        class_=site.class_,
        checklist=(await checklists.newest(tx)).id,
        reason=plan.reason,
        announced=plan.announced,
        planned_on=plan.planned_on,
        note=plan.note,
        follows=plan.follows,
        lead=plan.lead,
        team=team,
        subject=site.subject(),
        data_key=await sealed.new_key(tx),
        created_by=by,
        extra_items=checklists.text_of(extra_items),
    )
    if plan.announced and site.company is not None:
        shown_as = (await reading.row(tx, id, "visit.plan")).shown_as
        await _show(tx, shown_as, [site.company])
    await events.record(
        tx,
        "visit.planned",
        "visit",
        id,
        scopes=[events.province(site.province)],
        facts={"premises": site.premises},
    )
    return await reading.read_visit(tx, id)


async def ask_more(tx: Tx, id: UUID, extra_items: Sequence[Item]) -> Visit:
    """`extra_items` take the place of those of a visit that has not begun; those that were there
    keep their codes. Raises `VisitNotFound`, `VisitSealed`."""
    await tx.lock([id])
    visit = await reading.row(tx, id, "visit.plan")
    if visit.state != VisitState.planned:
        raise VisitSealed(state=visit.state)
    await queries.set_extra_items(tx, id, checklists.text_of(extra_items))
    await events.record(tx, "visit.extended", "visit", id, scopes=[events.province(visit.province)])
    return await reading.read_visit(tx, id)


async def _is_plan(tx: Tx, before: queries.SamePlan, plan: PlanVisit, team: Sequence[UUID]) -> bool:
    """Whether `plan` says what was planned; where it named no licence, the site's own was taken."""
    site = await queries.site(tx, plan.premises, None)
    return (
        before.premises in (plan.premises, site and site.premises)
        and plan.licence in (None, before.licence)
        and (before.reason, before.announced, before.planned_on, before.lead, before.team)
        == (plan.reason, plan.announced, plan.planned_on, plan.lead, list(team))
        and (before.note, before.follows) == (plan.note, plan.follows)
    )


async def take_up_review(tx: Tx, id: UUID, version: int) -> Visit:
    """The head begins the review."""
    visit = await _reviewed(tx, id, version, "take_up")
    await queries.move(tx, id, visit.state, by=_account(tx))
    return await _moved(tx, visit, "visit.review_begun")


async def return_visit(tx: Tx, id: UUID, version: int, items: Sequence[str], note: str) -> Visit:
    """Part of the visit goes back to the phone: `items` are to be answered again.

    Raises `ItemsUnknown` where the visit's version of the checklist lacks some of them.
    """
    visit = await _reviewed(tx, id, version, "return")
    known = (await checklists.compiled(tx, visit.checklist, visit.extra_items)).items
    if unknown := [item for item in items if item not in known]:
        raise ItemsUnknown(items=unknown)
    await queries.move(tx, id, visit.state, by=_account(tx), note=note, items=items)
    await deadlines.meet(tx, REVIEW, id)
    return await _moved(tx, visit, "visit.returned", {"items": list(items)})


async def accept_visit(tx: Tx, id: UUID, version: int, note: str) -> Visit:
    """The result stands; from here the factory sees it. Raises `ConflictOpen`."""
    visit = await _reviewed(tx, id, version, "accept")
    answers = merge.current((await queries.answers(tx, [id]))[id])
    if conflicts := [a.item for a in answers.values() if a.conflict]:
        raise ConflictOpen(count=len(conflicts), items=conflicts)
    await queries.move(tx, id, visit.state, by=_account(tx), note=note)
    await deadlines.meet(tx, REVIEW, id)
    await show_companies(tx, visit)
    return await _moved(tx, visit, "visit.accepted")


async def close_visit(tx: Tx, id: UUID, version: int, note: str) -> Visit:
    """Nothing more is expected of this visit."""
    visit = await _reviewed(tx, id, version, "close")
    await queries.move(tx, id, visit.state, by=_account(tx), note=note)
    await show_companies(tx, visit)
    return await _moved(tx, visit, "visit.closed")


async def cancel_visit(tx: Tx, id: UUID, version: int, note: str) -> Visit:
    """The visit does not take place, or does not count."""
    visit = await _reviewed(tx, id, version, "cancel", "visit.cancel")
    await queries.move(tx, id, visit.state, by=_account(tx), note=note)
    if visit.announced:
        await show_companies(tx, visit)
    return await _moved(tx, visit, "visit.cancelled")


async def open_representative(tx: Tx, id: UUID) -> RepresentativeName:
    """The name of who represented the factory; opening its seal is an event."""
    await reading.row(tx, id, "visit.unseal")
    held = await queries.representative(tx, id)
    signed = await signature_queries.signatures(tx, [id])
    said = await signatures.opened(tx, signed, "visit.representative")
    name = None
    if held.name is not None:
        cell = sealed.Cell("visit", "representative_name", id)
        value = sealed.Sealed(cell, held.name)
        name = await sealed.unseal(tx, value, purpose="visit.representative")
    return RepresentativeName(held.representative, name, list(said.values()))


async def hand_over(tx: Tx, licence: UUID) -> None:
    """After `licence` changed hands: a visit that has not begun is its present operator's."""
    planned = await view_queries.planned_of(tx, licence)
    await tx.lock(planned)
    for visit in await queries.visits(tx, planned, permissions.Scope(provinces=None)):
        if visit.state != VisitState.planned or visit.company == visit.operator:
            continue
        former, visit.company = visit.company, visit.operator
        await view_queries.give_to(tx, visit.id, visit.company)
        if visit.announced:
            await show_companies(tx, visit, former)


async def escalate_review(tx: Tx, id: UUID) -> None:
    """The clock `visit.review` ran out: the visit says so, and the department sees it."""
    rows = await queries.visits(tx, [id], permissions.scope(tx.actor, "visit.read"))
    if not rows or rows[0].state not in (VisitState.submitted, VisitState.in_review):
        return
    await queries.flag_visit(tx, id, Flag("review.overdue"))
    await events.record(
        tx,
        "visit.review_overdue",
        "visit",
        id,
        scopes=[events.province(rows[0].province)],
    )


async def confirm_finding(tx: Tx, id: UUID, version: int) -> FindingView:
    """An officer confirms the legal reference of a finding, so that it may carry an order."""
    scope = permissions.scope(tx.actor, "finding.confirm")
    finding = await queries.finding(tx, id, scope)
    if finding is None:
        raise FindingNotFound(finding=id)
    await tx.lock([finding.visit])
    finding = await queries.finding(tx, id, scope)
    if finding is None:
        raise FindingNotFound(finding=id)
    if finding.version != version:
        raise Stale(current=finding.version)
    to = FINDING_MOVES.get(("confirm", finding.state))
    if to is None:
        raise WrongFindingState(state=finding.state)
    await queries.set_finding_state(tx, id, to, _account(tx))
    visit = await reading.row(tx, finding.visit, "visit.read")
    if visit.state in reading.SHOWN:
        await show_companies(tx, visit)
    await events.record(
        tx,
        "finding.confirmed",
        "visit",
        visit.id,
        scopes=[events.province(visit.province)],
        facts={"finding": id, "item": finding.item},
    )
    found = await queries.finding(tx, id, scope)
    assert found is not None
    return reading.finding_view(found)


async def resolve_finding(tx: Tx, id: UUID) -> None:
    """An officer saw that it was corrected; one that is no longer open stays as it is."""
    finding = await queries.finding(tx, id, permissions.scope(tx.actor, "order.verify"))
    if finding is None:
        raise FindingNotFound(finding=id)
    to = FINDING_MOVES.get(("resolve", finding.state))
    if to is None:
        return
    await queries.set_finding_state(tx, id, to, None)
    visit = await reading.row(tx, finding.visit, "visit.read")
    if visit.state in reading.SHOWN:
        await show_companies(tx, visit)
    await events.record(
        tx,
        "finding.resolved",
        "visit",
        visit.id,
        scopes=[events.province(visit.province)],
        facts={"finding": id, "item": finding.item},
    )


async def start_review(tx: Tx, visit: UUID) -> None:
    """Starts the clock `visit.review`: so many Thai working days from today."""
    today = bangkok_date(tx.now)
    special = await workdays.special_days(tx, today)
    last = workdays.after(today, settings.current().review_working_days, special)
    await deadlines.start(tx, "visit.review", visit, workdays.end_of(last))


# --- shared -------------------------------------------------------------------------------------


def _account(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


async def _reviewed(
    tx: Tx, id: UUID, version: int, move: str, verb: str = "visit.review"
) -> VisitRow:
    """The visit, locked, on the version that the caller saw, with the state it moves to."""
    await tx.lock([id])
    visit = await reading.row(tx, id, verb)
    if visit.version != version:
        raise Stale(current=visit.version)
    to = MOVES.get((move, visit.state))
    if to is None:
        raise VisitSealed(state=visit.state)
    visit.state = to
    return visit


async def _moved(tx: Tx, visit: VisitRow, event: str, facts: dict[str, Any] | None = None) -> Visit:
    await events.record(
        tx, event, "visit", visit.id, scopes=[events.province(visit.province)], facts=facts
    )
    return (await reading.visit_views(tx, [visit.id]))[0]


async def show_companies(tx: Tx, visit: VisitRow, former: UUID | None = None) -> None:
    """Moves the factory's own record of the visit, for every company that may know of it.

    A neighbour at the same site has it through a finding; one whose last finding was withdrawn
    loses it again, so does the `former` operator to whom it was announced, and one that never had
    it is not told so.
    """
    told, lost = {visit.company}, {former} - {visit.company}
    if visit.state in reading.SHOWN:
        theirs = [f for f in await queries.findings_of(tx, [visit.id]) if not f.confidential]
        told |= {f.company for f in theirs if f.state != FindingState.withdrawn}
        lost = ({former} | {f.company for f in theirs}) - told
    await _show(tx, visit.shown_as, [c for c in told if c], [c for c in lost if c])


async def _show(
    tx: Tx, shown_as: UUID, companies: Iterable[UUID], lost: Iterable[UUID] = ()
) -> None:
    scopes, kind = sorted(map(events.company, companies)), "company_visit"
    gone = await events.holding(tx, kind, shown_as, sorted(map(events.company, lost)))
    if scopes or gone:
        await events.record(tx, "visit.shown", kind, shown_as, scopes=scopes, gone=gone)
