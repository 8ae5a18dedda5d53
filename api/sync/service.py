"""The phone's sync: push what it noted, pull what changed, and the receipts of what it sent.

A push is one transaction: every id it touches is locked first, in one order; each operation has a
savepoint of its own; one commit; the whole runs again after a deadlock. An operation's identity is
its id: sent again it gets its first result and receipt again, whatever has happened since.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, get_type_hints
from uuid import UUID

import asyncpg
import jwt
import msgspec

from api import ids, keys, permissions, sealed
from api.cursors import Place
from api.db import Retry, Tx, Unreachable
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import field
from api.inspection.visits.field import Applied
from api.inspection.visits.model import Held
from api.inspection.visits.operations import (
    AddResult,
    Answer,
    FieldOperation,
    RecordVisit,
    SettleAnswer,
    SubmitVisit,
)
from api.permissions import Session
from api.problems import Problem
from api.sync import queries
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
}

_envelope = msgspec.json.Decoder(Envelope)
_decoders = {name: msgspec.json.Decoder(kind) for name, (kind, _) in VERBS.items()}
_result = msgspec.json.Decoder(Result)
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


async def push(tx: Tx, operations: Sequence[msgspec.Raw]) -> list[Result]:
    """Stores what can be stored; a result for each operation, in order.

    Raises `TooManyOperations` alone; everything else is the result of its operation.
    """
    permissions.reaches(tx.actor, "sync.push")
    assert isinstance(tx.actor, Session)
    if len(operations) > MAX_OPERATIONS:
        raise TooManyOperations(limit=MAX_OPERATIONS)
    raws = [bytes(raw) for raw in operations]
    envelopes = [_open(raw) for raw in raws]
    known = [e for e in envelopes if isinstance(e, Envelope)]
    if known:
        await tx.lock({e.id for e in known} | {e.visit for e in known})
    stored = await queries.stored(tx, [e.id for e in known]) if known else {}
    fresh = sorted({e.visit for e in known if e.id not in stored})
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
        result, row = await _store(tx, envelope, raw, held)
        results.append(result)
        if row is not None:
            stored[envelope.id] = row
    return results


def _open(raw: bytes) -> Envelope | Problem:
    try:
        envelope = _envelope.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return OperationUnreadable(reason=_said(error))
    if envelope.op not in VERBS:
        return OperationUnreadable(reason="unknown op", operation=envelope.id)
    if envelope.contract not in CONTRACTS:
        return ContractUnknown(operation=envelope.id, accepted=list(CONTRACTS))
    return envelope


# --- a new operation ----------------------------------------------------------------------------


async def _store(
    tx: Tx, envelope: Envelope, raw: bytes, held: dict[UUID, Held]
) -> tuple[Result, Stored | None]:
    try:
        async with tx.savepoint():
            op, odd = _decode(envelope, raw)
            applied = await VERBS[envelope.op][1](tx, op, held, odd)
            status: Status = (
                "conflict" if applied.conflicts else "flagged" if applied.flags else "stored"
            )
            result = Result(envelope.id, status, flags=applied.flags, conflicts=applied.conflicts)
            return result, await _keep(tx, envelope, raw, result, held[envelope.visit])
    except Problem as problem:
        await _load_again(tx, envelope.visit, held)
        return await _refuse(tx, envelope.id, problem, raw), None
    except (*Retry, *Unreachable):
        raise
    except asyncpg.DataError as error:
        await _load_again(tx, envelope.visit, held)
        unreadable = OperationUnreadable(reason=type(error).__name__)
        return await _refuse(tx, envelope.id, unreadable, raw), None
    except asyncpg.PostgresError:
        log.exception("operation failed", extra={"facts": {"operation": str(envelope.id)}})
        await _load_again(tx, envelope.visit, held)
        return Result(envelope.id, "retry"), None


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


def _decode(envelope: Envelope, raw: bytes) -> tuple[FieldOperation, list[Flag]]:
    odd: list[Flag] = []
    if b"\\u0000" in raw:
        cleaned = _NUL.sub(rb"\1\\ufffd", raw)
        if cleaned != raw:
            raw = cleaned
            odd.append(Flag("text.nul"))
    try:
        return _decoders[envelope.op].decode(raw), odd
    except msgspec.ValidationError as error:
        return _salvage(envelope, raw, str(error), odd)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperationUnreadable(reason=_said(error), operation=envelope.id) from None


@lru_cache(maxsize=8)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _salvage(
    envelope: Envelope, raw: bytes, said: str, odd: list[Flag]
) -> tuple[FieldOperation, list[Flag]]:
    """Keeps every part of an operation that can be understood and flags the others.

    The bytes are kept whole beside it, so that nothing is lost.
    """
    kind = VERBS[envelope.op][0]
    parts = msgspec.json.decode(raw)
    values: dict[str, Any] = {}
    for name, hint in _hints(kind).items():
        if name not in parts:
            continue
        try:
            values[name] = msgspec.convert(parts[name], hint)
        except msgspec.ValidationError as error:
            if name == "answers" and isinstance(parts[name], list):
                values[name] = _salvage_answers(parts[name], odd)
            else:
                odd.append(Flag("field.unreadable", {"field": name, "reason": str(error)}))
    try:
        return kind(**values), odd
    except TypeError:
        raise OperationUnreadable(reason=said, operation=envelope.id) from None


def _salvage_answers(found: list[Any], odd: list[Flag]) -> list[Answer]:
    answers = []
    for place, part in enumerate(found):
        try:
            answers.append(msgspec.convert(part, Answer))
        except msgspec.ValidationError as error:
            item = part.get("item") if isinstance(part, dict) else None
            odd.append(
                Flag("answer.unreadable", {"place": place, "item": item, "reason": str(error)})
            )
            if isinstance(item, str):
                answers.append(Answer(item=item, value=part.get("value")))
    return answers


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

    walk(a, b, "$")
    return found[:20]


async def _refuse(tx: Tx, operation: UUID | None, problem: Problem, raw: bytes) -> Result:
    """Says why, and keeps the bytes for support; the phone may mend and send the id again."""
    assert isinstance(tx.actor, Session)
    id = ids.new()
    cell = sealed.Cell("refused_operation", "raw", id)
    kept = sealed.seal_under_ring(cell, raw)
    await queries.insert_refused(tx, id, operation, tx.actor.account, problem.code, kept)
    return _rejected(operation or problem.facts.get("operation"), problem)


def _rejected(operation: UUID | None, problem: Problem) -> Result:
    document = problem.document("th")
    document["title_en"] = problem.sentence("en")
    return Result(operation, "rejected", problem=document)


def _said(error: Exception) -> str:
    return str(error)[:200] if isinstance(error, msgspec.MsgspecError) else type(error).__name__


# --- receipts -----------------------------------------------------------------------------------


def _hash(raw: bytes) -> bytes:
    """Keyed, so that a guess of the content cannot be tried against it."""
    return hmac.digest(keys.ring().derive("operation"), raw, hashlib.sha256)


def _sign(operation: UUID, digest: bytes, received_at: datetime) -> str:
    """A compact JWS (RFC 7515) over what the server holds; its key is in our JWKS."""
    kid, private = keys.ring().signer(keys.Purpose.receipt)
    payload = msgspec.json.encode(
        {"operation": operation, "hash": digest, "received_at": received_at}
    )
    return jwt.api_jws.encode(
        payload, private, algorithm="EdDSA", headers={"kid": kid, "typ": "receipt+jws"}
    )


async def receipts(tx: Tx, after: Place | None, limit: int = 500) -> list[Receipt]:
    """The receipts of everything that the caller ever sent, oldest first."""
    permissions.reaches(tx.actor, "receipt.read")
    assert isinstance(tx.actor, Session)
    return await queries.receipts(tx, tx.actor.account, after, limit)
