"""A throw-away PostgreSQL and a real server in front of it, on a free port of loopback.

Both are children that end with this process, also after its `kill -9`; the folder goes too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import asyncpg

from api import children, seed
from api.embedded import EmbeddedPostgres
from api.migrate import migrate
from api.settings import Settings
from demo.callers import NotAsItShould

SWEEP = """
import shutil, sys, time
sys.stdin.read()
for _ in range(50):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    time.sleep(0.1)
"""
"""Waits for the end of the demo, whatever ends it, and then removes its folder."""


class Server:
    """`url` answers while the `with` lasts. Raises `EmbeddedPostgresError`, `NotAsItShould`."""

    def __enter__(self) -> Self:
        self.postgres = EmbeddedPostgres(throwaway=True, fsync=False)
        self.sweeper = subprocess.Popen(
            [sys.executable, "-I", "-c", SWEEP, str(self.postgres.home)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self.log = self.postgres.home / "server.log"
        try:
            self.postgres.__enter__()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.worker, self.process):
            if process is not None:
                children.stop(process, signal.SIGTERM, patience=10)
        self.postgres.__exit__()
        shutil.rmtree(self.postgres.home, ignore_errors=True)
        self.sweeper.kill()
        self.sweeper.wait()

    def last_words(self) -> str:
        """The end of the server's log, for when something went wrong."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()
        lines = [line for line in lines if '"level":"info"' not in line][-6:] + lines[-2:]
        return "\n".join(["  server log:", *(f"  {line[:600]}" for line in lines)])

    def _start(self) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        given = {k: v for k, v in os.environ.items() if not k.startswith("SUPERAPP_")}
        environment = given | {
            "SUPERAPP_ENV": "development",
            "SUPERAPP_DATA_DIR": str(self.postgres.home),
            "SUPERAPP_DATABASE_URL": self.postgres.url(),
            "SUPERAPP_PORT": str(port),
        }
        settings = Settings.load(environment)
        asyncio.run(_prepare(settings))
        self.environment = environment
        self.log.touch()
        self.process = self._child("serve")
        self.worker = self._child("worker")
        self._wait(port)

    def _child(self, command: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return children.spawn(
                [sys.executable, "-m", "api.cli", command],
                ending=signal.SIGTERM,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=Path(__file__).parent.parent,
            )

    @contextmanager
    def away(self) -> Iterator[None]:
        """The API is out of reach while the `with` lasts, and then answers at the same place."""
        assert self.process is not None
        children.stop(self.process, signal.SIGTERM, patience=15)
        try:
            yield
        finally:
            self.process = self._child("serve")
            self._wait(int(self.environment["SUPERAPP_PORT"]))

    def turn_calendar(self, record: str, days: int) -> None:
        """Brings every open clock of `record` so many days nearer."""
        asyncio.run(_turn(self.postgres.url(), record, days))

    def _wait(self, port: int) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process is not None and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as probe:
                    probe.settimeout(2)
                    probe.sendall(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                    if probe.recv(12).endswith(b" 200"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise NotAsItShould(f"the server does not answer\n{self.last_words()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _turn(url: str, record: str, days: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            """
            update deadline set due_at = due_at - make_interval(days => $2)
            where record = $1::text::uuid and met_at is null and fired_at is null
            """,
            record,
            days,
        )
    finally:
        await connection.close()


async def _prepare(settings: Settings) -> None:
    await migrate(settings.database_url)
    await seed.seed(settings.database_url, settings)
