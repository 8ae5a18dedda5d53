"""The one door to time. Legal dates are dates in Bangkok; the Buddhist year is that of that day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BANGKOK = ZoneInfo("Asia/Bangkok")
BUDDHIST_ERA = 543

_offset = timedelta()


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC) + _offset


def bangkok_date(moment: datetime) -> date:
    """The calendar day in Bangkok on which `moment` falls."""
    return moment.astimezone(BANGKOK).date()


def buddhist_year(day: date) -> int:
    """2026-11-22 lies in B.E. 2569."""
    return day.year + BUDDHIST_ERA


@contextmanager
def travel(by: timedelta) -> Iterator[None]:
    """Moves this process's clock for a test; the data base's own clock stays."""
    global _offset
    before, _offset = _offset, _offset + by
    try:
        yield
    finally:
        _offset = before
