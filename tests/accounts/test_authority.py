"""Dated authority: for its power, section, classes and area, between its days, until revoked."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from api import ids
from api.accounts import binding, officers, service
from api.accounts.model import AuthorityGrant, AuthorityNeeded, Power, WrongEntry
from api.clock import bangkok_date
from api.db import Database, Tx
from api.permissions import NOBODY, Worker

from .test_officers import entry, identity, live


def grant(account: UUID, **changes: object) -> AuthorityGrant:
    fields = {
        "account": account,
        "power": Power.sign_order,
        "section": "37",
        "instrument": "คำสั่งตัวอย่าง 1/2569",
        "valid_from": date(2026, 1, 1),
    } | changes
    return AuthorityGrant(**fields)  # type: ignore[arg-type]


async def officer(tx: Tx, number: int) -> UUID:
    """A listed officer of Samut Prakan who has signed in; returns the account."""
    await officers.list_officer(tx, entry(number))
    return await binding.bind(tx, identity(number))


async def may(tx: Tx, **changes: Any) -> UUID | None:
    """The grant under which the caller may sign an order on a class 3 factory of Samut Prakan."""
    asked = {"section": "37", "factory_class": 3, "province": "11", "on": None} | changes
    power = asked.pop("power", Power.sign_order)
    found = await service.find_authority(tx, power, **asked)
    if found is None:
        with pytest.raises(AuthorityNeeded):
            await service.require_authority(tx, power, **asked)
        return None
    assert await service.require_authority(tx, power, **asked) == found
    return found.id


async def test_authority_holds_for_its_power_section_classes_and_area(tx: Tx) -> None:
    account = await officer(tx, 2140)
    today = bangkok_date(tx.now)
    id = ids.new()
    wanted = grant(account, valid_from=today, valid_to=today, classes=[3], area=["11"])
    made = await service.grant_authority(tx, id, wanted)
    assert made == await service.grant_authority(tx, id, wanted)
    tx.actor = await live(tx, account)
    found = await service.require_authority(tx, Power.sign_order, "37", 3, "11")
    assert (found.id, found.instrument) == (id, "คำสั่งตัวอย่าง 1/2569")
    for other in (
        {"factory_class": 2},
        {"factory_class": None},
        {"province": "21"},
        {"province": None},
        {"section": "39"},
        {"section": "3"},
        {"power": Power.stop_operation},
        {"power": Power.approve_sealing},
    ):
        assert await may(tx, **other) is None, other
    await service.revoke_authority(tx, id)
    assert await may(tx) is None


async def test_authority_without_limits_covers_every_class_and_province(tx: Tx) -> None:
    account = await officer(tx, 2141)
    id = ids.new()
    await service.grant_authority(tx, id, grant(account))
    tx.actor = await live(tx, account)
    for asked in ({}, {"factory_class": 1, "province": "50"}, {"factory_class": None}):
        assert await may(tx, **asked) == id


async def test_authority_holds_from_its_first_day_to_its_last_in_bangkok(tx: Tx) -> None:
    account = await officer(tx, 2143)
    today, day, id = bangkok_date(tx.now), timedelta(days=1), ids.new()
    dates = {"valid_from": today - 9 * day, "valid_to": today - 2 * day}
    await service.grant_authority(tx, id, grant(account, **dates))
    await service.grant_authority(tx, ids.new(), grant(account, valid_from=today + day))
    tx.actor = await live(tx, account)
    for ago, held in ((10, None), (9, id), (2, id), (1, None), (0, None), (-1, None), (-5, None)):
        assert await may(tx, on=today - ago * day) == held, ago
    assert await may(tx) is None
    tx.now = datetime.combine(today + day, time(), ZoneInfo("Asia/Bangkok"))  # midnight there
    assert await may(tx) is not None
    tx.now -= timedelta(seconds=1)
    assert await may(tx) is None


async def test_a_revoked_authority_still_counts_for_what_was_signed_on_paper_before(
    tx: Tx,
) -> None:
    account = await officer(tx, 2144)
    today, day, id = bangkok_date(tx.now), timedelta(days=1), ids.new()
    await service.grant_authority(tx, id, grant(account, valid_from=today - 9 * day))
    tx.actor = await live(tx, account)
    await service.revoke_authority(tx, id)
    assert await may(tx) is None
    assert await may(tx, on=today) is None
    assert await may(tx, on=today - day) == id


async def test_a_leavers_authority_ends_with_their_line_of_the_list(tx: Tx) -> None:
    account = await officer(tx, 2145)
    await service.grant_authority(tx, ids.new(), grant(account))
    tx.actor = await live(tx, account)
    assert await may(tx) is not None
    await officers.list_officer(tx, entry(2145, ended=True))
    assert await may(tx) is None
    yesterday = bangkok_date(tx.now) - timedelta(days=1)
    assert await may(tx, on=yesterday) is not None  # what they signed on paper before stands


async def test_who_is_on_no_list_holds_no_authority(tx: Tx) -> None:
    account = await binding.bind(tx, identity(2146))
    await service.grant_authority(tx, ids.new(), grant(account))
    tx.actor = await live(tx, account)
    assert await may(tx) is None


async def test_the_authority_of_another_is_asked_by_their_account(tx: Tx) -> None:
    signer, clerk = await officer(tx, 2147), await officer(tx, 2148)
    id = ids.new()
    await service.grant_authority(tx, id, grant(signer))
    tx.actor = await live(tx, clerk)
    assert await may(tx) is None
    assert await may(tx, account=signer) == id
    tx.actor = NOBODY
    assert await may(tx) is None


@pytest.mark.parametrize("said", ["37", "มาตรา 37", "ม.๓๗", "s.37", " Section 37 "])
async def test_a_section_is_the_same_however_it_is_written(tx: Tx, said: str) -> None:
    account = await officer(tx, 2149)
    made = await service.grant_authority(tx, ids.new(), grant(account, section=said))
    assert made.section == "37"
    tx.actor = await live(tx, account)
    assert await may(tx, section=said) == made.id


@pytest.mark.parametrize("said", ["all", "37-39", "37, 39", "37/", "มาตรา", "๓๗ ทวิ", "1234"])
async def test_a_grant_names_one_section(tx: Tx, said: str) -> None:
    account = await officer(tx, 2150)
    with pytest.raises(WrongEntry):
        await service.grant_authority(tx, ids.new(), grant(account, section=said))


async def test_a_revocation_waits_for_what_is_being_signed_and_then_holds(db: Database) -> None:
    async with db.begin(Worker("test")) as tx:
        account, id = await officer(tx, 2151), ids.new()
        await service.grant_authority(tx, id, grant(account))
    async with db.begin(Worker("test")) as signing:
        ask = (Power.sign_order, "37", 3, "11")
        await service.require_authority(signing, *ask, account=account)

        async def revoke() -> None:
            async with db.begin(Worker("test")) as tx:
                await service.revoke_authority(tx, id)

        revoking = asyncio.create_task(revoke())
        done, _ = await asyncio.wait([revoking], timeout=0.3)
        assert not done
    await revoking
    async with db.begin(Worker("test")) as tx:
        assert await service.find_authority(tx, *ask, account=account) is None


async def test_one_id_does_not_name_two_authorities(tx: Tx) -> None:
    account = await binding.bind(tx, identity(2142))
    id = ids.new()
    await service.grant_authority(tx, id, grant(account))
    with pytest.raises(WrongEntry):
        await service.grant_authority(tx, id, grant(account, power=Power.unseal))
