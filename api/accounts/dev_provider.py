"""A small OpenID Connect provider for development: the sample accounts as a list to click.

It runs inside the API, answers loopback only, and knows no password. Codes are signed and live a
minute, so it keeps no state beside those already used.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import clock, ids, keys
from api.accounts import tokens
from api.accounts.providers import Metadata
from api.accounts.samples import BY_KEY
from api.keys import KeySet, PublicKey

CODE_FOR: Final = timedelta(seconds=60)
KID: Final = "development"
_used: OrderedDict[str, None] = OrderedDict()


class Asked(msgspec.Struct, frozen=True):
    """An authorization request as this provider needs it."""

    client_id: str = ""
    redirect_uri: str = ""
    state: str = ""
    nonce: str = ""
    code_challenge: str = ""
    login_hint: str = ""
    prompt: str = ""


class Granted(msgspec.Struct, kw_only=True):
    id_token: str
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 not a secret
    expires_in: int = 60


class Discovery(Metadata, frozen=True, kw_only=True):
    """The same with what a strict client of discovery wants to see."""

    response_types_supported: tuple[str, ...] = ("code",)
    subject_types_supported: tuple[str, ...] = ("public",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("none",)


def discovery(issuer: str) -> Discovery:
    return Discovery(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/jwks",
        id_token_signing_alg_values_supported=("EdDSA",),
        authorization_response_iss_parameter_supported=True,
    )


def key_set() -> KeySet:
    public = _key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return KeySet([PublicKey(kid=KID, x=tokens.b64(public))])


def code_for(asked: Asked, who: str, issuer: str) -> str | None:
    """A code for the sample account `who`; None when there is no such sample."""
    if who not in BY_KEY:
        return None
    claims = msgspec.to_builtins(asked) | {
        "iss": issuer,
        "aud": f"{issuer}/token",
        "sub": who,
        "exp": int((clock.now() + CODE_FOR).timestamp()),
        "auth_time": int(clock.now().timestamp()),
        "jti": ids.new().hex,
    }
    return jwt.encode(claims, _key(), algorithm="EdDSA")


def redeem(code: str, verifier: str, redirect_uri: str, issuer: str) -> Granted | None:
    """The ID token for a code; None when it is wrong, old or used."""
    try:
        claims: dict[str, Any] = jwt.decode(
            code,
            _key().public_key(),
            algorithms=["EdDSA"],
            audience=f"{issuer}/token",
            issuer=issuer,
            options={"verify_exp": False, "require": ["exp", "jti", "sub", "auth_time"]},
        )
    except jwt.PyJWTError:
        return None
    sample = BY_KEY.get(claims["sub"])
    if (
        sample is None
        or claims["jti"] in _used
        or claims["exp"] <= clock.now().timestamp()
        or claims["redirect_uri"] != redirect_uri
        or not tokens.proves(verifier, claims["code_challenge"])
    ):
        return None
    _used[claims["jti"]] = None
    while len(_used) > 1000:
        _used.popitem(last=False)
    now = int(clock.now().timestamp())
    identity = {
        "iss": issuer,
        "aud": claims["client_id"],
        "sub": sample.key,
        "iat": now,
        "exp": now + 300,
        "auth_time": claims["auth_time"],  # the click
        "nonce": claims["nonce"],
        "pid": sample.cid,
        "given_name": sample.given_name,
        "family_name": sample.family_name,
    }
    signed = jwt.encode(identity, _key(), algorithm="EdDSA", headers={"kid": KID})
    return Granted(id_token=signed, access_token=tokens.secret())


def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(keys.ring().derive("development provider"))
