"""Our own authorization server: RFC 6749, 7636, 7009, 8252, 8414 and 9207, for public clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.openapi.spec import OpenAPIType, Operation, Schema
from litestar.openapi.spec import Parameter as OpenAPIParameter
from litestar.params import FromPath, URLEncodedBody

from api import keys, limits, logs
from api.accounts import pages, signin, tokens
from api.accounts.fresh_model import PURPOSES, SHA256, LogInNotFresh, Ticket
from api.accounts.model import AccountSuspended, DeviceWiped, NotListed, SignInRaced
from api.accounts.oauth_problems import (
    IdentityRefused,
    InvalidGrant,
    InvalidRequest,
    NoProvider,
    OAuthError,
    ProviderRefused,
    ProviderUnreachable,
    SignInLost,
    UnknownClient,
    UnsupportedGrant,
)
from api.accounts.oidc import RelyingParty
from api.db import Database
from api.edge import get, network, post
from api.keys import KeySet
from api.permissions import NOBODY, PUBLIC
from api.problems import Problem, TooMany, Unavailable
from api.settings import Settings

Web = Request[Any, Any, Any]
COOKIE = "superapp_signin"


class ServerMetadata(msgspec.Struct, kw_only=True):
    """RFC 8414."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = (
        "authorization_code",
        "refresh_token",
    )
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("none",)
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = ("none",)
    authorization_response_iss_parameter_supported: bool = True
    ui_locales_supported: tuple[str, ...] = (
        "th",
        "en",
    )


class TokenForm(msgspec.Struct, kw_only=True):
    """RFC 6749 §4.1.3 and §6, RFC 7636 §4.5."""

    grant_type: str = ""
    client_id: str = ""
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""


class RevokeForm(msgspec.Struct, kw_only=True):
    """RFC 7009 §2.1."""

    token: str = ""
    client_id: str = ""
    token_type_hint: str = ""


