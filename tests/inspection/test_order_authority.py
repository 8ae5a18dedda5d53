"""Whoever may not sign any more signs nothing: no order, no number, no document, no used ticket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock
from api.accounts import service as accounts
from api.accounts.model import Power
from api.clock import bangkok_date
from api.db import Database, Tx
from api.permissions import Worker
from tests.inspection.orders import allow, draft
from tests.inspection.test_order_clocks import URGENT
from tests.world import Person, World, encode, now

KINDS = {"correct": Power.sign_order, "stop": Power.stop_operation}
"""The officer's own order of s.37, and that of the Permanent Secretary's delegate (s.39)."""


def signer(world: World, kind: str) -> Person:
    return world.inspector_2 if kind == "correct" else world.department


async def alone(world: World, kind: str, **more: Any) -> UUID:
    """The one authority that the signer holds."""
    person = signer(world, kind)
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            "update authority set revoked_at = now() where account = $1 and revoked_at is null",
            person.account,
        )
    return await allow(world, person, KINDS[kind], **more)


async def drafted(world: World, kind: str) -> dict[str, Any]:
    site = {"id": None, "premises": str(await world.premises(company=True)), "findings": []}
    async with world.db.read() as tx:
        site["licence"] = await tx.value(
            "select id from licence where premises_id = $1", UUID(str(site["premises"]))
        )
    words = {"basis": "danger", "measures": "ย้ายถังออก", "hearing": URGENT, "days": 15}
    return await draft(world, site, kind=kind, person=signer(world, kind), **words)


class Shown:
    """What the signer was shown, with their fresh authentication over it."""

    def __init__(self, world: World, person: Person, order: dict[str, Any]) -> None:
        self.world, self.person, self.order = world, person, order

    async def look(self) -> Shown:
        view = (await self.person.get(f"/v1/orders/{self.order['id']}/signing")).json()
        assert view["missing"] == []
        self.sha256 = view["sha256"]
        self.ticket = await self.world.ticket(self.person, self.sha256)
        return self

    async def sign(self) -> Any:
        signature = {"type": "fresh_authentication", "sha256": self.sha256, "ticket": self.ticket}
        return await self.person.post(
            f"/v1/orders/{self.order['id']}/sign",
            content=encode({"signature": signature}),
            version=self.order["version"],
        )


async def shown(world: World, kind: str) -> Shown:
    return await Shown(world, signer(world, kind), await drafted(world, kind)).look()


async def given(db: Database) -> dict[tuple[UUID, int], int]:
    """Office and year → the last number."""
    async with db.pool.acquire() as connection:
        rows = await connection.fetch("select office, year, last from order_number")
    return {(row["office"], row["year"]): row["last"] for row in rows}


async def nothing_came_of(world: World, what: Shown, before: dict[tuple[UUID, int], int]) -> None:
    seen = await read_as(what)
    assert (seen["state"], seen["number"], seen["document"]) == ("draft", None, None)
    assert await given(world.db) == before, "a number was taken"
    async with world.db.read() as tx:
        order = UUID(what.order["id"])
        assert await tx.value("select count(*) from document where subject = $1", order) == 0
        assert await tx.values("select name from event where record = $1 order by id", order) == [
            "order.drafted"
        ]
        used = "select count(*) from fresh_authentication where sha256 = $1 and used_at is not null"
        assert await tx.value(used, what.sha256) == 0


async def read_as(what: Shown) -> dict[str, Any]:
    found = await what.person.get(f"/v1/orders/{what.order['id']}")
    seen: dict[str, Any] = found.json()
    return seen


@pytest.mark.parametrize("kind", KINDS)
async def test_a_delegate_whose_time_ended_between_draft_and_signature_signs_nothing(
    world: World, kind: str
) -> None:
    today = bangkok_date(now())
    await alone(world, kind, valid_to=today)
    what = await shown(world, kind)
    before = await given(world.db)
    midnight = clock.now().astimezone(clock.BANGKOK).replace(hour=0, minute=0, second=0)
    with clock.travel(midnight + timedelta(days=1, seconds=1) - clock.now()):
        await world.sign_in_again(what.person.key)
        what.ticket = await world.ticket(what.person, what.sha256)
        refused = await what.sign()
        assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")
        view = (await what.person.get(f"/v1/orders/{what.order['id']}/signing")).json()
        assert [m["code"] for m in view["missing"]] == ["authority"]
    await world.sign_in_again(what.person.key)
    await nothing_came_of(world, what, before)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_delegate_whose_authority_was_revoked_after_the_look_signs_nothing_until_a_new_one(
    world: World, kind: str
) -> None:
    grant = await alone(world, kind)
    what = await shown(world, kind)
    before = await given(world.db)
    async with world.db.begin(Worker("test")) as tx:
        await accounts.revoke_authority(tx, grant)
    refused = await what.sign()
    assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")
    await nothing_came_of(world, what, before)
    await allow(world, what.person, KINDS[kind])
    assert (await what.sign()).status_code == 200, "the ticket was given back"


async def revoke(tx: Tx, person: Person, grant: UUID) -> None:
    await accounts.revoke_authority(tx, grant)


async def lapse(tx: Tx, person: Person, grant: UUID) -> None:
    await tx.run(
        "update authority set valid_to = $2 where id = $1",
        grant,
        bangkok_date(tx.now) - timedelta(days=1),
    )


async def leave(tx: Tx, person: Person, grant: UUID) -> None:
    await tx.run("update officer set ended_at = $2 where account = $1", person.account, tx.now)


RACES: dict[str, Callable[[Tx, Person, UUID], Awaitable[None]]] = {
    "revoked": revoke,
    "cut short": lapse,
    "off the list": leave,
}


@pytest.mark.parametrize("how", RACES)
async def test_an_authority_taken_away_in_the_same_moment_signs_nothing(
    world: World, how: str
) -> None:
    """Its transaction was first, and has not committed when the signature comes."""
    grant = await alone(world, "correct")
    what = await shown(world, "correct")
    before = await given(world.db)
    try:
        async with world.db.begin(Worker("test")) as tx:
            await RACES[how](tx, what.person, grant)
            signing = asyncio.create_task(what.sign())
            done, _ = await asyncio.wait([signing], timeout=0.4)
            assert not done, "the signature must wait for what takes its authority away"
        refused = await signing
        assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")
        await nothing_came_of(world, what, before)
    finally:
        async with world.db.begin(Worker("test")) as tx:
            await tx.run(
                "update officer set ended_at = null where account = $1", what.person.account
            )


@pytest.mark.parametrize("how", RACES)
async def test_an_authority_that_was_not_taken_away_after_all_signs(world: World, how: str) -> None:
    """The other transaction is rolled back: the signature waited and counts."""
    grant = await alone(world, "correct")
    what = await shown(world, "correct")
    async with world.db.begin(Worker("test")) as tx:
        try:
            async with tx.savepoint():
                await RACES[how](tx, what.person, grant)
                signing = asyncio.create_task(what.sign())
                await asyncio.sleep(0.2)
                raise RuntimeError
        except RuntimeError:
            pass
        assert (await signing).status_code == 200


async def test_signatures_and_a_revocation_in_a_rush_leave_no_gap_and_nothing_after_it(
    world: World, db: Database
) -> None:
    grant = await alone(world, "correct")
    all_of_them = [await shown(world, "correct") for _ in range(8)]
    before = await given(db)

    async def takes_away() -> None:
        async with db.begin(Worker("test")) as tx:
            await accounts.revoke_authority(tx, grant)

    *answers, _ = await asyncio.gather(*(what.sign() for what in all_of_them), takes_away())
    assert {a.status_code for a in answers} <= {200, 403}, [a.text for a in answers]
    numbers = sorted(
        int(a.json()["number"].split()[1].split("/")[0]) for a in answers if a.status_code == 200
    )
    assert sum((await given(db)).values()) - sum(before.values()) == len(numbers)
    if numbers:
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
