"""The field's verbs: what a phone's operations do to a visit.

Each runs inside the push's one transaction, on a visit that the push has locked and loaded
(`hold`). Bad data is kept and flagged, never thrown away; only what cannot be understood or is
not the caller's to do is refused with a Problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import ids, permissions, sealed
from api.clock import bangkok_date
from api.db import Tx
from api.factories import service as factories
from api.inspection.checklists import rules
from api.inspection.checklists import service as checklists
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import (
    entry,
    evidence,
    findings,
    late,
    merge,
    queries,
    samples,
    service,
    steps,
)
from api.inspection.visits.model import (
    ENDED,
    AlreadyPlanned,
    Held,
    NotAwaiting,
    NothingToSettle,
    NotLead,
    NotStarted,
    PremisesUnknown,
    TeamUnknown,
    Version,
    VisitNotFound,
    VisitRow,
    VisitState,
)
from api.inspection.visits.operations import (
    AddResult,
    Answer,
    RecordVisit,
    SettleAnswer,
    SubmitVisit,
)
from api.inspection.visits.steps import Applied
from api.permissions import Session

_subject = msgspec.json.Decoder(dict[str, Any])


async def hold(tx: Tx, visits: Sequence[UUID]) -> dict[UUID, Held]:
    """Loads the visits that the caller may record; they must be locked already."""
    rows = await queries.visits(tx, visits, permissions.scope(tx.actor, "visit.record"))
    held = {row.id: Held(row, {}, {}) for row in rows}
    touched = [row.id for row in rows if row.entries]
    if touched:
        for visit, versions in (await queries.answers(tx, touched)).items():
            for version in versions:
                held[visit].versions.setdefault(version.item, []).append(version)
        for finding in await queries.findings_of(tx, touched):
            held[finding.visit].findings[finding.item] = finding
    for row in rows:
        sealed.hold_row(row.data_key, row.kid, row.wrapped)
    return held


# --- visit.record -------------------------------------------------------------------------------


async def record_visit(
    tx: Tx, op: RecordVisit, visits: dict[UUID, Held], odd: Sequence[Flag]
) -> Applied:
    """Merges what a phone noted: the start, answers by item, outcome, who represented the factory.

    After the visit's end it is kept as a late entry instead. Raises `VisitNotFound`,
    `PremisesUnknown`, `NotOnTeam`, `TeamUnknown`.
    """
    actor = steps.officer(tx, "visit.record")
    held = visits.get(op.visit)
    if held is None:
        held = visits[op.visit] = await _unplanned(tx, op, actor)
    visit = held.visit
    steps.on_team(visit, actor)
    if visit.state in ENDED:
        return Applied([*odd, await late.keep(tx, op, visit, actor.account)], [])
    flags = list(odd)
    subject = _subject.decode(visit.subject)
    planned_for = visit.company
    if visit.state == VisitState.planned:
        visit.state = steps.move("start", visit.state)
        visit.company = visit.operator
    else:
        if visit.state in (VisitState.submitted, VisitState.in_review):
            flags.append(Flag("arrived.late", {"state": visit.state}))
        visit.state = steps.move("record", visit.state)
    day = bangkok_date(visit.started_at or tx.now)
    started = entry.enter(op.start, visit, subject, tx.now, flags)
    flags += entry.answer_times(op, visit, tx.now)
    name = _conclude(op, visit, actor, flags)
    at = op.start.working_hours if op.start and started else None
    sealed_name = None
    if name:
        cell = sealed.Cell("visit", "representative_name", visit.id)
        sealed_name = await sealed.seal(tx, visit.data_key, cell, name)
    compiled = await checklists.compiled(tx, visit.checklist, visit.extra_items)
    subject["visit_date"] = bangkok_date(visit.started_at or tx.now).isoformat()
    versions, judged = _versions(tx, op, actor, held, compiled, subject, flags)
    touched = {v.item for v in versions}
    if day != bangkok_date(visit.started_at or tx.now):
        touched |= held.versions.keys()  # what expires is judged by the day of the visit
    raised, conflicts = await findings.settle(tx, held, touched, compiled, subject, judged, flags)
    conflicts = [item for item in conflicts if any(v.item == item for v in versions)]
    entry.add_flags(visit, flags)
    await queries.save_entry(
        tx,
        visit,
        op.id,
        actor.account,
        versions,
        raised,
        started=started,
        working_hours=msgspec.json.encode(at).decode() if at else None,
        representative_name=sealed_name,
    )
    if visit.company != planned_for and visit.announced:
        await service.show_companies(tx, visit, planned_for)
    if op.note:
        await queries.insert_note(tx, visit.id, op.id, actor.account, op.note)
    flags += [Flag(f.code, {"item": v.item, **f.facts}) for v in versions for f in v.flags]
    await steps.tell(tx, visit, "visit.recorded", {"operation": op.id, "answers": len(versions)})
    return Applied(flags, conflicts)


async def _unplanned(tx: Tx, op: RecordVisit, actor: Session) -> Held:
    """A visit that nobody planned, made by the first record that names its premises."""
    premises = op.premises
    if premises is None:
        if op.site is None:
            raise VisitNotFound(visit=op.visit)
        op.site.id = op.site.id or ids.of_text(f"site of {op.visit}")  # the same at every phone
        premises = (await factories.register_premises(tx, op.site)).id
    site = await queries.site(tx, premises, op.licence)
    if site is None:
        raise PremisesUnknown()
    scope = permissions.scope(tx.actor, "visit.record")
    if scope.provinces is not None and site.province not in scope.provinces:
        raise PremisesUnknown()
    if scope.classes is not None and site.class_ not in scope.classes:
        raise PremisesUnknown()
    lead = op.lead or actor.account
    team = sorted({lead, actor.account, *op.team})
    if await queries.officers(tx, team, site.province, site.class_) != len(team):
        raise TeamUnknown()
    try:
        await queries.insert_visit(
            tx,
            id=op.visit,
            premises=site.premises,
            licence=site.licence,
            company=site.company,
            province=site.province,
            class_=site.class_,
            checklist=(await checklists.newest(tx)).id,
            reason=op.reason,
            announced=False,
            planned_on=None,
            note="",
            follows=None,
            lead=lead,
            team=team,
            subject=site.subject(),
            data_key=await sealed.new_key(tx),
            created_by=actor.account,
        )
    except AlreadyPlanned:  # a visit that is out of the caller's scope does not exist for them
        raise VisitNotFound(visit=op.visit) from None
    rows = await queries.visits(tx, [op.visit], scope)
    if not rows:
        raise VisitNotFound(visit=op.visit)
    await evidence.expect(tx, op.visit)
    return Held(rows[0], {}, {})


def _conclude(op: RecordVisit, visit: VisitRow, actor: Session, flags: list[Flag]) -> str | None:
    """Outcome and representative are the lead's to say; returns the name to seal."""
    if op.outcome is None and op.ended_at is None and op.representative is None:
        return None
    if actor.account != visit.lead:
        flags.append(Flag("conclusion.not_lead"))
        return None
    said = op.representative and op.representative.presence
    for field, before, after in (
        ("outcome", visit.outcome, op.outcome),
        ("representative", visit.representative, said),
    ):
        if before and after and before != after:
            flags.append(Flag("conclusion.differs", {"field": field, "before": before}))
    visit.outcome = op.outcome or visit.outcome
    visit.ended_at = op.ended_at or visit.ended_at
    if op.representative is None:
        return None
    visit.representative = op.representative.presence
    return op.representative.name


