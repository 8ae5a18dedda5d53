"""The relying party against a provider that misbehaves in one way at a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import clock
from api.accounts.fresh_model import LogInNotFresh
from api.accounts.oauth_problems import IdentityRefused, ProviderRefused, ProviderUnreachable
from api.accounts.oidc import RelyingParty
from api.accounts.providers import Provider
from api.problems import Problem

ISSUER = "http://127.0.0.1:9100/op"
NONCE = "the-nonce"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = Ed25519PrivateKey.generate()


def jwk(private: Any, kid: str, alg: str) -> dict[str, Any]:
    """The public key as its provider would publish it."""
    public = private.public_key()
    kind: Any = {
        "RS256": jwt.algorithms.RSAAlgorithm,
        "PS256": jwt.algorithms.RSAAlgorithm,
        "ES256": jwt.algorithms.ECAlgorithm,
        "EdDSA": jwt.algorithms.OKPAlgorithm,
    }[alg]
    return json.loads(kind.to_jwk(public)) | {"kid": kid, "use": "sig", "alg": alg}


class BadProvider:
    """Answers as a certified provider would, but for what a test changes."""

    def __init__(self) -> None:
        self.keys = [jwk(RSA, "one", "RS256")]
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/me",
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "HS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.claims: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = lambda c: jwt.encode(
            c, RSA, algorithm="RS256", headers={"kid": "one"}
        )
        self.answer: Callable[[httpx.Request], httpx.Response] | None = None
        self.userinfo: dict[str, Any] = {"sub": "somebody"}
        self.asked: list[str] = []
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        where = request.url.path.removeprefix("/op")
        self.asked.append(where)
        self.requests.append(request)
        if where == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.metadata)
        if where == "/jwks":
            return httpx.Response(200, json={"keys": self.keys})
        if where == "/me":
            return httpx.Response(200, json=self.userinfo)
        if self.answer is not None:
            return self.answer(request)
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "superapp",
            "sub": "somebody",
            "iat": now,
            "exp": now + 300,
            "nonce": NONCE,
            "pid": "1999900000137",
        } | self.claims
        token = self.sign({k: v for k, v in claims.items() if v is not None})
        return httpx.Response(200, json={"id_token": token, "access_token": "at", "extra": 1})


@pytest.fixture
def bad() -> BadProvider:
    return BadProvider()


def party(bad: BadProvider, ticks: list[float] | None = None, **changes: Any) -> RelyingParty:
    provider = Provider(
        **{
            "name": "bad",
            "issuer": ISSUER,
            "client_id": "superapp",
            "client_secret": "s:cret/%",
            "label_th": "ทดสอบ",
            "cid_claim": "pid",
        }
        | changes
    )
    return RelyingParty(
        {"bad": provider},
        "http://127.0.0.1:8000",
        production=False,
        http=httpx.AsyncClient(transport=httpx.MockTransport(bad)),
        monotonic=(lambda: ticks[0]) if ticks else time.monotonic,
    )


async def log_in_again(found: RelyingParty, since: datetime) -> Any:
    return await found.identify("bad", {"code": "c", "iss": ISSUER}, NONCE, "v" * 43, since)


async def identify(found: RelyingParty, **answer: str) -> Any:
    return await found.identify("bad", {"code": "c", "iss": ISSUER} | answer, NONCE, "v" * 43)


async def refusal(bad: BadProvider, **answer: str) -> str:
    with pytest.raises(IdentityRefused) as caught:
        await identify(party(bad), **answer)
    check: str = caught.value.facts["check"]
    return check


async def test_a_faithful_provider_is_believed(bad: BadProvider) -> None:
    found = await identify(party(bad))
    assert (found.subject, found.cid) == ("somebody", "1999900000137")
    assert "1999900000137" not in repr(found)


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another-client"}, "audience"),
        ({"aud": ["superapp", "another"]}, "audience"),
        ({"aud": ["superapp", "another"], "azp": "another"}, "audience"),
        ({"azp": "another"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": {"superapp": 1}}, "audience"),
        ({"exp": int(time.time()) - 61}, "expiry"),
        ({"exp": None}, "expiry"),
        ({"exp": "9999999999"}, "expiry"),
        ({"exp": True}, "expiry"),
        ({"iat": int(time.time()) + 3600}, "issued-at"),
        ({"iat": None}, "issued-at"),
        ({"nbf": int(time.time()) + 3600}, "not-before"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": [NONCE]}, "nonce"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"at_hash": "AAAA"}, "access-token-hash"),
        ({"at_hash": 5}, "access-token-hash"),
    ],
)
async def test_one_wrong_claim_is_refused_and_named(
    bad: BadProvider, claims: dict[str, Any], check: str
) -> None:
    bad.claims = claims
    assert await refusal(bad) == check


@pytest.mark.parametrize(
    "claims", [{"aud": ["superapp"]}, {"aud": ["superapp"], "azp": "superapp"}]
)
async def test_an_audience_that_is_ours_alone_may_be_a_list(
    bad: BadProvider, claims: dict[str, Any]
) -> None:
    bad.claims = claims
    assert (await identify(party(bad))).subject == "somebody"


async def test_clocks_may_differ_by_less_than_a_minute(bad: BadProvider) -> None:
    now = int(time.time())
    bad.claims = {"exp": now - 50, "iat": now + 50, "nbf": now + 50}
    assert (await identify(party(bad))).subject == "somebody"
    with clock.travel(timedelta(seconds=30)), pytest.raises(IdentityRefused):
        await identify(party(bad))


async def test_an_access_token_hash_that_fits_is_accepted(bad: BadProvider) -> None:
    half = base64.urlsafe_b64encode(hashlib.sha256(b"at").digest()[:16]).rstrip(b"=").decode()
    bad.claims = {"at_hash": half}
    assert (await identify(party(bad))).subject == "somebody"


def _unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "one"})


def _hmac_with_public_key(claims: dict[str, Any]) -> str:
    """The classic confusion: HS256 keyed with the public key that everybody knows."""
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
    mac = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _with(private: Any, alg: str, **headers: Any) -> Callable[[dict[str, Any]], str]:
    return lambda claims: jwt.encode(claims, private, algorithm=alg, headers=headers)


@pytest.mark.parametrize(
    ("sign", "check"),
    [
        (_unsigned, "algorithm"),
        (_hmac_with_public_key, "algorithm"),
        (_with(b"k" * 32, "HS256", kid="one"), "algorithm"),
        (_with(RSA, "RS512", kid="one"), "algorithm"),
        (_with(RSA, "RS256", kid="one", crit=["x"], x=1), "form"),
        (_with(OTHER_RSA, "RS256", kid="one"), "signature"),
        (_with(RSA, "PS256", kid="one"), "key"),  # the key says that it is for RS256
        (_with(EC, "ES256", kid="one"), "key"),
        (_with(ED, "EdDSA", kid="one"), "key"),
        (_with(RSA, "RS256", kid="unknown"), "key"),
        (lambda _: "not.a.token", "form"),
        (lambda _: "", "form"),
        (lambda c: _with(RSA, "RS256", kid="one")(c)[:-4] + "AAAA", "signature"),
        (
            lambda c: (lambda t: f"{t[0]}.{_unsigned(c | {'sub': 'x'}).split('.')[1]}.{t[2]}")(
                _with(RSA, "RS256", kid="one")(c).split(".")
            ),
            "signature",
        ),
    ],
)
async def test_a_forged_token_is_refused(
    bad: BadProvider, sign: Callable[[dict[str, Any]], str], check: str
) -> None:
    bad.sign = sign
    assert await refusal(bad) == check


async def test_a_key_inside_the_token_itself_counts_for_nothing(bad: BadProvider) -> None:
    bad.sign = _with(OTHER_RSA, "RS256", kid="one", jwk=jwk(OTHER_RSA, "one", "RS256"))
    assert await refusal(bad) == "signature"


@pytest.mark.parametrize(("private", "alg"), [(RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")])
async def test_the_other_sound_algorithms_work(bad: BadProvider, private: Any, alg: str) -> None:
    bad.keys = [jwk(private, "one", alg)]
    bad.sign = _with(private, alg, kid="one")
    assert (await identify(party(bad))).subject == "somebody"


async def test_an_algorithm_that_the_provider_does_not_announce_is_refused(
    bad: BadProvider,
) -> None:
    bad.metadata["id_token_signing_alg_values_supported"] = ["ES256"]
    assert await refusal(bad) == "algorithm"


async def test_a_short_rsa_key_is_refused(bad: BadProvider) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    bad.keys = [jwk(short, "one", "RS256")]
    bad.sign = _with(short, "RS256", kid="one")
    with pytest.warns():  # PyJWT warns the provider of this test, who signs with it
        check = await refusal(bad)
    assert check == "key"


async def test_a_token_without_key_id_needs_the_key_to_be_the_only_one(bad: BadProvider) -> None:
    bad.sign = _with(RSA, "RS256")
    assert (await identify(party(bad))).subject == "somebody"
    bad.keys.append(jwk(OTHER_RSA, "two", "RS256"))
    assert await refusal(bad) == "key"


async def test_a_rotation_of_keys_is_survived_and_the_old_key_ends(bad: BadProvider) -> None:
    ticks = [1000.0]
    found = party(bad, ticks)
    await identify(found)
    bad.keys = [jwk(OTHER_RSA, "two", "RS256")]
    bad.sign = _with(OTHER_RSA, "RS256", kid="two")
    ticks[0] += 31
    await identify(found)
    bad.sign = _with(RSA, "RS256", kid="one")
    with pytest.raises(IdentityRefused):
        await identify(found)


async def test_unknown_key_ids_ask_the_provider_at_most_every_30_seconds(
    bad: BadProvider,
) -> None:
    ticks = [1000.0]
    found = party(bad, ticks)
    await identify(found)
    bad.sign = _with(RSA, "RS256", kid="unknown")
    for _ in range(5):
        ticks[0] += 1
        with pytest.raises(IdentityRefused):
            await identify(found)
    assert bad.asked.count("/jwks") == 1
    ticks[0] += 30
    with pytest.raises(IdentityRefused):
        await identify(found)
    assert bad.asked.count("/jwks") == 2


async def test_a_key_withdrawn_by_the_provider_ends_when_the_set_expires(
    bad: BadProvider,
) -> None:
    ticks = [1000.0]
    found = party(bad, ticks)
    await identify(found)
    bad.keys = [jwk(OTHER_RSA, "two", "RS256")]
    await identify(found)  # still within the ten minutes
    ticks[0] += 601
    with pytest.raises(IdentityRefused):
        await identify(found)


async def test_the_issuer_in_the_answer_must_be_the_one_asked(bad: BadProvider) -> None:
    assert await refusal(bad, iss="https://other.example") == "response-issuer"
    with pytest.raises(IdentityRefused):  # announced, so it must be there (RFC 9207)
        await party(bad).identify("bad", {"code": "c"}, NONCE, "v" * 43)
    assert "/token" not in bad.asked


async def test_a_discovery_document_of_another_issuer_is_not_used(bad: BadProvider) -> None:
    bad.metadata["issuer"] = "https://other.example"
    with pytest.raises(ProviderUnreachable):
        await identify(party(bad))


@pytest.mark.parametrize(
    "where", ["http://192.0.2.1/token", "file:///etc/passwd", "http://127.0.0.1.evil.example/", ""]
)
async def test_only_https_or_loopback_is_fetched(bad: BadProvider, where: str) -> None:
    bad.metadata["token_endpoint"] = where
    with pytest.raises(ProviderUnreachable):
        await identify(party(bad))
    assert all(r.url.host == "127.0.0.1" for r in bad.requests)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), ProviderRefused),
        (httpx.Response(401, json={"error": "invalid_client"}), ProviderUnreachable),
        (httpx.Response(500, text="no"), ProviderUnreachable),
        (httpx.Response(302, headers={"Location": f"{ISSUER}/jwks"}), ProviderUnreachable),
        (httpx.Response(200, text="<html>"), IdentityRefused),
        (httpx.Response(200, json={"access_token": "only"}), IdentityRefused),
        (httpx.Response(200, content=b"x" * (2 << 20)), ProviderUnreachable),
    ],
)
async def test_a_strange_token_answer_is_a_problem_and_no_fault(
    bad: BadProvider, answer: httpx.Response, problem: type[Problem]
) -> None:
    bad.answer = lambda _: answer
    with pytest.raises(problem):
        await identify(party(bad))


async def test_a_provider_that_cannot_be_reached_is_said_so(bad: BadProvider) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    bad.answer = gone
    with pytest.raises(ProviderUnreachable):
        await identify(party(bad))


async def test_an_error_from_the_provider_asks_for_no_token(bad: BadProvider) -> None:
    with pytest.raises(ProviderRefused):
        await identify(party(bad), error="access_denied")
    assert "/token" not in bad.asked


async def test_userinfo_must_be_about_the_same_subject(bad: BadProvider) -> None:
    bad.userinfo = {"sub": "somebody-else", "email": "a@example.org"}
    with pytest.raises(IdentityRefused):
        await identify(party(bad, userinfo=True))
    bad.userinfo = {"sub": "somebody", "email": "a@example.org", "email_verified": True}
    found = await identify(party(bad, userinfo=True, email_claim="email"))
    assert found.email == "a@example.org"
    bad.userinfo = {"sub": "somebody", "email": "a@example.org"}
    found = await identify(party(bad, userinfo=True, email_claim="email"))
    assert found.email is None  # nobody verified it


async def test_userinfo_does_not_override_what_was_signed(bad: BadProvider) -> None:
    bad.userinfo = {"sub": "somebody", "pid": "1999900000013"}
    assert (await identify(party(bad, userinfo=True))).cid == "1999900000137"


async def test_the_client_authenticates_as_rfc_6749_says(bad: BadProvider) -> None:
    await identify(party(bad))
    sent = next(r for r in bad.requests if r.url.path.endswith("/token"))
    pair = base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "superapp:s%3Acret%2F%25"
    assert b"client_secret" not in sent.content
    bad.requests.clear()
    await identify(party(bad, client_auth="post"))
    sent = next(r for r in bad.requests if r.url.path.endswith("/token"))
    assert b"client_secret=s%3Acret%2F%25" in sent.content
    assert "authorization" not in sent.headers


async def test_the_request_to_the_provider_carries_nonce_state_and_challenge(
    bad: BadProvider,
) -> None:
    url = httpx.URL(await party(bad).authorization_url("bad", "the-state", NONCE, "v" * 43))
    sent = dict(url.params)
    assert sent["nonce"] == NONCE
    assert sent["state"] == "the-state"
    assert sent["code_challenge_method"] == "S256"
    assert sent["code_challenge"] not in ("", "v" * 43)
    assert sent["redirect_uri"] == "http://127.0.0.1:8000/oauth/callback/bad"


# --- a log-in that must be new --------------------------------------------------------------------


async def test_a_new_log_in_is_asked_for_only_where_it_must_be_new(bad: BadProvider) -> None:
    found = party(bad)
    plain = httpx.URL(await found.authorization_url("bad", "s", NONCE, "v" * 43))
    assert not {"prompt", "max_age"} & set(plain.params)
    anew = httpx.URL(await found.authorization_url("bad", "s", NONCE, "v" * 43, log_in=True))
    assert (anew.params["prompt"], anew.params["max_age"]) == ("login", "0")


@pytest.mark.parametrize(
    ("auth_time", "errand_s", "reason"),
    [
        (None, 30, "missing"),
        ("1790000000", 30, "missing"),
        (True, 30, "missing"),
        (float("nan"), 30, "missing"),
        (10**400, 30, "missing"),
        (-40, 30, "old"),  # the errand took 30 s, the log-in is 40 s old
        (-3, 0, "old"),
        (-600, 300, "old"),
        (61, 30, "future"),
    ],
)
async def test_a_log_in_that_is_not_new_is_refused_with_the_reason(
    bad: BadProvider, auth_time: Any, errand_s: int, reason: str
) -> None:
    now = int(time.time())
    offset = isinstance(auth_time, int) and not isinstance(auth_time, bool) and auth_time < 100
    bad.claims = {"auth_time": now + auth_time if offset else auth_time, "iat": now}
    with pytest.raises(LogInNotFresh) as caught:
        await log_in_again(party(bad), clock.now() - timedelta(seconds=errand_s))
    assert caught.value.facts["reason"] == reason
    assert (await identify(party(bad))).authenticated_at is None  # an ordinary sign-in may


async def test_a_token_issued_before_the_errand_is_no_new_log_in(bad: BadProvider) -> None:
    then = int(time.time()) - 600
    bad.claims = {"auth_time": then, "iat": then, "exp": then + 3600}
    with pytest.raises(LogInNotFresh) as caught:
        await log_in_again(party(bad), clock.now() - timedelta(seconds=30))
    assert caught.value.facts["reason"] == "old"


async def test_a_new_log_in_is_dated_by_the_provider_whose_clock_may_be_off(
    bad: BadProvider,
) -> None:
    now = int(time.time())
    for off in (-55, 0, 55):  # the provider's clock is slow, right, fast
        bad.claims = {"auth_time": now + off - 5, "iat": now + off}
        found = await log_in_again(party(bad), clock.now() - timedelta(seconds=20))
        assert found.authenticated_at == datetime.fromtimestamp(now + off - 5, UTC)


async def test_a_log_in_told_by_userinfo_alone_proves_nothing(bad: BadProvider) -> None:
    """Only what is signed with the ID token says when somebody logged in."""
    bad.userinfo = {"sub": "somebody", "auth_time": int(time.time())}
    with pytest.raises(LogInNotFresh):
        await log_in_again(party(bad, userinfo=True), clock.now() - timedelta(seconds=5))
