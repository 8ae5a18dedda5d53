"""A real server on loopback, on a data base of its own, for programs that try it from outside."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from api.accounts import seed as accounts
from api.accounts import tokens
from api.db import Database
from api.embedded import CHECKOUT, EmbeddedPostgres
from api.permissions import Worker

PUBLIC_URL = "http://testserver"
"""The issuer of tokens; the same in the test's process, which signs people in."""


@dataclass
class Served:
    """`url` of the server, its process, and its data base."""

    url: str
    pid: int
    db: Database
    log: Path

    async def token(self, key: str) -> str:
        """An access token of a fresh session of a sample person, good for ten minutes."""
        tokens.use(PUBLIC_URL)
        async with self.db.begin(Worker("test")) as tx:
            _, issued = await accounts.sign_in(tx, key)
        return issued.access_token


@asynccontextmanager
async def serving(
    postgres: EmbeddedPostgres, template: str, keyring: Path, log: Path
) -> AsyncIterator[Served]:
    """`superapp serve` as a child process, ready; ended on leaving."""
    url = await postgres.create_database(f"superapp_fuzz_{time.time_ns()}", template)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.set_inheritable(True)
    environment = os.environ | {
        "SUPERAPP_ENV": "test",
        "SUPERAPP_DATABASE_URL": url,
        "SUPERAPP_DATA_DIR": str(log.parent),
        "SUPERAPP_KEYRING": str(keyring),
        "SUPERAPP_PUBLIC_URL": PUBLIC_URL,
    }
    command = [sys.executable, "-m", "api.cli", "serve", "--fd", str(listening.fileno())]
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    db = await Database.connect(url, size=2)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=CHECKOUT,
            pass_fds=[listening.fileno()],
            stdout=out,
            stderr=out,
        )
        try:
            await _until_ready(address)
            yield Served(address, process.pid, db, log)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
            listening.close()
            await db.close()


async def _until_ready(address: str) -> None:
    end = time.monotonic() + 30
    async with httpx.AsyncClient(base_url=address) as client:
        while True:
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, "the server did not become ready"
            await asyncio.sleep(0.1)
