"""The OpenAPI document: what the framework makes of the routes, finished in one place.

The framework finds paths and parameters. Bodies come from msgspec's own JSON Schema, which knows
tagged unions, forbidden fields and renamed ones; problems come from what each route declares.
What is written by hand (examples, headers, how to sign in) is openapi/frame.json. The result is
openapi/openapi.json, which is what the server serves.

Thai first, English second: what an operation does is told by its handler's docstring, whose first
line is Thai and the others English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from api import permissions, problems
from api.accounts.model import DeviceWiped, SessionEnded, TokenExpired, TokenRefused
from api.inspection.checklists.standard import Standard
from api.permissions import PUBLIC
from api.problems import Problem
from api.shapes import REF, Book

FOLDER = Path(__file__).resolve().parent.parent / "openapi"
PROBLEM_TYPE = "application/problem+json"
_SIGN_IN = (problems.SignInNeeded, TokenRefused, TokenExpired, SessionEnded, DeviceWiped)

THAI = re.compile("[\u0e01-\u0e5b]")
_LIMITS = ("default", "minimum", "maximum", "minLength", "maxLength", "pattern")
_OAUTH_JSON = ("oauth.token", "oauth.revoke")
_HTML = {"schema": {"type": "string"}}
_ANSWERS: dict[str, Any] = {"checklist.read": Standard}


class Lacking(Exception):
    """The document is not what it should be; the text names each thing that is missing, and where
    it is written."""


class _Opaque(OpenAPISchemaPlugin):
    """Keeps the framework away from Structs: msgspec describes them."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of(msgspec.Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        return Schema(type=OpenAPIType.OBJECT)


def document(routes: Sequence[Any], dependencies: dict[str, Any]) -> dict[str, Any]:
    """The finished document of `routes`, the same for the same code."""
    config = OpenAPIConfig(title="Super App", version="1", use_handler_docstrings=True)
    app = Litestar(
        list(routes),
        dependencies=dependencies,
        openapi_config=config,
        plugins=[_Opaque()],
        logging_config=None,
    )
    found = app.openapi_schema.to_schema()
    handlers = dict(_handlers(app))
    book = Book(msgspec.json.decode((FOLDER / "frame.json").read_bytes()))
    used: set[str] = set()
    for item in found["paths"].values():
        for operation in item.values():
            _finish(operation, handlers[operation["operationId"]], book)
            used |= set(operation.get("tags", ()))
    info, tags = book.frame["info"], book.frame["tags"]
    book.lacking += [
        f"the tag `{tag}`: its words, Thai first (openapi/frame.json, `tags`)"
        for tag in sorted(used)
        if not THAI.match(tags.get(tag, ""))
    ]
    found["paths"] = {path: item for path, item in found["paths"].items() if item}
    found["info"] = info | {"description": "\n".join(info["description"])}
    found["servers"] = book.frame["servers"]
    found["tags"] = [{"name": tag, "description": tags.get(tag)} for tag in sorted(used)]
    found["components"] = book.components()
    if book.lacking:
        raise Lacking("The document lacks:\n- " + "\n- ".join(book.lacking))
    return found


def _handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    yield str(handler.operation_id), handler


def _finish(operation: dict[str, Any], handler: HTTPRouteHandler, book: Book) -> None:
    verb = handler.opt.get("verb", PUBLIC)
    thai, english = _told(handler, book)
    first = re.split(r"(?<=[.;:]) ", english)[0].rstrip(".;:")
    operation["summary"] = f"{thai} · {first}"
    operation["description"] = f"{thai}\n\n{english}"
    if verb == PUBLIC:
        operation["security"] = []
    else:
        operation["security"] = [{"bearer": []}, {"oauth2": []}]
        roles = permissions.PERMISSIONS[verb]
        operation["x-permission"] = {
            "verb": verb,
            "roles": {role.value: roles[role].value for role in permissions.Role if role in roles},
        }
    _body(operation, handler, book)
    parameters = [_parameter(p, handler, book) for p in operation.get("parameters", ())]
    declared: list[type[Problem]] = list(handler.opt.get("problems", ()))
    if problems.Stale in declared:
        parameters.append({"$ref": "#/components/parameters/IfMatch"})
    for named in handler.opt.get("parameters", ()):
        parameters.append({"$ref": f"#/components/parameters/{named}"})
    if parameters:
        operation["parameters"] = parameters
    book.result_problems += [p.code for p in handler.opt.get("result_problems", ())]
    book.receipt_problems += [p.code for p in handler.opt.get("receipt_problems", ())]
    answers = _success(operation, handler, book)
    answers |= _refusals(operation, verb, declared, book)
    for status, answer in answers.items():
        if "$ref" not in answer:
            answer.setdefault("headers", {})
            answer["headers"]["X-Request-Id"] = {"$ref": "#/components/headers/RequestId"}
        operation["responses"] = operation["responses"] | {status: answer}


