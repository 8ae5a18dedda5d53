"""Every statement against the real schema: may the server run it, and does its row fit the Struct.

A Struct is built by position (`Struct(*row)`), so a swapped column would go unnoticed until a
value of the wrong meaning is shown. Here it is a failure that names file and line.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api.db import Database
from api.factories import search
from api.factories.model import Filters, Status
from api.settings import Settings
from tests.statements import Column, Statement, Unread, describe, scan

FOUND = list(scan())
STATEMENTS = [s for s in FOUND if isinstance(s, Statement)]
ROWS = [s for s in STATEMENTS if s.kind is not None]
KNOWN_DYNAMIC = {"api/factories/search.py", "api/cli.py"}
"""The search's SQL depends on what is asked (`test_every_search…` plans it); the other has none."""
OWNERS = {
    *(("api/accounts/seed.py", ""), ("api/factories/seed.py", ""), ("api/places.py", "load")),
    ("api/evidence/claims.py", "seal_old"),
}
"""(file, function): written by the role that owns the tables, such as reference data."""
SERVERS = [s for s in STATEMENTS if not {(s.file, ""), (s.file, s.function)} & OWNERS]

PYTHON: dict[str, tuple[type, ...]] = {
    "uuid": (UUID,),
    "text": (str,),
    "varchar": (str,),
    "bpchar": (str,),
    "name": (str,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int, float),
    "float4": (float,),
    "float8": (float,),
    "numeric": (Decimal,),
    "bool": (bool,),
    "timestamptz": (datetime,),
    "date": (date,),
    "time": (time,),
    "interval": (timedelta,),
    "jsonb": (str,),
    "json": (str,),
    "bytea": (bytes,),
    "void": (str,),
}

NOT_NULL_BY_CONDITION: dict[tuple[str, str], str] = {
    ("OfficerCard", "account"): "officer_card asks for the officer of an account",
    ("CaseOfficer", "account"): "it is one of those asked for",
    ("OfficerName", "account"): "it is one of those asked for",
    ("Part", "size"): "where size is not null",
    ("Published", "th"): "where released_at is not null, with which it is null together",
    ("Told", "account"): "where account is not null",
    ("_Open", "account"): "only of an account's files a position or name was kept",
    ("SignedOrder", "number"): "where number is not null",
    ("SignedOrder", "signed_at"): "legal_order_signed: with its number",
    ("SignedOrder", "content_hash"): "legal_order_signed: with its number",
    ("SignedOrder", "signed_content"): "legal_order_signed: with its number",
}
"""(Struct, field) that a nullable column never leaves empty, and the condition that sees to it."""


class Schema(typing.NamedTuple):
    types: Mapping[int, tuple[str, int]]  # oid → (name, oid of the element or 0)
    nullable: Mapping[tuple[int, int], bool]  # (table, column) → may be null
    columns: Mapping[str, list[Column]]  # SQL → its result columns


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def schema(conf: Settings, db: Database) -> Schema:
    async with db.pool.acquire() as connection:
        kinds = await connection.fetch("select oid, typname, typelem, typcategory from pg_type")
        attributes = await connection.fetch(
            "select attrelid, attnum, attnotnull from pg_attribute where attnum > 0"
        )
    texts = sorted({s.sql for s in STATEMENTS})
    described = await describe(conf.database_url, texts)
    return Schema(
        {r["oid"]: (r["typname"], r["typelem"] if r["typcategory"] == b"A" else 0) for r in kinds},
        {(r["attrelid"], r["attnum"]): not r["attnotnull"] for r in attributes},
        dict(zip(texts, described, strict=True)),
    )


def test_every_statement_is_a_literal_that_can_be_read_beside_its_arguments() -> None:
    elsewhere = [u for u in FOUND if isinstance(u, Unread) and u.file not in KNOWN_DYNAMIC]
    assert not elsewhere, "SQL built at run time:\n" + "\n".join(
        f"  {u.file}:{u.line}: {u.code}" for u in elsewhere
    )
    assert len(STATEMENTS) > 100  # the scan itself still finds them


@pytest.mark.parametrize("statement", SERVERS, ids=lambda s: s.place)
async def test_the_servers_own_role_may_run_it(db: Database, statement: Statement) -> None:
    async with db.pool.acquire() as connection:
        assert await connection.fetchval("select current_user") == "superapp_app"
        # Unlike preparing, planning an EXPLAIN checks privileges.
        await connection.execute("explain (generic_plan) " + statement.sql)