@dataclass
class _AuthorizeOperation(Operation):
    """Documents the query of `/oauth/authorize`, which the handler reads as a whole."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        forms = {
            "purpose": Schema(type=OpenAPIType.STRING, enum=list(PURPOSES)),
            "purpose_hash": Schema(type=OpenAPIType.STRING, pattern=f"^{SHA256.pattern}$"),
        }
        needed = ("response_type", "client_id", "redirect_uri", "code_challenge")
        self.parameters = [
            OpenAPIParameter(name, "query", forms.get(name, text), required=name in needed)
            for name in (*needed, "code_challenge_method", *_OPTIONAL)
        ]


_OPTIONAL = ("state", "provider", "device_name", "login_hint", "purpose", "purpose_hash")


# --- problems in the form that OAuth asks for -----------------------------------------------------


def _oauth_answer(request: Web, problem: Problem) -> Response[bytes]:
    """RFC 6749 §5.2: JSON with `error`, beside the fields of every problem document."""
    error = getattr(problem, "error", "invalid_grant")
    if isinstance(problem, TooMany | Unavailable):
        error = "temporarily_unavailable"
    document = {"error": error, "error_description": problem.sentence("en")}
    document |= problem.document("th") | {"request_id": logs.request_id.get()}
    status = problem.status if isinstance(problem, TooMany | Unavailable) else 400
    document["status"] = status
    retry = {"Retry-After": str(int(problem.facts.get("retry_after_s", 1)))}
    return Response(
        msgspec.json.encode(document, enc_hook=str),
        status_code=status,
        media_type=MediaType.JSON,
        headers={"Cache-Control": "no-store"} | (retry if status in (429, 503) else {}),
    )


def _oauth_malformed(request: Web, error: HTTPException) -> Response[bytes]:
    return _oauth_answer(request, InvalidRequest(reason="form fields, each at most once"))


_OAUTH_ERRORS: dict[Any, Any] = {Problem: _oauth_answer, HTTPException: _oauth_malformed}


def _page_problem(request: Web, problem: Problem) -> Response[Any]:
    """A page for a person in a browser; the problem itself for a program."""
    if "text/html" not in request.headers.get("accept", ""):
        raise problem
    body = pages.trouble(problem.sentence("th"), problem.sentence("en"), problem.code)
    return Response(
        body, status_code=problem.status, media_type=MediaType.HTML, headers=pages.HEADERS
    )


# --- to the provider and back ---------------------------------------------------------------------


@get(
    "/oauth/authorize",
    verb=PUBLIC,
    operation="oauth.authorize",
    operation_class=_AuthorizeOperation,
    status_code=302,
    problems=[UnknownClient, InvalidRequest, ProviderUnreachable, limits.TooFast],
    tags=["sign-in"],
    opt={"redirect_problems": (InvalidRequest, NoProvider, ProviderUnreachable, limits.TooFast)},
)
async def authorize(request: Web) -> Response[Any]:
    """เริ่มเข้าสู่ระบบ หรือยืนยันตัวตนใหม่เพื่อลงนาม กับผู้ให้บริการยืนยันตัวตน
    Begins a sign-in. Parameters after RFC 6749 §4.1.1 and RFC 7636, all required but `state`:
    `response_type=code`, `client_id`, `redirect_uri`, `code_challenge`,
    `code_challenge_method=S256`; further `provider` (else a page asks when there are several),
    `device_name`, `login_hint`.

    `purpose=sign` with `purpose_hash`, the SHA-256 (64 lower hexadecimal digits) of exactly what
    is shown, asks for no session but for a fresh authentication over that hash: the provider has
    the person log in anew, and the token endpoint answers a one-time ticket for it.

    Answers with a redirect to the identity provider, in the end to `redirect_uri` with `code`,
    `state` and `iss`, or `error` and `problem`.
    """
    state: Any = request.app.state
    party: RelyingParty = state.relying_party
    db: Database = state.db
    asked = request.query_params
    given = {name: asked.getall(name)[0] for name in asked}
    repeated = any(len(asked.getall(name)) > 1 for name in asked)
    try:
        async with db.read() as reader:
            await signin.check_client(
                reader,
                given.get("client_id", ""),
                given.get("redirect_uri", ""),
                party.base_url,
            )
    except Problem as problem:
        return _page_problem(request, problem)
    try:
        wanted = _authorize_request(given, repeated)
        name = given.get("provider") or _only(party)
        if not name:
            return _choose(given, party)
        party.provider(name)
        browser = request.cookies.get(COOKIE) or tokens.secret()
        async with db.begin(NOBODY, logs.request_id.get()) as tx:
            begun = await signin.begin_attempt(tx, wanted, name, browser, network(request))
        url = await party.authorization_url(name, *begun, log_in=wanted.sha256 is not None)
    except Problem as problem:
        return _back(given["redirect_uri"], given.get("state"), problem)
    if hint := given.get("login_hint"):
        url = tokens.with_query(url, {"login_hint": hint[:200]})
    return _redirect(url, _cookie(state.settings, browser))


def _authorize_request(given: dict[str, str], repeated: bool) -> signin.AuthorizeRequest:
    if repeated:
        raise InvalidRequest(reason="a parameter is given twice")
    if given.get("response_type") != "code":
        raise InvalidRequest(reason="response_type must be code")
    if given.get("code_challenge_method") != "S256":
        raise InvalidRequest(reason="code_challenge_method must be S256")
    challenge = given.get("code_challenge", "")
    if not tokens.CHALLENGE.fullmatch(challenge):
        raise InvalidRequest(reason="code_challenge must be 43 characters of base64url")
    if len(given.get("state", "")) > 1000 or "\0" in "".join(given.values()):
        raise InvalidRequest(reason="state is too long, or a parameter holds NUL")
    purpose, sha256 = given.get("purpose"), given.get("purpose_hash")
    if purpose not in (None, *PURPOSES) or (purpose is None) != (sha256 is None):
        raise InvalidRequest(reason="purpose must be sign, and come with purpose_hash")
    if sha256 is not None and not SHA256.fullmatch(sha256):
        raise InvalidRequest(reason="purpose_hash must be 64 lower hexadecimal digits")
    return signin.AuthorizeRequest(
        client=given["client_id"],
        redirect_uri=given["redirect_uri"],
        state=given.get("state"),
        code_challenge=challenge,
        device_name=given.get("device_name", ""),
        sha256=sha256,
    )


@get(
    "/oauth/callback/{provider:str}",
    verb=PUBLIC,
    operation="oauth.callback",
    status_code=302,
    problems=[SignInLost],
    tags=["sign-in"],
    opt={
        "redirect_problems": (
            AccountSuspended,
            IdentityRefused,
            LogInNotFresh,
            NotListed,
            ProviderRefused,
            ProviderUnreachable,
            SignInRaced,
        )
    },
)
async def callback(request: Web, provider: FromPath[str]) -> Response[Any]:
    """รับผู้ใช้กลับจากผู้ให้บริการยืนยันตัวตน แล้วส่งต่อไปยังแอปที่ขอ
    Where an identity provider sends the browser back; goes on to the client's redirect."""
    state: Any = request.app.state
    party: RelyingParty = state.relying_party
    db: Database = state.db
    answer = {name: request.query_params.getall(name)[0] for name in request.query_params}
    browser = request.cookies.get(COOKIE, "")
    try:
        async with db.begin(NOBODY, logs.request_id.get()) as tx:
            came = await signin.take_attempt(tx, answer.get("state", ""), provider, browser)
    except Problem as problem:
        return _page_problem(request, problem)
    attempt = came.attempt
    try:
        identity = await party.identify(
            provider, answer, came.nonce, came.verifier, came.log_in_since
        )
        async with db.begin(NOBODY, logs.request_id.get()) as tx:
            code = await signin.grant_code(tx, attempt, identity)
    except Problem as problem:
        return _back(attempt.redirect_uri, attempt.client_state, problem)
    return _redirect(
        tokens.with_query(
            attempt.redirect_uri,
            {"code": code, "state": attempt.client_state, "iss": tokens.issuer()},
        )
    )


