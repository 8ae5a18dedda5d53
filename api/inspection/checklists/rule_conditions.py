"""Operands and conditions compiled into closures; three-valued, and total on any JSON.

True, False or None for unknown (Kleene's strong logic): a fact that the register lacks or a
question not yet answered must neither hide an item nor free it. `openapi/rules.md` §3–4.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from api.inspection.checklists import rule_language as lang

Facts = Mapping[str, Any]
Answers = Mapping[str, Any]
Number = int | float
Read = Callable[[Facts, Answers], Any]  # a string, boolean or usable number; None where unknown
Test = Callable[[Facts, Answers], bool | None]

HUGE = 1e12  # beyond this nothing in a factory is counted or measured: it is a slip or an attack


_TAKE: dict[str, Callable[[list[Number]], Number]] = {"max": max, "min": min, "sum": sum}


def number(value: Any) -> Number | None:
    """`value` where it is a usable JSON number: finite, at most 10¹² in size, and no boolean."""
    if (type(value) is float or type(value) is int) and -HUGE <= value <= HUGE:
        return value
    return None


def scalar(value: Any) -> Any:
    """`value` where it is a string, boolean or usable number, else None."""
    if type(value) is str or type(value) is bool:
        return value
    return number(value)


def same(left: Any, right: Any) -> bool:
    """JSON equality of two scalars: 1 equals 1.0, and true is not 1."""
    return (type(left) is bool) == (type(right) is bool) and bool(left == right)


def compile_operand(operand: lang.Operand) -> Read:
    """A function of facts and answers that gives a scalar, or None where it is not known."""
    match operand:
        case lang.Fact(name=name):
            return lambda facts, _answers: scalar(facts.get(name))
        case lang.Answer(item=item):
            return lambda _facts, answers: scalar(answers.get(item))
        case lang.Rows(item=item, where=where):
            return _rows(item, where)
        case lang.ColumnOf(item=item, column=column, take=take):
            return _column(item, column, _TAKE[take])
        case lang.First(of=of):
            return _first(tuple(compile_operand(each) for each in of))


def compile_number(operand: lang.Operand | Number) -> Callable[[Facts, Answers], Number | None]:
    """As `compile_operand`, for a place where only a number makes sense."""
    if isinstance(operand, int | float):
        constant = operand
        return lambda _facts, _answers: constant
    read = compile_operand(operand)
    return lambda facts, answers: number(read(facts, answers))


def compile_condition(condition: lang.Condition) -> Test:
    """A function of facts and answers that gives True, False, or None where it is not known."""
    match condition:
        case lang.All(of=of):
            return _all(tuple(compile_condition(each) for each in of))
        case lang.AnyOf(of=of):
            return _any(tuple(compile_condition(each) for each in of))
        case lang.Not(of=inner):
            return _not(compile_condition(inner))
        case lang.HasAnswer(item=item):
            return lambda _facts, answers: answers.get(item) is not None
        case lang.Category(any_of=listed):
            return category_test(listed)
        case lang.Eq(left=left, right=right):
            return _equals(compile_operand(left), (right,), True)
        case lang.Ne(left=left, right=right):
            return _equals(compile_operand(left), (right,), False)
        case lang.In(left=left, right=options):
            return _equals(compile_operand(left), options, True)
        case lang.Lt(left=left, right=bound):
            return _ordered(compile_number(left), operator.lt, bound)
        case lang.Le(left=left, right=bound):
            return _ordered(compile_number(left), operator.le, bound)
        case lang.Gt(left=left, right=bound):
            return _ordered(compile_number(left), operator.gt, bound)
        case lang.Ge(left=left, right=bound):
            return _ordered(compile_number(left), operator.ge, bound)
        case lang.Between(left=left, low=low, high=high):
            return _between(compile_number(left), low, high)


def category_test(listed: tuple[str, ...]) -> Test:
    """Whether one of the subject's five-digit categories is listed; a main category is 3 digits."""
    exact = frozenset(code for code in listed if len(code) != 3)
    mains = frozenset(code for code in listed if len(code) == 3)

    def test(facts: Facts, _answers: Answers) -> bool | None:
        codes = facts.get("categories")
        if not isinstance(codes, list | tuple):
            return None
        known = [code for code in codes if isinstance(code, str)]
        if not known:
            return None
        return any(code in exact or (len(code) == 5 and code[:3] in mains) for code in known)

    return test


def _rows(item: str, where: lang.Where | None) -> Read:
    def count(_facts: Facts, answers: Answers) -> int | None:
        rows = answers.get(item)
        if not isinstance(rows, list):
            return None
        if where is None:
            return len(rows)
        found = 0
        for row in rows:
            if isinstance(row, dict):
                cell = scalar(row.get(where.column))
                found += cell is not None and same(cell, where.equals)
        return found

    return count


def _column(item: str, column: str, take: Callable[[list[Number]], Number]) -> Read:
    def read(_facts: Facts, answers: Answers) -> Number | None:
        rows = answers.get(item)
        if not isinstance(rows, list):
            return None
        cells = [number(row.get(column)) for row in rows if isinstance(row, dict)]
        numbers = [cell for cell in cells if cell is not None]
        return take(numbers) if numbers else None

    return read


def _first(reads: tuple[Read, ...]) -> Read:
    def read(facts: Facts, answers: Answers) -> Any:
        for each in reads:
            value = each(facts, answers)
            if value is not None:
                return value
        return None

    return read


def _all(tests: tuple[Test, ...]) -> Test:
    def test(facts: Facts, answers: Answers) -> bool | None:
        result: bool | None = True
        for each in tests:
            part = each(facts, answers)
            if part is False:
                return False
            if part is None:
                result = None
        return result

    return test


def _any(tests: tuple[Test, ...]) -> Test:
    def test(facts: Facts, answers: Answers) -> bool | None:
        result: bool | None = False
        for each in tests:
            part = each(facts, answers)
            if part is True:
                return True
            if part is None:
                result = None
        return result

    return test


def _not(inner: Test) -> Test:
    def test(facts: Facts, answers: Answers) -> bool | None:
        result = inner(facts, answers)
        return None if result is None else not result

    return test


def _equals(read: Read, options: tuple[Any, ...], wanted: bool) -> Test:
    def test(facts: Facts, answers: Answers) -> bool | None:
        left = read(facts, answers)
        if left is None:
            return None
        return any(same(left, option) for option in options) is wanted

    return test


def _ordered(
    read: Callable[[Facts, Answers], Number | None],
    compare: Callable[[Any, Any], bool],
    bound: Number,
) -> Test:
    def test(facts: Facts, answers: Answers) -> bool | None:
        left = read(facts, answers)
        return None if left is None else compare(left, bound)

    return test


def _between(read: Callable[[Facts, Answers], Number | None], low: Number, high: Number) -> Test:
    def test(facts: Facts, answers: Answers) -> bool | None:
        left = read(facts, answers)
        return None if left is None else low <= left <= high

    return test