@pytest.mark.parametrize("statement", ROWS, ids=lambda s: s.place)
def test_its_row_fits_its_struct_field_by_field(schema: Schema, statement: Statement) -> None:
    columns, fields = schema.columns[statement.sql], _fields(statement.kind)
    names = list(fields)
    told = f"{statement.place} → {statement.kind.__name__}"
    shown = f"columns {[c.name for c in columns]}\n  fields  {names}"
    least = len(names) - len(_defaults(statement.kind))
    assert least <= len(columns) <= len(names), f"{told}: other number\n  {shown}"
    for column, (name, hint) in zip(columns, fields.items(), strict=False):
        plain = column.name.rstrip("_")
        if plain != name.rstrip("_"):
            others = {other.rstrip("_") for other in names}
            wrong = f"`{column.name}` stands where `{name}` is"
            assert plain not in others, f"{told}: {wrong}\n  {shown}"
        kind = schema.types[column.type]
        assert _fits(kind, schema, hint), f"{told}: `{name}` is {hint}, the column is {kind[0]}"
        if schema.nullable.get((column.table, column.attribute)):
            known = (statement.kind.__name__, name) in NOT_NULL_BY_CONDITION
            assert known or _takes_none(hint), f"{told}: `{name}` may be null in the table"


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.place)
def test_it_returns_what_its_method_takes(schema: Schema, statement: Statement) -> None:
    columns = schema.columns[statement.sql]
    if statement.method in ("run", "run_each"):
        assert not columns or "returning" not in statement.sql, f"{statement.place}: rows are lost"
    else:
        assert columns, f"{statement.place}: `{statement.method}` of a statement without rows"


async def test_every_search_that_can_be_asked_for_is_planned_and_fits(
    conf: Settings, db: Database
) -> None:
    near = (13.6, 100.6, 5000.0)
    asked = [
        Filters(),
        Filters(words=("โลหะ",)),
        Filters(number="20110000125560"),
        Filters(near=near),
        Filters(near=near, words=("ตัวอย่าง",), province="11", status=Status.operating),
        Filters(province="11", district="1101", category="003", licence_class=3),
        Filters(category="00303", status=Status.struck_off),
    ]
    pages = [None, search.After("name", "ก", 0.0, UUID(int=1))]
    texts = [
        search.statement(filters, after and _as(after, filters), 50, of)[0]
        for filters in asked
        for after in pages
        for of in (None, [UUID(int=1)])
    ]
    names = list(_fields(search.Found))
    for sql, columns in zip(texts, await describe(conf.database_url, texts), strict=True):
        assert len(columns) == len(names), sql
        for column, name in zip(columns, names, strict=True):
            assert column.name == name or column.name not in names, sql
        async with db.pool.acquire() as connection:
            await connection.execute("explain (generic_plan) " + sql)


def _as(after: search.After, filters: Filters) -> search.After:
    return search.After("near", after.key, 0.1, after.id) if filters.near else after


# --- hints --------------------------------------------------------------------------------------


def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {name: hints[name] for name in kind.__struct_fields__}


def _defaults(kind: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = kind.__struct_defaults__
    return found


def _options(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [option for part in typing.get_args(hint) for option in _options(part)]
    if typing.get_origin(hint) is typing.Annotated:
        return _options(typing.get_args(hint)[0])
    return [hint]


def _takes_none(hint: Any) -> bool:
    return any(option in (None, type(None), Any) for option in _options(hint))


def _fits(kind: tuple[str, int], schema: Schema, hint: Any) -> bool:
    name, element = kind
    for option in _options(hint):
        origin = typing.get_origin(option)
        if option is Any:
            return True
        if element:
            if origin in (list, tuple) and _fits(
                schema.types[element], schema, typing.get_args(option)[0]
            ):
                return True
        elif origin is typing.Literal:
            if name in ("text", "varchar", "int2", "int4"):
                return True
        elif isinstance(option, type):
            allowed = PYTHON.get(name, ())
            if option in allowed or (issubclass(option, Enum) and issubclass(option, str)):
                return True
    return False


def test_the_check_itself_notices_swapped_columns(schema: Schema) -> None:
    class Pair(msgspec.Struct):
        code: str
        name_th: str

    swapped = Statement("here", 1, "all", "select name_th, code from province", Pair)
    uuid, text, integer = (
        next(oid for oid, (name, _) in schema.types.items() if name == wanted)
        for wanted in ("uuid", "text", "int4")
    )
    held = schema._replace(
        columns={swapped.sql: [Column("name_th", 0, 0, text), Column("code", 0, 0, text)]}
    )
    with pytest.raises(AssertionError, match="stands where"):
        test_its_row_fits_its_struct_field_by_field(held, swapped)
    assert not _fits(schema.types[uuid], schema, str)
    assert not _fits(schema.types[integer], schema, str | None)
