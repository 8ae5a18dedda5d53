"""The current answer as a function of all versions ever sent: a multi-value register per item.

A version names in `supersedes` what its author had seen. What nobody superseded stands. Several
that stand with one value agree; with different values they conflict, and both are kept. The same
set of versions gives the same answers whatever the order of arrival, so that phones and servers
converge (Shapiro et al. 2011, multi-value register). Pure: no clock, no data base.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from api.inspection.visits.model import Version
from api.inspection.visits.views import CurrentAnswer

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def standing(versions: list[Version]) -> list[Version]:
    """The versions of one item that stand, one for each different value, the latest first.

    Never empty where `versions` is not. What a conflict amounts to is not decided here.
    """
    if len(versions) == 1:
        return versions
    by_value: dict[bytes, Version] = {}
    for v in sorted(heads(versions), key=_moment):
        by_value[_value_key(v)] = v
    return sorted(by_value.values(), key=_moment, reverse=True)


def heads(versions: Sequence[Version]) -> Sequence[Version]:
    """The versions of one item that nothing superseded, those of one value each for itself.

    A later answer of the same author replaces their own earlier one even where the phone forgot
    to say so, and also after a colleague answered on top of the later one. Claims that go round
    in a circle count for nothing: something always stands.
    """
    superseded = {operation for v in versions for operation in v.supersedes}
    free = [v for v in versions if v.operation not in superseded] or versions
    latest: dict[UUID, Version] = {}
    for v in versions:
        mine = latest.get(v.author)
        if mine is None or _moment(v) > _moment(mine):
            latest[v.author] = v
    if len(latest) == 1 and not superseded:
        return list(latest.values())  # one officer who corrects themself, by far the most frequent
    seen = {v.operation: v.supersedes for v in versions}
    return [v for v in free if not _replaced(v, latest[v.author], seen)] or free


def _replaced(v: Version, latest: Version, seen: Mapping[UUID, Sequence[UUID]]) -> bool:
    """Whether `latest`, of the same author, is later than `v` and `v` does not rest on it."""
    if _moment(latest) <= _moment(v):
        return False
    below, todo = set[UUID](), list(v.supersedes)
    while todo:
        operation = todo.pop()
        if operation not in below:
            below.add(operation)
            todo += seen.get(operation, ())
    return latest.operation not in below


def current(versions: Iterable[Version]) -> dict[str, CurrentAnswer]:
    """Item → the answer as it stands."""
    by_item: dict[str, list[Version]] = {}
    for v in versions:
        by_item.setdefault(v.item, []).append(v)
    return {item: current_of(found) for item, found in sorted(by_item.items())}


def current_of(versions: list[Version]) -> CurrentAnswer:
    """The answer that `versions`, all of one item and not empty, amount to."""
    heads = standing(versions)
    standing_now = {v.operation for v in heads}
    was_fail = any(v.outcome == "fail" and v.operation not in standing_now for v in versions)
    answer = _answer(heads[0], was_fail)
    if len(heads) > 1:
        answer.conflict = True
        answer.others = [_answer(v, was_fail) for v in heads[1:]]
    return answer


def _answer(v: Version, was_fail: bool) -> CurrentAnswer:
    return CurrentAnswer(
        item=v.item,
        value=v.value,
        outcome=v.outcome,
        operation=v.operation,
        author=v.author,
        answered_at=v.answered_at,
        note=v.note,
        reason=v.reason,
        licence=v.licence,
        flags=v.flags,
        was_fail=was_fail and v.outcome != "fail",
    )


def _moment(v: Version) -> tuple[datetime, bytes]:
    return (v.answered_at or _BEFORE_ALL, v.operation.bytes)


def _value_key(v: Version) -> bytes:
    value = v.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 7 and 7.0 are one number
    return msgspec.json.encode((value, v.licence), order="sorted")
