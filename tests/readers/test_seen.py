"""What an officer says they saw: a document, a face. Nobody else says it, and not for long."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from api import ids
from api.db import Database
from api.permissions import Worker
from api.problems import Problem
from api.readers.model import Purpose
from api.readers.problems import (
    AboutNeeded,
    DeskNotFound,
    ReadingExists,
    ReadingNotFound,
    ReadingStale,
    ReadingUsed,
)
from api.readers.readings import service, using
from api.readers.views import MatchFace, SeeDocument, SeenDocument
from tests.inspection.orders import signed
from tests.readers.device import at_desk, person
from tests.world import World

# --- an honest PC must not be put out of service ----------------------------------------------


def passport(number: str = "AA0000000") -> SeeDocument:
    document = SeenDocument(kind="passport", why="foreigner", name="SAMPLE", number=number)
    return SeeDocument(desk=ids.new(), purpose=Purpose.identify_complainant, document=document)


async def test_a_document_that_was_seen_is_not_said_to_be_a_card_that_was_read(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    receipt = await desk.read(await desk.arm())
    assert receipt.reading is not None and desk.actor is not None
    with pytest.raises(ReadingExists):
        async with db.begin(desk.actor) as tx:
            await service.see_document(tx, receipt.reading, passport())


async def test_another_document_under_an_old_id_is_not_taken_for_the_first(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    id, first, other = ids.new(), passport(), passport("BB0000000")
    first.desk = other.desk = desk.desk
    assert desk.actor is not None
    async with db.begin(desk.actor) as tx:
        await service.see_document(tx, id, first)
        await tx.run("update reading set passing = null, passing_until = null where id = $1", id)
    async with db.begin(desk.actor) as tx:
        await service.see_document(tx, id, first)
    with pytest.raises(ReadingExists):
        async with db.begin(desk.actor) as tx:
            await service.see_document(tx, id, other)


async def test_no_face_is_compared_long_after_the_person_has_gone(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    receipt = await desk.read(await desk.arm())
    assert receipt.reading is not None and desk.actor is not None
    async with db.begin(Worker("test")) as tx:
        await tx.run("update reading set passing_until = $2 where id = $1", receipt.reading, tx.now)
    with pytest.raises(ReadingStale):
        async with db.begin(desk.actor) as tx:
            await service.match_face(
                tx, receipt.reading, MatchFace(matches=True, against="printed")
            )


async def test_nobody_says_whose_face_it_was_for_another_nor_after_the_reading_was_used(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    receipt = await desk.read(await desk.arm())
    assert receipt.reading is not None and desk.actor is not None
    said = MatchFace(matches=True, against="printed")
    colleague = await person(db, world, "inspector-2")
    elsewhere = msgspec.structs.replace(desk.actor, session=colleague.session)
    for actor in (colleague, elsewhere):
        with pytest.raises(ReadingNotFound):
            async with db.begin(actor) as tx:
                await service.match_face(tx, receipt.reading, said)
    purpose, by = Purpose.identify_complainant, ids.new()
    async with db.begin(desk.actor) as tx:
        used = await using.use(tx, receipt.reading, purpose, about=None, used_for="x", by=by)
    assert used.levels == ("chip-bytes",)
    with pytest.raises(ReadingUsed):
        async with db.begin(desk.actor) as tx:
            await service.match_face(tx, receipt.reading, said)


async def test_a_document_is_seen_for_a_record_and_stays_with_who_saw_it(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    assert desk.actor is not None
    id, seen = ids.new(), passport()
    seen.desk = desk.desk
    seen.purpose = Purpose.serve_order
    with pytest.raises(AboutNeeded):
        async with db.begin(desk.actor) as tx:
            await service.see_document(tx, id, seen)
    seen.about = UUID((await signed(world))["id"])
    async with db.begin(desk.actor) as tx:
        await service.see_document(tx, id, seen)
    with pytest.raises(ReadingNotFound):  # the same words under the same id, by a colleague
        async with db.begin(await person(db, world, "inspector-2")) as tx:
            await service.see_document(tx, id, seen)
    seen.purpose, seen.about = Purpose.identify_complainant, None
    with pytest.raises(DeskNotFound):
        async with db.begin(await person(db, world, "inspector-elsewhere")) as tx:
            await service.see_document(tx, ids.new(), seen)


async def test_no_face_is_compared_with_a_photograph_that_nobody_was_shown(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    receipt = await desk.read(await desk.arm())
    assert receipt.reading is not None and desk.actor is not None
    with pytest.raises(Problem) as refused:
        async with db.begin(desk.actor) as tx:
            await service.match_face(tx, receipt.reading, MatchFace(matches=True, against="photo"))
    assert refused.value.code == "readers/photo-gone"
    async with db.begin(desk.actor) as tx:
        found = await service.match_face(
            tx, receipt.reading, MatchFace(matches=True, against="printed")
        )
    assert "officer-face-match" in found.levels
