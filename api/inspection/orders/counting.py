"""When a service counts and when a time ends, and how days that cabinet declares late move both.

A day moves only what had not passed when it was declared, and only to later. The same is asked
when a clock runs out: a worker that was away over that midnight counts as if it had been there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from api import deadlines, workdays
from api.clock import bangkok_date
from api.db import Tx
from api.inspection.orders import move_queries, outcome_queries, reading, serving_queries
from api.inspection.orders.model import (
    SHOWN,
    TIMED,
    WAIT_WORKING_DAYS,
    WAITS,
    OrderState,
    Row,
)
from api.inspection.orders.reading import APPEAL, DUE


def effective(
    row: Row, claimed: datetime, now: datetime, read_at: datetime | None = None
) -> datetime:
    """When an attempt took place, for the law: nothing is served in the future, nor unsigned, nor
    before the card that proves it was read (`read_at`)."""
    assert row.signed_at is not None
    return max(min(claimed, now), row.signed_at, read_at or row.signed_at)


def last_day(end: datetime) -> date:
    """The Bangkok day that ends at `end`."""
    return bangkok_date(end - timedelta(microseconds=1))


def end_of_time(day: date, days: int, special: Mapping[date, bool]) -> datetime:
    """The end of the time of `days`, the first day not counted, and never on a holiday."""
    return workdays.end_of(workdays.working_from(day + timedelta(days=days), special))


def deemed(posted: date, special: Mapping[date, bool]) -> datetime:
    """The moment at which five working days have passed since `posted` (s.38)."""
    return workdays.end_of(workdays.after(posted, WAIT_WORKING_DAYS, special))


async def postpone_services(tx: Tx, row: Row) -> bool:
    """Moves the services that wait where a day was declared before they counted; has one moved?"""
    if row.state != OrderState.signed:
        return False
    moved = False
    for waiting in await serving_queries.attempts(tx, [row.id]):
        if waiting.how not in WAITS or waiting.counts_at is None:
            continue
        posted = bangkok_date(effective(row, waiting.at, waiting.received_at))
        before, counts_at = None, waiting.counts_at
        while counts_at != before:  # what was declared meanwhile may move it once more
            before = counts_at
            special = await workdays.special_days(tx, posted, declared_before=before)
            counts_at = max(before, deemed(posted, special))
        moved |= bool(await serving_queries.postpone_attempt(tx, waiting.id, counts_at))
    return moved


async def postpone_due(tx: Tx, row: Row) -> bool:
    """A time to act that ends on a day which is no working day any more ends on the next one."""
    if row.due_at is None or row.stay is not None or row.state != OrderState.served:
        return False
    due = await _postponed(tx, row.due_at)
    if due == row.due_at:
        return False
    await move_queries.extend(tx, row.id, due)
    if row.kind in TIMED:
        await deadlines.start(tx, DUE, row.id, due)
    await reading.tell(tx, row, "order.due_postponed", {"until": last_day(due)})
    return True


async def postpone_appeal(tx: Tx, row: Row) -> bool:
    """The same for the time to appeal."""
    if row.appeal_until is None or row.state not in SHOWN:
        return False
    until = await _postponed(tx, row.appeal_until)
    if until == row.appeal_until:
        return False
    await move_queries.set_appeal_until(tx, row.id, until)
    if await outcome_queries.appeal(tx, row.id) is None:
        await deadlines.start(tx, APPEAL, row.id, until)
    await reading.tell(tx, row, "order.appeal_postponed", {"until": last_day(until)})
    return True


async def _postponed(tx: Tx, end: datetime) -> datetime:
    before = None
    while end != before:
        before = end
        special = await workdays.special_days(tx, last_day(end), declared_before=end)
        if special.get(last_day(end)) is False:
            end = workdays.end_of(workdays.working_from(last_day(end), special))
    return end
