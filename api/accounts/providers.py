"""The identity providers of this installation, from a JSON file named in the settings.

    [{"name": "thaid", "issuer": "https://…", "client_id": "…", "client_secret": "…",
      "kind": "person", "label_th": "ThaID", "scopes": ["openid", "pid", "name"],
      "cid_claim": "pid", "name_th_claims": ["given_name", "family_name"]}]

The file holds secrets: like the keyring it must be readable by its owner only.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from api.settings import Settings

DEVELOPMENT: Final = "development"
"""The name of the sign-in for development, which only loopback may reach."""


class ProviderError(RuntimeError):
    """The configuration of sign-in cannot be used; the sentence says why. Stops the start."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says about itself (OpenID Connect Discovery 1.0 §3, RFC 9207 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    authorization_response_iss_parameter_supported: bool = False


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider. `kind` officer: only people on the administrator's list may come that way.

    A claim name that is empty is not read. `metadata` stands for a provider without a discovery
    document; `userinfo` asks its endpoint for claims that the ID token lacks.
    """

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,30}$")]
    issuer: str
    client_id: str
    client_secret: str = ""
    client_auth: Literal["basic", "post", "none"] = "basic"
    kind: Literal["person", "officer"] = "person"
    label_th: str
    label_en: str = ""
    scopes: tuple[str, ...] = ("openid",)
    cid_claim: str = ""
    email_claim: str = ""
    name_th_claims: tuple[str, ...] = ()
    name_en_claims: tuple[str, ...] = ()
    userinfo: bool = False
    metadata: Metadata | None = None

    def __repr__(self) -> str:
        return f"Provider({self.name})"


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address((host or "").strip("[]")).is_loopback
    except ValueError:
        return False


def may_fetch(url: str, *, production: bool) -> bool:
    """https anywhere; plain http only to loopback, and not in production."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and not production and is_loopback(parts.hostname)


def development_sign_in(settings: Settings) -> bool:
    """Whether the sample accounts may sign in by a click.

    Raises ProviderError where that would reach beyond this machine.
    """
    wanted = settings.dev_sign_in
    if wanted not in ("", "on", "off"):
        raise ProviderError("SUPERAPP_DEV_SIGN_IN is on, off or empty")
    if wanted == "on" and settings.env not in ("development", "test"):
        raise ProviderError("the development sign-in does not run in production")
    if wanted == "off" or settings.env not in ("development", "test"):
        return False
    if not is_loopback(settings.host):
        raise ProviderError(
            f"the development sign-in would be reachable from outside ({settings.host}): "
            "serve on 127.0.0.1 or set SUPERAPP_DEV_SIGN_IN=off"
        )
    return True


def development_issuer(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}/dev/idp"


def load(settings: Settings) -> dict[str, Provider]:
    """The configured providers by name, the development one first. Raises ProviderError."""
    if settings.env not in ("development", "test", "production"):
        raise ProviderError("SUPERAPP_ENV is development, test or production")
    found: list[Provider] = []
    if development_sign_in(settings):
        found.append(
            Provider(
                name=DEVELOPMENT,
                issuer=development_issuer(settings),
                client_id="superapp",
                client_auth="none",
                label_th="บัญชีตัวอย่าง (สำหรับพัฒนาเท่านั้น)",
                label_en="Sample accounts (development only)",
                scopes=("openid", "pid", "name"),
                cid_claim="pid",
                name_th_claims=("given_name", "family_name"),
            )
        )
    if settings.providers:
        found += _read(Path(settings.providers))
    names = [p.name for p in found]
    if len(set(names)) != len(names):
        raise ProviderError("two identity providers have the same name")
    for p in found:
        if not may_fetch(p.issuer, production=settings.production):
            raise ProviderError(f"the issuer of {p.name} must be an https address")
        if p.client_auth != "none" and not p.client_secret:
            raise ProviderError(f'{p.name} lacks its client_secret (or set client_auth: "none")')
        if "openid" not in p.scopes:
            raise ProviderError(f"the scopes of {p.name} lack openid")
    if settings.production and not found:
        raise ProviderError("no identity provider: set SUPERAPP_PROVIDERS to a JSON file")
    if settings.production and not settings.base_url.startswith("https://"):
        raise ProviderError("in production SUPERAPP_PUBLIC_URL must be an https address")
    return {p.name: p for p in found}


def _read(path: Path) -> list[Provider]:
    try:
        mode, text = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise ProviderError(f"the providers file cannot be read: {error}") from None
    if sys.platform != "win32" and mode & 0o077:
        raise ProviderError(f"the providers file {path} is open to others: chmod 600")
    try:
        return msgspec.json.decode(text, type=list[Provider])
    except msgspec.MsgspecError as error:
        raise ProviderError(f"the providers file {path}: {error}") from None
