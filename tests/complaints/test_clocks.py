"""Clocks: over Songkran, paused twice, never moved by edits; who hears of them and when."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from api import clock as time
from api import deadlines, ids, settings
from api.clock import BANGKOK
from api.complaints import clocks, timing
from api.complaints.clocks import Clock, Duration, Kind
from api.complaints.intake import CLOCK
from api.complaints.model import Severity
from api.db import Database
from tests.complaints.conftest import begun, tell
from tests.world import World


def bangkok(day: str, hour: int = 10) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), BANGKOK) + timedelta(
        hours=hour
    )


def working(kind: Kind, since: str, days: int, **special: bool) -> Clock:
    table = {date.fromisoformat(k[1:].replace("_", "-")): v for k, v in special.items()}
    return clocks.start(kind, bangkok(since), Duration(working_days=days), table, urgent=False)


@pytest.mark.parametrize(
    ("since", "days", "end"),
    [
        # Friday → Monday
        ("2026-11-20", 1, "2026-11-23"),
        # Sunday night counts from Monday as any other day does: the first working day after it
        ("2026-11-22", 1, "2026-11-23"),
        # Friday before Songkran: 13, 14 and 15 April 2026 are Monday to Wednesday
        ("2026-04-10", 1, "2026-04-16"),
        ("2026-04-10", 3, "2026-04-20"),
        # New Year: 31 December 2026 is a Thursday, 1 January a Friday
        ("2026-12-30", 1, "2027-01-04"),
    ],
)
def test_a_working_day_is_no_holiday(since: str, days: int, end: str) -> None:
    clock = working(Kind.acknowledge, since, days)
    assert clock.due_at == bangkok(end, 24)


def test_a_special_holiday_declared_in_time_moves_the_end_and_a_late_one_does_not() -> None:
    assert working(Kind.acknowledge, "2026-11-20", 1, d2026_11_23=False).due_at == bangkok(
        "2026-11-24", 24
    )
    before = working(Kind.acknowledge, "2026-11-20", 1)
    kept = clocks.read(clocks.write([before]))
    assert kept[0].due_at == bangkok("2026-11-23", 24)


def test_emergencies_run_in_hours_and_a_category_may_say_otherwise() -> None:
    held = settings.Settings()
    hours = clocks.durations(Severity.emergency, held)
    assert hours[Kind.acknowledge] == Duration(hours=1)
    assert all(length.hours is not None for length in hours.values()), "a reopened one too"
    assert hours.keys() == set(Kind)
    own = {Severity.normal: {Kind.resolve: Duration(days=30)}}
    assert clocks.durations(Severity.normal, held, own)[Kind.resolve] == Duration(days=30)
    assert clocks.durations(Severity.urgent, held, own)[Kind.resolve] == Duration(days=15)
    night = clocks.start(
        Kind.acknowledge, bangkok("2026-04-13", 2), Duration(hours=1), {}, urgent=True
    )
    assert night.due_at == bangkok("2026-04-13", 3)


def test_two_reminders_come_before_it_is_overdue_and_then_one_level_a_day() -> None:
    clock = clocks.start(Kind.resolve, bangkok("2026-11-02"), Duration(days=10), {}, urgent=False)
    said: list[tuple[str, bool, str]] = []
    for hours in range(24 * 16):
        for saying in clocks.say(
            [clock], bangkok("2026-11-02") + timedelta(hours=hours), assigned=True
        ):
            said.append((f"{hours / 24:g}", saying.overdue, saying.level))
    assert said == [
        ("5", False, "officer"),
        ("8", False, "officer"),
        ("10", True, "officer"),
        ("11", True, "head"),
        ("12", True, "department"),
        ("13", True, "ministry"),
    ]


def test_with_nobody_assigned_it_starts_at_the_head_and_after_an_outage_no_level_is_skipped() -> (
    None
):
    clock = clocks.start(Kind.resolve, bangkok("2026-11-02"), Duration(days=10), {}, urgent=False)
    late = clocks.say([clock], bangkok("2026-11-30"), assigned=False)
    assert [s.level for s in late] == ["head", "department", "ministry"]
    assert all(s.overdue for s in late)
    assert clocks.say([clock], bangkok("2026-12-30"), assigned=False) == []
    assert clocks.next_point([clock]) is None


def test_a_clock_that_is_met_says_nothing_more() -> None:
    clock = clocks.start(Kind.resolve, bangkok("2026-11-02"), Duration(days=10), {}, urgent=False)
    clocks.meet([clock], Kind.resolve, bangkok("2026-11-03"))
    assert clocks.next_due([clock]) is None and clocks.next_point([clock]) is None
    assert clocks.say([clock], bangkok("2026-12-30"), assigned=True) == []
    clocks.meet([clock], Kind.resolve, bangkok("2026-11-09"))
    assert clock.met_at == bangkok("2026-11-03")


def test_waiting_for_the_complainant_twice_costs_the_office_no_time_and_gives_it_none() -> None:
    clock = clocks.start(Kind.resolve, bangkok("2026-11-02"), Duration(days=15), {}, urgent=False)
    clocks.resume([clock], bangkok("2026-11-04"), bangkok("2026-11-07"), {})
    assert clock.due_at == bangkok("2026-11-20")
    clocks.resume([clock], bangkok("2026-11-10"), bangkok("2026-11-12"), {})
    assert clock.due_at == bangkok("2026-11-22")
    # 5 of 15 days had passed in the office's hands by 12 November, so 10 are left
    assert clock.due_at - bangkok("2026-11-12") == timedelta(days=10)


def test_working_days_left_at_the_pause_are_left_after_it_over_songkran() -> None:
    # Thursday 9 April: due after 10, 16 and 17 April. Asked on Friday the 10th: 16 and 17 are left.
    clock = working(Kind.first_action, "2026-04-09", 3)
    assert clock.due_at == bangkok("2026-04-17", 24)
    clocks.resume([clock], bangkok("2026-04-10"), bangkok("2026-04-16"), {})
    assert clock.due_at == bangkok("2026-04-20", 24)  # 17 April and Monday the 20th


def test_an_overdue_clock_stays_as_overdue_as_it_was_when_the_office_asked() -> None:
    clock = working(Kind.acknowledge, "2026-11-16", 1)
    late_by = bangkok("2026-11-19") - clock.due_at
    clocks.resume([clock], bangkok("2026-11-19"), bangkok("2026-11-24"), {})
    assert bangkok("2026-11-24") - clock.due_at == late_by


async def _say(db: Database) -> int:
    return await deadlines.fire_due(db, {CLOCK: timing.tick})


async def test_a_complaint_nobody_takes_up_reaches_head_department_and_ministry_once_each(
    world: World,
) -> None:
    id = ids.new()
    assert (await tell(world.nobody, id)).status_code == 200
    for days in (0, 10, 11, 30):
        with time.travel(timedelta(days=days)):
            while await _say(world.db):
                pass
    async with world.db.read() as tx:
        rows = await tx.values(
            """
            select (facts->>'clock') || ' ' || (facts->>'level') from event
            where record = $1 and name = 'complaint.clock_overdue' order by id
            """,
            id,
        )
    for kind in ("acknowledge", "first_action", "resolve"):
        assert [r for r in rows if r.startswith(f"{kind} ")] == [
            f"{kind} {level}" for level in ("head", "department", "ministry")
        ], rows


async def test_with_an_officer_who_has_left_it_starts_at_the_head_as_with_nobody(
    world: World,
) -> None:
    id, officer = await begun(world), world.inspector.account
    suspend = "update account set status = $2 where id = $1"
    async with world.db.begin() as tx:
        await tx.run(suspend, officer, "suspended")
    try:
        with time.travel(timedelta(days=15, hours=1)):
            while await _say(world.db):
                pass
            await world.work()
    finally:
        async with world.db.begin() as tx:
            await tx.run(suspend, officer, "active")
    async with world.db.read() as tx:
        levels = await tx.values(
            """
            select facts->>'level' from event
            where record = $1 and name = 'complaint.clock_overdue' order by id
            """,
            id,
        )
        told = await tx.values(
            "select account from message where about = $1 and template = 'complaint.clock_overdue'",
            id,
        )
    assert levels == ["head"]
    assert world.head.account in told and officer not in told


async def test_the_head_finds_a_reminder_and_no_other_province_does(world: World) -> None:
    id = ids.new()
    answer = await tell(world.nobody, id)
    number = answer.json()["number"]
    with time.travel(timedelta(days=40)):
        while await _say(world.db):
            pass
        await world.work()

    async def heard(key: str) -> list[Any]:
        with time.travel(timedelta(0)):
            found = (await world[key].get("/v1/messages", params={"limit": 200})).json()["items"]
        return [m for m in found if number in m["text"]]

    assert await heard("head")
    assert await heard("department") and await heard("ministry")
    assert not await heard("inspector-elsewhere")


async def test_where_no_officer_sits_at_the_desk_the_head_hears_of_a_new_complaint(
    world: World,
) -> None:
    roles = "update account_role set ended_at = $2 where account = $1 and role = $3"
    desk, id = world["provincial-officer"], ids.new()
    async with world.db.begin() as tx:
        await tx.run(roles, desk.account, tx.now, "provincial_officer")
    try:
        assert (await tell(world.nobody, id)).status_code == 200
        await world.work()
    finally:
        async with world.db.begin() as tx:
            await tx.run(roles, desk.account, None, "provincial_officer")
    async with world.db.read() as tx:
        told = await tx.values("select account from message where about = $1", id)
    assert told == [world["head"].account]
