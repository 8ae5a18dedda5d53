"""Desk PCs of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.db import Database
from api.settings import Settings
from tests.readers.bridges import Bridge, Running, running
from tests.world import World


@pytest.fixture(autouse=True)
async def _unhurried(db: Database) -> None:
    """All tests come from one network and few accounts, which may not try so much in an hour."""
    async with db.begin() as tx:
        await tx.run("delete from rate_limit where bucket like 'bridge-%'")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(conf: Settings, db: Database) -> AsyncIterator[Running]:
    """A server of its own, with a hub."""
    async with running(conf, db) as found:
        yield found


@pytest_asyncio.fixture
async def bridge(one: Running, world: World, db: Database) -> AsyncIterator[Bridge]:
    """A desk PC in service."""
    found = await Bridge.enrolled(db, world.inspector)
    yield found
    await found.close()