def _told(handler: HTTPRouteHandler, book: Book) -> tuple[str, str]:
    """What the docstring says in Thai, its first line, and in English, the others."""
    thai, _, rest = (handler.fn.__doc__ or "").strip().partition("\n")
    english = " ".join(rest.split())
    if not THAI.match(thai) or not english or THAI.match(english):
        code = handler.fn.__code__
        place = f"{'/'.join(handler.fn.__module__.split('.'))}.py:{code.co_firstlineno}"
        book.lacking.append(
            f"{handler.operation_id}: a line in Thai, then English, in the docstring of"
            f" {code.co_name} ({place})"
        )
    return thai, english


def _parameter(found: dict[str, Any], handler: HTTPRouteHandler, book: Book) -> dict[str, Any]:
    """The framework's parameter without noise, with the limits that msgspec's Meta sets.

    A name means the same everywhere, so its words stand in one place.
    """
    given, operation = found["schema"], str(handler.operation_id)
    parameter = {k: found[k] for k in ("name", "in", "required") if found.get(k)}
    words = book.frame["parameters"]
    said = words.get(f"{operation} {found['name']}") or words.get(found["name"], "")
    parameter["description"] = found.get("description") or said
    if not THAI.match(parameter["description"]):
        book.lacking.append(
            f"{operation}: words for its parameter `{found['name']}`, Thai first"
            f" (openapi/frame.json, `parameters`: `{found['name']}`, or"
            f" `{operation} {found['name']}` for it alone)"
        )
    hints: dict[Any, Any] = get_type_hints(handler.fn, include_extras=True)
    for provided in (handler.dependencies or {}).values():
        hints |= get_type_hints(getattr(provided, "dependency", provided), include_extras=True)
    for hint in list(hints.values()):
        for said in getattr(hint, "__metadata__", ()):
            hints[getattr(said, "name", None)] = hint  # a parameter under another name
    if found["in"] == "query" and found["name"] in hints:
        more = {name: given[name] for name in _LIMITS if given.get(name) is not None}
        book.put(parameter, hints[found["name"]], more)
    else:
        parameter["schema"] = given
    return parameter


def _body(operation: dict[str, Any], handler: HTTPRouteHandler, book: Book) -> None:
    name = operation["operationId"]
    field = handler.parsed_fn_signature.parameters.get("data")
    kind: Any = field.annotation if field else handler.opt.get("body")
    if name in book.frame["bodies"]:
        operation["requestBody"] = {"required": True, "content": book.frame["bodies"][name]}
    elif kind is not None:
        given = operation.get("requestBody") or {"content": {"application/json": {}}}
        (media,) = given["content"]
        content: dict[str, Any] = {}
        book.put(content, kind)
        if examples := book.frame["examples"].get(name, {}).get("request"):
            content["examples"] = examples
        operation["requestBody"] = {"required": True, "content": {media: content}}
        if "body" in handler.opt:
            operation["requestBody"]["description"] = (
                "ส่งแบบ `Content-Encoding: gzip` ได้ ไม่เกิน 8 MiB เมื่อคลายแล้ว ·"
                " May come with `Content-Encoding: gzip`; at most 8 MiB after unpacking"
            )


def _success(
    operation: dict[str, Any], handler: HTTPRouteHandler, book: Book
) -> dict[str, dict[str, Any]]:
    name, status = operation["operationId"], str(handler.status_code)
    operation["responses"] = {}
    operation.pop("deprecated", None)
    if name in book.frame["answers"]:
        found = {code: dict(answer) for code, answer in book.frame["answers"][name].items()}
        if listed := [f"`{p.code}`" for p in handler.opt.get("redirect_problems", ())]:
            found["302"]["description"] += "; where it fails, `problem` is " + " · ".join(listed)
        return found
    kind: Any = _ANSWERS.get(name) or handler.parsed_fn_signature.return_type.annotation
    if get_origin(kind) is Response:
        (kind,) = get_args(kind)
    if kind in (None, type(None)):
        return {status: {"description": "เรียบร้อย · Done"}}
    content: dict[str, Any] = {}
    book.put(content, kind)
    if examples := book.frame["examples"].get(name, {}).get("response"):
        content["examples"] = examples
    media = str(getattr(handler.media_type, "value", handler.media_type) or "application/json")
    found = {status: {"description": "ตามที่ขอ · As asked", "content": {media: content}}}
    if "etag" in handler.opt:
        found["304"] = {
            "description": "ยังเหมือนเดิมตาม If-None-Match · It is still what If-None-Match names"
        }
    return found


