"""What a push costs: a visit of 120 answers, one operation a request, eight phones at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import httpx

from api.app import create_app
from api.db import Database
from bench import frame, visits
from bench.driver import Driver, Recording, Statement, recording_pool
from bench.frame import Frame, cpu, median, spread
from bench.http import Phone
from bench.table import Row, row
from bench.visits import Filled

PHONES = 8
ROUNDS = 7
A_ROUND = 80  # visits one by one, and as many by the driver, in batches, and sent again
BATCH = 20
STORED = ("stored", "flagged")


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where an answer is not what it must be, or the data are not there."""
    frame.use(bench.conf)
    url = await bench.database("bench_push")
    per = A_ROUND * (ROUNDS + 1)  # the first round warms up
    async with bench.connected(url) as db:
        # Each way gets visits of the same sites in the same order, and one is for the caches.
        made = [
            visit
            for count in (per, per, per, 1)
            for visit in await visits.planned(db, count, "inspector", "inspector-2")
        ]
        token, _ = await bench.token(db, "inspector")
    filled = [visits.filled(visit, n % per) for n, visit in enumerate(made)]
    single, batched, bare = filled[:per], filled[per : 2 * per], filled[2 * per : 3 * per]
    copy = await bench.database("bench_record", "bench_push")
    transactions = await record(bench, copy, token, [filled[-1], *bare])
    counts = [len(t) for t in transactions]
    file = bench.folder / "transactions"
    async with bench.serving(url) as api, Driver.started(url, transactions, file, PHONES) as driver:
        rounds = Rounds(bench, token, api, driver)
        for n in range(ROUNDS + 1):
            here = slice(n * A_ROUND, (n + 1) * A_ROUND)
            await rounds.one(single[here], batched[here], here, keep=n > 0)
    async with bench.connected(url) as db:
        await check(db, single, bare)
    sizes = sorted(len(visits.body([f])) for f in single)
    one, floor = rounds.cpu["single"], rounds.cpu["driver"]
    ratios = [d / a for d, a in zip(floor, one, strict=True)]
    shares = [b / a for b, a in zip(rounds.cpu["batch"], one, strict=True)]
    replays = [f / r for f, r in zip(rounds.wall["single"], rounds.wall["replay"], strict=True)]
    return [
        row("push.vs_driver", median(ratios), f"{spread(ratios)}; driver {rounds.split('driver')}"),
        row("push.cpu_ms", median(one), f"API {rounds.split('single')}"),
        row("push.statements", median(counts), "BEGIN and COMMIT counted"),
        row("push.batch20_share", median(shares), spread(shares)),
        row("push.replay_x", median(replays), spread(replays)),
        row("push.kb_gz", sizes[len(sizes) // 2] / 1000, f"largest {sizes[-1] / 1000:.2f} kB"),
    ]


class Rounds:
    """The ways in turn, so that what disturbs the machine disturbs all; CPU in ms a visit."""

    def __init__(self, bench: Frame, token: str, api: int, driver: Driver) -> None:
        self.bench, self.token, self.api, self.driver = bench, token, api, driver
        self.postgres = bench.postgres_pid()
        ways = ("single", "driver", "batch", "replay")
        self.parts: dict[str, list[tuple[float, float]]] = {"single": [], "driver": []}
        self.cpu: dict[str, list[float]] = {way: [] for way in ways}
        self.wall: dict[str, list[float]] = {way: [] for way in ways}

    async def one(
        self, single: Sequence[Filled], batched: Sequence[Filled], bare: slice, *, keep: bool
    ) -> None:
        singles = [visits.body([f]) for f in single]
        batches = [visits.body(batched[n : n + BATCH]) for n in range(0, len(batched), BATCH)]
        found: dict[str, tuple[float, float, float]] = {}
        found["single"] = await self._timed(self._push(singles, False), self.api)
        found["driver"] = await self._timed(
            self.driver.send(bare.start, bare.stop), self.driver.pid
        )
        found["batch"] = await self._timed(self._push(batches, False), self.api)
        found["replay"] = await self._timed(self._push(singles, True), self.api)
        if not keep:
            return
        for way, (client, server, wall) in found.items():
            self.cpu[way].append((client + server) * 1000 / len(single))
            self.wall[way].append(wall)
        for way in ("single", "driver"):
            self.parts[way].append(found[way][:2])

    def split(self, way: str) -> str:
        """The program's own CPU and PostgreSQL's, medians in ms a visit."""
        ours, postgres = (
            median([part[place] for part in self.parts[way]]) * 1000 / A_ROUND for place in (0, 1)
        )
        return f"{ours:.2f} + PostgreSQL {postgres:.2f} ms"

    async def _timed(self, work: Any, pid: int) -> tuple[float, float, float]:
        """Seconds of CPU of process `pid`, of PostgreSQL, and on the clock."""
        begun = time.perf_counter()
        with cpu(pid) as ours, cpu(self.postgres) as postgres:
            await work
        return ours.seconds, postgres.seconds, time.perf_counter() - begun

    async def _push(self, bodies: Sequence[bytes], replayed: bool) -> None:
        async def phone(place: int) -> None:
            async with Phone(self.bench.port, self.token) as line:
                for body in bodies[place::PHONES]:
                    answer = await line.post("/v1/sync", body, packed=True)
                    if answer.status != 200:
                        raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
                    for result in answer.json()["results"]:
                        if (
                            result["status"] not in STORED
                            or result.get("replayed", False) is not replayed
                        ):
                            raise RuntimeError(f"not as it must be: {result}")

        await asyncio.gather(*(phone(n) for n in range(PHONES)))


async def record(
    bench: Frame, url: str, token: str, filled: Sequence[Filled]
) -> list[list[Statement]]:
    """What the API sends for each of `filled` but the first, played on a copy of the data base.

    The visits are there as they will be when the driver sends it, so nothing in it is changed. The
    first fills the process's caches and is left out.
    """
    transactions = []
    async with recording_pool(url) as pool:
        app = create_app(bench.conf, Database(pool))
        transport = httpx.ASGITransport(app=cast(Any, app))
        async with (
            app.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://bench") as client,
        ):
            headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
            for visit in filled:
                Recording.log.clear()
                answer = await client.post(
                    "/v1/sync", content=visits.body([visit]), headers=headers
                )
                if answer.json()["results"][0]["status"] not in STORED:
                    raise RuntimeError(answer.text)
                transactions.append(list(Recording.log))
    return transactions[1:]


async def check(db: Database, single: Sequence[Filled], bare: Sequence[Filled]) -> None:
    """Both ways must have left the same: answers, findings, operations and events of each visit."""
    async with db.read() as tx:

        async def held(filled: Sequence[Filled]) -> list[Any]:
            ids: list[UUID] = [f.visit for f in filled]
            return [
                await tx.value(f"select count(*) from {table} where {column} = any($1)", ids)
                for table, column in (
                    ("answer", "visit"),
                    ("finding", "visit"),
                    ("operation", "record"),
                    ("event", "record"),
                    ("change", "record"),
                )
            ]

        ours, theirs = await held(single), await held(bare)
    if ours != theirs or ours[0] != visits.ANSWERS * len(single) or not ours[1]:
        raise RuntimeError(f"stored by the API {ours}, by the driver {theirs}")
