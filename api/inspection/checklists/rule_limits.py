"""Limits compiled into closures over a value in its normal form (`rule_values`).

A compiled limit answers HELD, SKIPPED (its `when` is false), UNKNOWN (a fact it needs is missing)
or, where it is broken, the facts of the breach. `openapi/rules.md` §5.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from enum import Enum
from functools import lru_cache
from math import asin, ceil, cos, radians, sin, sqrt
from typing import Any

from api.inspection.checklists import rule_language as lang
from api.inspection.checklists import standard as std
from api.inspection.checklists.rule_conditions import (
    Answers,
    Facts,
    category_test,
    compile_condition,
    compile_number,
    number,
)
from api.inspection.checklists.rule_values import COARSE_M, Days, Line, Lines, Place, parse_day

EARTH_RADIUS_M = 6_371_008.8  # IUGG mean radius


class Held(Enum):
    held = "held"
    skipped = "skipped"
    unknown = "unknown"


HELD, SKIPPED, UNKNOWN = Held.held, Held.skipped, Held.unknown

Result = Held | dict[str, Any]
Test = Callable[[Any, Facts, Answers], Result]


class CompiledLimit:
    """A limit with what its breach says: severity, reference and penalty, the item's by default."""

    __slots__ = ("finding", "id", "is_check", "legal", "penalty", "severity", "test")

    def __init__(self, limit: lang.Limit, item: std.Item) -> None:
        self.id = limit.id
        self.finding = limit.effect == "finding"
        self.is_check = isinstance(limit, lang.Check)
        self.severity = limit.severity or item.severity
        self.legal = limit.legal or item.legal
        self.penalty = item.penalty if limit.penalty is None else limit.penalty
        unit = item.answer.unit if isinstance(item.answer, std.Number) else ""
        self.test = _guarded(limit, _compile(limit, unit))


def _guarded(limit: lang.Limit, test: Test) -> Test:
    if limit.when is None:
        return test
    counts = compile_condition(limit.when)

    def guarded(value: Any, facts: Facts, answers: Answers) -> Result:
        applies = counts(facts, answers)
        if applies:
            return test(value, facts, answers)
        return UNKNOWN if applies is None else SKIPPED

    return guarded


def _compile(limit: lang.Limit, unit: str) -> Test:
    match limit:
        case lang.Range():
            return _range(limit, unit)
        case lang.Increase():
            return _increase(limit, unit)
        case lang.PerStep():
            return _per_step(limit, unit)
        case lang.Age(max_months=months):
            return _age(months)
        case lang.Distance():
            return _distance(limit)
        case lang.Difference(base=None):
            return _lines_differ(limit.tolerance_percent)
        case lang.Difference():
            return _differs(limit, unit)
        case lang.Check():
            return _check(limit)


def _check(limit: lang.Check) -> Test:
    broken = compile_condition(limit.broken_when)

    def test(_value: Any, facts: Facts, answers: Answers) -> Result:
        result = broken(facts, answers)
        if result is None:
            return UNKNOWN
        return {} if result else HELD

    return test


def _range(limit: lang.Range, unit: str) -> Test:
    bounds = _bounds(limit.min, limit.max, limit.min_inclusive, limit.max_inclusive, unit)
    if not limit.exceptions:
        return bounds
    exceptions = [
        (
            category_test(each.categories),
            _bounds(each.min, each.max, limit.min_inclusive, limit.max_inclusive, unit),
        )
        for each in limit.exceptions
    ]

    def test(value: Any, facts: Facts, answers: Answers) -> Result:
        for applies, own in exceptions:
            if applies(facts, answers):
                return own(value, facts, answers)
        return bounds(value, facts, answers)

    return test


def _bounds(
    low: lang.Num | lang.Operand | None,
    high: lang.Num | lang.Operand | None,
    low_in: bool,
    high_in: bool,
    unit: str,
) -> Test:
    if (low is None or isinstance(low, int | float)) and (
        high is None or isinstance(high, int | float)
    ):
        return _fixed(low, high, low_in, high_in, unit)
    read_low = None if low is None else compile_number(low)
    read_high = None if high is None else compile_number(high)

    def test(value: Any, facts: Facts, answers: Answers) -> Result:
        unknown = False
        if read_low is not None:
            least = read_low(facts, answers)
            if least is None:
                unknown = True
            elif value < least or (value == least and not low_in):
                return {"value": value, "limit": least, "side": "min", "unit": unit}
        if read_high is not None:
            most = read_high(facts, answers)
            if most is None:
                unknown = True
            elif value > most or (value == most and not high_in):
                return {"value": value, "limit": most, "side": "max", "unit": unit}
        return UNKNOWN if unknown else HELD

    return test