def _refusals(
    operation: dict[str, Any], verb: str, declared: list[type[Problem]], book: Book
) -> dict[str, Any]:
    """Status → answer, for every problem that the route may answer."""
    found = list(declared)
    if verb != PUBLIC:
        found += [*_SIGN_IN, problems.NotAllowed]
    if "requestBody" in operation:
        found += [problems.Refused, problems.TooLarge, problems.Malformed]
    if operation.get("parameters"):
        found.append(problems.Malformed)
    if any(p.get("in") == "path" for p in operation.get("parameters", ())):
        found.append(problems.NoSuchPlace)
    found.append(problems.Overloaded)
    if operation["operationId"].startswith("open311."):
        return _open311_refusals(operation)
    if operation["operationId"] in _OAUTH_JSON:
        return _oauth_refusals(found, book)
    by_status: dict[int, dict[str, type[Problem]]] = {}
    for problem in found:
        by_status.setdefault(problem.status, {})[problem.code] = problem
    answers = {
        str(status): book_response(book, status, [kinds[code] for code in sorted(kinds)])
        for status, kinds in sorted(by_status.items())
    }
    if operation["operationId"].startswith("oauth."):
        for answer in answers.values():
            if "content" in answer:
                answer["content"]["text/html"] = _HTML
    return answers | {"500": book_response(book, 500, [])}


def _oauth_refusals(found: list[type[Problem]], book: Book) -> dict[str, Any]:
    """RFC 6749 §5.2: everything is 400 with `error`, but too many and unavailable."""
    answers: dict[str, Any] = {}
    for problem in sorted(found, key=lambda p: p.code):
        status = str(problem.status if problem.status in (429, 503) else 400)
        answer = answers.setdefault(
            status,
            {
                "description": "",
                "content": {
                    "application/json": {"schema": {"$ref": REF.format(name="OAuthProblem")}}
                },
            },
        )
        answer["description"] = "\n".join(filter(None, [answer["description"], _line(problem)]))
    return answers | {"500": book_response(book, 500, [])}


def _open311_refusals(operation: dict[str, Any]) -> dict[str, Any]:
    """GeoReport v2: one form for all errors, in the format of the address."""
    name = operation["operationId"]
    content: dict[str, Any] = {}
    if not name.endswith(".xml"):
        content["application/json"] = {"schema": {"$ref": REF.format(name="Open311Errors")}}
    if not name.endswith(".json"):
        content["text/xml"] = {"schema": {"type": "string"}}
    return {status: {"description": said, "content": content} for status, said in _OPEN311.items()}


_FAULT = "ระบบขัดข้อง เจ้าหน้าที่ได้รับแจ้งแล้ว · Our fault; it is logged"
_OPEN311 = {
    "400": "คำขอไม่ถูกต้องด้วยเหตุอื่น · Whatever else is wrong with the request",
    "403": "ไม่มี api_key หรือ api_key ใช้ไม่ได้ หรือระบบไม่รับเรื่องจากผู้ส่งนี้ ·"
    " The api_key is missing, wrong or ended, or nothing is taken from this sender",
    "404": "ไม่พบเขตบริการ ประเภทเรื่อง โทเค็น หรือเรื่องที่ขอ ·"
    " No such jurisdiction, service, token or request",
    "429": "คำขอถี่เกินไป Retry-After บอกเวลาที่ให้กลับมา ·"
    " Too many requests; Retry-After says when to come back",
    "500": _FAULT,
    "503": "ระบบไม่พร้อมชั่วคราว ไม่มีการบันทึก · Temporarily unavailable; nothing was stored",
}


def book_response(book: Book, status: int, kinds: list[type[Problem]]) -> dict[str, Any]:
    """One answer that names its codes; those of the ground alone are shared components."""
    codes = [kind.code for kind in kinds] or ["ground/fault"]
    named = {"code": {"enum": codes}, "status": {"const": status}}
    answer: dict[str, Any] = {
        "description": "\n".join(map(_line, kinds)) or f"`ground/fault` {_FAULT}",
        "content": {
            PROBLEM_TYPE: {
                "schema": {
                    "allOf": [{"$ref": REF.format(name="Problem")}],
                    "type": "object",
                    "properties": named,
                }
            }
        },
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
    }
    if status in (429, 503):
        answer["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if status == 401:
        answer["headers"]["WWW-Authenticate"] = {"$ref": "#/components/headers/WwwAuthenticate"}
    shared = status in (401, 500) or all(code.startswith("ground/") for code in codes)
    if not shared or status == 404:
        return answer
    always = [kind.code for kind in _SIGN_IN]
    name = "_".join([str(status), *(c.partition("/")[2] for c in codes if c not in always)])
    book.responses[name] = answer
    return {"$ref": f"#/components/responses/{name}"}


def _line(kind: type[Problem]) -> str:
    return f"`{kind.code}` {kind.th} · {kind.en}"
