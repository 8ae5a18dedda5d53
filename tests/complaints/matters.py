"""What the tests of complaints, visits and orders share."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api import ids
from api.clock import bangkok_date
from tests.complaints.conftest import tell
from tests.world import Person, World, answer, encode, now, record, submit

Json = dict[str, Any]


async def told(world: World, state: str = "in_progress", **parts: Any) -> UUID:
    """A complaint that the office's officer has in `state`."""
    id = ids.new()
    found = await tell(world.nobody, id, **parts)
    assert found.status_code == 200, found.text
    async with world.db.begin() as tx:
        await tx.run(
            "update complaint set state = $2, assigned = $3 where id = $1",
            id,
            state,
            world.inspector.account,
        )
    return id


async def stored(world: World, id: UUID) -> Json:
    async with world.db.read() as tx:
        state = await tx.value("select state from complaint where id = $1", id)
        version = await tx.value("select version from complaint where id = $1", id)
        premises = await tx.value("select premises from complaint where id = $1", id)
        subject = await tx.value("select subject from complaint where id = $1", id)
    return {"state": state, "version": version, "premises": premises, "subject": subject}


async def confirm(world: World, id: UUID, premises: UUID, person: Person | None = None) -> Json:
    before = await stored(world, id)
    found = await (person or world.inspector).post(
        f"/v1/complaints/{id}/subject",
        content=encode({"premises": premises}),
        version=before["version"],
    )
    assert found.status_code == 200, found.text
    body: Json = found.json()
    return body


async def about(world: World, premises: UUID, **parts: Any) -> UUID:
    """A complaint in progress, confirmed to be about `premises`."""
    id = await told(world, **parts)
    await confirm(world, id, premises)
    return id


def plan(world: World, *complaints: UUID, **parts: Any) -> Json:
    return {
        "complaints": list(complaints),
        "planned_on": bangkok_date(now()).isoformat(),
        "lead": world.inspector.account,
        "team": [world["inspector-2"].account],
    } | parts


async def planned(world: World, *complaints: UUID, **parts: Any) -> Json:
    """A visit because of `complaints`, planned by the inspector."""
    visit = ids.new()
    found = await world.inspector.put(
        f"/v1/complaint-visits/{visit}", content=encode(plan(world, *complaints, **parts))
    )
    assert found.status_code == 200, found.text
    body: Json = found.json()
    return body


async def reviewed(world: World, visit: str, *actions: str) -> Json:
    for action in actions:
        seen = (await world.head.get(f"/v1/visits/{visit}")).json()
        body = None if action == "take-up" else encode({"note": ""})
        moved = await world.head.post(
            f"/v1/visits/{visit}/{action}", content=body, version=seen["version"]
        )
        assert moved.status_code == 200, moved.text
    found: Json = (await world.head.get(f"/v1/visits/{visit}")).json()
    return found


async def accepted(world: World, visit: str, *answers: Json) -> Json:
    """The visit made, submitted and accepted, with two findings of the checklist."""
    both = [answer("E08", "fail"), answer("D04", "fail"), *answers]
    (done,) = await world.inspector.push(record(UUID(visit), answers=both, outcome="inspected"))
    assert done["status"] in ("stored", "flagged"), done
    await world.inspector.push(submit(UUID(visit)))
    found = await reviewed(world, visit, "take-up", "accept")
    for finding in found["findings"]:
        if finding["state"] == "needs_confirmation":
            sure = await world.head.post(
                f"/v1/findings/{finding['id']}/confirm", version=finding["version"]
            )
            assert sure.status_code == 200, sure.text
    await world.work()
    again: Json = (await world.head.get(f"/v1/visits/{visit}")).json()
    return again
