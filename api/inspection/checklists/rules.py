"""The one rule engine: what an answer amounts to under a standard.

Pure, total (no JSON makes it raise) and compiled once a version, since every pushed answer passes
here. The semantics are `openapi/rules.md`; `openapi/rule-vectors.json` holds Python, the phone and
the JavaScript evaluator of the tests to the same verdicts.

`subject`: a mapping of facts — `class` 1–3, `categories` (five-digit codes), `horsepower` and
`workers` as licensed, `position` {lat, lng}, `discharge_m3_day`, `registered`, `in_estate` — and
`visit_date`, the visit's Bangkok day (`YYYY-MM-DD` or a date). What is not known is left out.
`answers`: item code → value, all current answers of the visit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from api.inspection.checklists import rule_language as lang
from api.inspection.checklists import standard as std
from api.inspection.checklists.rule_conditions import Answers, Facts, compile_condition, number
from api.inspection.checklists.rule_limits import HELD, UNKNOWN, CompiledLimit
from api.inspection.checklists.rule_values import Flag, blank, reader

Outcome = Literal["pass", "fail", "not_applicable", "recorded", "pending", "unreadable"]

__all__ = [
    "Breach",
    "Compiled",
    "CompiledItem",
    "FindingDraft",
    "Flag",
    "Outcome",
    "Verdict",
    "compile",
    "compiled_1",
    "evaluate_answer",
    "evaluate_visit",
    "finding_of",
    "missing",
]


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer failed: `limit` is None where the officer failed the item outright."""

    limit: str | None
    severity: lang.Severity
    legal: lang.LegalRef
    penalty: str
    facts: dict[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True):
    """What an answer amounts to. `breach` is set exactly where the outcome is `fail`."""

    outcome: Outcome
    flags: tuple[Flag, ...] = ()
    breach: Breach | None = None


class FindingDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A failed or out-of-limit item, ready to become a finding.

    `ref_status` `recalled`: no order before an officer has confirmed the reference. `basis` other
    than `law`: no order under s.37; it is another authority's law, or a scheme.
    """

    item: str
    limit: str | None
    severity: lang.Severity
    critical: bool
    legal_ref: str
    ref_status: lang.RefStatus
    basis: lang.Basis
    penalty: str
    confidential: bool
    facts: dict[str, Any]


Judge = Callable[[Any, Facts, Answers], Verdict]

_UNKNOWN_ITEM = Verdict("unreadable", (Flag("item.unknown"),))
_NOT_FOR_SUBJECT = Verdict("recorded", (Flag("item.not_applicable"),))
_HIDDEN = Verdict("recorded", (Flag("item.hidden"),))
_NO_VALUE = Verdict("unreadable", (Flag("value.missing"),))
_NA_REFUSED = Verdict("unreadable", (Flag("value.na_not_allowed"),))
_PASS = Verdict("pass")
_NA = Verdict("not_applicable")
_RECORDED = Verdict("recorded")


class CompiledItem:
    """An item with its rules as closures. `judge` expects an applicable, shown, non-null answer.

    `known` has the verdict on the usual answers of an item without limits: two in three.
    """

    __slots__ = ("classes", "item", "judge", "known", "needs_category", "show")

    def __init__(self, item: std.Item) -> None:
        self.item = item
        self.show = None if item.show_when is None else compile_condition(item.show_when)
        self.classes = frozenset(item.applies_to.classes)
        self.needs_category = (
            compile_condition(lang.Category(any_of=item.applies_to.categories))
            if item.applies_to.categories
            else None
        )
        self.judge, self.known = _judge(item)

    def applies(self, subject: Facts) -> bool:
        """Whether the item counts for the subject; where class or category is unknown, it counts
        only if it is for all."""
        klass = number(subject.get("class"))
        if (self.classes != {1, 2, 3}) if klass is None else (klass not in self.classes):
            return False
        return self.needs_category is None or self.needs_category(subject, {}) is True

    def shown(self, subject: Facts, answers: Answers) -> bool:
        """Hidden only where the condition is certainly false."""
        return self.show is None or self.show(subject, answers) is not False


class Compiled:
    """A standard, compiled. Keep it: one a published version, shared by all requests."""

    def __init__(self, standard: std.Standard) -> None:
        self.standard = standard
        self.items: dict[str, CompiledItem] = {i.code: CompiledItem(i) for i in standard.items}
        depends: dict[str, set[str]] = {}
        for item in standard.items:
            for code in std.references((item.show_when, item.limits)):
                depends.setdefault(code, set()).add(item.code)
        self.dependents = {code: frozenset(found) for code, found in depends.items()}
        self._applicable: dict[Any, dict[str, CompiledItem]] = {}

    def with_extra(self, items: Sequence[std.Item]) -> Compiled:
        """The same with further items, such as those of one visit; this one stays as it is."""
        found = object.__new__(Compiled)
        sections = {s.code for s in self.standard.sections}
        new = dict.fromkeys(i.section for i in items if i.section not in sections)
        found.standard = msgspec.structs.replace(
            self.standard,
            items=(*self.standard.items, *items),
            sections=(*self.standard.sections, *(std.EXTRA_SECTIONS[code] for code in new)),
        )
        found.items = {**self.items, **{item.code: CompiledItem(item) for item in items}}
        found.dependents = self.dependents
        found._applicable = {}
        return found

    def item(self, code: str) -> CompiledItem | None:
        """The item of that code, None where there is none."""
        return self.items.get(code)

    def applicable(self, subject: Facts) -> list[str]:
        """The codes of the items that count for the subject, in the standard's order."""
        return list(self.applicable_items(subject))

    def applicable_items(self, subject: Facts) -> dict[str, CompiledItem]:
        """As `applicable`, with the items; remembered by class and categories."""
        categories = subject.get("categories")
        key: Any = (number(subject.get("class")), None)
        if isinstance(categories, list | tuple):
            key = (key[0], tuple(code for code in categories if isinstance(code, str)))
        found = self._applicable.get(key)
        if found is None:
            found = {code: item for code, item in self.items.items() if item.applies(subject)}
            if len(self._applicable) < 2000:
                self._applicable[key] = found
        return found


