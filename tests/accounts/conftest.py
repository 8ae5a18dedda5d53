"""A data base with offices and sample accounts, and the routes of sign-in in front of it."""

from __future__ import annotations

import base64
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar

from api import keys
from api.accounts import authentication, providers, seed, service, tokens
from api.accounts.oidc import RelyingParty
from api.db import Database
from api.edge import DEPENDENCIES, EXCEPTION_HANDLERS, admit
from api.keys import Keyring
from api.permissions import NOBODY
from api.routes import accounts, dev_provider, oauth
from api.settings import Settings

REDIRECT = "http://127.0.0.1:51234/signed-in"
PHONE = "superapp-phone"


BASE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def _own_issuer(conf: Settings) -> Iterator[None]:
    """The development provider answers loopback names only, so these tests have one."""
    tokens.use(BASE)
    yield
    tokens.use(conf.base_url)


@pytest.fixture
def spare(keyring: Keyring, tmp_path: Path) -> Iterator[Keyring]:
    """A copy of the keyring in use for one test, which may rotate and retire as it likes."""
    path = tmp_path / "keyring.json"
    shutil.copy2(keyring.path, path)
    yield keys.use(Keyring.open(path))
    keys.use(keyring)
    authentication.forget_all()


@dataclass
class Phone:
    """An app on a phone: its browser tab, its PKCE verifier and what it holds."""

    app: Litestar
    client: httpx.AsyncClient
    verifier: str = field(default_factory=tokens.secret)
    access: str = ""
    refresh: str = ""

    async def authorize(self, **parameters: str | None) -> httpx.Response:
        """Follows redirects until one leaves the server; returns that answer or a page."""
        query = {
            "response_type": "code",
            "client_id": PHONE,
            "redirect_uri": REDIRECT,
            "code_challenge": tokens.challenge_of(self.verifier),
            "code_challenge_method": "S256",
            "state": "of-the-app",
            "device_name": "เครื่องทดสอบ",
        } | parameters
        given = {name: value for name, value in query.items() if value is not None}
        answer = await self.client.get("/oauth/authorize", params=given)
        while answer.is_redirect and answer.headers["location"].startswith(
            str(self.client.base_url)
        ):
            answer = await self.client.get(answer.headers["location"])
        return answer

    async def code(self, who: str = "inspector", **parameters: str | None) -> str:
        answer = await self.authorize(login_hint=who, **parameters)
        return query_of(answer)["code"]

    async def redeem(self, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": PHONE,
            "redirect_uri": REDIRECT,
            "code": code,
            "code_verifier": self.verifier,
        } | changes
        return self._keep(await self.client.post("/oauth/token", data=form))

    async def renew(self, token: str | None = None, client: str = PHONE) -> httpx.Response:
        form = {
            "grant_type": "refresh_token",
            "client_id": client,
            "refresh_token": token or self.refresh,
        }
        return await self.client.post("/oauth/token", data=form)

    async def sign_in(self, who: str = "inspector") -> Phone:
        answer = await self.redeem(await self.code(who))
        assert answer.status_code == 200, answer.text
        return self

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == 200 and "access_token" in answer.json():
            self.access = answer.json()["access_token"]
            self.refresh = answer.json()["refresh_token"]
        return answer

    async def ticket_for(self, sha256: str, who: str = "inspector") -> str:
        """Logs in at the development provider once more, over a hash; the ticket for it."""
        page = await self.authorize(login_hint=who, purpose="sign", purpose_hash=sha256)
        back = await self.click(page, who)
        answer = await self.redeem(query_of(back)["code"])
        assert answer.status_code == 200, answer.text
        ticket: str = answer.json()["ticket"]
        return ticket

    async def click(self, page: httpx.Response, who: str) -> httpx.Response:
        """Chooses a sample account on the development provider's page, as far as the app."""
        assert page.status_code == 200, page.text
        chosen = await self.client.get(page.url.copy_merge_params({"who": who}))
        return await self.client.get(chosen.headers["location"])

    async def get(self, path: str, **options: object) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def call(self, method: str, path: str, **options: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.access}"}
        return await self.client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]


def query_of(answer: httpx.Response) -> dict[str, str]:
    """The parameters of a redirect back to the app."""
    assert answer.is_redirect, answer.text
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(db: Database, conf: Settings, keyring: Keyring) -> AsyncIterator[Litestar]:
    """The routes of this feature alone, at a loopback address."""
    settings = Settings(env="test")
    found = Litestar(
        [*oauth.ROUTES, *accounts.ROUTES, *dev_provider.ROUTES],
        dependencies=DEPENDENCIES,
        exception_handlers=EXCEPTION_HANDLERS,
        before_request=admit,
        openapi_config=None,
        logging_config=None,
    )
    found.state.settings, found.state.db, found.state.keyring = settings, db, keyring
    async with service.running(found.state):
        party = RelyingParty(
            providers.load(settings),
            settings.base_url,
            production=False,
            http=httpx.AsyncClient(transport=httpx.ASGITransport(found)),
        )
        await found.state.relying_party.aclose()
        found.state.relying_party = party
        tokens.use(conf.base_url)
        yield found


@pytest.fixture
def phone(site: Litestar) -> Phone:
    return new_phone(site)


def new_phone(app: Litestar) -> Phone:
    # An address of its own, so that the rate limits of one test do not meet another's.
    transport = httpx.ASGITransport(app, client=(f"127.0.{next(_hosts)}.1", 40000))
    return Phone(app, httpx.AsyncClient(transport=transport, base_url=BASE))


_hosts = itertools.count(1)


async def signed_in(app: Litestar, who: str) -> Phone:
    """A phone with a session of a sample person, without the browser's way."""
    found = new_phone(app)
    async with app.state.db.begin(NOBODY) as tx:
        _, issued = await seed.sign_in(tx, who)
    found.access, found.refresh = issued.access_token, issued.refresh_token
    return found


def unverified(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    found: dict[str, object] = msgspec.json.decode(
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    )
    return found
