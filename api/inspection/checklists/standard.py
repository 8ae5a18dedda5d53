"""The inspection standard as data: wire and stored shape, version 1, checks for a new version.

Every limit, condition and legal reference is data that an administrator edits in a new version;
`openapi/rules.md` says what it means and `openapi/rules.schema.json` (made from these Structs) how
it is written. `api.inspection.checklists.rules` evaluates it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from api.inspection.checklists.rule_language import (
    Age,
    Answer,
    Check,
    ColumnOf,
    Condition,
    Data,
    Difference,
    Distance,
    HasAnswer,
    Increase,
    LegalRef,
    Limit,
    Num,
    PerStep,
    Range,
    Rows,
    Severity,
    Text,
)

Answered = Literal["on_site", "document", "laboratory"]

# -- answers -------------------------------------------------------------------------------------


class Option(Data, frozen=True):
    code: str
    label: Text


class PassFail(Data, frozen=True, tag_field="type", tag="pass_fail"):
    """`"pass"` or `"fail"`."""


class PassFailNa(Data, frozen=True, tag_field="type", tag="pass_fail_na"):
    """`"pass"`, `"fail"` or `"na"`."""


class Number(Data, frozen=True, tag_field="type", tag="number"):
    """A JSON number; outside `lowest`…`highest` it cannot be what was measured."""

    unit: str
    lowest: Num
    highest: Num
    whole: bool = False
    na: bool = False


class FreeText(Data, frozen=True, tag_field="type", tag="text"):
    """A string."""


class Date(Data, frozen=True, tag_field="type", tag="date"):
    """`"2026-01-31"` or `{year, month?, day?}`; `"none"` where nothing of the kind exists."""

    na: bool = False
    none: bool = False


class Choice(Data, frozen=True, tag_field="type", tag="choice"):
    """The code of one option."""

    options: tuple[Option, ...]
    na: bool = False


class Column(Data, frozen=True):
    key: str
    label: Text
    kind: Literal["text", "number", "choice"] = "text"
    unit: str = ""
    options: tuple[str, ...] = ()
    required: bool = False


class Table(Data, frozen=True, tag_field="type", tag="table"):
    """A list of rows, each an object with the columns' keys; `or_text`: or one string."""

    columns: tuple[Column, ...]
    or_text: bool = False
    na: bool = False


class Position(Data, frozen=True, tag_field="type", tag="position"):
    """`{lat, lng, accuracy_m?, mock?}`, WGS 84."""


class Sample(Data, frozen=True, tag_field="type", tag="sample"):
    """`{sample_no, point, laboratory, taken_at, custody: [{by, at, …}]}`."""

    na: bool = False


class Topic(Data, frozen=True):
    key: str
    label: Text


class Comparison(Data, frozen=True, tag_field="type", tag="comparison"):
    """A list of lines `{what, counted, reported, unit}`; `reported: null` = not reported."""

    topics: tuple[Topic, ...] = ()
    na: bool = False


AnswerType = (
    PassFail
    | PassFailNa
    | Number
    | FreeText
    | Date
    | Choice
    | Table
    | Position
    | Sample
    | Comparison
)


# -- the standard --------------------------------------------------------------------------------


class AppliesTo(Data, frozen=True):
    """Whom an item is for.

    `categories`: only these. `listed`: only factories on a list that this data does not hold, so
    the officer may answer n.a. `sampled`: only factories drawn for it, so it is never required.
    """

    classes: tuple[int, ...]
    categories: tuple[str, ...] = ()
    listed: bool = False
    sampled: bool = False


class Item(Data, frozen=True):
    """One question of the checklist."""

    code: str
    section: str
    text: Text
    answer: AnswerType
    applies_to: AppliesTo
    legal: LegalRef
    severity: Severity
    critical: bool
    answered: Answered
    evidence: str
    guidance: Text
    penalty: str = ""
    cross_check: tuple[str, ...] = ()
    required: bool = True
    confidential: bool = False
    show_when: Condition | None = None
    limit_text: str = ""
    limits: tuple[Limit, ...] = ()
    note: Text | None = None


