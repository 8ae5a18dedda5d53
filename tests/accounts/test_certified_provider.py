"""Signing in against a certified provider: npm `oidc-provider` on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from api.accounts.oidc import RelyingParty
from api.accounts.providers import Provider

from .conftest import BASE, Phone, new_phone, query_of

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
def serving(node: str, alg: str = "RS256", port: int = 0) -> Iterator[str]:
    """Runs the provider for a while; gives its issuer."""
    command = [node, "server.mjs", str(port), CALLBACK, alg]
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

    async def callback(self, phone: Phone, who: str) -> str:
        """Goes through the provider as a browser would; where it sends the browser back."""
        begun = await phone.authorize(login_hint=who)
        assert begun.is_redirect, begun.text
        async with httpx.AsyncClient(follow_redirects=False) as browser:
            url = begun.headers["location"]
            for _ in range(10):
                answer = await browser.get(url)
                assert answer.is_redirect, answer.text
                url = str(httpx.URL(url).join(answer.headers["location"]))
                if url.startswith(CALLBACK):
                    return url
        raise AssertionError("the provider never sent the browser back")

    async def sign_in(self, phone: Phone, who: str) -> httpx.Response:
        back = await phone.client.get(await self.callback(phone, who))
        return await phone.redeem(query_of(back)["code"])


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
