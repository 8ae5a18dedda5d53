"""Takes what a phone sent apart: a body into operations, an operation into its parts.

Bad data is kept and flagged. Only what cannot be understood at all is a Problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, get_type_hints
from uuid import UUID

import msgspec

from api.inspection.checklists.rule_values import Flag
from api.inspection.visits.model import TooManyAnswers
from api.inspection.visits.operations import (
    MAX_ANSWERS,
    Answer,
    FieldOperation,
    RecordVisit,
    drop_impossible_times,
)
from api.problems import Malformed, Problem
from api.sync.model import Envelope, OperationUnreadable, Push

_push = msgspec.json.Decoder(Push)
_envelope = msgspec.json.Decoder(Envelope)
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)
_ESCAPES = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def open_push(body: bytes) -> list[msgspec.Raw]:
    """The operations of a request's body, each still to be decoded; raises `Malformed`.

    Half a surrogate pair (a phone that cuts a note in the middle of an emoji) and NUL bytes would
    make the whole body unreadable: they become U+FFFD, and `operation` flags their operation.
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


def envelope(raw: bytes) -> Envelope | Problem:
    """What tells a replay, or why it cannot be told."""
    try:
        return _envelope.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return OperationUnreadable(reason=_said(error))


def operation(
    kind: type[FieldOperation], id: UUID, raw: bytes
) -> tuple[FieldOperation, list[Flag]]:
    """The operation `id` as a `kind`, and what is odd about how it was written.

    Raises `OperationUnreadable`, `TooManyAnswers`.
    """
    op, odd = _understood(kind, id, raw)
    if isinstance(op, RecordVisit):
        _count(op.answers)
    return op, odd + drop_impossible_times(op)


def _count(answers: Sequence[Any]) -> None:
    if len(answers) > MAX_ANSWERS:
        raise TooManyAnswers(count=len(answers), limit=MAX_ANSWERS)


def _understood(
    kind: type[FieldOperation], id: UUID, raw: bytes
) -> tuple[FieldOperation, list[Flag]]:
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
            return _decoder(kind).decode(raw), odd
        except UnicodeDecodeError:  # another encoding than UTF-8 in some text
            raw = raw.decode("utf-8", "replace").encode()
            odd.append(Flag("text.damaged"))
            return _decoder(kind).decode(raw), odd
    except msgspec.ValidationError as error:
        return _salvage(kind, id, raw, _said(error), odd)
    except (msgspec.DecodeError, RecursionError) as error:
        raise OperationUnreadable(reason=_said(error), operation=id) from None


@lru_cache(maxsize=8)
def _decoder(kind: type[FieldOperation]) -> msgspec.json.Decoder[FieldOperation]:
    return msgspec.json.Decoder(kind)


@lru_cache(maxsize=8)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _salvage(
    kind: type[FieldOperation], id: UUID, raw: bytes, said: str, odd: list[Flag]
) -> tuple[FieldOperation, list[Flag]]:
    """Keeps every part of an operation that can be understood and flags the others.

    The bytes are kept whole beside it, so that nothing is lost.
    """
    try:
        parts = json.loads(raw, parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise OperationUnreadable(reason=_said(error), operation=id) from None
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
        raise OperationUnreadable(reason=said, operation=id) from None


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


def _said(error: Exception) -> str:
    """What is wrong and where, without the value: it may be a person's name."""
    if not isinstance(error, msgspec.MsgspecError):
        return type(error).__name__
    return _QUOTED.sub("'…'", str(error))[:200]
