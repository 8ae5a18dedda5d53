"""The auditor sees who read which card, where and for what: no number, no name, nothing unasked."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import clock, exports, ids, keys, sealed
from api.db import Database
from api.permissions import Worker
from api.readers.model import Purpose
from api.readers.readings import service as readings
from api.readers.views import MatchFace
from reader_bridge.fields import CardText
from tests.readers.device import Desk, at_desk
from tests.world import Person, World

AUDIT = "/v1/reading-audit"
CID = "1999900005007"


class Book:
    """Readings of the past, straight in SQL."""

    def __init__(self, db: Database, desk: Desk) -> None:
        self.db, self.desk = db, desk

    async def reading(self, at: datetime, **said: Any) -> UUID:
        row = {
            "id": ids.new(),
            "label": "online",
            "purpose": "serve_order",
            "flags": [],
            "account": self.desk.account,
            "office": self.desk.office,
            "desk": self.desk.desk,
            "bridge": self.desk.bridge,
            "read_at": at,
            "cid_index": None,
            "chip_index": None,
            "used": False,
        } | said
        async with self.db.begin(Worker("test")) as tx:
            await tx.run(
                """
                insert into reading (id, label, purpose, levels, flags, account, office, desk,
                    bridge, read_at, received_at, cid_index, chip_index, used_for, used_by,
                    used_at, keep_until)
                values ($1, $2, $3, array['chip-bytes'], $4, $5, $6, $7, $8, $9, $10, $11, $12,
                    case when $13 then 'service_attempt' end, case when $13 then $1::uuid end,
                    case when $13 then $10::timestamptz end, $10::timestamptz + interval '1 year')
                """,
                *(row["id"], row["label"], row["purpose"], row["flags"], row["account"]),
                *(row["office"], row["desk"], row["bridge"], row["read_at"], at),
                *(row["cid_index"], row["chip_index"], row["used"]),
            )
        return UUID(str(row["id"]))

    async def office(self, code: str) -> UUID:
        async with self.db.read() as tx:
            found: UUID = await tx.value("select id from office where code = $1", code)
        return found


async def province_office(book: Book, province: str) -> UUID:
    """The ministry's office of a province, which may have to be made."""
    async with book.db.begin(Worker("test")) as tx:
        found: UUID | None = await tx.value(
            """
            select o.office from office_province o join office f on f.id = o.office
            where o.province = $1 and f.code = 'pio-' || $1
            """,
            province,
        )
    assert found is not None, province
    return found


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


@pytest_asyncio.fixture
async def book(db: Database, desk: Desk) -> Book:
    async with db.begin(Worker("test")) as tx:
        await tx.run("update reading set erased_at = now(), received_at = '2001-01-01'")
    return Book(db, desk)


async def asked(person: Person, what: str, **query: Any) -> Any:
    found = await person.get(f"{AUDIT}/{what}", params=query)
    assert found.status_code == 200, found.text
    return found.json()


async def items(person: Person, what: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await asked(person, what, **query))["items"]
    return found


def ago(**by: float) -> datetime:
    return datetime.now(UTC) - timedelta(**by)


# --- lists ----------------------------------------------------------------------------------------


async def test_a_reading_is_found_by_whatever_is_known_of_it_and_says_nothing_of_the_card(
    world: World, desk: Desk, book: Book
) -> None:
    waiting = await desk.arm(Purpose.identify_complainant)
    reading = str((await desk.read(waiting, text=CardText(cid=CID))).reading)
    other = str(await book.reading(ago(days=2), label="offline", used=True))
    found = await world.auditor.get(f"{AUDIT}/readings")
    assert CID not in found.text and "ตัวอย่าง" not in found.text
    assert "cid" not in found.text and "index" not in found.text
    assert [r["id"] for r in found.json()["items"]] == [reading, other]
    for query, wanted in (
        ({"officer": desk.account}, [reading, other]),
        ({"officer": world.head.account}, []),
        ({"office": desk.office}, [reading, other]),
        ({"office": ids.new()}, []),
        ({"desk": desk.desk}, [reading, other]),
        ({"desk": ids.new()}, []),
        ({"purpose": "identify_complainant"}, [reading]),
        ({"label": "offline"}, [other]),
        ({"used": "true"}, [other]),
        ({"used": "false"}, [reading]),
        ({"since": ago(days=1).isoformat()}, [reading]),
        ({"until": ago(days=1).isoformat()}, [other]),
    ):
        assert [r["id"] for r in await items(world.auditor, "readings", **query)] == wanted, query


