from __future__ import annotations

from datetime import timedelta

import pytest

from api import clock

from .conftest import PHONE, REDIRECT, Phone, new_phone, query_of, signed_in, unverified


async def test_an_inspector_signs_in_and_is_known_with_role_and_office(phone: Phone) -> None:
    await phone.sign_in("inspector")
    me = (await phone.get("/v1/me")).json()
    assert me["roles"] == ["inspector"]
    assert me["office"]["code"] == "pio-11"
    assert me["office"]["provinces"] == ["11"]
    assert me["name"] == "สมชาย ตัวอย่าง"


async def test_an_access_token_says_who_and_which_session_and_nothing_more(phone: Phone) -> None:
    await phone.sign_in("operator")
    assert set(unverified(phone.access)) == {"sub", "sid", "iat", "exp", "iss", "aud", "jti"}


async def test_the_answer_to_the_app_names_the_issuer_and_returns_its_state(phone: Phone) -> None:
    back = query_of(await phone.authorize(login_hint="citizen"))
    assert back["state"] == "of-the-app"
    assert back["iss"] == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("who", "roles"),
    [
        ("head", ["provincial_head"]),
        ("department", ["department"]),
        ("auditor", ["auditor"]),
        ("local-officer", ["local_officer"]),
        ("operator", ["citizen", "operator"]),
        ("citizen", ["citizen"]),
    ],
)
async def test_each_sample_account_has_its_role(phone: Phone, who: str, roles: list[str]) -> None:
    await phone.sign_in(who)
    assert (await phone.get("/v1/me")).json()["roles"] == roles


async def test_without_a_hint_the_development_provider_lists_the_samples_in_thai(
    phone: Phone,
) -> None:
    page = await phone.authorize()
    assert page.status_code == 200
    assert "เลือกบัญชีตัวอย่าง" in page.text
    assert "script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_code_is_worth_nothing_without_the_verifier(phone: Phone) -> None:
    code = await phone.code()
    thief = new_phone(phone.app)
    answer = await thief.redeem(code)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
    assert (await phone.redeem(code)).status_code == 200


async def test_a_code_used_twice_ends_the_session_it_opened(phone: Phone) -> None:
    code = await phone.code()
    await phone.redeem(code)
    assert (await phone.get("/v1/me")).status_code == 200
    assert (await phone.client.post("/oauth/token", data={"grant_type": "x"})).status_code == 400
    first = phone.access
    assert (await phone.redeem(code)).status_code == 400
    phone.access = first
    answer = await phone.call("POST", "/v1/session/end")
    assert answer.status_code == 401
    assert answer.json()["code"] == "accounts/session-ended"
    assert (await phone.renew()).json()["error"] == "invalid_grant"


async def test_a_code_is_bound_to_redirect_client_and_sixty_seconds(phone: Phone) -> None:
    code = await phone.code()
    other = await phone.redeem(code, redirect_uri="http://127.0.0.1:51235/signed-in")
    assert other.status_code == 400
    assert (await phone.redeem(code, client_id="superapp-desk")).status_code == 400
    with clock.travel(timedelta(seconds=61)):
        assert (await phone.redeem(code)).status_code == 400


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/signed-in",
        "http://127.0.0.1:51234/elsewhere",
        "http://127.0.0.1.evil.example:51234/signed-in",
        "http://evil@127.0.0.1:51234/signed-in",
        "http://127.0.0.1:51234/signed-in#x",
        "http://localhost:51234/signed-in",
        "http://127.0.0.1:51234\\@evil.example/signed-in",
        "th.go.industry.superapp:/signed-in/..",
        "",
    ],
)
async def test_nobody_is_redirected_to_an_address_that_is_not_registered(
    phone: Phone, redirect: str
) -> None:
    answer = await phone.authorize(redirect_uri=redirect)
    assert answer.status_code == 400
    assert answer.json()["code"] == "accounts/unknown-client"


async def test_the_custom_scheme_of_the_phone_is_registered(phone: Phone) -> None:
    answer = await phone.authorize(
        redirect_uri="th.go.industry.superapp:/signed-in", login_hint="inspector"
    )
    assert answer.headers["location"].startswith("th.go.industry.superapp:/signed-in?code=")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)
