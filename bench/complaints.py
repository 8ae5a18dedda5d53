"""What a complaint costs: told with contact, answers and position, eight people at a time."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

import httpx
import msgspec

from api import codes, ids
from api.app import create_app
from api.db import Database
from bench import frame
from bench.driver import Driver, Recording, Statement, recording_pool
from bench.frame import Frame, cpu, median, spread
from bench.http import Phone
from bench.table import Row, row

PEOPLE = 8
ROUNDS = 7
A_ROUND = 160
UNBOUND = "1000000"  # one address tells everything here


class Told(NamedTuple):
    id: UUID
    body: bytes


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where an answer is not what it must be."""
    conf = msgspec.structs.replace(bench.conf, complaints_an_hour=int(UNBOUND))
    frame.use(conf)
    url = await bench.database("bench_complaints")
    per = A_ROUND * (ROUNDS + 1)  # the first round warms up
    ours, bare = told(per, 1), told(per + 1, 2)
    copy = await bench.database("bench_complaints_record", "bench_complaints")
    transactions = await record(bench, conf, copy, bare)
    counts = [len(t) for t in transactions]
    file = bench.folder / "complaints"
    async with (
        bench.serving(url, SUPERAPP_COMPLAINTS_AN_HOUR=UNBOUND) as api,
        Driver.started(url, transactions, file, PEOPLE) as driver,
    ):
        found: list[tuple[float, float, float, float]] = []
        postgres = bench.postgres_pid()
        for n in range(ROUNDS + 1):
            here = slice(n * A_ROUND, (n + 1) * A_ROUND)
            with cpu(api) as server, cpu(postgres) as stored:
                await tell(bench, ours[here])
            with cpu(driver.pid) as plain, cpu(postgres) as written:
                await driver.send(here.start, here.stop)
            if n:
                found.append((server.seconds, stored.seconds, plain.seconds, written.seconds))
    async with bench.connected(url) as db:
        await check(db, ours, bare[1:])
    each = [[part * 1000 / A_ROUND for part in parts] for parts in found]
    one = [api_ms + stored_ms for api_ms, stored_ms, _, _ in each]
    floor = [plain_ms + written_ms for _, _, plain_ms, written_ms in each]
    ratios = [f / o for f, o in zip(floor, one, strict=True)]
    split = [median([parts[n] for parts in each]) for n in range(4)]
    return [
        row("complaint.vs_driver", median(ratios), f"{spread(ratios)}; driver {_parts(split[2:])}"),
        row("complaint.cpu_ms", median(one), f"{spread(one)}; API {_parts(split[:2])}"),
        row("complaint.statements", median(counts), "BEGIN and COMMIT counted"),
    ]


def _parts(split: Sequence[float]) -> str:
    return f"{split[0]:.2f} + PostgreSQL {split[1]:.2f} ms"


def told(count: int, seed: int) -> list[Told]:
    """Complaints about smells at night around Samut Prakan; nobody in them is real."""
    chance = random.Random(seed)
    found = []
    for n in range(count):
        body = {
            "secret": "".join(secrets.choice(codes.ALPHABET) for _ in range(26)),
            "category": chance.choice(("odour", "noise", "dust", "waste_water")),
            "description": f"เรื่องตัวอย่างที่ {n}: " + "กลิ่นสารเคมีรุนแรงในเวลากลางคืน " * 4,
            "answers": {"how_often": "daily", "hours": "22:00-04:00", "since": "สองเดือนก่อน"},
            "place": {
                "lat": 13.6 + chance.uniform(-0.05, 0.05),
                "lng": 100.6 + chance.uniform(-0.05, 0.05),
                "accuracy_m": 15.0,
                "province": "11",
                "district": "1101",
            },
            "factory": {"name": "โรงงานตัวอย่างริมคลอง"},
            "contact": {"name": f"ผู้ร้องตัวอย่าง {n}", "phone": f"080{seed}{n:06d}"},
            "device": f"bench {seed} {n}",
        }
        found.append(Told(ids.new(), msgspec.json.encode(body)))
    return found


async def tell(bench: Frame, complaints: Sequence[Told]) -> float:
    """Seconds until all are told, `PEOPLE` at a time."""
    begun = time.perf_counter()

    async def person(place: int) -> None:
        async with Phone(bench.port, "") as line:
            for complaint in complaints[place::PEOPLE]:
                kind = "Content-Type: application/json\r\n"
                path = f"/v1/complaints/{complaint.id}"
                answer = await line.send("PUT", path, complaint.body, kind)
                if answer.status != 200 or answer.json()["replayed"]:
                    raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")

    await asyncio.gather(*(person(n) for n in range(PEOPLE)))
    return time.perf_counter() - begun


async def record(
    bench: Frame, conf: Any, url: str, complaints: Sequence[Told]
) -> list[list[Statement]]:
    """What the API sends for each of `complaints` but the first, which fills its caches."""
    transactions = []
    async with recording_pool(url) as pool:
        app = create_app(conf, Database(pool))
        transport = httpx.ASGITransport(app=cast(Any, app))
        async with (
            app.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://bench") as client,
        ):
            for complaint in complaints:
                Recording.log.clear()
                answer = await client.put(f"/v1/complaints/{complaint.id}", content=complaint.body)
                if answer.status_code != 200:
                    raise RuntimeError(answer.text)
                transactions.append(list(Recording.log))
    return transactions[1:]


async def check(db: Database, ours: Sequence[Told], bare: Sequence[Told]) -> None:
    """Both ways must have left the same of each complaint."""
    async with db.read() as tx:

        async def held(complaints: Sequence[Told]) -> list[Any]:
            return [
                await tx.value(
                    f"select count(*) from {table} where {column} = any($1)",
                    [complaint.id for complaint in complaints],
                )
                for table, column in (
                    ("complaint", "id"),
                    ("complainant", "complaint"),
                    ("deadline", "record"),
                    ("event", "record"),
                    ("change", "record"),
                )
            ]

        counts = await held(ours), await held(bare)
    if counts[0] != counts[1] or set(counts[0]) != {len(ours)}:
        raise RuntimeError(f"stored by the API {counts[0]}, by the driver {counts[1]}")
