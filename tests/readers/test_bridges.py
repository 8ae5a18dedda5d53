"""What officers see of the devices of their office, and how a device ends."""

from __future__ import annotations

import pytest

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.bridges import freezing
from api.readers.problems import BridgeEnded
from tests.readers.bridge import FakeBridge
from tests.readers.test_attached import A, S, placed
from tests.readers.test_connecting import waiting
from tests.world import Person, World, encode


async def far_away(world: World) -> FakeBridge:
    async with world.db.read() as tx:
        office = await tx.value("select id from office where code = 'pio-21'")
    return await FakeBridge.enrolled(world, by=world.department, office=office)


async def every(person: Person, path: str) -> list[str]:
    """All ids of a list, two at a time."""
    found: list[str] = []
    cursor = ""
    while True:
        page = await person.get(f"{path}{'&' if '?' in path else '?'}limit=2{cursor}")
        assert page.status_code == 200, page.text
        found += [item["id"] for item in page.json()["items"]]
        if (after := page.json()["next"]) is None:
            return found
        cursor = f"&cursor={after}"


async def test_an_office_sees_its_own_devices_and_no_others(world: World, db: Database) -> None:
    own = [str((await FakeBridge.enrolled(world)).device) for _ in range(3)]
    other = await far_away(world)
    await other.connect(db)
    seen = await every(world.head, "/v1/bridges")
    assert set(own) <= set(seen) and str(other.device) not in seen
    assert seen == sorted(set(seen))
    assert {*own, str(other.device)} <= set(await every(world.department, "/v1/bridges"))
    assert str(other.device) in await every(world["inspector-elsewhere"], "/v1/bridges")
    assert (await world.head.get(f"/v1/bridges/{other.device}")).status_code == 404
    readers = (await world.head.get("/v1/readers?limit=200")).json()["items"]
    assert str(other.device) not in {reader["bridge"] for reader in readers}
    assert len(await every(world.department, f"/v1/readers?bridge={other.device}")) == 1
    assert await every(world.head, f"/v1/readers?bridge={other.device}") == []


async def test_a_name_is_not_changed_over_a_change_that_was_not_seen(world: World) -> None:
    bridge = await FakeBridge.enrolled(world)
    path = f"/v1/bridges/{bridge.device}"
    body = encode({"name": " เคาน์เตอร์ 1 "})
    assert (await world.head.request("PATCH", path, content=body)).status_code == 422
    renamed = await world.head.request("PATCH", path, content=body, version=1)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "เคาน์เตอร์ 1")
    stale = await world.head.request("PATCH", path, content=body, version=1)
    assert (stale.status_code, stale.json()["current"]) == (409, 2)


async def test_a_revoked_device_is_waited_for_by_nobody_and_never_comes_back(
    world: World, db: Database
) -> None:
    bridge, of = await placed(world, db, [A, S])
    intent = await waiting(world, db, bridge)
    path = f"/v1/bridges/{bridge.device}/revoke"
    for _ in range(2):
        revoked = await world.head.post(path, content=encode({"reason": "เครื่องหาย"}))
        assert revoked.status_code == 200, revoked.text
        assert (revoked.json()["state"], revoked.json()["ended_why"]) == ("revoked", "เครื่องหาย")
        assert revoked.json()["version"] == 2
    with pytest.raises(BridgeEnded):
        await bridge.connect(db)
    async with db.read() as tx:
        assert await tx.value("select state from intent where id = $1", intent) == "cancelled"
        facts = await tx.value(
            "select facts::text from event where name = 'bridge.revoked' and record = $1",
            bridge.device,
        )
    assert "หาย" not in facts
    for desk in of.values():
        assert (await world.head.get(f"/v1/desks/{desk}")).json()["reader"] is None
    assert (await bridge.ask()).json()["code"] == "readers/key-taken"
    assert str(bridge.device) not in await every(world.head, "/v1/bridges?state=active")


async def test_a_device_that_is_revoked_before_it_asked_is_not_let_in(world: World) -> None:
    bridge = FakeBridge(world)
    begun = (await bridge.ask()).json()
    device = (await bridge.approve(world.head, begun)).json()["id"]
    await world.head.post(f"/v1/bridges/{device}/revoke", content=encode({"reason": "x"}))
    assert (await bridge.poll(begun)).json()["error"] == "access_denied"


async def test_who_looked_into_an_incident_first_is_not_written_over(
    world: World, db: Database
) -> None:
    bridge, other = await FakeBridge.enrolled(world), await far_away(world)
    async with db.begin(Worker("test")) as tx:
        for each in (bridge, other):
            await freezing.freeze(tx, each.device, "fork", {"differs": "boot"})
    (found,) = (await world.head.get(f"/v1/bridge-incidents?bridge={bridge.device}")).json()[
        "items"
    ]
    assert (found["kind"], found["facts"], found["looked_at"]) == (
        "fork",
        {"differs": "boot"},
        None,
    )
    path = f"/v1/bridge-incidents/{found['id']}/look"
    for note in ("เครื่องถูกโคลน", "อย่างอื่น"):
        looked = await world.head.post(path, content=encode({"note": note}))
        assert (looked.status_code, looked.json()["note"]) == (200, "เครื่องถูกโคลน")
    assert found["id"] not in await every(world.head, "/v1/bridge-incidents?looked=false")
    assert found["id"] in await every(world.auditor, "/v1/bridge-incidents?looked=true")
    (far,) = await every(world.department, f"/v1/bridge-incidents?bridge={other.device}")
    assert far not in await every(world.head, "/v1/bridge-incidents")
    note = encode({"note": "x"})
    assert (
        await world.head.post(f"/v1/bridge-incidents/{far}/look", content=note)
    ).status_code == 404
    missing = await world.head.post(f"/v1/bridge-incidents/{ids.new()}/look", content=note)
    assert missing.status_code == 404
