"""Service after s.38 of the Factory Act: every attempt, when it counts, and the notices of s.40."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from api import deadlines, keys, sealed, settings, workdays
from api.clock import bangkok_date
from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.orders import ending, queries, reading, serving_queries
from api.inspection.orders.model import (
    APPEAL_DAYS,
    MOVES,
    PROOF_OF,
    WAIT_WORKING_DAYS,
    WAITS,
    NotForThisKind,
    OrderExists,
    OrderKind,
    OrderNotFound,
    OrderSealed,
    ProofWrong,
    Row,
    ServeOrder,
)
from api.inspection.orders.reading import APPEAL, DUE, SERVICE
from api.inspection.orders.views import Attempt, Order
from api.inspection.visits import entry
from api.inspection.visits.operations import Position, Start
from api.jobs import Job
from api.permissions import Session


async def attempt(tx: Tx, order: UUID, id: UUID, wanted: ServeOrder) -> Attempt:
    """Records an attempt to serve under the sender's id; the same again is the same attempt.

    Personal, substitute and witnessed service count at once; what was posted counts when five
    working days have passed. Odd times and places are flagged. Raises `ProofWrong`, `OrderSealed`.
    """
    await tx.lock([order])
    row = await reading.row(tx, order, "order.serve")
    digest = _digest(order, wanted)
    before = await serving_queries.attempt(tx, id)
    if before is not None:
        if before.legal_order != order:
            raise OrderNotFound(order=order)
        if not hmac.compare_digest(before.hash, digest):
            raise OrderExists(attempt=id)
        return reading.attempt_view(before)
    if ("attempt", row.state) not in MOVES:
        raise OrderSealed(state=row.state)
    kind = PROOF_OF[wanted.how]
    if (kind is None) != (wanted.proof is None) or (
        kind is not None and not isinstance(wanted.proof, kind)
    ):
        raise ProofWrong(how=wanted.how)
    flags = _odd(wanted, tx.now)
    at = min(wanted.at, tx.now)  # nothing is served in the future
    counts_at: datetime | None = None
    if wanted.how in WAITS:
        counts_at = await _deemed(tx, bangkok_date(at))
    elif wanted.how != "not_found":
        counts_at = at
    proof = None
    if wanted.proof is not None:
        text = msgspec.json.encode(wanted.proof).decode()
        cell = sealed.Cell("service_attempt", "proof", id)
        proof = await sealed.seal(tx, row.data_key, cell, text)
    await serving_queries.insert_attempt(
        tx,
        id=id,
        order=order,
        how=wanted.how,
        at=wanted.at,
        officer=_account(tx),
        place=wanted.place,
        position=_text(wanted.position),
        proof=proof,
        evidence=wanted.evidence,
        flags=msgspec.json.encode(flags).decode(),
        counts_at=counts_at,
        digest=digest,
    )
    facts = {"attempt": id, "how": wanted.how}
    if counts_at is None or counts_at > tx.now:
        if counts_at is not None:
            await deadlines.start(tx, SERVICE, id, counts_at)
        await reading.tell(tx, row, "order.service_attempted", facts)
    else:
        await _count(tx, row, id, counts_at)
    found = await serving_queries.attempt(tx, id)
    assert found is not None
    return reading.attempt_view(found)


async def counts_now(tx: Tx, attempt: UUID) -> None:
    """The clock `order.service` ran out: five working days have passed since it was posted."""
    found = await serving_queries.attempt(tx, attempt)
    if found is None or found.counts_at is None or found.counted_at is not None:
        return
    await tx.lock([found.legal_order])
    row = await reading.row(tx, found.legal_order, "order.serve")
    await _count(tx, row, attempt, found.counts_at)


async def recount(tx: Tx, job: Job) -> None:
    """After cabinet declared a special day: moves what has not counted yet, and only to later."""
    for waiting in await serving_queries.waiting_attempts(tx):
        await tx.lock([waiting.legal_order])
        day = await _deemed(tx, bangkok_date(min(waiting.at, waiting.received_at)))
        if await serving_queries.postpone_attempt(tx, waiting.id, day):
            await deadlines.start(tx, SERVICE, waiting.id, day)
            row = await reading.row(tx, waiting.legal_order, "order.serve")
            facts = {"attempt": waiting.id, "counts_at": day}
            await reading.tell(tx, row, "order.service_postponed", facts)


async def _count(tx: Tx, row: Row, attempt: UUID, at: datetime) -> None:
    """The order is served: the time to correct and the time for appeal begin."""
    await serving_queries.count_attempt(tx, attempt)
    to = MOVES.get(("serve", row.state))
    if to is None:
        return  # served before by another attempt, or ended meanwhile: the first one counts
    row.state = to
    day = bangkok_date(at)
    days = reading.content_of(row).days
    due = None if days is None else workdays.end_of(day + timedelta(days=days))
    until = workdays.end_of(day + timedelta(days=APPEAL_DAYS))
    await queries.serve(tx, row.id, at, due, until)
    if due is not None and row.kind == OrderKind.correct:
        await deadlines.start(tx, DUE, row.id, due)
    await deadlines.start(tx, APPEAL, row.id, until)
    await reading.tell(tx, row, "order.served", {"attempt": attempt})
    await ending.after_service(tx, row)


async def _deemed(tx: Tx, posted: date) -> datetime:
    special: Mapping[date, bool] = await workdays.special_days(tx, posted)
    return workdays.end_of(workdays.after(posted, WAIT_WORKING_DAYS, special))


def _odd(wanted: ServeOrder, now: datetime) -> list[Flag]:
    """A time ahead of ours, or outside daylight and working hours (s.38 as s.35(1))."""
    flags = entry.clock_flags(wanted.at, now, settings.current().clock_skew_s, "service")
    if wanted.how in ("registered_post", "not_found"):
        return flags
    where = wanted.position
    position = None if where is None else Position(where.lat, where.lng, where.accuracy_m)
    return flags + entry.hours_flags(Start(at=wanted.at, position=position), None)


# --- notices (s.40) -----------------------------------------------------------------------------


class Notice(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One place at the factory where the order was posted."""

    place: str
    at: datetime
    evidence: list[UUID] = []