def _fixed(
    low: lang.Num | None, high: lang.Num | None, low_in: bool, high_in: bool, unit: str
) -> Test:
    """Bounds that are plain numbers, the usual case."""

    def test(value: Any, _facts: Facts, _answers: Answers) -> Result:
        if low is not None and (value < low or (value == low and not low_in)):
            return {"value": value, "limit": low, "side": "min", "unit": unit}
        if high is not None and (value > high or (value == high and not high_in)):
            return {"value": value, "limit": high, "side": "max", "unit": unit}
        return HELD

    return test


def _increase(limit: lang.Increase, unit: str) -> Test:
    base_of = compile_number(limit.base)

    def test(value: Any, facts: Facts, answers: Answers) -> Result:
        base = base_of(facts, answers)
        if base is None:
            return UNKNOWN
        step = next((each.value for each in limit.steps if base <= each.up_to), limit.above)
        if value < base + step:
            return HELD
        return {
            "value": value,
            "limit": base + step,
            "unit": unit,
            "base": base,
            "increase": value - base,
            "step": step,
        }

    return test


def _per_step(limit: lang.PerStep, unit: str) -> Test:
    by_of = compile_number(limit.by)
    last = limit.steps[-1] if limit.steps else lang.Step(up_to=0, value=0)
    each = limit.each if limit.each > 0 else 1

    def test(value: Any, facts: Facts, answers: Answers) -> Result:
        by = by_of(facts, answers)
        if by is None:
            return UNKNOWN
        for step in limit.steps:
            if by <= step.up_to:
                least: float = step.value
                break
        else:
            least = last.value + ceil((by - last.up_to) / each) * limit.add
        if value >= least:
            return HELD
        return {"value": value, "limit": least, "side": "min", "unit": unit, "by": by}

    return test


@lru_cache(maxsize=1024)
def add_months(day: date, months: int) -> date:
    """The same day so many calendar months later, or that month's last day where there is none."""
    month = day.year * 12 + day.month - 1 + months
    year, month = month // 12, month % 12 + 1
    if year > 9999:
        return date.max
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _age(months: int) -> Test:
    def test(value: Days, facts: Facts, _answers: Answers) -> Result:
        visit = parse_day(facts.get("visit_date"))
        if visit is None:
            return UNKNOWN
        until = add_months(value.latest, months)
        if visit > until:
            return {"value": value.latest.isoformat(), "limit": until.isoformat(), "unit": "date"}
        if value.earliest == value.latest or visit <= add_months(value.earliest, months):
            return HELD
        return UNKNOWN

    return test


def metres_between(one: Place, other: Place) -> float:
    """Great-circle distance by the haversine formula on a sphere of the mean radius."""
    lat1, lat2 = radians(one.lat), radians(other.lat)
    h = (
        sin((lat2 - lat1) / 2) ** 2
        + cos(lat1) * cos(lat2) * sin(radians(other.lng - one.lng) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(h)))


def _distance(limit: lang.Distance) -> Test:
    name = limit.base.name

    def test(value: Place, facts: Facts, _answers: Answers) -> Result:
        base = facts.get(name)
        lat = number(base.get("lat")) if isinstance(base, dict) else None
        lng = number(base.get("lng")) if isinstance(base, dict) else None
        if lat is None or lng is None or value.accuracy_m > max(COARSE_M, limit.max_m):
            return UNKNOWN
        metres = metres_between(value, Place(lat, lng, 0.0))
        if metres - value.accuracy_m <= limit.max_m:
            return HELD
        return {
            "value": round(metres, 1),
            "limit": limit.max_m,
            "unit": "m",
            "accuracy_m": value.accuracy_m,
        }

    return test


def _differs(limit: lang.Difference, unit: str) -> Test:
    assert limit.base is not None
    base_of = compile_number(limit.base)
    tolerance = limit.tolerance_percent

    def test(value: Any, facts: Facts, answers: Answers) -> Result:
        base = base_of(facts, answers)
        if base is None:
            return UNKNOWN
        return _difference("", value, base, unit, tolerance)

    return test


def _difference(
    what: str, counted: float, reported: float | None, unit: str, tolerance: float
) -> Result:
    if reported is not None and abs(counted - reported) <= reported * tolerance / 100:
        return HELD
    facts: dict[str, Any] = {
        "value": counted,
        "limit": reported,
        "unit": unit,
        "tolerance_percent": tolerance,
    }
    if what:
        facts["what"] = what
    return facts


def _lines_differ(tolerance: float) -> Test:
    def broken(line: Line) -> Result:
        return _difference(line.what, line.counted, line.reported, line.unit, tolerance)

    def test(value: Lines, _facts: Facts, _answers: Answers) -> Result:
        breaches = [found for line in value.lines if isinstance(found := broken(line), dict)]
        if breaches:
            return {**breaches[0], "lines": len(breaches)}
        return HELD if value.whole else UNKNOWN

    return test
