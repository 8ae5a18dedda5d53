"""What people complain about and what they are asked: data, and answers held against it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from api.complaints.clocks import Duration, Kind
from api.complaints.model import Flag, Severity

DATA: Final = Path(__file__).parent / "data" / "categories.json"
Code = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Words = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
MOST_TEXT: Final = 2000
"""Characters of one answer; more is kept in the description's place and flagged."""
_RANK: Final = list(Severity)


class Option(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An answer to choose; `severity` raises the complaint's own to at least this."""

    code: Code
    th: Words
    en: Words
    severity: Severity | None = None

    def __post_init__(self) -> None:
        _one_line(self.code)


class Question(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the complainant is asked. `hours` is answered as `HH:MM-HH:MM`, also past midnight.

    The inspector sees the questions at the site, as confidential items of the visit.
    """

    code: Code
    th: Words
    en: Words
    type: Literal["text", "choice", "choices", "hours", "number", "yes_no"]
    required: bool = False
    options: list[Option] = []

    def __post_init__(self) -> None:
        _one_line(self.code)


def _one_line(code: str) -> None:
    if code.endswith("\n"):  # which the pattern's `$` lets pass
        raise ValueError("a code is one line")


class Content(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A category as edited: words, questions, what it means for clocks and for candidates.

    `industries` maps main categories of the factory list to how typical they are of such a
    complaint (1–3); `clocks` says where a severity's clocks differ from the settings.
    """

    th: Words
    en: Words
    severity: Severity = Severity.normal
    questions: Annotated[list[Question], Meta(max_length=40)] = []
    industries: dict[str, Annotated[int, Meta(ge=1, le=3)]] = {}
    clocks: dict[Severity, dict[Kind, Duration]] = {}
    confidential: bool = False
    """Never public, not even in Open311."""


class Category(Content, kw_only=True):
    """A category as listed, in the order in which people are offered them."""

    code: str
    version: int
    active: bool = True


@lru_cache(maxsize=256)
def content(stored: str) -> Content:
    """The content of a row; rows of one version are the same text."""
    return _content.decode(stored)


def shipped() -> list[tuple[str, str]]:
    """(code, content as JSON) of the categories that come with the system."""
    found: list[dict[str, Any]] = msgspec.json.decode(DATA.read_bytes())
    return [(c.pop("code"), _text(msgspec.convert(c, Content))) for c in found]


def _text(content: Content) -> str:
    return msgspec.json.encode(content).decode()


class Judged(msgspec.Struct):
    """What answers mean: how severe it is, and what is odd about them. Nothing is refused."""

    severity: Severity
    flags: list[Flag]


def judge(content: Content, answers: Mapping[str, Any]) -> Judged:
    """Holds `answers` (question → value) against the questions. Odd ones are kept and flagged."""
    severity, flags = content.severity, []
    questions = {q.code: q for q in content.questions}
    for code in sorted(answers.keys() - questions.keys()):
        flags.append(Flag("answer.unknown", {"question": code[:40]}))
    for question in content.questions:
        value = answers.get(question.code)
        if value is None or value == "" or value == []:
            if question.required:
                flags.append(Flag("answer.missing", {"question": question.code}))
            continue
        if not _fits(question, value):
            flags.append(Flag("answer.odd", {"question": question.code}))
            continue
        chosen = value if isinstance(value, list) else [value]
        for option in question.options:
            if option.severity is not None and option.code in chosen:
                severity = max(severity, option.severity, key=_RANK.index)
    return Judged(severity, flags)


def _fits(question: Question, value: Any) -> bool:
    codes = {option.code for option in question.options}
    match question.type:
        case "choice":
            return value in codes if isinstance(value, str) else False
        case "choices":
            return isinstance(value, list) and all(isinstance(v, str) and v in codes for v in value)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "yes_no":
            return isinstance(value, bool)
        case "hours":
            return isinstance(value, str) and _is_hours(value)
        case _:
            return isinstance(value, str) and len(value) <= MOST_TEXT


def _is_hours(value: str) -> bool:
    start, _, end = value.partition("-")
    return all(
        len(part) == 5
        and part[2] == ":"
        and part[:2].isdecimal()
        and part[3:].isdecimal()
        and part[:2] < "25"
        and part[3:] < "60"
        for part in (start, end)
    )


_content = msgspec.json.Decoder(Content)
