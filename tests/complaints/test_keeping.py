"""Categories, routes, appointments and blocks are data: edited, versioned, in force at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api import ids
from tests.complaints.conftest import tell
from tests.world import World, encode

CONTENT: dict[str, Any] = {
    "th": "แสงจ้ารบกวน",
    "en": "Glare",
    "questions": [
        {"code": "hours", "th": "ช่วงเวลาใด", "en": "At what hours?", "type": "hours"},
    ],
}


async def edit(world: World, code: str, version: int, **parts: Any) -> Any:
    return await world["administrator"].put(
        f"/v1/complaint-categories/{code}", content=encode(CONTENT | parts), version=version
    )


async def office_of(world: World, complaint: UUID) -> str:
    async with world.db.read() as tx:
        found: str = await tx.value(
            "select o.code from complaint c join office o on o.id = c.office where c.id = $1",
            complaint,
        )
    return found


async def test_a_new_category_is_offered_at_once_and_one_taken_out_is_refused(
    world: World,
) -> None:
    assert (await edit(world, "glare", 0)).status_code == 200
    listed = (await world.nobody.get("/v1/complaint-categories")).json()["items"]
    assert "glare" in [c["code"] for c in listed]
    assert (await tell(world.nobody, category="glare")).status_code == 200
    assert (await edit(world, "glare", 0)).json()["code"] == "ground/stale-version"
    assert (await edit(world, "glare", 1, active=False)).json()["version"] == 2
    refused = await tell(world.nobody, category="glare")
    assert refused.json()["code"] == "complaints/category-unknown"
    async with world.db.read() as tx:
        kept = "select count(*) from complaint_category_version where category = 'glare'"
        assert await tx.value(kept) == 2


async def test_a_category_with_a_name_that_is_none_is_refused(world: World) -> None:
    for code in ("A b", "x" * 60, "1x"):
        assert (await edit(world, code, 0)).status_code in (400, 422), code


async def test_a_factory_of_class_one_or_two_is_the_local_bodys_only_while_it_is_appointed(
    world: World,
) -> None:
    site = await world.premises(class_=2)
    factory = {"premises": site}
    before = ids.new()
    assert (await tell(world.nobody, before, factory=factory)).status_code == 200
    assert await office_of(world, before) == "pio-11"
    async with world.db.read() as tx:
        office = await tx.value("select id from office where code = 'local-11-sample'")
    entry = {
        "office": office,
        "province": "11",
        "classes": [1, 2],
        "instrument": "ประกาศตัวอย่าง",
        "valid_from": "2020-01-01",
    }
    put = world["administrator"].put
    appointment = f"/v1/local-appointments/{ids.new()}"
    assert (await put(appointment, content=encode(entry))).status_code == 200
    during, big = ids.new(), ids.new()
    assert (await tell(world.nobody, during, factory=factory)).status_code == 200
    assert await office_of(world, during) == "local-11-sample"
    three = {"premises": await world.premises(class_=3)}
    assert (await tell(world.nobody, big, factory=three)).status_code == 200
    assert await office_of(world, big) == "pio-11"
    ended = entry | {"valid_to": "2020-12-31"}
    assert (await put(appointment, content=encode(ended))).status_code == 200
    after = ids.new()
    assert (await tell(world.nobody, after, factory=factory)).status_code == 200
    assert await office_of(world, after) == "pio-11"


async def test_bangkok_is_the_departments_and_an_estate_is_the_estate_authoritys(
    world: World,
) -> None:
    bangkok = ids.new()
    place = {"lat": 13.75, "lng": 100.5, "province": "10"}
    assert (await tell(world.nobody, bangkok, place=place)).status_code == 200
    assert await office_of(world, bangkok) == "diw"
    async with world.db.begin() as tx:
        site = await world.premises(class_=3, nth=1)
        await tx.run("update licence set estate = 'บางปู' where premises_id = $1", site)
    estate = ids.new()
    assert (await tell(world.nobody, estate, factory={"premises": site})).status_code == 200
    assert await office_of(world, estate) == "ieat"
    async with world.db.begin() as tx:
        await tx.run("update licence set estate = null where premises_id = $1", site)


async def test_a_rule_for_emergencies_leads_them_elsewhere_and_is_taken_away_again(
    world: World,
) -> None:
    rule = f"/v1/complaint-routes/{ids.new()}"
    body = {"priority": 1, "emergency": True, "to_kind": "diw"}
    admin = world["administrator"]
    assert (await admin.put(rule, content=encode(body))).status_code == 200
    urgent, calm = ids.new(), ids.new()
    assert (await tell(world.nobody, urgent, answers={"ill": "yes"})).status_code == 200
    assert (await tell(world.nobody, calm)).status_code == 200
    assert (await office_of(world, urgent), await office_of(world, calm)) == ("diw", "pio-11")
    assert (await admin.request("DELETE", rule)).status_code == 204
    assert (await admin.request("DELETE", rule)).status_code == 404
    both = body | {"to_office": ids.new()}
    assert (await admin.put(rule, content=encode(both))).json()["code"] == "complaints/route-wrong"
    gone = {"priority": 1, "to_office": ids.new()}
    assert (await admin.put(rule, content=encode(gone))).json()["code"] == "complaints/route-wrong"


async def test_a_blocked_sender_is_refused_by_device_and_an_officer_at_the_desk_is_not(
    world: World,
) -> None:
    id, device = ids.new(), f"test {ids.new()}"
    assert (await tell(world["stranger"], id, device=device)).status_code == 200
    path = f"/v1/complaints/{id}/block-sender"
    body = encode({"reason": "ส่งข้อความโฆษณาซ้ำ (ตัวอย่าง)"})
    assert (await world["inspector-elsewhere"].post(path, content=body)).status_code == 403
    blocked = await world["head"].post(path, content=body)
    assert blocked.status_code == 200, blocked.text
    try:
        assert blocked.json()["senders"] == 3
        for person in (world["stranger"], world.nobody):
            refused = await tell(person, device=device)
            assert refused.json()["code"] == "complaints/sender-blocked"
        assert (await tell(world["provincial-officer"], channel="desk")).status_code == 200
    finally:
        async with world.db.begin() as tx:  # every test comes from one address
            await tx.run("delete from complaint_block")
