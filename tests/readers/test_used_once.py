"""A reading serves one purpose once, and what was read does not outlive it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.permissions import Worker
from api.problems import Problem
from api.readers.model import Purpose
from api.readers.problems import (
    BridgeForked,
    ReadingFaceDiffers,
    ReadingForOther,
    ReadingStale,
    ReadingUsed,
)
from api.readers.readings import queries, service, using
from api.readers.uses import evidence
from api.readers.views import MatchFace, SeeDocument, SeenDocument
from tests.readers.device import SAMPLE, Desk, at_desk
from tests.world import World


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


async def used(desk: Desk, reading: UUID, **other: Any) -> using.Used:
    wanted = {"about": None, "used_for": "complaint", "by": ids.new()} | other
    purpose = wanted.pop("purpose", Purpose.identify_complainant)
    assert desk.actor is not None
    async with desk.db.begin(desk.actor) as tx:
        return await using.use(tx, reading, purpose, **wanted)


async def taken(desk: Desk, **how: Any) -> UUID:
    found = (await desk.read(await desk.arm(**how))).reading
    assert found is not None
    return found


async def test_a_reading_serves_one_purpose_once_however_many_ask(desk: Desk) -> None:
    reading = await taken(desk)
    found = await asyncio.gather(*(used(desk, reading) for _ in range(20)), return_exceptions=True)
    assert Counter(type(f) for f in found) == Counter({using.Used: 1, ReadingUsed: 19})
    assert await desk.value("select passing from reading where id = $1", reading) is None


async def test_a_reading_made_for_one_thing_is_none_for_another(desk: Desk) -> None:
    reading = await taken(desk, about=(about := uuid4()))
    for other in (
        {"purpose": Purpose.serve_order, "about": about},
        {"about": uuid4()},
        {},
    ):
        with pytest.raises(ReadingForOther):
            await used(desk, reading, **other)
    found = await used(desk, reading, about=about)
    assert found.card == SAMPLE
    shown = repr(found) + repr(evidence.PersonsCard(found.number, SAMPLE.name_th, None))
    assert found.number not in shown and "ตัวอย่าง" not in shown


async def test_a_reading_is_of_no_use_after_a_quarter_of_an_hour(desk: Desk, db: Database) -> None:
    reading = await taken(desk)
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            """
            update reading set received_at = received_at - interval '16 minutes',
                passing_until = passing_until - interval '16 minutes' where id = $1
            """,
            reading,
        )
    assert desk.actor is not None
    for _ in range(2):  # before what was read is wiped, and after
        with pytest.raises(ReadingStale):
            await used(desk, reading)
        async with db.begin(desk.actor) as tx:
            assert (await service.read(tx, reading)).card is None
        async with db.begin(Worker("test")) as tx:
            await queries.wipe(tx)
    assert await desk.value("select passing from reading where id = $1", reading) is None


async def test_a_face_that_differs_makes_the_reading_useless(desk: Desk, db: Database) -> None:
    same, other = await taken(desk), await taken(desk)
    assert desk.actor is not None
    async with db.begin(desk.actor) as tx:
        found = await service.match_face(tx, same, MatchFace(matches=True, against="printed"))
        await service.match_face(tx, other, MatchFace(matches=False, against="printed"))
    assert found.levels == ["chip-bytes", "officer-face-match"]
    assert "officer-face-match" in (await used(desk, same)).levels
    with pytest.raises(ReadingFaceDiffers):
        await used(desk, other)


async def test_what_a_register_confirms_later_is_a_level_more_and_told_once(
    desk: Desk, db: Database
) -> None:
    reading = await taken(desk)
    for _ in range(2):
        async with db.begin(Worker("dopa")) as tx:
            await service.raise_level(tx, reading, "dopa-status")
    assert (await used(desk, reading)).levels == ("chip-bytes", "dopa-status")
    told = "select count(*) from event where record = $1 and name = 'reading.confirmed'"
    assert await desk.value(told, reading) == 1


async def test_no_register_confirms_a_chip_that_nobody_read_or_a_reading_that_is_erased(
    desk: Desk, db: Database
) -> None:
    erased, document = await taken(desk), ids.new()
    seen = SeenDocument(kind="passport", why="foreigner", name="SAMPLE", number="AA0000000")
    wanted = SeeDocument(
        desk=desk.desk, purpose=Purpose.identify_complainant, document=seen, about=None
    )
    assert desk.actor is not None
    async with db.begin(desk.actor) as tx:
        await service.see_document(tx, document, wanted)
    async with db.begin(Worker("test")) as tx:
        await tx.run("update reading set keep_until = now() where id = $1", erased)
        await service.sweep(tx)
    told = "select count(*) from event where record = $1 and name = 'reading.confirmed'"
    for reading in (erased, document):
        before = await desk.value("select levels from reading where id = $1", reading)
        async with db.begin(Worker("dopa")) as tx:
            await service.raise_level(tx, reading, "rmac-online")
        assert await desk.value("select levels from reading where id = $1", reading) == before
        assert await desk.value(told, reading) == 0


# --- what stays ---------------------------------------------------------------------------------


async def test_nothing_that_was_read_stands_anywhere_in_clear(desk: Desk, db: Database) -> None:
    reading = await taken(desk)
    await used(desk, reading)
    secrets = [b"1999900000019", "ตัวอย่าง".encode(), b"12345678", b"12345678".hex().encode()]
    async with db.pool.acquire() as connection:
        for table in ("reading", "bridge_statement", "intent", "bridge_incident"):
            rows = await connection.fetch(f"select * from {table} where bridge = $1", desk.bridge)
            held = b"|".join(
                value if isinstance(value, bytes) else str(value).encode()
                for row in rows
                for value in row.values()
            )
            assert not [s for s in secrets if s in held], table
        events = await connection.fetch("select facts::text from event where record = $1", reading)
        assert len(events) >= 2
        assert not [s for s in secrets if s.decode() in str(events)]


async def test_a_reading_whose_time_is_over_cannot_be_opened_by_anyone(
    desk: Desk, db: Database
) -> None:
    reading = await taken(desk)
    key = await desk.value("select data_key from reading where id = $1", reading)
    async with db.begin(Worker("test")) as tx:
        await tx.run("update reading set keep_until = now() where id = $1", reading)
    async with db.begin(Worker("sweep")) as tx:
        assert await service.sweep(tx) >= 1
    row = await desk.value(
        "select to_jsonb(r) from reading r where id = $1 and num_nonnulls(cid, cid_index, "
        "chip_index, statement, passing, data_key) = 0 and erased_at is not null",
        reading,
    )
    assert row is not None
    assert await desk.value("select wrapped from data_key where id = $1", key) is None


def test_a_problem_of_a_reading_names_nobody() -> None:
    assert not [p for p in (ReadingUsed, ReadingForOther) if "{cid}" in p.th or "{name}" in p.th]
    assert issubclass(BridgeForked, Problem)
