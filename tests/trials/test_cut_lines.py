"""Lines that break between phone and server, and two servers that hear the same thing."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import httpx

from api import ids
from tests.trials import ledger, scenes
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.lines import Line, head
from tests.trials.phones import Phone
from tests.world import answer, encode, record

pytestmark = linux
BUSY = """
select count(*) from pg_stat_activity
where application_name = 'superapp' and xact_start is not null and state <> 'active'
"""


async def phone(house: House, server: Server, seed: str) -> tuple[Phone, str]:
    visits = await scenes.visits(house, server.url, 1)
    (made,) = await scenes.phones(house, [server.url], 1, visits, seed)
    token = made.clients[0].headers["authorization"].removeprefix("Bearer ")
    return made, token


def body(*raws: bytes) -> bytes:
    return b'{"operations":[' + b",".join(raws) + b"]}"


async def at_rest(connection: asyncpg.Connection) -> None:
    """Waits until the server has done what it has heard: nothing runs any more, twice in a row."""
    quiet = 0
    for _ in range(200):
        await asyncio.sleep(0.1)
        busy = await connection.fetchval(
            """
            select count(*) from pg_stat_activity
            where application_name = 'superapp' and state <> 'idle'
            """
        )
        quiet = quiet + 1 if busy == 0 else 0
        if quiet == 5:
            return
    raise AssertionError("the server does not come to rest")


async def test_a_line_cut_before_the_answer_is_read_neither_loses_nor_doubles_the_push(
    house: House, server: Server
) -> None:
    sender, token = await phone(house, server, "cut")
    rng = random.Random(4)
    for _ in range(20):
        entry = sender.make()
        whole = body(entry.raw)
        line = await Line(server).open()
        await line.send(head(token, len(whole)) + whole)
        await asyncio.sleep(rng.choice([0, 0.002, 0.01, 0.03]))
        await line.cut()
        entry.sent += 1
    async with house.owner() as connection:
        await at_rest(connection)
        before = await ledger.check(connection, [sender])
        await sender.drain()
        after = await ledger.check(connection, [sender])
    await sender.close()
    assert after["held"] == after["made"] == 20
    print(f"{before['held']} of 20 were stored although nobody read the answer")
    assert not server.faults(), server.faults()[:2]


async def test_half_a_body_is_never_stored(house: House, server: Server) -> None:
    sender, token = await phone(house, server, "half")
    faults = len(server.faults())
    for share in (0.1, 0.5, 0.99):
        whole = body(sender.make().raw, sender.make().raw)
        line = await Line(server).open()
        await line.send(head(token, len(whole)) + whole[: int(len(whole) * share)])
        await asyncio.sleep(0.05)
        await line.cut()
    await asyncio.sleep(0.3)
    async with house.owner() as connection:
        assert (await ledger.check(connection, [sender]))["held"] == 0
        assert await connection.fetchval(BUSY) == 0
    await sender.close()
    assert len(server.faults()) == faults, server.faults()[-1]


async def test_a_slow_body_holds_no_transaction_and_no_connection(
    house: House, server: Server
) -> None:
    """More slow phones than the pool has connections; a quick one must not notice."""
    sender, token = await phone(house, server, "slow")
    entries = [sender.make() for _ in range(15)]
    lines = []
    for entry in entries:
        whole = body(entry.raw)
        line = await Line(server).open()
        await line.send(head(token, len(whole)) + whole[:40])
        lines.append((line, whole[40:]))
    plan = encode({"premises": ids.new()})
    desk = await Line(server).open()
    path = f"/v1/visits/{ids.new()}"
    await desk.send(head((await house.sign_in("head"))[1], len(plan), "PUT", path) + plan[:9])
    await asyncio.sleep(0.3)
    async with house.owner() as connection:
        for _ in range(5):
            assert await connection.fetchval(BUSY) == 0
            await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=server.url, timeout=5) as http:
            quick = await http.get("/v1/sync", headers=scenes.bearer(token))
            assert quick.status_code == 200
        for line, rest in lines:
            await line.send(rest)
        answers = [await line.answer() for line, _ in lines]
        await desk.send(plan[9:])
        assert b"422" in (await desk.answer()).split(b"\r\n")[0]
        assert all(a.startswith(b"HTTP/1.1 200") for a in answers)
        assert (await ledger.check(connection, [sender]))["held"] == len(entries)
    await sender.close()


async def test_one_push_heard_by_two_servers_at_once_has_one_receipt(
    house: House, server: Server, second: Server
) -> None:
    visits = await scenes.visits(house, server.url, 4)
    urls = [server.url, second.url]
    phones = await scenes.phones(house, urls, 1, visits, "two")
    (sender,) = phones
    for _ in range(3):
        batch = [sender.make() for _ in range(4)]
        await asyncio.gather(*(sender.push(batch if n % 2 else batch[::-1]) for n in range(16)))
    for entry in sender.journal.values():
        assert len({a["receipt"] for a in entry.answers}) == 1
        assert len(entry.answers) == entry.sent == 16
        assert sum(not a.get("replayed", False) for a in entry.answers) == 1
    async with house.owner() as connection:
        assert (await ledger.check(connection, phones))["held"] == 12
    assert not sender.unexpected, sender.unexpected[:2]
    await sender.close()


async def test_an_unplanned_visit_heard_by_two_servers_at_once_is_one_visit(
    house: House, server: Server, second: Server
) -> None:
    """Both phones make the visit with their first record; neither may get a 500 or be refused."""
    visits = await scenes.visits(house, server.url, 1)
    people = {key: await house.sign_in(key) for key in scenes.INSPECTORS}
    async with house.owner() as connection:
        site = await connection.fetchval(
            "select premises::text from visit where id = $1::text::uuid", visits[0]
        )
    team = [account for account, _ in people.values()]
    async with httpx.AsyncClient(timeout=20) as http:

        async def push(visit: str, key: str, server: Server) -> dict[str, Any]:
            op = record(
                ids.of_text(visit),
                premises=site,
                lead=team[0],
                team=team,
                answers=[answer("E08" if key == "inspector" else "B10", "fail")],
            )
            reply = await http.post(
                f"{server.url}/v1/sync",
                content=encode({"operations": [op]}),
                headers=scenes.bearer(people[key][1]),
            )
            assert reply.status_code == 200, reply.text
            result: dict[str, Any] = reply.json()["results"][0]
            return result

        for turn in range(8):
            visit = f"unplanned {ids.new()} {turn}"
            results = await asyncio.gather(
                push(visit, "inspector", server), push(visit, "inspector-2", second)
            )
            assert {r["status"] for r in results} <= {"stored", "flagged"}, results
            async with house.owner() as connection:
                await ledger.agree(connection, [str(ids.of_text(visit))])
