"""A PostgreSQL that stands still for half a minute, with the settings of an installation."""

from __future__ import annotations

import pytest

from tests.trials import stuck
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = [pytest.mark.long, linux]


@pytest.mark.parametrize("whom", ["sessions", "everything"])
async def test_nobody_waits_long_for_a_postgresql_that_stands_still_three_times(
    house: House, server: Server, whom: stuck.Whom
) -> None:
    print(await stuck.trial(house, server, whom, rounds=3, still_s=30, bound_s=20))
