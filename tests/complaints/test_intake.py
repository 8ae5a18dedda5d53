"""A complaint is told once, by whoever; with the code it is followed, without it nobody has it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from api import clock, codes, ids
from tests.complaints.conftest import by_code, secret, tell, told
from tests.statements import counted
from tests.world import World, encode


async def test_a_complaint_without_sign_in_is_followed_by_its_code_alone(world: World) -> None:
    id, mine = ids.new(), secret()
    answer = await tell(world.nobody, id, secret=mine)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    received = clock.bangkok_date(datetime.fromisoformat(body["received_at"]))
    assert body["status"] == "received"
    assert body["number"].startswith(f"{clock.buddhist_year(received) % 100}-")
    assert codes.read(body["code"], codes.SECRET) is not None
    for spelt in (mine, body["code"], body["code"].lower().replace("-", " ")):
        found = await by_code(world, spelt).get(f"/v1/own-complaints/{id}")
        assert found.status_code == 200, found.text
        assert found.json()["description"] == body["description"]
        assert found.json()["code"] is None
    listed = (await by_code(world, mine).get("/v1/own-complaints")).json()["items"]
    assert [item["id"] for item in listed] == [str(id)]


async def test_a_wrong_code_and_the_code_of_another_complaint_open_nothing(world: World) -> None:
    id, other = ids.new(), ids.new()
    mine = (await tell(world.nobody, id)).json()["code"]
    theirs = (await tell(world.nobody, other)).json()["code"]
    assert (await by_code(world, theirs).get(f"/v1/own-complaints/{id}")).status_code == 404
    wrong = mine[:-1] + ("0" if mine[-1] != "0" else "1")
    assert (await by_code(world, wrong).get(f"/v1/own-complaints/{id}")).status_code == 401
    assert (await world.nobody.get(f"/v1/own-complaints/{id}")).status_code == 401
    assert (await world["citizen"].get(f"/v1/own-complaints/{id}")).status_code == 404
    assert (await by_code(world, mine).get("/v1/visits")).status_code == 401


async def test_forty_at_once_are_one_complaint(world: World) -> None:
    id, body = ids.new(), encode(told())
    answers = await asyncio.gather(
        *(world.nobody.put(f"/v1/complaints/{id}", content=body) for _ in range(40))
    )
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert [a.json()["replayed"] for a in answers].count(False) == 1
    assert len({a.json()["number"] for a in answers}) == 1
    async with world.db.read() as tx:
        assert await tx.value("select count(*) from complainant where complaint = $1", id) == 1
        heard = "select count(*) from event where record = $1 and name = 'complaint.submitted'"
        assert await tx.value(heard, id) == 1


@pytest.mark.parametrize("ill", [None, "yes"])
async def test_the_first_answer_says_all_that_a_later_one_says(
    world: World, ill: str | None
) -> None:
    """Also of an emergency, which another office has."""
    async with world.db.begin() as tx:
        await tx.run(
            """
            insert into complaint_route (id, priority, emergency, to_kind)
            select $1, 0, true, 'diw' where $2::text is not null
            """,
            ids.new(),
            ill,
        )
    id, body = ids.new(), told(answers={"kind": "solvent"} | ({"ill": ill} if ill else {}))
    first, again = [(await tell(world.nobody, id, **body)).json() for _ in range(2)]
    assert (first.pop("replayed"), again.pop("replayed")) == (False, True)
    assert first == again
    assert ("กรมโรงงาน" if ill else "สมุทรปราการ") in first["office_th"]
    async with world.db.begin() as tx:
        await tx.run("delete from complaint_route where priority = 0")


async def test_other_content_is_a_conflict_for_its_sender_and_nothing_for_others(
    world: World,
) -> None:
    id, body = ids.new(), told()
    assert (await tell(world.nobody, id, **body)).status_code == 200
    other = await tell(world.nobody, id, **(body | {"description": "อีกเรื่อง"}))
    assert (other.status_code, other.json()["code"]) == (409, "complaints/complaint-exists")
    stranger = await tell(world.nobody, id, **(body | {"secret": secret()}))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "complaints/no-such-complaint")


async def test_whoever_is_signed_in_has_it_in_their_list_unless_they_wished_otherwise(
    world: World,
) -> None:
    mine, hidden = ids.new(), ids.new()
    assert (await tell(world["citizen"], mine)).status_code == 200
    assert (await tell(world["citizen"], hidden, anonymous=True)).status_code == 200
    listed = (await world["citizen"].get("/v1/own-complaints")).json()["items"]
    found = {item["id"] for item in listed}
    assert str(mine) in found and str(hidden) not in found
    assert (await world["inspector"].get(f"/v1/own-complaints/{mine}")).status_code == 404


async def test_a_token_that_no_longer_counts_makes_no_anonymous_complaint(world: World) -> None:
    answer = await world.nobody.put(
        f"/v1/complaints/{ids.new()}",
        content=encode(told()),
        headers={"Authorization": "Bearer nonsense"},
    )
    assert answer.status_code == 401


async def test_an_officer_writes_for_the_person_at_the_desk_and_nobody_else_may(
    world: World,
) -> None:
    id, contact = ids.new(), {"name": "นางสาวตัวอย่าง ทดสอบ", "phone": "02-000-0000"}
    answer = await tell(world["provincial-officer"], id, channel="desk", contact=contact)
    assert answer.status_code == 200, answer.text
    own = f"/v1/own-complaints/{id}"
    assert (await by_code(world, answer.json()["code"]).get(own)).status_code == 200
    assert (await world["provincial-officer"].get(own)).status_code == 404
    assert (await tell(world["citizen"], channel="desk")).status_code == 403
    assert (await tell(world.nobody, channel="phone")).status_code == 403


async def test_nothing_of_who_told_it_is_stored_in_clear(world: World) -> None:
    id = ids.new()
    contact = {"name": "ชื่อลับตัวอย่าง", "phone": "0800000000", "email": "secret@example.invalid"}
    answer = await tell(world.nobody, id, contact=contact)
    assert answer.status_code == 200
    async with world.db.read() as tx:
        for table in ("complaint", "complainant", "event", "job"):
            rows = await tx.values(f"select to_jsonb(x)::text from {table} x")
            for hidden in (*contact.values(), answer.json()["code"].replace("-", "")):
                assert not [r for r in rows if hidden in r], (table, hidden)


@pytest.mark.parametrize(
    ("answers", "severity"),
    [
        ({"ill": "no"}, "normal"),
        ({"ill": "irritated"}, "urgent"),
        ({"ill": "yes"}, "emergency"),
        ({"ill": "nonsense"}, "normal"),
    ],
)
async def test_what_is_answered_decides_how_urgent_it_is(
    world: World, answers: dict[str, Any], severity: str
) -> None:
    id = ids.new()
    assert (await tell(world.nobody, id, answers=answers)).status_code == 200
    async with world.db.read() as tx:
        assert await tx.value("select severity from complaint where id = $1", id) == severity


async def test_what_cannot_be_understood_is_said_and_what_is_odd_is_kept(world: World) -> None:
    assert (await tell(world.nobody, secret="short")).json()[
        "code"
    ] == "complaints/secret-unreadable"
    assert (await tell(world.nobody, category="ghosts")).json()["code"] == (
        "complaints/category-unknown"
    )
    nowhere = {"premises": ids.new()}
    assert (await tell(world.nobody, factory=nowhere)).json()["code"] == "complaints/place-unknown"
    id = ids.new()
    odd = await tell(world.nobody, id, answers={"unheard": 1, "hours": "noon"}, place={})
    assert odd.status_code == 200, odd.text
    async with world.db.read() as tx:
        flags = await tx.value("select flags::text from complaint where id = $1", id)
    for code in ("answer.unknown", "answer.odd", "place.unknown"):
        assert code in flags


async def test_a_place_that_does_not_exist_is_named_and_never_breaks_the_server(
    world: World,
) -> None:
    for place in (
        {"district": "1199"},
        {"district": "9999"},
        {"province": "11", "district": "1199"},
        {"province": "99"},
    ):
        refused = await tell(world.nobody, place=place)
        assert refused.status_code == 422, (place, refused.text)
        assert refused.json()["code"] == "complaints/place-unknown"


async def test_a_district_outside_the_province_given_is_kept_and_flagged(world: World) -> None:
    async with world.db.read() as tx:
        near, far = await tx.value(
            """
            select array[(select min(code) from district where province = '11'),
                (select min(code) from district where province = '21')]
            """
        )
    for district, odd in ((near, False), (far, True)):
        id = ids.new()
        answer = await tell(world.nobody, id, place={"province": "11", "district": district})
        assert answer.status_code == 200, answer.text
        async with world.db.read() as tx:
            flags = await tx.value("select flags::text from complaint where id = $1", id)
        assert ("place.mismatch" in flags) is odd, district


async def test_a_position_alone_finds_the_province_and_its_office(world: World) -> None:
    id = ids.new()
    site = await world.premises()
    async with world.db.read() as tx:
        lat, lng = await tx.value("select array[lat, lng] from premises where id = $1", site)
    answer = await tell(world.nobody, id, place={"lat": lat, "lng": lng})
    assert (
        "สมุทรปราการ"
        in (await by_code(world, answer.json()["code"]).get(f"/v1/own-complaints/{id}")).json()[
            "office_th"
        ]
    )


async def test_more_than_a_network_may_send_is_refused_with_a_time_to_wait(world: World) -> None:
    device = f"test {ids.new()}"
    limit = 20
    for _ in range(limit):
        assert (await tell(world.nobody, device=device)).status_code == 200
    refused = await tell(world.nobody, device=device)
    assert (refused.status_code, refused.json()["code"]) == (429, "ground/too-fast")
    assert int(refused.headers["Retry-After"]) > 60


async def test_a_list_of_ones_own_costs_as_many_statements_for_six_as_for_two(
    world: World,
) -> None:
    for _ in range(6):
        assert (await tell(world["stranger"])).status_code == 200
    costs = []
    for limit in (2, 6):
        with counted() as ran:
            page = (await world["stranger"].get(f"/v1/own-complaints?limit={limit}")).json()
        assert len(page["items"]) == limit
        costs.append(len(ran))
    assert costs[0] == costs[1] <= 8, costs