def _versions(
    tx: Tx,
    op: RecordVisit,
    actor: Session,
    held: Held,
    compiled: rules.Compiled,
    subject: Mapping[str, Any],
    flags: list[Flag],
    supersedes: tuple[UUID, ...] | None = None,
) -> tuple[list[Version], findings.Judged]:
    """The operation's answers as versions, added to `held`, and the verdicts on them.

    `supersedes` is given by a decision or a laboratory; else each answer names its `base`.
    """
    latest: dict[str, Answer] = {}
    for answer in op.answers:
        if answer.item in latest:
            flags.append(Flag("answer.twice", {"item": answer.item}))
        latest[answer.item] = answer
    returned = held.visit.returned_items if held.visit.state == VisitState.returned else []
    known = {
        item: merge.standing(found)[0].value
        for item, found in held.versions.items()
        if item not in latest
    }
    known.update((item, answer.value) for item, answer in latest.items())
    verdicts = rules.evaluate_visit(compiled, subject, known, latest)
    now, author, made = tx.now, actor.account, list[Version]()
    for item, answer in latest.items():
        verdict = verdicts.get(item)
        odd = list(verdict.flags) if verdict else [Flag("value.missing")]
        if returned and item not in returned and supersedes is None:
            odd.append(Flag("answer.not_returned"))
        before = held.versions.setdefault(item, [])
        if answer.base is not None and all(v.operation != answer.base for v in before):
            odd.append(Flag("base.unknown"))
        version = Version(
            item=item,
            operation=op.id,
            author=author,
            answered_at=answer.answered_at,
            received_at=now,
            value=answer.value,
            outcome=verdict.outcome if verdict else "unreadable",
            supersedes=supersedes or (() if answer.base is None else (answer.base,)),
            note=answer.note,
            reason=answer.reason,
            licence=answer.licence,
            flags=odd,
        )
        if before and version.outcome != "fail" and not answer.reason and _fails(before, version):
            odd.append(Flag("change.without_reason"))
        before.append(version)
        made.append(version)
    return made, findings.Judged(known, verdicts)


