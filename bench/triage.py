"""What complaints cost when there are a million: the lists, one complaint, what is near."""

from __future__ import annotations

import random
import time
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx

from api.app import create_app
from api.db import Database
from bench import factories, frame
from bench.driver import Recording, recording_pool
from bench.frame import Frame, median, spread
from bench.http import Phone
from bench.table import Row, row

FEW, MANY = 10_000, 1_000_000
ROUNDS = 60
PAGE = 20
NEAR_ROUNDS = 200
OFFICER = "inspector"
REGISTER = "bench_triage_register"
_made: dict[int, str] = {}


async def measure(bench: Frame) -> list[Row]:
    """Lists and detail at `MANY` complaints against `FEW`, by two servers side by side."""
    frame.use(bench.conf)
    few, many = await filled(bench, FEW), await filled(bench, MANY)
    other = Frame(bench.postgres, bench.folder)
    async with bench.serving(few), other.serving(many):
        ways = []
        for held, url in ((bench, few), (other, many)):
            frame.use(held.conf)
            async with held.connected(url) as db:
                ways.append(await paths(held, db))
        async with Phone(bench.port, "") as left, Phone(other.port, "") as right:
            times = await side_by_side((left, right), ways)
    ratios = {name: median(spent[1]) / median(spent[0]) for name, spent in times.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    shown = ", ".join(
        f"{name} {ratios[name]:.2f} ({median(spent[1]) * 1000:.1f} ms)"
        for name, spent in times.items()
    )
    frame.use(bench.conf)
    return [
        row("triage.statements", await statements(bench, few), f"the list of {PAGE}"),
        row("triage.scale_x", ratios[worst], shown),
    ]


async def measure_near(bench: Frame) -> list[Row]:
    """Duplicates nearby and candidate factories, which one request answers together.

    Asked by an officer whose reach is the whole country, so that all that is found is shown, once
    they have read the complaint; beside it what it costs as the first look, which leaves a trace.
    """
    frame.use(bench.conf)
    url = await filled(bench, MANY)
    async with bench.serving(url), bench.connected(url) as db:
        token, _ = await bench.token(db, "department")
        async with db.read() as tx:
            ids = await tx.values(
                "select id from complaint where province = '11' order by id limit $1",
                2 * (NEAR_ROUNDS + 20),
            )
        first, again = list[float](), list[float]()
        async with Phone(bench.port, token) as phone:
            for read, unread in zip(ids[::2], ids[1::2], strict=True):
                await _timed(phone, f"/v1/complaints/{read}")
                again.append(await _timed(phone, f"/v1/complaints/{read}/around"))
                first.append(await _timed(phone, f"/v1/complaints/{unread}/around"))
    spent, traced = [ms * 1000 for ms in again[20:]], median(first[20:]) * 1000
    note = f"one request, the complaint read before; {spread(spent)}; as a first look {traced:.1f}"
    return [row("nearby.ms", median(spent), note)]


async def filled(bench: Frame, count: int) -> str:
    """A data base with the whole register and `count` complaints, a tenth of them open."""
    if count in _made:
        return _made[count]
    if not _made:
        await factories.register(bench, factories.LARGE, REGISTER)
    url = await bench.database(f"bench_triage_{count}", REGISTER)
    async with bench.connected(url) as db:
        await bench.token(db, OFFICER)  # so that there is an account to assign to
    owner = await asyncpg.connect(url)
    await owner.execute("set session_replication_role = replica")  # no look at foreign keys
    await owner.execute(_FILL, count, OFFICER)
    await owner.execute("analyze complaint")
    await owner.execute("vacuum complaint")
    await owner.close()
    _made[count] = url
    return url


_FILL = """
with made as (
    select n, gen_random_uuid() as id, random() as where_, random() as open_,
        13.6 + (random() - 0.5) * 0.3 as lat, 100.65 + (random() - 0.5) * 0.3 as lng,
        timestamptz '2026-11-01' - random() * interval '700 days' as at
    from generate_series(1, $1::integer) n
), placed as (
    select *, case when where_ < 0.06 then '11' else
        lpad((10 + (where_ * 1000)::integer % 77)::text, 2, '0') end as province,
        case when open_ > 0.1 then 'closed'
            else (array['submitted', 'accepted', 'assigned', 'in_progress'])[1 + n % 4] end as state
    from made
)
insert into complaint (id, channel, category, category_version, answers, description, severity,
    lat, lng, earth, province, office, assigned, state, sent, received_at, closed_at, next_due)
select p.id, 'app', (array['odour', 'noise', 'dust', 'waste_water'])[1 + n % 4], 1,
    '{"kind": "solvent", "how_often": "daily"}', repeat('กลิ่นทินเนอร์แรงมากทุกคืน ', 6) || n,
    'normal', lat, lng,
    cube(array[6371008.8 * cos(radians(lat)) * cos(radians(lng)),
        6371008.8 * cos(radians(lat)) * sin(radians(lng)), 6371008.8 * sin(radians(lat))]),
    coalesce(k.code, '11'), o.id,
    case when state in ('assigned', 'in_progress') and n % 50 = 0 then a.account end, state,
    decode(md5(n::text), 'hex'), at, case when state = 'closed' then at + interval '9 days' end,
    case when state <> 'closed' then at + interval '15 days' end
from placed p
left join province k on k.code = p.province
left join office o on o.code = 'pio-' || coalesce(k.code, '11')
cross join (select f.account from officer f join account_role r on r.account = f.account
    where r.role = 'inspector' and f.account is not null limit 1) a
where $2::text is not null
"""


async def paths(bench: Frame, db: Database) -> dict[str, tuple[str, list[str]]]:
    """Each way of reading: whose token, and the addresses to ask in turn."""
    desk, _ = await bench.token(db, "provincial-officer")
    officer, _ = await bench.token(db, OFFICER)
    central, _ = await bench.token(db, "department")
    async with db.read() as tx:
        ids: list[UUID] = await tx.values(
            "select id from complaint where province = '11' order by md5(id::text) limit 80"
        )
    random.Random(1).shuffle(ids)
    return {
        "triage": (desk, ["/v1/complaints"]),
        "odour": (desk, ["/v1/complaints?category=odour"]),
        "mine": (officer, ["/v1/complaints?mine=true"]),
        "closed": (desk, ["/v1/complaints?state=closed"]),
        "everywhere": (central, ["/v1/complaints?everywhere=true"]),
        "detail": (desk, [f"/v1/complaints/{id}" for id in ids]),
    }


async def side_by_side(
    phones: tuple[Phone, Phone], ways: list[dict[str, tuple[str, list[str]]]]
) -> dict[str, tuple[list[float], list[float]]]:
    """For each way the seconds at few and at many, in turn, so that a disturbance hits both."""
    times: dict[str, tuple[list[float], list[float]]] = {}
    for name in ways[0]:
        spent: tuple[list[float], list[float]] = ([], [])
        for n in range(ROUNDS + 10):
            for phone, of, kept in zip(phones, ways, spent, strict=True):
                phone.token, addresses = of[name]
                kept.append(await _timed(phone, addresses[n % len(addresses)]))
        times[name] = (spent[0][10:], spent[1][10:])
    return times


async def statements(bench: Frame, url: str) -> int:
    """How many a page of the list costs."""
    async with recording_pool(url) as pool:
        db = Database(pool)
        token, _ = await bench.token(db, "provincial-officer")
        app = create_app(bench.conf, db)
        transport = httpx.ASGITransport(app=cast(Any, app))
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            app.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://bench") as client,
        ):
            await client.get("/v1/complaints", headers=headers)
            Recording.log.clear()
            answer = await client.get("/v1/complaints", headers=headers)
        if len(answer.json()["items"]) != PAGE:
            raise RuntimeError(answer.text[:300])
        return len(Recording.log)


async def _timed(phone: Phone, path: str) -> float:
    begun = time.perf_counter()
    answer = await phone.get(path)
    spent = time.perf_counter() - begun
    if answer.status != 200 or (b'"id"' not in answer.body and b"[" not in answer.body):
        raise RuntimeError(f"{path}: {answer.status} {answer.body[:200]!r}")
    return spent
