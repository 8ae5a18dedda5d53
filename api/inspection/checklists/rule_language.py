"""The rule language of the standard: operands, conditions and limits, as JSON and as Structs.

Declarative and total; `openapi/rules.md` gives the meaning, `rule_conditions.py` and
`rule_limits.py` evaluate it. There is no code in a rule and no way to put any there.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Num = int | float
Scalar = bool | int | float | str

Severity = Literal["minor", "major", "critical"]
RefStatus = Literal["act_text", "instrument_found", "recalled"]
Basis = Literal["law", "other_law", "policy", "officer"]
FactName = Literal[
    "class",
    "horsepower",
    "workers",
    "position",
    "discharge_m3_day",
    "registered",
    "in_estate",
]


class Data(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Unknown fields are refused: a mistyped rule must not pass for no rule."""


class Text(Data, frozen=True):
    """The same sentence in Thai and in English."""

    th: str
    en: str


class LegalRef(Data, frozen=True):
    """What an item or a limit rests on.

    `status`: read in the Act's text; an instrument known to exist; or recalled from memory, which
    carries no order until an officer has confirmed it. `basis`: the Factory Act and what was made
    under it; another authority's law; a policy or voluntary scheme; the officer's own duty, whose
    breach is no finding against the factory.
    """

    text: str
    status: RefStatus
    basis: Basis = "law"


# -- operands and conditions ---------------------------------------------------------------------


class Fact(Data, frozen=True, tag_field="from", tag="fact"):
    """A fact about the subject, as the register has it."""

    name: FactName


class Answer(Data, frozen=True, tag_field="from", tag="answer"):
    """Another item's answer, where it is a string, number or boolean."""

    item: str


class Where(Data, frozen=True):
    """Rows whose cell in `column` equals the value."""

    column: str
    equals: Scalar


class Rows(Data, frozen=True, tag_field="from", tag="rows"):
    """The number of rows of a table answer."""

    item: str
    where: Where | None = None


class ColumnOf(Data, frozen=True, tag_field="from", tag="column"):
    """The largest, smallest or sum of the numbers in a column of a table answer."""

    item: str
    column: str
    take: Literal["max", "min", "sum"]


class First(Data, frozen=True, tag_field="from", tag="first"):
    """The first operand that is known."""

    of: tuple[Operand, ...]


Operand = Fact | Answer | Rows | ColumnOf | First


class All(Data, frozen=True, tag_field="op", tag="all"):
    of: tuple[Condition, ...]


class AnyOf(Data, frozen=True, tag_field="op", tag="any"):
    of: tuple[Condition, ...]


class Not(Data, frozen=True, tag_field="op", tag="not"):
    of: Condition


class HasAnswer(Data, frozen=True, tag_field="op", tag="answered"):
    """True where the item has an answer that is not null; never unknown."""

    item: str


class Category(Data, frozen=True, tag_field="op", tag="category"):
    """True where a category of the subject is listed: `101` means all of 101, `00906` that one."""

    any_of: tuple[str, ...]


class Eq(Data, frozen=True, tag_field="op", tag="eq"):
    left: Operand
    right: Scalar


class Ne(Data, frozen=True, tag_field="op", tag="ne"):
    left: Operand
    right: Scalar


class In(Data, frozen=True, tag_field="op", tag="in"):
    left: Operand
    right: tuple[Scalar, ...]


class Lt(Data, frozen=True, tag_field="op", tag="lt"):
    left: Operand
    right: Num


class Le(Data, frozen=True, tag_field="op", tag="le"):
    left: Operand
    right: Num


class Gt(Data, frozen=True, tag_field="op", tag="gt"):
    left: Operand
    right: Num


class Ge(Data, frozen=True, tag_field="op", tag="ge"):
    left: Operand
    right: Num


class Between(Data, frozen=True, tag_field="op", tag="between"):
    """Both ends belong to it."""

    left: Operand
    low: Num
    high: Num


Condition = All | AnyOf | Not | HasAnswer | Category | Eq | Ne | In | Lt | Le | Gt | Ge | Between


# -- limits --------------------------------------------------------------------------------------


class LimitBase(Data, frozen=True, kw_only=True):
    """What all limits have.

    `when`: the limit counts only where this is true. `effect`: a breach is a finding, or only a
    flag for the officer. `severity`, `legal`, `penalty`: the item's, unless given here.
    """

    id: str
    when: Condition | None = None
    effect: Literal["finding", "flag"] = "finding"
    severity: Severity | None = None
    legal: LegalRef | None = None
    penalty: str | None = None
    note: Text | None = None


class Exemption(Data, frozen=True):
    """Other bounds for some categories, in place of the range's own.

    `legal` is what the exception rests on; a breach beyond it still cites the limit.
    """

    categories: tuple[str, ...]
    min: Num | None = None
    max: Num | None = None
    legal: LegalRef | None = None


class Range(LimitBase, frozen=True, tag_field="kind", tag="range"):
    """A number between bounds; a bound is a number or an operand."""

    min: Num | Operand | None = None
    max: Num | Operand | None = None
    min_inclusive: bool = True
    max_inclusive: bool = True
    exceptions: tuple[Exemption, ...] = ()


class Step(Data, frozen=True):
    """Up to and with `up_to`, `value` counts."""

    up_to: Num
    value: Num


class Increase(LimitBase, frozen=True, tag_field="kind", tag="increase"):
    """Broken where number ≥ base + the step for that base; `above` is the step after the last."""

    base: Operand
    steps: tuple[Step, ...]
    above: Num


class PerStep(LimitBase, frozen=True, tag_field="kind", tag="per"):
    """Broken where number < what the steps ask for `by`; after the last, `add` for each `each`."""

    by: Operand
    steps: tuple[Step, ...]
    each: Num
    add: Num


class Age(LimitBase, frozen=True, tag_field="kind", tag="age"):
    """Broken where the visit's day lies after the date + `max_months` calendar months."""

    max_months: int


class Distance(LimitBase, frozen=True, tag_field="kind", tag="distance"):
    """Broken where the position lies more than `max_m` metres, less its accuracy, from the fact."""

    base: Fact
    max_m: Num


class Difference(LimitBase, frozen=True, tag_field="kind", tag="difference"):
    """Broken where |counted − reported| > reported × tolerance / 100.

    On a number `base` is what was reported; on a comparison each line brings its own, and null
    ("not reported at all") is a breach.
    """

    tolerance_percent: Num
    base: Operand | None = None


class Check(LimitBase, frozen=True, tag_field="kind", tag="condition"):
    """Broken where the condition is true; also looked at for `na`."""

    broken_when: Condition


Limit = Range | Increase | PerStep | Age | Distance | Difference | Check
