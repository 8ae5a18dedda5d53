"""The record of an accepted visit, as documents: the office's own and one for each factory.

A factory's copy says what its own view of the visit may say and nothing more: no confidential item,
no remark, no note, nothing of a neighbour's licence. Why a visit was made is in neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from api import jobs, permissions, sealed, settings
from api.clock import bangkok_date
from api.db import Tx
from api.documents import contents as c
from api.documents import queries as documents
from api.documents import service
from api.documents.model import Document
from api.evidence import service as evidence
from api.evidence.model import EvidenceRow
from api.inspection.checklists import rules
from api.inspection.checklists import service as checklists
from api.inspection.visits import (
    chains,
    custody,
    queries,
    reading,
    record_evidence,
    record_queries,
    sample_queries,
    signature_queries,
    signatures,
    wording,
)
from api.inspection.visits import evidence as visit_evidence
from api.inspection.visits.custody import Bearers, Sample
from api.inspection.visits.model import FindingState, VisitSealed
from api.inspection.visits.record_queries import OfficerName, RecordFactory
from api.inspection.visits.signature_queries import SignatureRow
from api.inspection.visits.views import CurrentAnswer, FindingView, Signatory, Visit
from api.jobs import Job

KIND = "visit_record"
ISSUE, ISSUE_LATER = "visit.document", "visit.document_later"
WAIT = timedelta(minutes=10)


class Copy(NamedTuple):
    """For whom a copy is; `licences` is None for the office, which sees all."""

    subject: UUID
    company: UUID | None
    licences: frozenset[UUID | None] | None

    def shows(self, licence: UUID | None, *, confidential: bool) -> bool:
        return self.licences is None or (licence in self.licences and not confidential)


async def issue_record(tx: Tx, job: Job) -> None:
    """The reaction to an accepted visit, and to a result that came in after it was accepted: then
    a new record takes the place of the one before."""
    await issue(tx, UUID(job.args["record"]), "th")


async def issue_later(tx: Tx, job: Job) -> None:
    """The reaction to a photograph: where it comes after the acceptance, it gets onto a new record.

    They come one by one, so a while is waited for the others.
    """
    visit = UUID(job.args["record"])
    rows = await queries.visits(tx, [visit], permissions.scope(tx.actor, "visit.read"))
    if rows and rows[0].state in reading.SHOWN:
        await jobs.enqueue(tx, ISSUE, {"record": visit}, key=f"late:{visit}", after=WAIT)


async def issue_in(tx: Tx, visit: UUID, language: c.Language) -> Document:
    """Issues the record anew, such as in English on request; returns the office's own copy.

    Raises `VisitNotFound`, and `VisitSealed` for a visit that is not accepted.
    """
    row = await reading.row(tx, visit, "visit_record.issue")
    issued = await issue(tx, visit, language)
    if not issued:
        raise VisitSealed(state=row.state)
    return issued[0]


async def issue(tx: Tx, visit: UUID, language: c.Language) -> list[Document]:
    """Issues every copy, the office's first; none for a visit that is not accepted."""
    rows = await queries.visits(tx, [visit], permissions.scope(tx.actor, "visit.read"))
    if not rows or rows[0].state not in reading.SHOWN:
        return []
    row = rows[0]
    (seen,) = await reading.visit_views(tx, [visit])
    compiled = await checklists.compiled(tx, row.checklist, row.extra_items)
    names = await _names(tx, row.id, seen)
    signed = await _signed(tx, row.id, seen.samples)
    photos = [e for id, e in signed.files.items() if id not in signed.drawn]
    issued = []
    for copy in _copies(row.company, row.shown_as, seen):
        content = await _content(tx, seen, compiled, names, photos, signed, copy, language)
        before = await documents.latest(tx, KIND, copy.subject, copy.company, language)
        issued.append(
            await service.issue(
                tx,
                kind=KIND,
                subject=copy.subject,
                scope_province=row.province,
                company=copy.company,
                language=language,
                content=content,
                supersedes=before,
            )
        )
    return issued


def _copies(company: UUID | None, shown_as: UUID, seen: Visit) -> list[Copy]:
    licences: dict[UUID, set[UUID | None]] = {} if company is None else {company: {seen.licence}}
    for f in seen.findings:
        if f.company and not f.confidential and f.state != FindingState.withdrawn:
            licences.setdefault(f.company, set()).add(f.licence)
    return [
        Copy(seen.id, None, None),
        *(Copy(shown_as, of, frozenset(licences[of])) for of in sorted(licences)),
    ]


class _Names(NamedTuple):
    officers: Mapping[UUID, OfficerName]
    office: c.Office
    representative: str | None
    reviewer: UUID | None


