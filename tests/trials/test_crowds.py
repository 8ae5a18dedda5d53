"""Crowds at two servers: one complaint stays one, nothing said is lost, limits hold for both."""

from __future__ import annotations

import asyncio

import pytest

from api import ids
from tests.complaints.conftest import secret, told
from tests.trials import crowds
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.world import encode

pytestmark = linux


@pytest.mark.parametrize("way", crowds.WAYS)
async def test_a_complaint_sent_by_forty_at_once_over_two_servers_is_one(
    house: House, server: Server, second: Server, way: str
) -> None:
    faults = [len(each.faults()) for each in (server, second)]
    print(await crowds.told_at_once(house, [server, second], way))
    assert [len(each.faults()) for each in (server, second)] == faults


@pytest.mark.parametrize("ends", [False, True])
async def test_of_forty_different_updates_at_once_over_two_servers_none_is_lost(
    house: House, server: Server, second: Server, ends: bool
) -> None:
    faults = [len(each.faults()) for each in (server, second)]
    print(await crowds.updated_at_once(house, [server, second], ends=ends, seed=2 + ends))
    assert [len(each.faults()) for each in (server, second)] == faults


# --- limits ---------------------------------------------------------------------------------------


async def test_what_one_device_may_send_is_one_limit_over_both_servers_whoever_it_says_it_is(
    house: House, server: Server, second: Server
) -> None:
    device = f"sample {ids.new()}"
    async with crowds.lines([server, second], "127.1.2.1") as clients:
        answers = await asyncio.gather(
            *(
                clients[n % 2].put(
                    f"/v1/complaints/{ids.new()}",
                    content=encode(told(device=device)),
                    headers=crowds.forged(n),
                )
                for n in range(40)
            )
        )
    statuses = crowds.no_fault(answers)
    assert (statuses.count(200), statuses.count(429)) == (20, 20), statuses
    assert all(a.headers["retry-after"] for a in answers if a.status_code == 429)


async def test_what_one_network_may_send_is_one_limit_over_both_servers_and_nobody_elses(
    house: House, server: Server, second: Server
) -> None:
    known, body = ids.new(), told()
    async with crowds.lines([server, second], "127.1.3.1") as clients:
        first = await clients[0].put(f"/v1/complaints/{known}", content=encode(body))
        assert first.status_code == 200, first.text
        answers = []
        for start in range(0, 130, 26):
            answers += await asyncio.gather(
                *(
                    clients[n % 2].put(
                        f"/v1/complaints/{ids.new()}",
                        content=encode(told(device=f"sample {n} {known}")),
                        headers=crowds.forged(n),
                    )
                    for n in range(start, start + 26)
                )
            )
        statuses = crowds.no_fault(answers)
        assert (statuses.count(200), statuses.count(429)) == (119, 11), statuses
        again = await clients[1].put(f"/v1/complaints/{known}", content=encode(body))
        assert (again.status_code, again.json()["replayed"]) == (200, True), again.text
    async with crowds.lines([server, second], "127.1.3.2") as clients:  # a neighbour, slandered
        blame = dict.fromkeys(crowds.FORGED, "127.1.3.1") | {"Forwarded": "for=127.1.3.1"}
        found = await clients[0].put(
            f"/v1/complaints/{ids.new()}", content=encode(told()), headers=blame
        )
        assert found.status_code == 200, found.text


async def test_codes_are_not_guessed_from_one_network_over_both_servers(
    house: House, server: Server, second: Server
) -> None:
    async with crowds.lines([server, second], "127.1.4.1") as clients:
        answers = await asyncio.gather(
            *(
                clients[n % 2].get(
                    "/v1/own-complaints",
                    headers=crowds.forged(n) | {"Authorization": f"Tracking {secret()}"},
                )
                for n in range(40)
            )
        )
    statuses = crowds.no_fault(answers)
    assert (statuses.count(401), statuses.count(429)) == (30, 10), statuses
