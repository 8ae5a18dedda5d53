"""Lists as agencies send them: bad lines are told, good ones count, and nothing counts twice."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from api import ids
from api.cli import main
from api.db import Database
from api.factories.feed_report import cell
from api.readers.fleet import importing, rows
from api.settings import Settings
from tests.readers_fleet.conftest import (
    agency,
    asked,
    confirmed,
    differences,
    granted,
    imported,
    moved,
    reader,
    serials,
)
from tests.world import World


async def count(db: Database, code: str) -> int:
    async with db.read() as tx:
        found: int = await tx.value("select count(*) from reader_asset where agency = $1", code)
    return found


async def test_a_list_is_previewed_and_then_applied_with_the_same_counts(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    text = "หมายเลขเครื่อง,หน่วย,สถานะ,หมายเหตุ\n"
    text += f"{code}-0001,หน่วย ก,ใช้งาน,\n{code}-0002,หน่วย ก,แจกจ่าย,\n{code}-0003,,จัดสรร,\n"
    text += f"{code}-0004,หน่วย ก,หายไปไหน,\n"
    looked = await imported(db, tmp_path, text, code, preview=True)
    assert (looked.read, looked.added, looked.rejected, looked.preview) == (4, 3, 1, True)
    assert await count(db, code) == 0
    done = await imported(db, tmp_path, text, code)
    assert (done.read, done.added, done.rejected) == (4, 3, 1)
    assert await count(db, code) == 3
    (fault,) = done.faults
    assert (fault.line, fault.column, fault.reason, fault.value) == (
        5,
        "state",
        "unknown",
        "หายไปไหน",
    )
    assert "ไม่รู้จักสถานะนี้" in fault.th
    assert looked.faults == done.faults
    one = await reader(world, f"{code}-0001")
    assert (one["state"], one["unit"]) == ("in_service", "หน่วย ก")


async def test_the_same_file_and_the_same_serials_count_once(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    text = f"serial,unit\n{code}-0001,ก\n{code} 0001,ข\n{code}/0002,ก\n"
    first = await imported(db, tmp_path, text, code)
    assert (first.added, first.rejected) == (2, 1)
    assert "บรรทัดที่ 2" in first.faults[0].th
    again = await imported(db, tmp_path, text, code)
    assert (again.replayed, again.added, again.changed, again.same) == (False, 0, 0, 2)
    clean = f"serial,unit\n{code}-0001,ก\n{code}/0002,ก\n{code}-0003,ก\n"
    assert (await imported(db, tmp_path, clean, code)).added == 1
    replay = await imported(db, tmp_path, clean, code)
    assert (replay.replayed, replay.added, replay.read) == (True, 1, 3)
    async with db.read() as tx:
        versions = await tx.values("select version from reader_asset where agency = $1", code)
    assert versions == [1, 1, 1]


async def test_an_officers_entry_stands_until_the_list_says_something_new(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    line = f"{code}-0001,ก,"
    await imported(db, tmp_path, f"serial,unit,state\n{line}in_service\n", code)
    await moved(world, f"{code}-0001", "fail")
    same = await imported(db, tmp_path, f"state,serial,unit\nin_service,{code}-0001,ก\n", code)
    assert (same.changed, same.same) == (0, 1)
    assert (await reader(world, f"{code}-0001"))["state"] == "broken"
    done = await imported(db, tmp_path, f"serial,unit,state\n{line}returned\n", code)
    assert done.changed == 1
    one = await reader(world, f"{code}-0001")
    assert (one["state"], one["version"]) == ("returned", 3)
    history = await world.auditor.get(f"/v1/reader-assets/{one['id']}/history")
    last = history.json()["items"][-1]
    assert last["name"] == "reader_asset.relisted"
    assert (last["facts"]["was"], last["facts"]["state"]) == ("broken", "returned")


async def test_a_list_does_not_take_a_reader_back_nor_another_agencys(
    world: World, db: Database, tmp_path: Path
) -> None:
    code, other = await agency(world), await agency(world)
    await imported(db, tmp_path, f"serial,state\n{code}-0001,returned\n", code)
    back = await imported(db, tmp_path, f"serial,state\n{code}-0001,in_service\n", code)
    assert [f.reason for f in back.faults] == ["backwards"] and not back.faults[0].kept
    taken = await imported(db, tmp_path, f"serial,unit\n{code}-0001,ข\n", other)
    assert [f.reason for f in taken.faults] == ["other_agency"]
    mixed = f"serial,agency\n{other}-0009,{other}\n"
    assert [f.reason for f in (await imported(db, tmp_path, mixed, code)).faults] == [
        "other_agency"
    ]
    one = await reader(world, f"{code}-0001")
    assert (one["state"], one["agency"], one["version"]) == ("returned", code, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp874", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_files_as_excel_writes_them_are_read(
    world: World, db: Database, tmp_path: Path, encoding: str, separator: str
) -> None:
    code = await agency(world)
    heading = separator.join(("ลำดับ", "หมายเลขเครื่อง", "หน่วยที่ได้รับ", "วันที่", "สถานะ"))
    lines = [
        separator.join(("๑", f'"=""{code}-0001"""', "สอจ. น้ำน่าน", "๓๐/๙/๒๕๖๑", "ใช้งาน")),
        separator.join(("๒", f"'{code}-๐๐๐๒", '"บรรทัดหนึ่ง\nบรรทัดสอง"', "2018-09-30", "ชำรุด")),
    ]
    content = "\r\n".join((heading, *lines, "", separator * 4, "")).encode(encoding)
    done = await imported(db, tmp_path, content, code)
    assert (done.read, done.added, done.faults) == (2, 2, [])
    one, two = await reader(world, f"{code}-0001"), await reader(world, f"{code}-0002")
    assert (one["unit"], one["distributed_on"]) == ("สอจ. น้ำน่าน", "2018-09-30")
    assert (two["unit"], two["serial"]) == ("บรรทัดหนึ่ง บรรทัดสอง", f"{code}-0002")


