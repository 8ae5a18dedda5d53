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
    ("days", "parts", "flagged"),
    [(0, 3, False), (-1, 3, True), (0, 2, False), (-31, 2, True), (0, 1, False), (-366, 1, True)],
)
async def test_a_card_is_told_as_expired_when_its_last_day_month_or_year_is_over(
    desk: Desk, days: int, parts: int, flagged: bool
) -> None:
    """The last day lies `days` from today; of it the card tells day, month and year, or less."""
    last = clock.bangkok_date(datetime.now(UTC)) + timedelta(days=days)
    end = PartialDate(*(last.year, last.month, last.day)[:parts])
    text = CardText(cid=SAMPLE.cid, expires=end)
    receipt = await desk.read(await desk.arm(fields=("cid", "expires")), text=text)
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert flags == (["card:expired"] if flagged else [])


async def test_a_field_that_was_asked_for_and_is_not_there_is_told(desk: Desk) -> None:
    fields = ("cid", "expires", "name_th")
    receipt = await desk.read(await desk.arm(fields=fields), text=CardText(cid=SAMPLE.cid))
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert flags == ["missing:name_th"]
