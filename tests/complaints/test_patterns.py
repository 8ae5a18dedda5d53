"""A line feed at the end, which Python's `$` lets pass, gets into no identifier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from api import ids
from api.complaints import categories, keeping, views
from api.complaints.categories import Option, Question
from api.complaints.desk import views as desk_views
from tests.complaints.conftest import tell
from tests.world import World, encode

GOOD = {"^[0-9]{2}$": "11", "^[0-9]{4}$": "1101", "^[a-z][a-z0-9_]{0,30}$": "kind"}
CHECKED_IN_CODE = {Option, Question}


def strings(kind: Any, of: type) -> Iterator[tuple[type, inspect.StrType]]:
    """Every type of text within `kind`, with the Struct that it belongs to."""
    if isinstance(kind, inspect.StrType):
        yield of, kind
    for name in ("type", "item_type", "key_type", "value_type"):
        if isinstance(inner := getattr(kind, name, None), inspect.Type):
            yield from strings(inner, of)
    for inner in (*getattr(kind, "types", ()), *getattr(kind, "item_types", ())):
        yield from strings(inner, of)


STRUCTS = sorted(
    {
        kind
        for module in (views, keeping, categories, desk_views)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    },
    key=lambda kind: (kind.__module__, kind.__name__),
)
PATTERNS = [
    (of, found.pattern, found.max_length)
    for kind in STRUCTS
    for field in inspect.type_info(kind).fields  # type: ignore[attr-defined]
    for of, found in strings(field.type, kind)
    if found.pattern is not None and not re.fullmatch(found.pattern, "a\n")
]


def test_there_are_patterns_to_look_at() -> None:
    assert {pattern for _, pattern, _ in PATTERNS} == GOOD.keys()


@pytest.mark.parametrize(("of", "pattern", "most"), PATTERNS)
def test_no_identifier_ends_in_a_line_feed(of: type, pattern: str, most: int | None) -> None:
    if of in CHECKED_IN_CODE:
        words = {"code": "kind", "th": "ก", "en": "a"} | (
            {"type": "text"} if of is Question else {}
        )
        assert msgspec.convert(words, of)
        with pytest.raises(msgspec.ValidationError, match="one line"):
            msgspec.convert(words | {"code": "kind\n"}, of)
    else:
        assert most == len(GOOD[pattern])


async def test_a_line_feed_at_the_end_is_refused_and_breaks_nothing(world: World) -> None:
    for path, query in (
        ("geojson", {"first_month": "2099-12\n"}),
        ("geojson", {"last_month": "2026-01\n"}),
        ("geojson", {"province": "11\n"}),
    ):
        found = await world.nobody.get(f"/v1/public/complaints.{path}", params=query)
        assert found.status_code == 422, (query, found.text)
    listed = await world.head.get("/v1/complaints", params={"province": "11\n"})
    assert listed.status_code == 422
    for place in ({"district": "1101\n"}, {"province": "11\n"}):
        refused = await tell(world.nobody, place=place)
        assert refused.status_code == 422, refused.text
        assert refused.json()["code"] == "ground/malformed"
    route = {"priority": 1, "province": "11\n", "to_kind": "diw"}
    put = world["administrator"].put
    answer = await put(f"/v1/complaint-routes/{ids.new()}", content=encode(route))
    assert answer.json()["code"] == "ground/malformed"
