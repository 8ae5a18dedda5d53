"""Clocks of orders over New Year, Songkran and days that cabinet declares late.

Every date is computed by hand beside its case. A time counts from the day after; one that ends on
a holiday ends with the next working day (Administrative Procedure Act s.64); what was posted
counts when five working days have passed (Factory Act s.38), so on the midnight after the fifth.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from api import clock, workdays
from api.clock import BANGKOK
from api.db import Database
from api.settings import Settings
from tests.inspection.orders import act, allow, draft, read, serve, service, sign
from tests.inspection.test_orders import fire
from tests.world import World, encode

URGENT = {"type": "urgent", "reason": "รอไม่ได้"}


def bkk(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK)


def day(text: str | None) -> str | None:
    """The Bangkok midnight that a time of the API is, as a day."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text).astimezone(BANGKOK)
    assert (moment.hour, moment.minute, moment.second) == (0, 0, 0), text
    return moment.date().isoformat()


@asynccontextmanager
async def at(world: World, moment: datetime) -> AsyncIterator[None]:
    """The server's clock runs from `moment`; who acts has signed in then."""
    with clock.travel(moment - clock.now()):
        for key in ("inspector", "head", "administrator"):
            await world.sign_in_again(key)
        yield
    for key in ("inspector", "head", "administrator"):
        await world.sign_in_again(key)


async def drafted(world: World, days: int = 15) -> dict[str, Any]:
    """A draft against a danger, which needs no visit."""
    site = {"id": None, "premises": str(await world.premises(company=True)), "findings": []}
    async with world.db.read() as tx:
        site["licence"] = await tx.value(
            "select id from licence where premises_id = $1", UUID(str(site["premises"]))
        )
    return await draft(world, site, basis="danger", measures="ย้ายถังออก", hearing=URGENT, days=days)


async def signed(world: World, days: int = 15) -> dict[str, Any]:
    await allow(world, world.head)
    done = await sign(world, await drafted(world, days))
    assert done.status_code == 200, done.text
    order: dict[str, Any] = done.json()
    return order


async def attempted(world: World, order: dict[str, Any], how: str, moment: str) -> dict[str, Any]:
    """An attempt to serve at the Bangkok time `moment`, recorded in the same minute."""
    async with at(world, bkk(moment)):
        done = await serve(world, order, service(how, at=clock.now()))
    assert done.status_code == 200, done.text
    found: dict[str, Any] = done.json()
    return found


async def declare(world: World, day: str, moment: str, *, working: bool = False) -> None:
    """Cabinet declares `day`, at the Bangkok time `moment`; the worker counts anew."""
    body = {"working": working, "name_th": "วันหยุดพิเศษตัวอย่าง"}
    async with at(world, bkk(moment)):
        done = await world.administrator.put(f"/v1/special-days/{day}", content=encode(body))
        assert done.status_code == 200, done.text
        await world.work()


@pytest_asyncio.fixture(autouse=True)
async def ordinary_days(conf: Settings, world: World) -> AsyncIterator[None]:
    """Each test begins before all its days, whenever it is run, and with no special day of
    another."""
    async with at(world, bkk("2026-11-20T10:00")):
        yield
    connection = await asyncpg.connect(conf.database_url)
    await connection.execute("delete from special_day")
    await connection.close()


# --- the calendar -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "why"),
    [
        ("2026-12-31", "New Year's Eve"),
        ("2027-01-01", "New Year's Day"),
        ("2028-01-03", "for 1 January 2028, a Saturday"),
        ("2029-01-02", "for 31 December 2028, a Sunday: substituted in the next year"),
        ("2027-04-13", "Songkran"),
        ("2027-04-15", "Songkran"),
        ("2028-04-17", "for 15 April 2028, a Saturday"),
        ("2029-04-16", "for 14 and 15 April 2029, a Saturday and a Sunday"),
        ("2026-05-13", "the Royal Ploughing Ceremony: the state's offices alone are closed"),
    ],
)
def test_no_working_day_is_counted_where_the_states_offices_are_closed(off: str, why: str) -> None:
    assert not workdays.is_working(date.fromisoformat(off), {}), why
    assert workdays.is_working(date.fromisoformat(off), {date.fromisoformat(off): True})


# --- posting and registered post ----------------------------------------------------------------

