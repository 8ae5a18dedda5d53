"""Scripted desks for the tests of the bridge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bridge.desk import ONE, Desk, Make
from tests.pcsc.virtual_card import VirtualCard


@pytest.fixture
def desk() -> Iterator[Make]:
    made: list[Desk] = []

    def make(card: VirtualCard | None = None, **how: bool) -> Desk:
        made.append(Desk(card or VirtualCard(ONE), **how))
        return made[-1]

    yield make
    for one in made:
        assert one.readers.open_transactions == 0, "a transaction was left open"
        one.close()