class Section(Data, frozen=True):
    code: str
    title: Text


class Standard(Data, frozen=True):
    """A version of the checklist; once published it never changes."""

    id: str
    version: int
    title: Text
    source: Text
    guidance_draft: bool
    sections: tuple[Section, ...]
    items: tuple[Item, ...]


COMPLAINT: str = "complaint"
EXTRA_SECTIONS: dict[str, Section] = {
    COMPLAINT: Section(COMPLAINT, Text("เรื่องที่ได้รับแจ้ง", "What was reported")),
}
"""Sections that no checklist has: of items asked at single visits."""

_decoder = msgspec.json.Decoder(Standard)


def decode(data: bytes | str) -> Standard:
    """A standard from JSON. Raises msgspec.ValidationError or DecodeError, never anything else."""
    return _decoder.decode(data)


def encode(standard: Standard) -> bytes:
    """The compact JSON that phones receive; defaults are left out."""
    return msgspec.json.encode(standard, order="deterministic")


def content_hash(standard: Standard) -> str:
    """SHA-256 (hex) over the JSON with keys sorted: layout and order of keys do not matter."""
    canonical = msgspec.json.encode(msgspec.to_builtins(standard), order="sorted")
    return hashlib.sha256(canonical).hexdigest()


@cache
def load_standard_1() -> Standard:
    """Version 1, as the product ships it."""
    return decode(files("api.inspection.checklists").joinpath("data/checklist-1.json").read_bytes())


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a standard, as committed in `openapi/rules.schema.json`."""
    body = msgspec.json.schema(Standard)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Inspection standard",
        **body,
    }


def references(part: Any) -> Iterator[str]:
    """The codes of the items whose answers a condition, operand or limit looks at."""
    if isinstance(part, Answer | Rows | ColumnOf | HasAnswer):
        yield part.item
    elif isinstance(part, tuple):
        for each in part:
            yield from references(each)
    elif isinstance(part, Data):
        for name in part.__struct_fields__:
            yield from references(getattr(part, name))


_LIMITS_OF: dict[type, tuple[type, ...]] = {
    Number: (Range, Increase, PerStep, Difference, Check),
    Date: (Age, Check),
    Position: (Distance, Check),
    Comparison: (Difference, Check),
}


def faults(standard: Standard) -> list[str]:
    """What is wrong with a standard beyond its shape; empty where it may be published."""
    found: list[str] = []
    sections = {section.code for section in standard.sections}
    codes = [item.code for item in standard.items]
    ids = [limit.id for item in standard.items for limit in item.limits]
    found += [f"{code} occurs twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
    found += [f"limit {i} occurs twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    known = set(codes)
    for item in standard.items:
        where = item.code
        if item.section not in sections:
            found.append(f"{where}: there is no section {item.section}")
        for code in references((item.show_when, item.limits)):
            if code not in known:
                found.append(f"{where}: there is no item {code}")
        if item.critical != (item.severity == "critical"):
            found.append(f"{where}: critical and severity disagree")
        if not set(item.applies_to.classes) <= {1, 2, 3} or not item.applies_to.classes:
            found.append(f"{where}: classes are 1, 2 and 3")
        for limit in item.limits:
            if not isinstance(limit, _LIMITS_OF.get(type(item.answer), (Check,))):
                found.append(f"{where}: {limit.id} does not suit the type of answer")
            compares = isinstance(item.answer, Comparison)
            if isinstance(limit, Difference) and (limit.base is None) != compares:
                found.append(f"{where}: {limit.id} needs a base on a number, and only there")
            if isinstance(limit, Increase | PerStep):
                bounds = [step.up_to for step in limit.steps]
                if not bounds or bounds != sorted(set(bounds)):
                    found.append(f"{where}: the steps of {limit.id} must rise")
            if isinstance(limit, PerStep) and limit.each <= 0:
                found.append(f"{where}: {limit.id} needs a positive `each`")
            if isinstance(limit, Age) and not 0 <= limit.max_months <= 1200:
                found.append(f"{where}: the months of {limit.id} are out of range")
    return found
