"""Every SQL statement of the code, found in its syntax tree, and what PostgreSQL says of it."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from api.db import Tx

ROOT = Path(__file__).resolve().parent.parent
KINDED = {"one", "maybe_one", "all", "each"}
PLAIN = {"value", "values", "run", "run_each"}


@dataclass(frozen=True)
class Statement:
    """`kind`: the type that its rows become; None where only a value or a count is taken."""

    file: str
    line: int
    method: str
    sql: str
    kind: Any = None
    function: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Unread:
    """A call that looks like a statement but whose SQL is not a literal."""

    file: str
    line: int
    code: str


def scan() -> Iterator[Statement | Unread]:
    """Every `tx.one(Kind, "select …")` and its like below api/."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        module = importlib.import_module(
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        )
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, function in _calls(tree):
            if isinstance(node.func, ast.Attribute):
                found = _statement(node, node.func, module, str(path.relative_to(ROOT)))
                if isinstance(found, Statement):
                    found = replace(found, function=function)
                if found is not None:
                    yield found


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call of a file, and the innermost function that it stands in."""
    below = [(tree, "")]
    while below:
        node, function = below.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            yield node, function
        below += [(child, function) for child in ast.iter_child_nodes(node)]


def _statement(
    node: ast.Call, func: ast.Attribute, module: ModuleType, file: str
) -> Statement | Unread | None:
    method, receiver = func.attr, func.value
    if method not in KINDED | PLAIN or not isinstance(receiver, ast.Name) or receiver.id == "self":
        return None
    if inspect.ismodule(vars(module).get(receiver.id)):
        return None
    at = 1 if method in KINDED else 0
    if len(node.args) <= at:
        return None
    try:
        sql = _value(node.args[at], module)
        kind = _value(node.args[0], module) if at else None
    except NameError:
        if ast.unparse(node).startswith("asyncio."):
            return None
        return Unread(file, node.lineno, ast.unparse(node)[:100])
    return Statement(file, node.lineno, method, sql, kind) if isinstance(sql, str) else None


def _value(node: ast.expr, module: ModuleType) -> Any:
    return eval(compile(ast.Expression(node), module.__name__, "eval"), vars(module))


# --- origin of result columns -------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """A column of a result: its name, the type's oid, and the table column that it is, if any."""

    name: str
    table: int
    attribute: int
    type: int


async def describe(dsn: str, statements: list[str]) -> list[list[Column]]:
    """The result columns of each statement (protocol message RowDescription).

    asyncpg keeps name and type of these only; the table and column that they come from, needed
    for what may be null, is told by the protocol alone. Over a Unix socket with trust.
    """
    url = urlsplit(dsn)
    query = parse_qs(url.query)
    path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
    reader, writer = await asyncio.open_unix_connection(path)
    start = b"user\0" + (url.username or "").encode() + b"\0database\0"
    start += url.path.lstrip("/").encode() + b"\0\0"
    writer.write(struct.pack("!ii", len(start) + 8, 196608) + start)
    found: list[list[Column]] = []
    try:
        await _until_ready(reader)
        for sql in statements:
            writer.write(_message(b"P", b"\0" + sql.encode() + b"\0" + struct.pack("!h", 0)))
            writer.write(_message(b"D", b"S\0") + _message(b"S", b""))
            found.append(_columns(await _until_ready(reader)))
    finally:
        writer.close()
    return found


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


async def _until_ready(reader: asyncio.StreamReader) -> dict[bytes, bytes]:
    messages: dict[bytes, bytes] = {}
    while b"Z" not in messages:
        kind = await reader.readexactly(1)
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        messages[kind] = await reader.readexactly(length - 4)
    if b"E" in messages:
        raise AssertionError(messages[b"E"].replace(b"\0", b" ").decode())
    return messages


def _columns(messages: dict[bytes, bytes]) -> list[Column]:
    body, columns = messages.get(b"T", b"\0\0"), []
    (count,) = struct.unpack("!h", body[:2])
    at = 2
    for _ in range(count):
        end = body.index(b"\0", at)
        table, attribute, type_, _size, _modifier, _format = struct.unpack(
            "!ihihih", body[end + 1 : end + 19]
        )
        columns.append(Column(body[at:end].decode(), table, attribute, type_))
        at = end + 19
    return columns


# --- what is run --------------------------------------------------------------------------------


@contextmanager
def counted() -> Iterator[list[str]]:
    """The SQL of each statement that any `Tx` runs inside, in its order."""
    found: list[str] = []
    methods = {name: getattr(Tx, name) for name in sorted((KINDED | PLAIN) - {"one"})}

    def noting(name: str) -> Any:
        method, at = methods[name], 1 if name in KINDED else 0

        async def noted(tx: Tx, *args: Any) -> Any:
            found.append(args[at])
            return await method(tx, *args)

        return noted

    try:
        for name in methods:
            setattr(Tx, name, noting(name))
        yield found
    finally:
        for name, method in methods.items():
            setattr(Tx, name, method)
