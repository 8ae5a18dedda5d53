"""What a closure takes when it is served: nothing where its stop has ended or is stayed by then."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from api.db import Database
from tests.inspection.orders import act, read, serve, sign
from tests.inspection.test_closures_undone import (
    appealed,
    disobeyed,
    events,
    revoked,
    set_status,
    status,
)
from tests.inspection.test_orders import s39
from tests.world import World


async def signed_closure(world: World, stop: dict[str, Any], **parts: Any) -> dict[str, Any]:
    drafted = await s39(world, "close", stop, days=None, **parts)
    found = await sign(world, drafted, world.department)
    assert found.status_code == 200, found.text
    done: dict[str, Any] = found.json()
    return done


@pytest.mark.parametrize("how", ["annulled", "revoked", "stayed"])
async def test_a_closure_takes_no_licence_when_its_stop_no_longer_holds(
    world: World, db: Database, how: str
) -> None:
    stop = await disobeyed(world, db)
    close = await signed_closure(world, stop)
    if how == "annulled":
        await appealed(world, stop, annulled=True)
    elif how == "revoked":
        await revoked(world, await read(world, stop))
    else:
        held = await act(world, stop, "stay", by="court", reference="คำสั่งศาลตัวอย่าง")
        assert held.status_code == 200, held.text
    before = await read(world, stop)
    try:
        assert (await serve(world, close)).status_code == 200
        assert await status(db, close) == "operating"
        after = await read(world, stop)
        assert (after["state"], after["superseded_by"]) == (before["state"], None)
        assert "order.closure_withheld" in await events(db, close["id"])
        await world.work()
        told = (await world.head.get("/v1/messages")).json()["items"]
        assert ("order.closure_withheld", close["id"]) in {
            (m["template"], m["about"]["id"]) for m in told
        }
    finally:
        await set_status(db, close, "operating")


async def test_a_licence_that_changes_hands_while_a_closure_is_served_is_not_taken(
    world: World, db: Database
) -> None:
    close = await signed_closure(world, await disobeyed(world, db))
    licence = UUID(close["licence"])
    async with db.read() as tx:
        sql = "select operator_company from licence where id = $1"
        company: UUID = await tx.value(sql, licence)
    set_operator = "update licence set operator_company = $2 where id = $1"
    try:
        async with db.begin() as tx:
            await tx.run(set_operator, licence, None)
            serving = asyncio.create_task(serve(world, close))
            await asyncio.sleep(0.5)
            assert not serving.done(), "it waits for the licence"
        assert (await serving).status_code == 200
        assert await status(db, close) == "operating"
        assert "order.closure_withheld" in await events(db, close["id"])
    finally:
        async with db.begin() as tx:
            await tx.run(set_operator, licence, company)
        await set_status(db, close, "operating")
