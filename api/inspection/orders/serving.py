"""Service after s.38 of the Factory Act: every attempt, when it counts, and the notices of s.40."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from api import deadlines, jobs, keys, sealed, settings, workdays
from api.clock import Moment, bangkok_date
from api.db import Tx
from api.documents import queries as document_queries
from api.documents import service as documents
from api.inspection.checklists.rule_values import Flag
from api.inspection.orders import (
    counting,
    move_queries,
    outcome_queries,
    proofs,
    reading,
    serving_queries,
    succession,
)
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import (
    APPEAL_DAYS,
    MOVES,
    TIMED,
    WAITS,
    CardRead,
    Evidence,
    OrderKind,
    Row,
    Said,
    ServeOrder,
)
from api.inspection.orders.problems import (
    NotForThisKind,
    OrderExists,
    OrderNotFound,
    OrderSealed,
)
from api.inspection.orders.reading import APPEAL, DUE, SERVICE
from api.inspection.orders.views import Attempt, Order
from api.inspection.visits import entry
from api.inspection.visits.operations import Position, Start
from api.jobs import Job

RECOUNT_ORDER = "orders.recount_order"
LATE = timedelta(days=14)
"""So far back the recount looks for times whose end no worker has seen yet."""


async def attempt(tx: Tx, order: UUID, id: UUID, wanted: ServeOrder) -> Attempt:
    """Records an attempt to serve under the sender's id; the same again is the same attempt.

    Personal, substitute and witnessed service count at once, by a card when it was read; what was
    posted counts when five working days have passed. Odd times and places are flagged. Raises
    `ProofWrong`, `OrderSealed` and what `using.use` does.
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
    proofs.check(wanted)
    await proofs.claim(tx, row, "service", id, proofs.of_attempt(wanted), shown=False)
    proven = await proofs.taken(tx, order, id, wanted)
    at = counting.effective(row, wanted.at, tx.now, None if proven is None else proven.read_at)
    flags = await _odd(tx, row, wanted)
    counts_at: datetime | None = None
    if wanted.how in WAITS:
        posted = bangkok_date(at)
        counts_at = counting.deemed(posted, await workdays.special_days(tx, posted))
    elif wanted.how != "not_found":
        counts_at = at
    if counts_at is not None and row.served_at is not None and counts_at < row.served_at:
        flags.append(Flag("service.before_the_one_that_counted"))
    proof = None
    if proven is not None:
        flags += proven.flags
        cell = sealed.Cell("service_attempt", "proof", id)
        proof = await sealed.seal(tx, row.data_key, cell, proven.text)
    await serving_queries.insert_attempt(
        tx,
        id=id,
        order=order,
        how=wanted.how,
        at=wanted.at,
        officer=reading.account(tx),
        place=wanted.place,
        position=_text(wanted.position),
        proof=proof,
        proof_evidence=None if wanted.proof is None else wanted.proof.evidence,
        reading=wanted.proof.reading if isinstance(wanted.proof, CardRead) else None,
        evidence=wanted.evidence,
        flags=msgspec.json.encode(flags).decode(),
        counts_at=counts_at,
        digest=digest,
    )
    await reading.tell(
        tx, row, "order.service_attempted", {"attempt": id, "how": wanted.how, "state": row.state}
    )
    await _look(tx, row)
    found = await serving_queries.attempt(tx, id)
    assert found is not None
    return reading.attempt_view(found)


async def may_attempt(tx: Tx, order: UUID) -> None:
    """Whether the caller could record an attempt now. Raises `OrderNotFound`, `OrderSealed`."""
    row = await reading.row(tx, order, "order.serve")
    if ("attempt", row.state) not in MOVES:
        raise OrderSealed(state=row.state)


async def counts_now(tx: Tx, order: UUID) -> None:
    """The clock `order.service` ran out: five working days have passed since it was posted."""
    row = await reading.row(tx, order, "order.serve")
    await _recount_services(tx, row)
    await _look(tx, row)


async def _recount_services(tx: Tx, row: Row) -> None:
    if await counting.postpone_services(tx, row):
        await reading.tell(tx, row, "order.service_postponed")


