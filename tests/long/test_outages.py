"""A server whose every connection is stuck."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.trials import ledger, scenes
from tests.trials.fixtures import linux
from tests.trials.house import House
from tests.trials.test_outages import PATIENCE_S, refused_clearly

pytestmark = [pytest.mark.long, linux]


async def test_a_pool_without_a_free_connection_makes_no_caller_wait_for_ever(
    house: House,
) -> None:
    """Somebody locks a table; every push of a small pool is stuck, and then reads queue as well."""
    server = house.server(SUPERAPP_POOL_SIZE="2")
    try:
        await server.ready()
        visits = await scenes.visits(house, server.url, 1)
        phones = await scenes.phones(house, [server.url], 3, visits, "pool")
        async with (
            house.owner() as connection,
            httpx.AsyncClient(base_url=server.url, timeout=60) as http,
        ):
            token = phones[0].clients[0].headers["authorization"]
            who = {"Authorization": token}
            assert (await http.get("/v1/sync", headers=who)).status_code == 200
            locking = connection.transaction()
            await locking.start()
            await connection.execute("lock table visit in access exclusive mode")
            entries = [p.make() for p in phones]
            pushes = [
                asyncio.create_task(
                    http.post(
                        "/v1/sync",
                        content=b'{"operations":[' + e.raw + b"]}",
                        headers=p.clients[0].headers,
                    )
                )
                for p, e in zip(phones, entries, strict=True)
            ]
            await asyncio.sleep(0.2)
            begun = time.monotonic()
            reads = await asyncio.gather(
                *(http.get("/v1/provinces", headers=who) for _ in range(10))
            )
            assert (await http.get("/health")).status_code == 200, "alive, though not ready"
            replies = [*reads, *(await asyncio.gather(*pushes))]
            took = time.monotonic() - begun
            for reply in replies:
                refused_clearly(reply)
            assert took < PATIENCE_S, f"callers waited {took:.0f} s"
            await locking.rollback()
            assert (await http.get("/v1/provinces", headers=who)).status_code == 200
            for phone in phones:
                await phone.drain()
            assert (await ledger.check(connection, phones))["held"] == 3
            for phone in phones:
                await phone.close()
        print(f"13 callers were refused within {took:.1f} s")
        assert not server.faults(), server.faults()[:1]
    finally:
        server.stop()
        house.servers.remove(server)
