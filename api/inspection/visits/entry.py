"""What is odd about an entry at the gate: clock, place, hours. Flags, never refusals.

`registered` is the registered position of the site as (latitude, longitude) in degrees, WGS 84.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

import msgspec
from astral import Observer
from astral.sun import sunrise, sunset

from api import settings
from api.clock import BANGKOK, bangkok_date
from api.factories.earth import distance
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits.model import VisitRow
from api.inspection.visits.operations import Position, RecordVisit, Start, WorkingHours

STALE = timedelta(minutes=10)
LONG_AGO = timedelta(days=31)
OF_A_CODE = 20
"""So many flags of one code an operation leaves at its visit."""
_flags = msgspec.json.Decoder(list[Flag])


def enter(
    start: Start | None,
    visit: VisitRow,
    subject: Mapping[str, Any],
    now: datetime,
    flags: list[Flag],
) -> str | None:
    """Takes the claim of the entry into `visit`; the earliest claim stands. Returns it as JSON."""
    if start is None:
        if visit.started_at is None:
            visit.started_at = now
            flags.append(Flag("start.missing"))
        return None
    conf = settings.current()
    place = subject.get("position")
    registered = (place["lat"], place["lng"]) if place else None
    flags += clock_flags(start.at, now, conf.clock_skew_s, "start")
    flags += position_flags(start.position, start.at, registered, conf.gate_distance_m)
    flags += hours_flags(start, registered)
    if visit.has_start and visit.started_at != start.at:
        flags.append(Flag("start.differs", {"claimed": start.at}))
        if visit.started_at is not None and visit.started_at < start.at:
            return None
    visit.started_at, visit.has_start = start.at, True
    return msgspec.json.encode(start).decode()


def answer_times(op: RecordVisit, visit: VisitRow, now: datetime) -> list[Flag]:
    """What is odd about the claimed times of the answers, told once for all of them."""
    moments = [a.answered_at for a in op.answers if a.answered_at is not None]
    if not moments:
        return []
    skew = settings.current().clock_skew_s
    first, last = min(moments), max(moments)
    flags = clock_flags(last, now, skew, "answers")
    earliest = clock_flags(first, now, skew, "answers")
    flags += [f for f in earliest if f.code == "clock.long_ago" and f not in flags]
    floor = (visit.started_at or now) - timedelta(minutes=10)
    if first < floor:
        flags.append(Flag("time.before_start", {"answers": sum(m < floor for m in moments)}))
    return flags


def clock_flags(claimed: datetime | None, now: datetime, skew_s: float, what: str) -> list[Flag]:
    """A claimed time ahead of ours by more than `skew_s`, or more than a month back."""
    if claimed is None:
        return []
    ahead = (claimed - now).total_seconds()
    if ahead > skew_s:
        return [Flag("clock.ahead", {"of": what, "seconds": round(ahead)})]
    if now - claimed > LONG_AGO:
        return [Flag("clock.long_ago", {"of": what, "days": (now - claimed).days})]
    return []


def position_flags(
    position: Position | None,
    at: datetime,
    registered: tuple[float, float] | None,
    limit_m: float,
) -> list[Flag]:
    """A mock position, one taken at another time, or one far from the registered position."""
    if position is None:
        return [Flag("position.missing")]
    flags = []
    if position.mock:
        flags.append(Flag("position.mock"))
    if not (-90 <= position.lat <= 90 and -180 <= position.lng <= 180):
        return [*flags, Flag("position.impossible")]
    if position.taken_at is not None and abs(position.taken_at - at) > STALE:
        minutes = round(abs(position.taken_at - at).total_seconds() / 60)
        flags.append(Flag("position.other_time", {"minutes": minutes}))
    if registered is None:
        flags.append(Flag("position.none_registered"))
    else:
        metres = distance(position.lat, position.lng, *registered)
        if metres > limit_m + (position.accuracy_m or 0):
            flags.append(Flag("position.far", {"metres": round(metres), "limit": limit_m}))
    return flags


def hours_flags(start: Start, registered: tuple[float, float] | None) -> list[Flag]:
    """Factory Act s.35(1): entry between sunrise and sunset, or in the place's working hours."""
    if start.working_hours and within(start.at, start.working_hours):
        return []
    where = registered or (13.75, 100.5)
    if start.position is not None and -66 < start.position.lat < 66:
        where = (start.position.lat, start.position.lng)
    day = bangkok_date(start.at)
    try:
        there = Observer(*where)
        daylight = (
            sunrise(there, day, tzinfo=BANGKOK) <= start.at <= sunset(there, day, tzinfo=BANGKOK)
        )
    except ValueError:  # no sunrise there that day: not a place in Thailand
        daylight = False
    if daylight:
        return []
    local = start.at.astimezone(BANGKOK)
    return [Flag("hours.outside", {"at": f"{local:%H:%M}", "law": "พ.ร.บ.โรงงาน ม.35(1)"})]


def within(at: datetime, hours: WorkingHours) -> bool:
    """Whether `at` lies in the plant's hours; a shift may pass midnight. False if unreadable."""
    try:
        start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    except ValueError:
        return False
    if start.tzinfo or end.tzinfo:  # "08:00Z" is not a wall clock's time
        return False
    moment = at.astimezone(BANGKOK).time().replace(tzinfo=None)
    if start <= end:
        return start <= moment <= end
    return moment >= start or moment <= end


def add_flags(visit: VisitRow, flags: Sequence[Flag]) -> None:
    """Adds to the visit's flags those that are not there yet, of each code the first `OF_A_CODE`.

    How many more there were is told by one flag; the result of the operation names them all.
    """
    if not flags:
        return
    known = _flags.decode(visit.flags)
    seen = {_key(flag) for flag in known}
    count = Counter[str]()
    for flag in flags:
        count[flag.code] += 1
        if count[flag.code] <= OF_A_CODE and (key := _key(flag)) not in seen:
            seen.add(key)
            known.append(flag)
    known += [
        Flag("flags.more", {"of": code, "count": found - OF_A_CODE})
        for code, found in count.items()
        if found > OF_A_CODE
    ]
    visit.flags = msgspec.json.encode(known).decode()


def _key(flag: Flag) -> bytes:
    return msgspec.json.encode(flag, order="sorted")
