"""Thousands of changes that commit late, and one puller."""

from __future__ import annotations

import pytest

from tests.trials import feeds
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = [pytest.mark.long, linux]


async def test_no_change_is_lost_and_no_record_goes_back_in_time_over_three_thousand_changes(
    house: House, server: Server
) -> None:
    print(await feeds.trial(house, server, 3000, seed=15))
