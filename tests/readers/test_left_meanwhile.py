"""A card was read offline in good right, and before that reached the server the right ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import clock
from api.accounts import seed as samples
from api.accounts import service as accounts
from api.accounts.model import OfficerEntry, Role
from api.accounts.officers import list_officer
from api.accounts.samples import BY_KEY
from api.db import Database
from api.permissions import Worker
from api.readers.desks import service as desks
from api.readers.problems import BridgeEnded
from tests.readers.device import Desk, at_desk
from tests.world import World, do_jobs

WHO = "inspector-2"
LATER = timedelta(hours=1)


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> AsyncIterator[Desk]:
    desk = await at_desk(db, world, WHO)
    yield desk
    await listed(db)
    async with db.begin(Worker("test")) as tx:
        await accounts.restore(tx, desk.account)
    await do_jobs(db)
    await sign_in(world)


async def sign_in(world: World) -> None:
    """Their sessions ended with the account."""
    async with world.db.begin(Worker("test")) as tx:
        _, tokens = await samples.sign_in(tx, WHO)
    world[WHO].token = tokens.access_token


async def listed(db: Database, **other: Any) -> None:
    """The officer's line of the list, as it was in the sample or otherwise."""
    sample = BY_KEY[WHO]
    async with db.begin(Worker("test")) as tx:
        line = await tx.value("select id from officer where name = $1", sample.name)
        entry = {"office": sample.office, "name": sample.name, "roles": list(sample.roles)}
        await list_officer(tx, OfficerEntry(**entry | other), line)


async def moved(desk: Desk) -> None:
    await listed(desk.db, office="pio-20")


async def no_officer_any_more(desk: Desk) -> None:
    await listed(desk.db, ended=True)


async def another_task(desk: Desk) -> None:
    await listed(desk.db, roles=[Role.auditor])


async def suspended(desk: Desk) -> None:
    async with desk.db.begin(Worker("test")) as tx:
        await accounts.suspend(tx, desk.account, "ทดสอบ")


async def desk_ended(desk: Desk) -> None:
    async with desk.db.begin(Worker("test")) as tx:
        version = await tx.value("select version from desk where id = $1", desk.desk)
        await desks.end(tx, desk.desk, version)


ENDS = pytest.mark.parametrize(
    ("ends", "flag"),
    [
        (moved, "officer:moved"),
        (another_task, "officer:moved"),
        (no_officer_any_more, "officer:left"),
        (suspended, "officer:left"),
        (desk_ended, "desk:ended"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)


async def flags(desk: Desk, reading: UUID | None) -> list[str]:
    found: list[str] = await desk.value("select flags from reading where id = $1", reading)
    return found


@ENDS
@pytest.mark.parametrize("told", [True, False], ids=["written down", "a moment ago"])
async def test_a_card_that_was_read_in_good_right_is_kept_and_says_what_has_ended_since(
    desk: Desk, ends: Any, flag: str, told: bool
) -> None:
    ticket, read_at = await desk.ticket(), clock.now()
    with clock.travel(LATER):
        await ends(desk)
        if told:
            await do_jobs(desk.db)
        receipt = await desk.read(ticket, read_at=read_at, inserted_at=read_at)
        assert receipt.refused is None
        assert flag in await flags(desk, receipt.reading)
        assert (await desk.read(ticket)).refused == "readers/ticket-used"


@ENDS
async def test_a_card_that_was_read_after_the_right_had_ended_is_refused(
    desk: Desk, ends: Any, flag: str
) -> None:
    ticket = await desk.ticket()
    with clock.travel(LATER):
        await ends(desk)
        await do_jobs(desk.db)
    with clock.travel(2 * LATER):
        receipt = await desk.read(ticket, read_at=clock.now(), inserted_at=clock.now())
    assert receipt.refused == "readers/ticket-used" and await desk.readings() == 0


async def test_who_is_back_has_what_they_read_and_it_still_says_that_they_were_away(
    desk: Desk, world: World
) -> None:
    ticket, read_at = await desk.ticket(), clock.now()
    with clock.travel(LATER):
        await suspended(desk)
        await do_jobs(desk.db)
    async with desk.db.begin(Worker("test")) as tx:
        await accounts.restore(tx, desk.account)
    await sign_in(world)
    receipt = await desk.read(ticket, read_at=read_at, inserted_at=read_at)
    assert "officer:left" in await flags(desk, receipt.reading)
    seen = (await world[WHO].get(f"/v1/readings/{receipt.reading}")).json()
    assert seen["card"] is not None and "officer:left" in seen["flags"]


async def test_nobody_else_sees_what_was_read_by_who_has_left(desk: Desk, world: World) -> None:
    ticket, read_at = await desk.ticket(), clock.now()
    with clock.travel(LATER):
        await no_officer_any_more(desk)
        receipt = await desk.read(ticket, read_at=read_at, inserted_at=read_at)
    for other in (world.inspector, world.head, world["auditor"]):
        seen = await other.get(f"/v1/readings/{receipt.reading}")
        assert seen.status_code in (403, 404)
    assert (await world[WHO].get(f"/v1/readings/{receipt.reading}")).status_code in (401, 403)


async def test_a_device_that_was_stopped_keeps_nothing_however_early_it_says_that_it_read(
    desk: Desk,
) -> None:
    ticket, read_at = await desk.ticket(), clock.now()
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(
            "update bridge set state = 'revoked', ended_at = $2 where id = $1", desk.id, tx.now
        )
    with pytest.raises(BridgeEnded):
        await desk.read(ticket, read_at=read_at, inserted_at=read_at)


async def test_a_move_within_the_same_office_ends_no_ticket(desk: Desk) -> None:
    ticket = await desk.ticket()
    await listed(desk.db, position="นักวิชาการ")
    await do_jobs(desk.db)
    receipt = await desk.read(ticket)
    assert receipt.refused is None
    assert not {"officer:moved", "officer:left"} & set(await flags(desk, receipt.reading))
