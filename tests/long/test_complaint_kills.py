"""kill -9 twenty times each, while complaints are told, added to and taken up."""

from __future__ import annotations

import pytest

from api import ids
from tests.complaints.conftest import told
from tests.trials import complaint_kills, crowds, order_kills
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.world import encode

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


async def test_what_one_device_may_send_is_not_more_after_both_servers_were_killed(
    house: House, server: Server, second: Server
) -> None:
    device = f"sample {ids.new()}"

    async def sent(count: int) -> list[int]:
        async with crowds.lines([server, second], "127.1.6.1") as clients:
            answers = [
                await clients[n % 2].put(
                    f"/v1/complaints/{ids.new()}", content=encode(told(device=device))
                )
                for n in range(count)
            ]
        return crowds.no_fault(answers)

    assert await sent(19) == [200] * 19
    for each in (server, second):
        each.kill()
        each.start()
        await each.ready()
    assert await sent(3) == [200, 429, 429]
