"""The OpenAPI document: what the framework makes of the routes, finished in one place.

The framework finds paths and parameters. Bodies come from msgspec's own JSON Schema, which knows
tagged unions, forbidden fields and renamed ones; problems come from what each route declares.
What is written by hand (examples, headers, how to sign in) is openapi/frame.json. The result is
openapi/openapi.json, which is what the server serves.
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
from api.complaints.views import ComplaintLine
from api.evidence.model import Evidence
from api.factories.model import PhoneFactory
from api.inspection.checklists.model import ChecklistLine
from api.inspection.checklists.standard import Standard
from api.inspection.orders.views import CompanyOrder, Order
from api.inspection.visits.operations import FieldOperation
from api.inspection.visits.views import CompanyVisit, Visit
from api.notify.model import PulledMessage
from api.permissions import PUBLIC
from api.problems import Problem

FOLDER = Path(__file__).resolve().parent.parent / "openapi"
PROBLEM_TYPE = "application/problem+json"
_REF = "#/components/schemas/{name}"
_SIGN_IN = (problems.SignInNeeded, TokenRefused, TokenExpired, SessionEnded, DeviceWiped)

_LIMITS = ("default", "minimum", "maximum", "minLength", "maxLength", "pattern")
_OAUTH_JSON = ("oauth.token", "oauth.revoke")
_HTML = {"schema": {"type": "string"}}
RECORDS: dict[str, Any] = {
    "visit": Visit,
    "company_visit": CompanyVisit,
    "order": Order,
    "company_order": CompanyOrder,
    "factory": PhoneFactory,
    "checklist": ChecklistLine,
    "evidence": Evidence,
    "message": PulledMessage,
    "complaint": ComplaintLine,
}
"""What a phone pulls, by kind; the feed encodes it by hand."""
_NAMES = {
    "api.accounts.fresh_model.Ticket": "Ticket",
    "api.complaints.open311.format.Received": "Open311FormatReceived",
    "api.complaints.public.service.About": "PublicAbout",
    "api.complaints.subjects.views.Office": "SubjectViewsOffice",
    "api.complaints.subjects.views.Reason": "SubjectViewsReason",
    "api.inspection.orders.views.Missing": "Missing",
    "api.inspection.visits.operations.Answer": "Answer",
    "api.inspection.visits.operations.Position": "Position",
    "api.sync.model.Receipt": "Receipt",
    "reader_bridge.messages.Missing": "BridgeMissing",
    "reader_bridge.messages.Receipt": "BridgeReceipt",
    "reader_bridge.messages.Ticket": "BridgeTicket",
}
"""Names that stay as they were published, wherever their file lies."""
_ANSWERS: dict[str, Any] = {"checklist.read": Standard}


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
    book = _Book()
    used: set[str] = set()
    for item in found["paths"].values():
        for operation in item.values():
            _finish(operation, handlers[operation["operationId"]], book)
            used |= set(operation.get("tags", ()))
    found["paths"] = {path: item for path, item in found["paths"].items() if item}
    info, tags = book.frame["info"], book.frame["tags"]
    found["info"] = info | {"description": "\n".join(info["description"])}
    found["servers"] = book.frame["servers"]
    found["tags"] = [{"name": tag, "description": tags.get(tag, tag)} for tag in sorted(used)]
    found["components"] = book.components()
    return found


def _handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    yield str(handler.operation_id), handler


class _Book:
    """Collects types, and where their schemas belong, until all names are known."""

    def __init__(self) -> None:
        self.places: list[tuple[dict[str, Any], Any, dict[str, Any]]] = []
        self.responses: dict[str, Any] = {}
        self.frame: dict[str, Any] = msgspec.json.decode((FOLDER / "frame.json").read_bytes())
        self.result_problems: list[str] = []
        self.receipt_problems: list[str] = []

    def put(self, place: dict[str, Any], kind: Any, more: dict[str, Any] | None = None) -> None:
        """`place["schema"]` becomes the schema of `kind`, and `more`."""
        self.places.append((place, kind, more or {}))

    def components(self) -> dict[str, Any]:
        kinds = [*(kind for _, kind, _ in self.places), *RECORDS.values(), FieldOperation]
        schemas, parts = msgspec.json.schema_components(kinds, ref_template=_REF)
        for (place, _, more), schema in zip(self.places, schemas, strict=False):
            place["schema"] = _given(schema) | more if place.get("in") else schema
        names = {name: _plain(name) for name in parts}
        if len(set(names.values())) != len(names):
            raise TypeError(f"two components would have one name: {names}")
        self._tie(parts, schemas[-1])
        parts = {names[name]: _tidy(schema) for name, schema in parts.items()}
        frame: dict[str, Any] = self.frame["components"]
        parts |= frame["schemas"] | {"FieldOperation": schemas[-1]}
        for spot in [*(place for place, _, _ in self.places), parts]:
            _rename(spot, names)
        return frame | {"schemas": parts, "responses": self.responses}

    def _tie(self, parts: dict[str, Any], operation: dict[str, Any]) -> None:
        """What msgspec cannot know: the content of bytes that are decoded by hand."""
        if "Push" in parts:
            parts["Push"]["properties"]["operations"] = {
                "type": "array",
                "maxItems": 50,
                "items": {"$ref": _REF.format(name="FieldOperation")},
            }
        for name in set(parts) & {"Result"}:
            listed = " · ".join(f"`{code}`" for code in sorted(self.result_problems))
            parts[name]["properties"]["problem"] = {
                "anyOf": [{"$ref": _REF.format(name="Problem")}, {"type": "null"}],
                "description": f"Thai; `title_en` in English. One of {listed}",
            }
        for name in set(parts) & {"reader_bridge.messages.Receipt"}:
            listed = " · ".join(f"`{code}`" for code in sorted(self.receipt_problems))
            parts[name]["properties"]["refused"]["description"] = f"One of {listed}"
        if "Change" in parts:
            parts["Change"]["properties"]["kind"]["enum"] = sorted(RECORDS)
            parts["Change"]["properties"]["record"] = {
                "anyOf": [{"$ref": _REF.format(name=k.__name__)} for k in RECORDS.values()],
                "description": "Of the type that `kind` names; missing where `gone`",
            }


def _finish(operation: dict[str, Any], handler: HTTPRouteHandler, book: _Book) -> None:
    name, verb = operation["operationId"], handler.opt.get("verb", PUBLIC)
    said = " ".join((handler.fn.__doc__ or "").split())
    operation["summary"] = re.split(r"(?<=[.;:]) ", said)[0].rstrip(".;:") or name
    operation["description"] = said
    if thai := book.frame["thai"].get(name):
        operation["summary"] = f"{thai} · {operation['summary']}"
        operation["description"] = f"{thai}\n\n{said}"
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


def _parameter(found: dict[str, Any], handler: HTTPRouteHandler, book: _Book) -> dict[str, Any]:
    """The framework's parameter without noise, with the limits that msgspec's Meta sets."""
    given = found["schema"]
    parameter = {k: found[k] for k in ("name", "in", "required", "description") if found.get(k)}
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


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter that is there looks like: one that is left out is not null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _body(operation: dict[str, Any], handler: HTTPRouteHandler, book: _Book) -> None:
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
                "May come with `Content-Encoding: gzip`; at most 8 MiB after unpacking"
            )


def _success(
    operation: dict[str, Any], handler: HTTPRouteHandler, book: _Book
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
        return {status: {"description": "Done"}}
    content: dict[str, Any] = {}
    book.put(content, kind)
    if examples := book.frame["examples"].get(name, {}).get("response"):
        content["examples"] = examples
    media = str(getattr(handler.media_type, "value", handler.media_type) or "application/json")
    found = {status: {"description": "As asked", "content": {media: content}}}
    if "etag" in handler.opt:
        found["304"] = {"description": "It is still what If-None-Match names"}
    return found


def _refusals(
    operation: dict[str, Any], verb: str, declared: list[type[Problem]], book: _Book
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


def _oauth_refusals(found: list[type[Problem]], book: _Book) -> dict[str, Any]:
    """RFC 6749 §5.2: everything is 400 with `error`, but too many and unavailable."""
    answers: dict[str, Any] = {}
    for problem in sorted(found, key=lambda p: p.code):
        status = str(problem.status if problem.status in (429, 503) else 400)
        answer = answers.setdefault(
            status,
            {
                "description": "",
                "content": {
                    "application/json": {"schema": {"$ref": _REF.format(name="OAuthProblem")}}
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
        content["application/json"] = {"schema": {"$ref": _REF.format(name="Open311Errors")}}
    if not name.endswith(".json"):
        content["text/xml"] = {"schema": {"type": "string"}}
    return {status: {"description": said, "content": content} for status, said in _OPEN311.items()}


_OPEN311 = {
    "400": "Whatever else is wrong with the request",
    "403": "The api_key is missing, wrong or ended, or nothing is taken from this sender",
    "404": "No such jurisdiction, service, token or request",
    "429": "Too many requests; Retry-After says when to come back",
    "500": "Our fault; it is logged",
    "503": "Temporarily unavailable; nothing was stored",
}


def book_response(book: _Book, status: int, kinds: list[type[Problem]]) -> dict[str, Any]:
    """One answer that names its codes; those of the ground alone are shared components."""
    codes = [kind.code for kind in kinds] or ["ground/fault"]
    named = {"code": {"enum": codes}, "status": {"const": status}}
    answer: dict[str, Any] = {
        "description": "\n".join(map(_line, kinds)) or "`ground/fault` Our fault; it is logged",
        "content": {
            PROBLEM_TYPE: {
                "schema": {
                    "allOf": [{"$ref": _REF.format(name="Problem")}],
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
    return f"`{kind.code}` {kind.en}"


# --- names and small parts ------------------------------------------------------------------------


def _plain(name: str) -> str:
    """`Page_Visit_` → `VisitPage`; where names clash msgspec qualifies them, and
    `api.factories.model.Position` → `FactoriesPosition`.
    """
    if name in _NAMES:
        return _NAMES[name]
    if found := re.fullmatch(r"([A-Za-z]+)_([\w.]+)_", name):
        return _plain(found[2]) + found[1]
    *path, last = name.split(".")
    room = path[-2] if path and path[-1] == "model" else path[-1] if path else ""
    return room.title().replace("_", "") + last


def _rename(node: Any, names: dict[str, str]) -> None:
    """Points every reference below `node` to the plain name."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and value.startswith("#/components/schemas/"):
                old = value.rpartition("/")[2]
                node[key] = _REF.format(name=names.get(old, old))
            else:
                _rename(value, names)
    elif isinstance(node, list):
        for value in node:
            _rename(value, names)


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema
