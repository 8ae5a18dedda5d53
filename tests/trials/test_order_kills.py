"""kill -9 while orders are signed and served, in few rounds; tests/long has twenty."""

from __future__ import annotations

from tests.trials import order_kills
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = linux


async def test_no_signature_number_file_or_message_is_lost_or_doubled_when_the_api_is_killed(
    house: House, server: Server, second: Server
) -> None:
    both = [server, second]
    kill = order_kills.of_api(both, 1)
    print(await order_kills.trial(house, both, kill, 2, seed=1, workers_at_once=1))


async def test_no_signature_number_file_or_message_is_lost_or_doubled_when_postgresql_is_killed(
    house: House, server: Server, second: Server
) -> None:
    both = [server, second]
    kill = order_kills.of_postmaster(house, 2)
    print(await order_kills.trial(house, both, kill, 2, seed=2, workers_at_once=1))
