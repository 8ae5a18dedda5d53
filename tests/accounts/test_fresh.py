"""A fresh authentication over a hash, with the development provider: given, and used once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from litestar import Litestar

from api import clock, sealed
from api.accounts import fresh, queries, seed, service
from api.accounts.fresh_model import (
    FreshAuthenticationNeeded,
    FreshAuthenticationOfAnother,
    FreshAuthenticationOfOtherContent,
    FreshAuthenticationUsed,
)
from api.accounts.fresh_queries import Fresh
from api.accounts.model import AccountSuspended, Status
from api.db import Database, Tx
from api.permissions import NOBODY, Nobody, Role, Session, Worker
from api.problems import Problem, SignInNeeded

from .conftest import PHONE, Phone, new_phone, query_of, signed_in, unverified

HASH = "0a" * 32
OTHER = "0b" * 32


def actor(phone: Phone) -> Session:
    claims = unverified(phone.access)
    roles = frozenset({Role.inspector})
    return Session(UUID(str(claims["sub"])), UUID(str(claims["sid"])), roles)


@asynccontextmanager
async def acting(phone: Phone) -> AsyncIterator[Tx]:
    """The transaction of an act of the person behind the phone."""
    async with phone.app.state.db.begin(actor(phone)) as tx:
        yield tx


async def use(phone: Phone, ticket: str, sha256: str = HASH) -> service.FreshAuthentication:
    async with acting(phone) as tx:
        return await service.use_fresh_authentication(tx, ticket, sha256)


async def happened(db: Database, record: UUID) -> list[tuple[str, str | None]]:
    async with db.pool.acquire() as connection:
        rows = await connection.fetch(
            "select name, facts ->> 'reason' from event where record = $1 order by id", record
        )
    return [tuple(row) for row in rows]


async def test_an_officer_authenticates_anew_and_signs_what_was_shown(
    phone: Phone, db: Database
) -> None:
    await phone.sign_in()
    begun = clock.now()
    ticket = await phone.ticket_for(HASH)
    found = await use(phone, ticket)
    assert found.account == actor(phone).account
    assert found.provider == "http://127.0.0.1:8000/dev/idp"
    assert begun - timedelta(seconds=1) <= found.authenticated_at <= clock.now()
    assert [name for name, _ in await happened(db, found.id)] == [
        "fresh_authentication.given",
        "fresh_authentication.used",
    ]
    async with db.pool.acquire() as connection:
        row = await connection.fetchrow(
            "select * from fresh_authentication where id = $1", found.id
        )
        known = await connection.fetchval(
            "select account from provider_identity where issuer = $1 and subject_index = $2",
            row["provider"],
            row["subject_index"],
        )
    assert (row["sha256"], row["client"], known) == (HASH, PHONE, found.account)
    assert row["used_at"] is not None
    assert ticket.encode() not in row["ticket_hash"]


async def test_it_opens_no_session_and_gives_no_access(phone: Phone) -> None:
    await phone.sign_in()
    before = (await phone.get("/v1/sessions")).json()["items"]
    page = await phone.authorize(login_hint="inspector", purpose="sign", purpose_hash=HASH)
    code = query_of(await phone.click(page, "inspector"))["code"]
    answer = await phone.redeem(code)
    assert set(answer.json()) == {"token_type", "ticket", "sha256", "expires_in"}
    assert answer.json()["token_type"] == "N_A"
    assert answer.headers["cache-control"] == "no-store"
    assert len((await phone.get("/v1/sessions")).json()["items"]) == len(before)
    thief = new_phone(phone.app)
    thief.access = answer.json()["ticket"]
    assert (await thief.get("/v1/me")).status_code == 401
    assert (await thief.renew(answer.json()["ticket"])).status_code == 400


async def test_the_development_provider_takes_a_hint_for_no_log_in(phone: Phone) -> None:
    page = await phone.authorize(login_hint="inspector", purpose="sign", purpose_hash=HASH)
    assert page.status_code == 200
    assert "เลือกบัญชีตัวอย่าง" in page.text
    assert page.url.params["prompt"] == "login"
    assert page.url.params["max_age"] == "0"
    plain = await phone.authorize(login_hint="inspector")
    assert "code" in query_of(plain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "sign"},
        {"purpose_hash": HASH},
        {"purpose": "pay", "purpose_hash": HASH},
        {"purpose": "sign", "purpose_hash": HASH.upper()},
        {"purpose": "sign", "purpose_hash": HASH[:-1]},
        {"purpose": "sign", "purpose_hash": HASH + "\n"},
        {"purpose": "", "purpose_hash": HASH},
    ],
)
async def test_a_purpose_without_a_sound_hash_goes_back_as_an_error(
    phone: Phone, wrong: dict[str, str]
) -> None:
    back = query_of(await phone.authorize(login_hint="inspector", **wrong))
    assert (back["error"], back["problem"]) == ("invalid_request", "accounts/invalid-request")


async def test_a_ticket_counts_once_and_shown_again_is_recorded(phone: Phone, db: Database) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)
    found = await use(phone, ticket)
    with pytest.raises(FreshAuthenticationUsed):
        await use(phone, ticket)
    with clock.travel(timedelta(hours=1)), pytest.raises(FreshAuthenticationUsed):
        await use(phone, ticket)
    assert (await happened(db, found.id))[2:] == [("fresh_authentication.refused", "used")] * 2


async def test_an_act_that_is_rolled_back_gives_the_ticket_back(phone: Phone, db: Database) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)

    async def fails() -> None:
        async with acting(phone) as tx:
            await service.use_fresh_authentication(tx, ticket, HASH)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    found = await use(phone, ticket)
    assert [name for name, _ in await happened(db, found.id)][1:] == ["fresh_authentication.used"]


async def test_of_sixteen_acts_at_once_one_has_the_ticket(phone: Phone) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)
    begun = asyncio.Barrier(16)

    async def act() -> service.FreshAuthentication:
        async with acting(phone) as tx:
            await begun.wait()
            return await service.use_fresh_authentication(tx, ticket, HASH)

    outcomes = await asyncio.gather(*(act() for _ in range(16)), return_exceptions=True)
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert sorted(kinds) == ["FreshAuthentication"] + ["FreshAuthenticationUsed"] * 15


async def test_a_second_act_waits_for_the_first_and_has_nothing_left(phone: Phone) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)
    async with acting(phone) as tx:
        await service.use_fresh_authentication(tx, ticket, HASH)
        second = asyncio.create_task(use(phone, ticket))
        assert not (await asyncio.wait([second], timeout=0.3))[0]
    with pytest.raises(FreshAuthenticationUsed):
        await second


async def test_a_ticket_is_for_that_hash_alone_and_still_counts_for_it(phone: Phone) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)
    with pytest.raises(FreshAuthenticationOfOtherContent):
        await use(phone, ticket, OTHER)
    assert (await use(phone, ticket)).account == actor(phone).account


async def test_who_logged_in_must_be_who_signs(phone: Phone, db: Database) -> None:
    await phone.sign_in("inspector")
    ticket = await phone.ticket_for(HASH, "head")
    with pytest.raises(FreshAuthenticationOfAnother):
        await use(phone, ticket)
    head = await signed_in(phone.app, "head")
    found = await use(head, ticket)
    assert found.account == actor(head).account
    assert ("fresh_authentication.refused", "another account") in await happened(db, found.id)


async def test_a_ticket_lives_five_minutes(phone: Phone) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)
    with clock.travel(timedelta(minutes=5)), pytest.raises(FreshAuthenticationNeeded):
        await use(phone, ticket)
    with clock.travel(timedelta(minutes=4, seconds=50)):
        await use(phone, ticket)


@pytest.mark.parametrize("ticket", ["", "never-given", "x" * 43, "ก" * 300, "x\0y"])
async def test_a_ticket_that_is_none_asks_for_a_new_authentication(
    phone: Phone, ticket: str
) -> None:
    await phone.sign_in()
    with pytest.raises(FreshAuthenticationNeeded) as caught:
        await use(phone, ticket)
    assert caught.value.status == 401


@pytest.mark.parametrize("nobody", [NOBODY, Worker("test")])
async def test_only_a_signed_in_person_can_use_one(tx: Tx, nobody: Nobody | Worker) -> None:
    tx.actor = nobody
    with pytest.raises(SignInNeeded):
        await service.use_fresh_authentication(tx, "x" * 43, HASH)


async def test_an_account_suspended_meanwhile_cannot_sign_not_even_when_restored(
    site: Litestar, db: Database
) -> None:
    phone = await signed_in(site, "inspector-2")
    account = actor(phone).account
    ticket = await phone.ticket_for(HASH, "inspector-2")
    page = await phone.authorize(purpose="sign", purpose_hash=HASH)
    waiting = query_of(await phone.click(page, "inspector-2"))["code"]
    async with db.begin(Worker("test")) as tx:
        await service.suspend(tx, account, "ทดสอบ")
    try:
        with pytest.raises(FreshAuthenticationNeeded):
            await use(phone, ticket)
        assert (await phone.redeem(waiting)).json()["code"] == "accounts/suspended"
    finally:
        async with db.begin(Worker("test")) as tx:
            await service.restore(tx, account)
    with pytest.raises(FreshAuthenticationNeeded):
        await use(phone, ticket)


async def test_a_suspension_waits_for_what_is_being_signed(site: Litestar, db: Database) -> None:
    phone = await signed_in(site, "inspector-2")
    ticket = await phone.ticket_for(HASH, "inspector-2")

    async def suspend() -> None:
        async with db.begin(Worker("test")) as tx:
            await service.suspend(tx, actor(phone).account, "ทดสอบ")

    async with acting(phone) as tx:
        found = await service.use_fresh_authentication(tx, ticket, HASH)
        suspending = asyncio.create_task(suspend())
        assert not (await asyncio.wait([suspending], timeout=0.3))[0]
    await suspending
    async with db.begin(Worker("test")) as tx:
        await service.restore(tx, found.account)
    assert ("fresh_authentication.used", None) in await happened(db, found.id)
    with pytest.raises(FreshAuthenticationUsed):
        await use(phone, ticket)


async def test_a_signature_waits_for_a_suspension_and_is_refused(
    site: Litestar, db: Database
) -> None:
    phone = await signed_in(site, "inspector-2")
    ticket = await phone.ticket_for(HASH, "inspector-2")
    account = actor(phone).account
    async with db.begin(Worker("test")) as tx:
        await queries.lock_account(tx, account)
        await queries.set_status(tx, account, Status.suspended)
        signing = asyncio.create_task(use(phone, ticket))
        assert not (await asyncio.wait([signing], timeout=0.3))[0]
    try:
        with pytest.raises(AccountSuspended):
            await signing
    finally:
        async with db.begin(Worker("test")) as tx:
            await service.restore(tx, account)


async def test_a_ticket_given_before_a_suspension_that_no_one_cancelled_is_refused(tx: Tx) -> None:
    """As on another server, where the suspension is seen in the row alone."""
    account = await seed.account(tx, "inspector-2")
    proof = Fresh(HASH, "https://op.example", sealed.index("subject", "x"), tx.now)
    _, given = await fresh.give_ticket(tx, account, PHONE, proof)
    await queries.set_status(tx, account, Status.suspended)
    tx.actor = Session(account, account, frozenset())
    with pytest.raises(AccountSuspended):
        await service.use_fresh_authentication(tx, given.ticket, HASH)


async def test_a_code_used_twice_cancels_the_ticket_that_it_led_to(
    phone: Phone, db: Database
) -> None:
    await phone.sign_in()
    page = await phone.authorize(purpose="sign", purpose_hash=HASH)
    code = query_of(await phone.click(page, "inspector"))["code"]
    ticket = (await phone.redeem(code)).json()["ticket"]
    assert (await phone.redeem(code)).json()["error"] == "invalid_grant"
    with pytest.raises(FreshAuthenticationNeeded):
        await use(phone, ticket)
    assert (await phone.get("/v1/me")).status_code == 200  # the session has no part in it


async def test_a_code_to_sign_is_worth_nothing_without_the_verifier(phone: Phone) -> None:
    page = await phone.authorize(purpose="sign", purpose_hash=HASH)
    code = query_of(await phone.click(page, "inspector"))["code"]
    assert (await new_phone(phone.app).redeem(code)).json()["error"] == "invalid_grant"
    assert (await phone.redeem(code, client_id="superapp-desk")).status_code == 400
    with clock.travel(timedelta(seconds=61)):
        assert (await phone.redeem(code)).status_code == 400


async def test_the_evidence_cannot_be_changed_or_taken_away_by_the_server(db: Database) -> None:
    async with db.pool.acquire() as connection:
        for statement in (
            "update fresh_authentication set sha256 = sha256",
            "update fresh_authentication set account = account",
            "update fresh_authentication set authenticated_at = now()",
            "delete from fresh_authentication",
            "truncate fresh_authentication",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_used_one_is_neither_cancelled_nor_used_again_in_its_row(phone: Phone) -> None:
    await phone.sign_in()
    ticket = await phone.ticket_for(HASH)
    found = await use(phone, ticket)
    async with acting(phone) as tx:
        await fresh.cancel(tx, found.id, "test")
        told = await tx.value(
            "select cancelled_at is null and used_at is not null "
            "from fresh_authentication where id = $1",
            found.id,
        )
    assert told


def test_the_problems_are_of_the_families_that_a_phone_expects() -> None:
    kinds: dict[type[Problem], int] = {
        FreshAuthenticationNeeded: 401,
        FreshAuthenticationUsed: 409,
        FreshAuthenticationOfAnother: 409,
        FreshAuthenticationOfOtherContent: 409,
    }
    assert {kind: kind.status for kind in kinds} == kinds
