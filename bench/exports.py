"""Complaints as CSV: how soon it begins, how fast it runs, and what the server holds meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import asyncpg
import psutil

from bench import frame
from bench.frame import Frame, median, spread
from bench.http import Phone
from bench.table import Row, row

COMPLAINTS = 50_000
OTHERS = 50_000  # that the filters leave out
ROUNDS = 7
PATH = "/v1/complaints.csv?province=11&received_from=2026-01-01"


class Run(NamedTuple):
    """Seconds to the first byte of the body, rows a second, MB that the server grew by, and the
    CPU that server and PostgreSQL used."""

    first_s: float
    rows_per_s: float
    grown_mb: float
    cpu_s: float


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where rows are missing."""
    frame.use(bench.conf)
    url = await bench.database("bench_export")
    await fill(bench, url)
    async with bench.serving(url) as api:
        async with bench.connected(url) as db:
            token, _ = await bench.token(db, "department")
        runs = [await export(bench, token, api) for _ in range(ROUNDS + 1)]
    warm = runs[1:]
    firsts = [run.first_s * 1000 for run in warm]
    rates = [run.rows_per_s for run in warm]
    grown = max(run.grown_mb for run in runs)  # the first one too: memory is not given back
    return [
        row(
            "export.first_byte_ms",
            median(firsts),
            f"{spread(firsts)}; cold {runs[0].first_s:.3f} s",
        ),
        row(
            "export.rows_per_s",
            median(rates),
            f"{spread(rates)}; CPU {median([run.cpu_s for run in warm]):.2f} s an export",
        ),
        row("export.memory_mb", grown, f"the most of {len(runs)} exports of {COMPLAINTS:,} rows"),
    ]


async def fill(bench: Frame, url: str) -> None:
    """Complaints as people write them, half of them of another province."""
    async with bench.connected(url) as db, db.begin() as tx:
        await tx.run(
            """
            insert into complaint (id, channel, category, category_version, answers, description,
                severity, lat, lng, earth, province, office, premises, subject, state, sent,
                received_at, decision)
            select gen_random_uuid(), 'app', (array['odour', 'noise', 'dust'])[1 + n % 3], 1,
                '{"kind": "solvent", "how_often": "daily", "hours": "22:00-04:00"}',
                repeat('กลิ่นทินเนอร์แรงมากทุกคืน ปวดศีรษะ ', 4) || n, 'normal',
                13.5 + n % 1000 * 0.0001, 100.5 + n % 997 * 0.0001, '(0,0,0)',
                case when n <= $1::integer then '11' else '10' end,
                (select id from office where code = 'pio-11'), p.id,
                case when p.id is null then 'unknown' else 'confirmed' end,
                (array['submitted', 'accepted', 'in_progress', 'closed'])[1 + n % 4], '',
                timestamptz '2026-02-01' + n * interval '3 minutes', ''
            from generate_series(1, $1::integer + $2::integer) n
            left join lateral (select (array(select id from premises order by id limit 20))[n % 40]
                as id) p on true
            """,
            COMPLAINTS,
            OTHERS,
        )
    owner = await asyncpg.connect(url)
    await owner.execute("vacuum analyze complaint")
    await owner.close()


async def export(bench: Frame, token: str, pid: int) -> Run:
    """One export, read as fast as it comes."""
    server = psutil.Process(pid)
    before = most = _memory(server)
    rows, first = -1, 0.0  # the heading is no row
    async with Phone(bench.port, token) as phone:
        with frame.cpu(pid, bench.postgres_pid()) as used:
            begun = time.perf_counter()
            phone.writer.write(
                f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            head = await phone.reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise RuntimeError(head.decode())
            while size := int(await phone.reader.readline(), 16):
                rows += (await phone.reader.readexactly(size + 2))[:-2].count(b"\n")
                first = first or time.perf_counter() - begun
                most = max(most, _memory(server))
            await phone.reader.readline()
            spent = time.perf_counter() - begun
    if rows != COMPLAINTS:
        raise RuntimeError(f"{rows} rows where {COMPLAINTS} must be")
    await asyncio.sleep(0.2)
    most = max(most, _memory(server))
    return Run(first, rows / spent, (most - before) / 1e6, used.seconds)


def _memory(server: psutil.Process) -> int:
    size: int = server.memory_info().rss
    return size
