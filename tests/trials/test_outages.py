"""Nothing left to serve with: no free connection, no PostgreSQL. The API says so and recovers."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from api import db as db_module
from api.db import Database, Unreachable
from api.settings import Settings
from tests.trials import ledger, scenes
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.phones import more, working

pytestmark = linux
PATIENCE_S = 15.0


def refused_clearly(reply: httpx.Response) -> None:
    assert reply.status_code == 503, reply.text
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.json()["code"]


async def test_a_request_never_waits_for_ever_for_a_free_connection(
    conf: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool's wait alone, made short; tests/long has a whole server that is stuck."""
    monkeypatch.setattr(db_module, "WAIT_S", 0.2)
    small = await Database.connect(conf.database_url, size=1)
    try:
        async with small.begin():
            with pytest.raises(TimeoutError) as caught:
                async with small.read():
                    pass
        assert isinstance(caught.value, Unreachable)
        async with small.read() as tx:
            assert await tx.value("select 1") == 1
            assert await tx.value("show lock_timeout") == "5s"
    finally:
        await small.close()


async def test_no_caller_gets_a_500_while_the_data_base_takes_no_writes_or_ends_sessions(
    house: House, server: Server
) -> None:
    """As over a change of the primary: sessions end, for a while only reads are served."""
    visits = await scenes.visits(house, server.url, 2)
    phones = await scenes.phones(house, [server.url], 3, visits, "read only")
    alter = f"alter database {house.url.partition('@/')[2].partition('?')[0]}"
    end_sessions = """
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'superapp' and datname = current_database()
    """
    async with house.owner() as connection, httpx.AsyncClient(base_url=server.url) as http:
        await connection.execute("set default_transaction_read_only = off")
        async with working(phones):
            await more(phones, 5)
            for _ in range(3):
                await connection.execute(end_sessions)
                await more(phones, 5)
        try:
            await connection.execute(f"{alter} set default_transaction_read_only = on")
            await connection.execute(end_sessions)
            who = phones[0].clients[0].headers
            for _ in range(20):  # until the pool has only sessions of afterwards
                await asyncio.sleep(0.05)
                reads = await asyncio.gather(*(http.get("/v1/sync", headers=who) for _ in range(9)))
                if all(r.status_code == 200 for r in reads):
                    break
            entry = phones[0].make()
            refused_clearly(
                await http.post(
                    "/v1/sync",
                    content=b'{"operations":[' + entry.raw + b"]}",
                    headers=who,
                )
            )
            assert reads[0].status_code == 200
        finally:
            await connection.execute(f"{alter} reset default_transaction_read_only")
            await connection.execute(end_sessions)
        for phone in phones:
            await phone.drain()
        await ledger.check(connection, phones)
    unexpected = [u for p in phones for u in p.unexpected]
    assert not unexpected, unexpected[:2]
    assert not server.faults(), server.faults()[:1]
    for phone in phones:
        await phone.close()


async def test_no_caller_waits_long_or_gets_a_500_while_postgresql_is_down(
    house: House,
) -> None:
    server = house.server()
    try:
        await server.ready()
        visits = await scenes.visits(house, server.url, 1)
        phones = await scenes.phones(house, [server.url], 2, visits, "down")
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            who = phones[0].clients[0].headers
            assert house.postgres.process
            house.postgres.process.kill()
            house.postgres.process.wait(10)
            slowest = 0.0
            try:
                for _ in range(3):
                    for method, path in (
                        ("GET", "/v1/sync"),
                        ("POST", "/v1/sync"),
                        ("GET", f"/v1/visits/{visits[0]}"),
                        ("GET", "/health/ready"),
                        ("GET", "/v1/provinces"),
                    ):
                        body = b'{"operations":[' + phones[0].make().raw + b"]}"
                        begun = time.monotonic()
                        refused_clearly(
                            await http.request(
                                method,
                                path,
                                headers=who,
                                content=body if method == "POST" else None,
                            )
                        )
                        slowest = max(slowest, time.monotonic() - begun)
                assert (await http.get("/health")).status_code == 200
            finally:
                house.postgres.start()
            begun = time.monotonic()
            async with working(phones):
                await more(phones, 10)
            back = time.monotonic() - begun
            for phone in phones:
                await phone.drain()
            async with house.owner() as connection:
                await ledger.check(connection, phones)
            unexpected = [u for p in phones for u in p.unexpected]
            assert not unexpected, unexpected[:2]
            for phone in phones:
                await phone.close()
        print(f"slowest refusal {slowest:.2f} s; ten pushes {back:.1f} s after the return")
        assert slowest < PATIENCE_S
        assert not server.faults(), server.faults()[:1]
    finally:
        server.stop()
        house.servers.remove(server)