_compiled: dict[tuple[str, int, str], Compiled] = {}


def compile(standard: std.Standard) -> Compiled:  # noqa: A001 - as re.compile
    """The compiled form, remembered by id, version and content.

    Raises ValueError for a standard with `faults`: such a one is never published.
    """
    key = (standard.id, standard.version, std.content_hash(standard))
    compiled = _compiled.get(key)
    if compiled is None:
        if wrong := std.faults(standard):
            raise ValueError("; ".join(wrong))
        compiled = _compiled[key] = Compiled(standard)
    return compiled


def compiled_1() -> Compiled:
    """Version 1 of the product's own standard."""
    return compile(std.load_standard_1())


def evaluate_answer(
    item: CompiledItem | None, value: Any, subject: Facts, answers: Answers
) -> Verdict:
    """The verdict on one answer; the other answers decide what is shown and some limits."""
    if item is None:
        return _UNKNOWN_ITEM
    if not item.applies(subject):
        return _NOT_FOR_SUBJECT
    if not item.shown(subject, answers):
        return _HIDDEN
    return _NO_VALUE if value is None else item.judge(value, subject, answers)


def evaluate_visit(
    compiled: Compiled,
    subject: Facts,
    answers: Mapping[str, Any],
    only: Iterable[str] | None = None,
) -> dict[str, Verdict]:
    """Code → verdict for each answer that is not null, in the order of `answers` or `only`.

    `only` limits what is judged, not what is looked at: conditions see all of `answers`.
    """
    applicable = compiled.applicable_items(subject)
    verdicts: dict[str, Verdict] = {}
    for code in answers if only is None else only:
        value = answers.get(code)
        if value is None:
            continue
        item = applicable.get(code)
        if item is None:
            verdicts[code] = _NOT_FOR_SUBJECT if code in compiled.items else _UNKNOWN_ITEM
        elif item.show is not None and item.show(subject, answers) is False:
            verdicts[code] = _HIDDEN
        else:
            known = item.known.get(value) if type(value) is str else None
            verdicts[code] = known or item.judge(value, subject, answers)
    return verdicts


def missing(compiled: Compiled, subject: Facts, answers: Answers) -> list[str]:
    """The required, applicable and shown items that have no answer, in the standard's order."""
    return [
        code
        for code, item in compiled.applicable_items(subject).items()
        if item.item.required and answers.get(code) is None and item.shown(subject, answers)
    ]


