"""What a pull costs: nothing new, ten changes, a first pull, and all that one visit needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from api.factories.register import import_feed
from api.inspection.visits.views import Visit
from bench import feed, frame, visits
from bench.frame import Frame, cpu, median, spread
from bench.http import Answer, Phone
from bench.table import Row, row

PROVINCE, FACTORIES = "11", 5_000
ELSEWHERE, RECORDS = "21", 10_000
PHONES = 4
ROUNDS = 7
A_ROUND = 200


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where a pull brings other records than it must."""
    frame.use(bench.conf)
    url = await bench.database("bench_pull")
    for province, rows in ((PROVINCE, FACTORIES), (ELSEWHERE, RECORDS)):
        path = bench.folder / f"feed-{province}.csv"
        feed.write(path, rows, seed=int(province), province=province)
        await import_feed(url, path)
    async with bench.connected(url) as db:
        (planned,) = await visits.planned(db, 1, "inspector", "inspector-2")
        token, _ = await bench.token(db, "inspector")
        token_elsewhere, _ = await bench.token(db, "inspector-elsewhere")
        async with bench.serving(url) as api:
            async with Phone(bench.port, token) as phone:
                bootstrap = await first_pulls(phone)
                pack = await ok(phone, f"/v1/visits/{planned.id}/pack")
            async with Phone(bench.port, token_elsewhere) as phone:
                records, cursor = await pull_all(phone)
            if len(records) < RECORDS:
                raise RuntimeError(f"{len(records)} records where {RECORDS} must be")
            unchanged = await nothing_new(bench, token_elsewhere, api, cursor)
            changed = await visits.planned(db, 10, "inspector-elsewhere", "inspector-elsewhere")
            async with Phone(bench.port, token_elsewhere) as phone:
                await begin(phone, changed[:4])
                found = await changes(phone, cursor, changed)
    return [
        row(
            "pull.unchanged_cpu_ms",
            median(unchanged),
            f"{spread(unchanged)}; {len(records)} records in scope",
        ),
        row("pull.changed10_records", found, "ten visits planned, four of them then begun"),
        row(
            "pull.bootstrap_s",
            median([s for s, _, _ in bootstrap]),
            f"{bootstrap[0][1]} records, {bootstrap[0][2] / 1000:.0f} kB on the wire",
        ),
        row(
            "pull.visit_pack_kb_gz",
            pack.wire_bytes / 1000,
            f"{len(pack.body) / 1000:.0f} kB unpacked",
        ),
    ]


async def ok(phone: Phone, path: str) -> Answer:
    answer = await phone.get(path)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.body[:300]!r}")
    return answer


async def first_pulls(phone: Phone) -> list[tuple[float, int, int]]:
    """(seconds, records, bytes on the wire) of five first pulls, after one that warms up."""
    found = []
    for _ in range(6):
        begun, wire, pages = time.perf_counter(), 0, 0
        cursor, more = "", True
        records = 0
        while more:
            answer = await ok(phone, f"/v1/sync{cursor}")
            page = answer.json()
            cursor, more = f"?cursor={page['next']}", page["more"]
            records += len(page["changes"])
            wire, pages = wire + answer.wire_bytes, pages + 1
        found.append((time.perf_counter() - begun, records, wire))
        if records < FACTORIES:
            raise RuntimeError(f"{records} records where {FACTORIES} factories must be")
    return found[1:]


async def pull_all(phone: Phone, cursor: str = "") -> tuple[list[dict[str, Any]], str]:
    """Every change since `cursor`, and the cursor behind them."""
    records: list[dict[str, Any]] = []
    more = True
    while more:
        query = f"?cursor={cursor}" if cursor else ""
        page = (await ok(phone, f"/v1/sync{query}")).json()
        if cursor and page.get("reset"):
            raise RuntimeError("the server began anew")
        records += page["changes"]
        cursor, more = page["next"], page["more"]
    return records, cursor


async def nothing_new(bench: Frame, token: str, api: int, cursor: str) -> list[float]:
    """CPU of API and PostgreSQL in ms for one pull without news, a value a round."""
    path = f"/v1/sync?cursor={cursor}"

    async def phone() -> None:
        async with Phone(bench.port, token) as line:
            for _ in range(A_ROUND // PHONES):
                if (await ok(line, path)).json()["changes"]:
                    raise RuntimeError("something changed that nobody changed")

    rounds = []
    for _ in range(ROUNDS + 1):
        with cpu(api, bench.postgres_pid()) as used:
            await asyncio.gather(*(phone() for _ in range(PHONES)))
        rounds.append(used.seconds * 1000 / A_ROUND)
    return rounds[1:]


async def begin(phone: Phone, planned: Sequence[Visit]) -> None:
    """Fills some of the visits, so that they have changed twice."""
    for n, visit in enumerate(planned):
        await phone.post("/v1/sync", visits.body([visits.filled(visit, n)]), packed=True)


async def changes(phone: Phone, cursor: str, changed: Sequence[Visit]) -> int:
    """How many records came; they must be exactly `changed`, once each."""
    expected = sorted(("visit", str(visit.id)) for visit in changed)
    came: list[tuple[str, str]] = []
    for _ in range(50):  # a transaction elsewhere in the cluster may hold the feed back a moment
        records, cursor = await pull_all(phone, cursor)
        came += [(r["kind"], r["id"]) for r in records]
        if len(came) >= len(expected):
            break
        await asyncio.sleep(0.1)
    if sorted(came) != expected:
        raise RuntimeError(f"pulled {came} where {expected} must come")
    return len(came)
