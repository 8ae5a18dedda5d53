"""Which licence a visit is about where nobody names one."""

from __future__ import annotations

from uuid import UUID

import pytest

from api import ids
from api.db import Tx
from api.inspection.visits import queries

FIRST, SECOND = (ids.of_text(f"sample licence 11-{n}") for n in (5, 500))


async def site_with(tx: Tx, first: str, second: str | None) -> UUID:
    """The sample site of two licences in these states; None: the second lies elsewhere."""
    premises: UUID = await tx.value("select premises_id from licence where id = $1", FIRST)
    await tx.run("update licence set status = $2 where id = $1", FIRST, first)
    if second is None:
        elsewhere = await tx.value(
            "select id from premises where id <> $1 order by id limit 1", premises
        )
        await tx.run("update licence set premises_id = $2 where id = $1", SECOND, elsewhere)
    else:
        await tx.run("update licence set status = $2 where id = $1", SECOND, second)
    return premises


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("operating", "operating", None),
        ("operating", "struck_off", FIRST),
        ("struck_off", "closed", SECOND),
        ("struck_off", "struck_off", None),
        ("struck_off", None, FIRST),
        ("operating", None, FIRST),
    ],
)
async def test_the_one_licence_that_a_visit_can_be_about_is_taken_and_none_is_guessed(
    tx: Tx, first: str, second: str | None, taken: UUID | None
) -> None:
    premises = await site_with(tx, first, second)
    site = await queries.site(tx, premises, None)
    assert site is not None
    assert site.premises == premises
    assert site.licence == taken


async def test_a_struck_off_licence_is_taken_where_it_is_named(tx: Tx) -> None:
    premises = await site_with(tx, "struck_off", "struck_off")
    site = await queries.site(tx, premises, SECOND)
    assert site is not None
    assert site.licence == SECOND
