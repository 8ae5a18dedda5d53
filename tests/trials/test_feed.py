"""The pull's cursor against writers that commit late; tests/long has thousands of changes."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx

from tests.trials import feeds, scenes
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.world import answer, encode, record

pytestmark = linux


async def test_no_change_that_commits_late_is_lost_and_no_record_goes_back_in_time(
    house: House, server: Server
) -> None:
    print(await feeds.trial(house, server, 200, seed=5))


async def test_no_reader_sees_a_version_with_the_content_of_an_older_one(
    house: House, server: Server
) -> None:
    """A head who saw version 7 with the answers of version 6 would accept what nobody showed."""
    (visit,) = await scenes.visits(house, server.url, 1)
    people = {key: (await house.sign_in(key))[1] for key in ("inspector", "head")}
    done, torn, reads = asyncio.Event(), list[str](), 0
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:

        async def read(path: str) -> httpx.Response:
            reply = await http.get(path, headers=scenes.bearer(people["head"]))
            assert reply.status_code == 200, reply.text
            return reply

        first = (await read(f"/v1/visits/{visit}")).json()["version"]

        async def write() -> None:
            for number in range(1, 61):
                op = record(UUID(visit), answers=[answer("E08", "pass", note=str(number))])
                await http.post(
                    "/v1/sync",
                    content=encode({"operations": [op]}),
                    headers=scenes.bearer(people["inspector"]),
                )
            done.set()

        async def look() -> None:
            nonlocal reads
            while not done.is_set():
                seen = (await read(f"/v1/visits/{visit}")).json()
                number = int(seen["answers"][0]["note"]) if seen["answers"] else 0
                if number < seen["version"] - first:
                    torn.append(f"version {seen['version'] - first} with answers of {number}")
                reads += 1

        await asyncio.gather(write(), *(look() for _ in range(3)))
    print(f"{reads} reads")
    assert not torn, f"{len(torn)} of {reads}: {torn[:3]}"
