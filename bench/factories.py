"""How the register behaves at its real size: reading one factory, finding some, finding many."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

from api.factories.register import import_feed
from bench import feed, frame
from bench.frame import Frame, median
from bench.http import Phone
from bench.table import Row, row

SMALL, LARGE = 2_500, 250_000
MARKED = 20
ROUNDS = 60


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where a search does not find what it must."""
    frame.use(bench.conf)
    # A second server beside the first, so that what disturbs one measurement disturbs both.
    other = Frame(bench.postgres, bench.folder)
    small = await register(bench, SMALL)
    large = await register(bench, LARGE)
    async with bench.serving(small), other.serving(large):
        async with bench.connected(small) as db:
            near_token, _ = await bench.token(db, "department")
        frame.use(other.conf)  # a token names the server that it is for
        async with bench.connected(large) as db:
            far_token, _ = await bench.token(db, "department")
        async with Phone(bench.port, near_token) as few, Phone(other.port, far_token) as many:
            ratios = await compare(few, many)
            pages = {word: await first_page(many, word) for word in feed.FREQUENT}
    worst = max(ratios, key=lambda kind: ratios[kind])
    slowest = max(pages, key=lambda word: pages[word])
    return [
        row(
            "factories.scale_x",
            ratios[worst],
            ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in ratios.items()),
        ),
        row(
            "factories.first_page_ms",
            pages[slowest],
            ", ".join(f"{word} {ms:.1f}" for word, ms in pages.items()),
        ),
    ]


async def register(bench: Frame, rows: int, name: str | None = None) -> str:
    """A data base whose register came from a feed of `rows` rows."""
    url = await bench.database(name or f"bench_factories_{rows}")
    path = bench.folder / f"feed-{rows}.csv"
    feed.write(path, rows, marked=MARKED)
    await import_feed(url, path)
    path.unlink()
    return url


async def compare(few: Phone, many: Phone) -> dict[str, float]:
    """For each way of reading the ratio of the medians, large register to small."""
    mark = quote(feed.MARK)
    of_few, of_many = await marked(few), await marked(many)
    ways = {
        "detail": [f"/v1/factories/{x['id']}" for x in (of_few, of_many)],
        "number": [f"/v1/factories?number={x['number']}" for x in (of_few, of_many)],
        "nearby": [f"/v1/factories?near=13.7,100.5&radius_m=2000&limit={MARKED}"] * 2,
        "name": [f"/v1/factories?q={mark}"] * 2,
    }
    ratios = {}
    for kind, (path_few, path_many) in ways.items():
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            for phone, path, spent in ((few, path_few, times[0]), (many, path_many, times[1])):
                spent.append(await timed(phone, path))
        ratios[kind] = median(times[1][5:]) / median(times[0][5:])
    return ratios


async def marked(phone: Phone) -> dict[str, str]:
    """One of the marked factories; all of them must be found."""
    answer = await phone.get(f"/v1/factories?q={quote(feed.MARK)}")
    items = answer.json()["items"]
    if len(items) != MARKED:
        raise RuntimeError(f"{len(items)} hits where {MARKED} must be")
    one = items[MARKED // 2]
    return {"id": one["id"], "number": one["licences"][0]["number"]}


async def first_page(phone: Phone, word: str) -> float:
    """The median of a search's first page, in ms."""
    times = [await timed(phone, f"/v1/factories?q={quote(word)}") for _ in range(ROUNDS)]
    return median(times[5:]) * 1000


async def timed(phone: Phone, path: str) -> float:
    begun = time.perf_counter()
    answer = await phone.get(path)
    spent = time.perf_counter() - begun
    if answer.status != 200 or b'"id"' not in answer.body:
        raise RuntimeError(f"{path}: {answer.status} {answer.body[:200]!r}")
    return spent


async def measure_import(bench: Frame) -> list[Row]:
    """The open feed into an empty register, all indexes kept up: the median of three runs."""
    frame.use(bench.conf)
    path: Path = bench.folder / "feed.csv"
    feed.write(path, LARGE)
    rates = []
    again = 0.0
    for n in range(3):
        url = await bench.database(f"bench_import_{n}")
        rates.append(await rate(url, path, LARGE))
        if n == 2:
            again = await rate(url, path, 0)
    path.unlink()
    shown = ", ".join(f"{rate:,.0f}" for rate in rates)
    return [row("import.rows_per_s", median(rates), f"{shown}; the same file again {again:,.0f}")]


async def rate(url: str, path: Path, expected: int) -> float:
    begun = time.perf_counter()
    outcome = await import_feed(url, path)
    spent = time.perf_counter() - begun
    if (outcome.read, outcome.added) != (LARGE, expected):
        raise RuntimeError(f"the import said {outcome}")
    return outcome.read / spent
