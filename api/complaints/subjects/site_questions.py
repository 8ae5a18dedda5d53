"""What an inspector looks at because of complaints: their questions as confidential items.

Pure. The items are asked at one visit beside its checklist (`Visit.extra_items`). The factory sees
neither them nor what is found by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from api.complaints.categories import Content, Question
from api.inspection.checklists import standard as std
from api.inspection.checklists.rule_language import LegalRef, Text

ALL_CLASSES: Final = std.AppliesTo(classes=(1, 2, 3))
_NUISANCE: Final = LegalRef("พ.ร.บ.โรงงาน ม.37", status="act_text")
"""s.37: an order also without a breach, where danger, damage or nuisance threatens."""
_NUMBERS: Final = 1e12


class Told(msgspec.Struct, frozen=True):
    """One complaint as far as the inspector needs it: its category, and what was answered."""

    category: str
    content: Content
    answers: Mapping[str, Any]


def items(told: Sequence[Told]) -> list[std.Item]:
    """For each category one item whether the nuisance was found, then its questions, each once."""
    found: list[std.Item] = []
    for category in dict.fromkeys(t.category for t in told):
        of_it = [t for t in told if t.category == category]
        for item in _of_category(of_it):
            found.append(msgspec.structs.replace(item, code=f"X{len(found) + 1:02d}"))
    return found


def _of_category(told: Sequence[Told]) -> Iterator[std.Item]:
    content = told[0].content
    yield std.Item(
        code="",
        section=std.COMPLAINT,
        text=Text(
            f"ไม่พบเหตุเดือดร้อนตามที่ได้รับแจ้ง: {content.th}",
            f"No such nuisance was found as was reported: {content.en}",
        ),
        answer=std.PassFailNa(),
        applies_to=ALL_CLASSES,
        legal=_NUISANCE,
        severity="major",
        critical=False,
        answered="on_site",
        evidence="observation",
        guidance=Text(
            "ตรวจทั้งในและรอบโรงงานในช่วงเวลาที่ได้รับแจ้ง ห้ามบอกหรือบอกใบ้แก่โรงงานว่ามีการแจ้ง",
            "Look inside and around, at the hours reported. Never hint that it was reported.",
        ),
        confidential=True,
    )
    for question in content.questions:
        answered = Counter(
            words for t in told if (words := _answered(question, t.answers.get(question.code)))
        )
        yield std.Item(
            code="",
            section=std.COMPLAINT,
            text=Text(question.th, question.en),
            answer=_kind(question),
            applies_to=ALL_CLASSES,
            legal=_NUISANCE,
            severity="minor",
            critical=False,
            answered="on_site",
            evidence="observation",
            guidance=_guidance(answered),
            required=False,
            confidential=True,
        )


def _kind(question: Question) -> std.AnswerType:
    """The checklist's kind of answer. Several choices become the rows of a table, hours a text."""
    options = tuple(std.Option(o.code, Text(o.th, o.en)) for o in question.options)
    match question.type:
        case "choice":
            return std.Choice(options, na=True)
        case "yes_no":
            yes, no = Text("ใช่", "Yes"), Text("ไม่ใช่", "No")
            return std.Choice((std.Option("yes", yes), std.Option("no", no)), na=True)
        case "choices":
            codes = tuple(o.code for o in question.options)
            label = Text(question.th, question.en)
            column = std.Column("choice", label, kind="choice", options=codes, required=True)
            return std.Table((column,), na=True)
        case "number":
            return std.Number("", -_NUMBERS, _NUMBERS, na=True)
        case _:
            return std.FreeText()


def _answered(question: Question, value: Any) -> tuple[str, str] | None:
    """An answer in Thai and English. What was written freely stays with the complaint: it may
    tell who wrote it."""
    labels = {o.code: (o.th, o.en) for o in question.options}
    chosen = value if isinstance(value, list) else [value]
    found = [labels[c] for c in chosen if isinstance(c, str) and c in labels]
    if found:
        return ", ".join(th for th, _ in found), ", ".join(en for _, en in found)
    if question.type == "yes_no" and isinstance(value, bool):
        return ("ใช่", "yes") if value else ("ไม่ใช่", "no")
    if question.type == "number" and isinstance(value, int | float):
        return f"{value:g}", f"{value:g}"
    if question.type == "hours" and isinstance(value, str) and len(value) == len("00:00-00:00"):
        return value, value
    return None


def _guidance(answered: Counter[tuple[str, str]]) -> Text:
    if not answered:
        return Text("", "")
    counted = answered.most_common()
    th = "; ".join(f"{words[0]} ({n})" for words, n in counted)
    en = "; ".join(f"{words[1]} ({n})" for words, n in counted)
    return Text(f"ได้รับแจ้งว่า: {th}", f"Reported: {en}")
