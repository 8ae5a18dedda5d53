"""What every request passes: who asks, may they, one transaction, and problems as documents.

The order: `Envelope` (request id, unpacking, log line) → `admit` (token → actor, verb → table)
→ `open_tx` (GET: a connection without a transaction block; else one transaction, after the
session was checked in the data base) → the handler → commit → the first byte of the answer.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import litestar
import msgspec
from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.handlers import HTTPRouteHandler

from api import challenge, logs, permissions
from api.accounts import service as accounts
from api.complaints import tracking
from api.db import Database, Retry, Tx, Unreachable, Unstorable
from api.permissions import NOBODY, PUBLIC, Actor, Session
from api.problems import (
    Invalid,
    Malformed,
    NoSuchPlace,
    Overloaded,
    Problem,
    Refused,
    SignInNeeded,
    TooLarge,
    TooMany,
    WrongMethod,
)

T = TypeVar("T")
log = logging.getLogger("superapp.edge")

InTx = NamedDependency[Tx]
"""`tx: InTx`. Besides it only `asked` is injected, which a route may declare."""


class Page(msgspec.Struct, Generic[T]):
    """A page of a list; `next` is the cursor of the following one, null at the end."""

    items: list[T]
    next: str | None = None


# --- routes -------------------------------------------------------------------------------------


Declare = Callable[[Callable[..., Any]], HTTPRouteHandler]


def _route(method: Callable[..., Any]) -> Callable[..., Declare]:
    def declare(
        path: str | list[str],
        *,
        verb: str,
        operation: str | None = None,
        problems: Sequence[type[Problem]] = (),
        status_code: int | None = None,
        tags: Sequence[str] = (),
        opt: dict[str, Any] | None = None,
        asked: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> Declare:
        """A handler that needs `verb` and may answer `problems` besides those of the ground.

        `asked` gathers query parameters that several routes share into what the handler gets as
        `asked`. Nothing else is injected: what fails beside `tx` would keep its connection.

        `api.openapi` documents the route from its docstring (the first line Thai, then English) and
        from what is kept in `opt`; what stands in its `headers` comes with problems too.
        """
        if verb != PUBLIC and verb not in permissions.PERMISSIONS:
            raise TypeError(f"{path}: the permission table has no verb {verb}")
        if "dependencies" in kwargs:
            raise TypeError(f"{path}: nothing but tx and asked is injected")
        if asked is not None:
            kwargs["dependencies"] = {"asked": Provide(asked, sync_to_thread=False)}
        options = {"verb": verb, "problems": tuple(problems)} | (opt or {})
        declared: Declare = method(
            path,
            opt=options,
            operation_id=operation or verb,
            status_code=status_code,
            tags=list(tags) or [(operation or verb).partition(".")[0]],
            **kwargs,
        )
        return declared

    return declare


get = _route(litestar.get)
post = _route(litestar.post)
put = _route(litestar.put)
patch = _route(litestar.patch)
delete = _route(litestar.delete)
route = _route(litestar.route)
_PARAMETER = re.compile(r"{.*?}")


def options(handlers: Iterable[HTTPRouteHandler]) -> HTTPRouteHandler:
    """The answer to OPTIONS at every address of `handlers`: all methods that it takes.

    Litestar's own answer, made with the first handler of an address, does not learn of the others.
    It must stand before them in the list of routes. An address that answers itself is left out.
    """
    methods: dict[str, set[str]] = {}
    handlers = list(handlers)
    own = {path for h in handlers if "OPTIONS" in h.http_methods for path in h.paths}
    paths = [(path, h) for h in handlers for path in h.paths if path not in own]
    for path, handler in paths:
        address = _PARAMETER.sub("{}", path)
        methods.setdefault(address, {"OPTIONS"}).update(handler.http_methods)

    @litestar.route(
        sorted({path for path, _ in paths}),
        http_method=["OPTIONS"],
        status_code=204,
        include_in_schema=False,
    )
    async def tell(request: Request[Any, Any, Any]) -> Response[None]:
        allowed = methods[_PARAMETER.sub("{}", request.scope["path_template"])]
        return Response(None, headers={"Allow": ", ".join(sorted(allowed))})

    return tell


# --- admission and the transaction --------------------------------------------------------------


async def admit(request: Request[Any, Any, Any]) -> None:
    """Puts the actor on the request and refuses a verb that the table does not give them.

    It runs before the body is read (`before_request` of the application): a guard would do, but
    Litestar copies the whole handler for each guard of each request.
    """
    verb = request.route_handler.opt.get("verb")
    request.scope["user"] = actor = await _actor(request, verb or PUBLIC)
    if verb and verb != PUBLIC:
        permissions.reaches(actor, verb)
    if actor is NOBODY and request.route_handler.opt.get("challenged"):
        await challenge.check(request.headers.get(challenge.HEADER, ""))


async def _actor(connection: ASGIConnection[Any, Any, Any, Any], verb: str) -> Actor:
    header = connection.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "tracking" and verb in permissions.BY_CODE:
        return await tracking.authenticate(token, connection.app.state.db, network(connection))
    if scheme.lower() != "bearer" or not token:
        return NOBODY
    try:
        return await accounts.authenticate(token.strip(), connection.app.state.db)
    except Problem:
        if verb == PUBLIC:
            return NOBODY
        raise


def network(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request comes from, for limits: an IPv4 address, or the /64 of an IPv6 one."""
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host


def _nothing() -> None:
    """What is asked for where a route declares nothing."""