def _fails(before: Sequence[Version], version: Version) -> bool:
    """Whether `version` puts something milder in the place of a fail."""
    return any(
        v.outcome == "fail" and (v.operation in version.supersedes or v.author == version.author)
        for v in before
    )


# --- settle, submit, laboratory -----------------------------------------------------------------


async def settle_answer(
    tx: Tx, op: SettleAnswer, visits: dict[UUID, Held], odd: Sequence[Flag]
) -> Applied:
    """The lead's decision takes the place of every answer in conflict.

    Raises `NotLead`, `NothingToSettle`, `VisitSealed`, `VisitNotFound`.
    """
    actor = steps.officer(tx, "visit.settle")
    held = steps.find(visits, op.visit)
    if held.visit.lead != actor.account:
        raise NotLead(visit=op.visit)
    held.visit.state = steps.move("settle", held.visit.state)
    versions = held.versions.get(op.item, [])
    standing = merge.standing(versions)
    if len(standing) < 2 or not {v.operation for v in standing} <= set(op.supersedes):
        raise NothingToSettle(item=op.item, standing=[v.operation for v in standing])
    agreeing = [v for v in standing if v.value == op.value] or standing
    answer = Answer(
        item=op.item,
        value=op.value,
        answered_at=op.answered_at,
        reason=op.reason,
        note=op.note,
        licence=agreeing[0].licence,
    )
    # Also what agrees with one of them: a phone is shown one operation for each value.
    decided = tuple(v.operation for v in merge.heads(versions))
    return await _replace(tx, op.id, answer, held, odd, decided, "visit.settled")


