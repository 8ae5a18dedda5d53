"""The development sign-in: an identity provider of sample accounts, for loopback only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import URLEncodedBody

from api.accounts import dev_provider as provider
from api.accounts import pages, providers, tokens
from api.accounts.samples import SAMPLES
from api.edge import get, post
from api.keys import KeySet
from api.permissions import PUBLIC
from api.problems import NoSuchPlace
from api.settings import Settings


class TokenForm(msgspec.Struct, kw_only=True):
    grant_type: str = ""
    code: str = ""
    redirect_uri: str = ""
    client_id: str = ""
    code_verifier: str = ""


async def loopback_only(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """This address exists only for the machine itself: not through a proxy, not by another name.

    The Host is checked too, or a page on the internet could reach it by rebinding its own name.
    """
    settings: Settings = connection.app.state.settings
    client = connection.client.host if connection.client else None
    forwarded = any(
        name in connection.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via")
    )
    named = connection.headers.get("host", "").rpartition(":")
    host = named[0] if named[0] and named[2].isdigit() else connection.headers.get("host", "")
    if (
        forwarded
        or not providers.is_loopback(client)
        or not providers.is_loopback(host)
        or not providers.development_sign_in(settings)
    ):
        raise NoSuchPlace()


def _issuer(request: Request[Any, Any, Any]) -> str:
    return providers.development_issuer(request.app.state.settings)


@get(
    "/dev/idp/.well-known/openid-configuration",
    verb=PUBLIC,
    operation="dev.discovery",
    include_in_schema=False,
    guards=[loopback_only],
)
async def discovery(request: Request[Any, Any, Any]) -> provider.Discovery:
    """What the development provider says about itself."""
    return provider.discovery(_issuer(request))


@get(
    "/dev/idp/jwks",
    verb=PUBLIC,
    operation="dev.keys",
    include_in_schema=False,
    guards=[loopback_only],
)
async def jwks() -> KeySet:
    """The development provider's key."""
    return provider.key_set()


@get(
    "/dev/idp/authorize",
    verb=PUBLIC,
    operation="dev.authorize",
    include_in_schema=False,
    guards=[loopback_only],
)
async def authorize(request: Request[Any, Any, Any]) -> Response[Any]:
    """The list of sample accounts; `who` is the click, `login_hint` skips the list.

    With `prompt=login` a hint is no log-in: the list is shown, and the click counts.
    """
    given = {name: request.query_params[name] for name in request.query_params}
    asked = msgspec.convert(given, provider.Asked)
    wanted = f"{request.app.state.settings.base_url}/oauth/callback/{providers.DEVELOPMENT}"
    challenge = tokens.CHALLENGE.fullmatch(asked.code_challenge)
    if asked.redirect_uri != wanted or asked.client_id != "superapp" or not challenge:
        raise NoSuchPlace()
    hint = "" if "login" in asked.prompt.split() else asked.login_hint
    code = provider.code_for(asked, given.get("who") or hint, _issuer(request))
    if code is not None:
        back = {"code": code, "state": asked.state, "iss": _issuer(request)}
        return Response(
            None,
            status_code=302,
            headers={"Location": tokens.with_query(asked.redirect_uri, dict(back))},
        )
    links = [
        (f"?{urlencode(given | {'who': s.key})}", f"{s.name} · {s.what_th}", s.what_en)
        for s in SAMPLES
    ]
    page = pages.choice(
        "เลือกบัญชีตัวอย่าง (สำหรับพัฒนาเท่านั้น)", "Choose a sample account (development only)", links
    )
    return Response(page, media_type=MediaType.HTML, headers=pages.HEADERS)


@post(
    "/dev/idp/token",
    verb=PUBLIC,
    operation="dev.token",
    status_code=200,
    include_in_schema=False,
    guards=[loopback_only],
)
async def token(request: Request[Any, Any, Any], data: URLEncodedBody[TokenForm]) -> Response[Any]:
    """The ID token of the sample account that was chosen."""
    granted = provider.redeem(data.code, data.code_verifier, data.redirect_uri, _issuer(request))
    if granted is None:
        return Response({"error": "invalid_grant"}, status_code=400)
    return Response(granted, headers={"Cache-Control": "no-store"})


ROUTES = [discovery, jwks, authorize, token]
