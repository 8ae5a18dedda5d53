"""What the public sees of complaints: a map of released ones, and counts. See docs/adr/0019."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final, Literal

import msgspec

from api import clock, settings
from api.complaints.categories import content
from api.complaints.model import PUBLIC_TH, PublicStatus, State, others_status
from api.complaints.public import queries as public_queries
from api.complaints.public.queries import Published, Wanted
from api.db import Tx

MOST: Final = 10_000
"""Features of one map."""
_EN: Final[dict[str, str]] = {
    PublicStatus.received: "Received",
    PublicStatus.in_progress: "In progress",
    PublicStatus.finished: "Finished",
    PublicStatus.not_taken_up: "Not taken up",
}
_OVER: Final = frozenset({PublicStatus.finished, PublicStatus.not_taken_up})


class Status(msgspec.Struct, frozen=True):
    """A status as strangers are told it."""

    code: Literal["open", "closed"]
    th: str
    en: str


def told(state: State, merged_into: State | None = None) -> Status:
    """That an office waits for its complainant, or that they gave up, is between the two."""
    status = others_status(state, merged_into)
    return Status("closed" if status in _OVER else "open", PUBLIC_TH[status], _EN[status])


# --- the map --------------------------------------------------------------------------------------


class Point(msgspec.Struct, tag_field="type", tag="Point"):
    """RFC 7946 §3.1.2: longitude, latitude; the middle of a cell of the grid."""

    coordinates: tuple[float, float]


class About(msgspec.Struct):
    """`month` (YYYY-MM) is the finest time that is told."""

    category: str
    category_th: str
    category_en: str
    status: Literal["open", "closed"]
    status_th: str
    status_en: str
    month: str
    province: str | None
    th: str
    en: str | None


class Feature(msgspec.Struct, tag_field="type", tag="Feature"):
    id: int
    geometry: Point
    properties: About


class FeatureCollection(msgspec.Struct, tag_field="type", tag="FeatureCollection"):
    """RFC 7946 §3.3. `truncated`: there are more, which a narrower question finds."""

    features: list[Feature]
    truncated: bool


async def map_of(
    tx: Tx, province: str | None, category: str | None, first: date | None, last: date | None
) -> FeatureCollection:
    """Released complaints in cells where enough lie, whatever the question leaves out of them."""
    found = await published(
        tx,
        Wanted(
            province=province,
            categories=[category] if category else None,
            first=first,
            last=last,
            safe=True,
            limit=MOST + 1,
        ),
    )
    return FeatureCollection([_feature(one) for one in found[:MOST]], len(found) > MOST)


async def published(tx: Tx, wanted: Wanted) -> list[Published]:
    """By the settings of this installation, and only of months that are over."""
    held = settings.current()
    return await public_queries.published(
        tx,
        wanted,
        grid=held.public_grid_deg,
        least=held.public_cell_min,
        before=begun(first_of(tx.now)),
    )


def position(one: Published) -> tuple[float, float] | None:
    """Latitude and longitude of the middle of the cell; None where it must not be told."""
    if one.row is None or one.column is None:
        return None
    grid = settings.current().public_grid_deg
    return round((one.row + 0.5) * grid, 6), round((one.column + 0.5) * grid, 6)


def _feature(one: Published) -> Feature:
    lat, lng = position(one) or (0.0, 0.0)  # asked for with `safe`
    words, status = content(one.content), told(one.state, one.merged_state)
    about = About(
        category=one.category,
        category_th=words.th,
        category_en=words.en,
        status=status.code,
        status_th=status.th,
        status_en=status.en,
        month=f"{one.month:%Y-%m}",
        province=one.province,
        th=one.th,
        en=one.en,
    )
    return Feature(one.public_id, Point((lng, lat)), about)


def first_of(moment: datetime) -> date:
    """The first day of the month, in Bangkok."""
    return clock.bangkok_date(moment).replace(day=1)


def begun(month: date) -> datetime:
    """The moment at which a month begins in Bangkok."""
    return datetime(month.year, month.month, 1, tzinfo=clock.BANGKOK)


# --- counts ---------------------------------------------------------------------------------------


class CategoryCount(msgspec.Struct):
    category: str
    n: int


class ProvinceCount(msgspec.Struct):
    """`n` is all of the province, the withheld ones too; `categories` those that may be told."""

    province: str
    n: int
    categories: list[CategoryCount]


class MonthCount(msgspec.Struct):
    """`n` is all of the month; None where it, or what it would betray, is too small.

    What is left out was none, few, or withheld so that a few cannot be worked out.
    """

    month: str
    n: int | None
    provinces: list[ProvinceCount]


class Counts(msgspec.Struct):
    """`least`: no smaller number is told."""

    least: int
    months: list[MonthCount]


async def counts(
    tx: Tx, first: date | None, last: date | None, province: str | None, category: str | None
) -> Counts:
    """Frozen counts by month, province and category. Asking for a part shows nothing further."""
    least = settings.current().public_cell_min
    found = await public_queries.counts(tx, first, last)
    by_month = {month: list(rows) for month, rows in groupby(found, key=lambda c: c.month)}
    shown = []
    for month in await public_queries.months(tx, first, last):
        table: dict[str, dict[str, int]] = {}
        for count in by_month.get(month, ()):
            table.setdefault(count.province, {})[count.category] = count.n
        of_month = suppressed(month, table, least)
        _only(of_month, province, category)
        shown.append(of_month)
    return Counts(least, shown)


def suppressed(month: date, table: Mapping[str, Mapping[str, int]], least: int) -> MonthCount:
    """What may be told of a table of counts, province → category → n.

    No number below `least`; and what is left when the numbers told are taken from the sum above
    them is nothing or at least `least`: where it would be less, the smallest of them is withheld
    too. Sums go one way only, from a category up to its province and on to the country, so there
    are no others to compare. None and few look alike.
    """
    provinces: list[ProvinceCount] = []
    whole = sum(n for of in table.values() for n in of.values())
    for code in sorted(table):
        total = sum(table[code].values())
        if total >= least:
            cells = _safe(table[code].items(), total, least)
            listed = [CategoryCount(c, n) for c, n in sorted(cells.items())]
            provinces.append(ProvinceCount(code, total, listed))
    kept = _safe(((p.province, p.n) for p in provinces), whole, least)
    provinces = [p for p in provinces if p.province in kept]
    return MonthCount(f"{month:%Y-%m}", whole if whole >= least else None, provinces)


def _safe(parts: Iterable[tuple[str, int]], whole: int, least: int) -> dict[str, int]:
    """The parts that may stand beside their sum, the largest first."""
    kept = {name: n for name, n in parts if n >= least}
    while kept and 0 < whole - sum(kept.values()) < least:
        kept.pop(min(kept, key=lambda name: (kept[name], name)))
    return kept


def _only(month: MonthCount, province: str | None, category: str | None) -> None:
    """Leaves out what was not asked for, after the whole was judged."""
    if province is not None:
        month.provinces = [p for p in month.provinces if p.province == province]
    if category is not None:
        for of in month.provinces:
            of.categories = [c for c in of.categories if c.category == category]


async def freeze(tx: Tx) -> int:
    """Counts the months that are over and settled, each once; returns how many. Runs hourly."""
    settle, frozen = timedelta(days=settings.current().public_settle_days), 0
    while (month := await public_queries.next_month(tx)) is not None:
        after = first_of(begun(month) + timedelta(days=32))
        if tx.now < begun(after) + settle:
            break
        await public_queries.freeze(tx, month)
        frozen += 1
    return frozen