async def test_pages_lose_nothing_and_repeat_nothing_where_times_are_equal(
    world: World, book: Book
) -> None:
    at = ago(hours=3)
    made = {str(await book.reading(at)) for _ in range(5)} | {
        str(await book.reading(ago(hours=2, minutes=n))) for n in range(4)
    }
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        page = await asked(
            world.auditor, "readings", limit=2, **({"cursor": cursor} if cursor else {})
        )
        seen += [r["id"] for r in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 9 and set(seen) == made


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-01T00:00:00Z", "until": "2025-01-01T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "0001-01-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59Z"},
    ],
)
async def test_no_question_is_of_all_times(world: World, query: dict[str, str]) -> None:
    for what in ("readings", "counts", "unused", "crossings", "late", "face-differs"):
        found = await world.auditor.get(f"{AUDIT}/{what}", params=query)
        assert (found.status_code, found.json()["code"]) == (422, "readers/period-wrong"), what


async def test_a_cursor_of_nowhere_is_refused(world: World) -> None:
    for what in ("readings", "counts", "unused", "crossings", "late", "face-differs"):
        found = await world.auditor.get(f"{AUDIT}/{what}", params={"cursor": "x"})
        assert (found.status_code, found.json()["code"]) == (422, "ground/cursor-invalid"), what


async def test_a_head_sees_the_own_office_alone(world: World, book: Book) -> None:
    rayong = await book.office("pio-21")
    here, there = await book.reading(ago(hours=2)), await book.reading(ago(hours=2), office=rayong)
    for what, query in (("readings", {}), ("face-differs", {}), ("late", {"hours": 0})):
        found = (await world.head.get(f"{AUDIT}/{what}", params=query)).text
        assert str(there) not in found, what
    assert str(here) in (await world.head.get(f"{AUDIT}/readings")).text
    assert await items(world.head, "readings", office=rayong) == []
    counted = await items(world.head, "counts")
    assert sum(row["taken"] for row in counted) == 1
    assert {row["office"] for row in await items(world.head, "unused")} == {str(book.desk.office)}
    assert len(await items(world.auditor, "readings")) == 2


# --- every question is told -----------------------------------------------------------------------


async def test_every_question_is_an_event_with_what_was_asked(world: World, desk: Desk) -> None:
    questions = ("readings", "counts", "unused", "crossings", "late", "face-differs", "incidents")
    for what in questions:
        await asked(world.auditor, what, office=desk.office)
    await asked(world.auditor, f"officers/{desk.account}/days/2026-11-22")
    async with world.db.read() as tx:
        told = await tx.values(
            """
            select facts::text from event where account = $1 and name = 'reading.audited'
            order by id desc limit $2
            """,
            world.auditor.account,
            len(questions) + 1,
        )
    assert str(desk.account) in told[0] and "officer_day" in told[0]
    assert all(str(desk.office) in facts and "since" in facts for facts in told[1:])
    whats = {what.replace("-", "_") for what in questions}
    assert all(any(f'"{what}"' in facts for facts in told) for what in whats)


# --- counts ---------------------------------------------------------------------------------------


