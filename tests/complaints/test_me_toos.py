""" "Me too" and what is offered before telling: no way to find out what was not released, and
nothing that can be bought."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import ids, settings
from api.app import create_app
from api.complaints.model import State
from api.complaints.own import me_toos
from api.complaints.public import service as public
from api.db import Database
from api.permissions import Worker
from api.settings import Settings
from tests.complaints.conftest import by_code, secret, tell
from tests.complaints.states import heard, published, put_in, release, stored_clocks
from tests.world import Person, World, encode, now

HERE = {"lat": 13.6, "lng": 100.6, "accuracy_m": 20, "province": "11"}


@pytest.fixture(autouse=True)
async def unlimited(world: World) -> None:
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            "delete from rate_limit where bucket like 'complaint:%' or bucket like 'nearby:%'"
        )


async def near(person: Person, lat: float, lng: float, category: str = "odour") -> list[Any]:
    where = f"lat={lat}&lng={lng}&category={category}"
    found = await person.get(f"/v1/complaints-nearby?{where}")
    assert found.status_code == 200, found.text
    return list(found.json()["items"])


async def join(
    person: Person, complaint: object, id: UUID | None = None, **said: Any
) -> httpx.Response:
    body = {"secret": secret()} | said
    path = f"/v1/complaints/{complaint}/me-toos/{id or ids.new()}"
    return await person.put(path, content=encode(body))


async def told_at(world: World, lat: float, lng: float, **parts: Any) -> UUID:
    id = ids.new()
    answer = await tell(world.nobody, id, place=HERE | {"lat": lat, "lng": lng}, **parts)
    assert answer.status_code == 200, answer.text
    return id


# --- offered --------------------------------------------------------------------------------------


async def field(world: World, lat: float, lng: float, **parts: Any) -> list[UUID]:
    """As many as must lie in one field before any of them is offered."""
    return [
        await told_at(world, lat, lng, **parts) for _ in range(settings.Settings().public_cell_min)
    ]


async def test_only_what_an_officer_released_is_offered_and_nothing_of_its_teller(
    world: World,
) -> None:
    description = "บ้านเลขที่ 12 ข้างโรงงาน เหม็นมาก"
    told = await field(world, 14.2345, 101.2345, description=description)
    assert await near(world.nobody, 14.2345, 101.2345) == []
    await published(world, *told)
    offered = await near(world.nobody, 14.2345, 101.2345)
    assert len(offered) == settings.Settings().public_cell_min
    for each in offered:
        assert set(each) == {
            *("id", "number", "category", "distance_m", "month", "status", "status_th", "text")
        }
        assert each["id"] not in [str(id) for id in told]
        assert each["distance_m"] % 500 == 0 and len(each["month"]) == 7
        assert description not in str(each) and "14.2" not in str(each)
        assert each["number"].startswith("P-")  # the other one counts on
    assert await near(world.nobody, 14.2345, 101.2345, "noise") == []
    assert await near(world.nobody, 14.3, 101.2345) == []  # 7 km away


async def test_nothing_is_offered_of_a_month_that_goes_on_or_of_a_field_with_too_few(
    world: World,
) -> None:
    told = await field(world, 14.8005, 101.8005)
    for id in told:
        await release(world, id)
    assert await near(world.nobody, 14.8005, 101.8005) == []
    await published(world, *told[1:])
    assert await near(world.nobody, 14.8005, 101.8005) == []
    await published(world, told[0])
    assert len(await near(world.nobody, 14.8005, 101.8005)) == settings.Settings().public_cell_min
    await put_in(world, told[0], State.withdrawn)  # which nobody may see by its going
    assert len(await near(world.nobody, 14.8005, 101.8005)) == settings.Settings().public_cell_min


async def test_complaints_of_one_month_cease_to_be_offered_at_once(world: World) -> None:
    """Else the moment at which one is gone would tell, a year later, when it came."""
    told = await field(world, 14.4345, 101.4345)
    for id in told:
        await release(world, id)
    month = public.first_of(now() - me_toos.AGE)
    first = public.begun(month)
    last = public.begun((month + timedelta(days=32)).replace(day=1)) - timedelta(hours=1)
    async with world.db.begin(Worker("test")) as tx:
        for n, id in enumerate(told):
            at = first if n % 2 else last
            await tx.run("update complaint set received_at = $2 where id = $1", id, at)
    offered = await near(world.nobody, 14.4345, 101.4345)
    assert len(offered) in (0, len(told))


async def test_closed_ones_are_offered_too_and_all_states_behind_one_status_look_the_same(
    world: World,
) -> None:
    told = await field(world, 14.5005, 101.5005)
    await published(world, *told)
    for state, status in (
        (State.closed, "finished"),
        (State.awaiting_info, "in_progress"),
        (State.inspection_scheduled, "in_progress"),
        (State.order_issued, "in_progress"),
    ):
        for id in told:
            await put_in(world, id, state)
        assert {o["status"] for o in await near(world.nobody, 14.5005, 101.5005)} == {status}


async def test_asking_from_many_places_finds_the_field_and_never_the_point(world: World) -> None:
    """Complaints at the far corners of one field answer alike wherever one asks from."""
    ones = await field(world, 15.0001, 102.0001)
    await published(world, *ones)
    steps = [n / 400 for n in range(-14, 15, 4)]
    places = [(15.005 + n, 102.005 + m) for n in steps for m in steps]
    seen = [[o["distance_m"] for o in await near(world.nobody, *place)] for place in places]
    await _open_limits(world)
    others = await field(world, 15.0099, 102.0099)
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            "update complaint set released_at = null, released_text = null where id = any ($1)",
            ones,
        )
    await published(world, *others)
    assert [[o["distance_m"] for o in await near(world.nobody, *p)] for p in places] == seen
    assert any(seen) and not all(seen)


async def test_who_asks_too_often_is_stopped(world: World) -> None:
    path = "/v1/complaints-nearby?lat=13&lng=100&category=odour"
    answers = [(await world.nobody.get(path)).status_code for _ in range(121)]
    assert answers == [200] * 120 + [429]


# --- me too ---------------------------------------------------------------------------------------


async def test_a_complaint_that_was_not_released_cannot_be_joined_by_any_id(world: World) -> None:
    id = await told_at(world, 13.6, 100.6)
    async with world.db.read() as tx:
        shown = await tx.value("select shown_as from complaint where id = $1", id)
    for complaint in (id, shown, ids.new()):
        found = await join(world["citizen"], complaint)
        assert (found.status_code, found.json()["code"]) == (404, "complaints/no-such-complaint")
    await release(world, id)
    assert (await join(world["citizen"], id)).status_code == 404  # its sender's id stays secret
    assert (await join(world["citizen"], shown)).status_code == 200


async def test_a_person_counts_once_and_only_an_account_says_who_a_person_is(
    world: World,
) -> None:
    id = await told_at(world, 13.6, 100.6)
    shown = await release(world, id)
    answers = await asyncio.gather(*(join(world["citizen"], shown) for _ in range(20)))
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert [a.json()["replayed"] for a in answers].count(False) == 1
    assert (await join(world["operator"], shown)).json()["counted"]
    for person in (world.nobody, world["stranger"]):
        found = (await join(person, shown, anonymous=True)).json()
        assert not found["counted"] and found["code"]
    async with world.db.read() as tx:
        assert await tx.value("select me_toos from complaint where id = $1", id) == 2


async def test_who_told_it_is_not_counted_as_another(world: World) -> None:
    id = ids.new()
    assert (await tell(world["citizen"], id)).status_code == 200
    shown = await release(world, id)
    found = (await join(world["citizen"], shown)).json()
    assert not found["counted"] and found["code"] is None
    async with world.db.read() as tx:
        assert await tx.value("select me_toos from complaint where id = $1", id) == 0


async def test_sent_again_it_is_the_same_and_another_with_its_id_learns_nothing(
    world: World,
) -> None:
    shown = await release(world, await told_at(world, 13.6, 100.6))
    id, mine = ids.new(), secret()
    first = (await join(world.nobody, shown, id, secret=mine)).json()
    again = (await join(world.nobody, shown, id, secret=mine)).json()
    assert again == first | {"replayed": True}
    assert (await join(world.nobody, shown, id)).status_code == 404
    assert (await join(world.nobody, shown, secret=mine)).status_code == 409
    assert (await join(world.nobody, shown, secret="short")).status_code == 422


async def test_who_joined_follows_it_and_reads_nothing_of_whoever_told_it(world: World) -> None:
    words = "ข้าพเจ้าอยู่บ้านหลังสีเขียวติดรั้วโรงงาน"
    id = await told_at(world, 13.61234, 100.65432, description=words)
    shown = await release(world, id)
    code = (await join(world.nobody, shown)).json()["code"]
    me = by_code(world, code)
    (item,) = (await me.get("/v1/own-complaints")).json()["items"]
    assert item["id"] == shown and item["me_too"] and item["description"] != words
    found = await me.get(f"/v1/own-complaints/{shown}")
    assert found.status_code == 200
    for hidden in (words, "13.61", "100.65", str(id)):
        assert hidden not in found.text, hidden
    assert (await me.get(f"/v1/own-complaints/{id}")).status_code == 404
    for what in ("additions", "answers", "occurrences", "ratings", "reopenings"):
        body = {"solved": True} if what == "ratings" else {"text": "x"}
        path = f"/v1/own-complaints/{shown}/{what}/{ids.new()}"
        assert (await me.put(path, content=encode(body))).status_code == 403, what
    left = (await me.put(f"/v1/own-complaints/{shown}/withdrawal")).json()
    assert left["status"] == "withdrawn"
    assert await heard(world, id) == ["complaint.submitted", "complaint.me_too_added"]


async def test_five_hundred_bought_ones_move_nothing(world: World) -> None:
    id = await told_at(world, 13.6, 100.6)
    shown = await release(world, id)
    row = "select (to_jsonb(c) - 'me_toos')::text from complaint c where id = $1"
    deadlines = "select array_agg(kind || due_at order by kind) from deadline where record = $1"
    changes = "select array_agg(seq) from change where record = $1"
    async with world.db.read() as tx:
        before = [await tx.value(sql, id) for sql in (row, deadlines, changes)]
    running = await stored_clocks(world, id)
    assert (await join(world["citizen"], shown)).status_code == 200
    for _ in range(5):
        await _open_limits(world)
        answers = await asyncio.gather(*(join(world.nobody, shown) for _ in range(100)))
        assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    async with world.db.read() as tx:
        assert [await tx.value(sql, id) for sql in (row, deadlines, changes)] == before
        assert await tx.value("select me_toos from complaint where id = $1", id) == 1
    assert await stored_clocks(world, id) == running


async def _open_limits(world: World) -> None:
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            "delete from rate_limit where bucket like 'complaint:%' or bucket like 'nearby:%'"
        )


# --- limits ---------------------------------------------------------------------------------------


async def test_limits_hold_over_two_servers_and_a_header_does_not_change_who_sends(
    world: World, conf: Settings
) -> None:
    own = await Database.connect(conf.database_url, size=3)
    second = create_app(conf, own)
    second.state.db = own
    transport = httpx.ASGITransport(app=second, client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        other = Person(http, "nobody", None, "")
        shown = await release(world, await told_at(world, 13.6, 100.6))
        answers = []
        for n in range(22):
            person = (world.nobody, other)[n % 2]
            device = encode({"secret": secret(), "device": "one phone of the trial"})
            headers = {"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"}
            path = f"/v1/complaints/{shown}/me-toos/{ids.new()}"
            answers.append((await person.put(path, content=device, headers=headers)).status_code)
        assert answers == [200] * 20 + [429] * 2
        await _open_limits(world)
        answers = []
        for n in range(122):
            person = (world.nobody, other)[n % 2]
            headers = {"X-Forwarded-For": f"203.0.113.{n}"}
            path = f"/v1/complaints/{shown}/me-toos/{ids.new()}"
            found = await person.put(path, content=encode({"secret": secret()}), headers=headers)
            answers.append(found.status_code)
        assert answers == [200] * 120 + [429] * 2
    await own.close()
