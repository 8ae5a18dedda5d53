"""The server's clock jumps a day ahead, a day back, and home again, between pushes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from api import clock, ids, limits
from api.clock import bangkok_date
from api.db import Database, Tx
from tests.world import World, answer, gate, record, submit

DAY = timedelta(days=1)
JUMPS = (timedelta(), DAY, timedelta(), -DAY, timedelta())


async def test_no_jump_of_the_clock_changes_a_receipt_or_loses_one(
    db: Database, http: httpx.AsyncClient, world: World
) -> None:
    visit, sent = await world.plan(), list[tuple[dict[str, Any], dict[str, Any]]]()
    for jump in JUMPS:
        with clock.travel(jump):
            people = await World.open(db, http)
            op = record(visit, start=gate(), answers=[answer("E08", "fail", note=f"{jump}")])
            (result,) = await people.inspector.push(op)
            assert result["status"] in ("stored", "flagged"), result
            sent.append((op, result))
            for before, first in sent:
                (again,) = await people.inspector.push(before)
                assert again == first | {"replayed": True}
            held, cursor = list[str](), None
            while True:
                query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
                page = (await people.inspector.get("/v1/sync/receipts", params=query)).json()
                held += [r["id"] for r in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
            assert len(held) == len(set(held)), "a receipt was listed twice"
            assert {str(o["id"]) for o, _ in sent} <= set(held), "a receipt is missing"


@pytest.mark.parametrize("jump", JUMPS[1:4:2], ids=["ahead", "back"])
async def test_no_jump_of_the_clock_lets_a_review_escalate_at_once_or_never(
    db: Database, http: httpx.AsyncClient, world: World, jump: timedelta
) -> None:
    visit = await world.begun()
    with clock.travel(jump):
        people = await World.open(db, http)
        (result,) = await people.inspector.push(submit(visit))
        assert result["status"] in ("stored", "flagged"), result
        day = bangkok_date(clock.now())
    async with db.read() as tx:
        due: datetime = await tx.value(
            "select due_at from deadline where kind = 'visit.review' and record = $1", visit
        )
    assert timedelta(days=7) <= bangkok_date(due) - day <= timedelta(days=25)
    assert due > clock.now() + timedelta(days=5)


async def test_a_clock_that_was_ahead_does_not_lock_a_caller_out_when_it_is_put_right(
    tx: Tx,
) -> None:
    bucket = f"trial:{ids.new()}"

    async def take() -> None:
        tx.now = clock.now()
        await limits.take(tx, bucket, capacity=2, per_second=1)

    with clock.travel(DAY):
        await take()
        await take()
        with pytest.raises(limits.TooFast):
            await take()
    tx.now = clock.now() + timedelta(seconds=90)
    await limits.take(tx, bucket, capacity=2, per_second=1)
    with clock.travel(-DAY):
        tx.now = clock.now() + timedelta(seconds=90)
        await limits.take(tx, bucket, capacity=2, per_second=1)


async def test_a_clock_that_jumps_to_and_fro_gives_no_endless_tokens(tx: Tx) -> None:
    bucket, taken = f"trial:{ids.new()}", 0
    for turn in range(40):
        with clock.travel(timedelta(seconds=0.4 if turn % 2 else 0)):
            tx.now = clock.now()
            try:
                await limits.take(tx, bucket, capacity=5, per_second=1)
                taken += 1
            except limits.TooFast:
                pass
    assert taken <= 8, "two servers whose clocks differ a little double nobody's allowance"


async def test_a_session_survives_a_jump_of_the_clock_and_back(
    db: Database, http: httpx.AsyncClient
) -> None:
    """A day is more than an access token lives: only a refresh is needed, never a new sign-in."""
    from api.accounts import seed as accounts
    from api.accounts import signin
    from api.permissions import Worker

    async with db.begin(Worker("trial")) as tx:
        _, issued = await accounts.sign_in(tx, "inspector")
    token = issued.refresh_token
    for jump in (DAY, timedelta(), -DAY, timedelta()):
        with clock.travel(jump):
            async with db.begin() as tx:
                issued = await signin.refresh(tx, token, "superapp-phone")
            token = issued.refresh_token
            who = {"Authorization": f"Bearer {issued.access_token}"}
            assert (await http.get("/v1/sync", headers=who)).status_code == 200
