"""A kind of job for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from api import ids, job_loop, jobs
from api.db import Database, Tx
from api.jobs import Handler, Job
from api.permissions import Worker

_names = itertools.count()


class Labour:
    """A kind of job of its own for each test, whose effect is a row."""

    def __init__(self, db: Database) -> None:
        self.db, self.name = db, f"test.{next(_names)}"

    async def enqueue(self, **more: Any) -> None:
        async with self.db.begin(Worker("test")) as tx:
            await jobs.enqueue(tx, self.name, more.pop("args", {}), **more)

    async def effect(self, tx: Tx, job: Job) -> None:
        await tx.run(
            "insert into rate_limit (bucket, tokens, at) values ($1, 1, $2)",
            f"{self.name} {ids.new()}",
            tx.now,
        )

    async def effects(self) -> int:
        async with self.db.read() as tx:
            found: int = await tx.value(
                "select count(*) from rate_limit where bucket like $1", f"{self.name} %"
            )
        return found

    async def take(self, handler: Handler, limit: int = 10) -> list[Job]:
        async with self.db.begin(Worker("test")) as tx:
            return await jobs.take(tx, {self.name: handler}, limit)

    async def rows(self) -> list[jobs.Line]:
        async with self.db.read() as tx:
            found = [*await jobs.lines(tx, failed=False), *await jobs.lines(tx, failed=True)]
        return [line for line in found if line.name == self.name]

    async def work(self, handler: Handler, until: int = 1, **more: Any) -> None:
        """The loop of one worker, until so many effects were seen or nothing is left."""
        stopping = asyncio.Event()
        loop = asyncio.create_task(
            job_loop.work(self.db, {self.name: handler}, stopping, pause_s=0.01, **more)
        )
        for _ in range(500):
            if not [row for row in await self.rows() if row.failed_at is None]:
                break
            await asyncio.sleep(0.01)
        stopping.set()
        await asyncio.wait_for(loop, 10)


@pytest_asyncio.fixture
async def labour(db: Database) -> AsyncIterator[Labour]:
    found = Labour(db)
    yield found
    async with db.pool.acquire() as connection:
        await connection.execute("delete from job where name like 'test.%'")
        await connection.execute("delete from rate_limit where bucket like 'test.%'")


class Stop(Exception):
    pass


async def fail(tx: Tx, job: Job) -> None:
    raise ValueError("a secret of somebody's")
