"""Forward-only migrations: plain SQL files of `migrations/`, each applied once, in order of name.

Each file runs in one transaction together with its row in `schema_migration`. A file whose first
line is `-- no-transaction` (CREATE INDEX CONCURRENTLY) runs outside one, statement by statement; a
statement ends with a line that ends in a semicolon, and all of them must bear a second run.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FOLDER = Path(__file__).resolve().parent.parent / "migrations"
OLDEST_POSTGRES = 17
LOCK = 5_270_692_340_011  # any number, the same in every version of this program
NO_TRANSACTION = "-- no-transaction"
TABLE = """
create table if not exists schema_migration (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
"""


class MigrationError(Exception):
    """Nothing of the named file was applied (or, with no-transaction, part of it); says why."""


async def migrate(url: str, folder: Path = FOLDER) -> list[str]:
    """Applies what is not applied yet and returns the names; safe from several processes at once.

    Raises `MigrationError` for an unfit server, a changed, missing or late file, or failing SQL.
    """
    files = {path.name: _read(path) for path in sorted(folder.glob("*.sql"))}  # noqa: ASYNC240
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set idle_in_transaction_session_timeout = 0")
        async with _lock(connection):
            await check_server(connection)
            await connection.execute(TABLE)
            rows = await connection.fetch("select name, sha256 from schema_migration order by name")
            applied: dict[str, str] = {row["name"]: row["sha256"] for row in rows}
            todo = _to_apply(files, applied)
            for name in todo:
                await _apply(connection, name, files[name])
    finally:
        await connection.close()
    return todo


async def check_server(connection: Connection) -> None:
    """Raises `MigrationError` if this server is too old or its pg_trgm cannot read Thai."""
    major = int(await connection.fetchval("show server_version_num")) // 10_000
    if major < OLDEST_POSTGRES:
        raise MigrationError(
            f"This is PostgreSQL {major}; version {OLDEST_POSTGRES} or newer is needed "
            "(for the builtin locale C.UTF-8). Upgrade it, or leave SUPERAPP_DATABASE_URL empty."
        )
    trial = connection.transaction()
    await trial.start()
    try:
        await connection.execute("create extension if not exists pg_trgm")
        trigrams = await connection.fetchval("select show_trgm('โรงงาน')")
    except asyncpg.PostgresError as error:
        raise MigrationError(
            f"The extension pg_trgm cannot be used here ({error}). Install PostgreSQL's contrib "
            "modules, or have a superuser run: create extension pg_trgm"
        ) from error
    finally:
        await trial.rollback()
    if not trigrams:
        name = await connection.fetchval("select current_database()")
        raise MigrationError(
            f"The data base {name} makes no trigrams of Thai, so names could not be found. "
            f'Create it with: create database "{name}" template template0 encoding utf8 '
            "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C.UTF-8'"
        )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _to_apply(files: dict[str, str], applied: dict[str, str]) -> list[str]:
    """In order. Applied names after the last one here are a newer version's: they are let be."""
    for name, sha256 in applied.items():
        if name not in files and files and name < max(files):
            raise MigrationError(f"{name} was applied to this data base but is missing here.")
        if name in files and sha256 != _sha256(files[name]):
            raise MigrationError(
                f"{name} was changed after it had been applied. Restore it, and put the change "
                "into a new file."
            )
    todo = [name for name in files if name not in applied]
    if todo and applied and todo[0] < max(applied):
        raise MigrationError(
            f"{todo[0]} comes before {max(applied)}, which is already applied. Rename it."
        )
    return todo


@asynccontextmanager
async def _lock(connection: Connection) -> AsyncIterator[None]:
    """Polls: a session that *waits* for the lock deadlocks with CREATE INDEX CONCURRENTLY."""
    while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(f"select pg_advisory_unlock({LOCK})")


async def _apply(connection: Connection, name: str, text: str) -> None:
    note = "insert into schema_migration (name, sha256) values ($1, $2)"
    statement = text
    try:
        if text.startswith(NO_TRANSACTION):
            for statement in _statements(text):
                await connection.execute(statement)
            await connection.execute(note, name, _sha256(text))
            return
        async with connection.transaction():
            # Give up rather than make every reader queue behind a lock that does not come.
            await connection.execute("set local lock_timeout = '30s'")
            before = await connection.fetchval("select pg_current_xact_id()")
            await connection.execute(text)
            if await connection.fetchval("select pg_current_xact_id()") != before:
                raise MigrationError(f"{name} ends its own transaction; remove its COMMIT.")
            await connection.execute(note, name, _sha256(text))
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{name}{_line(error, text, statement)}: {error}") from error


def _statements(text: str) -> list[str]:
    statements, lines = [], list[str]()
    for line in text.splitlines():
        lines.append(line)
        if line.rstrip().endswith(";") and not line.lstrip().startswith("--"):
            statements.append("\n".join(lines))
            lines = []
    if any(line.strip() and not line.lstrip().startswith("--") for line in lines):
        statements.append("\n".join(lines))
    return statements


def _line(error: asyncpg.PostgresError, text: str, statement: str) -> str:
    position = getattr(error, "position", None)
    if not position:
        return ""
    at = text.find(statement) + int(position) - 1
    return f", line {text.count(chr(10), 0, at) + 1}"
