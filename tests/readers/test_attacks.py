"""Ways in which somebody could get another's card, or put an honest desk PC out of service."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api import ids
from api.db import Database
from api.permissions import Worker
from api.problems import Problem
from api.readers.bridges import attached, connecting
from api.readers.desks import service as desks
from api.readers.readings import service
from reader_bridge.messages import ReaderSeen, Receipt
from tests.readers.bridge import SERVER, FakeBridge, moves
from tests.readers.device import Desk, Waiting, at_desk, person
from tests.readers.test_attached import A, B, S, attach, placed, ready
from tests.readers.test_connecting import incidents, state
from tests.world import World

# --- an honest PC must not be put out of service ----------------------------------------------


async def greet(
    db: Database, bridge: FakeBridge, asked: int, hello: dict[str, Any] | None = None
) -> Any:
    """A hello over a challenge that was given when devices were as far as `asked`."""
    challenge = secrets.token_bytes(32)
    async with db.begin() as tx:
        signed = bridge.hello(challenge, **hello or {})
        return await connecting.connect(tx, signed, challenge, SERVER, asked)


async def test_a_late_hello_of_an_older_start_does_not_freeze_an_honest_pc(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    before, late = {"boot": bridge.boot, "starts": bridge.starts}, await moves(db)
    bridge.restart()
    await bridge.connect(db)
    with pytest.raises(Problem) as refused:
        await greet(db, bridge, late, before)
    assert refused.value.code == "readers/bridge-elsewhere"
    assert (await state(db, bridge), await incidents(db, bridge)) == ("active", [])
    with pytest.raises(Problem) as refused:  # a challenge that came after it: two are alive
        await greet(db, bridge, await moves(db), before)
    assert refused.value.code == "readers/bridge-forked"
    assert await state(db, bridge) == "frozen"


async def test_a_late_hello_from_before_the_last_statement_does_not_freeze_an_honest_pc(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    before, late = {"sequence": bridge.sequence, "head": bridge.head}, await moves(db)
    desk = await of(world, db, bridge)
    receipt = await desk.read(await desk.arm())
    bridge.sequence, bridge.head = receipt.sequence, receipt.sha256
    with pytest.raises(Problem) as refused:
        await greet(db, bridge, late, before)
    assert refused.value.code == "readers/bridge-elsewhere"
    await bridge.connect(db)
    assert await incidents(db, bridge) == []


async def of(world: World, db: Database, bridge: FakeBridge) -> Desk:
    """The enrolled bridge as one whose statements can say anything."""
    actor = await person(db, world, "inspector")
    assert actor.office is not None
    desk = Desk(db, actor.account, actor.session, actor.office)
    desk.key, desk.bridge, desk.actor = bridge.key, bridge.device, actor
    desk.sequence, desk.head = bridge.sequence, bridge.head
    async with db.begin(Worker("test")) as tx:
        desk.reader = await tx.value(
            "select id from bridge_reader where bridge = $1 limit 1", bridge.device
        )
        await tx.run(
            "update bridge_reader set name = 'Sample Reader 00 00' where id = $1", desk.reader
        )
        await tx.run(
            "insert into desk (id, office, name) values ($1, $2, $3)",
            desk.desk,
            desk.office,
            f"ช่อง {desk.desk}",
        )
        await desks.mapped(tx, desk.desk, desk.reader, actor.account)
    return desk


# --- a reader that may be another one -----------------------------------------------------------


async def test_readers_without_a_number_that_swapped_names_while_the_pc_was_off_keep_no_desk(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, B, S])
    bridge.restart()
    await bridge.connect(db)
    assert await ready(world, of) == {A.name: None, B.name: None, S.name: True}
    async with db.read() as tx:
        told = await tx.value(
            "select count(*) from event where name = 'desk.unmapped' and record = any($1)",
            [of[A.name], of[B.name]],
        )
    assert told == 2


async def test_a_reader_that_took_a_missing_ones_name_while_the_pc_was_off_has_no_desk(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, B])
    bridge.restart()
    await bridge.connect(db, readers=[A])
    assert await ready(world, of) == {A.name: None, B.name: None}


async def test_one_reader_alone_keeps_its_desk_when_the_program_begins_anew(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, S])
    bridge.restart()
    await bridge.connect(db)
    await bridge.connect(db)
    assert await ready(world, of) == {A.name: True, S.name: True}


async def test_a_line_that_broke_costs_no_desk(world: World, db: Database) -> None:
    bridge, of = await placed(world, db, [A, B])
    await bridge.connect(db)
    assert await ready(world, of) == {A.name: True, B.name: True}


async def test_a_number_that_two_readers_have_tells_neither_from_the_other(
    world: World, db: Database
) -> None:
    one, two = ReaderSeen("Cheap 1", "0000"), ReaderSeen("Cheap 2", "0000")
    bridge, of = await placed(world, db, [one, two])
    bridge.restart()
    await bridge.connect(db)
    assert await ready(world, of) == {one.name: None, two.name: None}


async def test_a_pc_that_invents_readers_does_not_fill_the_table(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [S])
    for turn in range(12):
        await attach(db, bridge, S, *(ReaderSeen(f"Invented {turn} {n}") for n in range(60)))
    async with db.read() as tx:
        kept = await tx.value("select count(*) from bridge_reader where bridge = $1", bridge.device)
    assert kept <= attached.MOST
    assert await ready(world, of) == {S.name: True}


# --- another's desk, another's card -------------------------------------------------------------


async def second(desk: Desk) -> UUID:
    """One more desk of the office, without a reader."""
    found = ids.new()
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(
            "insert into desk (id, office, name) values ($1, $2, $3)",
            found,
            desk.office,
            f"ช่อง {found}",
        )
    return found


async def map_at(
    desk: Desk, to: UUID, account: UUID | None = None, *, carries: str = "", **said: Any
) -> Receipt:
    """A card in the desk's reader while its officer, or `account`, maps desk `to`. What it
    `carries` of a card, it should not."""
    found = Waiting(ids.new(), secrets.token_bytes(32))
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(
            """
            insert into intent (id, session, account, office, desk, bridge, purpose, about, fields,
                photo, nonce, armed_at, expires_at, moved_at)
            values ($1, $2, $3, $4, $5, $6, 'map_desk', $5, '{}', false, $7, $8, $9, $8)
            """,
            found.id,
            desk.session,
            account or desk.account,
            desk.office,
            to,
            desk.bridge,
            found.nonce,
            tx.now,
            tx.now + timedelta(seconds=90),
        )
    empty = {"payload_sha256": b"", "chip_serial": b"", "atr": b""}
    empty.pop(carries, None)
    signed, payload = desk.state(found, purpose="map_desk", **empty | said)
    receipt = await desk.send(signed, payload if carries == "payload" else None)
    assert isinstance(receipt, Receipt)
    return receipt


async def reader_of(desk: Desk, id: UUID) -> UUID | None:
    found: UUID | None = await desk.value("select reader from desk where id = $1", id)
    return found


async def test_an_officer_does_not_take_a_colleagues_reader_to_their_own_desk(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    own = await second(desk)
    receipt = await map_at(desk, own)
    assert receipt.refused == "readers/desk-held"
    assert (await reader_of(desk, desk.desk), await reader_of(desk, own)) == (desk.reader, None)
    head = await person(db, world, "head")
    assert (await map_at(desk, own, head.account)).refused is None
    assert (await reader_of(desk, desk.desk), await reader_of(desk, own)) == (None, desk.reader)


async def test_an_officer_does_not_put_their_own_reader_on_a_colleagues_desk(
    world: World, db: Database
) -> None:
    theirs, mine = await at_desk(db, world), await at_desk(db, world)
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update desk set reader = null, mapped_at = null, mapped_by = null where id = $1",
            mine.desk,
        )
    assert (await map_at(mine, theirs.desk)).refused == "readers/desk-held"
    async with db.begin(Worker("test")) as tx:  # it is gone: whoever sits there puts another on
        await tx.run("update bridge_reader set seen = false where id = $1", theirs.reader)
    assert (await map_at(mine, theirs.desk)).refused is None
    assert await reader_of(mine, theirs.desk) == mine.reader


async def test_no_card_goes_to_whoever_waited_where_the_reader_stood_before(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    before, head = await desk.arm(), await person(db, world, "head")
    assert (await map_at(desk, await second(desk), head.account)).refused is None
    assert await desk.value("select state from intent where id = $1", before.id) == "cancelled"
    assert (await desk.read(before)).refused == "readers/intent-over"


@pytest.mark.parametrize("what", ["payload", "payload_sha256", "chip_serial"])
async def test_a_card_that_only_shows_a_reader_is_not_read_by_it(
    world: World, db: Database, what: str
) -> None:
    desk = await at_desk(db, world)
    head, own = await person(db, world, "head"), await second(desk)
    receipt = await map_at(desk, own, head.account, carries=what)
    assert receipt.refused == "readers/payload-wrong"
    assert await reader_of(desk, own) is None


async def test_a_reader_that_the_server_does_not_know_is_put_on_no_desk(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    head, own = await person(db, world, "head"), await second(desk)
    receipt = await map_at(desk, own, head.account, reader="Sample Reader of another day")
    assert receipt.refused == "readers/desk-without-reader"
    assert await reader_of(desk, own) is None


async def test_a_mapping_is_in_nobodys_list_of_readings(world: World, db: Database) -> None:
    desk = await at_desk(db, world)
    head = await person(db, world, "head")
    mapped = await map_at(desk, await second(desk), head.account)
    assert mapped.reading is not None
    for actor in (head, msgspec.structs.replace(head, session=desk.session)):
        async with db.begin(actor) as tx:
            listed, _ = await service.mine(tx, None, 50)
        assert mapped.reading not in {one.id for one in listed}


async def test_no_card_is_delivered_to_a_desk_that_the_reader_has_left(
    world: World, db: Database
) -> None:
    """As when arming and mapping cross: the intent was made after the others had been told."""
    desk = await at_desk(db, world)
    async with db.begin(Worker("test")) as tx:
        await desks.mapped(tx, await second(desk), desk.reader, desk.account)
    assert (await desk.read(await desk.arm())).refused == "readers/desk-without-reader"
    assert await desk.readings() == 0


async def test_a_desk_that_has_ended_is_not_mapped_and_the_pc_goes_on(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    over, head = await second(desk), await person(db, world, "head")
    async with db.begin(Worker("test")) as tx:
        await tx.run("update desk set ended_at = $2 where id = $1", over, tx.now)
    assert (await map_at(desk, over, head.account)).refused == "readers/desk-not-found"
    assert (await desk.read(await desk.arm())).refused is None


async def test_what_was_read_offline_is_not_lost_because_the_desk_has_no_reader_any_more(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    ticket = await desk.ticket()
    async with db.begin(Worker("test")) as tx:
        await attached.unmap(tx, [desk.reader], "readers_changed")
    receipt = await desk.read(ticket)
    assert receipt.refused is None


# --- what a device says -------------------------------------------------------------------------


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("which", ["read_at", "inserted_at"])
async def test_a_time_that_no_clock_shows_is_refused_and_stops_nothing(
    world: World, db: Database, year: int, which: str
) -> None:
    desk = await at_desk(db, world)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    edge = first if year == 1 else last
    receipt = await desk.read(await desk.arm(), **{which: edge})
    assert receipt.refused == "readers/payload-wrong"
    assert (await desk.read(await desk.arm())).refused is None


async def test_a_hostile_pc_does_not_fill_the_list_of_incidents(world: World, db: Database) -> None:
    desk = await at_desk(db, world)
    for _ in range(40):
        await desk.read(Waiting(ids.new(), secrets.token_bytes(32)))
    assert len(await desk.incidents()) <= 20
    assert await desk.value("select sequence from bridge where id = $1", desk.bridge) == 40


async def test_an_officer_who_was_moved_or_has_left_waits_for_nobodys_card(
    world: World, db: Database
) -> None:
    """What was read by ticket before that is another matter: test_left_meanwhile.py."""
    desk = await at_desk(db, world)
    intent = await desk.arm()
    async with db.begin(Worker("test")) as tx:
        other = await tx.value("select id from office where id <> $1 limit 1", desk.office)
        await tx.run("update account set office = $2 where id = $1", desk.account, other)
    assert (await desk.read(intent)).refused == "readers/session-over"
    async with db.begin(Worker("test")) as tx:
        await tx.run("update account set office = $2 where id = $1", desk.account, desk.office)
        await tx.run(
            "update account_role set ended_at = $2 where account = $1 and ended_at is null",
            desk.account,
            tx.now,
        )
    intent = await desk.arm()
    try:
        assert (await desk.read(intent)).refused == "readers/session-over"
    finally:
        async with db.begin(Worker("test")) as tx:
            await tx.run("update account_role set ended_at = null where account = $1", desk.account)
    assert (await desk.read(await desk.arm())).refused is None
