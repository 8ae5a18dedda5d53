"""Reading an answer's value by its type: leniently, with flags for what is odd; never raises.

A reader gives a normal form that limits understand, or None where the value cannot be used; what
it finds odd it appends to `flags`. `openapi/rules.md` §2 and §6.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from api.inspection.checklists import standard as std
from api.inspection.checklists.rule_conditions import Facts, number

LONGEST_TEXT = 10_000  # characters (code points)
MOST_ROWS = 500
COARSE_M = 100  # a position less exact than this is flagged
BUDDHIST_FROM = 2400  # a year this late is a Buddhist one, typed where a Christian one belongs
THAILAND = (5.0, 21.0, 97.0, 106.0)  # south, north, west, east


class Flag(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something odd about a value that is kept: a stable code, facts without personal data."""

    code: str
    facts: dict[str, Any] = {}


class Days(NamedTuple):
    """A date that may be partial: its first and last possible day."""

    earliest: date
    latest: date


class Place(NamedTuple):
    lat: float
    lng: float
    accuracy_m: float


class Line(NamedTuple):
    """A line of a comparison; `reported` None means that nothing was reported."""

    what: str
    counted: float
    reported: float | None
    unit: str


class Lines(NamedTuple):
    """The usable lines of a comparison; `whole` where none had to be left out."""

    lines: list[Line]
    whole: bool


Reader = Callable[[Any, Facts, list[Flag]], Any]


def blank(text: str) -> bool:
    """Nothing but spaces, tabs and line ends."""
    return not text.strip(" \t\r\n")


def _wrong(flags: list[Flag], **facts: Any) -> None:
    flags.append(Flag("value.wrong_type", facts))


def _impossible(flags: list[Flag], reason: str, **facts: Any) -> None:
    flags.append(Flag("value.impossible", {"reason": reason, **facts}))


def reader(answer: std.AnswerType) -> Reader:
    """The reader for a type of answer."""
    match answer:
        case std.Number():
            return _number_reader(answer)
        case std.FreeText():
            return read_text
        case std.Date():
            return read_date
        case std.Choice(options=options):
            return _choice_reader(frozenset(option.code for option in options))
        case std.Table():
            return _table_reader(answer)
        case std.Position():
            return read_position
        case std.Sample():
            return read_sample
        case std.Comparison():
            return read_comparison
        case std.PassFail() | std.PassFailNa():
            return _choice_reader(frozenset(("pass", "fail")))


def _number_reader(spec: std.Number) -> Reader:
    lowest, highest, whole = spec.lowest, spec.highest, spec.whole

    def read(value: Any, _facts: Facts, flags: list[Flag]) -> int | float | None:
        if type(value) is not int and type(value) is not float:
            _wrong(flags, expected="number")
        elif not lowest <= value <= highest:  # NaN ends here too
            _impossible(flags, "out_of_range", lowest=lowest, highest=highest)
        elif whole and value != int(value):
            _impossible(flags, "not_whole")
        else:
            return value
        return None

    return read


def read_text(value: Any, _facts: Facts, flags: list[Flag]) -> str | None:
    if type(value) is not str:
        _wrong(flags, expected="text")
        return None
    if blank(value):
        flags.append(Flag("value.empty"))
    elif len(value) > LONGEST_TEXT:
        flags.append(Flag("value.too_long", {"longest": LONGEST_TEXT}))
    return value


_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")


@lru_cache(maxsize=1024)  # a visit's day is read for every date of every answer of that day
def _day(text: str) -> date | None:
    if found := _DAY.match(text):
        try:
            return date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            return None
    return None


def parse_day(value: Any) -> date | None:
    """A day from `YYYY-MM-DD` (or a date as it is), None where there is no such day."""
    if isinstance(value, str):
        return _day(value) if len(value) == 10 else None
    return value if type(value) is date else None


def _whole(value: Any) -> int | None:
    usable = number(value)
    return int(usable) if usable is not None and usable == int(usable) else None


def read_date(value: Any, facts: Facts, flags: list[Flag]) -> Days | None:
    if isinstance(value, str) and (found := _DAY.match(value)):
        if (whole_day := _day(value)) and 1900 <= whole_day.year < BUDDHIST_FROM:
            return _not_after_visit(Days(whole_day, whole_day), facts, flags)
        return _days(int(found[1]), int(found[2]), int(found[3]), facts, flags)
    if isinstance(value, Mapping) and "year" in value:
        parts = [value.get("year"), value.get("month"), value.get("day")]
        whole = [_whole(part) for part in parts]
        readable = all((w is None) == (p is None) for w, p in zip(whole, parts, strict=True))
        if readable and whole[0] is not None and (whole[1] is not None or whole[2] is None):
            if whole[2] is None:
                flags.append(Flag("value.partial_date"))
            return _days(whole[0], whole[1], whole[2], facts, flags)
    _wrong(flags, expected="date")
    return None


def _days(
    year: int, month: int | None, day: int | None, facts: Facts, flags: list[Flag]
) -> Days | None:
    if year >= BUDDHIST_FROM:
        _impossible(flags, "buddhist_year")
        return None
    if year < 1900:
        _impossible(flags, "too_old")
        return None
    if (month is not None and not 1 <= month <= 12) or (
        day is not None and not 1 <= day <= monthrange(year, month or 1)[1]
    ):
        _impossible(flags, "no_such_day")
        return None
    last_month = month or 12
    days = Days(
        date(year, month or 1, day or 1),
        date(year, last_month, day or monthrange(year, last_month)[1]),
    )
    return _not_after_visit(days, facts, flags)


