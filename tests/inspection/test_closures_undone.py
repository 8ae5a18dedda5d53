"""A closure that is annulled or revoked: what it took is given back, and nothing else is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from api import ids
from api.accounts.model import Power
from api.db import Database
from tests.inspection.orders import accepted, act, allow, draft, read, serve, served, sign
from tests.inspection.test_orders import breached, due_passed, s39, today
from tests.world import World, encode, now

Pair = tuple[dict[str, Any], dict[str, Any]]


async def disobeyed(world: World, db: Database) -> dict[str, Any]:
    """A stop that was judged disobeyed, and whose time to mend is over."""
    await allow(world, world.department, Power.stop_operation)
    draft = await s39(world, "stop", await breached(world, db))
    stop = (await sign(world, draft, world.department)).json()
    await serve(world, stop)
    for place in "123":
        notice = encode({"place": place, "at": now()})
        await world.inspector.put(f"/v1/orders/{stop['id']}/notices/{ids.new()}", content=notice)
    judged = await act(world, stop, "breach", wilful=True, serious_danger=True, reasons="x")
    assert judged.status_code == 200, judged.text
    await due_passed(db, stop)
    return await read(world, stop)


async def closed(world: World, db: Database) -> Pair:
    """The stop, and the served closure that took its place and its licence."""
    stop = await disobeyed(world, db)
    drafted = await s39(world, "close", stop, days=None)
    signed = await sign(world, drafted, world.department)
    assert (await serve(world, signed.json())).status_code == 200
    assert await status(db, stop) == "struck_off"
    return await read(world, stop), await read(world, signed.json())


async def status(db: Database, order: dict[str, Any]) -> str:
    async with db.read() as tx:
        found: str = await tx.value(
            "select status from licence where id = $1", UUID(order["licence"])
        )
    return found


async def set_status(db: Database, order: dict[str, Any], to: str) -> None:
    async with db.begin() as tx:
        await tx.run("update licence set status = $2 where id = $1", UUID(order["licence"]), to)


async def appealed(world: World, order: dict[str, Any], *, annulled: bool) -> None:
    filed = await world.head.put(
        f"/v1/orders/{order['id']}/appeal", content=encode({"filed_on": today()})
    )
    assert filed.status_code == 200, filed.text
    body = {"annulled": annulled, "decided_on": today(), "decision": "คำวินิจฉัยตัวอย่าง"}
    decided = await act(world, order, "appeal/decide", **body)
    assert decided.status_code == 200, decided.text


async def revoked(world: World, order: dict[str, Any]) -> None:
    done = await world.department.post(
        f"/v1/orders/{order['id']}/revoke",
        content=encode({"why": "ออกโดยผิดหลง"}),
        version=order["version"],
    )
    assert done.status_code == 200, done.text


async def events(db: Database, record: str) -> list[str]:
    async with db.read() as tx:
        return await tx.values("select name from event where record = $1 order by id", UUID(record))


@pytest.mark.parametrize("how", ["annulled", "revoked"])
async def test_a_closure_that_is_undone_gives_back_the_licence_and_the_stop_before_it(
    world: World, db: Database, how: str
) -> None:
    stop, close = await closed(world, db)
    assert (stop["state"], stop["superseded_by"]) == ("superseded", close["id"])
    if how == "annulled":
        await appealed(world, close, annulled=True)
    else:
        await revoked(world, close)
    assert (await read(world, close))["state"] == how
    assert await status(db, close) == "operating"
    again = await read(world, stop)
    assert (again["state"], again["superseded_by"]) == ("breached", None)
    assert (again["ended_at"], again["ended_why"]) == (None, None)
    assert again["breach"] == stop["breach"], "the judgement stands"
    assert "licence.reinstated" in await events(db, close["licence"])
    assert (await events(db, close["id"]))[-2:] == ["order.licence_reinstated", "order.shown"]
    assert "order.revived" in await events(db, stop["id"])
    document = await world.head.get(f"/v1/documents/{stop['document']}")
    assert document.json()["force"] == "in_force", document.text
    await world.work()
    told = (await world.operator.get("/v1/messages")).json()["items"]
    kinds = {(m["template"], m["about"]["id"]) for m in told}
    assert ("order.revived", stop["id"]) in kinds
    assert ("order.licence_reinstated", close["id"]) in kinds


async def test_a_stop_in_force_again_ends_by_an_order_to_resume(world: World, db: Database) -> None:
    stop, close = await closed(world, db)
    await appealed(world, close, annulled=True)
    resume = await s39(world, "resume", stop, hearing=None, days=None)
    resumed = await sign(world, resume, world.department)
    assert resumed.status_code == 200, resumed.text
    await serve(world, resumed.json())
    assert (await read(world, stop))["state"] == "complied"


async def test_a_closure_that_is_upheld_keeps_what_it_took(world: World, db: Database) -> None:
    stop, close = await closed(world, db)
    try:
        await appealed(world, close, annulled=False)
        assert await status(db, close) == "struck_off"
        assert (await read(world, stop))["state"] == "superseded"
    finally:
        await set_status(db, close, "operating")


async def test_a_closure_undone_before_its_service_gives_back_what_it_never_took(
    world: World, db: Database
) -> None:
    stop = await disobeyed(world, db)
    drafted = await s39(world, "close", stop, days=None)
    close = (await sign(world, drafted, world.department)).json()
    await set_status(db, close, "stopped")
    try:
        await revoked(world, close)
        assert await status(db, close) == "stopped"
        assert (await read(world, stop))["state"] == "breached"
        assert "order.revived" not in await events(db, stop["id"])
        assert "licence.reinstated" not in (await events(db, close["licence"]))[-1:]
    finally:
        await set_status(db, close, "operating")


async def test_a_licence_that_somebody_changed_since_is_left_to_the_head(
    world: World, db: Database
) -> None:
    _, close = await closed(world, db)
    await set_status(db, close, "closed")
    try:
        await appealed(world, close, annulled=True)
        assert await status(db, close) == "closed"
        assert "order.reinstatement_withheld" in await events(db, close["id"])
    finally:
        await set_status(db, close, "operating")


async def test_an_order_that_was_corrected_does_not_come_back_with_its_successors_end(
    world: World, db: Database
) -> None:
    visit = await accepted(world)
    first = await served(world, visit)
    second = await sign(world, await draft(world, visit, corrects=first["id"]))
    assert second.status_code == 200, second.text
    assert (await act(world, second.json(), "revoke", why="x")).status_code == 200
    found = await read(world, first)
    assert (found["state"], found["superseded_by"]) == ("superseded", second.json()["id"])
