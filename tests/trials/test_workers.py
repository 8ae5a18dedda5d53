"""A worker that is killed, in two rounds; tests/long has twenty."""

from __future__ import annotations

from tests.trials import workers
from tests.trials.fixtures import linux
from tests.trials.house import House

pytestmark = linux


async def test_no_job_is_lost_or_done_twice_when_a_worker_is_killed(house: House) -> None:
    print(await workers.trial(house, 2, seed=1))
