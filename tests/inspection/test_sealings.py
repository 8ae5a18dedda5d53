"""Tying and sealing machines: with approval, each machine once, each seal accounted for."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import ids
from api.accounts.model import Power
from api.db import Database
from tests.inspection.orders import accepted, allow, proof, read, served
from tests.world import World, encode, now

Order = dict[str, Any]
PRESS, PUMP = "เครื่องปั๊ม 3", "Pump A"


async def test_machines_are_sealed_only_after_approval_by_one_with_authority(
    world: World, db: Database
) -> None:
    order = await served(world)
    path = f"/v1/orders/{order['id']}/sealings/{ids.new()}"
    asked = await world.inspector.put(
        path, content=encode({"machines": [PRESS], "reason": "ไม่มีการ์ด"})
    )
    assert asked.status_code == 200, asked.text
    photo = await proof(world.inspector, db)
    done = {
        "at": now(),
        "seals": [{"number": "S-001", "machine": "เครื่องปั๊ม 3"}],
        "evidence": [photo],
    }
    early = await world.inspector.post(f"{path}/seal", content=encode(done), version=1)
    assert early.json()["code"] == "inspection/sealing-state"
    yes = encode({"approved": True})
    assert (await world.ministry.post(f"{path}/decide", content=yes, version=1)).status_code == 403
    await allow(world, world.ministry, Power.approve_sealing)
    approved = await world.ministry.post(f"{path}/decide", content=yes, version=1)
    assert approved.status_code == 200, approved.text
    sealed = await world.inspector.post(f"{path}/seal", content=encode(done), version=2)
    assert sealed.json()["sealings"][0]["state"] == "sealed", sealed.text
    lifted = await world.inspector.post(
        f"{path}/lift", content=encode({"at": now(), "seals": ["S-001"]}), version=3
    )
    assert lifted.json()["sealings"][0]["state"] == "lifted"


async def approved(world: World, order: Order, *machines: str) -> str:
    """The address of a sealing of `machines` that was approved."""
    await allow(world, world.department, Power.approve_sealing)
    path = f"/v1/orders/{order['id']}/sealings/{ids.new()}"
    asked = await ask(world, path, *machines)
    assert asked.status_code == 200, asked.text
    yes = encode({"approved": True})
    assert (await world.department.post(f"{path}/decide", content=yes, version=1)).is_success
    return path


async def ask(world: World, path: str, *machines: str) -> httpx.Response:
    body = {"machines": machines, "reason": "ไม่มีการ์ด"}
    return await world.inspector.put(path, content=encode(body))


async def seal(world: World, path: str, *seals: tuple[str, str]) -> httpx.Response:
    """`seals`: (number, machine)."""
    photo = await proof(world.inspector, world.db)
    listed = [{"number": number, "machine": machine} for number, machine in seals]
    body = {"at": now(), "seals": listed, "evidence": [photo]}
    return await world.inspector.post(f"{path}/seal", content=encode(body), version=2)


async def lift(world: World, path: str, *numbers: str, version: int = 3) -> httpx.Response:
    body = encode({"at": now(), "seals": numbers})
    return await world.inspector.post(f"{path}/lift", content=body, version=version)


async def clear(db: Database, order: Order) -> None:
    """Takes every seal off at the site, for the other tests."""
    async with db.begin() as tx:
        await tx.run(
            """
            update seal set lifted_at = now() where sealing in (select z.id from sealing z
                join legal_order o on o.id = z.legal_order where o.premises = $1)
            """,
            UUID(order["premises"]),
        )


@pytest.mark.parametrize(
    "seals",
    [
        [("S-1", "หม้อไอน้ำ")],
        [("S-1", PRESS), ("S-2", "หม้อไอน้ำ")],
        [("S-1", PRESS), (" S-1", PUMP)],
    ],
    ids=["another machine", "one of two", "one seal twice"],
)
async def test_a_seal_list_that_does_not_fit_what_was_approved_seals_nothing(
    world: World, seals: list[tuple[str, str]]
) -> None:
    order = await served(world)
    path = await approved(world, order, PRESS, PUMP)
    refused = await seal(world, path, *seals)
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/seals-wrong")
    (held,) = (await read(world, order))["sealings"]
    assert (held["state"], held["seals"], held["evidence"]) == ("approved", [], [])


async def test_a_machine_named_twice_in_one_request_is_refused(world: World) -> None:
    order = await served(world)
    path = f"/v1/orders/{order['id']}/sealings/{ids.new()}"
    refused = await ask(world, path, PUMP, " pump  a")
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/seals-wrong")


async def test_a_machine_may_bear_several_seals_and_the_list_keeps_its_approved_name(
    world: World, db: Database
) -> None:
    order = await served(world)
    path = await approved(world, order, PUMP)
    done = await seal(world, path, ("S-1", "PUMP  a"), ("S-2", PUMP))
    assert done.status_code == 200, done.text
    (held,) = done.json()["sealings"]
    assert held["seals"] == [
        {"number": number, "machine": PUMP, "lifted_at": None} for number in ("S-1", "S-2")
    ]
    await clear(db, order)


async def test_a_machine_under_seal_is_not_sealed_again_until_the_seals_are_off(
    world: World, db: Database
) -> None:
    visit = await accepted(world)
    first = await served(world, visit)
    danger = {"basis": "danger", "required": [], "measures": "หยุดเครื่อง"}
    second = await served(world, visit, **danger)
    before, path = await approved(world, first, PUMP), await approved(world, second, PUMP, PRESS)
    assert (await seal(world, before, ("S-1", PUMP))).status_code == 200
    refused = await seal(world, path, ("S-2", "pump a"), ("S-3", PRESS))
    assert (refused.status_code, refused.json()["code"]) == (409, "inspection/machine-sealed")
    assert refused.json()["which"] == PUMP
    asked = await ask(world, f"/v1/orders/{second['id']}/sealings/{ids.new()}", PUMP)
    assert asked.json()["code"] == "inspection/machine-sealed", asked.text
    assert (await lift(world, before, "S-1")).status_code == 200
    done = await seal(world, path, ("S-2", PUMP), ("S-3", PRESS))
    assert done.status_code == 200, done.text
    await clear(db, first)


async def test_of_two_who_seal_one_machine_at_once_one_is_told_that_it_is_sealed(
    world: World, db: Database
) -> None:
    visit = await accepted(world)
    danger = {"basis": "danger", "required": [], "measures": "หยุดเครื่อง"}
    orders = [await served(world, visit, **danger) for _ in range(2)]
    paths = [await approved(world, order, PUMP) for order in orders]
    done = await asyncio.gather(*(seal(world, path, ("S-1", PUMP)) for path in paths))
    assert sorted(d.status_code for d in done) == [200, 409], [d.text for d in done]
    await clear(db, orders[0])


async def test_the_same_name_at_another_site_is_another_machine(world: World, db: Database) -> None:
    here = await served(world)
    away = await served(world, await accepted(world, premises=await world.premises(nth=3)))
    for order in (here, away):
        done = await seal(world, await approved(world, order, PUMP), ("S-1", PUMP))
        assert done.status_code == 200, done.text
    await clear(db, here)
    await clear(db, away)


async def test_seals_are_taken_off_one_by_one_and_the_last_lifts_the_sealing(
    world: World, db: Database
) -> None:
    order = await served(world)
    path = await approved(world, order, PUMP, PRESS)
    assert (await seal(world, path, ("S-1", PUMP), ("S-2", PRESS))).status_code == 200
    for wrong in (("S-9",), ("S-1", "S-1"), ("S-1", "S-9")):
        refused = await lift(world, path, *wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "inspection/seals-wrong")
    (held,) = (await lift(world, path, "S-2")).json()["sealings"]
    assert (held["state"], held["lifted_at"]) == ("sealed", None)
    assert [s["lifted_at"] is None for s in held["seals"]] == [True, False]
    again = await lift(world, path, "S-2", version=4)
    assert again.json()["code"] == "inspection/seals-wrong", "it is off already"
    (held,) = (await lift(world, path, "S-1", version=4)).json()["sealings"]
    assert held["state"] == "lifted"
    assert held["lifted_at"] is not None
