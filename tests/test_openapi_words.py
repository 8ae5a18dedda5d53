"""What the OpenAPI document says in words, Thai first, and of times; what is missing is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from litestar.params import FromPath, FromQuery

from api.clock import Moment
from api.edge import DEPENDENCIES, InTx, get
from api.openapi import Lacking, document
from api.permissions import PUBLIC
from tests.test_openapi import DOCUMENT, OPERATIONS


def begins_in_thai(text: str) -> bool:
    return re.match("[\u0e01-\u0e5b]", text) is not None


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_is_told_in_thai_and_then_in_english(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    for text, between in ((operation["summary"], " · "), (operation["description"], "\n\n")):
        thai, _, english = text.partition(between)
        assert begins_in_thai(thai), text
        assert re.search("[a-z]", english) and not begins_in_thai(english), text


def _descriptions(node: Any) -> Iterator[str]:
    """Of the document, its tags, parameters, headers, bodies and answers; shapes speak English."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary") and isinstance(value, str):
                yield value
            elif key not in ("schema", "schemas", "value"):
                yield from _descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _descriptions(value)


def test_whatever_is_described_beside_shapes_is_described_in_thai_first() -> None:
    said = set(_descriptions(DOCUMENT))
    assert len(said) > 600
    lines = [line for text in said for line in (text.split("\n") if text[0] == "`" else [text])]
    assert [t for t in lines if not begins_in_thai(re.sub(r"^`[a-z0-9/-]+` ", "", t))] == []
    parameters = [p for _, _, o in OPERATIONS.values() for p in o.get("parameters", ())]
    assert [p for p in parameters if not p.keys() & {"description", "$ref"}] == []


def test_a_route_that_says_nothing_in_thai_is_named_with_its_place() -> None:
    @get("/v1/things", verb=PUBLIC, operation="thing.list")
    async def things(tx: InTx) -> None:
        """Things, in English only."""

    @get("/v1/things/{id:uuid}", verb=PUBLIC, operation="thing.read")
    async def thing(tx: InTx, id: FromPath[UUID]) -> None:
        """สิ่งของหนึ่งชิ้น"""

    @get("/v1/things/{thing:uuid}/parts", verb=PUBLIC, operation="thing.parts")
    async def parts(tx: InTx, thing: FromPath[UUID]) -> None:
        """ส่วนของสิ่งของ
        The parts of a thing."""

    with pytest.raises(Lacking) as told:
        document([things, thing, parts], DEPENDENCIES)
    lines = str(told.value).split("\n")
    assert "- the tag `thing`: its words, Thai first (openapi/frame.json, `tags`)" in lines
    words = "- thing.parts: words for its parameter `thing`, Thai first (openapi/frame.json"
    assert [line for line in lines if line.startswith(words)]
    for operation, handler in (("thing.list", "things"), ("thing.read", "thing")):
        assert re.search(
            rf"^- {operation}: .* in the docstring of {handler} \(\S*test_openapi_words\.py:\d+\)$",
            str(told.value),
            re.MULTILINE,
        ), told.value


class Meeting(msgspec.Struct):
    begins: list[datetime | None]
    ends: Moment


def test_a_time_that_might_lack_its_zone_is_named() -> None:
    @get("/v1/meetings/{visit:uuid}", verb=PUBLIC, operation="visit.meet")
    async def meet(tx: InTx, visit: FromPath[UUID], at: FromQuery[datetime]) -> list[Meeting]:
        """การนัดหมาย
        A meeting."""
        return []

    with pytest.raises(Lacking) as told:
        document([meet], DEPENDENCIES)
    zones = sorted(line for line in str(told.value).split("\n") if "zone" in line)
    wanted = "a time with a zone (api.clock.Moment, or AskedMoment in a query)"
    assert zones == [
        f"- {Meeting.__module__}.Meeting.begins: {wanted}",
        f"- the parameter `at`: {wanted}",
    ]


MOMENTS = re.compile("(.+_)?(at|until|since|datetime|due|as_of)")
DAYS = re.compile("(.+_)?(on|day|date)")
NO_TIMES = {("Document", "verify_at"), ("PartialDate", "day")}
"""An address, and a day of a month."""


def test_whatever_is_named_like_a_time_has_the_format_of_one() -> None:
    shapes = DOCUMENT["components"]["schemas"]
    fields = [(n, f, s) for n, p in shapes.items() for f, s in p.get("properties", {}).items()]
    for name, (_, _, operation) in OPERATIONS.items():
        asked = [p for p in operation.get("parameters", ()) if p.get("in") == "query"]
        fields += [(name, p["name"], p["schema"]) for p in asked]
    seen = 0
    for shape, field, schema in fields:
        kinds = [kind for kind in [schema, *schema.get("anyOf", ())] if "type" in kind]
        kinds = [kind for kind in kinds if kind["type"] == "string" and "enum" not in kind]
        if not kinds or (shape, field) in NO_TIMES:
            continue
        wanted = {"date-time"} if MOMENTS.fullmatch(field) else set()
        wanted |= {"date", "date-time"} if DAYS.fullmatch(field) else set()
        wanted |= {"date"} if wanted and field.endswith("until") else set()
        if wanted:
            seen += 1
            assert {kind.get("format") for kind in kinds} <= wanted, (shape, field, schema)
    assert seen > 150
