"""Writers that commit late, a puller with its cursor, and what it must have seen in the end."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import httpx

from api import events, ids
from api.db import Database
from api.permissions import Worker
from tests.trials import scenes
from tests.trials.house import House, Server


class Puller:
    """Pulls in a loop; keeps its cursor, every record's version, and what ran backwards."""

    def __init__(self, url: str, token: str, page: int) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20, headers=scenes.bearer(token))
        self.page, self.cursor = page, ""
        self.versions: dict[str, int] = {}
        self.backwards: list[tuple[str, int, int]] = []
        self.pulls = self.resets = 0

    async def pull(self) -> int:
        """One page; how many changes it had."""
        query: dict[str, str] = {"limit": str(self.page)}
        if self.cursor:
            query["cursor"] = self.cursor
        reply = await self.http.get("/v1/sync", params=query)
        assert reply.status_code == 200, reply.text
        page: dict[str, Any] = reply.json()
        self.pulls += 1
        self.resets += page["reset"]
        for change in page["changes"]:
            version = change.get("record", {}).get("version", 0)
            if version < (before := self.versions.get(change["id"], 0)):
                self.backwards.append((change["id"], before, version))
            self.versions[change["id"]] = version
        self.cursor = page["next"]
        return len(page["changes"])

    async def until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self.pull()
            await asyncio.sleep(0.005)

    async def drain(self, within_s: float = 10) -> None:
        """To the end of the feed, which other transactions may hold back for a moment."""
        end, quiet = time.monotonic() + within_s, 0
        while quiet < 5 and time.monotonic() < end:
            quiet = 0 if await self.pull() else quiet + 1
            await asyncio.sleep(0.05)


async def trial(house: House, server: Server, changes: int, seed: int) -> dict[str, int]:
    """`changes` writes by 10 writers that wait before they commit; one puller all the while."""
    visits = await scenes.visits(house, server.url, 10)
    _, token = await house.sign_in("inspector")
    puller = Puller(server.url, token, page=7)
    await puller.drain()
    begun = puller.pulls
    db = await Database.connect(house.url, size=10)
    rng, left = random.Random(seed), list(range(changes))
    fresh: list[str] = []

    async def writer() -> None:
        """Every other write is of a new record; the others move the version of a visit."""
        while left:
            number = left.pop()
            async with db.begin(Worker("trial")) as tx:
                if number % 2:
                    record = ids.new()
                else:
                    record = ids.UUID(rng.choice(visits))
                    await tx.lock([record])
                    await tx.run("update visit set version = version + 1 where id = $1", record)
                await events.record(
                    tx, "visit.tested", "visit", record, scopes=[events.province("11")]
                )
                await asyncio.sleep(rng.choice([0, 0, 0, 0.005, 0.02, 0.08]))
            if number % 2:
                fresh.append(str(record))

    stopping = asyncio.Event()
    pulling = asyncio.create_task(puller.until(stopping))
    await asyncio.gather(*(writer() for _ in range(10)))
    stopping.set()
    await pulling
    await puller.drain()
    await puller.http.aclose()
    await db.close()
    async with house.owner() as connection:
        rows = await connection.fetch(
            "select id::text, version from visit where id = any($1::text[]::uuid[])", visits
        )
    missed = [record for record in fresh if record not in puller.versions]
    assert not missed, f"{len(missed)} of {len(fresh)} new records were never pulled"
    assert {r["id"]: r["version"] for r in rows} == {v: puller.versions.get(v) for v in visits}
    assert not puller.backwards, f"an older version came after a newer one: {puller.backwards[:3]}"
    assert len(fresh) == changes // 2
    assert not puller.resets
    return {"changes": changes, "new records": len(fresh), "pulls": puller.pulls - begun}
