"""What one session, account or network may hold or ask for at once, so that others still can."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack

import httpx
import msgspec
import pytest

from api import ids, settings
from api.db import Database
from api.readers.channel import hub, streams
from api.settings import Settings
from tests.readers.bridges import Bridge, Running, arm, running, screen
from tests.readers.test_channel import http_cancel, until
from tests.readers.test_exchange import Caller
from tests.world import World


async def test_one_window_more_than_a_session_may_have_ends_the_oldest_and_no_other(
    one: Running, world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "SCREENS", 2)
    bridge = await Bridge.enrolled(db, world.inspector)
    async with AsyncExitStack() as open_:
        first, second, third = [
            await open_.enter_async_context(screen(one, world.inspector)) for _ in range(3)
        ]
        name, said = "", {}
        while name != "end":
            name, said = await first.next(within_s=3)
        assert said == {"code": "readers/too-many-screens"}
        made = (await arm(one, world, world.inspector, bridge)).json()
        for left in (second, third):
            await left.until(id=made["id"], state="armed")
        await http_cancel(one, world.inspector, made["id"])
    await until(lambda: not one.hub.screens)


async def test_no_session_waits_a_thousand_times_at_once(
    one: Running, world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WAITS", 3)
    bridge = await Bridge.enrolled(db, world.inspector)
    made = (await arm(one, world, world.inspector, bridge)).json()
    headers = {"Authorization": f"Bearer {world.inspector.token}"}
    path = f"/v1/intents/{made['id']}?after_version=1&wait_s=4"
    async with httpx.AsyncClient(base_url=one.url, timeout=10) as http:
        asked = [http.get(path, headers=headers) for _ in range(10)]
        found = await asyncio.gather(*asked)
        refused = [answer for answer in found if answer.status_code == 429]
        assert len(refused) == 7 and int(refused[0].headers["Retry-After"]) >= 1
        assert refused[0].json()["code"] == "readers/too-many-waits"
        at_once = await http.get(f"/v1/intents/{made['id']}", headers=headers)
        assert at_once.status_code == 200  # whoever does not wait is answered
    await http_cancel(one, world.inspector, made["id"])


async def test_nobody_arms_faster_than_cards_can_be_put_in_and_the_same_again_costs_nothing(
    one: Running, world: World, db: Database
) -> None:
    bridge, before = await Bridge.enrolled(db, world.inspector), settings.current()
    async with db.begin() as tx:
        await tx.run("delete from rate_limit where bucket like 'intent-%'")
    settings.use(msgspec.structs.replace(before, armings_a_minute=3))
    try:
        for _ in range(3):
            id = ids.new()
            for _ in range(3):
                made = await arm(None, world, world.inspector, bridge, id=id)
                assert made.status_code == 200, made.text
            await world.inspector.post(f"/v1/intents/{id}/cancel")
        refused = await arm(None, world, world.inspector, bridge)
        assert (refused.status_code, refused.json()["code"]) == (429, "ground/too-fast")
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
    finally:
        settings.use(before)


async def test_strangers_by_http_of_one_network_do_not_queue_without_end(
    one: Running, world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "OF_ONE_NETWORK", 5)
    desk = Caller(await Bridge.enrolled(db, world.inspector))
    await desk.begin(one)
    async with AsyncExitStack() as held:
        for _ in range(hub.DOORS):
            await held.enter_async_context(one.hub.doors)
        asked = [asyncio.create_task(desk.post(one)) for _ in range(5)]
        await until(lambda: one.hub.strangers == 5)
        late = await desk.post(one)
        assert late.status_code == 503 and int(late.headers["Retry-After"]) >= 1
    await asyncio.gather(*asked)
    assert one.hub.strangers == 0
    assert (await desk.post(one)).status_code == 200


async def test_strangers_of_many_networks_do_not_queue_without_end_either(
    one: Running, world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STRANGERS", 3)
    desk = Caller(await Bridge.enrolled(db, world.inspector))
    await desk.begin(one)
    with ExitStack() as others:
        for network in ("192.0.2.0", "198.51.100.0", "203.0.113.0"):
            others.enter_context(one.hub.stranger(network))
        assert (await desk.post(one)).status_code == 503
    assert (await desk.post(one)).status_code == 200


async def test_after_an_outage_of_the_data_base_a_desk_is_not_away_for_another_minute(
    conf: Settings, world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PRESENCE_S", 0.3)
    monkeypatch.setattr(hub, "POLL_S", 0.05)
    tries: list[float] = []

    async def away(*_: object) -> None:
        monkeypatch.setattr(hub, "PRESENCE_S", 60.0)
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 4:
            raise RuntimeError("anything at all")

    monkeypatch.setattr(hub.connecting, "seen", away)
    async with running(conf, db) as at:
        bridge = await Bridge.enrolled(db, world.inspector)
        await bridge.connect(at)
        await until(lambda: len(tries) >= 4)
        assert tries[3] - tries[0] < 5
        await bridge.close()