async def test_counts_are_by_officer_purpose_and_day_in_bangkok(world: World, book: Book) -> None:
    late = datetime.now(UTC).replace(hour=16, minute=59, second=59) - timedelta(days=2)
    for at in (late, late + timedelta(seconds=2)):  # before and after midnight in Bangkok
        await book.reading(at, used=at == late)
    await book.reading(late, flags=["face:differs"])
    await book.reading(late, account=world.head.account)
    await book.reading(late, purpose="map_desk")
    found = await items(world.auditor, "counts", officer=book.desk.account)
    days = [clock.bangkok_date(late) + timedelta(days=n) for n in (1, 0)]
    assert [(r["day"], r["taken"], r["used"], r["face_differs"]) for r in found] == [
        (days[0].isoformat(), 1, 0, 0),
        (days[1].isoformat(), 2, 1, 1),
    ]
    assert found == await items(
        world.auditor, "counts", officer=book.desk.account, office=book.desk.office
    )
    everybody = await items(world.auditor, "counts")
    assert [r for r in everybody if r["account"] == str(book.desk.account)] == found
    assert everybody == await items(world.auditor, "counts", office=book.desk.office)
    pages, cursor = list[Any](), None
    for _ in range(5):
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = await asked(world.auditor, "counts", **query)
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert pages == await items(world.auditor, "counts") and len(pages) == 3


# --- one card at two offices ----------------------------------------------------------------------


async def test_one_card_at_two_offices_sooner_than_anybody_gets_there_is_found(
    world: World, book: Book
) -> None:
    """Samut Prakan and Rayong lie some 125 km apart: about fifty minutes, not twenty."""
    rayong, index = await book.office("pio-21"), sealed.index("reading.cid", CID)
    start = ago(days=1)
    first = await book.reading(start, cid_index=index)
    second = await book.reading(start + timedelta(minutes=20), cid_index=index, office=rayong)
    (found,) = await items(world.auditor, "crossings")
    assert (found["earlier"]["id"], found["later"]["id"]) == (str(first), str(second))
    assert found["minutes"] == 20 and 40 < found["needed_min"] < 70 and 80 < found["km"] < 140
    assert found["matched"] == ["cid"]
    text = (await world.auditor.get(f"{AUDIT}/crossings")).text
    assert CID not in text and index.hex() not in text
    assert len(await items(world.head, "crossings")) == 1  # their end of it
    assert await items(world.auditor, "crossings", office=ids.new()) == []


async def test_what_anybody_can_drive_or_fly_is_not_impossible(world: World, book: Book) -> None:
    rayong, index = await book.office("pio-21"), sealed.index("reading.cid", CID)
    start = ago(days=1)
    await book.reading(start, cid_index=index)
    await book.reading(start + timedelta(minutes=75), cid_index=index, office=rayong)
    await book.reading(start, cid_index=sealed.index("reading.cid", "another"), office=rayong)
    await book.reading(start + timedelta(minutes=1), cid_index=None, office=rayong)
    assert await items(world.auditor, "crossings") == []


async def test_the_same_office_another_of_its_province_and_one_without_place_are_no_crossing(
    world: World, book: Book
) -> None:
    local, index = await book.office("local-11-sample"), sealed.index("reading.cid", CID)
    nowhere = ids.new()
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            """
            insert into office (id, code, kind, name_th, name_en)
            values ($1, 'nowhere', 'ministry', 'ตัวอย่าง', 'Sample')
            """,
            nowhere,
        )
    start = ago(days=1)
    await book.reading(start, cid_index=index)
    for n, office in enumerate((book.desk.office, local, nowhere), 1):
        await book.reading(start + timedelta(minutes=n), cid_index=index, office=office)
    assert await items(world.auditor, "crossings") == []


async def test_a_chip_counts_where_the_number_was_not_read_and_offline_by_the_devices_clock(
    world: World, book: Book
) -> None:
    rayong, chip = await book.office("pio-21"), sealed.index("reading.chip", "00")
    start = ago(days=2)
    await book.reading(start, chip_index=chip)
    late = await book.reading(
        ago(days=1),
        chip_index=chip,
        office=rayong,
        label="offline",
        read_at=start + timedelta(minutes=5),
    )
    (found,) = await items(world.auditor, "crossings")
    assert found["later"]["id"] == str(late) and found["matched"] == ["chip"]


