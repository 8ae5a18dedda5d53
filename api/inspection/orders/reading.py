"""What readers get of orders, and the small steps that every verb on one shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import deadlines, events, permissions
from api.db import Tx
from api.documents import queries as document_queries
from api.documents import service as documents
from api.documents.model import Force
from api.inspection.checklists.rule_values import Flag
from api.inspection.orders import outcome_queries, queries, serving_queries
from api.inspection.orders.model import (
    MOVES,
    NOTICES,
    SHOWN,
    Breach,
    OrderContent,
    OrderKind,
    Row,
    Stay,
)
from api.inspection.orders.problems import (
    OrderNotFound,
    OrderSealed,
)
from api.inspection.orders.views import (
    Appeal,
    Attempt,
    CompanyFindingOfOrder,
    CompanyOrder,
    Order,
    OrderFinding,
    Sealing,
)
from api.inspection.visits.model import FindingState
from api.permissions import Session
from api.problems import Stale

DUE = "order.due"
APPEAL = "order.appeal"
SERVICE = "order.service"

_content = msgspec.json.Decoder(OrderContent)
_stay = msgspec.json.Decoder(Stay)
_breach = msgspec.json.Decoder(Breach)
_flags = msgspec.json.Decoder(list[Flag])
_texts = msgspec.json.Decoder(list[str])


def content_of(row: Row) -> OrderContent:
    return _content.decode(row.content)


def stay_of(row: Row) -> Stay | None:
    return None if row.stay is None else _stay.decode(row.stay)


async def row(tx: Tx, id: UUID, verb: str) -> Row:
    """The order as stored, where `verb` reaches it; raises `OrderNotFound` elsewhere."""
    found = await queries.order(tx, id, permissions.scope(tx.actor, verb))
    if found is None:
        raise OrderNotFound(order=id)
    return found


def account(tx: Tx) -> UUID:
    """Whose act it is; only verbs of signed-in people ask."""
    assert isinstance(tx.actor, Session)
    return tx.actor.account


async def moving(tx: Tx, id: UUID, version: int | None, move: str, verb: str) -> Row:
    """The order, locked, on the version that the caller saw, with the state it moves to.

    `version` None: the field's and the company's verbs, which are idempotent by their own ids.
    """
    await tx.lock([id])
    found = await row(tx, id, verb)
    if version is not None and found.version != version:
        raise Stale(current=found.version)
    to = MOVES.get((move, found.state))
    if to is None:
        raise OrderSealed(state=found.state)
    found.state = to
    return found


async def told(tx: Tx, row: Row, event: str, facts: dict[str, Any] | None = None) -> Order:
    """Records the event for the province and, once it was served, for the company."""
    await tell(tx, row, event, facts)
    return await order(tx, row.id)


async def tell(tx: Tx, row: Row, event: str, facts: dict[str, Any] | None = None) -> None:
    await events.record(
        tx, event, "order", row.id, scopes=[events.province(row.province)], facts=facts
    )
    if row.company is not None and row.served_at is not None:
        scopes = [events.company(row.company)]
        await events.record(tx, "order.shown", "company_order", row.id, scopes=scopes)


async def stop_clocks(tx: Tx, id: UUID, *, appeal: bool = False) -> None:
    """The order has ended: nothing runs any more but, unless `appeal`, the time for appeal."""
    for kind in (DUE, SERVICE, *((APPEAL,) if appeal else ())):
        await deadlines.meet(tx, kind, id)


async def set_force(tx: Tx, row: Row, force: Force, because: str) -> None:
    """Whoever verifies the order's document, in either language, learns what became of it."""
    for document in await document_queries.current(tx, "order", row.id):
        await documents.set_force(tx, document, force, because=because)


async def order(tx: Tx, id: UUID) -> Order:
    """One order for its officers; the caller's verb must have let them to it already."""
    found = await queries.order(tx, id, permissions.Scope(provinces=None))
    assert found is not None
    return await _view(tx, found)


async def read(tx: Tx, id: UUID) -> Order:
    return await _view(tx, await row(tx, id, "order.read"))


