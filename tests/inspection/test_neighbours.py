"""One site, two licences, two companies: each sees its own findings, before and after decisions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from tests.inspection.test_visits import pulled, step, version
from tests.world import Person, World, answer, now, record, submit


class Shared(msgspec.Struct):
    """A site of the operator's company (`own`) and the stranger's (`other`)."""

    premises: UUID
    own: UUID
    other: UUID


@pytest_asyncio.fixture
async def shared(db: Database) -> AsyncIterator[Shared]:
    change = "update licence set operator_company = $2 where id = $1"
    licences = [ids.of_text(f"sample licence 11-{n}") for n in (5, 500)]
    async with db.read() as tx:
        premises = await tx.value("select premises_id from licence where id = $1", licences[0])
        before = [
            (id, await tx.value("select operator_company from licence where id = $1", id))
            for id in licences
        ]
        for id, juristic in zip(licences, ("0999900000015", "0999900000023"), strict=True):
            company = await tx.value("select id from company where juristic_id = $1", juristic)
            await tx.run(change, id, company)
    yield Shared(premises, *licences)
    async with db.read() as tx:
        for id, company in before:
            await tx.run(change, id, company)


async def accepted(world: World, visit: UUID) -> None:
    await world.inspector.push(submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")


async def seen(who: Person, visit: UUID, db: Database) -> dict[str, Any] | None:
    """The visit as `who` has it in their list, under the id that it has for factories."""
    async with db.read() as tx:
        shown_as = await tx.value("select shown_as from visit where id = $1", visit)
    one = await who.get(f"/v1/company/visits/{shown_as}")
    listed = (await who.get("/v1/company/visits", params={"limit": "200"})).json()["items"]
    found = [v for v in listed if v["id"] == str(shown_as)]
    assert (one.status_code == 200) == bool(found), "detail and list must agree"
    return found[0] if found else None


def items(view: dict[str, Any] | None) -> list[str]:
    return sorted(f["item"] for f in view["findings"]) if view else []


async def test_each_company_at_a_shared_site_sees_its_own_findings_only(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.begun(shared.premises, licence=shared.own)
    await world.inspector.push(
        record(
            visit,
            answers=[answer("E08", "fail"), answer("B10", "fail", licence=shared.other)],
        )
    )
    await accepted(world, visit)
    own, other = await seen(world.operator, visit, db), await seen(world.stranger, visit, db)
    assert (items(own), items(other)) == (["E08"], ["B10"])
    assert own and own["licence"] == str(shared.own)
    assert other and other["licence"] is None and other["licence_number"] is None


async def test_a_finding_against_a_licence_that_a_person_holds_is_shown_to_no_company(
    world: World, db: Database, shared: Shared
) -> None:
    async with db.read() as tx:
        await tx.run("update licence set operator_company = null where id = $1", shared.other)
    visit = await world.begun(shared.premises, licence=shared.own)
    found = answer("B10", "fail", licence=shared.other)
    await world.inspector.push(record(visit, answers=[found]))
    await accepted(world, visit)
    assert items(await seen(world.operator, visit, db)) == []
    assert await seen(world.stranger, visit, db) is None


async def test_an_announced_visit_tells_the_neighbour_nothing_before_it_is_accepted(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.begun(shared.premises, licence=shared.own, announced=True)
    found = answer("B10", "fail", licence=shared.other)
    await world.inspector.push(record(visit, answers=[found]))
    assert (await seen(world.operator, visit, db) or {})["state"] == "announced"
    assert await seen(world.stranger, visit, db) is None
    await accepted(world, visit)
    assert items(await seen(world.stranger, visit, db)) == ["B10"]


@pytest.mark.parametrize("item", ["O06", "B10"])
async def test_what_a_neighbour_may_not_see_leaves_no_trace_in_their_feed(
    world: World, db: Database, shared: Shared, item: str
) -> None:
    """O06 is confidential; B10 is a finding that was withdrawn before the acceptance."""
    visit = await world.begun(shared.premises, licence=shared.own)
    values = ["กลิ่นตัวทำละลาย"] if item == "O06" else ["fail", "pass"]
    for value in values:
        noted = answer(item, value, licence=shared.other, reason="ดูซ้ำแล้ว")
        await world.inspector.push(record(visit, answers=[noted]))
    await accepted(world, visit)
    assert await seen(world.stranger, visit, db) is None
    changes, _ = await pulled(world, who="stranger")
    async with db.read() as tx:
        shown_as = await tx.value("select shown_as from visit where id = $1", visit)
    assert str(shown_as) not in str(changes), "not even that it is gone"


async def test_a_decision_between_answers_keeps_the_licence_they_are_about(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.begun(shared.premises, licence=shared.own)
    one = record(visit, answers=[answer("B10", "pass", licence=shared.other)])
    two = record(visit, answers=[answer("B10", "fail", licence=shared.other)])
    await world.inspector.push(one)
    await world.inspector_2.push(two)
    settle = {"op": "visit.settle", "id": ids.new(), "visit": visit, "item": "B10"}
    settle |= {"supersedes": [one["id"], two["id"]], "value": "fail"}
    await world.inspector.push(settle)
    (found,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
    assert found["licence"] == str(shared.other)
    await accepted(world, visit)
    assert items(await seen(world.operator, visit, db)) == []
    assert items(await seen(world.stranger, visit, db)) == ["B10"]


async def test_a_laboratory_result_keeps_the_licence_that_the_sample_was_taken_for(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.begun(shared.premises, licence=shared.own)
    taken = {"awaiting": "laboratory", "sample": "W-7"}
    waiting = answer("H05", taken, licence=shared.other)
    await world.inspector.push(record(visit, answers=[waiting]))
    await accepted(world, visit)
    late = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05"}
    (result,) = await world.inspector.push(late | {"value": 84.0, "reported_at": now()})
    assert result["status"] in ("stored", "flagged")
    (found,) = (await world.head.get(f"/v1/visits/{visit}")).json()["findings"]
    assert found["licence"] == str(shared.other)
    assert items(await seen(world.operator, visit, db)) == []
    assert items(await seen(world.stranger, visit, db)) == ["H05"]
    assert await version(world, visit) > 0


async def test_a_licence_that_changed_hands_before_the_visit_is_its_new_operators(
    world: World, db: Database, shared: Shared
) -> None:
    """Planned and announced while the operator held it, made when the stranger did."""
    visit = await world.plan(shared.premises, licence=shared.own, announced=True)
    assert await seen(world.operator, visit, db)
    async with db.read() as tx:
        await tx.run(
            """
            update licence set operator_company =
                (select id from company where juristic_id = '0999900000023')
            where id = $1
            """,
            shared.own,
        )
    _, cursor = await pulled(world)
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    assert await seen(world.operator, visit, db) is None
    changes, _ = await pulled(world, cursor)
    assert [c["gone"] for c in changes if c["kind"] == "company_visit"] == [True]
    await accepted(world, visit)
    assert await seen(world.operator, visit, db) is None
    assert items(await seen(world.stranger, visit, db)) == ["E08"]


async def test_a_licence_that_changes_hands_after_the_visit_leaves_it_with_who_was_visited(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.begun(shared.premises, licence=shared.own)
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    async with db.read() as tx:
        await tx.run("update licence set operator_company = null where id = $1", shared.own)
    await world.inspector.push(record(visit, answers=[answer("B10", "fail")]))
    await accepted(world, visit)
    assert items(await seen(world.operator, visit, db)) == ["B10", "E08"]
    assert await seen(world.stranger, visit, db) is None


async def bind(world: World, shared: Shared, juristic: str | None, db: Database) -> None:
    """The head puts on record who operates the site's first licence now."""
    async with db.read() as tx:
        company = await tx.value("select id from company where juristic_id = $1", juristic)
    factory = (await world.head.get(f"/v1/factories/{shared.premises}")).json()
    (own,) = [x for x in factory["licences"] if x["id"] == str(shared.own)]
    done = await world.head.request(
        "PATCH",
        f"/v1/licences/{shared.own}",
        version=own["version"],
        json={"operator_company": str(company) if company else None},
    )
    assert done.status_code == 200, done.text


