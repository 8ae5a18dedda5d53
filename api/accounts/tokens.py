"""The pure parts of our own authorization server: what a token is, and what a request may ask.

Access tokens are JWTs (RFC 9068 in form) that say who and which session, nothing more. Refresh
tokens, codes and states are 256 random bits of which the data base keeps a keyed hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import jwt
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api import ids, keys
from api.accounts.model import TokenExpired, TokenRefused
from api.keys import Purpose

ACCESS_FOR: Final = timedelta(minutes=10)
REFRESH_FOR: Final = timedelta(days=30)
"""Slides with every use; an inspector may be without signal for 14 days."""
REPEAT_FOR: Final = timedelta(seconds=60)
"""So long the same refresh token gets the same successor again: the answer may have been lost."""
CODE_FOR: Final = timedelta(seconds=60)
ATTEMPT_FOR: Final = timedelta(minutes=10)
AUDIENCE: Final = "superapp"
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
LOOPBACK: Final = ("127.0.0.1", "::1")


class Claims(msgspec.Struct, frozen=True):
    """What an access token says. `exp` is in seconds since 1970."""

    sub: UUID
    sid: UUID
    iat: int
    exp: int
    iss: str
    aud: str
    jti: str


_issuer = ""


def use(issuer: str) -> None:
    """Names this authorization server (RFC 8414): its address as clients see it."""
    global _issuer
    _issuer = issuer


def issuer() -> str:
    if not _issuer:
        raise RuntimeError("no issuer: the composition root must call tokens.use(...)")
    return _issuer


def mint(account: UUID, session: UUID, now: datetime) -> str:
    """An access token of 10 minutes."""
    kid, private = keys.ring().signer(Purpose.token)
    claims = {
        "sub": str(account),
        "sid": str(session),
        "iat": int(now.timestamp()),
        "exp": int((now + ACCESS_FOR).timestamp()),
        "iss": issuer(),
        "aud": AUDIENCE,
        "jti": ids.new().hex,
    }
    return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": kid, "typ": "at+jwt"})


def read(token: str, now: datetime) -> Claims:
    """The claims of a token that we signed. Raises `TokenRefused`, `TokenExpired`.

    The algorithm is EdDSA whatever the header says, and the key one of ours for tokens.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != "EdDSA" or header.get("typ") != "at+jwt":
            raise TokenRefused()
        public = keys.ring().verifier(Purpose.token, str(header.get("kid", "")))
        if public is None:
            raise TokenRefused()
        raw = jwt.decode(
            token,
            public,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=issuer(),
            options={
                "require": ["sub", "sid", "iat", "exp", "iss", "aud", "jti"],
                "verify_exp": False,  # by our own clock, below
                "verify_iat": False,
            },
        )
        claims = msgspec.convert(raw, Claims)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError):
        raise TokenRefused() from None
    if now.timestamp() >= claims.exp:
        raise TokenExpired()
    return claims


def secret() -> str:
    """256 random bits in 43 characters, for refresh tokens, codes, states and nonces."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """The S256 code challenge (RFC 7636 §4.2)."""
    return b64(hashlib.sha256(verifier.encode()).digest())


def proves(verifier: str, challenge: str) -> bool:
    """Whether `verifier` is the one behind `challenge`."""
    return VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(
        challenge_of(verifier), challenge
    )


def lock(token: str, content: str) -> bytes:
    """`content` such that only who holds `token` (256 random bits) can read it."""
    return AESGCM(_key_from(token)).encrypt(bytes(12), content.encode(), None)


def unlock(token: str, locked: bytes) -> str:
    """The content behind `lock`. Raises ValueError."""
    try:
        return AESGCM(_key_from(token)).decrypt(bytes(12), locked, None).decode()
    except InvalidTag:
        raise ValueError("not locked with this token") from None


def may_redirect(uri: str, registered: Sequence[str], public_url: str) -> bool:
    """Whether `uri` is a registered redirect: exactly, but a loopback address of any port.

    RFC 8252 §7.3, §8.4; no wildcards, no fragments, no user info.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    if parts.fragment or "@" in parts.netloc or not uri.isascii() or re.search(r"[\s\\]", uri):
        return False
    for pattern in registered:
        known = pattern.replace("{public_url}", public_url)
        if uri == known:
            return True
        wanted = urlsplit(known)
        if (
            wanted.scheme == parts.scheme == "http"
            and wanted.hostname in LOOPBACK
            and wanted.hostname == parts.hostname
            and wanted.port is None
            and port is not None
            and (wanted.path, wanted.query) == (parts.path, parts.query)
        ):
            return True
    return False


def with_query(uri: str, values: dict[str, str | None]) -> str:
    """`uri` with parameters appended; those that are None stay out."""
    given = urlencode({k: v for k, v in values.items() if v is not None})
    return f"{uri}{'&' if '?' in uri else '?'}{given}"


def _key_from(token: str) -> bytes:
    # Each token locks one content once, so the key is fresh and the nonce may be constant.
    return hashlib.sha256(b"superapp lock\0" + token.encode()).digest()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
