"""The case file: everything about a matter, and nothing of another."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from api.accounts.model import Power
from api.db import Database
from tests.inspection.orders import accepted, allow, draft, read, served, sign
from tests.inspection.test_orders import breached, s39
from tests.world import World, encode


async def case_file(world: World, about: dict[str, Any], of: str = "orders") -> dict[str, Any]:
    issued = await world.head.post(f"/v1/{of}/{about['id']}/case-file")
    assert issued.status_code == 201, issued.text
    found: dict[str, Any] = issued.json()
    assert found["kind"] == "case_file"
    content: dict[str, Any] = json.loads(found["content"])["content"]
    return content


async def test_a_case_file_has_every_event_of_the_order_and_of_its_visit(world: World) -> None:
    visit = await accepted(world)
    order = await served(world, visit)
    content = await case_file(world, order)
    names = [e["name"] for e in content["events"]]
    for name in ("visit.planned", "visit.accepted", "order.signed", "order.served"):
        assert name in names, names
    assert names == [e["name"] for e in sorted(content["events"], key=lambda e: e["at"])]
    roles = " ".join(o["role"] for o in content["officers"])
    assert all(word in roles for word in ("ร่างคำสั่ง", "ลงนามคำสั่ง", "รับรองผลการตรวจ")), roles
    assert {"ปฏิบัติตามคำสั่ง", "อุทธรณ์คำสั่ง"} <= {k["what"] for k in content["clocks"]}
    assert all(e["what"] != e["name"] for e in content["events"]), "every event has its words"


async def test_a_case_file_follows_the_chain_of_orders_both_ways_and_no_further(
    world: World, db: Database
) -> None:
    await allow(world, world.department, Power.stop_operation)
    first = await breached(world, db)
    stop = await sign(world, await s39(world, "stop", first), world.department)
    assert stop.status_code == 200, stop.text
    other = await served(world)
    for order in (first, stop.json()):
        content = await case_file(world, order)
        records = {e["record"] for e in content["events"]}
        assert {first["id"], stop.json()["id"]} <= records
        assert other["id"] not in records
        assert len([d for d in content["documents"] if d["kind"].startswith("คำสั่ง")]) == 2


async def test_the_file_of_a_visit_that_only_verified_an_order_tells_its_whole_matter(
    world: World,
) -> None:
    visit = await accepted(world)
    order = await served(world, visit)
    later = await world.begun(UUID(visit["premises"]))
    verified = await world.inspector.post(
        f"/v1/orders/{order['id']}/findings/{order['findings'][0]['finding']}/verify",
        content=encode({"visit": later, "corrected": True}),
    )
    assert verified.status_code == 200, verified.text
    stranger = await served(world)
    content = await case_file(world, {"id": later}, "visits")
    records = {e["record"] for e in content["events"]}
    assert {str(later), order["id"], visit["id"]} <= records
    assert stranger["id"] not in records
    of_order = await case_file(world, order)
    assert {e["record"] for e in of_order["events"]} == records


async def test_who_received_an_order_is_not_named_in_the_case_file(world: World) -> None:
    order = await served(world)
    assert "ผู้จัดการ" not in str(await case_file(world, order))


async def test_a_case_file_is_the_heads_to_ask_for(world: World) -> None:
    order = await served(world)
    path = f"/v1/orders/{order['id']}/case-file"
    assert (await world.inspector.post(path)).status_code == 403
    assert (await world.operator.post(path)).status_code == 403
    assert (await world.inspector_elsewhere.post(path)).status_code in (403, 404)


async def test_an_order_that_was_drafted_anew_is_in_the_file_of_the_first(world: World) -> None:
    visit = await accepted(world)
    first = await served(world, visit)
    second = (await sign(world, await draft(world, visit, corrects=first["id"]))).json()
    assert second["id"] in {e["record"] for e in (await case_file(world, first))["events"]}
    assert (await read(world, first))["ended_at"] is not None