async def test_a_crossing_begins_before_the_period_that_it_ends_in(
    world: World, book: Book
) -> None:
    rayong, index = await book.office("pio-21"), sealed.index("reading.cid", CID)
    start = ago(days=1)
    await book.reading(start, cid_index=index)
    await book.reading(start + timedelta(minutes=10), cid_index=index, office=rayong)
    since = (start + timedelta(minutes=5)).isoformat()
    assert len(await items(world.auditor, "crossings", since=since)) == 1
    assert await items(world.auditor, "crossings", until=since) == []


async def test_an_office_without_a_place_between_two_others_does_not_hide_their_crossing(
    world: World, book: Book
) -> None:
    rayong, index = await book.office("pio-21"), sealed.index("reading.cid", CID)
    nowhere = await book.office("ministry")
    start = ago(days=1)
    first = await book.reading(start, cid_index=index)
    await book.reading(start + timedelta(minutes=5), cid_index=index, office=nowhere)
    last = await book.reading(start + timedelta(minutes=10), cid_index=index, office=rayong)
    found = await items(world.auditor, "crossings")
    assert [(c["earlier"]["id"], c["later"]["id"]) for c in found] == [(str(first), str(last))]


async def test_steps_that_are_each_possible_do_not_hide_a_way_that_is_not(
    world: World, book: Book
) -> None:
    """Nonthaburi lies between; from each seat 20 km are taken off, from two steps twice."""
    index, start = sealed.index("reading.cid", CID), ago(days=1)
    made = [
        await book.reading(start + timedelta(minutes=n), cid_index=index, office=place)
        for n, code in ((0, "73"), (14, "12"), (38, "24"))
        for place in [await province_office(book, code)]
    ]
    found = await items(world.auditor, "crossings")
    assert [(c["earlier"]["id"], c["later"]["id"]) for c in found] == [(str(made[0]), str(made[2]))]


async def test_a_card_is_known_again_after_the_index_key_was_rotated(
    world: World, desk: Desk, book: Book
) -> None:
    rayong = await book.office("pio-21")
    await desk.read(await desk.arm(Purpose.identify_complainant), text=CardText(cid=CID))
    far = await at_desk(world.db, world, "inspector-elsewhere")
    assert far.office == rayong
    keys.ring().rotate(keys.Purpose.blind_index)
    await far.read(await far.arm(Purpose.identify_complainant), text=CardText(cid=CID))
    (found,) = await items(world.auditor, "crossings")
    assert found["matched"] == ["chip", "cid"]
    assert {found["earlier"]["office"], found["later"]["office"]} == {str(desk.office), str(rayong)}
    async with world.db.begin(Worker("test")) as tx:
        await tx.run("update reading set keep_until = now() where office = $1", rayong)
        await readings.sweep(tx)
    async with world.db.read() as tx:
        left = await tx.values(
            "select cid_before::text || chip_before::text from reading where erased_at is not null"
        )
    assert set(left) == {"{}{}"}


async def test_what_came_offline_long_after_a_rotation_is_known_by_the_key_of_its_time(
    world: World, desk: Desk, book: Book
) -> None:
    rayong = await book.office("pio-21")
    far = await at_desk(world.db, world, "inspector-elsewhere")
    ticket = await far.ticket()
    await desk.read(await desk.arm(Purpose.identify_complainant), text=CardText(cid=CID))
    read_at = datetime.now(UTC)
    keys.ring().rotate(keys.Purpose.blind_index)
    keys.ring().rotate(keys.Purpose.blind_index)
    late = await far.read(ticket, text=CardText(cid=CID), read_at=read_at, inserted_at=read_at)
    (found,) = await items(world.auditor, "crossings", office=rayong)
    assert found["later"]["id"] == str(late.reading)


