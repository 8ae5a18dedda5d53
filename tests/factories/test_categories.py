"""The list of factory types and the class it gives; positions."""

from __future__ import annotations

from math import isclose

import pytest

from api.factories import earth
from api.factories.categories import book, by_code, class_for
from api.factories.model import MOVES, Status, move


def test_the_list_is_whole() -> None:
    mains = [c for c in book().categories if c.sub is None]
    assert [c.main for c in mains] == list(range(1, 108))
    assert len(book().categories) - len(mains) == 262
    for c in book().categories:
        assert c.code == f"{c.main:03d}{c.sub or 0:02d}"
        has_subs = any(o.main == c.main and o.sub for o in book().categories)
        assert bool(c.classes) != (c.sub is None and has_subs), c.code


def test_each_size_of_each_type_falls_into_exactly_one_class() -> None:
    everything = frozenset(book().processes)
    for c in book().categories:
        if not c.classes:
            continue
        for hp in (50.0, 75.0, 75.01, 5000.0):
            for workers in (0, 75, 76, 5000):
                for processes in (frozenset[str](), everything):
                    found = class_for(c.code, hp, workers, processes)
                    assert str(found.licence_class) in c.classes, (c.code, hp, workers)


@pytest.mark.parametrize(
    ("category", "hp", "workers", "processes", "expected"),
    [
        ("00211", 60, 5, (), 1),  # incubators: any size
        ("00100", 75, 500, (), 2),
        ("00100", 75.5, 0, (), 3),
        ("00208", 75, 75, (), 2),
        ("00208", 50, 76, (), 3),  # either suffices
        ("00402", 60, 60, (), 2),
        ("00402", 60, 60, ("fuel",), 3),  # burns wood: class 3 at any size
        ("00901", 60, 60, ("boiler",), 3),
        ("00204", 50, 0, (), 3),
        ("00305", 900, 900, (), 2),
        ("00100", 49, 49, (), None),  # no factory under s.5
        ("00100", 49, 50, (), 2),
        ("00200", 60, 60, (), None),  # a sub-category must be named
    ],
)
def test_the_class_follows_the_list(
    category: str, hp: float, workers: int, processes: tuple[str, ...], expected: int | None
) -> None:
    assert class_for(category, hp, workers, frozenset(processes)).licence_class == expected


def test_a_class_that_hangs_on_a_process_says_so() -> None:
    assert class_for("00402", 60, 60).unless == "fuel"
    assert class_for("00402", 60, 60).why == "listed"
    assert class_for("00100", 10, 10).why == "below_act"


def test_a_category_that_does_not_exist_is_no_class() -> None:
    with pytest.raises(KeyError):
        class_for("99999", 60, 60)


def test_distances_are_those_on_the_ground() -> None:
    # A degree of latitude is 111.2 km everywhere; one of longitude shrinks with the cosine.
    assert isclose(earth.distance(13, 100, 14, 100), 111_195, rel_tol=1e-3)
    assert isclose(earth.distance(0, 100, 0, 101), 111_195, rel_tol=1e-3)
    assert isclose(earth.distance(60, 100, 60, 101), 111_195 / 2, rel_tol=1e-3)
    assert earth.distance(13.7, 100.5, 13.7, 100.5) == 0
    assert isclose(earth.arc(earth.chord(5_000)), 5_000)


def test_the_table_of_moves_never_leads_nowhere_or_in_place() -> None:
    for (verb, state), target in MOVES.items():
        assert state in Status
        assert target is not state
        assert move(state, target) == verb
    assert move(Status.struck_off, Status.stopped) is None
    assert move(Status.operating, Status.struck_off) is None  # closed or stopped first


@pytest.mark.parametrize("state", list(Status))
def test_every_state_has_a_way_out(state: Status) -> None:
    assert any(at is state for _, at in MOVES)


def test_the_codes_of_categories_are_unique() -> None:
    assert len(by_code()) == 369