async def open_tx(
    request: Request[Any, Any, Any], asked: NamedDependency[Any]
) -> AsyncGenerator[Tx, None]:
    """A reader for GET; for everything else the one transaction, with the session still live.

    It needs `asked` only to come after it: Litestar ends no dependency when another one fails, and
    each request that was asked wrongly would keep a connection of the pool for good.
    """
    del asked
    db: Database = request.app.state.db
    actor: Actor = request.user
    if request.method in ("GET", "HEAD"):
        async with db.read(actor, logs.request_id.get()) as tx:
            yield tx
        return
    async with db.begin(actor, logs.request_id.get()) as tx:
        await admit_write(tx, request.route_handler.opt.get("verb", PUBLIC))
        yield tx


async def admit_write(tx: Tx, verb: str) -> None:
    """Checks session and grants in the data base; a leaver's rights end with the next write."""
    if isinstance(tx.actor, Session):
        tx.actor = await accounts.check_live(tx, tx.actor)
        if verb != PUBLIC:
            permissions.reaches(tx.actor, verb)


def if_match(request: Request[Any, Any, Any]) -> int:
    """The record version that an edit was made on; raises `Malformed` when it is missing."""
    value = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise Malformed(
            reason="If-Match must carry the version of the record", where="header If-Match"
        )
    return int(value)


# --- problems as documents ----------------------------------------------------------------------


def language(request: Request[Any, Any, Any]) -> str:
    """Thai, unless the caller prefers English (Accept-Language, RFC 9110 §12.5.4)."""
    weights = {"th": 0.0, "en": 0.0}
    for part in request.headers.get("accept-language", "").lower().split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        found = _WEIGHT.fullmatch(parameter.strip()) if parameter else None
        weight = float(found[1]) if found else 0.0 if parameter else 1.0
        kind = tag.strip()[:2]
        weights[kind] = max(weights.get(kind, 0.0), weight)
    return "en" if weights["en"] > weights["th"] else "th"


_WEIGHT = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


def answer_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    document = problem.document(language(request))
    document["request_id"] = logs.request_id.get()
    headers = {"Content-Language": language(request)}
    if isinstance(problem, TooMany | Overloaded):
        headers["Retry-After"] = str(int(problem.facts.get("retry_after_s", 1)))
    if isinstance(problem, WrongMethod):
        headers["Allow"] = str(problem.facts.get("allow", ""))
    if handler := request.scope.get("route_handler"):
        headers |= handler.opt.get("headers", {})
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="superapp"'
    return Response(
        msgspec.json.encode(document, enc_hook=str),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )


def _answer_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return answer_problem(request, _from_framework(request, error))


def _from_framework(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    if isinstance(error, MethodNotAllowedException):
        named = {name.lower(): value for name, value in (error.headers or {}).items()}
        return WrongMethod(allow=named.get("allow", ""))
    if isinstance(error, NotFoundException):
        return NoSuchPlace()
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        where = [
            {k: str(v) for k, v in item.items() if k in ("key", "source", "message")}
            for item in extra
            if isinstance(item, dict)
        ]
        reason = "; ".join(item.get("message", "") for item in where) or "wrong type"
        return Malformed(reason=reason, where=where)
    if error.status_code == 413:
        return TooLarge(limit_bytes=request.app.request_max_body_size)
    if error.status_code == 401:
        return SignInNeeded()
    if error.status_code == 404:
        return NoSuchPlace()
    if error.status_code < 500:
        return Refused(reason=type(error).__name__)
    return Overloaded()


def _answer_unreachable(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("data base unreachable", extra={"facts": {"error": type(error).__name__}})
    return answer_problem(request, Overloaded())


def _answer_group(
    request: Request[Any, Any, Any], errors: ExceptionGroup[Exception]
) -> Response[bytes]:
    """What ended a transaction that was ending with another error, as where something must survive
    a Problem and the data base is lost."""
    first = errors.exceptions[0]
    lost = isinstance(first, (*Unreachable, *Retry))
    return (_answer_unreachable if lost else _answer_fault)(request, first)


def _answer_undecodable(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What no reader caught: too deep, not UTF-8, or a value that PostgreSQL cannot hold."""
    reason = _UNDECODABLE.get(type(error), "a value is outside of what can be stored")
    log.warning("not understood", exc_info=error)
    return answer_problem(request, Malformed(reason=reason))


_UNDECODABLE = {RecursionError: "nested too deeply", UnicodeDecodeError: "not UTF-8"}


def _answer_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("fault", exc_info=error)
    body = {
        "type": "about:blank",
        "code": "ground/fault",
        "title": "ระบบขัดข้อง เจ้าหน้าที่ได้รับแจ้งแล้ว"
        if language(request) == "th"
        else "Something went wrong on our side; it has been logged",
        "status": 500,
        "request_id": logs.request_id.get(),
    }
    return Response(
        msgspec.json.encode(body), status_code=500, media_type="application/problem+json"
    )


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[..., Response[bytes]]] = {
    Problem: answer_problem,
    HTTPException: _answer_framework,
    **dict.fromkeys((*Unreachable, *Retry), _answer_unreachable),
    **dict.fromkeys((*_UNDECODABLE, *Unstorable), _answer_undecodable),
    ExceptionGroup: _answer_group,
    Exception: _answer_fault,
}
DEPENDENCIES = {"asked": Provide(_nothing, sync_to_thread=False), "tx": Provide(open_tx)}

__all__ = [
    "DEPENDENCIES",
    "EXCEPTION_HANDLERS",
    "InTx",
    "Invalid",
    "MediaType",
    "Page",
    "admit",
    "admit_write",
    "delete",
    "get",
    "if_match",
    "options",
    "patch",
    "post",
    "put",
    "route",
]