@pytest.mark.parametrize("hours", [2, 11])
async def test_a_pcs_clock_that_is_fast_does_not_hide_a_crossing(
    world: World, desk: Desk, book: Book, hours: int
) -> None:
    """Further than its ticket lasts no reading is taken; within it, none is after its arrival."""
    ticket = await desk.ticket()
    far = await at_desk(world.db, world, "inspector-elsewhere")
    await far.read(await far.arm(Purpose.identify_complainant), text=CardText(cid=CID))
    said = datetime.now(UTC) + timedelta(hours=hours)
    wrong = await desk.read(ticket, text=CardText(cid=CID), read_at=said, inserted_at=said)
    (found,) = await items(world.auditor, "crossings")
    assert found["later"]["id"] == str(wrong.reading)
    assert "clock:read_at" in found["later"]["flags"]


async def test_each_reading_is_told_once_with_the_worst_of_those_before_and_pages_lose_none(
    world: World, book: Book
) -> None:
    index, start = sealed.index("reading.cid", CID), ago(days=1)
    places = [await province_office(book, code) for code in ("50", "90", "34", "50", "90")]
    made = [
        await book.reading(start + timedelta(minutes=n), cid_index=index, office=place)
        for n, place in enumerate(places)
    ]
    whole = await items(world.auditor, "crossings")
    assert [c["id"] for c in whole] == [str(id) for id in reversed(made[1:])]
    pages, cursor = list[Any](), None
    for _ in range(9):
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = await asked(world.auditor, "crossings", **query)
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert pages == whole


# --- without a following service ------------------------------------------------------------------


async def test_readings_that_served_nothing_within_the_hour_are_counted_with_their_rate(
    world: World, book: Book
) -> None:
    for used in (True, False, False, False):
        await book.reading(ago(hours=5), used=used)
    await book.reading(ago(minutes=10))  # has its hour still
    await book.reading(ago(hours=5), purpose="bind_account")
    await book.reading(ago(hours=5), flags=["face:differs"])
    await book.reading(ago(hours=5), account=world.head.account)
    await book.reading(ago(hours=5), label="offline")  # its officer has seven days
    found = await items(world.auditor, "unused")
    assert [(r["account"], r["taken"], r["unused"], r["rate"]) for r in found] == [
        (str(book.desk.account), 5, 3, 0.6),
        (str(world.head.account), 1, 1, 1.0),
    ]
    first = await asked(world.auditor, "unused", limit=1)
    rest = await asked(world.auditor, "unused", limit=1, cursor=first["next"])
    assert first["items"] + rest["items"] == found


# --- faces, late ones, incidents, a day -----------------------------------------------------------


async def test_faces_that_differed_and_what_came_late_have_lists_of_their_own(
    world: World, book: Book
) -> None:
    differs = await book.reading(ago(hours=2), flags=["face:differs"])
    late = await book.reading(ago(hours=2), label="offline", read_at=ago(hours=40))
    await book.reading(ago(hours=2), label="offline", read_at=ago(hours=10))
    await book.reading(ago(hours=2), read_at=ago(hours=40))
    found = await items(world.auditor, "face-differs")
    assert [r["id"] for r in found] == [str(differs)]
    assert [r["id"] for r in await items(world.auditor, "late")] == [str(late)]
    assert len(await items(world.auditor, "late", hours=1)) == 2


async def test_incidents_are_counted_by_device_and_kind(world: World, desk: Desk) -> None:
    async with world.db.begin(Worker("test")) as tx:
        for looked in (None, tx.now):
            await tx.run(
                """
                insert into bridge_incident (id, bridge, kind, facts, at, looked_at)
                values ($1, $2, 'replay', '{}', $3, $4)
                """,
                ids.new(),
                desk.bridge,
                tx.now,
                looked,
            )
    found = await asked(world.auditor, "incidents", since=ago(hours=1).isoformat())
    (row,) = [r for r in found if r["bridge"] == str(desk.bridge)]
    assert (row["kind"], row["count"], row["unlooked"]) == ("replay", 2, 1)