POSTED = [
    # Fri 25, Mon 28, Tue 29, Wed 30 December; 31 and 1 are holidays, then a weekend; Mon 4 January
    # is the fifth. 15 days: 20 January, a Wednesday. 30 days: 4 February, a Thursday.
    ("2026-12-24T10:00", "2027-01-05", "2027-01-21", "2027-02-05"),
    # Minutes before midnight: Thu 31 and Fri 1 are holidays; 4, 5, 6, 7, 8 January. Of what counts
    # from Sat 9: 15 days are Sun 24, so Mon 25; 30 days are Mon 8 February.
    ("2026-12-30T23:50", "2027-01-09", "2027-01-26", "2027-02-09"),
    # On New Year's Eve and minutes into New Year's Day (in UTC still the old year): the same five.
    ("2026-12-31T12:00", "2027-01-09", "2027-01-26", "2027-02-09"),
    ("2027-01-01T00:10", "2027-01-09", "2027-01-26", "2027-02-09"),
    # 00:30 on Monday 28 is Sunday 27 in UTC: the day in Bangkok counts, so 29 and 30 December,
    # 4, 5, 6 January. 15 days: Fri 22 January; 30 days: Sat 6, so Mon 8 February.
    ("2026-12-28T00:30", "2027-01-07", "2027-01-23", "2027-02-09"),
    # Thu 30 December; Fri 31 holiday, weekend, Mon 3 for Saturday 1; 4, 5, 6, 7 January. From
    # Sat 8: 15 days are Sun 23, so Mon 24; 30 days are Mon 7 February.
    ("2027-12-29T10:00", "2028-01-08", "2028-01-25", "2028-02-08"),
    # Fri 29 December; Sunday 31 has its day off on Tue 2 January, after Monday 1; 3, 4, 5, and
    # Mon 8. From Tue 9: 15 days are Wed 24; 30 days are Thu 8 February.
    ("2028-12-28T10:00", "2029-01-09", "2029-01-25", "2029-02-09"),
    # Mon 12 April; 13 to 15 Songkran; Fri 16, Mon 19, 20, 21. From Thu 22: 15 days are Fri 7 May;
    # 30 days are Sat 22, so Mon 24 May.
    ("2027-04-09T10:00", "2027-04-22", "2027-05-08", "2027-05-25"),
    # Posted on Songkran itself: Fri 16, 19, 20, 21, 22. From Fri 23: 15 days are Sat 8, so Mon 10
    # May; 30 days are Sun 23, so Mon 24 May.
    ("2027-04-14T10:00", "2027-04-23", "2027-05-11", "2027-05-25"),
    # Wed 12 April; Thu 13, Fri 14, Sat 15 Songkran, Mon 17 for the Saturday; 18, 19, 20, 21. From
    # Sat 22: 15 days are Sun 7; Mon 8 May is Visakha Bucha, so Tue 9; 30 days are Mon 22 May.
    ("2028-04-11T10:00", "2028-04-22", "2028-05-10", "2028-05-23"),
]


@pytest.mark.parametrize(
    ("how", "moment", "counts", "due", "appeal"),
    [("posted", *case) for case in POSTED]
    + [("registered_post", *POSTED[0]), ("registered_post", *POSTED[-1])],
)
async def test_what_was_posted_counts_after_five_days_on_which_the_state_works(
    world: World, db: Database, how: str, moment: str, counts: str, due: str, appeal: str
) -> None:
    order = await signed(world)
    attempt = await attempted(world, order, how, moment)
    assert (day(attempt["counts_at"]), attempt["counted_at"]) == (counts, None)
    await fire(db, bkk(counts) - timedelta(seconds=2))
    assert (await read(world, order))["state"] == "signed", "not before the midnight"
    await fire(db, bkk(counts))
    seen = await read(world, order)
    assert seen["state"] == "served"
    assert (day(seen["served_at"]), day(seen["due_at"]), day(seen["appeal_until"])) == (
        counts,
        due,
        appeal,
    )


# --- times to correct and to appeal -------------------------------------------------------------

SERVED = [
    # 14 days: Fri 1 January, a holiday, then a weekend: Mon 4. 30 days: Sun 17, so Mon 18 January.
    ("2026-12-18T10:00", 14, "2027-01-05", "2027-01-19"),
    # 30 days: Thu 31 December, a holiday: Mon 4 January.
    ("2026-12-01T10:00", 30, "2027-01-05", "2027-01-05"),
    # Ten minutes of the old year left: 1 day is Fri 1, so Mon 4; 30 days are Sat 30, so Mon 1.
    ("2026-12-31T23:50", 1, "2027-01-05", "2027-02-02"),
    # Ten minutes of the new year gone: 3 days are Mon 4 January; 30 days are Sun 31, so Mon 1.
    ("2027-01-01T00:10", 3, "2027-01-05", "2027-02-02"),
    # 15 days: Tue 13 April, Songkran: Fri 16. 30 days: Wed 28 April.
    ("2027-03-29T10:00", 15, "2027-04-17", "2027-04-29"),
    # 30 days: Mon 17 April, for the Saturday of Songkran: Tue 18.
    ("2028-03-18T10:00", 30, "2028-04-19", "2028-04-19"),
]


