"""Many orders at once: what a page of them costs, and that each keeps what is its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from api import ids
from api.clock import bangkok_date
from tests.inspection.orders import accepted, read, serve, served, service
from tests.statements import counted
from tests.sync.test_pull import pull
from tests.world import World, encode

MANY = 20


@pytest_asyncio.fixture(scope="module")
async def many(world: World) -> list[dict[str, Any]]:
    """Served orders of one site; the parts of each differ from those of the next."""
    visit = await accepted(world)
    found = [await served(world, visit)]
    words = {"basis": "danger", "required": [], "measures": "หยุดเครื่องที่ไม่มีการ์ด"}
    found += [await served(world, visit, **words) for _ in range(MANY - 1)]
    for at, order in enumerate(found):
        for _ in range(at % 3):
            assert (await serve(world, order, service("not_found"))).status_code == 200
        for nth in range(at % 2):
            claim = f"/v1/company-orders/{order['id']}/corrections/{ids.new()}"
            body = encode({"note": f"{at}.{nth}"})
            assert (await world.operator.put(claim, content=body)).status_code == 200
        if at % 4 == 0:
            sealing = f"/v1/orders/{order['id']}/sealings/{ids.new()}"
            body = encode({"machines": [f"เครื่อง {at}"], "reason": "ไม่มีการ์ด"})
            assert (await world.inspector.put(sealing, content=body)).status_code == 200
        if at % 5 == 0:
            day = bangkok_date(datetime.fromisoformat(order["served_at"]))
            appeal = {"filed_on": day.isoformat(), "grounds": f"เหตุผล {at}"}
            answer = await world.head.put(
                f"/v1/orders/{order['id']}/appeal", content=encode(appeal)
            )
            assert answer.status_code == 200, answer.text
    return found


@pytest.mark.parametrize(
    ("person", "path"),
    [
        ("head", "/v1/orders?limit="),
        ("operator", "/v1/company-orders?limit="),
        ("head", "/v1/sync?kinds=order&limit="),
        ("operator", "/v1/sync?kinds=company_order&limit="),
    ],
)
async def test_twenty_orders_cost_as_many_statements_as_one(
    world: World, many: list[dict[str, Any]], person: str, path: str
) -> None:
    cost = {}
    for limit in (1, 1, MANY):  # the first asks the connection's server what it keeps
        with counted() as statements:
            page = await world[person].get(f"{path}{limit}")
        assert page.status_code == 200, page.text
        body = page.json()
        assert len(body.get("items") or body["changes"]) == limit
        cost[limit] = len(statements)
    assert cost[1] == cost[MANY], cost


async def test_each_order_of_a_page_has_its_own_parts_and_no_others(
    world: World, many: list[dict[str, Any]]
) -> None:
    changes, _ = await pull(world.head, kinds="order")
    pulled = {change["id"]: change.get("record") for change in changes}
    for at, order in enumerate(many):
        alone = await read(world, order)
        assert pulled[order["id"]] == alone
        assert len(alone["attempts"]) == 1 + at % 3
        assert [c["note"] for c in alone["claims"]] == [f"{at}.{n}" for n in range(at % 2)]
        machines = [[f"เครื่อง {at}"]] if at % 4 == 0 else []
        assert [s["machines"] for s in alone["sealings"]] == machines
        assert (alone["appeal"] or {}).get("grounds") == (f"เหตุผล {at}" if at % 5 == 0 else None)
        assert bool(alone["findings"]) == (at == 0)
