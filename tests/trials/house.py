"""A whole installation for trials: PostgreSQL with fsync on, and API servers as child processes.

Everything here may be killed. What was started is ended by its process id, never by a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx

from api import children, events, keys, reactions
from api.accounts import seed as accounts
from api.accounts import tokens
from api.db import Database
from api.embedded import CHECKOUT, EmbeddedPostgres
from api.permissions import Worker

PUBLIC_URL = "http://testserver"


class Server:
    """One `superapp serve` behind a listening socket that outlives it, as `superapp up` does it."""

    def __init__(self, environment: dict[str, str], log: Path, *, command: list[str]) -> None:
        self.environment, self.log, self.command = environment, log, command
        self.listening = socket.socket()
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(512)
        self.port: int = self.listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        descriptor = self.listening.fileno()
        with self.log.open("ab") as log:
            self.process = children.spawn(
                [*self.command, "--fd", str(descriptor)],
                ending=signal.SIGKILL,
                env=self.environment,
                cwd=CHECKOUT,
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
            )

    def kill(self) -> None:
        """kill -9, in the middle of whatever it does."""
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None:
            children.stop(self.process, signal.SIGTERM, patience=15)
        self.listening.close()

    async def ready(self, within_s: float = 40) -> None:
        end = time.monotonic() + within_s
        async with httpx.AsyncClient(base_url=self.url, timeout=2) as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/health/ready")).status_code == 200:
                        return
                assert time.monotonic() < end, f"not ready: {self.faults()[-3:]}"
                assert self.process and self.process.poll() is None, self.log.read_text()[-2000:]
                await asyncio.sleep(0.1)

    def faults(self) -> list[str]:
        """Log lines of what was nobody's fault but ours: each would have been a 500."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if '"fault"' in line or "operation failed" in line]


class House:
    """PostgreSQL in a throw-away folder and any number of API servers on it.

    `with House(keyring) as house:` has a migrated and seeded data base and no server yet.
    """

    def __init__(self, keyring: Path, **options: Any) -> None:
        self.keyring = keyring
        self.postgres = EmbeddedPostgres(**({"throwaway": True, "fsync": True} | options))
        self.servers: list[Server] = []

    def __enter__(self) -> Self:
        self.postgres.__enter__()
        try:
            self.url = self.postgres.url()
            self.environment = self.variables(self.url)
            command(self.environment, "seed")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.stop()
        self.postgres.__exit__()

    def variables(self, url: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SUPERAPP_")}
        return clean | {
            "SUPERAPP_ENV": "test",
            "SUPERAPP_DATABASE_URL": url,
            "SUPERAPP_KEYRING": str(self.keyring),
            "SUPERAPP_DATA_DIR": str(self.postgres.home),
            "SUPERAPP_PUBLIC_URL": PUBLIC_URL,
            "SUPERAPP_ARMINGS_A_MINUTE": "1000000",  # one officer waits at a thousand desks
        }

    def server(self, *, program: str = "api.cli", **more: str) -> Server:
        """Starts another API server; `more` are environment variables, `program` its module."""
        log = self.postgres.home / f"serve-{len(self.servers)}.log"
        started = Server(
            self.environment | more, log, command=[sys.executable, "-m", program, "serve"]
        )
        self.servers.append(started)
        started.start()
        return started

    async def database(self) -> Database:
        """A pool as the server's role, for signing people in; close it."""
        tokens.use(PUBLIC_URL)
        keys.use(keys.Keyring.open(self.keyring))
        events.react(reactions.REACTIONS)
        return await Database.connect(self.url, size=2)

    async def sign_in(self, key: str) -> tuple[str, str]:
        """(account, access token) of a sample person."""
        db = await self.database()
        try:
            async with db.begin(Worker("trial")) as tx:
                account = await accounts.account(tx, key)
                _, issued = await accounts.sign_in(tx, key)
            return str(account), issued.access_token
        finally:
            await db.close()

    @contextlib.asynccontextmanager
    async def owner(self) -> Any:
        """A connection that may look at everything."""
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()

    def postmaster(self) -> int:
        assert self.postgres.process
        return self.postgres.process.pid

    def kill_postgres(self) -> None:
        """kill -9 of the postmaster, then a start, which recovers from the log."""
        assert self.postgres.process
        self.postgres.process.kill()
        self.postgres.process.wait(10)
        self.postgres.start()


def command(environment: dict[str, str], *words: str, check: bool = True) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", *words],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done
