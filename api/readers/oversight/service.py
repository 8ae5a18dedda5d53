"""What the auditor asks of readings. Every question is an event, with what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from api import clock, cursors, events, ids
from api.accounts.model import NoAccount
from api.cursors import Place
from api.db import Tx
from api.readers.bridges import reach
from api.readers.oversight import queries
from api.readers.oversight.problems import PeriodWrong
from api.readers.oversight.queries import AfterCount, AfterUnused, Asked, Wanted
from api.readers.oversight.views import Count, Crossing, DayAct, IncidentCount, Unused
from api.readers.views import ReadingLine

AUDIT: Final = "reading.audit"
DAYS: Final = 92
"""Of one question at most."""
DAYS_CROSSING: Final = 31
HOUR: Final = timedelta(hours=1)


def period(
    tx: Tx, since: datetime | None, until: datetime | None, days: int = DAYS
) -> tuple[datetime, datetime]:
    """Raises `PeriodWrong`."""
    end = tx.now if until is None else _known(until)
    begin = end - timedelta(days=30) if since is None else _known(since)
    if begin >= end or end - begin > timedelta(days=days):
        raise PeriodWrong(days=days)
    return begin, end


def wanted(tx: Tx, by: Asked, days: int = DAYS) -> Wanted:
    """What is asked for, of a period. Raises `PeriodWrong`."""
    begin, end = period(tx, by.since, by.until, days)
    return Wanted(**msgspec.structs.asdict(by) | {"since": begin, "until": end})


def _known(moment: datetime) -> datetime:
    """One that the data base can reckon with; without a zone it is Bangkok's."""
    if not 2000 <= moment.year <= 2500:
        raise PeriodWrong(days=DAYS)
    return clock.known(moment)


def _of_day(day: date) -> datetime:
    return _known(datetime(day.year, day.month, day.day, tzinfo=clock.BANGKOK))


def within(tx: Tx, wanted: Wanted) -> Wanted | None:
    """The same within the caller's reach; None where nothing of it lies there."""
    most = reach.office(tx.actor, AUDIT)
    if most is None:
        return wanted
    if wanted.office not in (None, most):
        return None
    return msgspec.structs.replace(wanted, office=most)


async def asked(tx: Tx, what: str, filters: Mapping[str, Any]) -> None:
    """Leaves the trace of a question before it is answered, also of a mere reader."""
    said = {name: value for name, value in filters.items() if value is not None}
    async with tx.savepoint():
        facts = {"what": what, "filters": said}
        await events.record(tx, "reading.audited", "reading_audit", ids.new(), facts=facts)


def told(wanted: Wanted) -> dict[str, Any]:
    """What was asked for, as an event keeps it."""
    given = {name: getattr(wanted, name) for name in _NAMES}
    return {name: value for name, value in given.items() if value is not None}


_NAMES: Final = Wanted.__struct_fields__


async def readings(
    tx: Tx, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[ReadingLine], str | None]:
    """The newest first."""
    await asked(tx, "readings", told(wanted))
    place = cursors.read(cursor, Place) if cursor else None
    if (w := within(tx, wanted)) is None:
        return [], None
    at, id = (place.at, place.id) if place else (None, None)
    return _page(await queries.readings(tx, w, at, id, limit), limit)


async def face_differs(
    tx: Tx, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[ReadingLine], str | None]:
    """Readings of which the officer said that the face differs."""
    await asked(tx, "face_differs", told(wanted))
    place = cursors.read(cursor, Place) if cursor else None
    if (w := within(tx, wanted)) is None:
        return [], None
    at, id = (place.at, place.id) if place else (None, None)
    return _page(await queries.face_differs(tx, w, at, id, limit), limit)


async def late(
    tx: Tx, wanted: Wanted, hours: int, cursor: str | None, limit: int
) -> tuple[list[ReadingLine], str | None]:
    """Offline readings that came more than `hours` after the device says that it read them."""
    await asked(tx, "late", told(wanted) | {"hours": hours})
    place = cursors.read(cursor, Place) if cursor else None
    if (w := within(tx, wanted)) is None:
        return [], None
    at, id = (place.at, place.id) if place else (None, None)
    return _page(await queries.late(tx, w, hours, at, id, limit), limit)


