"""One real PostgreSQL for the run, a seeded template, and a copy of it for each file of tests.

`tx` is rolled back after each test. `world` speaks HTTP to the application as sample people, and
commits; its tests make records of their own and count only those.
"""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from httpx._transports import default as transports
from litestar import Litestar

from api import ids, keys, seed, settings, storage
from api.db import Database, Tx
from api.embedded import EmbeddedPostgres
from api.migrate import migrate
from api.permissions import Worker
from api.settings import Settings
from tests import apps
from tests.world import World

pytest_plugins = ["tests.workers"]


def _authorities_are_read_once() -> None:
    """httpx reads them for each client that is told nothing else, a tenth of a second each time."""
    make = transports.create_ssl_context
    trusted = functools.cache(make)

    def made(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        plain = verify is True and cert is None
        return trusted(trust_env=trust_env) if plain else make(verify, cert, trust_env)

    transports.create_ssl_context = made


_authorities_are_read_once()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(throwaway=True, fsync=False) as running:
        yield running


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> keys.Keyring:
    path: Path = tmp_path_factory.mktemp("keys") / "keyring.json"
    os.environ["SUPERAPP_KEYRING"] = str(path)
    return keys.use(keys.Keyring.open(path))


@pytest_asyncio.fixture(scope="session")
async def template(postgres: EmbeddedPostgres, keyring: keys.Keyring) -> str:
    """A migrated and seeded data base that others are copied from."""
    url = await postgres.create_database("template_superapp")
    await migrate(url)
    await seed.seed(url, Settings(env="test", keyring=str(keyring_path())))
    return "template_superapp"


def keyring_path() -> Path:
    return Path(os.environ["SUPERAPP_KEYRING"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def conf(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Settings]:
    """A data base for each file, so that none depends on what another left, or on their order."""
    name = f"superapp_test_{ids.new().hex}"
    url = await postgres.create_database(name, template)
    found = Settings(
        armings_a_minute=1_000_000,  # a few officers wait at all desks of all tests
        env="test",
        database_url=url,
        data_dir=str(keyring_path().parent),
        keyring=str(keyring_path()),
        public_url="http://testserver",
    )
    settings.use(found)
    storage.use(storage.Storage.open(found))
    yield found
    await postgres.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def db(conf: Settings) -> AsyncIterator[Database]:
    database = await Database.connect(conf.database_url, size=20)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def tx(db: Database) -> AsyncIterator[Tx]:
    """A transaction of the worker's that is rolled back."""
    try:
        async with db.begin(Worker("test")) as found:
            yield found
            raise _Undo
    except _Undo:
        pass


@pytest_asyncio.fixture
async def own_jobs(db: Database) -> None:
    """What earlier tests left to be done is not for this one to wait for (tests/workers.py)."""
    async with db.pool.acquire() as connection:
        await connection.execute("delete from job")


class _Undo(Exception):
    pass


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(conf: Settings, db: Database) -> AsyncIterator[Litestar]:
    running, stopping = asyncio.Event(), asyncio.Event()

    async def live(found: Litestar) -> None:
        async with found.lifespan():  # entered and left by one task, as anyio wants it
            running.set()
            await stopping.wait()

    with apps.lent(conf, db) as found:
        task = asyncio.create_task(live(found))
        waiting = asyncio.create_task(running.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield found
        stopping.set()
        await task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(db: Database, http: httpx.AsyncClient) -> World:
    return await World.open(db, http)