@pytest.mark.parametrize(("moment", "days", "due", "appeal"), SERVED)
async def test_a_time_over_new_year_or_songkran_ends_on_a_working_day(
    world: World, db: Database, moment: str, days: int, due: str, appeal: str
) -> None:
    order = await signed(world, days)
    assert (await attempted(world, order, "personal", moment))["counted_at"] is not None
    seen = await read(world, order)
    assert (day(seen["due_at"]), day(seen["appeal_until"])) == (due, appeal)
    await fire(db, bkk(due) - timedelta(seconds=2))
    assert (await read(world, order))["state"] == "served", "the last day has not passed"
    await fire(db, bkk(due))
    assert (await read(world, order))["state"] == "overdue"


@pytest.mark.parametrize(
    ("moment", "late"), [("2027-01-04T23:50", False), ("2027-01-05T00:10", True)]
)
async def test_an_appeal_over_new_year_is_in_time_to_the_last_minute(
    world: World, moment: str, late: bool
) -> None:
    order = await signed(world)
    # Thirty days from Tue 1 December are Thu 31, a holiday: the last day is Mon 4 January.
    await attempted(world, order, "personal", "2026-12-01T10:00")
    async with at(world, bkk(moment)):
        today = clock.bangkok_date(clock.now()).isoformat()
        filed = await world.head.put(
            f"/v1/orders/{order['id']}/appeal", content=encode({"filed_on": today})
        )
    assert filed.status_code == 200, filed.text
    assert filed.json()["appeal"]["late"] is late


async def test_an_extension_to_a_holiday_ends_on_the_next_working_day(world: World) -> None:
    order = await signed(world, 10)
    await attempted(world, order, "personal", "2026-12-08T10:00")
    async with at(world, bkk("2026-12-10T10:00")):
        done = await act(world, order, "extend", until="2026-12-31", reason="รออะไหล่")
    assert done.status_code == 200, done.text
    # 31 and 1 are holidays, 2 and 3 a weekend.
    assert day(done.json()["due_at"]) == "2027-01-05"


# --- days declared late -------------------------------------------------------------------------

# Posted on Monday 8 March 2027: 9, 10, 11, 12 and Mon 15; it counts when the 15th has passed.
POSTED_ON, COUNTS = "2027-03-08T10:00", "2027-03-16"


@pytest.mark.parametrize(
    ("declared", "moment", "working", "counts"),
    [
        # Before the day comes: Tue 16 is the fifth.
        ("2027-03-12", "2027-03-10T10:00", False, "2027-03-17"),
        # Two days after it was: the service still waits, so Wed 10 does not count.
        ("2027-03-10", "2027-03-12T10:00", False, "2027-03-17"),
        # In the last minute of the last day, of that day itself.
        ("2027-03-15", "2027-03-15T23:58", False, "2027-03-17"),
        # Of a day on which it has counted already.
        ("2027-03-16", "2027-03-12T10:00", False, COUNTS),
        # A Saturday that is to be worked would shorten the wait: it does not.
        ("2027-03-13", "2027-03-10T10:00", True, COUNTS),
    ],
)
async def test_a_day_declared_while_a_service_waits_moves_it_only_later(
    world: World, db: Database, declared: str, moment: str, working: bool, counts: str
) -> None:
    order = await signed(world)
    attempt = await attempted(world, order, "posted", POSTED_ON)
    assert day(attempt["counts_at"]) == COUNTS
    await declare(world, declared, moment, working=working)
    (seen,) = (await read(world, order))["attempts"]
    assert day(seen["counts_at"]) == counts
    await fire(db, bkk(counts) - timedelta(seconds=2))
    assert (await read(world, order))["state"] == "signed"
    await fire(db, bkk(counts))
    assert day((await read(world, order))["served_at"]) == counts


async def test_a_day_declared_after_a_service_counted_changes_nothing_of_it(
    world: World, db: Database
) -> None:
    order = await signed(world)
    await attempted(world, order, "posted", POSTED_ON)
    await fire(db, bkk(COUNTS))
    before = await read(world, order)
    await declare(world, "2027-03-12", "2027-03-16T10:00")
    after = await read(world, order)
    assert after == before
    assert day(after["served_at"]) == COUNTS


