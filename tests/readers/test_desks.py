"""Desks, and that a reader stands on one at a time."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from api import ids
from api.db import Database
from api.permissions import Bridge, Worker
from api.readers.desks import service
from api.readers.problems import DeskNotFound, ReaderElsewhere
from tests.readers.bridge import FakeBridge
from tests.readers.test_attached import A, B, S, placed, ready
from tests.readers.test_bridges import every, far_away
from tests.readers.test_connecting import waiting
from tests.world import World, encode


async def reader(db: Database, bridge: FakeBridge, name: str) -> UUID:
    async with db.read() as tx:
        found: UUID = await tx.value(
            "select id from bridge_reader where bridge = $1 and name = $2", bridge.device, name
        )
    return found


async def test_a_desk_sent_again_is_the_same_and_another_under_its_id_is_refused(
    world: World,
) -> None:
    id, name = ids.new(), f"โต๊ะ {ids.new()}"
    made = [
        await world.head.put(f"/v1/desks/{id}", content=encode({"name": name})) for _ in range(2)
    ]
    assert [answer.status_code for answer in made] == [200, 200]
    assert made[0].json() == made[1].json()
    assert (made[0].json()["ready"], made[0].json()["version"]) == (False, 1)
    other = await world.head.put(f"/v1/desks/{id}", content=encode({"name": "อื่น"}))
    assert (other.status_code, other.json()["code"]) == (409, "readers/desk-exists")
    twin = await world.head.put(f"/v1/desks/{ids.new()}", content=encode({"name": name}))
    assert (twin.status_code, twin.json()["code"]) == (409, "readers/desk-exists")
    nameless = await world.head.put(f"/v1/desks/{ids.new()}", content=encode({"name": "  "}))
    assert nameless.status_code == 422


async def test_the_same_desk_sent_by_two_at_once_is_made_once(world: World, db: Database) -> None:
    """Two people: the requests of one session wait for each other anyway."""
    async with db.read() as tx:
        office = await tx.value("select id from office where code = 'pio-11'")
    people = (world.head, world.department, world.administrator)
    for _ in range(5):
        id = ids.new()
        body = encode({"name": f"โต๊ะ {id}", "office": office})
        sent = [person.put(f"/v1/desks/{id}", content=body) for person in people]
        assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}
        async with db.read() as tx:
            made = "select count(*) from event where name = 'desk.made' and record = $1"
            assert await tx.value(made, id) == 1


async def test_a_desk_that_has_ended_frees_its_name_its_reader_and_who_waits_there(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [S])
    desk = of[S.name]
    intent = await waiting(world, db, bridge)
    async with db.begin(Worker("test")) as tx:
        await tx.run("update intent set desk = $2 where id = $1", intent, desk)
    now = (await world.head.get(f"/v1/desks/{desk}")).json()
    path = f"/v1/desks/{desk}/end"
    assert (await world.head.post(path, version=now["version"] - 1)).status_code == 409
    assert (await world.head.post(path, version=now["version"])).status_code == 204
    assert (await world.head.get(f"/v1/desks/{desk}")).status_code == 404
    assert str(desk) not in await every(world.head, "/v1/desks")
    async with db.read() as tx:
        assert await tx.value("select state from intent where id = $1", intent) == "cancelled"
    again = encode({"name": now["name"]})
    assert (await world.head.put(f"/v1/desks/{ids.new()}", content=again)).status_code == 200
    assert (await world.head.put(f"/v1/desks/{desk}", content=again)).status_code == 404
    with pytest.raises(DeskNotFound):
        async with db.begin(Worker("test")) as tx:
            await service.mapped(
                tx, desk, await reader(db, bridge, S.name), world.head.account or ids.new()
            )


async def test_a_name_that_another_desk_has_is_not_taken(world: World) -> None:
    first, second = ids.new(), ids.new()
    for id in (first, second):
        await world.head.put(f"/v1/desks/{id}", content=encode({"name": f"โต๊ะ {id}"}))
    path = f"/v1/desks/{first}"
    taken = encode({"name": f"โต๊ะ {second}"})
    answer = await world.head.request("PATCH", path, content=taken, version=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "readers/desk-exists")
    free = encode({"name": f"ช่อง {first}"})
    answer = await world.head.request("PATCH", path, content=free, version=1)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    answer = await world.head.request("PATCH", path, content=free, version=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "ground/stale-version")


async def test_a_reader_is_never_on_two_desks(world: World, db: Database) -> None:
    bridge, of = await placed(world, db, [A, S])
    account = world.inspector.account or ids.new()
    async with db.begin(Bridge(bridge.device)) as tx:  # S's reader, for the desk that has A's
        await service.mapped(tx, of[A.name], await reader(db, bridge, S.name), account)
    assert await ready(world, of) == {A.name: True, S.name: None}
    desk = (await world.head.get(f"/v1/desks/{of[A.name]}")).json()
    assert (desk["reader_name"], desk["bridge"]) == (S.name, str(bridge.device))
    listed = (await world.head.get(f"/v1/readers?bridge={bridge.device}")).json()["items"]
    assert {r["name"]: r["desk"] for r in listed} == {A.name: None, S.name: str(of[A.name])}
    async with db.read() as tx:
        told = await tx.values(
            "select name from event where actor = $1 and kind = 'desk' order by id",
            f"bridge:{bridge.device}",
        )
    assert told == ["desk.unmapped", "desk.unmapped", "desk.mapped"][: len(told)]
    assert told.count("desk.mapped") == 1


async def test_no_desk_gets_a_reader_of_another_office(world: World, db: Database) -> None:
    other, desk = await far_away(world), ids.new()
    await other.connect(db)
    await world.head.put(f"/v1/desks/{desk}", content=encode({"name": f"โต๊ะ {desk}"}))
    strange = await reader(db, other, other.readers[0].name)
    with pytest.raises(ReaderElsewhere):
        async with db.begin(Bridge(other.device)) as tx:
            await service.mapped(tx, desk, strange, world.head.account or ids.new())
    assert (await world.head.get(f"/v1/desks/{desk}")).json()["reader"] is None


async def test_a_head_makes_no_desk_for_another_office(world: World, db: Database) -> None:
    async with db.read() as tx:
        far = await tx.value("select id from office where code = 'pio-21'")
    body = encode({"name": f"โต๊ะ {ids.new()}", "office": far})
    refused = await world.head.put(f"/v1/desks/{ids.new()}", content=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "readers/office-out-of-reach")
    id = ids.new()
    assert (await world.department.put(f"/v1/desks/{id}", content=body)).status_code == 200
    assert str(id) not in await every(world.head, "/v1/desks")
    assert (
        await world.head.put(f"/v1/desks/{id}", content=encode({"name": "x"}))
    ).status_code == 404


async def test_the_list_tells_where_a_card_can_be_read_now(world: World, db: Database) -> None:
    bridge, of = await placed(world, db, [A, B])
    unmapped = await world.head.post(f"/v1/desks/{of[B.name]}/unmap")
    assert (unmapped.status_code, unmapped.json()["reader"]) == (200, None)
    assert (await world.head.post(f"/v1/desks/{of[B.name]}/unmap")).status_code == 200
    good = await every(world.inspector, "/v1/desks?ready=true")
    rest = await every(world.inspector, "/v1/desks?ready=false")
    assert str(of[A.name]) in good and str(of[B.name]) in rest
    assert not set(good) & set(rest)
    await world.head.post(f"/v1/bridges/{bridge.device}/revoke", content=encode({"reason": "x"}))
    assert str(of[A.name]) not in await every(world.inspector, "/v1/desks?ready=true")
