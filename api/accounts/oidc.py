"""Relying party: authorization code with PKCE against configured providers, everything checked.

OpenID Connect Core 1.0 §3.1.3.7, RFC 7636, RFC 9207, RFC 8725. Nothing here touches the data base,
and nothing here runs inside a transaction. Provider answers are never logged, only which check
failed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import quote

import httpx
import jwt
import msgspec
from jwt.types import Options

from api import clock
from api.accounts import tokens
from api.accounts.fresh_model import LogInNotFresh
from api.accounts.model import Identity
from api.accounts.oauth_problems import (
    IdentityRefused,
    NoProvider,
    ProviderRefused,
    ProviderUnreachable,
)
from api.accounts.providers import Metadata, Provider, may_fetch

log = logging.getLogger("superapp.oidc")
ALGORITHMS: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
SKEW_S: Final = 60
LOG_IN_SLACK_S: Final = 2  # both times are whole seconds
KEYS_FOR_S: Final = 600.0
METADATA_FOR_S: Final = 3600.0
REFETCH_PAUSE_S: Final = 30.0
LARGEST: Final = 1 << 20  # bytes of any answer of a provider
TIMEOUT_S: Final = 10.0

_ONLY_SIGNATURE: Final[Options] = {  # the claims are checked below, by our own clock
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class _TokenAnswer(msgspec.Struct):
    id_token: str
    access_token: str = ""


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Held(msgspec.Struct):
    """What is remembered of one provider; times are of the monotonic clock."""

    metadata: Metadata | None = None
    metadata_at: float = 0.0
    keys: list[dict[str, Any]] = []
    keys_at: float = -KEYS_FOR_S
    tried_at: float = -REFETCH_PAUSE_S


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities, read once: reading them takes a tenth of a second."""
    return httpx.create_ssl_context()


