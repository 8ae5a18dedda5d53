"""Pulls: exactly what changed, nothing missed, nothing of somebody else's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api import events, ids
from api.db import Database
from api.embedded import EmbeddedPostgres
from api.permissions import Worker
from tests.world import Person, World, answer, gate, record


async def pull(
    who: Person, cursor: str | None = None, **params: Any
) -> tuple[list[dict[str, Any]], str]:
    """Every page after `cursor`: the changes, and the next cursor."""
    found: list[dict[str, Any]] = []
    while True:
        query = {k: str(v) for k, v in params.items()} | ({"cursor": cursor} if cursor else {})
        page = (await who.get("/v1/sync", params=query)).json()
        found += page["changes"]
        cursor = page["next"]
        if not page["more"]:
            return found, cursor or ""


def of(changes: list[dict[str, Any]], record: UUID) -> list[dict[str, Any]]:
    return [c for c in changes if c["id"] == str(record)]


async def test_a_second_pull_brings_only_what_changed(world: World) -> None:
    visit = await world.begun()
    _, cursor = await pull(world.inspector)
    assert (await pull(world.inspector, cursor))[0] == []
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    changes, cursor = await pull(world.inspector, cursor)
    assert [(c["kind"], c["id"]) for c in changes] == [("visit", str(visit))]
    assert changes[0]["record"]["answers"][0]["item"] == "E08"
    assert (await pull(world.inspector, cursor))[0] == []


async def test_a_record_written_many_times_is_pulled_once(world: World) -> None:
    visit = await world.begun()
    _, cursor = await pull(world.inspector)
    for n in range(5):
        await world.inspector.push(record(visit, answers=[answer("E08", "pass", note=str(n))]))
    changes, _ = await pull(world.inspector, cursor)
    assert len(of(changes, visit)) == 1


async def test_pages_of_any_size_bring_the_same_records(world: World) -> None:
    whole, _ = await pull(world.inspector, limit=1000)
    small, _ = await pull(world.inspector, limit=2)
    assert [c["id"] for c in small] == [c["id"] for c in whole]
    assert len(whole) > 4


async def test_what_commits_late_is_not_lost_behind_the_cursor(world: World, db: Database) -> None:
    """A transaction that began first and commits last must still reach the phone."""
    late, early = ids.new(), ids.new()
    _, cursor = await pull(world.inspector)
    async with db.begin(Worker("test")) as tx:
        await events.record(tx, "visit.tested", "visit", late, scopes=["province:11"])
        async with db.begin(Worker("test")) as other:
            await events.record(other, "visit.tested", "visit", early, scopes=["province:11"])
        held, cursor = await pull(world.inspector, cursor)
        assert of(held, early) == [], "served before an older writer was done"
    changes, _ = await pull(world.inspector, cursor)
    assert of(changes, late) != []
    assert of(changes, early) != []


async def test_a_long_writer_in_another_data_base_holds_the_feed_and_is_visible(
    world: World, db: Database, postgres: EmbeddedPostgres
) -> None:
    elsewhere = await asyncpg.connect(postgres.url("postgres"))
    try:
        visit = await world.begun()
        _, cursor = await pull(world.inspector)
        transaction = elsewhere.transaction()
        await transaction.start()
        await elsewhere.execute("select pg_current_xact_id()")
        await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
        held, cursor = await pull(world.inspector, cursor)
        assert of(held, visit) == []
        ready = (await world.nobody.get("/health/ready")).json()
        assert ready["feed_lag_s"] >= 0
        async with db.read() as tx:
            from api.sync import queries

            assert await queries.lag_s(tx) > 0
        await transaction.rollback()
        changes, _ = await pull(world.inspector, cursor)
        assert of(changes, visit) != [], "what was held back must come"
    finally:
        await elsewhere.close()


async def test_a_record_that_leaves_the_scope_leaves_a_tombstone(
    world: World, db: Database
) -> None:
    visit = await world.begun()
    _, cursor = await pull(world.inspector)
    async with db.begin(Worker("test")) as tx:
        await events.record(
            tx, "visit.moved", "visit", visit, scopes=["province:74"], gone=["province:11"]
        )
    changes, _ = await pull(world.inspector, cursor)
    assert of(changes, visit) == [{"kind": "visit", "id": str(visit), "gone": True}]
    seen_by_all, _ = await pull(world.department, kinds="visit")
    assert not of(seen_by_all, visit)[0].get("gone"), "it still is in the department's scope"


async def test_a_cursor_of_another_epoch_or_scope_begins_anew_and_says_so(world: World) -> None:
    _, cursor = await pull(world.inspector)
    other = (await world.inspector_elsewhere.get("/v1/sync", params={"cursor": cursor})).json()
    assert other["reset"]
    assert (await world.inspector.get("/v1/sync", params={"cursor": cursor})).json()[
        "reset"
    ] is False


@pytest.mark.parametrize("cursor", ["nonsense", "W10", "////", "A" * 5000, "%00"])
async def test_a_cursor_that_is_none_is_a_clear_problem(world: World, cursor: str) -> None:
    refused = await world.inspector.get("/v1/sync", params={"cursor": cursor})
    assert refused.status_code == 422
    assert refused.json()["code"] == "ground/cursor-invalid"


async def test_planned_visits_can_be_pulled_before_the_rest(world: World) -> None:
    visit = await world.plan()
    changes, _ = await pull(world.inspector, kinds="visit")
    assert of(changes, visit)
    assert {c["kind"] for c in changes} == {"visit"}


async def test_an_inspector_pulls_nothing_of_another_province(world: World) -> None:
    visit = await world.begun()
    changes, _ = await pull(world.inspector_elsewhere)
    assert of(changes, visit) == []
    provinces = {c["record"]["province"] for c in changes if c["kind"] in ("visit", "factory")}
    assert "11" not in provinces


async def test_a_factory_pulls_its_visit_only_once_it_is_accepted(world: World) -> None:
    site = await world.premises(company=True)
    visit = await world.plan(site)
    await world.inspector.push(record(visit, start=gate(), answers=[answer("E08", "fail")]))
    before, _ = await pull(world.operator)
    shown = await world.shown_as(visit)
    assert of(before, shown) == []
    from tests.sync.test_push import accepted
    from tests.world import submit

    await world.inspector.push(submit(visit))
    await accepted(world, visit)
    after, _ = await pull(world.operator)
    (change,) = of(after, shown)
    assert change["kind"] == "company_visit"
    assert change["record"]["findings"][0]["item"] == "E08"
    assert of((await pull(world.stranger))[0], shown) == []