HOSTILE = {
    "1.23457E+11": "scientific",
    "": "missing",
    "=cmd|' /C calc'!A0": "unreadable",
    "@SUM(1+1)": "unreadable",
    "เครื่องที่หนึ่ง": "unreadable",
    "A" * 500: "too_long",
    "1": "unreadable",
    "'; drop table reader_asset; --": "unreadable",
    "AB\ufffd1234": "encoding",
}


async def test_no_line_however_hostile_becomes_a_reader_or_stops_the_others(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(("serial", "unit"))
    for serial in HOSTILE:
        sheet.writerow((serial, "ก"))
    sheet.writerow((f"{code}-0001", "ก", "one", "cell", "too", "many"))
    sheet.writerow((f"{code}-0002",))
    report = tmp_path / "report.csv"
    done = await imported(db, tmp_path, out.getvalue(), code, report=report)
    assert {f.value or "": f.reason for f in done.faults if f.reason != "too_long"} == {
        text.removeprefix("'")[:80]: reason
        for text, reason in HOSTILE.items()
        if reason != "too_long"
    }
    assert [f.line for f in done.faults] == list(range(2, 2 + len(HOSTILE)))
    assert await count(db, code) == done.added == 2
    told = report.read_text(encoding="utf-8-sig")
    assert "'=cmd|" in told and "'@SUM" in told


async def test_nul_bytes_and_a_quote_without_an_end_harm_no_other_line(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    content = f"serial,unit\n{code}-00\0".encode() + b"01,\xff\xfe\n"
    done = await imported(db, tmp_path, content, code)
    assert done.read == 1 and done.added + done.rejected == 1
    stray = f'serial,unit\n{code}-1001,ก\n{code}-1002,"ข\n' + "x,\n" * 9_000
    done = await imported(db, tmp_path, stray, code)
    assert done.added == 1
    assert done.faults[0].reason == "unreadable" and done.faults[0].line == 3
    assert "เครื่องหมายคำพูด" in done.faults[0].th


async def test_a_formula_stays_text_and_is_defused_where_it_leaves(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    formulas = ["=1+1", "+66", "-2", "@x", "|calc", "%0A=1", "＝1+1", '=HYPERLINK("x")']
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(("serial", "unit", "note", "state"))
    for number, formula in enumerate(formulas):
        sheet.writerow((f"{code}-{number:04d}", formula, formula, "in_service"))
    assert (await imported(db, tmp_path, out.getvalue(), code)).added == len(formulas)
    found = await world.auditor.get("/v1/reader-assets.csv", params={"agency": code})
    read = csv.DictReader(io.StringIO(found.content.decode("utf-8-sig"), newline=""), strict=True)
    for row, formula in zip(read, formulas, strict=True):
        assert row["หน่วย (unit)"] == row["หมายเหตุ (note)"] == f"'{formula}"
    listed = await world.auditor.get("/v1/reader-assets", params={"agency": code})
    assert [a["unit"] for a in listed.json()["items"]] == formulas


@pytest.mark.parametrize("text", ["=1", "\t=1", "\u00a0-1", "\ufeff@x", "＋1", "a=1", "ก", "0", ""])
async def test_code_and_schema_defuse_alike(db: Database, text: str) -> None:
    async with db.read() as tx:
        assert await tx.value("select csv_cell($1)", text) == cell(text)


async def test_a_list_of_confirmations_moves_what_units_hold(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    numbers = serials(code, 4)
    await granted(world, await asked(world, code, 4), numbers)
    await confirmed(world, code, "ก", numbers[:1])
    text = f"หมายเลขเครื่อง,หน่วย\n{numbers[0]},ข\n{numbers[1]},ข\n{numbers[2]},\nXX-{code}-9,ข\n"
    looked = await imported(db, tmp_path, text, code, kind="confirmations", preview=True)
    assert (looked.read, looked.rejected) == (4, 1)
    done = await imported(db, tmp_path, text, code, kind="confirmations")
    assert (done.read, done.added, done.rejected, done.noted) == (4, 3, 1, 2)
    assert [(f.line, f.kept, f.reason) for f in done.faults] == [
        (2, True, "elsewhere"),
        (4, False, "missing"),
        (5, True, "unlisted"),
    ]
    assert await differences(world, code) == {
        "confirmed_twice": {numbers[0]},
        "confirmed_unlisted": {f"XX-{code}-9"},
        "never_confirmed": set(numbers[2:]),
    }
    again = await imported(db, tmp_path, text, code, kind="confirmations")
    assert (again.added, again.noted) == (0, 0)


async def test_letters_come_by_file_and_readers_find_theirs(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    text = "เลขที่หนังสือ,หน่วย,จำนวนที่ขอ,จำนวนที่จัดสรร,ลงวันที่\n"
    text += 'ทส 1/1,ก,"1,200",1000,1/10/2560\nทส 1/1,ข,5,,1/10/2560\nทส 1/2,ก,x,,1/10/2560\n'
    text += "ทส 1/3,ก,5,,31/2/2560\nทส 1/1,ข,6,,1/10/2560\n,ก,6,,1/10/2560\n"
    done = await imported(db, tmp_path, text, code, kind="requests")
    assert (done.read, done.added, done.rejected) == (6, 2, 4)
    assert [f.reason for f in done.faults] == ["not_a_number", "not_a_day", "duplicate", "missing"]
    readers = f"serial,unit,เลขที่หนังสือ\n{code}-0001,ก,ทส 1/1\n{code}-0002,ค,ทส 1/1\n"
    noted = await imported(db, tmp_path, readers, code)
    assert (noted.added, [f.reason for f in noted.faults if f.kept]) == (2, ["unknown"])
    page = await world.ministry.get("/v1/reader-requests", params={"agency": code, "short": True})
    lines = {line["unit"]: line for line in page.json()["items"]}
    assert (lines["ก"]["quantity"], lines["ก"]["allocated"], lines["ก"]["serials"]) == (
        1200,
        1000,
        1,
    )
    assert (lines["ก"]["asked_on"], lines["ข"]["state"]) == ("2017-10-01", "requested")
    more = "document,unit,quantity,date\nทส 1/1,ก,1300,1/10/2560\nทส 1/1,ข,5,1/10/2560\n"
    again = await imported(db, tmp_path, more, code, kind="requests")
    assert (again.added, again.changed, again.same) == (0, 1, 1)
    page = await world.ministry.get("/v1/reader-requests", params={"agency": code})
    assert {(x["quantity"], x["allocated"]) for x in page.json()["items"]} == {
        (1300, 1000),
        (5, 0),
    }


async def test_a_file_of_another_kind_is_refused_as_a_whole(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    for content in (b"", b"\n", b"FID,FNAME\n1,x\n", os.urandom(4096), b"\xff\xfe", b'"' * 5000):
        with pytest.raises(rows.NotAList) as refused:
            await imported(db, tmp_path, content, code)
        assert "หมายเลขเครื่อง" in refused.value.args[0]
        path = "/v1/reader-fleet/import?kind=readers&preview=false"
        found = await world.ministry.post(path, content=content)
        assert found.status_code == 422, found.text
        assert found.json()["code"] == "readers/file-not-understood"


async def test_a_desk_looks_first_and_then_applies_the_same_bytes(
    world: World, db: Database
) -> None:
    code = await agency(world)
    body = f"serial,unit\n{code}-0001,ก\nไม่ใช่เลข,ก\n".encode()
    path = f"/v1/reader-fleet/import?kind=readers&agency={code}"
    looked = await world.ministry.post(path, content=body)
    assert looked.json()["preview"] is True and looked.json()["added"] == 1
    assert await count(db, code) == 0
    done = await world.administrator.post(f"{path}&preview=false", content=body)
    assert done.json()["added"] == 1 and done.json()["faults"] == looked.json()["faults"]
    assert await count(db, code) == 1
    unknown = await world.ministry.post("/v1/reader-fleet/import?kind=readers&agency=no-such")
    assert unknown.status_code == 422
    nobody = await world.ministry.post(f"{path}x", content=body)
    assert nobody.json()["code"] == "readers/no-such-agency"
    long = b"serial\n" + b"".join(b"%s-%05d\n" % (code.encode(), n) for n in range(5_001))
    refused = await world.ministry.post(path, content=long)
    assert refused.json()["code"] == "readers/file-not-understood"
    assert "import-readers" in refused.json()["title"]


async def test_an_import_that_was_stopped_is_run_again_and_each_part_is_a_commit(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    text = "serial\n" + "".join(f"{code}-{n:05d}\n" for n in range(1_000))
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")

    def stop(read: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await importing.import_file(db, path, "readers", code, size=100, progress=stop)
    assert await count(db, code) == 100
    done = await importing.import_file(db, path, "readers", code, size=100)
    assert (done.added, done.same, done.replayed) == (900, 100, False)
    async with db.read() as tx:
        commits = await tx.value(
            "select count(distinct xmin::text) from reader_asset where agency = $1", code
        )
    assert commits == 10


def test_no_part_is_larger_than_a_commit_may_be(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("serial\n" + "".join(f"X-{n:06d}\n" for n in range(12_345)), encoding="utf-8")
    parts = list(rows.read(rows.open_file(path, "readers")))
    assert [p.read for p in parts] == [5_000, 5_000, 2_345]


async def test_two_imports_at_once_make_each_reader_once(
    world: World, db: Database, tmp_path: Path
) -> None:
    import asyncio

    code = await agency(world)
    text = "serial,unit\n" + "".join(f"{code}-{n:05d},ก\n" for n in range(600))
    turned = "serial,unit\n" + "".join(f"{code}-{n:05d},ข\n" for n in reversed(range(600)))
    done = await asyncio.gather(
        *(imported(db, tmp_path, t, code, size=50) for t in (text, turned, text, turned))
    )
    assert sum(d.added for d in done) == await count(db, code) == 600


def test_the_command_tells_in_thai_what_it_did_and_fails_where_a_line_was_refused(
    conf: Settings, tmp_path: Path, world: World
) -> None:
    mark = f"CMD{ids.new().hex[:8]}"
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(f"serial,agency\n{mark}-0001,หน่วยงานตัวอย่าง\n", encoding="utf-8")
    bad.write_text(f"serial,agency\n{mark}-0002,ไม่มีหน่วยงานนี้\n", encoding="utf-8")
    environment = {"SUPERAPP_DATABASE_URL": conf.database_url, "SUPERAPP_KEYRING": conf.keyring}
    ran = []

    def run() -> None:
        for arguments in (["--preview", str(good)], [str(good)], [str(good)], [str(bad)]):
            ran.append(CliRunner().invoke(main, ["import-readers", *arguments], env=environment))

    thread = threading.Thread(target=run)  # it has an event loop of its own
    thread.start()
    thread.join(60)
    assert [r.exit_code for r in ran] == [0, 0, 0, 1], [r.output for r in ran]
    assert "ยังไม่ได้บันทึก" in ran[0].output and "1 ใหม่" in ran[1].output
    assert "นำเข้าแล้ว" in ran[2].output and "1 รับไม่ได้" in ran[3].output
    report = (tmp_path / "bad.report.csv").read_text(encoding="utf-8-sig")
    assert "หน่วยงานนี้ยังไม่อยู่ในบัญชี" in report and "\n2,rejected,agency,unknown" in report


async def test_a_sheet_is_read_page_by_page_and_complete(
    world: World, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.readers.fleet import sheets

    monkeypatch.setattr(sheets, "PAGE", 7)
    code = await agency(world)
    text = "serial\n" + "".join(f"{code}-{n:05d}\n" for n in range(50))
    await imported(db, tmp_path, text, code)
    for path, column in (("reader-assets", "serial"), ("reader-fleet/differences", "serial")):
        started = time.monotonic()
        found = await world.auditor.get(f"/v1/{path}.csv", params={"agency": code})
        assert found.headers["content-type"] == "text/csv; charset=utf-8"
        read = list(csv.DictReader(io.StringIO(found.content.decode("utf-8-sig"))))
        name = f"หมายเลขเครื่อง ({column})"
        assert [r[name] for r in read] == [f"{code}-{n:05d}" for n in range(50)], path
        assert time.monotonic() - started < 20
    params = {"agency": code, "by": "unit"}
    lines = await world.auditor.get("/v1/reader-fleet/reconciliation.csv", params=params)
    assert f",{code}," in lines.text
