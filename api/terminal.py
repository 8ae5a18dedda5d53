"""What every command shares: settings, the data base that is meant, sentences instead of traces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import asyncpg
import click
import msgspec

from api.accounts.providers import ProviderError
from api.db import Database, Tx
from api.embedded import EmbeddedPostgres, EmbeddedPostgresError, default_home
from api.keys import KeyringError
from api.migrate import MigrationError
from api.notify.firebase import Unusable
from api.permissions import Worker
from api.settings import Settings
from api.supervisor import KeepsEnding

T = TypeVar("T")

MENDABLE = (
    EmbeddedPostgresError,
    KeepsEnding,
    KeyringError,
    MigrationError,
    Unusable,
    ProviderError,
    ConnectionError,
    socket.gaierror,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


def configured(port: int | None = None) -> Settings:
    environment = dict(os.environ)
    if port is not None:
        environment["SUPERAPP_PORT"] = str(port)
    try:
        return Settings.load(environment)
    except msgspec.ValidationError as error:
        raise click.ClickException(f"A SUPERAPP_* variable cannot be read: {error}") from error


def needs_database(settings: Settings) -> None:
    if not settings.database_url:
        raise click.ClickException("Set SUPERAPP_DATABASE_URL, or use: superapp up")


def owner_url(settings: Settings) -> str:
    return settings.owner_database_url or settings.database_url


@contextlib.contextmanager
def database() -> Iterator[Settings]:
    """The settings with a data base that runs: one's own, or the embedded one for this while."""
    from api import events, reactions

    events.react(reactions.REACTIONS)
    settings = configured()
    if settings.database_url:
        yield settings
        return
    home = Path(settings.data_dir or default_home())
    with contextlib.ExitStack() as stack:
        # While `superapp up` runs, its own is the data base that is meant.
        url = EmbeddedPostgres.running(home) or stack.enter_context(EmbeddedPostgres(home)).url()
        yield Settings.load(
            os.environ | {"SUPERAPP_DATABASE_URL": url, "SUPERAPP_DATA_DIR": str(home)}
        )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What a person can mend is said in a sentence, without a trace."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise click.ClickException(f"{error}. Run: superapp migrate") from error
    except MENDABLE as error:
        raise click.ClickException(f"{error}") from error


def as_owner(ask: Callable[[Database], Awaitable[T]]) -> T:
    """What `ask` finds or does on the data base that is meant, as the role that owns the tables."""

    async def work(url: str) -> T:
        db = await Database.connect(url, size=1, role="")
        try:
            return await ask(db)
        finally:
            await db.close()

    with explained(), database() as settings:
        return asyncio.run(work(owner_url(settings)))


def in_one_transaction(ask: Callable[[Tx], Awaitable[T]]) -> T:
    async def work(db: Database) -> T:
        async with db.begin(Worker("operator")) as tx:
            return await ask(tx)

    return as_owner(work)
