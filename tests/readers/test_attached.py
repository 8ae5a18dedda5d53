"""Readers come and go; a desk keeps one only as long as it is surely the same."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.bridges import attached
from api.readers.desks import service as desks
from reader_bridge.messages import ReaderSeen
from tests.readers.bridge import FakeBridge
from tests.world import World, encode

A, B, C = (ReaderSeen(f"Sample {n}") for n in "ABC")
S, T = ReaderSeen("Serial S", "S-1"), ReaderSeen("Serial T", "T-1")


async def placed(
    world: World, db: Database, readers: Sequence[ReaderSeen]
) -> tuple[FakeBridge, dict[str, UUID]]:
    """A connected bridge with a desk for each reader, by the reader's name."""
    bridge = await FakeBridge.enrolled(world, readers=readers)
    await bridge.connect(db)
    assert world.inspector.account is not None
    found = {}
    for reader in readers:
        desk = ids.new()
        made = await world.head.put(
            f"/v1/desks/{desk}", content=encode({"name": f"{reader.name} {desk}"})
        )
        assert made.status_code == 200, made.text
        async with db.begin(Worker("test")) as tx:
            id = await tx.value(
                "select id from bridge_reader where bridge = $1 and name = $2",
                bridge.device,
                reader.name,
            )
            await desks.mapped(tx, desk, id, world.inspector.account)
        found[reader.name] = desk
    return bridge, found


async def attach(db: Database, bridge: FakeBridge, *readers: ReaderSeen) -> bool:
    async with db.begin(Worker("test")) as tx:
        return await attached.readers_now(tx, bridge.device, readers)


async def ready(world: World, of: dict[str, UUID]) -> dict[str, bool | None]:
    """By the reader's name: whether its desk is ready, None where the desk has none."""
    found: dict[str, bool | None] = {}
    for name, desk in of.items():
        seen = (await world.head.get(f"/v1/desks/{desk}")).json()
        found[name] = seen["ready"] if seen["reader"] else None
    return found


async def test_what_has_not_changed_writes_nothing(world: World, db: Database) -> None:
    bridge, of = await placed(world, db, [A, S])
    async with db.read() as tx:
        before = await tx.values(
            "select xmin::text from bridge_reader where bridge = $1 order by id", bridge.device
        )
        happened = await tx.value("select count(*) from event")
    assert not await attach(db, bridge, S, A)
    assert not await attach(db, bridge, S, A, A)
    async with db.read() as tx:
        after = await tx.values(
            "select xmin::text from bridge_reader where bridge = $1 order by id", bridge.device
        )
        assert await tx.value("select count(*) from event") == happened
    assert before == after
    assert await ready(world, of) == {A.name: True, S.name: True}


async def test_one_reader_alone_that_comes_back_under_its_name_keeps_its_desk(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, B])
    assert await attach(db, bridge, B)
    assert await ready(world, of) == {A.name: False, B.name: True}
    assert await attach(db, bridge, A, B)
    assert await ready(world, of) == {A.name: True, B.name: True}
    listed = (await world.head.get(f"/v1/readers?bridge={bridge.device}")).json()["items"]
    assert {(r["name"], r["seen"], r["desk"]) for r in listed} == {
        (A.name, True, str(of[A.name])),
        (B.name, True, str(of[B.name])),
    }


async def test_readers_without_a_number_that_were_away_together_are_on_no_desk_any_more(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, B, C, S])
    await attach(db, bridge, C)
    await attach(db, bridge, A, B, C, S)
    assert await ready(world, of) == {A.name: None, B.name: None, C.name: True, S.name: True}


@pytest.mark.parametrize(
    "steps",
    [((B,), (), (A,), (A, B)), ((B,), (A,), (A, B)), ((), (A, B))],
    ids=["one after the other", "exchanged between two looks", "at once"],
)
async def test_no_reader_takes_anothers_name_and_desk_with_it(
    world: World, db: Database, steps: tuple[tuple[ReaderSeen, ...], ...]
) -> None:
    bridge, of = await placed(world, db, [A, B])
    for step in steps:
        await attach(db, bridge, *step)
    assert await ready(world, of) == {A.name: None, B.name: None}


async def test_a_reader_of_another_number_under_the_name_has_no_desk(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [S, T])
    await attach(db, bridge)
    await attach(db, bridge, S, T)
    assert await ready(world, of) == {S.name: True, T.name: True}
    swapped = ReaderSeen(S.name, "T-1"), ReaderSeen(T.name, "S-1")
    await attach(db, bridge, *swapped)
    assert await ready(world, of) == {S.name: None, T.name: None}


async def test_nobody_waits_for_a_card_in_a_reader_that_may_be_another(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, B])
    async with db.begin(Worker("test")) as tx:
        for desk in of.values():
            await tx.run(
                """
                insert into intent (id, session, account, office, desk, bridge, reader, purpose,
                    fields, photo, nonce, armed_at, expires_at, moved_at)
                select $1, s.id, s.account, d.office, d.id, r.bridge, r.id, 'confirm_officer',
                    '{}', false, sha256($1::uuid::text::bytea), $3, $3, $3
                from desk d join bridge_reader r on r.id = d.reader, session s
                where d.id = $2 and s.account = $4 limit 1
                """,
                ids.new(),
                desk,
                tx.now,
                world.inspector.account,
            )
    await attach(db, bridge, B)
    async with db.read() as tx:
        states = "select state from intent where bridge = $1 order by state"
        assert await tx.values(states, bridge.device) == ["armed", "armed"]
    await attach(db, bridge)
    async with db.read() as tx:
        assert await tx.values(states, bridge.device) == ["cancelled", "cancelled"]
        why = await tx.value(
            "select facts->>'why' from event where name = 'desk.unmapped' and record = $1",
            of[A.name],
        )
    assert why == "readers_changed"


async def test_what_a_driver_fills_numbers_with_is_no_number(world: World, db: Database) -> None:
    blank = [ReaderSeen("Sample A", "\0\0 "), ReaderSeen("Sample B", " ")]
    bridge, of = await placed(world, db, blank)
    await attach(db, bridge)
    await attach(db, bridge, *blank)
    assert await ready(world, of) == {"Sample A": None, "Sample B": None}