async def _names(tx: Tx, visit: UUID, seen: Visit) -> _Names:
    """Everyone whom the record names. The representative's seal is opened, which is an event."""
    held = await queries.representative(tx, visit)
    name = None
    if held.name is not None:
        cell = sealed.Cell("visit", "representative_name", visit)
        try:
            name = await sealed.unseal(tx, sealed.Sealed(cell, held.name), purpose="visit.document")
        except sealed.Erased:
            name = None
    reviewer = await record_queries.reviewer(tx, visit)
    accounts = [*seen.team, *([reviewer] if reviewer else [])]
    officers = {o.account: o for o in await record_queries.officers(tx, accounts)}
    office = await record_queries.office(tx, seen.province)
    assert office is not None, "every province has its office"
    return _Names(officers, c.Office(th=office.th, en=office.en), name, reviewer)


class _Signed(NamedTuple):
    """The drawn signatures, who signed for the factory, through whose hands its samples went, and
    all evidence of the visit by id; `drawn` is shown elsewhere than among the photographs."""

    rows: list[SignatureRow]
    said: dict[UUID, Signatory]
    files: dict[UUID, EvidenceRow]
    drawn: set[UUID | None]
    bearers: dict[UUID, Bearers]


async def _signed(tx: Tx, visit: UUID, samples: Sequence[Sample]) -> _Signed:
    rows = await signature_queries.signatures(tx, [visit])
    links = await sample_queries.handovers(tx, [visit]) if samples else []
    try:
        said = await signatures.opened(tx, rows, "visit.document")
        bearers = await chains.people(tx, links, "visit.document")
    except sealed.Erased:
        said, bearers = {}, []
    files = {e.id: e for e in await evidence.of(tx, visit_evidence.OWNER, visit)}
    apart = {row.evidence for row in rows} | {id for s in samples for id in s.photographs}
    for sample in samples:
        files |= {e.id: e for e in await evidence.of(tx, custody.OWNER, sample.id)}
        apart |= {id for link in sample.handovers for id in link.evidence}
    return _Signed(rows, said, files, apart, {b.handover: b for b in bearers})


def _items(seen: Visit, compiled: rules.Compiled, copy: Copy) -> set[str]:
    """The items of which a copy shows every answer."""
    shown, hidden = set[str](), set[str]()
    for answer in seen.answers:
        found = compiled.item(answer.item)
        confidential = found is None or found.item.confidential
        may = copy.shows(answer.licence or seen.licence, confidential=confidential)
        (shown if may else hidden).add(answer.item)
    return shown - hidden


async def _content(
    tx: Tx,
    seen: Visit,
    compiled: rules.Compiled,
    names: _Names,
    photos: Sequence[EvidenceRow],
    signed: _Signed,
    copy: Copy,
    language: c.Language,
) -> c.VisitRecord:
    for_office = copy.licences is None
    own = {lic for lic in copy.licences or () if lic}
    licence = seen.licence if for_office or seen.licence in own else next(iter(sorted(own)), None)
    factory = await record_queries.factory(tx, seen.premises, licence)
    position = (seen.start or {}).get("position") or {}
    reviewer = names.officers.get(names.reviewer) if names.reviewer else None
    return c.VisitRecord(
        date=c.day(bangkok_date(seen.started_at or seen.accepted_at or tx.now)),
        office=names.office,
        copy="office" if for_office else "factory",
        factory=factory_part(factory, language),
        visit=str(copy.subject),
        checklist=seen.checklist,
        started_at=c.moment(seen.started_at),
        ended_at=c.moment(seen.ended_at),
        outcome=wording.word(wording.VISIT_OUTCOME, seen.outcome, language),
        position=_position(position) if for_office else "",
        officers=[_officer(names, a, seen.lead, language) for a in _lead_first(seen)],
        representative=_representative(seen, names, language)
        if for_office or seen.licence in own
        else "",
        sections=_sections(seen, compiled, copy, language),
        findings=[
            _finding(f, seen.answers, compiled, language)
            for f in seen.findings
            if f.state != FindingState.withdrawn
            and copy.shows(f.licence, confidential=f.confidential)
        ],
        photographs=_photographs(photos, seen, compiled, copy, language),
        samples=record_evidence.samples(
            seen.samples
            if for_office
            else record_evidence.told(seen.samples, _items(seen, compiled, copy), signed.files),
            names.officers,
            signed.bearers if for_office else {},
            signed.files,
            language,
        ),
        remarks=[n.text for n in seen.notes] if for_office else [],
        signatures=record_evidence.signatures(
            _lead_signature(names, seen, language),
            seen.lead,
            signed.rows,
            signed.said,
            names.officers,
            signed.files,
            language,
            factory_side=for_office or seen.licence in own,
        ),
        accepted=c.Person(name=reviewer.name, position=reviewer.position) if reviewer else None,
        accepted_at=c.moment(seen.accepted_at),
    )


