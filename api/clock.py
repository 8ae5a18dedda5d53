"""The one door to time. Legal dates are dates in Bangkok; the Buddhist year is that of that day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]
"""What every shape has for a time: RFC 3339 with an offset, and the OpenAPI document says so."""
AskedMoment = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]
"""A time in a query, which may lack its zone: then it is Bangkok's (`known`)."""
MomentText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
DayText = Annotated[str, Meta(extra_json_schema={"format": "date"})]
"""What stays text, exactly as it was signed or sent."""

BANGKOK = ZoneInfo("Asia/Bangkok")
BUDDHIST_ERA = 543

_offset = timedelta()


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC) + _offset


def known(moment: AskedMoment) -> datetime:
    """The moment that was asked for; without a zone it is Bangkok's."""
    return moment if moment.tzinfo else moment.replace(tzinfo=BANGKOK)


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
