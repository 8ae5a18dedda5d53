"""The phone's sync: push what it noted, pull what changed, and the receipts of what it sent.

A push is one transaction: every id it touches is locked first, in one order; each operation has a
savepoint of its own; one commit; the whole runs again after a deadlock. One operation alone goes
without a savepoint: should it fail, the whole is undone and runs again with one. An operation's
identity is its id: sent again it gets its first result and receipt again, whatever has happened
since.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api import keys, permissions, sealed
from api.cursors import Place
from api.db import Retry, Tx, Unreachable
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import field, samples, signing
from api.inspection.visits.model import Held
from api.inspection.visits.operations import (
    AddResult,
    FieldOperation,
    RecordVisit,
    SettleAnswer,
    SignVisit,
    SubmitVisit,
    TakeSample,
)
from api.inspection.visits.steps import Applied
from api.permissions import Session
from api.problems import Problem
from api.sync import queries, unpacking
from api.sync.model import (
    CONTRACTS,
    MAX_OPERATIONS,
    ContractUnknown,
    Envelope,
    OperationDiffers,
    OperationNotFound,
    OperationUnreadable,
    Receipt,
    Result,
    Status,
    Stored,
    TooManyOperations,
)

log = logging.getLogger("superapp.sync")

Verb = Callable[[Tx, Any, dict[UUID, Held], Sequence[Flag]], Awaitable[Applied]]

VERBS: dict[str, tuple[type[FieldOperation], Verb]] = {
    "visit.record": (RecordVisit, field.record_visit),
    "visit.settle": (SettleAnswer, field.settle_answer),
    "visit.submit": (SubmitVisit, field.submit_visit),
    "visit.add_result": (AddResult, field.add_result),
    "visit.sign": (SignVisit, signing.sign_visit),
    "visit.take_sample": (TakeSample, samples.take_sample),
}

_result = msgspec.json.Decoder(Result)


class Undone(Exception):
    """An operation failed in a push without savepoints: run the push again, with them."""


async def push(
    tx: Tx, operations: Sequence[msgspec.Raw], *, savepoints: bool = True
) -> list[Result]:
    """Stores what can be stored; a result for each operation, in order.

    Raises `TooManyOperations`, and `Undone` without `savepoints`; everything else is the result of
    its operation.
    """
    permissions.reaches(tx.actor, "sync.push")
    assert isinstance(tx.actor, Session)
    if len(operations) > MAX_OPERATIONS:
        raise TooManyOperations(limit=MAX_OPERATIONS)
    raws = [bytes(raw) for raw in operations]
    envelopes = [unpacking.envelope(raw) for raw in raws]
    known = [e for e in envelopes if isinstance(e, Envelope)]
    if known:
        await tx.lock({e.id for e in known} | {e.visit for e in known})
    stored = await queries.stored(tx, [e.id for e in known]) if known else {}
    fresh = sorted({e.visit for e in known if e.id not in stored and _outdated(e) is None})
    held = await field.hold(tx, fresh) if fresh else {}
    results = []
    for raw, envelope in zip(raws, envelopes, strict=True):
        if isinstance(envelope, Problem):
            results.append(await _refuse(tx, None, envelope, raw))
            continue
        before = stored.get(envelope.id)
        if before is not None:
            results.append(await _replay(tx, before, raw, tx.actor.account))
            continue
        if (outdated := _outdated(envelope)) is not None:
            results.append(await _refuse(tx, envelope.id, outdated, raw))
            continue
        try:
            async with tx.savepoint(last=raw is raws[-1]) if savepoints else nullcontext():
                result, row = await _store(tx, envelope, raw, held)
        except (*Retry, *Unreachable):
            raise
        except Exception as error:
            if not savepoints:
                raise Undone from error
            result, row = await _failed(tx, envelope, raw, held, error), None
        results.append(result)
        if row is not None:
            stored[envelope.id] = row
    return results


def _outdated(envelope: Envelope) -> Problem | None:
    """Why a new operation is not even looked into. What was once stored is not asked this."""
    if envelope.op not in VERBS:
        return OperationUnreadable(reason="unknown op", operation=envelope.id)
    if envelope.contract not in CONTRACTS:
        return ContractUnknown(operation=envelope.id, accepted=list(CONTRACTS))
    return None


# --- a new operation ----------------------------------------------------------------------------


async def _store(
    tx: Tx, envelope: Envelope, raw: bytes, held: dict[UUID, Held]
) -> tuple[Result, Stored]:
    kind, verb = VERBS[envelope.op]
    op, odd = unpacking.operation(kind, envelope.id, raw)
    applied = await verb(tx, op, held, odd)
    status: Status = "conflict" if applied.conflicts else "flagged" if applied.flags else "stored"
    result = Result(envelope.id, status, flags=applied.flags, conflicts=applied.conflicts)
    return result, await _keep(tx, envelope, raw, result, held[envelope.visit])


async def _failed(
    tx: Tx, envelope: Envelope, raw: bytes, held: dict[UUID, Held], error: Exception
) -> Result:
    """What an operation gets whose savepoint was rolled back."""
    await _load_again(tx, envelope.visit, held)
    if isinstance(error, Problem):
        return await _refuse(tx, envelope.id, error, raw)
    if isinstance(error, asyncpg.DataError | asyncpg.ProgramLimitExceededError):
        return await _refuse(tx, envelope.id, OperationUnreadable(reason=type(error).__name__), raw)
    # A fault of ours in one operation must not hold up the rest of the queue.
    facts = {"operation": str(envelope.id)}
    log.error("operation failed", exc_info=error, extra={"facts": facts})
    return Result(envelope.id, "retry")


async def _load_again(tx: Tx, visit: UUID, held: dict[UUID, Held]) -> None:
    """After a rollback to the savepoint the copy in memory may be ahead of the data base."""
    held.pop(visit, None)
    held.update(await field.hold(tx, [visit]))


async def _keep(tx: Tx, envelope: Envelope, raw: bytes, result: Result, held: Held) -> Stored:
    assert isinstance(tx.actor, Session)
    digest = _hash(raw)
    result.receipt = _sign(envelope.id, digest, tx.now)
    row = Stored(
        envelope.id,
        envelope.op,
        envelope.visit,
        tx.actor.account,
        tx.now,
        digest,
        msgspec.json.encode(result).decode(),
        result.receipt,
    )
    cell = sealed.Cell("operation", "raw", envelope.id)
    await queries.insert_operation(
        tx,
        id=row.id,
        kind=row.kind,
        record=row.record,
        account=row.account,
        session=tx.actor.session,
        digest=digest,
        result=row.result,
        receipt=row.receipt,
        raw=await sealed.seal_bytes(tx, held.visit.data_key, cell, raw),
    )
    return row


# --- replays and refusals -----------------------------------------------------------------------


async def _replay(tx: Tx, before: Stored, raw: bytes, account: UUID) -> Result:
    """The first result again. Other content under the id is told to its sender alone."""
    if before.account != account:
        return _rejected(before.id, OperationNotFound(operation=before.id))
    if not hmac.compare_digest(before.hash, _hash(raw)):
        cell = sealed.Cell("operation", "raw", before.id)
        try:
            first = await sealed.unseal_bytes(tx, cell, await queries.raw_of(tx, before.id))
        except sealed.Erased:
            first = b""  # nobody can say any more where they differ, only that they do
        if differs := _differences(first, raw):
            return _rejected(before.id, OperationDiffers(operation=before.id, differs=differs))
    result = _result.decode(before.result)
    result.replayed = True
    return result


def _differences(first: bytes, second: bytes) -> list[str]:
    """Where two operations differ, as paths; layout and order of fields are no difference."""
    try:
        a, b = msgspec.json.decode(first), msgspec.json.decode(second)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ["$"]
    found: list[str] = []

    def walk(left: Any, right: Any, path: str) -> None:
        if isinstance(left, dict) and isinstance(right, dict):
            for name in sorted(left.keys() | right.keys()):
                walk(left.get(name), right.get(name), f"{path}.{name}")
        elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            for place, (x, y) in enumerate(zip(left, right, strict=True)):
                walk(x, y, f"{path}[{place}]")
        elif left != right or type(left) is not type(right):
            found.append(path)

    try:
        walk(a, b, "$")
    except RecursionError:
        return ["$"]
    return found[:20]


async def _refuse(tx: Tx, operation: UUID | None, problem: Problem, raw: bytes) -> Result:
    """Says why, and keeps the bytes for support; the phone may mend and send the id again.

    The same bytes of the same account are kept once: a phone may send them every minute.
    """
    assert isinstance(tx.actor, Session)
    id = UUID(bytes=_hash(tx.actor.account.bytes + raw)[:16])
    cell = sealed.Cell("refused_operation", "raw", id)
    kept = sealed.seal_under_ring(cell, raw)
    await queries.insert_refused(tx, id, operation, tx.actor.account, problem.code, kept)
    return _rejected(operation, problem)


def _rejected(operation: UUID | None, problem: Problem) -> Result:
    document = problem.document("th")
    document["title_en"] = problem.sentence("en")
    return Result(operation, "rejected", problem=document)


# --- receipts -----------------------------------------------------------------------------------


def _hash(raw: bytes) -> bytes:
    """Keyed, so that a guess of the content cannot be tried against it."""
    return hmac.digest(keys.ring().derive("operation"), raw, hashlib.sha256)


def _sign(operation: UUID, digest: bytes, received_at: datetime) -> str:
    """A compact JWS (RFC 7515) over what the server holds; its key is in our JWKS.

    Put together here: through PyJWT it took twice as long, most of it not the signature's.
    """
    kid, private = keys.ring().signer(keys.Purpose.receipt)
    header = {"alg": "EdDSA", "kid": kid, "typ": "receipt+jws"}
    payload = {"operation": operation, "hash": digest, "received_at": received_at}
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, payload))
    return b".".join((signed, _base64url(private.sign(signed)))).decode()


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


async def receipts(tx: Tx, after: Place | None, limit: int = 500) -> list[Receipt]:
    """The receipts of everything that the caller ever sent, oldest first."""
    permissions.reaches(tx.actor, "receipt.read")
    assert isinstance(tx.actor, Session)
    return await queries.receipts(tx, tx.actor.account, after, limit)
