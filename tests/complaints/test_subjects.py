"""Which factory a complaint is about is offered with reasons and decided by an officer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api import ids
from tests.complaints.conftest import tell
from tests.complaints.matters import confirm, stored, told
from tests.world import World, encode


async def _where(world: World, premises: UUID) -> dict[str, Any]:
    async with world.db.read() as tx:
        lat = await tx.value("select lat from premises where id = $1", premises)
        lng = await tx.value("select lng from premises where id = $1", premises)
        province = await tx.value("select province from premises where id = $1", premises)
    return {"lat": lat, "lng": lng, "accuracy_m": 10, "province": province}


async def _around(world: World, id: UUID) -> dict[str, Any]:
    found = await world.inspector.get(f"/v1/complaints/{id}/around")
    assert found.status_code == 200, found.text
    told_of: dict[str, Any] = found.json()
    return told_of


async def _candidates(world: World, id: UUID) -> list[dict[str, Any]]:
    candidates: list[dict[str, Any]] = (await _around(world, id))["candidates"]
    return candidates


async def _similar(world: World, id: UUID) -> list[dict[str, Any]]:
    similar: list[dict[str, Any]] = (await _around(world, id))["similar"]
    return similar


async def test_a_factory_at_the_place_told_is_offered_with_its_reasons(world: World) -> None:
    premises = await world.premises()
    id = await told(world, place=await _where(world, premises))
    listed = await _candidates(world, id)
    mine = next(c for c in listed if c["premises"] == str(premises))
    assert mine["distance_m"] == 0 and mine["score"] == sum(r["points"] for r in mine["reasons"])
    assert {"distance", "operating"} <= {r["code"] for r in mine["reasons"]}
    assert all(r["th"] and r["en"] for c in listed for r in c["reasons"])
    assert [c["score"] for c in listed] == sorted((c["score"] for c in listed), reverse=True)


async def test_the_factory_that_was_named_comes_first_even_where_it_is_far(world: World) -> None:
    near, far = await world.premises(), await world.premises(province="10")
    place = await _where(world, near)
    id = await told(world, place=place, factory={"premises": str(far)})
    listed = await _candidates(world, id)
    named = next(c for c in listed if c["premises"] == str(far))
    assert "named" in {r["code"] for r in named["reasons"]}
    assert named["distance_m"] > 5000


async def test_a_kind_of_industry_typical_of_the_complaint_counts(world: World) -> None:
    async with world.db.read() as tx:
        premises = await tx.value(
            """
            select l.premises_id from licence l join premises p on p.id = l.premises_id
            where left(l.category, 3)::int in (42, 43, 45, 48, 49, 101, 105, 106)
                and p.lat is not null and l.status = 'operating' and p.province = '11'
            order by l.key limit 1
            """
        )
    assert premises is not None
    id = await told(world, place=await _where(world, premises))
    listed = await _candidates(world, id)
    (mine,) = [c for c in listed if c["premises"] == str(premises)]
    (reason,) = [r for r in mine["reasons"] if r["code"] == "industry"]
    assert reason["points"] in (10, 20, 30) and reason["facts"]["category"]


async def test_without_a_position_only_what_was_named_is_offered(world: World) -> None:
    id = await told(world, place={"province": "11"})
    assert await _candidates(world, id) == []
    premises = await world.premises()
    async with world.db.read() as tx:
        name = await tx.value("select name from premises where id = $1", premises)
    id = await told(world, place={"province": "11"}, factory={"name": name})
    listed = await _candidates(world, id)
    assert "called" in {r["code"] for c in listed for r in c["reasons"]}


async def test_percent_signs_and_quotes_in_the_name_written_find_nothing_and_break_nothing(
    world: World,
) -> None:
    for name in ("%", "_ _", "'; drop table complaint; --", "\\", "{0}"):
        id = await told(world, place={"province": "11"}, factory={"name": name})
        assert await _candidates(world, id) == [], name


async def test_duplicates_nearby_are_offered_also_closed_ones_and_others_are_not(
    world: World,
) -> None:
    place = {"lat": 13.7312, "lng": 100.9321, "accuracy_m": 5, "province": "11"}
    beside = {**place, "lat": 13.7318}
    away = {**place, "lat": 13.79}
    closed = await told(world, "closed", place=beside)
    other = await told(world, "in_progress", place=beside, category="noise", answers={})
    far = await told(world, place=away)
    id = await told(world, place=place)
    found = await _similar(world, id)
    listed = [c["id"] for c in found]
    assert listed.index(str(closed)) < listed.index(str(other))
    assert str(far) not in listed and str(id) not in listed
    first = found[0]
    assert {"distance", "time", "category"} <= {r["code"] for r in first["reasons"]}


async def test_duplicates_of_another_province_are_not_shown(world: World) -> None:
    place = {"lat": 13.6612, "lng": 100.6021, "accuracy_m": 5}
    theirs = await told(world, place={**place, "province": "10"})
    mine = await told(world, place={**place, "province": "11"})
    listed = await _similar(world, mine)
    assert str(theirs) not in [c["id"] for c in listed]


async def test_an_officer_confirms_the_factory_and_changes_it(world: World) -> None:
    id = await told(world)
    first, second = await world.premises(nth=0), await world.premises(nth=1)
    one = await confirm(world, id, first)
    assert (one["subject"], one["premises"]) == ("confirmed", str(first))
    assert one["licence"] and one["number"] and one["routed"]["th"]
    two = await confirm(world, id, second)
    assert two["premises"] == str(second) and two["version"] == one["version"] + 1
    stale = await world.inspector.post(
        f"/v1/complaints/{id}/subject",
        content=encode({"premises": first}),
        version=one["version"],
    )
    assert stale.status_code == 409
    async with world.db.read() as tx:
        heard = await tx.values(
            "select facts->>'before' from event where record = $1"
            " and name = 'complaint.subject_confirmed' order by id",
            id,
        )
    assert heard == [None, str(first)]


async def test_after_confirmation_the_office_that_the_routes_choose_is_told(world: World) -> None:
    id = await told(world)
    here = await confirm(world, id, await world.premises())
    assert here["forward"] is False and here["routed"]["id"] == here["office"]
    elsewhere = await confirm(world, id, await world.premises(province="10"))
    assert elsewhere["forward"] is True
    assert elsewhere["routed"]["id"] != elsewhere["office"]


async def test_a_complaint_that_is_over_is_bound_to_no_factory(world: World) -> None:
    premises = await world.premises()
    for state in ("resolved", "closed", "rejected", "withdrawn"):
        id = await told(world, state)
        found = await world.inspector.post(
            f"/v1/complaints/{id}/subject", content=encode({"premises": premises}), version=1
        )
        assert (found.status_code, found.json()["code"]) == (409, "complaints/complaint-sealed")


async def test_a_factory_that_is_not_there_cannot_be_confirmed(world: World) -> None:
    id = await told(world)
    found = await world.inspector.post(
        f"/v1/complaints/{id}/subject", content=encode({"premises": ids.new()}), version=1
    )
    assert (found.status_code, found.json()["code"]) == (422, "complaints/place-unknown")


async def test_an_unregistered_factory_is_recorded_without_the_complainants_position(
    world: World,
) -> None:
    id = await told(world)
    found = await world.inspector.post(
        f"/v1/complaints/{id}/unregistered-factory",
        content=encode({"name": "โรงงานไม่มีป้าย (ตัวอย่าง)", "province": "11"}),
        version=1,
    )
    assert found.status_code == 200, found.text
    assert found.json()["subject"] == "unregistered" and found.json()["licence"] is None
    site = (await world.head.get(f"/v1/factories/{found.json()['premises']}")).json()
    assert site["registered"] is False and site.get("position") is None
    assert "13.6" not in str(site)


async def test_when_an_unregistered_factory_is_merged_its_complaints_go_with_it(
    world: World,
) -> None:
    id = await told(world)
    found = await world.inspector.post(
        f"/v1/complaints/{id}/unregistered-factory",
        content=encode({"name": "โรงงานที่ยังไม่รู้จัก (ตัวอย่าง)", "province": "11"}),
        version=1,
    )
    other, into = found.json()["premises"], await world.premises(nth=3)
    held = (await world.head.get(f"/v1/factories/{into}")).json()
    merged = await world.head.post(
        f"/v1/premises/{into}/merge", content=encode({"other": other}), version=held["version"]
    )
    assert merged.status_code == 200, merged.text
    await world.work()
    now = await stored(world, id)
    assert (now["premises"], now["subject"]) == (into, "confirmed")


async def test_officers_of_other_provinces_find_no_such_complaint(world: World) -> None:
    id = ids.new()
    await tell(world.nobody, id, place={"lat": 13.7, "lng": 100.5, "province": "10"})
    premises = await world.premises()
    found = await world.inspector.get(f"/v1/complaints/{id}/around")
    assert (found.status_code, found.json()["code"]) == (404, "complaints/no-such-complaint")
    body = encode({"premises": premises})
    found = await world.inspector.post(f"/v1/complaints/{id}/subject", content=body, version=1)
    assert found.status_code == 404
