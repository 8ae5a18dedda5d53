"""Two closures of one factory: one alone goes on from a stop; what one still takes stays taken."""

from __future__ import annotations

import pytest

from api.db import Database
from api.inspection.orders import subject_queries
from tests.inspection.orders import read, serve, sign
from tests.inspection.test_closures_served import signed_closure
from tests.inspection.test_closures_undone import (
    appealed,
    closed,
    disobeyed,
    events,
    revoked,
    set_status,
    status,
)
from tests.inspection.test_orders import s39
from tests.world import World


async def test_while_one_order_goes_on_from_a_stop_no_other_is_signed(
    world: World, db: Database
) -> None:
    stop = await disobeyed(world, db)
    second = await s39(world, "close", stop, days=None)
    third = await s39(world, "resume", stop, hearing=None, days=None)
    first = await signed_closure(world, stop)
    for other in (second, third):
        refused = await sign(world, other, world.department)
        assert refused.status_code == 409, refused.text
        assert [m["code"] for m in refused.json()["missing"]] == ["follows"]
    await revoked(world, first)
    signed = await sign(world, second, world.department)
    assert signed.status_code == 200, signed.text


async def test_a_served_closure_is_corrected_and_what_it_took_goes_with_the_correction(
    world: World, db: Database
) -> None:
    stop, close = await closed(world, db)
    try:
        drafted = await s39(
            world, "close", stop, days=None, corrects=close["id"], reasons="แก้ไขเหตุผลตัวอย่าง"
        )
        found = await sign(world, drafted, world.department)
        assert found.status_code == 200, found.text
        better = found.json()
        assert (await read(world, close))["state"] == "superseded"
        held = await read(world, stop)
        assert (held["state"], held["superseded_by"]) == ("superseded", better["id"])
        assert (await serve(world, better)).status_code == 200
        assert "order.closure_withheld" not in await events(db, better["id"])
        assert await status(db, stop) == "struck_off"
        await appealed(world, better, annulled=True)
        assert await status(db, stop) == "operating"
        again = await read(world, stop)
        assert (again["state"], again["superseded_by"]) == ("breached", None)
    finally:
        await set_status(db, stop, "operating")


async def test_what_another_served_closure_takes_is_given_back_with_that_one_only(
    world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier releases let it be signed."""

    async def nobody(*_: object) -> None:
        return None

    stop = await disobeyed(world, db)
    with monkeypatch.context() as earlier:
        earlier.setattr(subject_queries, "following", nobody, raising=False)
        first, second = [await signed_closure(world, stop) for _ in range(2)]
    try:
        for close in (first, second):
            assert (await serve(world, close)).status_code == 200
        await appealed(world, first, annulled=True)
        assert await status(db, stop) == "struck_off"
        held = await read(world, stop)
        assert (held["state"], held["superseded_by"]) == ("superseded", second["id"])
        assert "order.reinstatement_withheld" in await events(db, first["id"])
        await revoked(world, await read(world, second))
        assert await status(db, stop) == "operating"
        assert (await read(world, stop))["state"] == "breached"
    finally:
        await set_status(db, stop, "operating")
