"""A card at one desk, a screen at another server: what passes between them, and how soon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from api.db import Database
from api.settings import Settings
from reader_bridge.messages import Arm, Progress, Receipt
from tests.readers.bridges import Bridge, Running, arm, running, screen
from tests.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


async def test_an_officer_at_one_server_gets_what_is_read_at_a_bridge_of_another(
    one: Running, two: Running, world: World, db: Database
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    async with screen(two, officer) as seen:
        made = await arm(two, world, officer, bridge)
        assert made.status_code == 200, made.text
        told = await bridge.until(Arm)
        assert str(told.intent) == made.json()["id"] and told.reader is not None
        await bridge.say(Progress(told.intent, "reading"))
        await seen.until(id=made.json()["id"], step="reading")
        await bridge.say(bridge.stated(told))
        receipt = await bridge.until(Receipt)
        assert receipt.refused is None
        delivered = await seen.until(id=made.json()["id"], state="delivered")
        assert UUID(delivered["reading"]) == receipt.reading
    await bridge.close()