@post(
    "/oauth/token",
    verb=PUBLIC,
    operation="oauth.token",
    problems=[
        AccountSuspended,
        DeviceWiped,
        InvalidGrant,
        InvalidRequest,
        UnsupportedGrant,
        limits.TooFast,
    ],
    tags=["sign-in"],
    status_code=200,
    exception_handlers=_OAUTH_ERRORS,
)
async def token(request: Web, data: URLEncodedBody[TokenForm]) -> Response[signin.Tokens | Ticket]:
    """แลกรหัสใช้ครั้งเดียวหรือ refresh token เป็นโทเค็น หรือเป็นตั๋วยืนยันตัวตนเพื่อลงนาม
    Tokens for a one-time code or for a refresh token, which is rotated thereby.

    A code that `purpose=sign` led to is worth a ticket instead (`token_type` is `N_A`): it counts
    once, within five minutes, for the account that logged in and for that hash.

    The same refresh token again within 60 seconds answers the same successor, so a lost answer
    signs nobody out. `code` `accounts/device-wiped`: the app deletes what it holds.
    """
    db: Database = request.app.state.db
    if data.grant_type not in ("authorization_code", "refresh_token"):
        raise UnsupportedGrant()
    if not data.client_id or "\0" in "".join(msgspec.structs.astuple(data)):
        raise InvalidRequest(reason="client_id")
    bucket = limits.named("token", network(request))
    async with db.begin(NOBODY, logs.request_id.get()) as tx:  # of its own: it must survive
        await limits.take(tx, bucket, capacity=300, per_second=5)
    async with db.begin(NOBODY, logs.request_id.get()) as tx:
        issued: signin.Tokens | Ticket
        if data.grant_type == "authorization_code":
            issued = await signin.redeem_code(
                tx, data.code, data.client_id, data.redirect_uri, data.code_verifier
            )
        else:
            issued = await signin.refresh(tx, data.refresh_token, data.client_id)
    return Response(issued, headers={"Cache-Control": "no-store"})