async def recount(tx: Tx, job: Job) -> None:
    """After cabinet declared a special day: a job for each order whose times it may move."""
    special = await workdays.special_days(tx, bangkok_date(tx.now) - LATE)
    ends = [workdays.end_of(day) for day, working in special.items() if not working]
    found = await serving_queries.waiting_orders(tx) + await serving_queries.ending_at(tx, ends)
    for order in dict.fromkeys(found):
        await jobs.enqueue(tx, RECOUNT_ORDER, {"record": order}, key=f"{order}")


async def recount_order(tx: Tx, job: Job) -> None:
    """Moves the times of one order that had not ended yet, and only to later."""
    order = UUID(job.args["record"])
    await tx.lock([order])
    row = await reading.row(tx, order, "order.serve")
    await _recount_services(tx, row)
    await _look(tx, row)
    await counting.postpone_due(tx, await reading.row(tx, order, "order.serve"))
    await counting.postpone_appeal(tx, await reading.row(tx, order, "order.serve"))


async def _look(tx: Tx, row: Row) -> None:
    """Serves an order that is not served yet by the attempt that was effective first; where none
    is yet, the clock runs to the first that will be.

    Once an order is served that day stands: what arrives later cannot shorten the times that the
    addressee was told.
    """
    to = MOVES.get(("serve", row.state))
    if to is None:
        return
    able = [a for a in await serving_queries.attempts(tx, [row.id]) if a.counts_at is not None]
    if not able:
        return
    first = min(able, key=lambda a: (a.counts_at, a.received_at))
    assert first.counts_at is not None
    if first.counts_at > tx.now:
        await deadlines.start(tx, SERVICE, row.id, first.counts_at)
        return
    await deadlines.meet(tx, SERVICE, row.id)
    await serving_queries.count_attempt(tx, first.id)
    row.state, row.served_at = to, first.counts_at
    day = bangkok_date(first.counts_at)
    special = await workdays.special_days(tx, day)
    days = reading.content_of(row).days if row.kind in TIMED else None
    due = None if days is None else counting.end_of_time(day, days, special)
    until = counting.end_of_time(day, APPEAL_DAYS, special)
    await move_queries.serve(tx, row.id, first.counts_at, due, until)
    if due is not None:
        await deadlines.start(tx, DUE, row.id, due)
    if await outcome_queries.appeal(tx, row.id) is None:
        await deadlines.start(tx, APPEAL, row.id, until)
    for document in await document_queries.current(tx, "order", row.id):
        await documents.show(tx, document)
    await reading.tell(tx, row, "order.served", {"attempt": first.id})
    await succession.after_service(tx, row)


async def _odd(tx: Tx, row: Row, wanted: ServeOrder) -> list[Flag]:
    """A time ahead of ours, before the signature, or outside daylight and working hours (s.38);
    an order that has ended, or whose factory is another operator's by now."""
    flags = entry.clock_flags(wanted.at, tx.now, settings.current().clock_skew_s, "service")
    assert row.signed_at is not None
    if wanted.at < row.signed_at:
        flags.append(Flag("service.before_signature"))
    if row.ended_at is not None:
        flags.append(Flag("service.after_end", {"state": row.state}))
    if row.licence is not None and await subject.operator(tx, row.licence) != row.company:
        flags.append(Flag("service.operator_changed"))
    if wanted.how in ("registered_post", "not_found"):
        return flags
    where = wanted.position
    position = None if where is None else Position(where.lat, where.lng, where.accuracy_m)
    return flags + entry.hours_flags(Start(at=wanted.at, position=position), None)


# --- notices (s.40) -----------------------------------------------------------------------------


class Notice(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One place at the factory where the order was posted."""

    place: Said
    at: Moment
    evidence: Evidence = []


async def post_notice(tx: Tx, order: UUID, id: UUID, notice: Notice) -> Order:
    """A stop or closure order was posted at one place of the factory. Raises `NotForThisKind`."""
    row = await reading.moving(tx, order, None, "notice", "order.serve")
    if row.kind not in (OrderKind.stop, OrderKind.close):
        raise NotForThisKind(kind=row.kind)
    place = " ".join(notice.place.split())
    if await serving_queries.insert_notice(
        tx, id, order, place, notice.at, reading.account(tx), notice.evidence
    ):
        await proofs.claim(tx, row, "notice", id, notice.evidence, shown=False)
        await reading.tell(tx, row, "order.notice_posted", {"notice": id})
    elif not await serving_queries.same_notice(tx, id, order, place, notice.at):
        raise OrderExists(notice=id)
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
