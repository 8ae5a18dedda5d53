"""Thai working days: the maintained `holidays` calendar and the table of special days over it.

Of the calendar both what everyone has off and what the state's offices have off besides, such as
the day of the Royal Ploughing Ceremony.

A special day is declared by cabinet, often late: `working = false` adds a holiday, `true` takes
one away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache

import holidays
import msgspec

from api.clock import BANGKOK
from api.db import Tx


class SpecialDay(msgspec.Struct):
    """A day that cabinet made a holiday (`working` false) or a working day (true)."""

    day: date
    working: bool
    name_th: str
    name_en: str = ""


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(
        holidays.country_holidays("TH", years=year, categories=("public", "government"))
    )


def is_working(day: date, special: Mapping[date, bool]) -> bool:
    """Monday to Friday, no public holiday, unless `special` (day → working) says otherwise."""
    if day in special:
        return special[day]
    return day.weekday() < 5 and day not in _holidays(day.year)


def after(day: date, working_days: int, special: Mapping[date, bool]) -> date:
    """The `working_days`-th working day after `day`; `day` itself does not count."""
    left = working_days
    while left > 0:
        day += timedelta(days=1)
        left -= is_working(day, special)
    return day


def working_from(day: date, special: Mapping[date, bool]) -> date:
    """`day`, or the first working day after it: a time to act does not end on a holiday
    (Administrative Procedure Act s.64)."""
    while not is_working(day, special):
        day += timedelta(days=1)
    return day


def end_of(day: date) -> datetime:
    """The moment at which the Bangkok day `day` has passed."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), BANGKOK)


class DayEdit(msgspec.Struct, forbid_unknown_fields=True):
    """What cabinet declared of a day."""

    working: bool
    name_th: str
    name_en: str = ""


async def special_day_list(
    tx: Tx, since: date, *, declared_before: datetime | None = None
) -> list[SpecialDay]:
    return await tx.all(
        SpecialDay,
        """
        select day, working, name_th, name_en from special_day
        where day >= $1 and ($2::timestamptz is null or declared_at < $2) order by day
        """,
        since,
        declared_before,
    )


async def special_days(
    tx: Tx, since: date, *, declared_before: datetime | None = None
) -> dict[date, bool]:
    """The special days from `since` on: day → is it worked. `declared_before`: as known then."""
    return {
        item.day: item.working
        for item in await special_day_list(tx, since, declared_before=declared_before)
    }


async def declare(tx: Tx, day: date, edit: DayEdit) -> SpecialDay:
    """Writes a special day; a second declaration takes the place of the first. One that says the
    same of the day under another name changes nothing of when it was declared."""
    await tx.run(
        """
        insert into special_day (day, working, name_th, name_en, declared_at)
        values ($1, $2, $3, $4, $5)
        on conflict (day) do update set working = excluded.working, name_th = excluded.name_th,
            name_en = excluded.name_en,
            declared_at = case when special_day.working = excluded.working
                then special_day.declared_at else excluded.declared_at end
        """,
        day,
        edit.working,
        edit.name_th,
        edit.name_en,
        tx.now,
    )
    return SpecialDay(day, edit.working, edit.name_th, edit.name_en)