async def counts(
    tx: Tx, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[Count], str | None]:
    """Officer × purpose × day."""
    await asked(tx, "counts", told(wanted))
    place = cursors.read(cursor, AfterCount) if cursor else None
    if (w := within(tx, wanted)) is None:
        return [], None
    found = await _counted(tx, w, place, limit)
    if len(found) < limit:
        return found, None
    last = found[-1]
    return found, cursors.write(AfterCount(last.day, last.account, last.purpose))


async def _counted(tx: Tx, w: Wanted, after: AfterCount | None, limit: int) -> list[Count]:
    """Of all offices a day at a time: a page needs the newest days alone."""
    if w.office is not None or w.account is not None:
        return await queries.counts(tx, w, after, limit)
    found: list[Count] = []
    end = w.until if after is None else min(w.until, _of_day(after.day) + timedelta(days=1))
    while end > w.since and len(found) < limit:
        begin = max(w.since, _of_day(clock.bangkok_date(end - timedelta(microseconds=1))))
        part = msgspec.structs.replace(w, since=begin, until=end)
        found += await queries.counts(tx, part, after, limit - len(found))
        end = begin
    return found


async def unused(
    tx: Tx, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[Unused], str | None]:
    """Readings without a following service, by officer and office."""
    await asked(tx, "unused", told(wanted))
    place = cursors.read(cursor, AfterUnused) if cursor else None
    if (w := within(tx, wanted)) is None:
        return [], None
    rows = await queries.unused(tx, w, tx.now - HOUR, place, limit)
    found = [
        Unused(
            account=row.account,
            office=row.office,
            taken=row.taken,
            unused=row.unused,
            rate=round(row.unused / row.taken, 4),
        )
        for row in rows
    ]
    if len(found) < limit:
        return found, None
    last = found[-1]
    return found, cursors.write(AfterUnused(last.unused, last.account, last.office))


async def crossings(
    tx: Tx, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[list[Crossing], str | None]:
    """The same card at two offices within an impossible time; of an office, also the other end."""
    await asked(tx, "crossings", told(wanted))
    place = cursors.read(cursor, Place) if cursor else None
    if (w := within(tx, wanted)) is None:
        return [], None
    at, id = (place.at, place.id) if place else (None, None)
    rows = await queries.crossings(tx, w, at, id, limit)
    both = [id for row in rows for id in (row.earlier, row.later)]
    of = {line.id: line for line in await queries.lines(tx, both)}
    found = [
        Crossing(
            id=row.later,
            earlier=of[row.earlier],
            later=of[row.later],
            matched=row.matched,  # type: ignore[arg-type]
            km=round(row.km, 1),
            minutes=round(row.minutes, 1),
            needed_min=round(row.needed_min, 1),
        )
        for row in rows
    ]
    more = cursors.write(Place(rows[-1].at, rows[-1].later)) if len(rows) == limit else None
    return found, more


async def day(
    tx: Tx, account: UUID, on: date, cursor: str | None, limit: int
) -> tuple[list[DayAct], str | None]:
    """All that one officer did with readers on one day in Bangkok. Raises `NoAccount`."""
    await asked(tx, "officer_day", {"account": account, "day": on})
    place = cursors.read(cursor, Place) if cursor else None
    most = reach.office(tx.actor, AUDIT)
    if most is not None and await queries.office_of(tx, account) != most:
        raise NoAccount()
    since, until = _of_day(on), _of_day(on) + timedelta(days=1)
    at, id = (place.at, place.id) if place else (None, None)
    bounds = (ids.first_at(since - HOUR), ids.first_at(until + HOUR))
    found = await queries.day(tx, account, since, until, *bounds, at, id, limit)
    more = cursors.write(Place(found[-1].at, found[-1].id)) if len(found) == limit else None
    return found, more


async def incidents(tx: Tx, wanted: Wanted) -> list[IncidentCount]:
    """Incidents by device and kind; each of them is in `GET /v1/bridge-incidents`."""
    await asked(tx, "incidents", told(wanted))
    w = within(tx, wanted)
    return [] if w is None else await queries.incidents(tx, w)


def _page(found: list[ReadingLine], limit: int) -> tuple[list[ReadingLine], str | None]:
    if len(found) < limit:
        return found, None
    return found, cursors.write(Place(found[-1].received_at, found[-1].id))
