"""A rig for the tests, where this machine can have one; else they are skipped and say why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.pcsc.rig import Rig, missing

RigMaker = Callable[..., Rig]


@pytest.fixture(scope="session")
def card_stack() -> None:
    """Skipped without a PC/SC stack, unless CARD_STACK=required: then it is an error."""
    if (reason := missing()) is not None:
        if os.environ.get("CARD_STACK") == "required":
            pytest.fail(f"no PC/SC stack: {reason}")
        pytest.skip(f"no PC/SC stack: {reason}")


@pytest.fixture
def new_rig(card_stack: None) -> Iterator[RigMaker]:
    """Makes rigs (arguments of `Rig`), and takes them down after the test."""
    made: list[Rig] = []

    def make(readers: int = 2, services: int = 1) -> Rig:
        made.append(Rig(readers, services).__enter__())
        return made[-1]

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def rig(new_rig: RigMaker) -> Rig:
    """One PC/SC service with two readers, both empty."""
    return new_rig()
