"""The shapes of the OpenAPI document: types → schemas, under the names that are published.

`api.openapi` puts each type where it belongs; here all of them become components at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import inspect

from api.complaints.views import ComplaintLine
from api.evidence.model import Evidence
from api.factories.model import PhoneFactory
from api.inspection.checklists.model import ChecklistLine
from api.inspection.orders.views import CompanyOrder, Order
from api.inspection.visits.operations import FieldOperation
from api.inspection.visits.views import CompanyVisit, Visit
from api.notify.model import PulledMessage

REF = "#/components/schemas/{name}"
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
NAMES = {
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


class Book:
    """Collects types, and where their schemas belong, until all names are known."""

    def __init__(self, frame: dict[str, Any]) -> None:
        self.frame = frame
        self.places: list[tuple[dict[str, Any], Any, dict[str, Any]]] = []
        self.responses: dict[str, Any] = {}
        self.lacking: list[str] = []
        self.result_problems: list[str] = []
        self.receipt_problems: list[str] = []

    def put(self, place: dict[str, Any], kind: Any, more: dict[str, Any] | None = None) -> None:
        """`place["schema"]` becomes the schema of `kind`, and `more`."""
        self.places.append((place, kind, more or {}))

    def components(self) -> dict[str, Any]:
        kinds = [*(kind for _, kind, _ in self.places), *RECORDS.values(), FieldOperation]
        asked = [f"the parameter `{place.get('name')}`" for place, _, _ in self.places]
        self.lacking += (
            f"{where}: a time with a zone (api.clock.Moment, or AskedMoment in a query)"
            for where in _without_zone(kinds, asked)
        )
        schemas, parts = msgspec.json.schema_components(kinds, ref_template=REF)
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
                "items": {"$ref": REF.format(name="FieldOperation")},
            }
        for name in set(parts) & {"Result"}:
            listed = " · ".join(f"`{code}`" for code in sorted(self.result_problems))
            parts[name]["properties"]["problem"] = {
                "anyOf": [{"$ref": REF.format(name="Problem")}, {"type": "null"}],
                "description": f"Thai; `title_en` in English. One of {listed}",
            }
        for name in set(parts) & {"reader_bridge.messages.Receipt"}:
            listed = " · ".join(f"`{code}`" for code in sorted(self.receipt_problems))
            parts[name]["properties"]["refused"]["description"] = f"One of {listed}"
        if "Change" in parts:
            parts["Change"]["properties"]["kind"]["enum"] = sorted(RECORDS)
            parts["Change"]["properties"]["record"] = {
                "anyOf": [{"$ref": REF.format(name=k.__name__)} for k in RECORDS.values()],
                "description": "Of the type that `kind` names; missing where `gone`",
            }


def _without_zone(kinds: Sequence[Any], names: Sequence[str]) -> Iterator[str]:
    """`module.Struct.field` of each time that might lack its zone: msgspec says no format of it."""
    left = list(zip_longest(names, inspect.multi_type_info(kinds), fillvalue=""))
    seen: set[type] = set()
    while left:
        where, info = left.pop()
        if isinstance(info, inspect.DateTimeType) and not info.tz:
            yield where
        elif isinstance(info, inspect.StructType) and info.cls not in seen:
            seen.add(info.cls)
            name = f"{info.cls.__module__}.{info.cls.__qualname__}"
            left += [(f"{name}.{field.name}", field.type) for field in info.fields]
        elif isinstance(info, inspect.UnionType):
            left += [(where, kind) for kind in info.types]
        elif isinstance(info, inspect.TupleType):
            left += [(where, kind) for kind in info.item_types]
        elif isinstance(info, inspect.CollectionType):
            left.append((where, info.item_type))
        elif isinstance(info, inspect.DictType):
            left.append((where, info.value_type))
        elif isinstance(info, inspect.Metadata) and not (info.extra_json_schema or {}).get(
            "format"
        ):
            left.append((where, info.type))


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter that is there looks like: one that is left out is not null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _plain(name: str) -> str:
    """`Page_Visit_` → `VisitPage`; where names clash msgspec qualifies them, and
    `api.factories.model.Position` → `FactoriesPosition`.
    """
    if name in NAMES:
        return NAMES[name]
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
                node[key] = REF.format(name=names.get(old, old))
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
