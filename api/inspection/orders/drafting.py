"""From a draft to a signed order: what must be in it, what the signer is shown, and its number."""

from __future__ import annotations

import hashlib
from uuid import UUID

import msgspec

from api import permissions, sealed
from api.accounts import officer_queries as officers
from api.accounts import service as accounts
from api.accounts.model import Power
from api.clock import bangkok_date, buddhist_year
from api.db import Tx
from api.documents import service as documents
from api.documents.contents import Language
from api.documents.model import Document, Force
from api.inspection.orders import move_queries, papers, proofs, queries, reading, succession
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import (
    IN_FORCE,
    MOVES,
    DraftOrder,
    OrderContent,
    OrderKind,
    OrderState,
    Row,
    Signature,
    WetInk,
)
from api.inspection.orders.problems import (
    OrderDiffers,
    OrderExists,
    OrderIncomplete,
    OrderNotFound,
    OrderSealed,
    SubjectUnknown,
)
from api.inspection.orders.requirements import Situation, missing
from api.inspection.orders.views import Order, SigningView
from api.inspection.visits import reading as visits
from api.permissions import Session
from api.problems import Stale

POWER = {
    OrderKind.correct: (Power.sign_order, "37"),
    OrderKind.stop: (Power.stop_operation, "39"),
    OrderKind.resume: (Power.stop_operation, "39"),
    OrderKind.close: (Power.stop_operation, "39"),
}
"""s.37 is the officer's; s.39 the Permanent Secretary's or a delegate's."""


async def draft(tx: Tx, id: UUID, wanted: DraftOrder) -> Order:
    """A draft under the sender's id; the same again is the same draft.

    Raises `SubjectUnknown`, `OrderExists`.
    """
    scope = permissions.scope(tx.actor, "order.draft")
    actor = _session(tx)
    await tx.lock([id])
    before = await queries.order(tx, id, permissions.Scope(provinces=None))
    if before is not None:
        if before.drafted_by != actor.account:
            raise OrderNotFound(order=id)
        await reading.row(tx, id, "order.draft")  # whoever left the province left it
        if not _same(before, wanted) or await queries.first_words(tx, id) != _encode(
            wanted.content
        ):
            raise OrderExists(order=id)
        return await reading.order(tx, id)
    site = await subject.site(tx, wanted.premises, wanted.licence, scope)
    if site is None or actor.office is None:
        raise SubjectUnknown()
    await _known(tx, wanted, site)
    findings = [r.finding for r in wanted.content.required]
    held = await subject.findings(tx, findings, scope)
    if len(held) != len(findings) or any(
        f.premises != site.here or f.licence != site.licence for f in held
    ):
        raise SubjectUnknown()
    content = _encode(wanted.content)
    await queries.insert_order(
        tx,
        id=id,
        kind=wanted.kind,
        basis=wanted.basis,
        site=site,
        office=actor.office,
        visit=wanted.visit,
        follows=wanted.follows,
        corrects=wanted.corrects,
        content=content,
        drafted_by=actor.account,
        data_key=await sealed.new_key(tx),
    )
    await queries.insert_version(tx, id, 1, content, actor.account)
    row = await reading.row(tx, id, "order.draft")
    return await reading.told(tx, row, "order.drafted")


async def _known(tx: Tx, wanted: DraftOrder, site: subject.Site) -> None:
    """What the draft names besides its site must be of the same site, and the caller's to see."""
    if wanted.visit is not None:
        visit = await visits.row(tx, wanted.visit, "visit.read")
        if await subject.stands_at(tx, visit.premises) != site.here or visit.licence not in (
            None,
            site.licence,
        ):
            raise SubjectUnknown()
    for earlier in (wanted.follows, wanted.corrects):
        if earlier is not None:
            found = await reading.row(tx, earlier, "order.read")
            here = await subject.stands_at(tx, found.premises)
            if (here, found.licence) != (site.here, site.licence):
                raise SubjectUnknown()


def _same(before: Row, wanted: DraftOrder) -> bool:
    first = (before.kind, before.basis, before.premises, before.licence, before.visit)
    mine = (wanted.kind, wanted.basis, wanted.premises, wanted.licence, wanted.visit)
    return first == mine and (before.follows, before.corrects) == (wanted.follows, wanted.corrects)


async def redraft(tx: Tx, id: UUID, version: int, content: OrderContent) -> Order:
    """New words for a draft; the earlier ones stay. The findings stay those of its licence."""
    row = await reading.moving(tx, id, version, "redraft", "order.draft")
    scope = permissions.scope(tx.actor, "order.draft")
    wanted = [r.finding for r in content.required]
    here = await subject.stands_at(tx, row.premises)
    held = await subject.findings(tx, wanted, scope)
    if len(held) != len(wanted) or any(
        (f.premises, f.licence) != (here, row.licence) for f in held
    ):
        raise SubjectUnknown()
    text = _encode(content)
    await queries.redraft(tx, id, text)
    await queries.insert_version(tx, id, row.version + 1, text, _session(tx).account)
    return await reading.told(tx, row, "order.redrafted")


async def discard(tx: Tx, id: UUID, version: int, why: str) -> Order:
    """The draft will not be signed; it stays on file."""
    row = await reading.moving(tx, id, version, "discard", "order.draft")
    await move_queries.move(tx, id, row.state, why=why)
    return await reading.told(tx, row, "order.discarded")