@post(
    "/oauth/revoke",
    verb=PUBLIC,
    operation="oauth.revoke",
    tags=["sign-in"],
    problems=[InvalidRequest],
    status_code=200,
    exception_handlers=_OAUTH_ERRORS,
)
async def revoke(request: Web, data: URLEncodedBody[RevokeForm]) -> Response[None]:
    """ออกจากระบบด้วย refresh token ตอบ 200 แม้ไม่รู้จักโทเค็นนั้น
    Ends the session of a refresh token; answers 200 also for one that it does not know."""
    db: Database = request.app.state.db
    async with db.begin(NOBODY, logs.request_id.get()) as tx:
        await signin.revoke(tx, data.token, data.client_id)
    return Response(None, status_code=200)


@get(
    "/.well-known/oauth-authorization-server",
    verb=PUBLIC,
    operation="oauth.metadata",
    tags=["sign-in"],
)
async def metadata() -> ServerMetadata:
    """รายละเอียดการเข้าสู่ระบบที่แอปต้องทราบ (RFC 8414)
    What this authorization server offers (RFC 8414)."""
    base = tokens.issuer()
    return ServerMetadata(
        issuer=base,
        authorization_endpoint=f"{base}/oauth/authorize",
        token_endpoint=f"{base}/oauth/token",
        revocation_endpoint=f"{base}/oauth/revoke",
        jwks_uri=f"{base}/.well-known/jwks.json",
    )


@get("/.well-known/jwks.json", verb=PUBLIC, operation="oauth.keys", tags=["sign-in"])
async def jwks() -> KeySet:
    """กุญแจสาธารณะสำหรับตรวจโทเค็นและใบรับ (RFC 7517)
    The public keys of access tokens and receipts (RFC 7517)."""
    return keys.ring().public()


# --- small parts ----------------------------------------------------------------------------------


def _only(party: RelyingParty) -> str | None:
    return next(iter(party.providers)) if len(party.providers) == 1 else None


def _choose(given: dict[str, str], party: RelyingParty) -> Response[Any]:
    links = [
        (
            tokens.with_query("/oauth/authorize", {**given, "provider": p.name}),
            p.label_th,
            p.label_en,
        )
        for p in party.providers.values()
    ]
    page = pages.choice("เข้าสู่ระบบด้วย", "Sign in with", links)
    return Response(page, status_code=200, media_type=MediaType.HTML, headers=pages.HEADERS)


def _back(redirect_uri: str, state: str | None, problem: Problem) -> Response[Any]:
    """RFC 6749 §4.1.2.1, with the problem's code beside it for the app to show in Thai."""
    error = "server_error" if problem.status >= 500 else "access_denied"
    if isinstance(problem, OAuthError):
        error = "unsupported_response_type" if _is_response_type(problem) else problem.error
    if isinstance(problem, Unavailable | TooMany):
        error = "temporarily_unavailable"
    values = {
        "error": error,
        "error_description": problem.sentence("en").encode("ascii", "replace").decode(),
        "problem": problem.code,
        "state": state,
        "iss": tokens.issuer(),
    }
    return _redirect(tokens.with_query(redirect_uri, values))


def _is_response_type(problem: Problem) -> bool:
    return str(problem.facts.get("reason", "")).startswith("response_type")


def _redirect(url: str, *cookies: Cookie) -> Response[Any]:
    return Response(
        None,
        status_code=302,
        headers={"Location": url, "Cache-Control": "no-store"},
        cookies=list(cookies),
    )


def _cookie(settings: Settings, value: str) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        max_age=int(tokens.ATTEMPT_FOR.total_seconds()),
        path="/oauth",
        httponly=True,
        secure=settings.base_url.startswith("https://"),
        samesite="lax",
    )


ROUTES = [authorize, callback, token, revoke, metadata, jwks]
