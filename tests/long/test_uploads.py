"""The trials of uploads at full length: a hundred cuts, twenty times kill -9."""

from __future__ import annotations

import pytest

from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.test_uploads import cut_at_random_bytes, kill_the_api

pytestmark = [pytest.mark.long, linux]


async def test_a_hundred_cuts_at_random_bytes(house: House, server: Server, second: Server) -> None:
    await cut_at_random_bytes(house, [server, second], 100, "long")


async def test_twenty_times_kill_9_of_the_api(house: House, server: Server, second: Server) -> None:
    await kill_the_api(house, [server, second], 20, "long")
