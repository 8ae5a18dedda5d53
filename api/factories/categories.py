"""The list of factory types: 107 categories, 262 sub-categories, and the class each falls into.

The thresholds are data (`data/categories.json`); `class_for` is the only code that reads them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

ACT_HP = 50
ACT_WORKERS = 50
"""Below both, a place is no factory (Factory Act s.5 as amended 2562)."""


class ClassRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a factory of a category is of a class. `text_th` is the list's own wording.

    `hp_up_to`, `workers_up_to` (class 2) must all hold; of `hp_over`, `workers_over` (class 3)
    one suffices. `only_if` names the process that must be absent, `any_size_if` the process that
    lifts a factory of any size into the class.
    """

    text_th: str
    any_size: bool = False
    hp_up_to: int | None = None
    workers_up_to: int | None = None
    hp_over: int | None = None
    workers_over: int | None = None
    only_if: str | None = None
    any_size_if: str | None = None


class Category(msgspec.Struct, frozen=True):
    """`code` is the main number (3 digits) and the sub number (2); `sub` null is a main entry.

    `classes` maps "1", "2", "3" to the rule of that class; main entries with subs have none.
    """

    code: str
    main: int
    sub: int | None
    title_th: str
    title_en: str
    classes: dict[str, ClassRule]


class Process(msgspec.Struct, frozen=True):
    """A process whose presence decides the class of a small factory."""

    th: str
    en: str


class _Book(msgspec.Struct):
    source: str
    processes: dict[str, Process]
    categories: list[Category]


@cache
def book() -> _Book:
    path = Path(__file__).parent / "data" / "categories.json"
    return msgspec.json.decode(path.read_bytes(), type=_Book)


@cache
def by_code() -> dict[str, Category]:
    return {c.code: c for c in book().categories}


def find(code: str) -> Category | None:
    """The category of a 5-digit code; an unknown sub falls back on its main entry."""
    return by_code().get(code) or by_code().get(code[:3] + "00")


class Classing(msgspec.Struct, frozen=True):
    """The class that the list gives. `licence_class` null: see `why`.

    `why`: `listed`; `below_act` (under 50 HP and under 50 workers); `not_listed` (the category
    has no class of its own: a sub-category must be named). `unless` names a process that, if
    present, makes it class 3 whatever its size.
    """

    licence_class: int | None
    why: Literal["listed", "below_act", "not_listed"]
    unless: str | None = None


def class_for(
    category: str, hp: float, workers: int, processes: frozenset[str] = frozenset()
) -> Classing:
    """The class of a factory by the list of B.E. 2563.

    `hp` is machine horsepower; `workers` excludes clerical staff (s.5). `processes` are those
    known to be present. Raises `KeyError` for a category that is not in the list.
    """
    found = by_code()[category]
    if not found.classes:
        return Classing(None, "not_listed")
    if hp < ACT_HP and workers < ACT_WORKERS:
        return Classing(None, "below_act")
    for name in ("1", "2", "3"):
        rule = found.classes.get(name)
        if rule is not None and _holds(rule, hp, workers, processes):
            return Classing(int(name), "listed", rule.only_if)
    return Classing(None, "not_listed")


def _holds(rule: ClassRule, hp: float, workers: int, processes: frozenset[str]) -> bool:
    if rule.any_size or (rule.any_size_if is not None and rule.any_size_if in processes):
        return True
    if rule.hp_over is not None or rule.workers_over is not None:
        over_hp = rule.hp_over is not None and hp > rule.hp_over
        return over_hp or (rule.workers_over is not None and workers > rule.workers_over)
    if rule.only_if is not None and rule.only_if in processes:
        return False
    within_hp = rule.hp_up_to is None or hp <= rule.hp_up_to
    return within_hp and (rule.workers_up_to is None or workers <= rule.workers_up_to)
