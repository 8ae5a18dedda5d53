"""What readers get of orders, and the small steps that every verb on one shares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from api import deadlines, events, permissions
from api.db import Tx
from api.documents import queries as document_queries
from api.documents import service as documents
from api.documents.model import Force
from api.inspection.checklists.rule_values import Flag
from api.inspection.orders import outcome_queries, queries, sealing_queries, serving_queries
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
    Claim,
    CompanyFindingOfOrder,
    CompanyOrder,
    Order,
    OrderFinding,
    Seal,
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


async def counts_at(tx: Tx, order: UUID) -> datetime | None:
    """When the service that is effective first counts, or counted."""
    moments = [a.counts_at for a in await serving_queries.attempts(tx, [order]) if a.counts_at]
    return min(moments, default=None)


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
    (found,) = await _views(tx, await queries.orders(tx, [id], permissions.EVERYTHING))
    return found


async def read(tx: Tx, id: UUID) -> Order:
    (found,) = await _views(tx, [await row(tx, id, "order.read")])
    return found


async def orders(tx: Tx, ids: Sequence[UUID]) -> list[Order]:
    """For the feed: those of `ids` that the caller's scope has."""
    return await _views(
        tx, await queries.orders(tx, ids, permissions.scope(tx.actor, "order.read"))
    )


class _Part(Protocol):
    @property
    def legal_order(self) -> UUID: ...


P = TypeVar("P", bound=_Part)


def _by_order(parts: Iterable[P]) -> defaultdict[UUID, list[P]]:
    found = defaultdict[UUID, list[P]](list)
    for part in parts:
        found[part.legal_order].append(part)
    return found


async def _views(tx: Tx, rows: Sequence[Row]) -> list[Order]:
    """A statement for each kind of part, however many orders there are."""
    ids = [r.id for r in rows]
    findings = _by_order(await queries.findings_of(tx, ids))
    attempts = _by_order(await serving_queries.attempts(tx, ids))
    notices = await serving_queries.notices(tx, ids)
    appeals = {a.legal_order: a for a in await outcome_queries.appeals(tx, ids)}
    sealings = _by_order(await _sealings(tx, ids))
    claims = _by_order(await outcome_queries.claims(tx, ids))
    return [
        _view(
            r,
            findings[r.id],
            attempts[r.id],
            notices.get(r.id, 0),
            appeals.get(r.id),
            sealings[r.id],
            claims[r.id],
        )
        for r in rows
    ]


def _view(
    r: Row,
    findings: Sequence[queries.Verified],
    attempts: Sequence[serving_queries.AttemptRow],
    notices: int,
    appeal: outcome_queries.AppealRow | None,
    sealings: Sequence[_Sealing],
    claims: Sequence[outcome_queries.ClaimRow],
) -> Order:
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
        superseded_by=r.superseded_by,
        document=r.document,
        attempts=[attempt_view(a) for a in attempts],
        notices=notices,
        notices_needed=NOTICES if r.kind in (OrderKind.stop, OrderKind.close) else 0,
        appeal=None if appeal is None else Appeal(**_fields(appeal)),
        sealings=[s.view for s in sealings],
        claims=[Claim(**_fields(c)) for c in claims],
        version=r.version,
    )


def _fields(part: Any, *but: str) -> dict[str, Any]:
    """What a row of a part shows: all but its order, and `but`."""
    shown = msgspec.structs.asdict(part)
    return {name: value for name, value in shown.items() if name not in ("legal_order", *but)}


def attempt_view(a: serving_queries.AttemptRow) -> Attempt:
    return Attempt(**_fields(a, "hash") | {"flags": _flags.decode(a.flags)})


class _Sealing(NamedTuple):
    legal_order: UUID
    view: Sealing


async def _sealings(tx: Tx, orders: Sequence[UUID]) -> list[_Sealing]:
    rows = await sealing_queries.sealings(tx, orders)
    seals = defaultdict[UUID, list[Seal]](list)
    for s in await sealing_queries.seals(tx, [row.id for row in rows]):
        seals[s.sealing].append(Seal(s.number, s.machine, s.lifted_at))
    return [
        _Sealing(
            row.legal_order,
            Sealing(
                **_fields(row) | {"machines": machines_of(row), "seals": seals[row.id]},
            ),
        )
        for row in rows
    ]


def machines_of(row: sealing_queries.SealingRow) -> list[str]:
    return _texts.decode(row.machines)


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
    shown = [r.id for r in rows]
    findings = _by_order(await queries.findings_of(tx, shown))
    claims = _by_order(await outcome_queries.claims(tx, shown))
    return [_company_view(r, findings[r.id], claims[r.id]) for r in rows]


async def company_order(tx: Tx, id: UUID) -> CompanyOrder:
    found = await company_orders(tx, ids=[id])
    if not found:
        raise OrderNotFound(order=id)
    return found[0]


def _company_view(
    r: Row, findings: Sequence[queries.Verified], claims: Sequence[outcome_queries.ClaimRow]
) -> CompanyOrder:
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
            for f in findings
        ],
        served_at=r.served_at,
        due_at=r.due_at,
        appeal_until=r.appeal_until,
        stayed=r.stay is not None,
        document=r.document,
        claims=[Claim(**_fields(c)) for c in claims],
    )
