"""Five hundred who say "me too" for money, each from somewhere else: nothing moves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
from litestar import Litestar

from api import clock, deadlines, reactions
from api.accounts import binding, signin
from api.accounts.model import Identity
from api.permissions import Worker
from tests.complaints.states import release, stored_clocks
from tests.complaints.test_me_toos import join, told_at
from tests.world import Person, World


async def test_five_hundred_from_as_many_networks_change_no_list_severity_or_clock(
    world: World, app: Litestar
) -> None:
    """Fifty of them with an account each, which count; no limit is in their way."""
    id = await told_at(world, 13.6, 100.6)
    for _ in range(3):
        await told_at(world, 13.6, 100.6)
    shown = await release(world, id)
    bought = [""] * 450
    for n in range(50):
        async with world.db.begin(Worker("test")) as tx:
            sold = Identity(issuer="sample:", subject=f"bought {id} {n}", officers_only=False)
            _, issued = await signin.open_session(
                tx, await binding.bind(tx, sold), "superapp-phone", "เครื่องตัวอย่าง"
            )
        bought.append(issued.access_token)

    async def seen() -> list[Any]:
        lists = []
        for key, query in (
            ("provincial-officer", ""),
            ("head", "everywhere=true"),
            ("head", "province=11&state=submitted"),
            ("department", "province=11"),
        ):
            found = await world[key].get("/v1/complaints", params=query)
            assert found.status_code == 200, found.text
            lists.append([{**line, "me_toos": 0} for line in found.json()["items"]])
        return [*lists, await stored_clocks(world, id)]

    async def sent(n: int, token: str) -> httpx.Response:
        network = httpx.ASGITransport(app=app, client=(f"198.18.{n // 250}.{n % 250}", 50000))
        async with httpx.AsyncClient(transport=network, base_url="http://testserver") as http:
            return await join(Person(http, "bought", None, token), shown)

    before = await seen()
    assert str(id) in [line["id"] for line in before[0]]
    for start in range(0, 500, 50):
        answers = await asyncio.gather(
            *(sent(n, bought[n]) for n in range(start, start + 50)),
        )
        assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert await seen() == before
    with clock.travel(timedelta(days=30)):  # nor does anything come of them later
        while await deadlines.fire_due(world.db, reactions.DEADLINES):
            pass
    async with world.db.read() as tx:
        assert await tx.value("select me_toos from complaint where id = $1", id) == 50
        spoke = await tx.values(
            """
            select array_agg(name || (facts->>'clock') || (facts->>'level') order by id)::text
            from event where name like 'complaint.clock%' group by record
            """
        )
    assert len(spoke) == 4 and len(set(spoke)) == 1, spoke
