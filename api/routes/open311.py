"""Open311 GeoReport v2 over HTTP; its errors are its own, whatever went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.params import FromPath, QueryParameter

from api import logs
from api.clock import MomentText
from api.complaints.open311 import service as open311
from api.complaints.open311.format import (
    JSON,
    XML,
    Discovery,
    Error,
    Received,
    Refused,
    Service,
    ServiceRequest,
    errors,
    written,
)
from api.complaints.open311.forms import Form
from api.complaints.problems import CategoryUnknown
from api.db import Database
from api.edge import InTx, get, network, post
from api.permissions import PUBLIC
from api.problems import Problem, TooLarge

AnyRequest = Request[Any, Any, Any]
Handler = Callable[..., Response[bytes]]
HERE = "/open311/"
MOST_BYTES = 256 * 1024
_TAGS = ("open311",)
_CACHED = {"Cache-Control": "public, max-age=300"}

Argument = Annotated[str | None, QueryParameter(max_length=2000)]
When = Annotated[MomentText | None, QueryParameter(max_length=2000)]


# --- errors as Open311 has them -------------------------------------------------------------------


def apart(house: Mapping[int | type[Exception], Handler]) -> dict[int | type[Exception], Handler]:
    """The house's handlers of errors, which under `/open311/` answer in its own form.

    At the level of the application, because an address that does not exist has no route to hang
    them on.
    """

    def of(handler: Handler) -> Handler:
        def answer(request: AnyRequest, error: Exception) -> Response[bytes]:
            found = handler(request, error)  # it also writes the log
            if not request.url.path.startswith(HERE):
                return found
            return _answer_error(request, found, error)

        return answer

    return {kind: of(handler) for kind, handler in house.items()} | {Refused: _refused}


def _refused(request: AnyRequest, error: Refused) -> Response[bytes]:
    return _error(request, error.code, error.description, {})


def _answer_error(request: AnyRequest, found: Response[bytes], error: Exception) -> Response[bytes]:
    """404 for what is not there, 403 for who may not, 400 for all else that is the caller's fault;
    that one has to wait (429, 503), and that the fault is ours (500), stays what it is."""
    status = found.status_code or 500
    if isinstance(error, CategoryUnknown):
        status = 404
    elif status == 401:
        status = 403
    elif status not in (403, 404, 405, 429) and status < 500:
        status = 400
    said = "ระบบขัดข้อง / Something went wrong on our side; it has been logged"
    if isinstance(error, Problem):
        said = f"{error.sentence('th')} / {error.sentence('en')}"
    elif isinstance(error, HTTPException) or status < 500:
        said = _SAID.get(status, "คำขอไม่ถูกต้อง / The request is not valid")
    elif status == 503:
        said = "ระบบไม่พร้อมชั่วคราว กรุณาลองใหม่ / Temporarily unavailable; please try again"
    kept = {k: v for k, v in found.headers.items() if k.lower() in ("retry-after", "allow")}
    return _error(request, status, said, kept)


_SAID = {
    404: "ไม่พบสิ่งที่ขอ / There is nothing here",
    405: "ที่อยู่นี้ไม่รับคำสั่งแบบนี้ / This address does not take that method",
}


def _error(request: AnyRequest, code: int, said: str, headers: dict[str, str]) -> Response[bytes]:
    xml = not request.url.path.endswith(".json")
    return Response(
        errors([Error(code, said)], xml=xml),
        status_code=code,
        media_type=XML if xml else JSON,
        headers=headers,
    )


# --- parts of every handler -----------------------------------------------------------------------


def _format(path: str) -> tuple[str, bool]:
    """What stands before the extension, and whether it is XML. Raises `Refused`."""
    stem, _, extension = path.rpartition(".")
    if not stem or extension not in ("xml", "json"):
        raise Refused(404, "รูปแบบต้องเป็น .xml หรือ .json", "the format must be .xml or .json")
    return stem, extension == "xml"


def _answer(root: str, value: Any, *, xml: bool, cached: bool = True) -> Response[Any]:
    return Response(
        written(root, value, xml=xml),
        media_type=XML if xml else JSON,
        headers=_CACHED if cached else {},
    )


async def _form(request: AnyRequest) -> Form:
    """Raises `Refused`; only what the standard names is understood."""
    if request.content_type[0].lower() != "application/x-www-form-urlencoded":
        raise Refused(
            400,
            "Content-Type ต้องเป็น application/x-www-form-urlencoded",
            "Content-Type must be application/x-www-form-urlencoded",
        )
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise TooLarge(limit_bytes=MOST_BYTES)
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000, errors="strict")
    except ValueError:
        raise Refused(400, "อ่านแบบฟอร์มไม่ได้", "the form is not UTF-8, or too long") from None


def _query(request: AnyRequest) -> Form:
    return {name: request.query_params.getall(name) for name in request.query_params}


def _named(form: Form, name: str) -> str | None:
    return next((value for value in form.get(name, ()) if value), None)


async def _told(request: AnyRequest, *, xml: bool) -> Response[Any]:
    form = await _form(request)
    db: Database = request.app.state.db
    query = _query(request)
    open311.jurisdiction(_named(form, "jurisdiction_id") or _named(query, "jurisdiction_id"))
    key = _named(form, "api_key") or _named(query, "api_key")
    caller = await open311.caller(db, key, network(request), needed=True)
    told = {name: values for name, values in form.items() if name != "api_key"}
    async with db.begin(caller, logs.request_id.get()) as tx:
        found = await open311.request(tx, told, network(request))
    return Response(written("service_requests", [found], xml=xml), media_type=XML if xml else JSON)


async def _asked(request: AnyRequest, id: str | None, *, xml: bool) -> Response[Any]:
    query = _query(request)
    db: Database = request.app.state.db
    open311.jurisdiction(_named(query, "jurisdiction_id"))
    key = _named(query, "api_key")
    caller = await open311.caller(db, key, network(request), needed=False)
    async with db.read(caller, logs.request_id.get()) as tx:
        found = await open311.many(tx, query) if id is None else await open311.one(tx, id)
    return _answer("service_requests", found, xml=xml, cached=key is None)


# --- discovery and services -----------------------------------------------------------------------


@get("/open311/discovery.json", verb=PUBLIC, operation="open311.discovery.json", tags=_TAGS)
async def discovery_json() -> Response[Discovery]:
    """ที่อยู่และรูปแบบข้อมูลของบริการ Open311 เป็น JSON
    Where Open311 is served, and in which formats."""
    return _answer("discovery", open311.discovery(), xml=False)


@get(
    "/open311/discovery.xml",
    verb=PUBLIC,
    operation="open311.discovery.xml",
    tags=_TAGS,
    media_type="text/xml",
)
async def discovery_xml() -> Response[str]:
    """ที่อยู่และรูปแบบข้อมูลของบริการ Open311 เป็น XML
    The same in XML."""
    return _answer("discovery", open311.discovery(), xml=True)


@get("/open311/v2/services.json", verb=PUBLIC, operation="open311.services.json", tags=_TAGS)
async def services_json(tx: InTx, jurisdiction_id: Argument = None) -> Response[list[Service]]:
    """ประเภทเรื่องที่แจ้งผ่าน Open311 ได้ เป็น JSON ไม่รวมเรื่องที่เป็นความลับ
    What can be complained about. Confidential categories are never in Open311."""
    open311.jurisdiction(jurisdiction_id)
    return _answer("services", await open311.services(tx), xml=False)


@get(
    "/open311/v2/services.xml",
    verb=PUBLIC,
    operation="open311.services.xml",
    tags=_TAGS,
    media_type="text/xml",
)
async def services_xml(tx: InTx, jurisdiction_id: Argument = None) -> Response[str]:
    """ประเภทเรื่องที่แจ้งผ่าน Open311 ได้ เป็น XML ไม่รวมเรื่องที่เป็นความลับ
    The same in XML."""
    open311.jurisdiction(jurisdiction_id)
    return _answer("services", await open311.services(tx), xml=True)


@get(
    "/open311/v2/services/{service:str}",
    verb=PUBLIC,
    operation="open311.service",
    tags=_TAGS,
)
async def service(
    tx: InTx, service: FromPath[str], jurisdiction_id: Argument = None
) -> Response[Any]:
    """คำถามของประเภทเรื่องหนึ่ง เป็น JSON หรือ XML
    What is asked of a complaint: `{service_code}.json` or `.xml`. The questions of the category,
    and `happened_at`."""
    code, xml = _format(service)
    open311.jurisdiction(jurisdiction_id)
    return _answer("service_definition", await open311.definition(tx, code), xml=xml)


# --- requests -------------------------------------------------------------------------------------


@post(
    "/open311/v2/requests.json",
    verb=PUBLIC,
    operation="open311.request.json",
    tags=_TAGS,
    status_code=200,
)
async def request_json(request: AnyRequest) -> Response[list[Received]]:
    """แจ้งเรื่องร้องเรียนแทนประชาชน ได้คำตอบเป็น JSON ต้องมี api_key
    Tells a complaint for a person; needs an `api_key`. The same form again on the same day is
    the same complaint, with the same answer.

    The token leads to the `service_request_id`; the notice holds the number and the tracking code
    for the person, this once. `media_url` is kept as text and never fetched.
    """
    return await _told(request, xml=False)


@post(
    "/open311/v2/requests.xml",
    verb=PUBLIC,
    operation="open311.request.xml",
    tags=_TAGS,
    status_code=200,
    media_type="text/xml",
)
async def request_xml(request: AnyRequest) -> Response[str]:
    """แจ้งเรื่องร้องเรียนแทนประชาชน ได้คำตอบเป็น XML ต้องมี api_key
    The same in XML."""
    return await _told(request, xml=True)


@get("/open311/v2/tokens/{token:str}", verb=PUBLIC, operation="open311.token", tags=_TAGS)
async def token(tx: InTx, token: FromPath[str], jurisdiction_id: Argument = None) -> Response[Any]:
    """หมายเลขเรื่องตามโทเค็นที่ได้รับเมื่อแจ้งเรื่อง เป็น JSON หรือ XML
    The `service_request_id` that a token leads to: `{token}.json` or `.xml`."""
    given, xml = _format(token)
    open311.jurisdiction(jurisdiction_id)
    found = await open311.of_token(tx, given)
    return _answer("service_requests", found, xml=xml, cached=False)


@get(
    "/open311/v2/requests.json",
    verb=PUBLIC,
    operation="open311.requests.json",
    tags=_TAGS,
)
async def requests_json(
    request: AnyRequest,
    jurisdiction_id: Argument = None,
    service_request_id: Argument = None,
    service_code: Argument = None,
    start_date: When = None,
    end_date: When = None,
    status: Argument = None,
    api_key: Argument = None,
) -> Response[list[ServiceRequest]]:
    """เรื่องร้องเรียนที่อนุมัติเผยแพร่แล้วของเดือนที่ผ่านไปแล้ว เป็น JSON
    Complaints that officers released, of months that are over, with the officers' words; the
    newest 1000 of at most 90 days. Lists are comma-separated.

    With an `api_key`, `service_request_id` also finds the status of what that program has sent.
    """
    return await _asked(request, None, xml=False)


@get(
    "/open311/v2/requests.xml",
    verb=PUBLIC,
    operation="open311.requests.xml",
    tags=_TAGS,
    media_type="text/xml",
)
async def requests_xml(
    request: AnyRequest,
    jurisdiction_id: Argument = None,
    service_request_id: Argument = None,
    service_code: Argument = None,
    start_date: When = None,
    end_date: When = None,
    status: Argument = None,
    api_key: Argument = None,
) -> Response[str]:
    """เรื่องร้องเรียนที่อนุมัติเผยแพร่แล้วของเดือนที่ผ่านไปแล้ว เป็น XML
    The same in XML."""
    return await _asked(request, None, xml=True)


@get(
    "/open311/v2/requests/{service_request:str}",
    verb=PUBLIC,
    operation="open311.requests.one",
    tags=_TAGS,
)
async def request_one(
    request: AnyRequest,
    service_request: FromPath[str],
    jurisdiction_id: Argument = None,
    api_key: Argument = None,
) -> Response[Any]:
    """เรื่องร้องเรียนหนึ่งเรื่องที่อนุมัติเผยแพร่แล้ว เป็น JSON หรือ XML
    One complaint: `{service_request_id}.json` or `.xml`. What is not public is not there."""
    id, xml = _format(service_request)
    return await _asked(request, id, xml=xml)


ROUTES = [
    *(discovery_json, discovery_xml, services_json, services_xml, service),
    *(request_json, request_xml, token, requests_json, requests_xml, request_one),
]
