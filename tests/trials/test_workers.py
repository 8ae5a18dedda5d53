"""A worker that is killed, in two rounds; tests/long has twenty."""

from __future__ import annotations

from tests.trials import inboxes, scenes, workers
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = linux


async def test_no_job_is_lost_or_done_twice_when_a_worker_is_killed(house: House) -> None:
    print(await workers.trial(house, 2, seed=1))


async def test_no_message_is_lost_or_twice_in_an_inbox_when_the_worker_is_killed(
    house: House, server: Server
) -> None:
    (visit,) = await scenes.visits(house, server.url, 1)
    print(await inboxes.trial(house, visit, 2, seed=2))