async def signing_view(tx: Tx, id: UUID) -> SigningView:
    """What the caller would sign now, word for word, its hash, and what is still missing."""
    row = await reading.row(tx, id, "order.sign")
    if ("sign", row.state) not in MOVES:
        raise OrderSealed(state=row.state)
    situation = await _situation(tx, row)
    shown = papers.words(row, situation)
    digest = hashlib.sha256(shown.encode()).hexdigest()
    return SigningView(shown, digest, missing(situation))


async def sign(tx: Tx, id: UUID, version: int, signature: Signature) -> Order:
    """The caller signs what they were shown. The number is given last, so that there is no gap.

    Raises `AuthorityNeeded`, `OrderIncomplete`, `OrderDiffers`, and what is wrong with the fresh
    authentication.
    """
    seen = await reading.row(tx, id, "order.sign")
    about = [r.finding for r in reading.content_of(seen).required]
    earlier = [other for other in (seen.follows, seen.corrects) if other is not None]
    await tx.lock([id, *earlier, *about])
    row = await reading.row(tx, id, "order.sign")
    if row.version != version or row.version != seen.version:
        raise Stale(current=row.version)
    if ("sign", row.state) not in MOVES:
        raise OrderSealed(state=row.state)
    situation = await _situation(tx, row)
    authority = await accounts.require_authority(
        tx, *POWER[row.kind], factory_class=situation.site.class_, province=row.province
    )
    if lacking := missing(situation):
        raise OrderIncomplete(missing=msgspec.to_builtins(lacking))
    shown = papers.words(row, situation)
    digest = hashlib.sha256(shown.encode()).hexdigest()
    if digest != signature.sha256:
        raise OrderDiffers()
    authentication, wet_ink = None, None
    if isinstance(signature, WetInk):
        wet_ink = signature.evidence
        await proofs.claim(tx, row, "signature", id, [wet_ink], shown=False)
    else:
        fresh = await accounts.use_fresh_authentication(tx, signature.ticket, digest)
        authentication = fresh.id
    if situation.findings:
        await queries.insert_findings(
            tx,
            id,
            [r.finding for r in situation.content.required],
            [r.required for r in situation.content.required],
        )
    if row.corrects is not None:
        await succession.correct(tx, row.corrects, id)
    year = buddhist_year(bangkok_date(tx.now))
    running = await queries.next_number(tx, row.office, year)
    await queries.sign(
        tx,
        id,
        number=f"{situation.office_code} {running}/{year}",
        by=_session(tx).account,
        authority=authority.id,
        authentication=authentication,
        wet_ink=wet_ink,
        sha256=digest,
        content=shown,
        company=situation.site.company,
        class_=situation.site.class_,
    )
    row = await reading.row(tx, id, "order.read")
    await queries.set_document(tx, id, (await papers.issue(tx, row, wet_ink)).id)
    return await reading.told(tx, row, "order.signed", {"number": row.number, "kind": row.kind})


async def _situation(tx: Tx, row: Row) -> Situation:
    """All that decides whether the order can be signed, and by the caller."""
    content = reading.content_of(row)
    everywhere = permissions.Scope(provinces=None)
    site = await subject.site(tx, row.premises, row.licence, everywhere)
    signer = await accounts.officer_card(tx, _session(tx).account)
    office = await officers.office(tx, row.office)
    earlier = corrected = rival = None
    if row.follows is not None:
        earlier = await queries.order(tx, row.follows, everywhere)
        if row.kind != OrderKind.stop:  # many orders to correct may lead to as many stops
            but = [row.id, *([row.corrects] if row.corrects else [])]
            rival = await subject.following(tx, row.follows, but)
    if row.corrects is not None:
        corrected = await queries.order(tx, row.corrects, everywhere)
    power, section = POWER[row.kind]
    assert site is not None and office is not None
    authority = await accounts.find_authority(
        tx, power, section, factory_class=site.class_, province=row.province
    )
    visit = None if row.visit is None else await visits.row(tx, row.visit, "visit.read")
    ids = [r.finding for r in content.required]
    findings = await subject.findings(tx, ids, everywhere)
    return Situation(
        kind=row.kind,
        basis=row.basis,
        content=content,
        site=site,
        office_code=office.code,
        office_th=office.name_th,
        office_en=office.name_en,
        signer_name=signer.name_th,
        signer_position=signer.position_th,
        visit_state=None if visit is None else visit.state,
        findings=findings,
        photographs=await proofs.photographs(tx, findings),
        earlier=earlier,
        corrects=row.corrects,
        corrected=corrected,
        rival=rival,
        ordered=await subject.ordered(tx, ids, row.kind, row.corrects),
        instrument=None if authority is None else authority.instrument,
        now=tx.now,
        today=bangkok_date(tx.now),
    )


def _encode(content: OrderContent) -> str:
    return msgspec.json.encode(content).decode()


def _session(tx: Tx) -> Session:
    assert isinstance(tx.actor, Session)
    return tx.actor


async def issue_in(tx: Tx, id: UUID, language: Language) -> Document:
    """The order's document anew, such as in English on request, while it is in force."""
    await tx.lock([id])
    row = await reading.row(tx, id, "order.serve")
    if row.state not in (OrderState.signed, *IN_FORCE):
        raise OrderSealed(state=row.state)
    issued = await papers.issue(tx, row, await queries.wet_ink(tx, id), language)
    if language == "th":
        await queries.set_document(tx, id, issued.id)
    if row.stay is not None:
        await documents.set_force(tx, issued.id, Force.stayed, because="order.stayed")
    return issued
