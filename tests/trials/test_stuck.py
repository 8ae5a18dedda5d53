"""A PostgreSQL that stands still: callers are refused in time, and all goes on with it."""

from __future__ import annotations

import asyncio

import pytest

from api import db as db_module
from api.db import Database, Unreachable
from api.settings import Settings
from tests.trials import stuck
from tests.trials.fixtures import linux
from tests.trials.house import House

pytestmark = linux


@pytest.mark.parametrize("whom", ["sessions", "everything"])
async def test_nobody_waits_long_for_a_postgresql_that_stands_still_and_nothing_is_lost(
    house: House, whom: stuck.Whom
) -> None:
    server = house.server(SUPERAPP_STATEMENT_S="1")
    try:
        await server.ready()
        print(await stuck.trial(house, server, whom, rounds=1, still_s=4, bound_s=8))
    finally:
        await asyncio.to_thread(server.stop)
        house.servers.remove(server)


async def test_a_statement_without_an_answer_costs_its_caller_a_bounded_time_and_no_other(
    conf: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, the connection is good again; its transaction is gone."""
    monkeypatch.setattr(db_module, "GIVE_UP_S", 1.0)
    small = await Database.connect(conf.database_url, size=1, statement_s=0.3)
    try:
        with pytest.raises(Unreachable):
            await sleeps(small)
        async with small.read() as tx:
            assert await tx.value("select to_regclass('left_behind')") is None
            with pytest.raises(Unreachable):
                await tx.value("select pg_sleep(30)")
        async with small.begin() as tx:
            assert await tx.value("select 1") == 1
    finally:
        await small.close()


async def sleeps(db: Database) -> None:
    async with db.begin() as tx:
        await tx.run("create temporary table left_behind (x int)")
        await tx.value("select pg_sleep(30)")
