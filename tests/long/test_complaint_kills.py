"""kill -9 twenty times each, while complaints are told, added to and taken up."""

from __future__ import annotations

import pytest

from tests.trials import complaint_kills, order_kills
from tests.trials.fixtures import linux
from tests.trials.house import House

pytestmark = [pytest.mark.long, linux]
ROUNDS = 20


async def test_no_complaint_entry_message_letter_or_clock_is_lost_or_doubled_by_kills_of_the_api(
    house: House,
) -> None:
    async with complaint_kills.servers(house) as both:
        kill = order_kills.of_api(both, 21)
        print(await complaint_kills.trial(house, both, kill, ROUNDS, seed=21))


async def test_no_complaint_entry_message_letter_or_clock_is_lost_or_doubled_by_kills_of_postgresql(
    house: House,
) -> None:
    async with complaint_kills.servers(house) as both:
        kill = order_kills.of_postmaster(house, 22)
        print(await complaint_kills.trial(house, both, kill, ROUNDS, seed=22))


async def test_no_complaint_entry_message_letter_or_clock_is_lost_or_doubled_by_kills_of_a_worker(
    house: House,
) -> None:
    async with complaint_kills.servers(house) as both:
        print(await complaint_kills.trial(house, both, None, ROUNDS, seed=23))