async def post_notice(tx: Tx, order: UUID, id: UUID, notice: Notice) -> Order:
    """A stop or closure order was posted at one place of the factory. Raises `NotForThisKind`."""
    row = await reading.moving(tx, order, None, "notice", "order.serve")
    if row.kind not in (OrderKind.stop, OrderKind.close):
        raise NotForThisKind(kind=row.kind)
    if await serving_queries.insert_notice(
        tx, id, order, notice.place, notice.at, _account(tx), notice.evidence
    ):
        await reading.tell(tx, row, "order.notice_posted", {"notice": id})
    return await reading.order(tx, order)


# --- who received it ----------------------------------------------------------------------------


class ProofOpened(msgspec.Struct):
    """The proof of service as it was recorded; names are in it."""

    attempt: UUID
    proof: dict[str, Any] | None


async def open_proof(tx: Tx, order: UUID, attempt: UUID) -> ProofOpened:
    """Opening the seal is an event."""
    await reading.row(tx, order, "order.open_proof")
    found = await serving_queries.attempt(tx, attempt)
    if found is None or found.legal_order != order:
        raise OrderNotFound(order=order)
    blob = await serving_queries.proof_of(tx, attempt)
    if blob is None:
        return ProofOpened(attempt, None)
    cell = sealed.Cell("service_attempt", "proof", attempt)
    text = await sealed.unseal(tx, sealed.Sealed(cell, blob), purpose="order.service")
    return ProofOpened(attempt, msgspec.json.decode(text))


def _digest(order: UUID, wanted: ServeOrder) -> bytes:
    raw = order.bytes + msgspec.json.encode(wanted, order="sorted")
    return hmac.digest(keys.ring().derive("service_attempt"), raw, hashlib.sha256)


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _account(tx: Tx) -> UUID:
    assert isinstance(tx.actor, Session)
    return tx.actor.account
