"""The clocks of a complaint, as pure data: when each is due, warned of, overdue and told upwards.

A clock starts when the complaint is received, or reopened, and no edit moves it; it stands still
only while the office waits for the complainant. All clocks of a complaint lie in its one row; the
next moment at which one of them has to say something is a deadline (`api/deadlines.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from api import workdays
from api.clock import bangkok_date
from api.complaints.model import Severity
from api.settings import Settings


class Kind(StrEnum):
    acknowledge = "acknowledge"  # someone has read it and taken it up, or refused it
    first_action = "first_action"
    resolve = "resolve"
    answer_reopened = "answer_reopened"


class Duration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So long a clock runs, in exactly one unit: working days end with the Bangkok day, the others
    to the second. At most a year of hours or working days, or ten years of days.

    Raises ValueError for more units or none, also when it is decoded.
    """

    working_days: Annotated[int, Meta(ge=0, le=366)] | None = None
    days: Annotated[int, Meta(ge=1, le=3660)] | None = None
    hours: Annotated[int, Meta(ge=1, le=8784)] | None = None

    def __post_init__(self) -> None:
        if sum(n is not None for n in (self.working_days, self.days, self.hours)) != 1:
            raise ValueError("exactly one of `working_days`, `days` and `hours`")


class Clock(msgspec.Struct, omit_defaults=True):
    """One clock; `said` counts the points of `points` that it has passed."""

    kind: Kind
    started_at: datetime
    due_at: datetime
    working: bool = False
    urgent: bool = False
    met_at: datetime | None = None
    said: int = 0


REMINDERS: Final = (0.5, 0.8)
"""Shares of its time at which a clock reminds before it is overdue."""
LEVELS: Final = ("officer", "head", "department", "ministry")
"""Who is told in turn that a clock is overdue. With nobody assigned it starts at the head."""
STEP: Final = timedelta(days=1)
STEP_URGENT: Final = timedelta(hours=1)
"""Between one level and the next; the second for emergencies."""

_decoder = msgspec.json.Decoder(list[Clock])


def read(stored: str) -> list[Clock]:
    return _decoder.decode(stored)


def write(clocks: Sequence[Clock]) -> str:
    return msgspec.json.encode(clocks).decode()


def durations(
    severity: Severity,
    settings: Settings,
    of_category: Mapping[Severity, dict[Kind, Duration]] | None = None,
) -> dict[Kind, Duration]:
    """How long each clock runs: as the settings say, and the category where it says otherwise."""
    if severity == Severity.emergency:
        hours = (
            settings.emergency_acknowledge_hours,
            settings.emergency_first_action_hours,
            settings.emergency_resolve_hours,
            settings.emergency_answer_reopened_hours,
        )
        found = dict(zip(Kind, (Duration(hours=n) for n in hours), strict=True))
    else:
        found = {
            Kind.acknowledge: Duration(working_days=settings.acknowledge_working_days),
            Kind.first_action: Duration(working_days=settings.first_action_working_days),
            Kind.resolve: Duration(days=settings.resolve_days),
            Kind.answer_reopened: Duration(days=settings.answer_reopened_days),
        }
    return found | dict((of_category or {}).get(severity, {}))


def start(
    kind: Kind, now: datetime, duration: Duration, special: Mapping[date, bool], *, urgent: bool
) -> Clock:
    """A clock that starts at `now`. `special`: the special days from today on."""
    if duration.working_days is not None:
        last = workdays.after(bangkok_date(now), duration.working_days, special)
        return Clock(kind, now, workdays.end_of(last), working=True, urgent=urgent)
    length = timedelta(days=duration.days or 0, hours=duration.hours or 0)
    return Clock(kind, now, now + length, urgent=urgent)


def points(clock: Clock) -> list[datetime]:
    """The moments at which the clock says something: two reminders, overdue, then each level up."""
    span, step = clock.due_at - clock.started_at, STEP_URGENT if clock.urgent else STEP
    return [clock.started_at + span * share for share in REMINDERS] + [
        clock.due_at + step * n for n in range(len(LEVELS))
    ]


def next_point(clocks: Sequence[Clock]) -> datetime | None:
    """When the next of them has something to say; None when none runs."""
    coming = [points(c)[c.said] for c in clocks if c.met_at is None and c.said < _ALL]
    return min(coming, default=None)


def next_due(clocks: Sequence[Clock]) -> datetime | None:
    """When the nearest running clock is, or was, due."""
    return min((c.due_at for c in clocks if c.met_at is None), default=None)


class Saying(msgspec.Struct, frozen=True):
    """What a clock says at a point: a reminder, or that it is overdue, and to which level."""

    kind: Kind
    overdue: bool
    level: str
    due_at: datetime


def say(clocks: Sequence[Clock], now: datetime, *, assigned: bool) -> list[Saying]:
    """What has come due by `now`, each point once; it is marked in `clocks`.

    After an outage only the last reminder is said, but every level that was missed. Where nobody
    is assigned the head is told in the officer's place, and at once.
    """
    found = []
    for clock in clocks:
        if clock.met_at is not None:
            continue
        passed = sum(point <= now for point in points(clock))
        reached = range(clock.said, passed)
        clock.said = max(clock.said, passed)
        reminders = [n for n in reached if n < len(REMINDERS)]
        if reminders and passed <= len(REMINDERS):
            found.append(Saying(clock.kind, False, _level(0, assigned=assigned), clock.due_at))
        told = [
            _level(n - len(REMINDERS), assigned=assigned) for n in reached if n not in reminders
        ]
        found += [Saying(clock.kind, True, level, clock.due_at) for level in dict.fromkeys(told)]
    return found


def meet(clocks: Sequence[Clock], kind: Kind, now: datetime) -> None:
    """What the clock waited for has happened; a clock that was met before stays as it was."""
    for clock in clocks:
        if clock.kind is kind and clock.met_at is None:
            clock.met_at = now


def meet_all(clocks: Sequence[Clock], now: datetime) -> None:
    for kind in Kind:
        meet(clocks, kind, now)


def resume(
    clocks: Sequence[Clock], paused_at: datetime, now: datetime, special: Mapping[date, bool]
) -> None:
    """Moves what is still running by the time it stood still; never to an earlier moment.

    What was left in working days when it stopped is left in working days again. A clock that was
    overdue when it stopped stays as overdue as it was.
    """
    for clock in clocks:
        if clock.met_at is not None:
            continue
        before, left = clock.due_at, clock.due_at - paused_at
        if clock.working and left > timedelta(0):
            stopped, last = bangkok_date(paused_at), bangkok_date(before - timedelta(seconds=1))
            days = sum(
                workdays.is_working(stopped + timedelta(days=n), special)
                for n in range(1, (last - stopped).days + 1)
            )
            due = workdays.end_of(workdays.after(bangkok_date(now), days, special))
            clock.due_at = max(before, due)
        else:
            clock.due_at = before + (now - paused_at)
        clock.started_at += clock.due_at - before


def _level(n: int, *, assigned: bool) -> str:
    return LEVELS[n] if assigned else LEVELS[max(1, n)]


_ALL: Final = len(REMINDERS) + len(LEVELS)
