"""Servers whose clocks are wrong: that must put no honest desk PC out of service, nor hide a copy.

Both servers are real, in one process; `clock.travel` is the clock of whichever is spoken to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from api import clock
from api.db import Database
from api.settings import Settings
from reader_bridge.messages import GENESIS, Arm, Challenge, Ended, Greeting, Receipt
from tests.readers.bridges import Bridge, Running, arm, running
from tests.readers.test_exchange import Caller
from tests.world import World

APART = [timedelta(seconds=-45), timedelta(seconds=45)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


@pytest.fixture(params=APART, ids=["behind", "ahead"])
def wrong(request: pytest.FixtureRequest) -> Any:
    """The clock of the first server."""

    def at_the_first() -> AbstractContextManager[None]:
        return clock.travel(request.param)

    return at_the_first


async def card_read(at: Running, world: World, bridge: Bridge) -> None:
    """A card is read through this server: the device's chain goes on."""
    await bridge.connect(at)
    await arm(at, world, world.inspector, bridge)
    told = await bridge.until(Arm)
    await bridge.say(bridge.stated(told))
    receipt = await bridge.until(Receipt)
    assert receipt.refused is None
    await bridge.close()


async def state(db: Database, bridge: Bridge) -> str:
    async with db.read() as tx:
        found: str = await tx.value("select state from bridge where id = $1", bridge.id)
    return found


async def test_a_hello_that_comes_late_to_a_server_with_a_wrong_clock_freezes_no_honest_pc(
    one: Running, two: Running, world: World, db: Database, wrong: Any
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await card_read(two, world, bridge)
    with wrong():
        challenge = await bridge.dial(one)
    late, line = bridge.hello(challenge.challenge), bridge.socket
    await card_read(two, world, bridge)
    bridge.socket = line
    with wrong():
        await bridge.say(Greeting(late))
        assert (await bridge.until(Ended)).code == "elsewhere"
    assert await state(db, bridge) == "active"
    await card_read(two, world, bridge)


async def test_the_same_by_http(
    one: Running, two: Running, world: World, db: Database, wrong: Any
) -> None:
    desk = Caller(await Bridge.enrolled(db, world.inspector))
    with wrong():
        await desk.begin(one)
    before = {"sequence": desk.bridge.sequence, "head": desk.bridge.head}
    await card_read(two, world, desk.bridge)
    with wrong():
        refused = await desk.post(one, **before)
    assert (refused.status_code, refused.json()["code"]) == (409, "readers/bridge-elsewhere")
    assert await state(db, desk.bridge) == "active"


async def test_what_moved_before_a_server_with_a_wrong_clock_was_asked_is_no_excuse_for_a_copy(
    one: Running, two: Running, world: World, db: Database, wrong: Any
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await card_read(two, world, bridge)
    said = []
    with wrong():
        for _ in range(3):  # what a server knows of the others is a second old
            challenge = await bridge.dial(one)
            hello = bridge.hello(challenge.challenge, sequence=0, head=GENESIS)
            await bridge.say(Greeting(hello))
            said.append((await bridge.until(Ended)).code)
            await bridge.close()
            await asyncio.sleep(0.6)
    assert said[-1] == "frozen", said


async def test_a_challenge_of_a_server_with_a_wrong_clock_is_good_at_any_other(
    one: Running, two: Running, world: World, db: Database, wrong: Any
) -> None:
    desk = Caller(await Bridge.enrolled(db, world.inspector))
    for first, second in ((one, two), (two, one)):
        with wrong() if first is one else clock.travel(timedelta()):
            await desk.begin(first)
        with wrong() if second is one else clock.travel(timedelta()):
            await desk.say(second)


async def test_a_pc_is_told_the_right_time_by_a_server_whose_clock_is_wrong(
    one: Running, world: World, db: Database, wrong: Any
) -> None:
    """Else `doctor` says that the PC's is."""
    bridge = await Bridge.enrolled(db, world.inspector)
    with wrong():
        at = (await bridge.dial(one)).at
        await bridge.close()
        async with one.http() as http:
            found = await http.get("/v1/bridge/challenge")
    for told in (at, msgspec.json.decode(found.content, type=Challenge).at):
        assert abs(told - clock.now()) < timedelta(seconds=5)
