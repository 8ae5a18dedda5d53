"""Visits as their readers see them; the factory's view is made here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import permissions
from api.clock import bangkok_date
from api.cursors import Place
from api.db import Tx
from api.evidence import service as evidence
from api.inspection.checklists import rules
from api.inspection.checklists import service as checklists
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import chains, late, merge, queries, signature_queries, view_queries
from api.inspection.visits.model import (
    ENDED,
    Finding,
    FindingState,
    Version,
    VisitNotFound,
    VisitRow,
    VisitState,
)
from api.inspection.visits.views import (
    CompanyFinding,
    CompanyVisit,
    CurrentAnswer,
    FindingView,
    Note,
    Visit,
    VisitEvidence,
    VisitHeader,
)

SHOWN = (VisitState.accepted, VisitState.closed)
_facts = msgspec.json.Decoder(dict[str, Any])
_flags = msgspec.json.Decoder(list[Flag])


async def read_visit(tx: Tx, id: UUID) -> Visit:
    """A visit as officers see it; raises `VisitNotFound` outside the caller's scope."""
    await row(tx, id, "visit.read")
    return (await visit_views(tx, [id]))[0]


async def visit_views(tx: Tx, ids: Sequence[UUID]) -> list[Visit]:
    """The officers' view of visits that the caller was already found to see.

    The headers are read first: what is read after them may be newer than the version says, never
    older, so nobody acts on a version with answers that they were not shown.
    """
    headers = await view_queries.headers(tx, ids)
    answers = await queries.answers(tx, ids)
    findings: dict[UUID, list[FindingView]] = {}
    for f in await queries.findings_of(tx, ids):
        findings.setdefault(f.visit, []).append(finding_view(f))
    notes: dict[UUID, list[Note]] = {}
    for note in await view_queries.notes(tx, ids):
        notes.setdefault(note.visit, []).append(note)
    kept_late = await late.entries_of(tx, [h.id for h in headers if h.state in ENDED])
    files = await evidence.bound(tx, "visit", ids)
    signed = await signature_queries.views(tx, ids)
    taken = await chains.of_visits(tx, ids)
    return [
        Visit(
            id=h.id,
            premises=h.premises,
            name=h.name,
            licence=h.licence,
            licence_number=h.number_shown,
            province=h.province,
            class_=h.class_,
            checklist=h.checklist,
            state=h.state,
            reason=h.reason,
            announced=h.announced,
            planned_on=h.planned_on,
            note=h.note,
            follows=h.follows,
            lead=h.lead,
            team=h.team,
            started_at=h.started_at,
            start=_facts.decode(h.started) if h.started else None,
            outcome=h.outcome,
            ended_at=h.ended_at,
            representative=h.representative,
            submitted_at=h.submitted_at,
            accepted_at=h.accepted_at,
            review_note=h.review_note,
            returned_items=h.returned_items,
            subject=_facts.decode(h.subject),
            flags=_flags.decode(h.flags),
            answers=await _judged(tx, h, answers[h.id], taken[h.id]),
            findings=findings.get(h.id, []),
            notes=notes.get(h.id, []),
            late_entries=kept_late.get(h.id, []),
            evidence=[VisitEvidence(f.id, f.item, f.media) for f in files.get(h.id, [])],
            signatures=signed.get(h.id, []),
            samples=taken[h.id].samples,
            extra_items=checklists.items_of(h.extra_items),
            version=h.version,
        )
        for h in headers
    ]


