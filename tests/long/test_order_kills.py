"""kill -9 twenty times each, while orders are drafted, signed and served."""

from __future__ import annotations

import pytest

from tests.trials import order_kills
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = [pytest.mark.long, linux]


async def test_no_signature_number_file_or_message_is_lost_or_doubled_over_twenty_kills_of_the_api(
    house: House, server: Server, second: Server
) -> None:
    both = [server, second]
    print(await order_kills.trial(house, both, order_kills.of_api(both, 11), 20, seed=11))


async def test_no_signature_number_file_or_message_is_lost_over_twenty_kills_of_postgresql(
    house: House, server: Server, second: Server
) -> None:
    both = [server, second]
    print(await order_kills.trial(house, both, order_kills.of_postmaster(house, 12), 20, seed=12))
