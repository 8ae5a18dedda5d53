"""Who reads what is not theirs leaves a trace, by whichever way they read it."""

from __future__ import annotations

from uuid import UUID

from api import ids
from tests.complaints.conftest import begun, tell
from tests.complaints.states import heard
from tests.world import World

LONG = "ก" * 110


async def shown(world: World, who: str, id: UUID) -> str:
    path = "/v1/complaints?everywhere=true&limit=100"
    items = (await world[who].get(path)).json()["items"]
    (found,) = [item["summary"] for item in items if item["id"] == str(id)]
    return str(found)


async def test_asking_what_is_near_a_complaint_is_a_look_at_it(world: World) -> None:
    id = await begun(world)
    for who in (world.inspector, world["inspector-2"]):
        for _ in range(2):
            found = await who.get(f"/v1/complaints/{id}/around")
            assert found.status_code == 200, found.text
        traces = (await heard(world, id)).count("complaint.viewed")
        assert traces == (who is world["inspector-2"])


async def test_a_list_shows_less_of_what_is_of_another_office(world: World) -> None:
    id, other = ids.new(), ids.new()
    for told in (id, other):
        assert (await tell(world.nobody, told, description=LONG)).status_code == 200
    async with world.db.begin() as tx:
        far = await tx.value("select id from office where code = 'diw'")
        await tx.run("update complaint set office = $2 where id = $1", other, far)
    assert await shown(world, "inspector", id) == LONG
    assert await shown(world, "inspector", other) == LONG[:60]
    similar = (await world.inspector.get(f"/v1/complaints/{id}/around")).json()["similar"]
    (found,) = [each for each in similar if each["id"] == str(other)]
    assert found["summary"] == LONG[:60]
    async with world.db.begin() as tx:
        mine = world.inspector.account
        await tx.run("update complaint set assigned = $2 where id = $1", other, mine)
    assert await shown(world, "inspector", other) == LONG