async def add_result(
    tx: Tx, op: AddResult, visits: dict[UUID, Held], odd: Sequence[Flag]
) -> Applied:
    """A laboratory's result in the place of an answer that awaited it; no amendment.

    Raises `NotAwaiting`, `NotOnTeam`, `VisitSealed`, `VisitNotFound`.
    """
    actor = steps.officer(tx, "visit.record")
    held = steps.find(visits, op.visit)
    steps.on_team(held.visit, actor)
    held.visit.state = steps.move("add_result", held.visit.state)
    heads = merge.heads(held.versions.get(op.item, []))
    waiting = [v for v in heads if _awaits(v.value)]
    if not waiting:
        raise NotAwaiting(item=op.item)
    answer = Answer(
        item=op.item,
        value=op.value,
        answered_at=op.reported_at,
        reason=f"{op.laboratory} {op.report_no}".strip() or None,
        note=op.note,
        licence=waiting[0].licence,
    )
    waited = tuple(v.operation for v in waiting)
    chain = await samples.reported(tx, op, held.visit, [v.value for v in waiting])
    return await _replace(tx, op.id, answer, held, odd, waited, "visit.result_added", chain)


def _awaits(value: Any) -> bool:
    """By its shape: its outcome on arrival depended on what had arrived before."""
    return isinstance(value, dict) and value.get("awaiting") == "laboratory"


async def _replace(
    tx: Tx,
    operation: UUID,
    answer: Answer,
    held: Held,
    odd: Sequence[Flag],
    supersedes: tuple[UUID, ...],
    event: str,
    known: Sequence[Flag] = (),
) -> Applied:
    """One answer that supersedes several others; shared by settling and laboratory results."""
    actor, flags = steps.officer(tx, "visit.record"), list(odd)
    compiled = await checklists.compiled(tx, held.visit.checklist, held.visit.extra_items)
    subject = _subject.decode(held.visit.subject)
    subject["visit_date"] = bangkok_date(held.visit.started_at or tx.now).isoformat()
    op = RecordVisit(id=operation, visit=held.visit.id, answers=[answer])
    made, judged = _versions(tx, op, actor, held, compiled, subject, flags, supersedes)
    made[0].flags = [*made[0].flags, *known]
    raised, conflicts = await findings.settle(
        tx, held, {answer.item}, compiled, subject, judged, flags
    )
    entry.add_flags(held.visit, flags)
    await queries.save_entry(tx, held.visit, operation, actor.account, made, raised)
    flags += [Flag(f.code, {"item": answer.item, **f.facts}) for f in made[0].flags]
    await steps.tell(tx, held.visit, event, {"operation": operation, "item": answer.item})
    return Applied(flags, conflicts)


async def submit_visit(
    tx: Tx, op: SubmitVisit, visits: dict[UUID, Held], odd: Sequence[Flag]
) -> Applied:
    """The team has finished: the visit goes to its review, whose clock starts.

    Missing answers and open conflicts are flagged for the head, not refused: a phone that comes
    back after fourteen days must not be stuck. Raises `NotLead`, `NotStarted`, `VisitSealed`.
    """
    actor = steps.officer(tx, "visit.submit")
    held = steps.find(visits, op.visit)
    visit = held.visit
    if visit.lead != actor.account:
        raise NotLead(visit=op.visit)
    if visit.state == VisitState.planned:
        raise NotStarted(visit=op.visit)
    visit.state = steps.move("submit", visit.state)
    flags = list(odd)
    compiled = await checklists.compiled(tx, visit.checklist, visit.extra_items)
    subject = _subject.decode(visit.subject)
    heads = {i: merge.standing(v) for i, v in held.versions.items() if v}
    known = {item: standing[0].value for item, standing in heads.items()}
    if visit.outcome in (None, "inspected"):
        if visit.outcome is None:
            flags.append(Flag("outcome.missing"))
        if absent := rules.missing(compiled, subject, known):
            flags.append(Flag("items.missing", {"items": absent}))
    conflicts = sorted(item for item, standing in heads.items() if len(standing) > 1)
    if conflicts:
        flags.append(Flag("conflict.open", {"items": conflicts}))
    entry.add_flags(visit, flags)
    await queries.submit(tx, visit.id, actor.account, op.ended_at, visit.flags)
    await service.start_review(tx, visit.id)
    await steps.tell(tx, visit, "visit.submitted", {"operation": op.id})
    return Applied(flags, conflicts)
