"""Complaints as CSV: what was asked for, in reach, never who told them, and traced."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from api import exports, ids
from api.complaints.public import exporting
from api.db import Database
from api.permissions import EVERYTHING, Worker
from tests.complaints.conftest import tell
from tests.world import Person, World

FORMULAS = (
    "=1+1",
    "+66811111111",
    "-2+3",
    "@SUM(A1)",
    "|calc",
    "%0A=1",
    "\t=1",
    "\r\n=1",
    "  =1",
    "\u00a0=1",
    "\ufeff=1",
    "＝1+1",
    '="x""y"',
    "=cmd|' /C calc'!A0",
)


async def exported(person: Person, **query: Any) -> list[dict[str, str]]:
    found = await person.get("/v1/complaints.csv", params=query)
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in found.headers["content-disposition"]
    assert found.content.startswith(b"\xef\xbb\xbf")
    rows = csv.reader(io.StringIO(found.content.decode("utf-8-sig"), newline=""), strict=True)
    head = next(rows)
    assert head == list(exporting.COLUMNS)
    names = [name.partition("(")[2].rstrip(")") for name in head]
    return [dict(zip(names, row, strict=True)) for row in rows]


async def one(person: Person, mark: str, **query: Any) -> dict[str, str]:
    (found,) = [r for r in await exported(person, **query) if mark in r["description"]]
    return found


async def test_a_row_says_what_the_complaint_says_and_nothing_of_who_told_it(world: World) -> None:
    mark = f"เครื่องหมาย {ids.new()}"
    contact = {"name": "ชื่อลับส่งออก", "phone": "0822222222", "email": "export@example.invalid"}
    place = {"lat": 13.6012345, "lng": 100.6012345, "province": "11", "address": "บ้านเลขที่ลับ 99"}
    told = await tell(world.nobody, description=mark, contact=contact, place=place)
    row = await one(world.head, mark)
    assert row["number"] == told.json()["number"].rpartition("-")[0]
    assert row["state_th"] == "รอรับเรื่อง" and row["category_th"] == "กลิ่นเหม็นรบกวน"
    assert row["province_th"] == "สมุทรปราการ" and row["lat_about"] == "13.6050"
    whole = (await world.head.get("/v1/complaints.csv")).text
    for hidden in (*contact.values(), "บ้านเลขที่ลับ", "13.6012345", told.json()["code"]):
        assert hidden not in whole, hidden


@pytest.mark.parametrize("formula", FORMULAS)
async def test_what_a_spreadsheet_would_run_is_text(world: World, formula: str) -> None:
    mark = str(ids.new())
    text = f"{formula} {mark}"
    made = await tell(world.nobody, description=text, factory={"name": f"{formula}x"})
    assert made.status_code == 200, made.text
    row = await one(world.head, mark)
    assert row["description"] == f"'{text}"
    assert row["factory_named"] == f"'{formula}x"


async def test_quotes_commas_and_line_ends_stay_in_their_cell(world: World) -> None:
    mark = str(ids.new())
    text = f'{mark} "a","b"\n\\.\nNULL,\\N; \'x\' ก'
    assert (await tell(world.nobody, description=text)).status_code == 200
    assert (await one(world.head, mark))["description"] == text


async def test_the_filters_of_the_list_apply(world: World) -> None:
    mark = str(ids.new())
    for category in ("noise", "dust"):
        await tell(world.nobody, category=category, answers={}, description=f"{mark} {category}")

    async def found(**query: Any) -> set[str]:
        rows = await exported(world.department, **query)
        return {r["category"] for r in rows if mark in r["description"]}

    assert await found() == {"noise", "dust"}
    assert await found(category="noise") == {"noise"}
    assert await found(state="submitted", severity="normal", province="11") == {"noise", "dust"}
    assert await found(state="closed") == set()
    assert await found(state=["closed", "submitted"], subject="unknown") == {"noise", "dust"}
    assert await found(subject="confirmed") == await found(overdue=True) == set()
    assert await found(severity="emergency") == set()
    assert await found(province="10") == set()
    assert await found(office=ids.new()) == set()
    assert await found(received_from="2026-01-01") == {"noise", "dust"}
    assert await found(received_to="2026-01-01") == set()
    for query in ({"state": "x"}, {"received_from": "2026-13-01"}, {"category": "' or 1=1"}):
        assert (await world.department.get("/v1/complaints.csv", params=query)).status_code == 422


async def test_what_the_list_shows_as_mine_or_to_be_called_or_of_my_desk_is_exported_alike(
    world: World,
) -> None:
    mark = str(ids.new())
    made = {name: ids.new() for name in ("mine", "called", "office", "other")}
    for name, id in made.items():
        contact = {"phone": "0811111111", "callback": name == "called"}
        told = await tell(world.nobody, id, description=f"{mark} {name}", contact=contact)
        assert told.status_code == 200, told.text
    async with world.db.begin() as tx:
        await tx.run(
            "update complaint set assigned = $2, state = 'assigned' where id = $1",
            made["mine"],
            world.head.account,
        )
        # as the list has it: what my office answers for, wherever it lies
        await tx.run("update complaint set province = '21' where id = $1", made["office"])
        elsewhere = await tx.value("select id from office where code = 'diw'")
        await tx.run("update complaint set office = $2 where id = $1", made["other"], elsewhere)

    async def found(**query: Any) -> set[str]:
        rows = await exported(world.head, **query)
        return {r["description"].split()[1] for r in rows if mark in r["description"]}

    async def listed(**query: Any) -> set[str]:
        asked = query | {"limit": 100}
        items = (await world.head.get("/v1/complaints", params=asked)).json()["items"]
        return {i["summary"].split()[1] for i in items if mark in i["summary"]}

    for query, expected in (
        ({"mine": True}, {"mine"}),
        ({"callback": True, "everywhere": True}, {"called"}),
        ({"everywhere": True}, {"mine", "called", "office", "other"}),
        ({"everywhere": False}, {"mine", "called", "office"}),
    ):
        assert await found(**query) == expected, query
    assert await found() == {"mine", "called", "office", "other"}
    assert await listed(everywhere=True) == {"mine", "called", "other"}
    assert await listed() == {"mine", "called", "office"}


async def test_nobody_exports_what_is_out_of_their_reach(world: World) -> None:
    mark = str(ids.new())
    assert (await tell(world.nobody, description=mark, place={"province": "21"})).status_code == 200
    assert mark not in str(await exported(world.head))
    assert mark not in str(await exported(world.head, province="21"))
    for key in ("department", "ministry", "auditor"):
        assert mark in str(await exported(world[key]))
    for key in ("inspector", "provincial-officer", "local-officer", "citizen", "operator"):
        assert (await world[key].get("/v1/complaints.csv")).status_code == 403
    assert (await world.nobody.get("/v1/complaints.csv")).status_code == 401


async def test_an_event_says_who_exported_what_and_how_many_rows(world: World) -> None:
    rows = await exported(world.ministry, category="noise", state="submitted")
    async with world.db.read() as tx:
        found = await tx.values(
            """
            select facts || jsonb_build_object('name', name) from event
            where account = $1 and kind = 'complaint_export' order by id desc limit 2
            """,
            world.ministry.account,
        )
    ended, begun = (msgspec.json.decode(facts) for facts in found)
    filters = {"category": "noise", "states": ["submitted"]}
    assert begun == {"name": "complaint.export_begun", "filters": filters}
    assert ended == {"name": "complaint.exported", "filters": filters, "rows": len(rows)}


async def test_an_export_of_nothing_is_a_heading(world: World) -> None:
    assert await exported(world.ministry, received_to="2020-01-01") == []


async def export_by_hand(db: Database) -> exporting.Export:
    found = exporting.Export(db, Worker("test"), "", exporting.Filters())
    async with db.begin(Worker("test")) as tx:
        await found.begin(tx)
    return found


async def test_a_reader_who_goes_away_gives_the_connection_back_and_is_noted(
    world: World,
) -> None:
    await tell(world.nobody)
    export = await export_by_hand(world.db)
    pieces = await export.open()
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.2)
    assert exports._running == 0
    assert await _noted(world, export) in ({"broken_off": True}, {"rows": await _all(world)})


async def test_an_export_never_waits_without_end_to_give_its_connection_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, release = list[Any](), asyncpg.Pool.release

    async def seen(pool: Any, connection: Any, *, timeout: float | None = None) -> None:
        limits.append(timeout)
        await release(pool, connection, timeout=timeout)

    monkeypatch.setattr(asyncpg.Pool, "release", seen)
    export = await export_by_hand(world.db)
    async for _ in await export.open():
        pass
    assert limits and None not in limits


async def test_a_slow_reader_holds_the_rows_back(world: World) -> None:
    """What waits for a reader is bounded, whatever there is to send."""
    await _many(world, 30_000)
    try:
        export = await export_by_hand(world.db)
        pieces = await export.open()
        await anext(pieces)
        await asyncio.sleep(0.5)
        assert export._pieces.full()
        assert sum(map(len, export._pieces._queue)) < 2_000_000  # type: ignore[attr-defined]
        assert exports._running == 1
        rest = [piece async for piece in pieces]
        assert len(rest) > 5
        assert (await _noted(world, export)) == {"rows": await _all(world)}
    finally:
        async with world.db.begin() as tx:
            await tx.run("update complaint set province = '95' where description = 'จำนวนมาก'")


async def test_one_more_export_than_there_may_be_is_told_to_wait(world: World) -> None:
    await _many(world, 30_000)
    begun = [await export_by_hand(world.db) for _ in range(exports.MOST)]
    lines = [await export.open() for export in begun]
    for line in lines:
        await anext(line)
    busy: httpx.Response = await world.head.get("/v1/complaints.csv")
    assert (busy.status_code, busy.json()["code"]) == (429, "complaints/exports-busy")
    assert busy.headers["Retry-After"] == "30"
    for line in lines:
        await line.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.3)
    assert exports._running == 0
    assert (await world.head.get("/v1/complaints.csv?state=closed")).status_code == 200


async def test_what_fails_at_once_is_a_problem_and_no_half_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS", exporting.ROWS + " and 1 / (c.number - c.number) = 0")
    export = await export_by_hand(world.db)
    with pytest.raises(Exception, match="division by zero"):
        await export.open()
    await asyncio.sleep(0.1)
    assert await _noted(world, export) == {"broken_off": True}
    answer = await world.head.get("/v1/complaints.csv")
    assert answer.status_code >= 400 and answer.headers["content-type"].startswith(
        "application/problem+json"
    )


async def test_an_export_writes_nothing_and_cannot_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LIMIT_S", 0.3)
    await _many(world, 30_000)
    export = await export_by_hand(world.db)
    pieces = await export.open()
    await anext(pieces)
    await asyncio.sleep(0.8)
    assert exports._running == 0
    with pytest.raises(TimeoutError):
        [piece async for piece in pieces]
    assert await _noted(world, export) == {"broken_off": True}


async def _noted(world: World, export: exporting.Export) -> Any:
    async with world.db.read() as tx:
        facts = await tx.value(
            "select facts::text from event where record = $1 and name = 'complaint.exported'",
            export.id,
        )
    found = msgspec.json.decode(facts)
    found.pop("filters")
    return found


async def _all(world: World) -> int:
    assert EVERYTHING.provinces is None
    async with world.db.read() as tx:
        found: int = await tx.value("select count(*) from complaint")
    return found


async def _many(world: World, least: int) -> None:
    """So many rows that they do not fit into what waits; made without their complainants."""
    async with world.db.begin() as tx:
        missing = least - await tx.value("select count(*) from complaint")
        if missing > 0:
            await tx.run(
                """
                insert into complaint (id, channel, category, category_version, description,
                    severity, state, sent, received_at, factory_named)
                select gen_random_uuid(), 'app', 'noise', 1, 'จำนวนมาก', 'normal', 'closed', '',
                    now() - interval '2 years', repeat('ก', 100)
                from generate_series(1, $1)
                """,
                missing,
            )