async def _judged(
    tx: Tx, h: VisitHeader, versions: Sequence[Version], taken: chains.Chains
) -> list[CurrentAnswer]:
    """The answers as they stand, each judged beside the others as they stand.

    A version keeps what it amounted to when it came in; an answer that decides whether it is shown
    or what its limit is may have come later. Readers see the same whatever came first.
    """
    current = merge.current(versions)
    if not current:
        return []
    compiled = await checklists.compiled(tx, h.checklist_id, h.extra_items)
    subject = _facts.decode(h.subject)
    subject["visit_date"] = bangkok_date(h.started_at or tx.now).isoformat()
    known = {item: answer.value for item, answer in current.items()}
    verdicts = rules.evaluate_visit(compiled, subject, known)
    for item, answer in current.items():
        _judge(answer, verdicts.get(item))
        for other in answer.others:
            beside = {**known, item: other.value}
            _judge(other, rules.evaluate_visit(compiled, subject, beside, (item,)).get(item))
    chains.mark(current.values(), taken)
    return list(current.values())


def _judge(answer: CurrentAnswer, verdict: rules.Verdict | None) -> None:
    """Puts the verdict's outcome and flags in the place of those found on arrival."""
    found = verdict.flags if verdict else (Flag("value.missing"),)
    answer.outcome = verdict.outcome if verdict else "unreadable"
    arrived = [f for f in answer.flags if not f.code.startswith(("item.", "value.", "limit."))]
    answer.flags = [*found, *arrived]


async def read_company_visit(tx: Tx, id: UUID) -> CompanyVisit:
    """A visit as its factory sees it; raises `VisitNotFound` for every other company."""
    companies = permissions.scope(tx.actor, "company_visit.read").companies
    found = await company_visit_views(tx, companies, [id])
    if not found:
        raise VisitNotFound(visit=id)
    return found[0]


async def company_visit_views(
    tx: Tx,
    companies: Sequence[UUID],
    ids: Sequence[UUID] | None = None,
    *,
    after: Place | None = None,
    limit: int = 100,
) -> list[CompanyVisit]:
    """The factory's view: never the reason, never confidential items, nothing before acceptance.

    `ids` are ids for the factory; `after` is where the last page ended.
    """
    rows = await view_queries.company_visits(tx, companies, ids=ids, after=after, limit=limit)
    shown = {r.visit: r.checklist for r in rows if r.accepted_at is not None}
    files = await evidence.bound(tx, "visit", list(shown)) if shown else {}
    findings: dict[UUID, list[CompanyFinding]] = {}
    for f in await queries.findings_of(tx, list(shown)) if shown else []:
        if f.confidential or f.company not in companies or f.state == FindingState.withdrawn:
            continue
        found = (await checklists.compiled(tx, shown[f.visit])).item(f.item)
        if found is None:
            continue  # asked at this visit alone: never the factory's to know
        item = found.item
        findings.setdefault(f.visit, []).append(
            CompanyFinding(
                f.id,
                f.item,
                item.text.th,
                item.text.en,
                f.state,
                f.severity,
                f.legal_ref,
                [
                    e.id
                    for e in files.get(f.visit, [])
                    if (e.item, e.shown_to) == (f.item, f.company)
                ],
            )
        )
    views = []
    for row in rows:
        fields = msgspec.structs.asdict(row)
        visit = fields.pop("visit")
        del fields["checklist"]
        views.append(CompanyVisit(**fields, findings=findings.get(visit, [])))
    return views


def finding_view(f: Finding) -> FindingView:
    fields = msgspec.structs.asdict(f)
    fields["facts"] = _facts.decode(f.facts)
    return FindingView(**fields)


async def row(tx: Tx, id: UUID, verb: str) -> VisitRow:
    """The visit as stored, where `verb` reaches it; raises `VisitNotFound` elsewhere."""
    rows = await queries.visits(tx, [id], permissions.scope(tx.actor, verb))
    if not rows:
        raise VisitNotFound(visit=id)
    return rows[0]


async def shown_findings(tx: Tx, visit: UUID) -> list[Finding]:
    """The findings of a visit that the companies they are about may see."""
    return [
        finding
        for finding in await queries.findings_of(tx, [visit])
        if not finding.confidential and finding.state != FindingState.withdrawn
    ]


async def premises_name(tx: Tx, premises: UUID) -> str:
    """As the register has it now."""
    found: str = await tx.value("select name from premises where id = $1", premises)
    return found
