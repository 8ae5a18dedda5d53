"""kill -9 in two rounds each; tests/long has twenty."""

from __future__ import annotations

from tests.trials import kills
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = linux


async def test_no_acknowledged_operation_is_lost_or_doubled_when_the_api_is_killed(
    house: House, server: Server
) -> None:
    print(await kills.trial(house, server, kills.of_api(server), 2, seed=1))


async def test_no_acknowledged_operation_is_lost_or_doubled_when_postgresql_is_killed(
    house: House, server: Server
) -> None:
    print(await kills.trial(house, server, kills.of_postmaster(house), 2, seed=2))


async def test_no_acknowledged_operation_is_lost_or_doubled_when_a_database_session_is_killed(
    house: House, server: Server
) -> None:
    print(await kills.trial(house, server, kills.of_backend(house, 3), 2, seed=3))
