"""Signing in against a certified provider: npm `oidc-provider` on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from api import clock
from api.accounts import service
from api.accounts.oidc import RelyingParty
from api.accounts.providers import Provider
from api.permissions import Session

from .conftest import BASE, Phone, new_phone, query_of, unverified

FOLDER = Path(__file__).parent.parent / "oidc"
CALLBACK = f"{BASE}/oauth/callback/certified"


@pytest.fixture(scope="module")
def node() -> str:
    """Installs the provider beside its lock file; skips where that cannot be done."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if not found or not npm:
        pytest.skip("node and npm are not on this machine")
    if not (FOLDER / "node_modules" / "oidc-provider").exists():
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300)
        if done.returncode and not os.environ.get("CI"):
            pytest.skip(f"npm could not install oidc-provider: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
    return found


@contextmanager
def serving(node: str, alg: str = "RS256", port: int = 0, age_s: int = 0) -> Iterator[str]:
    """Runs the provider for a while; gives its issuer."""
    command = [node, "server.mjs", str(port), CALLBACK, alg, str(age_s)]
    process = subprocess.Popen(
        command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        line = next((ln for ln in process.stdout if ln.startswith("http://127.0.0.1:")), "")
        assert line, "the provider did not start"
        yield line.strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


class Certified:
    """The site with the certified provider as its only one, and a clock to turn."""

    def __init__(self, site: Litestar, issuer: str) -> None:
        self.site, self.ticks = site, 1000.0
        provider = Provider(
            name="certified",
            issuer=issuer,
            client_id="superapp",
            client_secret="a secret: of/tests",
            label_th="ผู้ให้บริการทดสอบ",
            scopes=("openid", "pid", "profile"),
            cid_claim="pid",
            name_th_claims=("given_name", "family_name"),
            userinfo=True,
        )
        self.party = RelyingParty(
            {"certified": provider}, BASE, production=False, monotonic=lambda: self.ticks
        )

    async def callback(self, phone: Phone, who: str, **more: str) -> str:
        """Goes through the provider as a browser would; where it sends the browser back."""
        begun = await phone.authorize(login_hint=who, **more)
        assert begun.is_redirect, begun.text
        async with httpx.AsyncClient(follow_redirects=False) as browser:
            return (await through(browser, begun.headers["location"]))[-1]

    async def sign_in(self, phone: Phone, who: str) -> httpx.Response:
        back = await phone.client.get(await self.callback(phone, who))
        return await phone.redeem(query_of(back)["code"])


async def through(browser: httpx.AsyncClient, url: str) -> list[str]:
    """The stations of a browser at the provider, the last of them our callback."""
    way = [url]
    while not way[-1].startswith(CALLBACK):
        assert len(way) < 10, "the provider never sent the browser back"
        answer = await browser.get(way[-1])
        assert answer.is_redirect, answer.text
        way.append(str(httpx.URL(way[-1]).join(answer.headers["location"])))
    return way


@pytest_asyncio.fixture
async def certified(site: Litestar, node: str) -> AsyncIterator[Certified]:
    with serving(node) as issuer:
        found, before = Certified(site, issuer), site.state.relying_party
        site.state.relying_party = found.party
        yield found
        site.state.relying_party = before
        await found.party.aclose()


async def test_a_listed_officer_signs_in_through_a_certified_provider(
    certified: Certified,
) -> None:
    phone = new_phone(certified.site)
    assert (await certified.sign_in(phone, "1999900000013")).status_code == 200
    me = (await phone.get("/v1/me")).json()
    assert me["roles"] == ["inspector"]
    assert me["office"]["code"] == "pio-11"


async def test_a_citizen_gets_the_name_that_the_provider_vouches_for(
    certified: Certified,
) -> None:
    phone = new_phone(certified.site)
    await certified.sign_in(phone, "1999900000153")
    profile = (await phone.get("/v1/me/profile")).json()
    assert profile["name_th"] == "ประชาชน ตัวอย่าง"
    assert profile["cid_masked"] == "xxxxxxxxx0153"


async def test_a_number_that_is_none_goes_back_as_a_problem(certified: Certified) -> None:
    phone = new_phone(certified.site)
    back = query_of(await phone.client.get(await certified.callback(phone, "1999900000154")))
    assert back["error"] == "access_denied"
    assert back["problem"] == "accounts/wrong-national-id"


async def test_the_providers_code_counts_once(certified: Certified) -> None:
    phone = new_phone(certified.site)
    url = await certified.callback(phone, "1999900000013")
    again = new_phone(certified.site)
    begun = await again.authorize(login_hint="1999900000013")
    state = httpx.URL(begun.headers["location"]).params["state"]
    await phone.client.get(url)
    stolen = httpx.URL(url).copy_set_param("state", state)
    back = query_of(await again.client.get(str(stolen)))
    assert back["problem"] == "accounts/provider-refused"


async def test_a_code_of_one_sign_in_cannot_be_put_into_another(certified: Certified) -> None:
    """Code injection: the verifier and the nonce belong to the attempt of the state."""
    victim, thief = new_phone(certified.site), new_phone(certified.site)
    url = await certified.callback(victim, "1999900000013")
    begun = await thief.authorize(login_hint="1999900000013")
    state = httpx.URL(begun.headers["location"]).params["state"]
    back = await thief.client.get(str(httpx.URL(url).copy_set_param("state", state)))
    assert query_of(back)["problem"] == "accounts/provider-refused"


async def test_the_providers_new_keys_are_found_while_we_run(
    certified: Certified, node: str, site: Litestar
) -> None:
    with serving(node) as issuer:
        port = urlsplit(issuer).port
        rotating = Certified(site, issuer)
        site.state.relying_party = rotating.party
        assert (await rotating.sign_in(new_phone(site), "1999900000013")).status_code == 200
    with serving(node, port=port or 0):  # the same issuer, with other keys
        rotating.ticks += 31
        assert (await rotating.sign_in(new_phone(site), "1999900000013")).status_code == 200
    await rotating.party.aclose()


@pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
async def test_the_other_algorithms_of_a_certified_provider_are_read(
    certified: Certified, node: str, site: Litestar, alg: str
) -> None:
    with serving(node, alg) as issuer:
        other = Certified(site, issuer)
        site.state.relying_party = other.party
        assert (await other.sign_in(new_phone(site), "1999900000013")).status_code == 200
        await other.party.aclose()


async def test_a_provider_that_is_down_is_a_problem_and_comes_back(
    certified: Certified, node: str, site: Litestar
) -> None:
    with serving(node) as issuer:
        port = urlsplit(issuer).port or 0
    down = Certified(site, issuer)
    site.state.relying_party = down.party
    back = query_of(await new_phone(site).authorize(login_hint="1999900000013"))
    assert back["error"] == "temporarily_unavailable"
    assert back["problem"] == "accounts/provider-unreachable"
    with serving(node, port=port):
        assert (await down.sign_in(new_phone(site), "1999900000013")).status_code == 200
    await down.party.aclose()


# --- a fresh authentication -----------------------------------------------------------------------

HASH = "5f" * 32
SIGN = {"purpose": "sign", "purpose_hash": HASH}


async def test_to_sign_the_provider_asks_for_a_log_in_though_it_remembers_the_browser(
    certified: Certified,
) -> None:
    phone = new_phone(certified.site)
    async with httpx.AsyncClient(follow_redirects=False) as browser:
        for more, prompts in (({}, True), ({}, False), (SIGN, True), (SIGN, True)):
            begun = await phone.authorize(login_hint="1999900000013", **more)
            way = await through(browser, begun.headers["location"])
            assert any("/interaction/" in station for station in way) == prompts
            back = await phone.client.get(way[-1])
            answer = await phone.redeem(query_of(back)["code"])
            assert answer.status_code == 200, answer.text
            assert ("access_token" in answer.json()) == (not more)
    given = answer.json()
    assert given.items() >= {"token_type": "N_A", "sha256": HASH, "expires_in": 300}.items()
    claims = unverified(phone.access)
    actor = Session(UUID(str(claims["sub"])), UUID(str(claims["sid"])), frozenset())
    async with certified.site.state.db.begin(actor) as tx:
        used = await service.use_fresh_authentication(tx, given["ticket"], HASH)
    assert used.provider == certified.party.providers["certified"].issuer
    assert abs(used.authenticated_at - clock.now()) < timedelta(seconds=30)


async def test_a_provider_that_answers_from_its_session_cannot_sign(certified: Certified) -> None:
    """As one would that heeds neither `prompt` nor `max_age`: it tells no auth_time."""
    phone = new_phone(certified.site)
    async with httpx.AsyncClient(follow_redirects=False) as browser:
        first = await phone.authorize(login_hint="1999900000013")
        await through(browser, first.headers["location"])
        begun = await phone.authorize(login_hint="1999900000013", **SIGN)
        asked = httpx.URL(begun.headers["location"])
        assert (asked.params["prompt"], asked.params["max_age"]) == ("login", "0")
        silent = asked.copy_remove_param("prompt").copy_remove_param("max_age")
        back = query_of(await phone.client.get((await through(browser, str(silent)))[-1]))
    assert back["problem"] == "accounts/log-in-not-fresh"
    assert back["error"] == "access_denied"
    assert "(missing)" in back["error_description"]
    assert "code" not in back


async def test_a_log_in_of_half_a_minute_ago_cannot_sign(node: str, site: Litestar) -> None:
    with serving(node, age_s=30) as issuer:
        stale, before = Certified(site, issuer), site.state.relying_party
        site.state.relying_party = stale.party
        try:
            phone = new_phone(site)
            url = await stale.callback(phone, "1999900000013", **SIGN)
            back = query_of(await phone.client.get(url))
            assert back["problem"] == "accounts/log-in-not-fresh"
            assert "(old)" in back["error_description"]
            assert (await stale.sign_in(phone, "1999900000013")).status_code == 200
        finally:
            site.state.relying_party = before
            await stale.party.aclose()
