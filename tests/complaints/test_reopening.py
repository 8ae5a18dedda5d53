"""What is not solved is reopened, by whoever told it as often as they may, and then by a head."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api import ids
from api.complaints.model import State
from tests.complaints.conftest import begun, by_code, do, secret
from tests.complaints.states import heard, put_in
from tests.complaints.test_endings import state
from tests.world import World, encode, now


@pytest.mark.parametrize("ended", [State.resolved, State.closed, State.rejected])
async def test_what_is_rated_as_not_solved_is_reopened_and_the_head_is_told(
    world: World, ended: State
) -> None:
    code, entry = secret(), ids.new()
    id = await begun(world, secret=code)
    await put_in(world, id, ended)
    path = f"/v1/own-complaints/{id}/ratings/{entry}"
    body = encode({"solved": False, "rating": 1, "text": "ยังเหม็น"})
    for replayed in (False, True):
        found = await by_code(world, code).put(path, content=body)
        assert found.status_code == 200, found.text
        seen = found.json()
        assert (seen["status"], seen["solved"], seen["rating"]) == ("in_progress", False, 1)
        assert seen["replayed"] is replayed
    assert [said["text"] for said in seen["said"]] == ["ยังเหม็น"]
    assert await state(world, id) == "reopened"
    assert (await heard(world, id))[-2:] == ["complaint.rated", "complaint.reopened"]
    await world.work()
    listed = (await world.head.get("/v1/messages", params={"limit": 200})).json()["items"]
    assert "complaint.reopened" in [m["template"] for m in listed if m["about"]["id"] == str(id)]


async def test_a_late_rating_of_what_is_not_solved_is_kept_and_reopens_nothing(
    world: World,
) -> None:
    code = secret()
    id = await begun(world, secret=code)
    await put_in(world, id, State.closed, at=now() - timedelta(days=16))
    found = await by_code(world, code).put(
        f"/v1/own-complaints/{id}/ratings/{ids.new()}", content=encode({"solved": False})
    )
    assert (found.json()["status"], found.json()["solved"]) == ("finished", False)
    assert await state(world, id) == "closed"


async def test_whoever_told_it_reopens_it_twice_at_most_and_then_a_head(world: World) -> None:
    code = secret()
    id = await begun(world, secret=code)
    me = by_code(world, code)
    for what, body in (
        ("ratings", {"solved": False}),
        ("reopenings", {"text": "ยังเหม็น"}),
    ):
        await put_in(world, id, State.closed)
        assert (await me.get(f"/v1/own-complaints/{id}")).json()["reopen_until"]
        done = await me.put(f"/v1/own-complaints/{id}/{what}/{ids.new()}", content=encode(body))
        assert done.json()["status"] == "in_progress", done.text
    await put_in(world, id, State.closed)
    again = await me.put(
        f"/v1/own-complaints/{id}/reopenings/{ids.new()}", content=encode({"text": "อีก"})
    )
    assert (again.status_code, again.json()["code"]) == (409, "complaints/reopened-enough")
    assert (await me.get(f"/v1/own-complaints/{id}")).json()["reopen_until"] is None
    rated = await me.put(
        f"/v1/own-complaints/{id}/ratings/{ids.new()}", content=encode({"solved": False})
    )
    assert rated.json()["status"] == "finished"
    done = await do(world.head, id, "reopen", {"text": "ตรวจอีกครั้ง"})
    assert (done.status_code, done.json()["state"]) == (200, "reopened"), done.text