async def test_a_wrong_request_goes_back_to_the_app_as_an_error(
    phone: Phone, wrong: dict[str, str | None], error: str
) -> None:
    back = query_of(await phone.authorize(**wrong))
    assert back["error"] == error
    assert back["state"] == "of-the-app"


async def test_a_sign_in_cannot_be_finished_in_another_browser(phone: Phone) -> None:
    query = {
        "response_type": "code",
        "client_id": PHONE,
        "redirect_uri": REDIRECT,
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
        "login_hint": "inspector",
    }
    begun = await phone.client.get("/oauth/authorize", params=query)
    chosen = await phone.client.get(begun.headers["location"])
    victim = new_phone(phone.app)
    answer = await victim.client.get(chosen.headers["location"])
    assert answer.json()["code"] == "accounts/sign-in-lost"
    page = await victim.client.get(chosen.headers["location"], headers={"Accept": "text/html"})
    assert "การเข้าสู่ระบบครั้งนี้หมดอายุ" in page.text
    assert (await phone.client.get(chosen.headers["location"])).is_redirect
    again = await phone.client.get(chosen.headers["location"])
    assert again.json()["code"] == "accounts/sign-in-lost"  # a state counts once


async def test_a_form_with_a_parameter_twice_is_refused_as_oauth_says(phone: Phone) -> None:
    answer = await phone.client.post(
        "/oauth/token",
        content="grant_type=refresh_token&client_id=a&client_id=b&refresh_token=x",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert answer.headers["content-type"].startswith("application/json")


async def test_the_metadata_and_keys_are_public(phone: Phone) -> None:
    found = (await phone.client.get("/.well-known/oauth-authorization-server")).json()
    assert found["issuer"] == "http://127.0.0.1:8000"
    assert found["code_challenge_methods_supported"] == ["S256"]
    published = (await phone.client.get("/.well-known/jwks.json")).json()
    assert {"kid", "x", "kty", "crv", "use", "alg"} == set(published["keys"][0])


async def test_the_profile_shows_ones_own_name_and_masks_the_number(phone: Phone) -> None:
    await phone.sign_in("citizen")
    profile = (await phone.get("/v1/me/profile")).json()
    assert profile == {
        "name_th": "ประชาชน ตัวอย่าง",
        "name_en": None,
        "cid_masked": "xxxxxxxxx0137",
        "verified_at": None,
    }


async def test_the_development_provider_is_not_there_for_others(phone: Phone) -> None:
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Host": "evil.example"}):
        answer = await phone.client.get("/dev/idp/jwks", headers=headers)
        assert answer.status_code == 404, headers
    import httpx

    far = httpx.ASGITransport(phone.app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=far, base_url="http://127.0.0.1:8000") as client:
        assert (await client.get("/dev/idp/jwks")).status_code == 404


async def test_revoking_the_refresh_token_signs_out(phone: Phone) -> None:
    await phone.sign_in()
    form = {"token": phone.refresh, "client_id": PHONE}
    assert (await phone.client.post("/oauth/revoke", data=form)).status_code == 200
    assert (await phone.get("/v1/me")).status_code == 401
    assert (await phone.renew()).status_code == 400
    unknown = {"token": "never-issued", "client_id": PHONE}
    assert (await phone.client.post("/oauth/revoke", data=unknown)).status_code == 200


async def test_another_client_cannot_use_or_revoke_a_refresh_token(phone: Phone) -> None:
    await phone.sign_in()
    assert (await phone.renew(client="superapp-desk")).status_code == 400
    await phone.client.post(
        "/oauth/revoke", data={"token": phone.refresh, "client_id": "superapp-desk"}
    )
    assert (await phone.renew()).status_code == 200


async def test_signing_out_ends_this_device_and_leaves_the_other(phone: Phone) -> None:
    await phone.sign_in("citizen")
    other = await signed_in(phone.app, "citizen")
    assert (await phone.call("POST", "/v1/session/end")).status_code == 204
    assert (await phone.get("/v1/me")).status_code == 401
    assert (await other.get("/v1/me")).status_code == 200
