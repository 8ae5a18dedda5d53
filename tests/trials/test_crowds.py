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


async def test_behind_a_trusted_proxy_the_address_that_it_saw_counts_and_none_that_it_was_told(
    house: House, server: Server
) -> None:
    behind = house.server(SUPERAPP_TRUSTED_PROXIES="127.1.5.1")
    try:
        await behind.ready()
        async with (
            crowds.lines([behind], "127.1.5.1") as proxy,
            crowds.lines([behind], "127.1.5.2") as around,
        ):
            for client, seen in ((proxy[0], "198.51.100.7"), (around[0], "198.51.100.8")):
                answers = []
                for n in range(33):
                    code = {"Authorization": f"Tracking {secret()}"}
                    said = crowds.forged(n) | {"X-Forwarded-For": f"203.0.113.{n}, {seen}"}
                    answers.append(await client.get("/v1/own-complaints", headers=said | code))
                statuses = crowds.no_fault(answers)
                assert (statuses.count(401), statuses.count(429)) == (30, 3), statuses
            other = {"X-Forwarded-For": "198.51.100.7, 198.51.100.9"}  # slandered
            found = await proxy[0].get("/v1/own-complaints", headers=other | code)
            assert found.status_code == 401
    finally:
        await asyncio.to_thread(behind.stop)
        house.servers.remove(behind)