def told(changes: list[dict[str, Any]]) -> list[bool]:
    """For each visit in a factory's feed, whether it is gone."""
    return [c.get("gone", False) for c in changes if c["kind"] == "company_visit"]


async def test_an_announced_visit_follows_its_licence_to_the_new_operator_at_once(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.plan(shared.premises, licence=shared.own, announced=True)
    before = await seen(world.operator, visit, db)
    _, operators = await pulled(world)
    _, strangers = await pulled(world, who="stranger")
    await bind(world, shared, "0999900000023", db)
    assert await seen(world.operator, visit, db) is None
    assert await seen(world.stranger, visit, db) == before
    assert told((await pulled(world, operators))[0]) == [True]
    assert told((await pulled(world, strangers, "stranger"))[0]) == [False]
    await bind(world, shared, None, db)
    assert await seen(world.stranger, visit, db) is None
    await bind(world, shared, "0999900000015", db)
    await step(world, visit, "cancel")
    assert await seen(world.operator, visit, db) == (before or {}) | {"state": "cancelled"}
    assert told((await pulled(world, operators))[0]) == [False]
    assert told((await pulled(world, strangers, "stranger"))[0]) == [True]


async def test_a_visit_that_was_not_announced_is_no_news_when_its_licence_changes_hands(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.plan(shared.premises, licence=shared.own)
    _, operators = await pulled(world)
    _, strangers = await pulled(world, who="stranger")
    await bind(world, shared, "0999900000023", db)
    assert told((await pulled(world, operators))[0]) == []
    assert told((await pulled(world, strangers, "stranger"))[0]) == []
    async with db.read() as tx:
        assert await tx.value(
            """
            select v.company = l.operator_company from visit v join licence l on l.id = v.licence
            where v.id = $1
            """,
            visit,
        )


async def test_a_visit_that_has_begun_stays_with_who_was_visited(
    world: World, db: Database, shared: Shared
) -> None:
    visit = await world.begun(shared.premises, licence=shared.own, announced=True)
    before = await seen(world.operator, visit, db)
    _, operators = await pulled(world)
    await bind(world, shared, "0999900000023", db)
    assert before
    assert await seen(world.operator, visit, db) == before
    assert await seen(world.stranger, visit, db) is None
    assert told((await pulled(world, operators))[0]) == []


@pytest.mark.parametrize(
    ("statuses", "taken"),
    [
        (("operating", "operating"), None),
        (("operating", "struck_off"), "own"),
        (("struck_off", "operating"), "other"),
        (("struck_off", "struck_off"), None),
    ],
)
async def test_a_plan_without_a_licence_never_takes_one_of_several_by_chance(
    world: World, db: Database, shared: Shared, statuses: tuple[str, str], taken: str | None
) -> None:
    change = "update licence set status = $2 where id = $1"
    licences = (shared.own, shared.other)
    async with db.read() as tx:
        before = [await tx.value("select status from licence where id = $1", x) for x in licences]
        for licence, status in zip(licences, statuses, strict=True):
            await tx.run(change, licence, status)
    try:
        visit = await world.plan(shared.premises)
    finally:
        async with db.read() as tx:
            for licence, status in zip(licences, before, strict=True):
                await tx.run(change, licence, status)
    planned = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert planned["licence"] == (taken and str(getattr(shared, taken)))
    assert planned["class"] == (3 if taken else None)