def _not_after_visit(days: Days, facts: Facts, flags: list[Flag]) -> Days | None:
    visit = parse_day(facts.get("visit_date"))
    if visit is not None and days.earliest > visit:
        _impossible(flags, "future")
        return None
    return days


def _choice_reader(codes: frozenset[str]) -> Reader:
    def read(value: Any, _facts: Facts, flags: list[Flag]) -> str | None:
        if type(value) is not str:
            _wrong(flags, expected="choice")
        elif value not in codes:
            _impossible(flags, "unknown_choice")
        else:
            return value
        return None

    return read


def _table_reader(spec: std.Table) -> Reader:
    def cell_fits(column: std.Column, cell: Any) -> bool:
        if column.kind == "number":
            return number(cell) is not None
        return isinstance(cell, str) and (column.kind != "choice" or cell in column.options)

    def read(value: Any, facts: Facts, flags: list[Flag]) -> Any:
        if spec.or_text and type(value) is str:
            return read_text(value, facts, flags)
        if not isinstance(value, list):
            _wrong(flags, expected="table")
            return None
        if len(value) > MOST_ROWS:
            flags.append(Flag("value.too_long", {"most_rows": MOST_ROWS}))
        odd: dict[str, Any] | None = None
        gap: dict[str, Any] | None = None
        for n, row in enumerate(value[:MOST_ROWS]):
            if not isinstance(row, dict):
                odd = odd or {"row": n}
                continue
            for column in spec.columns:
                cell = row.get(column.key)
                if cell is None:
                    if column.required:
                        gap = gap or {"row": n, "fields": [column.key]}
                elif not cell_fits(column, cell):
                    odd = odd or {"row": n, "field": column.key}
        if odd is not None:
            _wrong(flags, **odd)
        if gap is not None:
            flags.append(Flag("value.incomplete", gap))
        return value

    return read


def read_position(value: Any, _facts: Facts, flags: list[Flag]) -> Place | None:
    if not isinstance(value, Mapping):
        _wrong(flags, expected="position")
        return None
    lat, lng = number(value.get("lat")), number(value.get("lng"))
    if lat is None or lng is None:
        _wrong(flags, expected="position")
        return None
    south, north, west, east = THAILAND
    if not (south <= lat <= north and west <= lng <= east):
        _impossible(flags, "outside_thailand")
        return None
    accuracy = number(value.get("accuracy_m"))
    if value.get("accuracy_m") is not None and (accuracy is None or accuracy < 0):
        _wrong(flags, field="accuracy_m")
        accuracy = None
    if accuracy is not None and accuracy > COARSE_M:
        flags.append(Flag("value.imprecise", {"accuracy_m": accuracy}))
    if value.get("mock") is True:
        flags.append(Flag("value.mock"))
    return Place(lat, lng, accuracy or 0.0)


_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})\Z"
)


def read_sample(value: Any, _facts: Facts, flags: list[Flag]) -> Any:
    if not isinstance(value, Mapping):
        _wrong(flags, expected="sample")
        return None
    lacking = []
    for field in ("sample_no", "point", "laboratory"):
        part = value.get(field)
        if not isinstance(part, str) or blank(part):
            lacking.append(field)
    taken = value.get("taken_at")
    if not isinstance(taken, str) or not _MOMENT.match(taken):
        lacking.append("taken_at")
    custody = value.get("custody")
    if not isinstance(custody, list) or not custody or not all(map(_handed, custody)):
        lacking.append("custody")
    if lacking:
        flags.append(Flag("value.incomplete", {"fields": lacking}))
    return value


def _handed(link: Any) -> bool:
    if not isinstance(link, Mapping):
        return False
    by, at = link.get("by"), link.get("at")
    return isinstance(by, str) and not blank(by) and isinstance(at, str) and bool(_MOMENT.match(at))


def read_comparison(value: Any, _facts: Facts, flags: list[Flag]) -> Lines | None:
    rows = [value] if isinstance(value, Mapping) else value
    if not isinstance(rows, list):
        _wrong(flags, expected="comparison")
        return None
    if not rows:
        flags.append(Flag("value.empty"))
    lines: list[Line] = []
    codes: dict[str, dict[str, Any]] = {}
    for n, row in enumerate(rows[:MOST_ROWS]):
        line = _line(row)
        if isinstance(line, Line):
            lines.append(line)
        else:
            codes.setdefault(line, {"row": n})
    if len(rows) > MOST_ROWS:
        codes.setdefault("value.too_long", {"most_rows": MOST_ROWS})
    flags.extend(Flag(code, facts) for code, facts in codes.items())
    return Lines(lines, whole=bool(rows) and not codes)


def _line(row: Any) -> Line | str:
    """A usable line, or the code of what is wrong with it."""
    if not isinstance(row, Mapping):
        return "value.wrong_type"
    counted, reported = row.get("counted"), row.get("reported")
    if counted is None or "reported" not in row:
        return "value.incomplete"
    count = number(counted)
    report = number(reported)
    for given, read in ((counted, count), (reported, report)):
        if given is None:
            continue
        if type(given) is not int and type(given) is not float:
            return "value.wrong_type"
        if read is None or read < 0:
            return "value.impossible"
    what, unit = row.get("what"), row.get("unit")
    return Line(
        what if isinstance(what, str) else "",
        count or 0,
        report,
        unit if isinstance(unit, str) else "",
    )
