"""The verb that puts a matter together and signs it: nothing of it is chosen by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from api import codes, permissions, sealed
from api.clock import bangkok_date
from api.db import Tx
from api.documents import contents as c
from api.documents import queries as documents
from api.documents import service as documents_service
from api.documents.model import FORCE_WORDS, Document, DocumentLine, RecordTampered
from api.evidence import content as content_types
from api.evidence import service as evidence
from api.evidence.model import EvidenceRow
from api.inspection.cases import queries, words
from api.inspection.cases.queries import Acknowledgement, CaseOfficer, ClockRow, EventRow
from api.inspection.orders import papers
from api.inspection.orders import reading as orders
from api.inspection.orders.model import OrderKind, Row
from api.inspection.visits import (
    chains,
    record,
    record_evidence,
    record_queries,
    sample_queries,
    wording,
)
from api.inspection.visits import queries as visits
from api.inspection.visits.custody import Bearers, Sample
from api.inspection.visits.model import VisitNotFound, VisitRow
from api.notify import texts
from api.notify.model import Language, MessageRow

KIND = "case_file"
OWNER_KINDS = ("visit", "order", "service", "notice", "seal", "correction", "signature", "sample")


class Matter(NamedTuple):
    """What a case file is about: `records` have events of their own, `owners` evidence."""

    subject: UUID
    title: str
    province: str
    premises: UUID
    licence: UUID | None
    records: list[UUID]
    owners: list[UUID]
    orders: list[UUID]
    visits: list[UUID]


class Beside(NamedTuple):
    """The complaints behind a matter: what the file says of them, and the ids of their events.

    Events named in `unsaid` are no part of the matter, such as that somebody read them.
    """

    complaints: list[c.CaseComplaint]
    records: list[UUID]
    unsaid: frozenset[str] = frozenset()


Complaints = Callable[[Tx, Sequence[UUID], c.Language], Awaitable[Beside]]
"""The complaints behind visits. Inspection knows none: whoever asks for a file gives the reader."""


async def of_visit(
    tx: Tx, visit: UUID, language: c.Language, complaints: Complaints | None = None
) -> Document:
    """The case file of a visit's matter, with the visits that it follows and that follow it, the
    orders on them, and what those hang together with.

    A later one takes the place of the one before. Raises `VisitNotFound`.
    """
    rows = await visits.visits(tx, [visit], permissions.scope(tx.actor, "case_file.issue"))
    if not rows:
        raise VisitNotFound(visit=visit)
    row, chain = rows[0], await queries.chain(tx, visit)
    title = "Inspection of the factory" if language == "en" else "การตรวจโรงงาน"
    found = await queries.order_matter(tx, await queries.orders_on(tx, chain))
    found.visits = list(dict.fromkeys([*chain, *found.visits]))
    matter = await _matter(tx, chain[0], title, row, found)
    return await issue(tx, matter, language, await _beside(tx, matter, language, complaints))


async def of_order(
    tx: Tx, order: UUID, language: c.Language, complaints: Complaints | None = None
) -> Document:
    """The case file of an order: with the orders that it follows, corrects or leads to, and the
    visits that they rest on or that verified them. Raises `OrderNotFound`."""
    row = await orders.row(tx, order, "case_file.issue")
    found = await queries.order_matter(tx, [order])
    title = (papers.TITLE_EN if language == "en" else papers.TITLE_TH)[OrderKind(row.kind)]
    matter = await _matter(tx, found.orders[0], title, row, found)
    return await issue(tx, matter, language, await _beside(tx, matter, language, complaints))


async def _beside(
    tx: Tx, matter: Matter, language: c.Language, complaints: Complaints | None
) -> Beside:
    return await complaints(tx, matter.visits, language) if complaints else Beside([], [])


async def _matter(
    tx: Tx, subject: UUID, title: str, at: VisitRow | Row, found: queries.OrderMatter
) -> Matter:
    shown = [v.shown_as for v in await visits.visits(tx, found.visits, permissions.EVERYTHING)]
    proofs = await queries.proofs(tx, found.orders)
    records = [*found.visits, *shown, *found.orders, *proofs]
    owners = [*found.visits, *found.orders, *proofs]
    where = (at.province, at.premises, at.licence)
    return Matter(subject, title, *where, records, owners, found.orders, found.visits)


async def issue(tx: Tx, matter: Matter, language: c.Language, beside: Beside) -> Document:
    """Gathers events, clocks, documents, evidence and officers of `matter` and signs them."""
    before = await documents.latest(tx, KIND, matter.subject, None, language)
    chained = await chains.of_visits(tx, matter.visits)
    samples = [s for visit in matter.visits for s in chained[visit].samples]
    owners = [*matter.owners, *(s.id for s in samples)]
    held = [
        await evidence.one(tx, bound.id)
        for kind in OWNER_KINDS
        for found in (await evidence.bound(tx, kind, owners)).values()
        for bound in found
    ]
    papers = [d for d in await documents.of_subjects(tx, matter.records) if d.kind != KIND]
    about = [*matter.records, *beside.records, *(e.id for e in held), *(d.id for d in papers)]
    events = [e for e in await queries.events(tx, about) if e.name not in beside.unsaid]
    told = await queries.messages(tx, matter.records)
    accounts = list(dict.fromkeys(e.account for e in events if e.account))
    officers = {
        o.account: o for o in await queries.officers(tx, [*accounts, *(m.account for m in told)])
    }
    office = await record_queries.office(tx, matter.province)
    assert office is not None, "every province has its office"
    factory = await record_queries.factory(tx, matter.premises, matter.licence)
    content = c.CaseFile(
        date=c.day(bangkok_date(tx.now)),
        office=c.Office(th=office.th, en=office.en),
        subject=matter.title,
        factory=record.factory_part(factory, language),
        complaints=beside.complaints,
        officers=[_officer(officers[a], events, language) for a in accounts if a in officers],
        events=[_event(e, officers, language) for e in events],
        clocks=[
            _clock(k, language)
            for k in await queries.clocks(tx, [*matter.records, *beside.records])
        ],
        messages=[_message(m, officers, language) for m in told],
        documents=[await _document(tx, d, language) for d in papers],
        evidence=[_evidence(e) for e in held],
        samples=await _samples(tx, samples, {e.id: e for e in held}, language),
        signatures=[
            _acknowledgement(a, {e.id: e for e in held}, language)
            for a in await queries.acknowledgements(tx, matter.orders)
        ],
    )
    return await documents_service.issue(
        tx,
        kind=KIND,
        subject=matter.subject,
        scope_province=matter.province,
        company=None,
        language=language,
        content=content,
        supersedes=before,
    )


def _officer(found: CaseOfficer, events: Sequence[EventRow], language: c.Language) -> c.Person:
    """With what they did, each once, and since when."""
    theirs = [e for e in events if e.account == found.account]
    did = dict.fromkeys(wording.word(words.EVENTS, e.name, language) for e in theirs)
    since = c.day(bangkok_date(theirs[0].at))
    return c.Person(name=found.name, position=found.position, role=", ".join(did), since=since)


def _event(found: EventRow, officers: dict[UUID, CaseOfficer], language: c.Language) -> c.CaseEvent:
    english = language == "en"
    if found.actor == "complainant":
        who = words.COMPLAINANT[english]
    elif found.account is None:
        who = words.SYSTEM[english]
    else:
        officer = officers.get(found.account)
        who = officer.name if officer else words.OUTSIDE[english]
    return c.CaseEvent(
        at=c.moment(found.at),
        what=wording.word(words.EVENTS, found.name, language),
        who=who,
        name=found.name,
        record=str(found.record),
    )


def _message(
    found: MessageRow, officers: dict[UUID, CaseOfficer], language: c.Language
) -> c.CaseMessage:
    officer = officers.get(found.account)
    facts = msgspec.json.decode(found.facts)
    return c.CaseMessage(
        at=c.moment(found.sent_at),
        to=officer.name if officer else words.OUTSIDE[language == "en"],
        text=texts.render(found.template, facts, Language(language)).text,
        read_at=c.moment(found.read_at),
    )


def _clock(found: ClockRow, language: c.Language) -> c.CaseClock:
    english = language == "en"
    ended = words.RUNNING[english]
    if found.fired_at is not None:
        ended = words.RAN_OUT[english]
    elif found.met_at is not None:
        ended = words.MET[english]
    return c.CaseClock(
        what=wording.word(words.CLOCKS, found.kind, language),
        set_at=c.moment(found.set_at),
        due_at=c.moment(found.due_at),
        ended=ended,
    )


async def _document(tx: Tx, line: DocumentLine, language: c.Language) -> c.CaseDocument:
    """Verified as it is listed; that one was tampered with belongs into the file."""
    english = language == "en"
    kind, code = c.TITLES[line.kind][english], codes.shown(line.code)
    try:
        found = await documents_service.summary(tx, line.id)
    except (RecordTampered, sealed.Erased) as error:
        force = words.ERASED if isinstance(error, sealed.Erased) else words.TAMPERED
        date = c.day(bangkok_date(line.issued_at))
        return c.CaseDocument(kind=kind, number="", date=date, code=code, force=force[english])
    return c.CaseDocument(
        kind=kind,
        number=found.number,
        date=found.date,
        code=code,
        sha256=found.sha256,
        force=FORCE_WORDS[found.force][english],
    )


async def _samples(
    tx: Tx, found: Sequence[Sample], held: Mapping[UUID, EvidenceRow], language: c.Language
) -> list[c.SamplePart]:
    """With their chains and those who gave and took them; opening their seals is an event."""
    named = dict[UUID, Bearers]()
    for visit in sorted({s.visit for s in found}):
        links = await sample_queries.handovers(tx, [visit])
        with contextlib.suppress(sealed.Erased):
            named |= {b.handover: b for b in await chains.people(tx, links, "case_file")}
    takers = [s.taken_by for s in found if s.taken_by]
    officers = {o.account: o for o in await record_queries.officers(tx, takers)}
    return record_evidence.samples(found, officers, named, held, language)


def _acknowledgement(
    found: Acknowledgement, held: Mapping[UUID, EvidenceRow], language: c.Language
) -> c.Signature:
    """Without the name, which is opened elsewhere and by few."""
    image = held.get(found.proof_evidence) if found.proof_evidence else None
    return c.Signature(
        role=f"{words.RECEIVED[language == 'en']} {found.number or ''}".strip(),
        at=c.moment(found.at),
        how=wording.word(words.SERVED, found.how, language),
        image=image.id if image and image.media in content_types.PICTURES else None,
        sha256=image.sha256.hex() if image else "",
    )


def _evidence(found: EvidenceRow) -> c.CaseEvidence:
    return c.CaseEvidence(
        what=f"{found.item or ''} {found.media}".strip(),
        sha256=found.sha256.hex(),
        received_at=c.moment(found.received_at),
        size=found.size,
    )
