"""Attacks on our own tokens: access tokens, refresh tokens, lost answers and lost phones."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar

from api import clock, keys
from api.accounts import authentication, seed, session_queries, signin, tokens
from api.accounts.model import SessionEnded, TokenExpired, TokenRefused
from api.accounts.oauth_problems import InvalidGrant
from api.db import Database
from api.keys import Keyring, Purpose
from api.permissions import NOBODY

from .conftest import PHONE, Phone, new_phone, signed_in, unverified


def resigned(access: str, **changes: Any) -> str:
    """The same claims with changes, signed by our own key."""
    kid, private = keys.ring().signer(Purpose.token)
    headers = {"kid": kid, "typ": "at+jwt"} | changes.pop("headers", {})
    claims = {k: v for k, v in (unverified(access) | changes).items() if v is not None}
    return jwt.encode(claims, private, algorithm="EdDSA", headers=headers)


def _none(access: str) -> str:
    return jwt.encode(unverified(access), None, algorithm="none", headers={"typ": "at+jwt"})


def _hs256_with_our_public_key(access: str) -> str:
    kid, _ = keys.ring().signer(Purpose.token)
    public = next(k.x for k in keys.ring().public().keys if k.kid == kid)
    secret = base64.urlsafe_b64decode(public + "=")
    return jwt.encode(
        unverified(access), secret, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"}
    )


def _receipt_key(access: str) -> str:
    kid, private = keys.ring().signer(Purpose.receipt)
    return jwt.encode(
        unverified(access), private, algorithm="EdDSA", headers={"kid": kid, "typ": "at+jwt"}
    )


def _own_key(access: str) -> str:
    kid, _ = keys.ring().signer(Purpose.token)
    return jwt.encode(
        unverified(access),
        Ed25519PrivateKey.generate(),
        algorithm="EdDSA",
        headers={"kid": kid, "typ": "at+jwt"},
    )


def _changed_payload(access: str) -> str:
    head, _, signature = access.split(".")
    claims = unverified(access) | {"sub": "00000000-0000-7000-8000-000000000000"}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        _none,
        _hs256_with_our_public_key,
        _receipt_key,
        _own_key,
        _changed_payload,
        lambda t: resigned(t, aud="another"),
        lambda t: resigned(t, iss="https://other.example"),
        lambda t: resigned(t, sid=None),
        lambda t: resigned(t, sub="not-a-uuid"),
        lambda t: resigned(t, exp=None),
        lambda t: resigned(t, exp="never"),
        lambda t: resigned(t, headers={"typ": "JWT"}),
        lambda t: resigned(t, headers={"kid": "unknown"}),
        lambda t: resigned(t, headers={"kid": "../../keyring.json"}),
        lambda t: t[:-3],
        lambda t: t + ".x",
        lambda t: "x",
    ],
)
async def test_a_forged_access_token_is_refused(phone: Phone, forge: Callable[[str], str]) -> None:
    await phone.sign_in("administrator")
    phone.access = forge(phone.access)
    answer = await phone.get("/v1/me")
    assert answer.status_code == 401
    assert answer.json()["code"] == "accounts/token-refused"


async def test_a_token_ends_after_ten_minutes_also_when_it_is_remembered(phone: Phone) -> None:
    await phone.sign_in()
    assert (await phone.get("/v1/me")).status_code == 200
    with clock.travel(timedelta(minutes=10, seconds=1)):
        answer = await phone.get("/v1/me")
    assert answer.json()["code"] == "accounts/token-expired"
    with clock.travel(timedelta(minutes=10, seconds=1)), pytest.raises(TokenExpired):
        tokens.read(phone.access, clock.now())


async def test_a_token_about_another_account_than_its_session_is_worth_nothing(
    site: Litestar,
) -> None:
    one, other = await signed_in(site, "citizen"), await signed_in(site, "administrator")
    one.access = resigned(one.access, sub=unverified(other.access)["sub"])
    authentication.forget_all()
    answer = await one.get("/v1/me")
    assert answer.json()["code"] == "accounts/session-ended"


async def test_tokens_survive_a_rotation_of_keys_and_end_with_retirement(
    phone: Phone, spare: Keyring
) -> None:
    await phone.sign_in()
    old = jwt.get_unverified_header(phone.access)["kid"]
    spare.rotate(Purpose.token)
    authentication.forget_all()
    assert (await phone.get("/v1/me")).status_code == 200
    fresh = (await phone.renew()).json()["access_token"]
    assert jwt.get_unverified_header(fresh)["kid"] != old
    spare.retire(old)
    with pytest.raises(TokenRefused):
        tokens.read(phone.access, clock.now())
    assert tokens.read(fresh, clock.now())


async def test_refresh_tokens_survive_a_rotation_of_the_index_key(
    phone: Phone, spare: Keyring
) -> None:
    await phone.sign_in()
    spare.rotate(Purpose.blind_index)
    assert (await phone.renew()).status_code == 200
    again = await new_phone(phone.app).sign_in("inspector")  # still the same person
    mine = (await phone.get("/v1/me")).json()["account"]
    assert (await again.get("/v1/me")).json()["account"] == mine


async def test_fourteen_days_without_signal_lose_no_session(phone: Phone) -> None:
    await phone.sign_in()
    with clock.travel(timedelta(days=14)):
        renewed = await phone.renew()
        assert renewed.status_code == 200
        phone.access = renewed.json()["access_token"]
        assert (await phone.get("/v1/me")).status_code == 200
    with clock.travel(timedelta(days=14 + 29)):
        assert (await phone.renew(renewed.json()["refresh_token"])).status_code == 200


async def test_a_refresh_token_left_for_a_month_is_worth_nothing(phone: Phone) -> None:
    await phone.sign_in()
    with clock.travel(timedelta(days=30, seconds=1)):
        assert (await phone.renew()).json()["error"] == "invalid_grant"


async def test_a_lost_answer_gets_the_same_successor_again(phone: Phone) -> None:
    await phone.sign_in()
    lost = (await phone.renew()).json()
    again = (await phone.renew()).json()
    assert again["refresh_token"] == lost["refresh_token"]
    with clock.travel(timedelta(seconds=59)):
        assert (await phone.renew()).json()["refresh_token"] == lost["refresh_token"]
    assert (await phone.renew(again["refresh_token"])).status_code == 200


async def test_a_refresh_token_used_twice_ends_the_session(phone: Phone) -> None:
    await phone.sign_in()
    following = (await phone.renew()).json()
    with clock.travel(timedelta(seconds=61)):
        assert (await phone.renew()).json()["error"] == "invalid_grant"
    phone.access = following["access_token"]
    assert (await phone.get("/v1/me")).json()["code"] == "accounts/session-ended"
    assert (await phone.renew(following["refresh_token"])).status_code == 400


async def test_once_the_successor_was_used_its_predecessor_is_reuse_at_once(
    phone: Phone,
) -> None:
    await phone.sign_in()
    following = (await phone.renew()).json()["refresh_token"]
    third = (await phone.renew(following)).json()
    assert (await phone.renew()).status_code == 400  # a thief with the first one
    phone.access = third["access_token"]
    assert (await phone.get("/v1/me")).status_code == 401


async def test_the_end_of_a_reused_session_survives_the_rollback(
    phone: Phone, db: Database
) -> None:
    await phone.sign_in()
    session = UUID(str(unverified(phone.access)["sid"]))
    await phone.renew()
    with clock.travel(timedelta(minutes=2)), pytest.raises(InvalidGrant):
        async with db.begin(NOBODY) as tx:
            await signin.refresh(tx, phone.refresh, PHONE)
    async with db.read() as tx:
        facts = await session_queries.facts(tx, session)
        named = await tx.value(
            "select facts ->> 'reason' from event where record = $1 and name = 'session.ended'",
            session,
        )
    assert facts is not None
    assert facts.ended
    assert named == "token_reused"


async def test_the_same_refresh_token_sixteen_times_at_once_signs_nobody_out(
    phone: Phone,
) -> None:
    await phone.sign_in()
    answers = await asyncio.gather(*(phone.renew() for _ in range(16)))
    assert [a.status_code for a in answers] == [200] * 16
    assert len({a.json()["refresh_token"] for a in answers}) == 1
    assert (await phone.renew(answers[7].json()["refresh_token"])).status_code == 200


async def test_a_guessed_refresh_token_touches_nobody(phone: Phone) -> None:
    await phone.sign_in()
    for guess in ("", "x", phone.refresh[:-1], phone.refresh + "A", "\0", "ก" * 50, "a" * 5000):
        answer = await phone.renew(guess or "-")
        assert answer.status_code == 400, guess
    assert (await phone.renew()).status_code == 200


async def test_nothing_in_the_data_base_is_a_token(phone: Phone, db: Database) -> None:
    await phone.sign_in()
    following = (await phone.renew()).json()["refresh_token"]
    async with db.read() as tx:
        held = await tx.value(
            """
            select string_agg(t::text, ' ') from (
                select row_to_json(r) t from refresh_token r
                union all select row_to_json(c) from authorization_code c
                union all select row_to_json(s) from session s
                union all select row_to_json(e) from event e) x
            """
        )
    for secret in (phone.refresh, following):
        assert secret not in held
        assert secret.encode().hex() not in held


async def test_a_lost_phone_is_told_to_wipe_on_its_next_contact(
    site: Litestar, db: Database
) -> None:
    lost, other = await signed_in(site, "inspector"), await signed_in(site, "inspector")
    devices = (await other.get("/v1/sessions")).json()["items"]
    assert sum(d["current"] for d in devices) == 1
    id = unverified(lost.access)["sid"]
    assert (await other.call("DELETE", f"/v1/sessions/{id}")).status_code == 204
    answer = await lost.get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "accounts/device-wiped")
    renewed = await lost.renew()  # after days without signal it comes with the refresh token
    assert renewed.json()["code"] == "accounts/device-wiped"
    assert renewed.json()["error"] == "invalid_grant"
    async with db.read() as tx:
        told = await tx.value("select wipe_told_at from session where id = $1", UUID(str(id)))
    assert told is not None
    assert (await other.get("/v1/me")).status_code == 200


async def test_a_lost_phone_hears_it_on_a_write_too(site: Litestar) -> None:
    lost, other = await signed_in(site, "inspector"), await signed_in(site, "inspector")
    assert (await lost.get("/v1/me")).status_code == 200
    id = unverified(lost.access)["sid"]
    await other.call("DELETE", f"/v1/sessions/{id}")
    answer = await lost.call("POST", "/v1/session/end")
    assert answer.json()["code"] == "accounts/device-wiped"


async def test_an_ended_session_can_still_be_reported_lost(site: Litestar) -> None:
    lost, other = await signed_in(site, "inspector"), await signed_in(site, "inspector")
    id = unverified(lost.access)["sid"]
    await other.call("DELETE", f"/v1/sessions/{id}?wipe=false")
    assert (await lost.renew()).json()["code"] == "accounts/invalid-grant"
    await other.call("DELETE", f"/v1/sessions/{id}")
    assert (await lost.renew()).json()["code"] == "accounts/device-wiped"


async def test_nobody_ends_the_session_of_a_stranger_but_the_administrator(
    site: Litestar,
) -> None:
    victim = await signed_in(site, "inspector")
    id = unverified(victim.access)["sid"]
    for who in ("inspector-2", "head", "auditor", "citizen"):
        answer = await (await signed_in(site, who)).call("DELETE", f"/v1/sessions/{id}")
        assert answer.status_code == 404, who
    assert (await victim.get("/v1/me")).status_code == 200
    administrator = await signed_in(site, "administrator")
    assert (await administrator.call("DELETE", f"/v1/sessions/{id}")).status_code == 204
    assert (await victim.get("/v1/me")).status_code == 401


async def test_a_write_sees_the_end_of_a_session_that_a_read_still_remembers(
    site: Litestar, db: Database
) -> None:
    person = await signed_in(site, "citizen")
    held = await authentication.authenticate(person.access, db)
    async with db.begin(NOBODY) as tx:  # as another server would end it
        await session_queries.end_session(
            tx, held.session, signin.EndReason.ended_elsewhere, wipe=False
        )
    assert await authentication.authenticate(person.access, db) == held
    async with db.begin(held) as tx:
        with pytest.raises(SessionEnded):
            await authentication.check_live(tx, held)
    with pytest.raises(SessionEnded):  # and what the write found, reads know from then on
        await authentication.authenticate(person.access, db)


async def test_the_caches_are_bounded(site: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_HELD", 3)
    authentication.forget_all()
    for _ in range(6):
        person = await signed_in(site, "citizen")
        assert (await person.get("/v1/me")).status_code == 200
    assert len(authentication._tokens) <= 3
    assert len(authentication._sessions) <= 3


async def test_a_sweep_removes_what_has_expired_and_breaks_no_session(
    phone: Phone, db: Database
) -> None:
    await phone.sign_in()
    following = (await phone.renew()).json()["refresh_token"]
    await phone.authorize()  # an attempt that nobody finished
    with clock.travel(timedelta(days=2)):
        async with db.begin(NOBODY) as tx:
            assert await session_queries.sweep(tx) >= 2
            assert await tx.value("select count(*) from sign_in_attempt") == 0
        assert (await phone.renew(following)).status_code == 200


async def test_a_suspended_sample_cannot_open_a_session(db: Database) -> None:
    async with db.begin(NOBODY) as tx:
        account = await seed.account(tx, "citizen")
        await tx.run("update account set status = 'suspended' where id = $1", account)
        with pytest.raises(signin.AccountSuspended):
            await signin.open_session(tx, account, PHONE, "")
        await tx.run("update account set status = 'active' where id = $1", account)