async def orders(tx: Tx, ids: Sequence[UUID]) -> list[Order]:
    """For the feed: those of `ids` that the caller's scope has."""
    scope, found = permissions.scope(tx.actor, "order.read"), list[Order]()
    for id in ids:
        row = await queries.order(tx, id, scope)
        if row is not None:
            found.append(await _view(tx, row))
    return found


async def _view(tx: Tx, r: Row) -> Order:
    findings = await queries.findings_of(tx, r.id)
    appeal = await outcome_queries.appeal(tx, r.id)
    return Order(
        id=r.id,
        kind=r.kind,
        state=r.state,
        basis=r.basis,
        premises=r.premises,
        licence=r.licence,
        province=r.province,
        office=r.office,
        visit=r.visit,
        follows=r.follows,
        corrects=r.corrects,
        content=content_of(r),
        findings=[
            OrderFinding(
                finding=f.finding,
                item=f.item,
                state=FindingState(f.state),
                severity=f.severity,
                legal_ref=f.legal_ref,
                ref_status=f.ref_status,
                required=f.required,
                verified_at=f.verified_at,
                corrected=f.corrected,
            )
            for f in findings
        ],
        number=r.number,
        signed_by=r.signed_by,
        signed_at=r.signed_at,
        content_hash=r.content_hash,
        served_at=r.served_at,
        due_at=r.due_at,
        appeal_until=r.appeal_until,
        stay=stay_of(r),
        breach=None if r.breach is None else _breach.decode(r.breach),
        ended_at=r.ended_at,
        ended_why=r.ended_why,
        document=r.document,
        attempts=[attempt_view(a) for a in await serving_queries.attempts(tx, r.id)],
        notices=await serving_queries.notices(tx, r.id),
        notices_needed=NOTICES if r.kind in (OrderKind.stop, OrderKind.close) else 0,
        appeal=None if appeal is None else Appeal(**msgspec.structs.asdict(appeal)),
        sealings=[sealing_view(s) for s in await outcome_queries.sealings(tx, r.id)],
        claims=await outcome_queries.claims(tx, r.id),
        version=r.version,
    )


def attempt_view(a: serving_queries.AttemptRow) -> Attempt:
    fields = msgspec.structs.asdict(a)
    del fields["legal_order"], fields["hash"]
    return Attempt(**fields | {"flags": _flags.decode(a.flags)})


def sealing_view(s: outcome_queries.SealingRow) -> Sealing:
    fields = msgspec.structs.asdict(s)
    del fields["legal_order"]
    return Sealing(
        **fields | {"machines": _texts.decode(s.machines), "seals": _texts.decode(s.seals)}
    )


# --- the company's view -------------------------------------------------------------------------


async def company_orders(
    tx: Tx, *, ids: Sequence[UUID] | None = None, before: UUID | None = None, limit: int = 50
) -> list[CompanyOrder]:
    """Orders addressed to the caller's companies, once they were served."""
    permissions.reaches(tx.actor, "company_order.read")
    assert isinstance(tx.actor, Session)
    rows = await queries.of_companies(
        tx, tx.actor.companies, SHOWN, ids=ids, before=before, limit=limit
    )
    return [await _company_view(tx, r) for r in rows]


async def company_order(tx: Tx, id: UUID) -> CompanyOrder:
    found = await company_orders(tx, ids=[id])
    if not found:
        raise OrderNotFound(order=id)
    return found[0]


async def _company_view(tx: Tx, r: Row) -> CompanyOrder:
    c = content_of(r)
    assert r.number is not None and r.signed_at is not None
    return CompanyOrder(
        id=r.id,
        kind=r.kind,
        state=r.state,
        premises=r.premises,
        licence=r.licence,
        number=r.number,
        signed_at=r.signed_at,
        facts=c.facts,
        law=c.law,
        reasons=c.reasons,
        measures=c.measures,
        part=c.part,
        appeal=c.appeal,
        findings=[
            CompanyFindingOfOrder(
                f.finding, f.item, f.legal_ref, f.required, f.verified_at, f.corrected
            )
            for f in await queries.findings_of(tx, r.id)
        ],
        served_at=r.served_at,
        due_at=r.due_at,
        appeal_until=r.appeal_until,
        stayed=r.stay is not None,
        document=r.document,
        claims=await outcome_queries.claims(tx, r.id),
    )
