"""What every part stands on: its own PostgreSQL, a real server process, and the CPU they used."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID

import psutil

from api import children, keys, seed
from api import settings as config
from api.accounts import seed as accounts
from api.accounts import tokens
from api.db import Database
from api.embedded import EmbeddedPostgres
from api.migrate import migrate
from api.permissions import Worker
from api.settings import Settings
from bench.http import Phone

TEMPLATE = "bench_template"


class Frame:
    """PostgreSQL with fsync and synchronous_commit on, and a migrated, seeded template."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path) -> None:
        self.postgres, self.folder = postgres, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.conf = Settings(
            env="test",
            data_dir=str(folder),
            keyring=str(folder / "keyring.json"),
            port=self.port,
        )

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Frame]:
        with (
            tempfile.TemporaryDirectory(prefix="superapp-bench-") as folder,
            EmbeddedPostgres(throwaway=True) as postgres,
        ):
            frame = cls(postgres, Path(folder))
            url = await postgres.create_database(TEMPLATE)
            await migrate(url)
            await seed.seed(url, frame.conf)
            tokens.use(frame.conf.base_url)
            yield frame

    async def database(self, name: str, template: str = TEMPLATE) -> str:
        """A data base of its own, a copy of `template`, to which none may be connected."""
        return await self.postgres.create_database(name, template)

    @asynccontextmanager
    async def connected(self, url: str, size: int = 4) -> AsyncIterator[Database]:
        db = await Database.connect(url, size=size)
        try:
            yield db
        finally:
            await db.close()

    @asynccontextmanager
    async def serving(self, url: str, **variables: str) -> AsyncIterator[int]:
        """The API in a process of its own, as `superapp serve` runs it; yields its pid."""
        environment = os.environ | {
            "SUPERAPP_ENV": "test",
            "SUPERAPP_DATABASE_URL": url,
            "SUPERAPP_DATA_DIR": self.conf.data_dir,
            "SUPERAPP_KEYRING": str(keys_path(self.conf)),
            "SUPERAPP_PORT": str(self.port),
            **variables,
        }
        with (self.folder / "serve.log").open("ab") as log:
            server = children.spawn(
                [sys.executable, "-m", "api.cli", "serve"],
                env=environment,
                stdout=log,
                stderr=log,
            )
            try:
                await self._ready(server)
                yield server.pid
            finally:
                children.stop(server, signal.SIGTERM, patience=15)

    async def _ready(self, server: subprocess.Popen[bytes]) -> None:
        for _ in range(600):
            with contextlib.suppress(OSError):
                async with Phone(self.port, "") as phone:
                    if (await phone.get("/health")).status == 200:
                        return
            if server.poll() is not None:
                break
            await asyncio.sleep(0.05)
        tail = (self.folder / "serve.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the server did not start:\n{tail}")

    async def token(self, db: Database, key: str) -> tuple[str, UUID]:
        """An access token of ten minutes for a sample account, and the account."""
        async with db.begin(Worker("bench")) as tx:
            account = await accounts.account(tx, key)
            _, found = await accounts.sign_in(tx, key)
        return found.access_token, account

    def postgres_pid(self) -> int:
        assert self.postgres.process is not None
        return self.postgres.process.pid


def keys_path(conf: Settings) -> Path:
    return conf.keyring_path


def use(conf: Settings) -> None:
    """Makes this process one that can run the application itself."""
    config.use(conf)
    keys.use(keys.Keyring.open(conf.keyring_path))
    tokens.use(conf.base_url)


class Used:
    """CPU seconds that `pids` and their descendants used inside the `with`, as the system says.

    A process that ended meanwhile counts through its parent, which waited for it.
    """

    seconds = 0.0


@contextmanager
def cpu(*pids: int) -> Iterator[Used]:
    used, before = Used(), _seconds(pids)
    yield used
    used.seconds = _seconds(pids) - before


def _seconds(pids: Sequence[int]) -> float:
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """The rounds behind a median, for its note."""
    return f"{min(values):.3g}–{max(values):.3g} in {len(values)} rounds"
