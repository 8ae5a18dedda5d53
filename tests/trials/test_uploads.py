"""Uploads over cut lines, by two phones, to two servers, and through a kill -9."""

from __future__ import annotations

import asyncio

from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.uploads import objects_of, uploaders, worker

pytestmark = linux


async def cut_at_random_bytes(house: House, servers: list[Server], cuts: int, seed: str) -> None:
    faults = [len(s.faults()) for s in servers]
    files = await uploaders(house, max(1, cuts // 5), range(200_000, 3_000_000), seed)
    async with worker(house):
        for file in files:
            await file.through(servers, cuts // len(files))
        for file in files:
            await file.kept(servers[0])
    made = sum(file.cuts for file in files)
    print(f"{made} cuts in {len(files)} files")
    assert made >= cuts * 0.8  # a file may be whole before its last cut
    assert [len(s.faults()) for s in servers] == faults


async def test_an_upload_cut_at_random_bytes_goes_on_at_any_server(
    house: House, server: Server, second: Server
) -> None:
    await cut_at_random_bytes(house, [server, second], 10, "quick")


async def test_two_phones_and_two_servers_make_one_file(
    house: House, server: Server, second: Server
) -> None:
    (file,) = await uploaders(house, 1, range(2_000_000, 2_000_001), "both")
    await file.create(server)

    async def phone(at: Server) -> list[int | None]:
        said = []
        while (offset := await file.offset(at)) < len(file.data):
            left = len(file.data) - offset
            said.append(await file.patch(at, offset, file.dice.randrange(left) + 1))
            said.append(await file.patch(at, offset))
        return said

    said = await asyncio.gather(phone(server), phone(second), phone(second))
    assert {status for each in said for status in each} <= {None, 204, 409}
    async with worker(house):
        await file.kept(second)
    async with house.owner() as connection:
        rows = await connection.fetchval("select count(*) from evidence where id = $1", file.id)
    assert rows == 1


async def kill_the_api(house: House, servers: list[Server], times: int, seed: str) -> None:
    """kill -9 of one server after the other while phones upload; nothing acknowledged is lost."""
    files = await uploaders(house, 4, range(4_000_000, 8_000_000), seed)
    done = asyncio.Event()

    async def kill() -> None:
        for n in range(times):
            await asyncio.sleep(0.25)
            victim = servers[n % len(servers)]
            victim.kill()
            victim.start()
            await victim.ready()
        done.set()

    async def upload(n: int) -> int:
        sent = 0
        while not done.is_set() or sent == 0:
            (file,) = await uploaders(house, 1, range(4_000_000, 8_000_000), f"{seed} {n} {sent}")
            await file.through(servers, 2)
            files.append(file)
            sent += 1
        return sent

    files.clear()
    *sent, _ = await asyncio.gather(*(upload(n) for n in range(3)), kill())
    async with worker(house):
        for file in files:
            await file.kept(servers[0])
    left = [p for p in (house.postgres.home / "objects").rglob(".*") if p.is_file()]
    assert not left, "what a killed server was writing stays behind"
    print(f"{sum(sent)} files, {times} times kill -9")


async def test_nothing_acknowledged_is_lost_when_the_api_is_killed(
    house: House, server: Server, second: Server
) -> None:
    await kill_the_api(house, [server, second], 3, "quick")


async def test_what_nobody_needs_any_more_leaves_the_storage(
    house: House, server: Server, second: Server
) -> None:
    (file,) = await uploaders(house, 1, range(500_000, 500_001), "tidy")
    await file.through([server, second], 4)
    async with worker(house):
        await file.kept(server)
        for _ in range(100):
            if not (left := await objects_of(house, file.id)):
                break
            await asyncio.sleep(0.1)
    assert not left, left  # of several parts: put together under another name
