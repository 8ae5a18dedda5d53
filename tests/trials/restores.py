"""A dump restored elsewhere: phones must notice, and nothing they sent may be forgotten."""

from __future__ import annotations

import contextlib
import copy
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from api.embedded import EmbeddedPostgres
from tests.trials import ledger, scenes
from tests.trials.house import House, Server
from tests.trials.phones import Phone


def dump(postgres: EmbeddedPostgres) -> bytes:
    """The data base `superapp` in PostgreSQL's custom format."""
    tool = postgres.bin / "pg_dump"
    if not tool.exists():
        pytest.skip("the binaries have no pg_dump")
    done = subprocess.run([tool, "-Fc", "-d", postgres.url()], capture_output=True, check=True)
    return done.stdout


async def restore(postgres: EmbeddedPostgres, archive: bytes) -> None:
    """Into a fresh cluster: the role is the cluster's, so it comes before the dump."""
    connection = await asyncpg.connect(postgres.url())
    await connection.execute("create role superapp_app nologin")
    await connection.close()
    _restore(postgres, postgres.url(), archive)


def _restore(postgres: EmbeddedPostgres, url: str, archive: bytes) -> None:
    command = [postgres.bin / "pg_restore", "--exit-on-error", "-d", url]
    subprocess.run(command, input=archive, capture_output=True, check=True)


@contextlib.asynccontextmanager
async def beside(house: House, phone: Phone) -> AsyncIterator[tuple[House, Server]]:
    """The dump in another data base of the same cluster, with a server for `phone`.

    Its transaction ids are put a million ahead, as those of an old cluster are in a young one.
    """
    archive = dump(house.postgres)
    url = await house.postgres.create_database("restored", "template0")
    _restore(house.postgres, url, archive)
    connection = await asyncpg.connect(url)
    await connection.execute("update change set xid = (xid::text::bigint + 1000000)::text::xid8")
    await connection.close()
    other = copy.copy(house)
    other.url, other.servers, other.environment = url, [], house.variables(url)
    server = other.server()
    try:
        await server.ready()
        for client in phone.clients:
            client.base_url = server.url
        yield other, server
    finally:
        server.stop()
        await house.postgres.drop_database("restored")


async def pull(http: httpx.AsyncClient, token: str, cursor: str = "") -> dict[str, Any]:
    """Every page from `cursor`: the records, the last cursor, and whether it began anew."""
    records, reset, query = dict[str, int](), False, {"limit": "500"}
    while True:
        if cursor:
            query["cursor"] = cursor
        reply = await http.get("/v1/sync", params=query, headers=scenes.bearer(token))
        assert reply.status_code == 200, reply.text
        page = reply.json()
        reset |= page["reset"]
        records |= {c["id"]: c.get("record", {}).get("version", 0) for c in page["changes"]}
        cursor = page["next"]
        if not page["more"]:
            return {"records": records, "cursor": cursor, "reset": reset}


async def sent_before(house: House, server: Server) -> tuple[Phone, str, dict[str, Any]]:
    """A phone that pushed three operations and pulled everything."""
    visits = await scenes.visits(house, server.url, 1)
    (phone,) = await scenes.phones(house, [server.url], 1, visits, "dump")
    assert await phone.push([phone.make() for _ in range(3)])
    token = phone.clients[0].headers["authorization"].removeprefix("Bearer ")
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        return phone, token, await pull(http, token)


async def continues(house: House, server: Server, phone: Phone, token: str, before: Any) -> None:
    """After the restore: bootstrap, replays as before, and new work is stored and pulled."""
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        after = await pull(http, token, before["cursor"])
        assert after["reset"], "the phone goes on with a cursor that means nothing here"
        assert after["records"] == before["records"]
        first = {id: e.answers[-1] for id, e in phone.journal.items()}
        entries = list(phone.journal.values())
        assert await phone.push(entries)
        assert all(e.answers[-1] == first[e.id] | {"replayed": True} for e in entries)
        new = phone.make()
        assert await phone.push([new]) and new.acknowledged
        later = await pull(http, token, after["cursor"])
        assert not later["reset"] and new.visit in later["records"]
    async with house.owner() as connection:
        await ledger.check(connection, [phone])
