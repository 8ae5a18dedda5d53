"""kill -9 twenty times each, at random moments under load."""

from __future__ import annotations

import pytest

from tests.trials import kills
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = [pytest.mark.long, linux]


async def test_no_acknowledged_operation_is_lost_or_doubled_over_twenty_kills_of_the_api(
    house: House, server: Server
) -> None:
    print(await kills.trial(house, server, kills.of_api(server), 20, seed=11))


async def test_no_acknowledged_operation_is_lost_or_doubled_over_twenty_kills_of_postgresql(
    house: House, server: Server
) -> None:
    print(await kills.trial(house, server, kills.of_postmaster(house), 20, seed=12))


async def test_no_acknowledged_operation_is_lost_or_doubled_over_twenty_kills_of_a_session(
    house: House, server: Server
) -> None:
    print(await kills.trial(house, server, kills.of_backend(house, 13), 20, seed=13))
