"""Categories, routes, appointments and blocks are data: edited, versioned, in force at once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import ids, keys
from api.complaints import intake
from api.db import Database
from api.keys import Keyring, Purpose
from tests.complaints.conftest import tell
from tests.world import Person, World, encode

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


async def test_a_clock_runs_for_a_time_that_can_be_and_a_category_never_breaks_the_intake(
    world: World,
) -> None:
    for duration in (
        {"days": 10**9},
        {"days": -1},
        {"days": 0},
        {"hours": 8785},
        {"working_days": 367},
        {"working_days": -1},
        {"days": 1, "hours": 1},
        {},
    ):
        clocks = {"normal": {"resolve": duration}}
        wrong = await edit(world, "slow", 0, clocks=clocks)
        assert wrong.status_code == 422, (duration, wrong.text)
        assert "clocks" in wrong.text or "exactly one" in wrong.text, wrong.text
    for n, duration in enumerate(({"days": 3660}, {"hours": 8784}, {"working_days": 366})):
        clocks = {severity: {"resolve": duration} for severity in ("normal", "urgent")}
        assert (await edit(world, "slow", n, clocks=clocks)).status_code == 200, duration
        assert (await tell(world.nobody, category="slow")).status_code == 200, duration


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


async def test_a_rule_that_names_a_local_body_leads_there_only_while_it_is_appointed(
    world: World,
) -> None:
    async with world.db.read() as tx:
        office = await tx.value("select id from office where code = 'local-11-sample'")
    rule, admin = f"/v1/complaint-routes/{ids.new()}", world["administrator"]
    body = {"priority": 1, "province": "11", "to_office": office}
    assert (await admin.put(rule, content=encode(body))).status_code == 200
    two = {"premises": await world.premises(class_=2)}
    three = {"premises": await world.premises(class_=3)}
    entry = {
        "office": office,
        "province": "11",
        "classes": [1, 2],
        "instrument": "ประกาศตัวอย่าง",
        "valid_from": "2020-01-01",
    }
    appointment = f"/v1/local-appointments/{ids.new()}"
    try:
        for factory in (two, three, {}):
            id = ids.new()
            assert (await tell(world.nobody, id, factory=factory)).status_code == 200
            assert await office_of(world, id) == "pio-11", factory
        assert (await admin.put(appointment, content=encode(entry))).status_code == 200
        for factory, expected in ((two, "local-11-sample"), (three, "pio-11"), ({}, "pio-11")):
            id = ids.new()
            assert (await tell(world.nobody, id, factory=factory)).status_code == 200
            assert await office_of(world, id) == expected, factory
    finally:
        assert (await admin.request("DELETE", rule)).status_code == 204
        ended = entry | {"valid_to": "2020-12-31"}
        await admin.put(appointment, content=encode(ended))


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


@pytest.fixture
async def unblocked(db: Database) -> AsyncIterator[None]:
    """Every test comes from one address."""
    yield
    async with db.begin() as tx:
        await tx.run("delete from complaint_block")


async def refused(person: Person, **parts: Any) -> bool:
    answer = await tell(person, **parts)
    if answer.status_code == 200:
        return False
    assert answer.json()["code"] == "complaints/sender-blocked", answer.text
    return True


async def blocking(world: World, id: UUID, **parts: Any) -> httpx.Response:
    body = {"reason": "ส่งข้อความโฆษณาซ้ำ (ตัวอย่าง)"} | parts
    path = f"/v1/complaints/{id}/block-sender"
    return await world["head"].post(path, content=encode(body))


@pytest.mark.usefixtures("unblocked")
async def test_a_blocked_sender_is_refused_by_account_and_device_and_the_neighbours_are_not(
    world: World,
) -> None:
    id, device = ids.new(), f"test {ids.new()}"
    assert not await refused(world["stranger"], id=id, device=device)
    path = f"/v1/complaints/{id}/block-sender"
    body = encode({"reason": "ตัวอย่าง"})
    assert (await world["inspector-elsewhere"].post(path, content=body)).status_code == 403
    blocked = await blocking(world, id)
    assert blocked.status_code == 200, blocked.text
    assert (blocked.json()["senders"], blocked.json()["network_until"]) == (2, None)
    assert await refused(world.nobody, device=device)
    assert await refused(world["stranger"])
    assert await refused(world["stranger"], anonymous=True)
    assert not await refused(world.nobody)
    assert not await refused(world["citizen"], device=f"test {ids.new()}")
    assert (await tell(world["provincial-officer"], channel="desk")).status_code == 200


@pytest.mark.usefixtures("unblocked")
async def test_a_block_is_lifted_by_those_who_may_set_it_and_by_nobody_else(world: World) -> None:
    id, device = ids.new(), f"test {ids.new()}"
    assert not await refused(world["stranger"], id=id, device=device)
    assert (await blocking(world, id, network=True)).json()["senders"] == 3
    assert await refused(world.nobody)
    path = f"/v1/complaints/{id}/block-sender"
    for key in ("stranger", "inspector", "inspector-elsewhere"):
        assert (await world[key].request("DELETE", path)).status_code == 403, key
    assert await refused(world.nobody)
    assert (await world["head"].request("DELETE", path)).status_code == 204
    assert not await refused(world.nobody, device=device)
    assert not await refused(world["stranger"])
    assert (await world["head"].request("DELETE", path)).status_code == 204  # again is no error
    async with world.db.read() as tx:
        lifted = "select count(*) from event where record = $1 and name = 'complaint_block.removed'"
        assert await tx.value(lifted, id) == 1


@pytest.mark.usefixtures("unblocked")
async def test_a_network_is_blocked_for_a_day_at_most_and_the_longer_block_is_the_one_told(
    world: World,
) -> None:
    id, device = ids.new(), f"test {ids.new()}"
    assert not await refused(world.nobody, id=id, device=device)
    first = (await blocking(world, id, days=30, network=True)).json()
    until, network_until = (
        datetime.fromisoformat(first[name]) for name in ("until", "network_until")
    )
    assert until - network_until == timedelta(days=29)
    again = (await blocking(world, id, days=1)).json()
    assert datetime.fromisoformat(again["until"]) == until


@pytest.mark.usefixtures("unblocked")
async def test_what_names_neither_account_nor_device_is_blocked_by_its_network_alone(
    world: World,
) -> None:
    id = ids.new()
    assert not await refused(world["stranger"], id=id, anonymous=True)
    none = await blocking(world, id)
    assert (none.status_code, none.json()["code"]) == (409, "complaints/nothing-to-block")
    found = await blocking(world, id, network=True)
    assert (found.json()["senders"], found.json()["until"]) == (1, None)
    async with world.db.read() as tx:  # who hid the account has left nothing of it
        kept = "select senders from complainant where complaint = $1"
        assert await tx.value(kept, id) == []


@pytest.fixture
def spare(keyring: Keyring, tmp_path: Path) -> Iterator[Keyring]:
    """A copy of the keyring in use, which a test may rotate."""
    path = tmp_path / "keyring.json"
    shutil.copy2(keyring.path, path)
    yield keys.use(Keyring.open(path))
    keys.use(keyring)


@pytest.mark.usefixtures("unblocked")
async def test_a_rotated_index_key_lifts_no_block_and_refills_no_limit(
    world: World, spare: Keyring
) -> None:
    id, device = ids.new(), f"test {ids.new()}"
    assert not await refused(world.nobody, id=id, device=device)
    assert (await blocking(world, id)).status_code == 200
    before = intake.senders(device, id, "192.0.2.1")
    spare.rotate(Purpose.blind_index)
    after = intake.senders(device, id, "192.0.2.1")
    assert [s.index for s in before] != [s.index for s in after]
    assert [s.bucket for s in before] == [s.bucket for s in after]
    assert await refused(world.nobody, device=device)


async def test_a_rotated_index_key_refills_no_limit_of_those_who_only_look_or_sign_in(
    world: World, spare: Keyring
) -> None:
    asked = (
        ("GET", "/v1/verify/0000-0000-0000-0000", None),
        ("POST", "/oauth/token", "grant_type=refresh_token&client_id=app&refresh_token=x"),
    )

    async def buckets() -> set[str]:
        for method, path, form in asked:
            kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
            await world.http.request(method, path, content=form, headers=kind)
        async with world.db.read() as tx:
            found = "bucket like 'verify:%' or bucket like 'token:%'"
            return set(await tx.values(f"select bucket from rate_limit where {found}"))

    before = await buckets()
    assert len(before) == 2
    spare.rotate(Purpose.blind_index)
    assert await buckets() == before
