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
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import lru_cache
from typing import Any, get_type_hints
from uuid import UUID

import asyncpg
import msgspec

from api import keys, permissions, sealed
from api.cursors import Place
from api.db import Retry, Tx, Unreachable
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import field
from api.inspection.visits.field import Applied
from api.inspection.visits.model import Held, TooManyAnswers
from api.inspection.visits.operations import (
    MAX_ANSWERS,
    AddResult,
    Answer,
    FieldOperation,
    RecordVisit,
    SettleAnswer,
    SubmitVisit,
    drop_impossible_times,
)
from api.permissions import Session
from api.problems import Malformed, Problem
from api.sync import queries
from api.sync.model import (
    CONTRACTS,
    MAX_OPERATIONS,
    ContractUnknown,
    Envelope,
    OperationDiffers,
    OperationNotFound,
    OperationUnreadable,
    Push,
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

_push = msgspec.json.Decoder(Push)
_envelope = msgspec.json.Decoder(Envelope)
_decoders = {name: msgspec.json.Decoder(kind) for name, (kind, _) in VERBS.items()}
_result = msgspec.json.Decoder(Result)
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)
_ESCAPES = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def open_push(body: bytes) -> list[msgspec.Raw]:
    """The operations of a request's body, each still to be decoded; raises `Malformed`.

    Half a surrogate pair (a phone that cuts a note in the middle of an emoji) and NUL bytes would
    make the whole body unreadable: they become U+FFFD, and `_decode` flags their operation.
    """
    try:
        return _push.decode(body).operations
    except RecursionError:
        raise Malformed(reason="nested too deeply", where="body") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        mended = _ESCAPES.sub(lambda found: found[1] or rb"\ufffd", body.replace(b"\0", rb"\ufffd"))
        if mended != body:
            return open_push(mended)
        raise Malformed(reason=str(error)[:200], where="body") from None


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
    envelopes = [_open(raw) for raw in raws]
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


def _open(raw: bytes) -> Envelope | Problem:
    try:
        return _envelope.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return OperationUnreadable(reason=_said(error))


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
    op, odd = _decode(envelope, raw)
    odd += drop_impossible_times(op)
    applied = await VERBS[envelope.op][1](tx, op, held, odd)
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


def _decode(envelope: Envelope, raw: bytes) -> tuple[FieldOperation, list[Flag]]:
    op, odd = _understood(envelope, raw)
    if isinstance(op, RecordVisit):
        _count(op.answers)
    return op, odd


def _count(answers: Sequence[Any]) -> None:
    if len(answers) > MAX_ANSWERS:
        raise TooManyAnswers(count=len(answers), limit=MAX_ANSWERS)


def _understood(envelope: Envelope, raw: bytes) -> tuple[FieldOperation, list[Flag]]:
    odd: list[Flag] = []
    if b"\\ufffd" in raw:
        odd.append(Flag("text.damaged"))
    if b"\\u0000" in raw:
        cleaned = _NUL.sub(rb"\1\\ufffd", raw)
        if cleaned != raw:
            raw = cleaned
            odd.append(Flag("text.nul"))
    try:
        try:
            return _decoders[envelope.op].decode(raw), odd
        except UnicodeDecodeError:  # another encoding than UTF-8 in some text
            raw = raw.decode("utf-8", "replace").encode()
            odd.append(Flag("text.damaged"))
            return _decoders[envelope.op].decode(raw), odd
    except msgspec.ValidationError as error:
        return _salvage(envelope, raw, _said(error), odd)
    except (msgspec.DecodeError, RecursionError) as error:
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
    try:
        parts = json.loads(raw, parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise OperationUnreadable(reason=_said(error), operation=envelope.id) from None
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
                odd.append(Flag("field.unreadable", {"field": name, "reason": _said(error)}))
    try:
        return kind(**values), odd
    except TypeError:
        raise OperationUnreadable(reason=said, operation=envelope.id) from None


def _number(text: str) -> Any:
    """A number; one that no number type holds (1e400) stays a text, for its answer's flag."""
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return text[:100]


def _salvage_answers(found: list[Any], odd: list[Flag]) -> list[Answer]:
    _count(found)
    answers = []
    for place, part in enumerate(found):
        try:
            answers.append(msgspec.convert(part, Answer))
        except msgspec.ValidationError as error:
            item = part.get("item") if isinstance(part, dict) else None
            odd.append(
                Flag("answer.unreadable", {"place": place, "item": item, "reason": _said(error)})
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


def _said(error: Exception) -> str:
    """What is wrong and where, without the value: it may be a person's name."""
    if not isinstance(error, msgspec.MsgspecError):
        return type(error).__name__
    return _QUOTED.sub("'…'", str(error))[:200]


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