def _sections(
    seen: Visit, compiled: rules.Compiled, copy: Copy, language: c.Language
) -> list[c.Section]:
    entries: dict[str, list[c.Entry]] = {}
    for answer in sorted(seen.answers, key=lambda a: a.item):
        found = compiled.item(answer.item)
        licence = answer.licence or seen.licence
        confidential = found is None or found.item.confidential
        if not copy.shows(licence, confidential=confidential):
            continue
        code = found.item.section if found else "?"
        entries.setdefault(code, []).append(
            c.Entry(
                item=answer.item,
                text=wording.text(found.item.text, language) if found else "",
                answer=_answer(answer, compiled, language),
                outcome=wording.word(wording.ITEM_OUTCOME, answer.outcome, language),
                failed=answer.outcome == "fail",
                note=(answer.note or "") if copy.licences is None else "",
            )
        )
    titles = {s.code: wording.text(s.title, language) for s in compiled.standard.sections}
    return [
        c.Section(code=code, title=titles.get(code, ""), entries=entries[code])
        for code in sorted(entries)
    ]


def _answer(answer: CurrentAnswer, compiled: rules.Compiled, language: c.Language) -> str:
    found = compiled.item(answer.item)
    if found is None:
        return ""
    return wording.answer(found.item.answer, answer.value, language)


def _finding(
    f: FindingView, answers: Sequence[CurrentAnswer], compiled: rules.Compiled, language: c.Language
) -> c.FindingPart:
    item = compiled.items[f.item].item
    answer = next((a for a in answers if a.item == f.item), None)
    sure = f.ref_status != "recalled" or f.state != FindingState.needs_confirmation
    return c.FindingPart(
        item=f.item,
        text=wording.text(item.text, language),
        severity=wording.word(wording.SEVERITY, f.severity, language),
        state=wording.word(wording.FINDING_STATE, f.state, language),
        laws=[c.Law(reference=f.legal_ref, confirmed=sure)],
        noted=_answer(answer, compiled, language) if answer else "",
    )


def _photographs(
    photos: Sequence[EvidenceRow],
    seen: Visit,
    compiled: rules.Compiled,
    copy: Copy,
    language: c.Language,
) -> list[c.Photo]:
    """Everything for the office; for a factory what belongs to a finding that its copy tells."""
    told = {
        f.item
        for f in seen.findings
        if f.state != FindingState.withdrawn and copy.shows(f.licence, confidential=f.confidential)
    }
    limit, shown = settings.current().record_photographs, list[c.Photo]()
    for photo in sorted(photos, key=visit_evidence.place):
        if copy.licences is not None and photo.item not in told:
            continue
        found = compiled.item(photo.item) if photo.item else None
        text = wording.text(found.item.text, language) if found else ""
        shown.append(
            c.Photo(
                evidence=photo.id,
                sha256=photo.sha256.hex(),
                caption=f"{photo.item or ''} {text}".strip(),
                taken_at=c.moment(photo.taken_at),
                shown=len(shown) < limit,
            )
        )
    return shown


def factory_part(found: RecordFactory, language: c.Language) -> c.Factory:
    """A site with its licence, as documents show it."""
    english = language == "en"
    title = (found.category_en if english else found.category_th) or ""
    place = [found.subdistrict, found.district, found.province] if not english else []
    return c.Factory(
        name=found.name,
        number=" / ".join(dict.fromkeys(n for n in (found.number, found.number_new) if n)),
        class_=found.class_,
        category=f"{found.category or ''} {title}".strip(),
        operator=found.operator or "",
        address=" ".join(part for part in (found.address, *place) if part),
    )


def _position(position: Mapping[str, Any]) -> str:
    if "lat" not in position or "lng" not in position:
        return ""
    accuracy = position.get("accuracy_m")
    about = f" (± {accuracy:g} m)" if isinstance(accuracy, int | float) else ""
    return f"{position['lat']:.5f}, {position['lng']:.5f}{about}"


def _lead_first(seen: Visit) -> list[UUID]:
    return [seen.lead, *(a for a in seen.team if a != seen.lead)]


def _officer(names: _Names, account: UUID, lead: UUID, language: c.Language) -> c.Person:
    found = names.officers.get(account)
    leads = "lead officer" if language == "en" else "หัวหน้าคณะตรวจ"
    return c.Person(
        name=found.name if found else "–",
        position=found.position if found else "",
        role=leads if account == lead else "",
    )


def _lead_signature(names: _Names, seen: Visit, language: c.Language) -> c.Signature:
    """The lead's submission under their own session is their signature."""
    lead = _officer(names, seen.lead, seen.lead, language)
    how = "submitted electronically" if language == "en" else "ส่งผลทางอิเล็กทรอนิกส์"
    return c.Signature(
        role=lead.role,
        name=lead.name,
        position=lead.position,
        at=c.moment(seen.submitted_at),
        how=how,
    )


def _representative(seen: Visit, names: _Names, language: c.Language) -> str:
    presence = wording.word(wording.PRESENCE, seen.representative, language)
    return f"{names.representative} ({presence})" if names.representative else presence