def finding_of(item: CompiledItem, verdict: Verdict) -> FindingDraft | None:
    """The finding that a failed verdict amounts to, None where there is none.

    What an officer left undone themselves (basis `officer`, such as showing the card, s.44) is
    recorded, but is no finding against the factory.
    """
    breach = verdict.breach
    if breach is None or breach.legal.basis == "officer":
        return None
    return FindingDraft(
        item=item.item.code,
        limit=breach.limit,
        severity=breach.severity,
        critical=item.item.critical and breach.severity == "critical",
        legal_ref=breach.legal.text,
        ref_status=breach.legal.status,
        basis=breach.legal.basis,
        penalty=breach.penalty,
        confidential=item.item.confidential,
        facts=breach.facts,
    )


def _judge(item: std.Item) -> tuple[Judge, Mapping[str, Verdict]]:
    """The closure that judges a value of the item, and the verdicts that need no judging."""
    answer = item.answer
    limits = tuple(CompiledLimit(limit, item) for limit in item.limits)
    checks = tuple(limit for limit in limits if limit.is_check)
    takes_na = isinstance(answer, std.PassFailNa) or getattr(answer, "na", False)
    takes_none = isinstance(answer, std.Date) and answer.none
    is_pass_fail = isinstance(answer, std.PassFail | std.PassFailNa)
    read = reader(answer)
    legal, penalty, severity = item.legal, item.penalty, item.severity
    failed = Verdict(
        "fail", (), Breach(limit=None, severity=severity, legal=legal, penalty=penalty)
    )
    absent = Verdict(
        "fail",
        (),
        Breach(limit=None, severity=severity, legal=legal, penalty=penalty, facts={"none": True}),
    )
    expects_laboratory = item.answered == "laboratory"
    free_text = isinstance(answer, std.FreeText)

    def judge(value: Any, facts: Facts, answers: Answers) -> Verdict:
        if not free_text:
            if value == "na":
                if not takes_na:
                    return _NA_REFUSED
                return _conclude(_NA, checks, value, facts, answers, []) if checks else _NA
            if takes_none and value == "none":
                return absent
            if type(value) is dict and value.get("awaiting") == "laboratory":
                return _awaiting(value, expects_laboratory)
        flags: list[Flag] = []
        normal = read(value, facts, flags)
        if normal is None:
            return Verdict("unreadable", tuple(flags))
        plain = (_PASS if normal == "pass" else failed) if is_pass_fail else _RECORDED
        if limits:
            return _conclude(plain, limits, normal, facts, answers, flags)
        return Verdict(plain.outcome, tuple(flags), plain.breach) if flags else plain

    if not is_pass_fail or limits:
        return judge, {}
    return judge, {"pass": _PASS, "fail": failed, "na": _NA if takes_na else _NA_REFUSED}


def _awaiting(value: dict[str, Any], expected: bool) -> Verdict:
    sample = value.get("sample")
    flags: list[Flag] = []
    if not isinstance(sample, str) or blank(sample):
        flags.append(Flag("value.incomplete", {"fields": ["sample"]}))
    if not expected:
        flags.append(Flag("value.awaiting_unexpected"))
    return Verdict("pending", tuple(flags))


def _conclude(
    plain: Verdict,
    limits: tuple[CompiledLimit, ...],
    value: Any,
    facts: Facts,
    answers: Answers,
    flags: list[Flag],
) -> Verdict:
    """The first broken limit fails the item; it passes only if every one that counts held."""
    breach = plain.breach
    held = unsure = False
    for limit in limits:
        result = limit.test(value, facts, answers)
        if result is HELD:
            held = held or limit.finding
        elif result is UNKNOWN:
            if limit.finding:
                unsure = True
                flags.append(Flag("limit.not_evaluated", {"limit_id": limit.id}))
        elif isinstance(result, dict):
            if not limit.finding:
                flags.append(Flag("limit.noticed", {**result, "limit_id": limit.id}))
            elif breach is None:
                breach = Breach(
                    limit=limit.id,
                    severity=limit.severity,
                    legal=limit.legal,
                    penalty=limit.penalty,
                    facts=result,
                )
    if breach is not None:
        return Verdict("fail", tuple(flags), breach)
    if unsure:
        return Verdict("recorded", tuple(flags))
    if plain.outcome == "recorded" and held:
        return Verdict("pass", tuple(flags)) if flags else _PASS
    return Verdict(plain.outcome, tuple(flags)) if flags else plain
