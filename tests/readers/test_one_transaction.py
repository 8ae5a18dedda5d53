"""Statements of several devices in one transaction: what is one's own matter stays that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.db import Database
from api.permissions import Worker
from api.problems import Overloaded
from api.readers.problems import BridgeForked, BridgeUnknown
from api.readers.readings import accept, judging, together
from api.readers.readings.together import Together
from api.settings import Settings
from reader_bridge.messages import Missing, Receipt
from tests.readers.device import Desk, Waiting, at_desk
from tests.world import World


class Door:
    """The door of one process, which can be kept shut; `sizes` are those of its transactions."""

    def __init__(self, db: Database) -> None:
        self.slots = asyncio.Semaphore(2)
        self.together = Together(db, self.slots)
        self.sizes: list[int] = []

    def come(self, desk: Desk, waiting: Waiting, **said: Any) -> asyncio.Task[Any]:
        statement = desk.state(waiting, **said)
        return asyncio.create_task(self.together.take(desk.bridge, *statement))

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Who comes meanwhile goes together; `sizes` begin anew."""
        self.sizes.clear()
        async with self.slots, self.slots:
            yield
            await asyncio.sleep(0)  # until all have come


@pytest.fixture
def door(db: Database, monkeypatch: pytest.MonkeyPatch) -> Door:
    found, real = Door(db), accept.take_all

    async def noted(tx: Any, several: Any) -> Any:
        found.sizes.append(len(several))
        return await real(tx, several)

    monkeypatch.setattr(accept, "take_all", noted)
    return found


@pytest_asyncio.fixture
async def desks(db: Database, world: World) -> list[Desk]:
    return [await at_desk(db, world, key) for key in ("inspector", "inspector-2", "inspector")]


@asynccontextmanager
async def held(db: Database, desk: Desk) -> AsyncIterator[Any]:
    """Somebody else is busy with the device."""
    async with db.begin(Worker("test")) as tx:
        await tx.run("select 1 from bridge where id = $1 for update", desk.bridge)
        yield tx


