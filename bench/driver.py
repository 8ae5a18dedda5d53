"""The floor: what the API sends to PostgreSQL, recorded word for word, and sent again bare.

`Recording` notes every statement of a connection with its arguments. Run as a program this file
is the driver: `python -m bench.driver URL FILE CONNECTIONS` sends recorded transactions again,
prepared, and does nothing else. It says `ready`, then for each line `FROM TO` sends those and says
`done`.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import asyncpg
import uvloop

from api.db import _Connection

Statement: TypeAlias = "tuple[str, tuple[Any, ...]]"
SETTINGS = {"application_name": "superapp", "timezone": "UTC", "role": "superapp_app"}


class Recording(_Connection):
    """A connection of the API's kind that notes what it is told to send."""

    log: ClassVar[list[Statement]] = []

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        if not args:  # BEGIN, SAVEPOINT, COMMIT: with arguments it passes `_execute`
            self.log.append((query, ()))
        return await super().execute(query, *args, timeout=timeout)

    async def _execute(self, query: str, args: Any, *rest: Any, **named: Any) -> Any:
        self.log.append((query, tuple(_plain(a) for a in args)))
        return await super()._execute(query, args, *rest, **named)  # type: ignore[misc]


def _plain(value: Any) -> Any:
    """The value as any program has it: no types of ours, nothing that is changed later."""
    if isinstance(value, Enum):
        return value.value
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


@asynccontextmanager
async def recording_pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=1, connection_class=Recording, server_settings=SETTINGS
    )
    try:
        yield pool
    finally:
        await pool.close()


class Driver:
    """The driver as a child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.pid = process, process.pid

    @classmethod
    @asynccontextmanager
    async def started(
        cls, url: str, transactions: list[list[Statement]], file: Path, connections: int
    ) -> AsyncIterator[Driver]:
        file.write_bytes(pickle.dumps(transactions))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bench.driver", url, str(file), str(connections)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        driver = cls(process)
        try:
            await driver._heard("ready")
            yield driver
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
            if process.returncode is None:
                process.kill()

    async def send(self, start: int, end: int) -> None:
        """Sends the recorded transactions `start` … `end - 1`."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{start} {end}\n".encode())
        await self._heard("done")

    async def _heard(self, word: str) -> None:
        assert self.process.stdout is not None
        if (await self.process.stdout.readline()).strip() != word.encode():
            raise RuntimeError("the driver failed; its message stands above")


async def _main(url: str, file: str, connections: int) -> None:
    transactions: list[list[Statement]] = pickle.loads(Path(file).read_bytes())
    opened = [await asyncpg.connect(url, server_settings=SETTINGS) for _ in range(connections)]
    known = {sql for transaction in transactions for sql, args in transaction if args}
    prepared = [{sql: await connection.prepare(sql) for sql in known} for connection in opened]

    async def send(place: int, start: int, end: int) -> None:
        connection, statements = opened[place], prepared[place]
        for transaction in transactions[start + place : end : connections]:
            for sql, args in transaction:
                if args:
                    await statements[sql].fetch(*args)
                else:
                    await connection.execute(sql)

    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        start, end = map(int, line.split())
        await asyncio.gather(*(send(place, start, end) for place in range(connections)))
        print("done", flush=True)


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