@pytest.mark.parametrize(
    ("moment", "counts"), [("2027-03-15T20:00", "2027-03-17"), ("2027-03-16T08:00", COUNTS)]
)
async def test_a_worker_that_was_away_over_midnight_counts_as_if_it_had_been_there(
    world: World, db: Database, moment: str, counts: str
) -> None:
    """Declared before the fifth day had passed it counts, after it does not."""
    order = await signed(world)
    await attempted(world, order, "posted", POSTED_ON)
    body = {"working": False, "name_th": "วันหยุดพิเศษตัวอย่าง"}
    async with at(world, bkk(moment)):
        await world.administrator.put("/v1/special-days/2027-03-12", content=encode(body))
    await fire(db, bkk("2027-03-16T09:00"))  # the clock is looked at first, then the job is done
    async with at(world, bkk("2027-03-16T09:01")):
        await world.work()
    await fire(db, bkk("2027-03-18T09:00"))
    assert day((await read(world, order))["served_at"]) == counts


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2027-06-22T10:00", "2027-06-29"),  # three days before
        ("2027-06-25T23:50", "2027-06-29"),  # on the last day itself
        ("2027-06-26T00:10", "2027-06-26"),  # when it had passed
    ],
)
@pytest.mark.parametrize("away", [False, True], ids=["worker there", "worker away"])
async def test_a_day_declared_late_moves_the_end_of_a_time_that_has_not_passed(
    world: World, db: Database, moment: str, due: str, away: bool
) -> None:
    """Ten days from Tue 15 June are Fri 25; declared a holiday, Mon 28 June 2027 is the last."""
    order = await signed(world, 10)
    await attempted(world, order, "personal", "2027-06-15T10:00")
    if not away:
        await fire(db, min(bkk(moment), bkk("2027-06-26")))
    body = {"working": False, "name_th": "วันหยุดพิเศษตัวอย่าง"}
    async with at(world, bkk(moment)):
        await world.administrator.put("/v1/special-days/2027-06-25", content=encode(body))
        if not away:
            await world.work()
    await fire(db, bkk("2027-06-26T08:00"))
    async with at(world, bkk("2027-06-26T08:01")):
        await world.work()
    seen = await read(world, order)
    assert day(seen["due_at"]) == due
    assert seen["state"] == ("overdue" if due == "2027-06-26" else "served")
    await fire(db, bkk("2027-06-29"))
    assert (await read(world, order))["state"] == "overdue"


async def test_an_appeal_on_the_day_to_which_the_time_was_moved_is_in_time(
    world: World, db: Database
) -> None:
    order = await signed(world)
    # Thirty days from Wed 9 June are Fri 9 July 2027; declared a holiday, the last is Mon 12.
    await attempted(world, order, "personal", "2027-06-09T10:00")
    await declare(world, "2027-07-09", "2027-07-08T16:00")
    assert day((await read(world, order))["appeal_until"]) == "2027-07-13"
    async with at(world, bkk("2027-07-12T16:00")):
        filed = await world.head.put(
            f"/v1/orders/{order['id']}/appeal", content=encode({"filed_on": "2027-07-12"})
        )
    assert filed.json()["appeal"]["late"] is False, filed.text


# --- the Buddhist year --------------------------------------------------------------------------


async def test_numbers_begin_anew_at_midnight_in_bangkok_with_neither_gap_nor_double(
    world: World, db: Database
) -> None:
    """Four sign at once in the last seconds of the year, and the rest when it turns."""
    await allow(world, world.head)
    orders = [await drafted(world) for _ in range(16)]
    done: list[dict[str, Any]] = []
    turn = bkk("2038-01-01T00:00:00")

    async def signs(mine: list[dict[str, Any]], early: timedelta) -> None:
        for n, order in enumerate(mine):
            if n == 2:
                await asyncio.sleep(max((turn - early - clock.now()).total_seconds(), 0))
            found = await sign(world, order)
            assert found.status_code == 200, found.text
            done.append(found.json())

    async with at(world, bkk("2037-12-31T23:59:58")):
        await asyncio.gather(
            *(signs(orders[n::4], timedelta(milliseconds=25 * n)) for n in range(4))
        )
    running: dict[int, list[int]] = {2580: [], 2581: []}
    for order in done:
        number, _, year = order["number"].removeprefix("pio-11 ").partition("/")
        running[int(year)].append(int(number))
        signed_on = clock.bangkok_date(datetime.fromisoformat(order["signed_at"]))
        assert signed_on.isoformat() == {2580: "2037-12-31", 2581: "2038-01-01"}[int(year)]
    for year, numbers in running.items():
        assert numbers, f"nothing was signed in {year}"
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
    async with db.read() as tx:
        last = await tx.values(
            """
            select last from order_number n join office o on o.id = n.office
            where o.code = 'pio-11' and year in (2580, 2581) order by year
            """
        )
    assert last == [len(running[2580]), len(running[2581])]


@pytest.mark.parametrize(
    ("moment", "year"),
    [("2035-12-31T23:59:30", 2578), ("2036-01-01T00:00:00", 2579), ("2036-12-31T06:59:00", 2579)],
)
async def test_the_year_of_a_number_is_that_of_the_day_in_bangkok(
    world: World, moment: str, year: int
) -> None:
    """The first of 2036 begins at 17:00 in UTC."""
    await allow(world, world.head)
    order = await drafted(world)
    async with at(world, bkk(moment)):
        done = await sign(world, order)
    assert done.json()["number"].endswith(f"/{year}"), done.text