class RelyingParty:
    """Our side of every provider. Close it with `aclose`."""

    def __init__(
        self,
        providers: dict[str, Provider],
        base_url: str,
        *,
        production: bool,
        http: httpx.AsyncClient | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.providers = providers
        self.base_url = base_url
        self.production = production
        self._monotonic = monotonic
        self._http = http or httpx.AsyncClient(
            timeout=TIMEOUT_S,
            verify=_trusted(),
            mounts={"http://127.0.0.1": httpx.AsyncHTTPTransport(verify=_trusted())},
        )
        self._held = {name: _Held() for name in providers}
        self._locks = {name: asyncio.Lock() for name in providers}

    async def aclose(self) -> None:
        await self._http.aclose()

    def provider(self, name: str) -> Provider:
        """Raises `NoProvider`."""
        if name not in self.providers:
            raise NoProvider()
        return self.providers[name]

    def redirect_uri(self, name: str) -> str:
        return f"{self.base_url}/oauth/callback/{name}"

    async def authorization_url(
        self, name: str, state: str, nonce: str, verifier: str, *, log_in: bool = False
    ) -> str:
        """Where to send the browser. Raises `ProviderUnreachable`.

        `log_in` asks the provider to have the person log in anew and to tell when they did
        (OpenID Connect Core §3.1.2.1: with max_age the ID token must carry auth_time).
        """
        provider = self.provider(name)
        metadata = await self._metadata(provider)
        return tokens.with_query(
            metadata.authorization_endpoint,
            {
                "response_type": "code",
                "client_id": provider.client_id,
                "redirect_uri": self.redirect_uri(name),
                "scope": " ".join(provider.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": tokens.challenge_of(verifier),
                "code_challenge_method": "S256",
                "prompt": "login" if log_in else None,
                "max_age": "0" if log_in else None,
            },
        )

    async def identify(
        self,
        name: str,
        answer: dict[str, str],
        nonce: str,
        verifier: str,
        since: datetime | None = None,
    ) -> Identity:
        """Who came back: `answer` is the query of the callback, its state checked already.

        With `since` they must have logged in after that moment. Raises `ProviderRefused`,
        `IdentityRefused`, `ProviderUnreachable` or `LogInNotFresh`.
        """
        provider = self.provider(name)
        metadata = await self._metadata(provider)
        self._check_issuer_of_answer(provider, metadata, answer)
        if "error" in answer or not answer.get("code"):
            raise ProviderRefused()
        granted = await self._exchange(provider, metadata, answer["code"], verifier)
        claims = await self._verify(provider, metadata, granted, nonce)
        logged_in = check_log_in(provider, claims, since) if since is not None else None
        if provider.userinfo:
            claims = await self._userinfo(provider, metadata, granted, claims) | claims
        return _identity(provider, claims, logged_in)

    def _check_issuer_of_answer(
        self, provider: Provider, metadata: Metadata, answer: dict[str, str]
    ) -> None:
        given = answer.get("iss")
        if given is None and metadata.authorization_response_iss_parameter_supported:
            _refuse(provider, "response-issuer")
        if given is not None and given != metadata.issuer:
            _refuse(provider, "response-issuer")

    async def _exchange(
        self, provider: Provider, metadata: Metadata, code: str, verifier: str
    ) -> _TokenAnswer:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri(provider.name),
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        if provider.client_auth == "basic":  # RFC 6749 §2.3.1: both parts form-encoded first
            pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = provider.client_id
            if provider.client_auth == "post":
                form["client_secret"] = provider.client_secret
        url = metadata.token_endpoint
        status, body = await self._fetch("POST", provider, url, headers=headers, data=form)
        if status == 401:
            log.error("provider refuses our client", extra={"facts": {"provider": provider.name}})
            raise ProviderUnreachable()
        if 400 <= status < 500:
            raise ProviderRefused()
        if status != 200:
            raise ProviderUnreachable()
        try:
            return msgspec.json.decode(body, type=_TokenAnswer)
        except msgspec.MsgspecError:
            _refuse(provider, "token-answer")

    async def _verify(
        self, provider: Provider, metadata: Metadata, granted: _TokenAnswer, nonce: str
    ) -> dict[str, Any]:
        """The claims of the ID token once every check holds."""
        token = granted.id_token
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            _refuse(provider, "form")
        algorithm = header.get("alg")
        if (
            algorithm not in ALGORITHMS
            or algorithm not in metadata.id_token_signing_alg_values_supported
            or "crit" in header
        ):
            _refuse(provider, "algorithm")
        key = await self._key(provider, metadata, header.get("kid"), algorithm)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options=_ONLY_SIGNATURE,
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            _refuse(provider, "signature")
        check_claims(provider, claims, nonce)
        if "at_hash" in claims and not _matches_at_hash(
            claims["at_hash"], granted.access_token, algorithm
        ):
            _refuse(provider, "access-token-hash")
        return claims

    async def _key(self, provider: Provider, metadata: Metadata, kid: Any, algorithm: str) -> Any:
        """The provider's public key; an unknown key id asks again, at most every 30 s."""
        held = self._held[provider.name]
        async with self._locks[provider.name]:
            now = self._monotonic()
            stale = now - held.keys_at >= KEYS_FOR_S
            found = None if stale else _choose(held.keys, kid, algorithm)
            if found is None and (stale or now - held.tried_at >= REFETCH_PAUSE_S):
                held.tried_at = now
                held.keys = (await self._json(provider, metadata.jwks_uri, _KeySet)).keys
                held.keys_at = now
                found = _choose(held.keys, kid, algorithm)
        if found is None:
            _refuse(provider, "key")
        try:
            key = jwt.PyJWK(found, algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            _refuse(provider, "key")
        if algorithm in ("RS256", "PS256") and key.key_size < 2048:
            _refuse(provider, "key")
        return key

    async def _userinfo(
        self,
        provider: Provider,
        metadata: Metadata,
        granted: _TokenAnswer,
        claims: dict[str, Any],
    ) -> dict[str, Any]:
        if metadata.userinfo_endpoint is None or not granted.access_token:
            _refuse(provider, "userinfo")
        found: dict[str, Any] = await self._json(
            provider,
            metadata.userinfo_endpoint,
            dict[str, Any],
            headers={"Authorization": f"Bearer {granted.access_token}"},
        )
        if found.get("sub") != claims["sub"]:  # OpenID Connect Core §5.3.2
            _refuse(provider, "userinfo")
        return found

    async def _metadata(self, provider: Provider) -> Metadata:
        if provider.metadata is not None:
            return provider.metadata
        held = self._held[provider.name]
        async with self._locks[provider.name]:
            now = self._monotonic()
            if held.metadata is None or now - held.metadata_at >= METADATA_FOR_S:
                url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = await self._json(provider, url, Metadata)
                if found.issuer != provider.issuer:
                    log.error("issuer differs", extra={"facts": {"provider": provider.name}})
                    raise ProviderUnreachable()
                held.metadata, held.metadata_at = found, now
            return held.metadata

    async def _json(
        self,
        provider: Provider,
        url: str,
        kind: type[Any],
        headers: dict[str, str] | None = None,
    ) -> Any:
        accept = {"Accept": "application/json"} | (headers or {})
        status, body = await self._fetch("GET", provider, url, headers=accept)
        try:
            if status != 200:
                raise ValueError(status)
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, ValueError):
            facts = {"provider": provider.name, "status": status}
            log.warning("provider answer unusable", extra={"facts": facts})
            raise ProviderUnreachable() from None

    async def _fetch(
        self, method: str, provider: Provider, url: str, **request: Any
    ) -> tuple[int, bytes]:
        """Status and body; no redirects, bounded in time and size, https unless loopback."""
        if not may_fetch(url, production=self.production):
            log.error("address refused", extra={"facts": {"provider": provider.name}})
            raise ProviderUnreachable()
        body = bytearray()
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._http.stream(method, url, follow_redirects=False, **request) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise ProviderUnreachable()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            facts = {"provider": provider.name, "error": type(error).__name__}
            log.warning("provider unreachable", extra={"facts": facts})
            raise ProviderUnreachable() from None
        return answer.status_code, bytes(body)


def check_claims(provider: Provider, claims: dict[str, Any], nonce: str) -> None:
    """Issuer, audience, times, nonce and subject, by our own clock. Raises `IdentityRefused`."""
    now = clock.now().timestamp()
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") != provider.issuer:
        _refuse(provider, "issuer")
    if not isinstance(audiences, list) or provider.client_id not in audiences:
        _refuse(provider, "audience")
    if len(audiences) > 1 and "azp" not in claims:
        _refuse(provider, "audience")
    if claims.get("azp", provider.client_id) != provider.client_id:
        _refuse(provider, "audience")
    if not _is_time(claims.get("exp")) or claims["exp"] + SKEW_S <= now:
        _refuse(provider, "expiry")
    if not _is_time(claims.get("iat")) or claims["iat"] - SKEW_S > now:
        _refuse(provider, "issued-at")
    if "nbf" in claims and (not _is_time(claims["nbf"]) or claims["nbf"] - SKEW_S > now):
        _refuse(provider, "not-before")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        _refuse(provider, "nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        _refuse(provider, "subject")


def check_log_in(provider: Provider, claims: dict[str, Any], since: datetime) -> datetime:
    """When the person logged in, if that was after `since`, by our clock. Raises `LogInNotFresh`.

    Clocks may differ by `SKEW_S`. On the provider's own clock the log-in must besides be no older
    than the whole errand took, so a log-in of half a minute before it does not pass.
    """
    now = clock.now().timestamp()
    at: Any = claims.get("auth_time")
    reason = None
    if not _is_time(at):
        reason = "missing"
    elif at - SKEW_S > now:
        reason = "future"
    elif (
        at + SKEW_S < since.timestamp()
        or claims["iat"] - at > now - since.timestamp() + LOG_IN_SLACK_S
    ):
        reason = "old"
    if reason is not None:
        facts = {"provider": provider.name, "reason": reason}
        log.warning("log-in is not fresh", extra={"facts": facts})
        raise LogInNotFresh(reason=reason)
    return datetime.fromtimestamp(float(at), UTC)


def _choose(keys: list[dict[str, Any]], kid: Any, algorithm: str) -> dict[str, Any] | None:
    """The one signing key of that id and kind; without an id only when there is just one."""
    fit = [
        k
        for k in keys
        if k.get("kty") == ALGORITHMS[algorithm]
        and k.get("use", "sig") == "sig"
        and k.get("alg", algorithm) == algorithm
        and (kid is None or k.get("kid") == kid)
    ]
    return fit[0] if len(fit) == 1 else None


def _matches_at_hash(given: Any, access_token: str, algorithm: str) -> bool:
    """OpenID Connect Core §3.1.3.6: the left half of the hash that goes with the algorithm."""
    kind = hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256
    digest = kind(access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    return isinstance(given, str) and hmac.compare_digest(given.encode(), half)


def _identity(
    provider: Provider, claims: dict[str, Any], authenticated_at: datetime | None
) -> Identity:
    def text(name: str) -> str | None:
        value = claims.get(name) if name else None
        return value.strip() or None if isinstance(value, str) else None

    def joined(names: tuple[str, ...]) -> str | None:
        return " ".join(found for n in names if (found := text(n))) or None

    verified = claims.get("email_verified") is True
    return Identity(
        issuer=provider.issuer,
        subject=claims["sub"],
        officers_only=provider.kind == "officer",
        authenticated_at=authenticated_at,
        cid=text(provider.cid_claim),
        email=text(provider.email_claim) if verified else None,
        name_th=joined(provider.name_th_claims),
        name_en=joined(provider.name_en_claims),
    )


def _is_time(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and 0 <= value < 1e11  # neither NaN nor out of every calendar


def _refuse(provider: Provider, check: str) -> NoReturn:
    log.warning("identity refused", extra={"facts": {"provider": provider.name, "check": check}})
    raise IdentityRefused(check=check)