async def until(true: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(8):
        while not await true():
            await asyncio.sleep(0.01)


async def who_waits_for_a_lock(desk: Desk) -> int | None:
    """The data base's process that waits to take a statement."""
    found: int | None = await desk.value(
        """
        select pid from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock' and query like '%update bridge set sequence%'
        """
    )
    return found


async def is_taken(desk: Desk, receipt: Any) -> bool:
    """Whether what the device was told is what the data base has, and only that."""
    assert isinstance(receipt, Receipt) and receipt.refused is None
    row = await desk.value(
        """
        select b.sequence = s.sequence and b.head = s.hash and s.hash = $2 and r.id = $3
                and i.state = 'delivered' and e.actor = 'bridge:' || b.id
                and (select count(*) from event where record = r.id) = 1
        from bridge b join bridge_statement s on s.bridge = b.id and s.sequence = b.sequence
            join reading r on r.id = s.reading and r.bridge = b.id
            join intent i on i.id = r.intent
            join event e on e.record = r.id and e.name = 'reading.taken'
        where b.id = $1
        """,
        desk.bridge,
        receipt.sha256,
        receipt.reading,
    )
    return bool(row)


async def test_those_who_wait_are_taken_in_one_transaction_each_under_its_own_name(
    door: Door, desks: list[Desk]
) -> None:
    async with door.shut():
        coming = [door.come(desk, await desk.arm()) for desk in desks]
    for desk, receipt in zip(desks, await asyncio.gather(*coming), strict=True):
        assert await is_taken(desk, receipt)
    assert door.sizes == [3]


async def test_no_transaction_takes_more_than_so_many(
    door: Door, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST", 3)
    desks = [await at_desk(db, world) for _ in range(7)]
    async with door.shut():
        coming = [door.come(desk, await desk.arm()) for desk in desks]
    for desk, receipt in zip(desks, await asyncio.gather(*coming), strict=True):
        assert await is_taken(desk, receipt)
    assert door.sizes == [3, 3, 1]


async def test_what_is_wrong_with_one_is_told_to_it_alone(
    door: Door, db: Database, world: World
) -> None:
    """A fork among them, a forged one, a wrong nonce, one too early, one said again."""
    good, forked, forged, foreign, early, again = [await at_desk(db, world) for _ in range(6)]
    said = again.state(await again.arm())
    first = await again.send(*said)
    await forked.read(await forked.arm())
    before = forked.head
    forged.key = Ed25519PrivateKey.generate()
    waiting = [await desk.arm() for desk in (good, forked, forged, foreign, early)]
    async with door.shut():
        coming = [
            asyncio.create_task(door.together.take(again.bridge, *said)),
            door.come(forged, waiting[2]),
            door.come(forked, waiting[1], previous=bytes(32)),
            door.come(good, waiting[0]),
            door.come(foreign, waiting[3], nonce=bytes(32)),
            door.come(early, waiting[4], sequence=7),
        ]
    found = await asyncio.gather(*coming, return_exceptions=True)
    assert door.sizes == [6]
    assert isinstance(first, Receipt) and isinstance(found[0], Receipt)
    assert found[0].replayed and found[0].reading == first.reading
    assert isinstance(found[1], BridgeUnknown) and isinstance(found[2], BridgeForked)
    assert await is_taken(good, found[3])
    assert isinstance(found[4], Receipt) and found[4].refused == "readers/nonce-wrong"
    assert found[5] == Missing(1)
    state = "select (state, head) = ($2, $3) from bridge where id = $1"
    assert await forked.value(state, forked.bridge, "frozen", before)
    noted = [await d.incidents() for d in (good, forked, forged, foreign, early, again)]
    assert noted == [[], ["fork"], [], ["foreign"], [], []]
    actors = "select array_agg(distinct actor) from event where record = $1 and kind = 'bridge'"
    for desk in (forked, foreign):
        assert await desk.value(actors, desk.bridge) == [f"bridge:{desk.bridge}"]


async def test_whose_session_ends_between_question_and_answer_costs_nobody_elses_reading(
    door: Door, desks: list[Desk], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, other = desks[1], desks[0]
    real = judging.new_reading

    async def late(*given: Any) -> Any:
        new = await real(*given)
        async with db.begin(Worker("test")) as tx:
            sql = "update session set ended_at = now(), end_reason = 'signed_out' where id = $1"
            await tx.run(sql, gone.session)
        return new

    waiting = [await other.arm(), await gone.arm()]
    monkeypatch.setattr(judging, "new_reading", late)
    async with door.shut():
        coming = [door.come(other, waiting[0]), door.come(gone, waiting[1])]
    kept, lost = await asyncio.gather(*coming)
    async with db.begin(Worker("test")) as tx:
        sql = "update session set ended_at = null, end_reason = null where id = $1"
        await tx.run(sql, gone.session)
    assert door.sizes == [2]
    assert await is_taken(other, kept)
    assert (lost.reading, lost.refused) == (None, "readers/intent-over")
    assert await gone.readings() == 0
    assert await gone.value("select sequence from bridge where id = $1", gone.bridge) == 1


async def test_a_chain_that_is_moved_meanwhile_is_asked_again_for_itself_alone(
    door: Door, desks: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, other = desks[:2]
    waiting = [await moved.arm(), await other.arm()]
    elsewhere = moved.state(waiting[0])
    real, asked = judging.new_reading, []

    async def late(tx: Any, basis: Any, one: Any, *more: Any) -> Any:
        new = await real(tx, basis, one, *more)
        asked.append(one.device)
        if len(asked) == 2:  # another server takes it at this moment
            monkeypatch.undo()
            await moved.send_retrying(*elsewhere)
        return new

    monkeypatch.setattr(judging, "new_reading", late)
    async with door.shut():
        again = asyncio.create_task(door.together.take(moved.bridge, *elsewhere))
        coming = door.come(other, waiting[1])
    receipt = await again
    assert isinstance(receipt, Receipt) and receipt.replayed
    assert await is_taken(other, await coming)
    assert await moved.readings() == 1 and await moved.incidents() == []


async def test_a_deadlock_with_one_of_them_has_all_taken_anew_and_once(
    door: Door, desks: list[Desk], db: Database
) -> None:
    one, other = desks[:2]
    waiting = [await one.arm(), await other.arm()]
    with_other = None
    try:
        async with held(db, other) as tx:
            async with door.shut():
                coming = [door.come(one, waiting[0]), door.come(other, waiting[1])]
            await until(lambda: who_waits_for_a_lock(one))
            await tx.run("update bridge set software = '2' where id = $1", one.bridge)
    except asyncpg.DeadlockDetectedError as error:
        with_other = error  # or they are let go on, and it is we who lose
    first, second = await asyncio.gather(*coming)
    assert await is_taken(one, first) and await is_taken(other, second)
    assert with_other is not None or door.sizes == [2, 2]


async def test_a_device_that_somebody_is_busy_with_keeps_nobody_waiting_who_comes_after_it(
    door: Door, desks: list[Desk], db: Database
) -> None:
    busy, *others = desks
    waiting = [await desk.arm() for desk in desks]
    async with held(db, busy):
        door.sizes.clear()
        first = door.come(busy, waiting[0])
        while not door.sizes:
            await asyncio.sleep(0)
        coming = [door.come(desk, w) for desk, w in zip(others, waiting[1:], strict=True)]
        async with asyncio.timeout(3):
            found = await asyncio.gather(*coming)
        assert not first.done() and door.sizes == [1, 2]
    for desk, receipt in zip(desks, [await first, *found], strict=True):
        assert await is_taken(desk, receipt)


async def test_one_who_goes_away_meanwhile_takes_nobody_along(
    door: Door, desks: list[Desk], db: Database
) -> None:
    gone, other, never = desks
    waiting = [await desk.arm() for desk in desks]
    said = gone.state(waiting[0])
    async with held(db, gone):
        async with door.shut():
            lost = asyncio.create_task(door.together.take(gone.bridge, *said))
            coming = door.come(other, waiting[1])
            nobody = door.come(never, waiting[2])
            await asyncio.sleep(0)
            nobody.cancel()  # before it has begun
        await until(lambda: who_waits_for_a_lock(gone))
        lost.cancel()
        again = asyncio.create_task(door.together.take(gone.bridge, *said))
        await asyncio.sleep(0.1)
        assert door.sizes == [2]  # what it says next waits for what it said before
    assert await is_taken(other, await coming)
    receipt = await again
    assert receipt.replayed and await gone.readings() == 1
    assert lost.cancelled() and await never.readings() == 0
    assert await is_taken(never, await door.come(never, waiting[2]))


async def test_two_statements_of_one_device_go_one_after_the_other(
    door: Door, desks: list[Desk], db: Database
) -> None:
    twice, other = desks[:2]
    ticket, waiting = await twice.ticket(), await twice.arm()
    first = twice.state(waiting)
    then = twice.state(ticket, sequence=2, previous=first[0].sha256)
    wait = await other.arm()
    async with door.shut():
        coming = [
            asyncio.create_task(door.together.take(twice.bridge, *said)) for said in (first, then)
        ]
        beside = door.come(other, wait)
    receipts = await asyncio.gather(*coming)
    assert [(r.sequence, r.refused) for r in receipts] == [(1, None), (2, None)]
    assert await is_taken(other, await beside)
    assert door.sizes == [2, 1] and await twice.incidents() == []


async def test_a_desk_is_mapped_in_a_transaction_of_its_own(door: Door, desks: list[Desk]) -> None:
    """It locks desks; nobody else's card waits for those."""
    mapping, other, third = desks
    waiting = [await desk.arm() for desk in desks]
    async with door.shut():
        coming = [
            door.come(other, waiting[1]),
            door.come(mapping, waiting[0], purpose="map_desk"),
            door.come(third, waiting[2]),
        ]
    found = await asyncio.gather(*coming)
    assert door.sizes == [1, 1, 1]
    assert [receipt.refused for receipt in found] == [None, "readers/nonce-wrong", None]


@asynccontextmanager
async def failing(conf: Settings, desk: Desk, how: str) -> AsyncIterator[None]:
    """Every commit in which a statement of this device is fails."""
    owner = await asyncpg.connect(conf.database_url)
    try:
        await owner.execute(
            f"""
            create function fail() returns trigger language plpgsql security definer as $$
            begin {how}; return null; end $$;
            create constraint trigger fail after insert on bridge_statement
                deferrable initially deferred for each row
                when (new.bridge = '{desk.bridge}') execute function fail()
            """
        )
        yield
    finally:
        await owner.execute("drop function fail cascade")
        await owner.close()


@pytest.mark.parametrize(
    "how", ["raise exception 'not to be'", "perform pg_terminate_backend(pg_backend_pid())"]
)
async def test_nobody_is_told_of_what_is_not_committed_and_nobody_else_is_lost(
    door: Door, desks: list[Desk], conf: Settings, how: str
) -> None:
    bad, *others = desks
    waiting = [await desk.arm() for desk in desks]
    async with failing(conf, bad, how):
        async with door.shut():
            coming = [door.come(desk, w) for desk, w in zip(desks, waiting, strict=True)]
        found = await asyncio.gather(*coming, return_exceptions=True)
    assert door.sizes == [3, 1, 1, 1]
    assert isinstance(found[0], asyncpg.PostgresError | asyncpg.InterfaceError | OSError)
    assert await bad.value("select sequence from bridge where id = $1", bad.bridge) == 0
    for desk, receipt in zip(others, found[1:], strict=True):
        assert await is_taken(desk, receipt)
    assert await is_taken(bad, await door.come(bad, waiting[0]))  # said again


async def test_a_connection_killed_in_the_middle_loses_nobody_and_doubles_nothing(
    door: Door, desks: list[Desk], db: Database, conf: Settings
) -> None:
    waiting = [await desk.arm() for desk in desks]
    owner = await asyncpg.connect(conf.database_url)
    async with held(db, desks[1]):
        async with door.shut():
            coming = [door.come(desk, w) for desk, w in zip(desks, waiting, strict=True)]
        await until(lambda: who_waits_for_a_lock(desks[0]))
        pid = await who_waits_for_a_lock(desks[0])
        assert not any(task.done() for task in coming)
        await owner.execute("select pg_terminate_backend($1)", pid)
    await owner.close()
    for desk, receipt in zip(desks, await asyncio.gather(*coming), strict=True):
        assert await is_taken(desk, receipt) and await desk.readings() == 1
    assert door.sizes == [3, 1, 1, 1]


async def test_a_server_that_ends_leaves_nobody_waiting_for_an_answer(
    door: Door, desks: list[Desk], db: Database
) -> None:
    first, second = desks[:2]
    waiting = [await first.arm(), await second.arm()]
    async with held(db, first):
        coming = [door.come(first, waiting[0])]
        await until(lambda: who_waits_for_a_lock(first))
        async with door.slots:
            coming.append(door.come(second, waiting[1]))
            await asyncio.sleep(0)
            await door.together.close()
        found = await asyncio.gather(*coming, return_exceptions=True)
    assert [type(error) for error in found] == [Overloaded, Overloaded]
    assert await first.readings() == 0 and await second.readings() == 0
    assert await is_taken(first, await door.come(first, waiting[0]))  # by whoever comes next
