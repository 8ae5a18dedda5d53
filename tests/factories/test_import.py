"""The import of the open feed: as it comes, twice, changed, broken, killed."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api.factories import feed, feed_survey, register, register_queries, service
from api.factories.feed import FeedNotUnderstood
from api.factories.model import CorrectPremises, MergePremises, Position
from api.factories.register import ImportRunning, ReferenceDataMissing, import_feed
from api.permissions import Worker
from bench.feed import write
from tests.factories.conftest import HEADER, Register, fresh_number


def row(**fields: Any) -> dict[str, Any]:
    """A row as the feed brings it: one operating factory in Samut Prakan."""
    number = fields.pop("number", None) or fresh_number()
    return {
        "FACREG": f'="{number[4:]}"',
        "DISPFACREG": f"3-9(6)-{number[4:9]}/69สป",
        "FID": f'="{number}"',
        "FACTYPE": "00906",
        "FNAME": "บริษัท ตัวอย่างนำเข้า จำกัด",
        "ONAME": "บริษัท ตัวอย่างนำเข้า จำกัด",
        "FADDR": "1/2",
        "FMOO": "3",
        "FTUMNAME": "ปากน้ำ",
        "FAMPNAME": "เมืองสมุทรปราการ",
        "FPROVNAME": "สมุทรปราการ",
        "HP": "120.5",
        "TOTAL_WORKER": "40",
        "LAT": "13.6",
        "LNG": "100.6",
        "ESTATE": "OUT",
        "STATUS": "ดำเนินการ",
    } | fields


def number_of(fields: dict[str, Any]) -> str:
    return str(fields["FID"])[2:16]


async def licence(reg: Register, number: str) -> asyncpg.Record:
    async with reg.db.pool.acquire() as connection:
        found = await connection.fetchrow(
            """
            select l.*, p.province, p.district, p.subdistrict, p.lat, p.lng, p.address, p.live,
                p.search, p.position_source, p.id as site, p.version as site_version
            from licence l join premises p on p.id = l.premises_id where l.key = $1
            """,
            number,
        )
    assert found is not None
    return found


async def test_a_row_becomes_a_licence_at_a_site(reg: Register) -> None:
    one = row()
    outcome = await reg.load(one)
    assert (outcome.read, outcome.added, outcome.rejected) == (1, 1, 0)
    held = await licence(reg, number_of(one))
    assert held["number_old"] == f"3-9(6)-{int(number_of(one)[4:9])}/69สป"
    assert (held["licence_class"], held["category"]) == (3, "00906")
    assert (held["hp"], held["workers"], held["status"]) == (120.5, 40, "operating")
    assert (held["operator_kind"], held["estate"]) == ("company", "")
    assert (held["province"], held["district"], held["subdistrict"]) == ("11", "1101", "110101")
    assert (held["lat"], held["lng"], held["position_source"]) == (13.6, 100.6, "register")
    assert held["address"] == "1/2 หมู่ 3"
    scopes = await reg.value(
        "select array_agg(scope) from change where kind = 'factory' and record = $1", held["site"]
    )
    assert scopes == ["province:11"]


async def test_the_same_file_twice_changes_nothing(reg: Register) -> None:
    path = reg.folder / "feed.csv"
    write(path, 3_000)
    first = await import_feed(reg.url, path, chunk=700)
    before = await reg.traces()
    again = await import_feed(reg.url, path, chunk=700)
    assert first.added == 3_000
    assert (again.read, again.added, again.changed, again.resumed) == (3_000, 0, 0, False)
    assert await reg.traces() == before


async def test_struck_off_rows_are_kept_but_phones_do_not_hear_of_them(reg: Register) -> None:
    gone, there = row(STATUS="จำหน่าย"), row(STATUS="2")
    await reg.load(gone, there)
    for one in (gone, there):
        held = await licence(reg, number_of(one))
        assert (held["status"], held["live"]) == ("struck_off", False)
        told = await reg.value("select count(*) from change where record = $1", held["site"])
        assert told == 0


async def test_a_change_is_recorded_as_a_change(reg: Register) -> None:
    one, other = row(), row()
    await reg.load(one, other)
    before = await licence(reg, number_of(one))
    seq = await reg.value("select max(seq) from change")
    outcome = await reg.load(one | {"HP": "300", "STATUS": "หยุดดำเนินการ"}, other)
    assert (outcome.added, outcome.changed) == (0, 1)
    after = await licence(reg, number_of(one))
    assert (after["id"], after["hp"], after["status"]) == (before["id"], 300, "stopped")
    assert after["version"] == before["version"] + 1
    async with reg.db.pool.acquire() as connection:
        version = await connection.fetchrow(
            "select version, line, import_id, changed::text from licence_version"
            " where licence_id = $1",
            after["id"],
        )
        event = await connection.fetchrow(
            "select actor, facts::text from event where name = 'licence.changed'"
        )
    assert version is not None
    assert (version["version"], version["line"]) == (2, 2)
    assert version["import_id"] == outcome.import_id
    assert '"hp": [120.5, 300]' in version["changed"]
    assert '"status": ["operating", "stopped"]' in version["changed"]
    assert event is not None
    assert event["actor"] == "import"
    assert '["hp", "status"]' in event["facts"]
    assert await reg.value("select count(*) from change where seq > $1", seq) == 1
    async with reg.db.begin(Worker("test")) as tx:
        shown = await service.read_factory(tx, after["site"])
    assert [x.status for x in shown.licences[0].status_history] == ["operating", "stopped"]
    assert shown.licences[0].status_history[1].source == "register"


async def test_who_is_struck_off_leaves_the_phones(reg: Register) -> None:
    one = row()
    await reg.load(one)
    await reg.load(one | {"STATUS": "จำหน่าย"})
    held = await licence(reg, number_of(one))
    assert held["live"] is False
    assert await reg.value("select gone from change where record = $1", held["site"]) is True


async def test_who_moves_to_another_province_leaves_the_first(reg: Register) -> None:
    one = row()
    await reg.load(one)
    await reg.load(one | {"FPROVNAME": "สมุทรสาคร", "FAMPNAME": "", "FTUMNAME": ""})
    held = await licence(reg, number_of(one))
    assert (held["province"], held["district"]) == ("74", None)
    async with reg.db.pool.acquire() as connection:
        rows = await connection.fetch(
            "select scope, gone from change where record = $1 order by scope", held["site"]
        )
    assert [tuple(x) for x in rows] == [("province:11", True), ("province:74", False)]


async def test_an_officers_position_outlives_the_register(reg: Register) -> None:
    one = row()
    await reg.load(one)
    held = await licence(reg, number_of(one))
    async with reg.db.begin(Worker("test")) as tx:
        await service.correct_premises(
            tx, held["site"], 1, CorrectPremises(position=Position(13.65, 100.65))
        )
    assert (await reg.load(one)).changed == 0
    await reg.load(one | {"HP": "1", "LAT": "13.5"})
    held = await licence(reg, number_of(one))
    assert (held["hp"], held["lat"], held["position_source"]) == (1, 13.65, "officer")


async def test_a_merged_site_is_no_longer_moved_by_the_register(reg: Register) -> None:
    one, two = row(FNAME="ตัวอย่างก"), row(FNAME="ตัวอย่างข", FADDR="7")
    await reg.load(one, two)
    a, b = await licence(reg, number_of(one)), await licence(reg, number_of(two))
    async with reg.db.begin(Worker("test")) as tx:
        await service.merge_premises(tx, a["site"], 1, MergePremises(b["site"]))
    await reg.load(one, two | {"FNAME": "ตัวอย่างค", "FADDR": "8", "STATUS": "จำหน่าย"})
    held = await licence(reg, number_of(two))
    assert held["site"] == a["site"]
    assert (held["name"], held["status"]) == ("ตัวอย่างค", "struck_off")
    assert (held["address"], held["live"]) == (a["address"], True)
    assert "ตัวอย่างค" in held["search"]


BROKEN = [
    ({"FID": '="10110000125691"'}, "FID", "check_digit"),
    ({"FID": '="1011000012569"'}, "FID", "length"),
    ({"FID": "1011OOOO125691"}, "FID", "characters"),
    ({"FID": "", "DISPFACREG": "3-999-1/69"}, "DISPFACREG", "category"),
    ({"FID": "-", "DISPFACREG": "-"}, "DISPFACREG", "empty"),
    ({"STATUS": "ไม่รู้จัก"}, "STATUS", "status"),
    ({"STATUS": ""}, "STATUS", "status"),
    ({"FID": "", "DISPFACREG": "3-9(6)-77/69", "FPROVNAME": "ไม่มี"}, "FPROVNAME", "province"),
]


async def test_every_refused_row_is_reported_with_its_line_and_reason(reg: Register) -> None:
    good = [row() for _ in range(3)]
    rows = [good[0], *(row(**fault) for fault, _, _ in BROKEN), good[1], good[0], good[2]]
    outcome = await reg.load(*rows, chunk=4)
    assert (outcome.read, outcome.added) == (len(rows), 3)
    report = reg.report()
    assert outcome.rejected == len(report) == len(BROKEN) + 1
    for (line, (_, field, reason)), told in zip(enumerate(BROKEN, 3), report, strict=False):
        assert (told["line"], told["field"], told["reason"]) == (str(line), field, reason)
        assert told["outcome"] == "rejected"
        assert told["reason_th"]
        assert told["reason_en"]
    assert (report[-1]["line"], report[-1]["reason"]) == (str(len(BROKEN) + 4), "duplicate")


async def test_the_report_runs_no_formula_and_names_no_person(reg: Register) -> None:
    await reg.load(
        row(FID='=cmd|"/c calc"!A1', FNAME="นายตัวอย่าง ลับ", ONAME="นายตัวอย่าง ลับ"),
    )
    text = (reg.folder / "report.csv").read_text(encoding="utf-8-sig")
    assert reg.report()[0]["value"].startswith("'=")
    assert "ลับ" not in text


async def test_a_lesser_fault_costs_only_the_field(reg: Register) -> None:
    rows = [
        row(LAT="", LNG="-"),
        row(LAT="0", LNG="0"),
        row(LAT="100.6", LNG="13.6"),
        row(LAT="1360.5", LNG="100.6"),
        row(HP="มาก", TOTAL_WORKER="-5"),
        row(HP="1,250.75", TOTAL_WORKER="๔๕"),
        row(FNAME="ก\0ข", FTUMNAME="ไม่มีตำบลนี้"),
    ]
    outcome = await reg.load(*rows)
    assert (outcome.added, outcome.rejected, outcome.noted) == (7, 0, 4)
    held = [await licence(reg, number_of(x)) for x in rows]
    assert [(x["lat"], x["lng"]) for x in held[:4]] == [
        (None, None),
        (None, None),
        (13.6, 100.6),
        (None, None),
    ]
    assert (held[4]["hp"], held[4]["workers"]) == (None, None)
    assert (held[5]["hp"], held[5]["workers"]) == (1250.75, 45)
    assert held[6]["name"] == "กข"
    assert (held[6]["district"], held[6]["subdistrict"]) == ("1101", None)
    assert {x["reason"] for x in reg.report()} == {"swapped", "outside", "not_a_number"}
    assert {x["outcome"] for x in reg.report()} == {"kept"}


async def test_estates_and_old_numbers_alone_are_understood(reg: Register) -> None:
    number = fresh_number()
    estate = row(number=number, DISPFACREG="น.42(1)-14/2549-ญมพ.", ESTATE="นิคมตัวอย่าง")
    old = row(FID="", DISPFACREG="จ 3-9(6)-100/51 ปจ")
    new = row(DISPFACREG="")
    assert (await reg.load(estate, old, new)).added == 3
    held = await licence(reg, number)
    assert (held["number_old"], held["estate"]) == ("น.42(1)-14/2549-ญมพ", "นิคมตัวอย่าง")
    assert (held["licence_class"], held["category"]) == (None, "04201")
    held = await licence(reg, "จ3-9(6)-100/51ปจ")
    assert (held["number_new"], held["number_old"]) == (None, "จ3-9(6)-100/51ปจ")
    held = await licence(reg, number_of(new))
    assert (held["number_old"], held["number_shown"]) == (None, number_of(new))


async def test_a_licence_that_is_given_its_new_number_stays_the_same_one(reg: Register) -> None:
    old = row(FID="", DISPFACREG="3-9(6)-4321/51สป")
    await reg.load(old)
    held = await licence(reg, "3-9(6)-4321/51สป")
    number = fresh_number()
    outcome = await reg.load(old | {"FID": f'="{number}"'})
    assert outcome.added == 0
    assert (await licence(reg, number))["id"] == held["id"]


async def test_a_new_number_that_was_left_out_once_may_come_back(reg: Register) -> None:
    number = fresh_number()
    whole = row(number=number, DISPFACREG="3-9(6)-4322/51สป")
    await reg.load(whole)
    assert (await reg.load(whole | {"FID": ""})).added == 1
    outcome = await reg.load(whole | {"HP": "7"})
    assert (outcome.added, outcome.changed) == (0, 1)
    assert (await licence(reg, number))["hp"] == 7


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp874", "utf-16"])
async def test_the_encodings_of_the_country_are_read(reg: Register, encoding: str) -> None:
    one = row()
    outcome = await import_feed(reg.url, reg.file(one, encoding=encoding))
    assert outcome.added == 1
    assert (await licence(reg, number_of(one)))["name"] == "บริษัท ตัวอย่างนำเข้า จำกัด"


async def test_header_names_may_vary(reg: Register) -> None:
    number = fresh_number()
    path = reg.folder / "other.csv"
    path.write_text(
        f'\ufeff"fid" ; Latitude;LONGITUDE; fname ;fflag\n{number};13.7;100.7;ตัวอย่าง;1\n',
        encoding="utf-8",
    )
    assert (await import_feed(reg.url, path)).added == 1
    held = await licence(reg, number)
    assert (held["name"], held["lat"], held["status"]) == ("ตัวอย่าง", 13.7, "operating")


async def test_a_row_with_too_few_or_too_many_columns_is_refused_alone(reg: Register) -> None:
    one, two = row(), row()
    path = reg.file(one, text=f'x,="{fresh_number()}"\r\n' + "x," * 30 + "\r\n\r\n")
    with path.open("a", encoding="utf-8", newline="") as out:
        csv.DictWriter(out, HEADER).writerow(two)
    outcome = await import_feed(reg.url, path, reg.folder / "report.csv")
    assert (outcome.added, outcome.rejected) == (2, 2)
    assert [(x["line"], x["reason"]) for x in reg.report()] == [("3", "columns"), ("4", "columns")]


async def test_a_stray_quote_does_not_swallow_the_file(reg: Register) -> None:
    path = reg.folder / "quote.csv"
    write(path, 2_000)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    lines[10] = lines[10].replace(",", ',"', 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    outcome = await import_feed(reg.url, path, reg.folder / "report.csv")
    assert outcome.added > 1_850
    assert {x["reason"] for x in reg.report()} <= {"unreadable", "columns"}


async def test_a_large_file_is_cut_only_where_rows_end(reg: Register) -> None:
    path = reg.folder / "plain.csv"
    write(path, 13_000)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = csv.reader(lines)
    for number, cells in enumerate(rows):
        if number % 3 == 0:
            cells[4] = f'"{cells[4]}"\n, "บรรทัด, สอง"\n'
    path = reg.folder / "lines.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
    facts, raw = feed_survey.survey(path), path.read_bytes()
    assert len(facts.blocks) > 2
    assert sum(b.length for b in facts.blocks) == facts.size == len(raw)
    for block, following in zip(facts.blocks, facts.blocks[1:], strict=False):
        assert block.start + block.length == following.start
        assert raw[: following.start].count(b"\n") == following.line
        assert raw[following.start :].startswith(b'"=""')
    outcome = await import_feed(reg.url, path)
    assert (outcome.read, outcome.added) == (13_000, 13_000)


async def test_a_file_that_is_not_the_feed_is_refused_whole(reg: Register) -> None:
    path = reg.folder / "not.csv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(FeedNotUnderstood, match="FNAME"):
        await import_feed(reg.url, path)
    assert (
        await reg.value("select count(*) from register_import where finished_at is not null") == 0
    )


async def test_an_empty_file_and_a_header_alone_bring_nothing(reg: Register) -> None:
    assert (await reg.load()).read == 0
    empty = reg.folder / "empty.csv"
    empty.write_text("")
    with pytest.raises(FeedNotUnderstood):
        await import_feed(reg.url, empty)


async def test_one_import_runs_at_a_time(reg: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "LET_GO_S", 0.2)
    holder = await asyncpg.connect(reg.url)
    try:
        await holder.execute("select pg_advisory_lock($1)", register_queries.LOCK)
        with pytest.raises(ImportRunning):
            await reg.load(row())
    finally:
        await holder.close()


async def test_an_import_does_not_stumble_over_one_that_has_just_ended(reg: Register) -> None:
    """Its connection is gone before PostgreSQL has noticed."""
    holder = await asyncpg.connect(reg.url)
    await holder.execute("select pg_advisory_lock($1)", register_queries.LOCK)
    ending = asyncio.get_running_loop().call_later(0.3, holder.terminate)
    assert (await reg.load(row())).added == 1
    assert ending.when() <= asyncio.get_running_loop().time()


async def test_without_reference_data_nothing_is_written(reg: Register) -> None:
    async with reg.db.begin() as tx:
        await tx.run("delete from category where code = '10700'")
    with pytest.raises(ReferenceDataMissing):
        await reg.load(row())
    assert await reg.value("select count(*) from licence where feed_hash is not null") == 0


async def test_the_foreign_keys_hold_for_what_was_loaded(
    reg: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = reg.folder / "feed.csv"
    write(path, 1_500)
    monkeypatch.setattr(register_queries, "TRUST_CHECKED", "select 1")
    assert (await import_feed(reg.url, path)).added == 1_500
    orphans = await reg.value(
        """
        select count(*) from licence l
        where not exists (select from premises p where p.id = l.premises_id)
        """
    )
    assert orphans == 0


IMPORT = """
import asyncio, sys
from pathlib import Path
from api.factories.register import import_feed
asyncio.run(import_feed(sys.argv[1], Path(sys.argv[2]), chunk=100))
"""


async def test_an_import_that_was_killed_goes_on_and_counts_each_row_once(reg: Register) -> None:
    path = reg.folder / "feed.csv"
    write(path, 6_000)
    process = subprocess.Popen([sys.executable, "-c", IMPORT, reg.url, str(path)])
    end = time.monotonic() + 30
    while await reg.value("select count(*) from register_import_chunk") < 5:
        assert process.poll() is None, "finished before it could be killed"
        assert time.monotonic() < end
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = await reg.value("select count(*) from licence where feed_hash is not null")
    assert 0 < done < 6_000
    outcome = await import_feed(reg.url, path, chunk=100)
    assert outcome.resumed
    assert (outcome.read, outcome.added) == (6_000, 6_000)
    held = await reg.value("select count(*) from licence where feed_hash is not null")
    assert held == 6_000
    assert await reg.value("select count(*) from licence_version") == 0
    assert await reg.value("select count(*) from register_import") == 1


def test_reading_takes_no_more_memory_for_more_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_survey, "BLOCK", 1 << 19)  # tracing is slow: a quarter of the real one
    peaks = []
    for rows in (1_500, 4_500):
        path = tmp_path / f"{rows}.csv"
        write(path, rows)
        facts = feed_survey.survey(path)
        tracemalloc.start()
        for _ in feed.read(path, facts, 250):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # One block of the file is held at a time; three times the rows would be three times this.
    assert peaks[1] < peaks[0] * 1.4, peaks
