"""What is strange about a reading that is taken all the same: clock, card, what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from api import clock
from api.db import Database
from reader_bridge.fields import CardText, PartialDate
from tests.readers.device import SAMPLE, Desk, at_desk
from tests.world import World


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


@pytest.mark.parametrize("days", [198_327, 3, -3, 1 / 100, -1 / 100])
async def test_a_reading_under_a_wrong_clock_is_never_kept_without_saying_so(
    desk: Desk, days: float
) -> None:
    wrong = datetime.now(UTC) + timedelta(days=days)
    receipt = await desk.read(await desk.arm(), inserted_at=wrong, read_at=wrong)
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert flags == ["clock:read_at"]


async def test_a_card_that_was_read_before_it_came_is_told_as_that(desk: Desk) -> None:
    at = datetime.now(UTC)
    later = at + timedelta(seconds=1)
    receipt = await desk.read(await desk.arm(), inserted_at=later, read_at=at)
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert flags == ["clock:inserted_at"]


@pytest.mark.parametrize(
    ("months", "days", "flagged"),
    [(None, None, False), (12, None, False), (1, None, True), (0, -1, True), (0, 0, False)],
)
async def test_a_card_is_told_as_expired_on_the_day_after_its_last_and_not_before(
    desk: Desk, months: int | None, days: int | None, flagged: bool
) -> None:
    """`months` and `days`: those of its last day this year; 0: from today on."""
    if clock.bangkok_date(datetime.now(UTC)).month in (1, 12) and months:
        pytest.skip("no month of this year is wholly over, or still to come")
    day = clock.bangkok_date(datetime.now(UTC))
    if months == 0:
        day += timedelta(days=days or 0)
        end = PartialDate(day.year, day.month, day.day)
    else:
        end = PartialDate(day.year, months, days)
    text = CardText(cid=SAMPLE.cid, expires=end)
    receipt = await desk.read(await desk.arm(fields=("cid", "expires")), text=text)
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert flags == (["card:expired"] if flagged else [])


async def test_a_field_that_was_asked_for_and_is_not_there_is_told(desk: Desk) -> None:
    fields = ("cid", "expires", "name_th")
    receipt = await desk.read(await desk.arm(fields=fields), text=CardText(cid=SAMPLE.cid))
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert flags == ["missing:name_th"]
