"""kill -9 of a worker twenty times, at random moments under load."""

from __future__ import annotations

import pytest

from tests.trials import inboxes, scenes, workers
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = [pytest.mark.long, linux]


async def test_no_job_is_lost_or_done_twice_over_twenty_kills_of_a_worker(house: House) -> None:
    print(await workers.trial(house, 20, seed=11))


async def test_no_message_is_lost_or_twice_in_an_inbox_over_twenty_kills_of_the_worker(
    house: House, server: Server
) -> None:
    (visit,) = await scenes.visits(house, server.url, 1)
    print(await inboxes.trial(house, visit, 20, seed=12))
