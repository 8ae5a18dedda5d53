"""The list of factories: one statement put together from the filters that were given.

Three ways in, each with an index of its own: by name (`premises_by_name`, `premises_by_province`,
`premises_search`), by nearness (`premises_near`), by number (unique). Keyset paging by the Thai
sort key and the id, or by distance and the id. Struck-off sites are five of six and have no index
by name: they are listed only when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import cursors
from api.cursors import CursorInvalid
from api.db import Tx
from api.factories import earth
from api.factories.model import Filters, Status


class Found(msgspec.Struct):
    """A site of a list; `key` is what the list is ordered by: a sort key or a straight distance."""

    id: UUID
    name: str
    province: str
    district: str | None
    subdistrict: str | None
    lat: float | None
    lng: float | None
    registered: bool
    name_key: str
    chord: float | None


class After(msgspec.Struct, array_like=True):
    """Where a page ends: the order (name or distance) and the row that came last."""

    order: str
    key: str
    chord: float
    id: UUID


_COLUMNS = (
    "p.id, p.name, p.province, p.district, p.subdistrict, p.lat, p.lng, p.registered, p.name_key"
)


class _Statement:
    """Conditions with their arguments, numbered as they come."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.arguments: list[Any] = []

    def add(self, condition: str, *arguments: Any) -> None:
        """`condition` with a `{}` for each argument."""
        numbers = []
        for argument in arguments:
            self.arguments.append(argument)
            numbers.append(f"${len(self.arguments)}")
        self.conditions.append(condition.format(*numbers))


def statement(
    filters: Filters, after: After | None, limit: int, of: Sequence[UUID] | None = None
) -> tuple[str, list[Any]]:
    """The SQL and its arguments. `of` limits the list to these premises (those of a number)."""
    s = _Statement()
    s.add("p.merged_into is null")
    if of is not None:
        s.add("p.id = any({}::uuid[])", list(of))
    elif filters.status is Status.struck_off:
        s.add("not p.live")
    else:
        s.add("p.live")
    if filters.province is not None:
        s.add("p.province = {}", filters.province)
    if filters.district is not None:
        s.add("p.district = {}", filters.district)
    for word in filters.words:
        s.add("p.search like {}", f"%{_literal(word)}%")
    _of_licence(s, filters)
    if filters.near is not None:
        return _nearest(s, filters.near, after, limit)
    if after is not None:
        s.add('(p.name_key, p.id) > ({} collate "C", {})', after.key, after.id)
    s.arguments.append(limit)
    # The inner list can be had from the index alone; only a page of rows is fetched.
    return (
        f"select {_COLUMNS}, null::float8 from ("  # noqa: S608
        f"select p.id, p.name_key from premises p where {' and '.join(s.conditions)}"
        f" order by p.name_key, p.id limit ${len(s.arguments)}) page"
        " join premises p on p.id = page.id order by p.name_key, p.id",
        s.arguments,
    )


def _of_licence(s: _Statement, filters: Filters) -> None:
    wanted: list[tuple[str, Any]] = []
    if filters.licence_class is not None:
        wanted.append(("l.licence_class = {}", filters.licence_class))
    if filters.status is not None:
        wanted.append(("l.status = {}", filters.status.value))
    if filters.category is not None and len(filters.category) == 5:
        wanted.append(("l.category = {}", filters.category))
    elif filters.category is not None:
        # A main number finds its sub-categories too; codes are digits, so text order is theirs.
        s.arguments += [f"{filters.category}00", f"{filters.category}99"]
        n = len(s.arguments)
        wanted.append((f"l.category between ${n - 1} and ${n}", None))
    if not wanted:
        return
    parts = []
    for condition, argument in wanted:
        if argument is not None:
            s.arguments.append(argument)
        parts.append(condition.format(f"${len(s.arguments)}"))
    s.conditions.append(
        "exists (select from licence l where l.premises_id = p.id and " + " and ".join(parts) + ")"
    )


def _nearest(
    s: _Statement, near: tuple[float, float, float], after: After | None, limit: int
) -> tuple[str, list[Any]]:
    lat, lng, radius = near
    s.arguments.append(list(earth.point(lat, lng)))
    here = f"cube(${len(s.arguments)}::float8[])"
    s.add(f"p.earth <@ cube_enlarge({here}, {{}}, 3)", earth.chord(radius))
    s.add(f"(p.earth <-> {here}) <= {{}}", earth.chord(radius))
    if after is not None:
        s.add(f"(p.earth <-> {here}, p.id) > ({{}}, {{}})", after.chord, after.id)
    s.arguments.append(limit)
    return (
        f"select {_COLUMNS}, p.earth <-> {here} from premises p"  # noqa: S608
        f" where {' and '.join(s.conditions)}"
        f" order by p.earth <-> {here} limit ${len(s.arguments)}",
        s.arguments,
    )


def _literal(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def find(
    tx: Tx,
    filters: Filters,
    cursor: str | None,
    limit: int,
    of: Sequence[UUID] | None = None,
) -> tuple[list[Found], str | None]:
    """A page and the cursor of the next; raises `CursorInvalid`."""
    order = "near" if filters.near else "name"
    after = read_cursor(cursor, order) if cursor else None
    sql, arguments = statement(filters, after, limit + 1, of)
    if filters.words:
        # A frequent word is best found along the names, a rare one by its trigrams: the plan has
        # to know which word it is.
        async with tx.savepoint():
            await tx.value("select set_config('plan_cache_mode', 'force_custom_plan', true)")
            rows = await tx.all(Found, sql, *arguments)
    else:
        rows = await tx.all(Found, sql, *arguments)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], cursors.write(After(order, last.name_key, last.chord or 0.0, last.id))


def read_cursor(text: str, order: str) -> After:
    after = cursors.read(text, After)
    if after.order != order or "\0" in after.key:
        raise CursorInvalid()
    return after