async def test_a_day_of_an_officer_has_all_they_did_in_its_order(
    world: World, desk: Desk, book: Book
) -> None:
    waiting = await desk.arm(Purpose.identify_complainant)
    reading = (await desk.read(waiting)).reading
    assert reading is not None and desk.actor is not None
    async with desk.db.begin(desk.actor) as tx:
        await readings.match_face(tx, reading, MatchFace(matches=True, against="printed"))
    day = clock.bangkok_date(clock.now())
    path = f"officers/{desk.account}/days/{day}"
    found = [a for a in await items(world.head, path) if a["record"] == str(reading)]
    assert [a["what"] for a in found][:2] == ["reading.taken", "reading.face_matched"]
    assert found[0]["purpose"] == "identify_complainant" and found[0]["desk"] == str(desk.desk)
    whole = await items(world.auditor, path)
    pages, cursor = list[Any](), None
    for _ in range(20):
        page = await asked(world.auditor, path, limit=3, **({"cursor": cursor} if cursor else {}))
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert [a["id"] for a in pages] == [a["id"] for a in whole]
    other = f"{AUDIT}/officers/{world['inspector-elsewhere'].account}/days/{day}"
    assert (await world.head.get(other)).status_code == 404
    assert await items(world.auditor, f"officers/{desk.account}/days/2020-01-01") == []


# --- the export -----------------------------------------------------------------------------------


async def test_the_list_is_had_as_csv_in_reach_and_told(world: World, book: Book) -> None:
    rayong = await book.office("pio-21")
    here = await book.reading(ago(hours=2), used=True, flags=["=1+1"])
    there = await book.reading(ago(hours=2), office=rayong)
    found = await world.auditor.get("/v1/readings.csv")
    assert found.status_code == 200 and found.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(found.content.decode("utf-8-sig"), newline="")))
    assert len({len(row) for row in rows}) == 1
    lines = {row[0]: row for row in rows[1:]}
    assert set(lines) == {str(here), str(there)}
    assert "พิสูจน์การรับคำสั่ง" in lines[str(here)] and "pio-21" in lines[str(there)]
    assert "=1+1" not in lines[str(here)]  # a formula for a spreadsheet
    own = (await world.head.get("/v1/readings.csv")).text
    assert str(here) in own and str(there) not in own
    nothing = await world.head.get("/v1/readings.csv", params={"office": str(rayong)})
    assert nothing.status_code == 200 and nothing.text.count("\n") == 1
    async with world.db.read() as tx:
        told = await tx.values(
            """
            select facts::text from event
            where account = $1 and name = 'reading.exported' order by id
            """,
            world.auditor.account,
        )
    assert '"rows": 2' in told[-1] and "since" in told[-1]


async def test_no_more_exports_run_than_may_though_all_are_asked_for_at_once(
    world: World, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a connection of the pool."""
    await book.reading(ago(hours=2))
    most, whole = 0, exports.CopyOut._all

    async def slowly(self: exports.CopyOut) -> int:
        nonlocal most
        most = max(most, exports._running)
        await asyncio.sleep(0.3)
        return await whole(self)

    monkeypatch.setattr(exports.CopyOut, "_all", slowly)
    came = await asyncio.gather(*(world.auditor.get("/v1/readings.csv") for _ in range(12)))
    assert sorted({c.status_code for c in came}) == [200, 429]
    assert sum(c.status_code == 200 for c in came) == exports.MOST == most
    refused = [c for c in came if c.status_code == 429]
    assert {c.json()["code"] for c in refused} == {"readers/exports-busy"}
    assert exports._running == 0
    async with world.db.read() as tx:
        begun, ended = [
            await tx.value("select count(*) from event where name = $1", f"reading.{name}")
            for name in ("export_begun", "exported")
        ]
    assert begun == ended


async def test_every_province_has_a_seat_in_the_country(db: Database) -> None:
    async with db.read() as tx:
        without = await tx.values(
            "select code from province where code not in (select province from province_seat)"
        )
        wrong = await tx.values(
            """
            select province from province_seat
            where lat not between 5.6 and 20.5 or lng not between 97.3 and 105.7
                or province not in (select code from province)
            """
        )
    assert without == [] and wrong == []
