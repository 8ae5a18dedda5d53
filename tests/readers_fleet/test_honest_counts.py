"""Lists, letters and bridges are counted as they are: nothing is hidden, nothing doubled."""

from __future__ import annotations

import csv
import io
import random
from datetime import timedelta
from pathlib import Path

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.fleet.model import MOVES
from tests.readers_fleet.conftest import (
    agency,
    asked,
    confirmed,
    differences,
    granted,
    imported,
    moved,
    office,
    reader,
    seen,
    serials,
)
from tests.world import World, encode, now


async def heard(db: Database, serial: str) -> None:
    """The bridges with this reader were heard of a minute ago."""
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            """
            update bridge set last_seen_at = $2
            where id in (select bridge from bridge_reader where serial = $1)
            """,
            serial,
            tx.now - timedelta(minutes=1),
        )


# --- seen ---------------------------------------------------------------------------------------


async def test_a_reader_that_was_never_unplugged_is_not_told_as_unseen(
    world: World, db: Database
) -> None:
    """It was put in a month ago and stands there: the bridge speaks of changes alone."""
    code = await agency(world)
    (number,) = serials(code, 1)
    await granted(world, await asked(world, code, 1), [number])
    await confirmed(world, code, "ก", [number])
    await moved(world, number, "begin")
    await seen(db, number, "pio-11", now() - timedelta(days=30))
    await heard(db, number)
    one = await reader(world, number)
    assert one["seen_at"] > (now() - timedelta(hours=1)).isoformat()
    since = (now() - timedelta(days=7)).isoformat()
    params = {"agency": code, "unseen_since": since}
    assert (await world.ministry.get("/v1/reader-assets", params=params)).json()["items"] == []
    report = (await world.ministry.get("/v1/reader-fleet/report")).json()
    (line,) = [a for a in report["agencies"] if a["agency"] == code]
    assert line["seen"] == 1


async def test_a_reader_that_has_come_to_its_office_is_not_told_as_elsewhere_for_ever(
    world: World, db: Database
) -> None:
    here = await office(db, "pio-11")
    (number,) = serials(f"MOVED{ids.new().hex[-8:]}", 1)
    await granted(world, await asked(world, "industry", 1, office=str(here)), [number])
    await seen(db, number, "pio-21", now() - timedelta(days=60))
    await seen(db, number, "pio-11")
    assert number not in (await differences(world, kind="seen_elsewhere")).get(
        "seen_elsewhere", set()
    )


# --- confirmations ------------------------------------------------------------------------------


async def test_a_lost_reader_that_its_unit_confirms_anew_is_not_left_as_lost(world: World) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    await granted(world, await asked(world, code, 1), [number])
    await confirmed(world, code, "ก", [number])
    await moved(world, number, "lose")
    told = await confirmed(world, code, "ก", [number])
    assert (await reader(world, number))["state"] == "distributed", told


async def test_a_reader_that_another_unit_got_than_its_letter_names_is_shown(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 2)
    await granted(world, await asked(world, code, 2, unit="ก"), numbers)
    await confirmed(world, code, "ข", numbers[:1])
    await confirmed(world, code, "ก", numbers[1:])
    assert await differences(world, code) == {"confirmed_elsewhere": {numbers[0]}}


async def test_what_a_unit_said_before_a_reissue_stays_in_the_history(world: World) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    await granted(world, await asked(world, code, 1), [number])
    await confirmed(world, code, "ก", [number])
    await moved(world, number, "return")
    one = await moved(world, number, "reissue")
    await confirmed(world, code, "ก", [number])
    told = await world.auditor.get(f"/v1/reader-assets/{one['id']}/history")
    assert [h["name"] for h in told.json()["items"]] == [
        "reader_asset.listed",
        "reader_asset.confirmed",
        "reader_asset.moved",
        "reader_asset.moved",
        "reader_asset.confirmed",
    ]


async def test_a_preview_of_confirmations_says_what_comes_of_them(
    world: World, db: Database, tmp_path: Path
) -> None:
    code, other = await agency(world), await agency(world)
    numbers = serials(code, 3)
    await granted(world, await asked(world, code, 3), numbers)
    await confirmed(world, code, "ก", numbers[:2])
    await moved(world, numbers[1], "return")
    await moved(world, numbers[1], "reissue")
    text = f"serial,unit\n{numbers[0]},ข\n{numbers[1]},ก\n{numbers[2]},ก\nZZ-{code}-7,ก\n"
    for of in (other, code):
        looked = await imported(db, tmp_path, text, of, kind="confirmations", preview=True)
        done = await imported(db, tmp_path, text, of, kind="confirmations")
        assert (looked.added, looked.noted, looked.same) == (done.added, done.noted, done.same), of
        assert looked.faults == done.faults


# --- letters ------------------------------------------------------------------------------------


async def test_a_reader_that_came_back_can_be_given_for_another_letter(world: World) -> None:
    code, other = await agency(world), await agency(world)
    numbers = serials(code, 2)
    first = await granted(world, await asked(world, code, 2, unit="ก"), numbers)
    await confirmed(world, code, "ก", numbers)
    await moved(world, numbers[0], "return")
    await moved(world, numbers[0], "reissue")
    second = await granted(world, await asked(world, other, 1, unit="ข"), numbers[:1])
    one = await reader(world, numbers[0])
    assert (one["agency"], one["unit"], one["request"]) == (other, "ข", second["id"])
    assert (await confirmed(world, other, "ข", numbers[:1]))["confirmed"] == 1
    assert await differences(world, other) == {}
    before = (await world.ministry.get(f"/v1/reader-requests/{first['id']}")).json()
    assert (before["serials"], before["distributed"]) == (1, 1)
    told = await world.auditor.get(f"/v1/reader-assets/{one['id']}/history")
    past = told.json()["items"]
    assert [h["name"].partition(".")[2] for h in past] == [
        *("listed", "confirmed", "moved", "moved", "granted", "confirmed"),
    ]
    assert past[0]["account"] == str(world.ministry.account)
    assert past[0]["facts"]["document"] == first["document"]
    assert past[3]["facts"]["request_was"] == first["id"]
    assert past[4]["facts"]["request"] == second["id"]


async def test_a_reader_in_the_place_of_one_that_came_back_makes_nothing_too_many(
    world: World,
) -> None:
    code = await agency(world)
    numbers = serials(code, 3)
    request = await granted(world, await asked(world, code, 2), numbers[:2])
    await confirmed(world, code, "ก", numbers[:2])
    await moved(world, numbers[0], "return")
    path = f"/v1/reader-requests/{request['id']}/allocate"
    body = {"allocated": 2, "serials": numbers[2:]}
    made = await world.ministry.post(path, content=encode(body), version=request["version"])
    assert made.status_code == 200, made.text
    await confirmed(world, code, "ก", numbers[2:])
    found = await world.ministry.get("/v1/reader-fleet/reconciliation", params={"agency": code})
    (line,) = found.json()["items"]
    assert (line["requested"], line["difference"], line["returned"]) == (2, 0, 1)


async def test_a_reader_that_came_back_is_missing_again_at_the_unit(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 2)
    await granted(world, await asked(world, code, 2), numbers)
    await confirmed(world, code, "ก", numbers)
    await moved(world, numbers[0], "return")
    for by in ("request", "unit"):
        params = {"agency": code, "by": by}
        found = await world.ministry.get("/v1/reader-fleet/reconciliation", params=params)
        assert sum(line["difference"] for line in found.json()["items"]) == 1, by
    short = await world.ministry.get(
        "/v1/reader-requests", params={"agency": code, "short": "true"}
    )
    assert len(short.json()["items"]) == 1


async def test_one_agencys_surplus_does_not_hide_what_another_lacks(world: World) -> None:
    before = (await world.ministry.get("/v1/reader-fleet/report")).json()["total"]
    short, over = await agency(world), await agency(world)
    await asked(world, short, 5)
    await granted(world, await asked(world, over, 2), serials(over, 7))
    await confirmed(world, over, "ก", serials(over, 7))
    after = (await world.ministry.get("/v1/reader-fleet/report")).json()
    assert after["total"]["difference"] == before["difference"]
    assert after["total"]["missing"] - before["missing"] == 5
    assert after["total"]["surplus"] - before["surplus"] == 5


async def test_a_list_that_takes_a_serial_from_one_letter_to_another_says_so(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    first = await granted(world, await asked(world, code, 1, document="ทส 1"), [number])
    await asked(world, code, 1, document="ทส 2")
    done = await imported(db, tmp_path, f"serial,document\n{number},ทส 2\n", code)
    assert [(f.kept, f.column, f.reason) for f in done.faults] == [
        (True, "document", "two_letters")
    ]
    assert (await reader(world, number))["request"] == first["id"]


async def test_a_serial_that_a_list_had_first_can_be_granted_to_its_agencys_letter(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    numbers = serials(code, 2)
    await imported(db, tmp_path, "serial\n" + "\n".join(numbers) + "\n", code)
    request = await granted(world, await asked(world, code, 2, unit="ก"), numbers)
    assert request["serials"] == 2
    assert (await reader(world, numbers[0]))["unit"] == "ก"


async def test_no_letter_takes_a_reader_from_another_agencys_list_or_from_a_unit(
    world: World, db: Database, tmp_path: Path
) -> None:
    code, other = await agency(world), await agency(world)
    listed, held = serials(code, 2)
    await imported(db, tmp_path, f"serial,unit,state\n{listed},,\n{held},ก,แจกจ่าย\n", code)
    for of, number in ((other, listed), (code, held)):
        request = await asked(world, of, 1)
        path = f"/v1/reader-requests/{request['id']}/allocate"
        body = {"allocated": 1, "serials": [number]}
        found = await world.ministry.post(path, content=encode(body), version=1)
        assert found.json()["code"] == "readers/serials-taken", found.text
    assert (await reader(world, listed))["agency"] == code


async def test_what_is_missing_is_told_piece_by_piece_whatever_happens_to_readers(
    world: World,
) -> None:
    """difference = not granted + without a serial + on their way + lost on their way."""
    chance = random.Random(3)
    code = await agency(world)
    numbers = serials(code, 8)
    await granted(world, await asked(world, code, 12), numbers, allocated=10)
    lost = set()
    for _ in range(30):
        number = chance.choice(numbers)
        one = await reader(world, number)
        acts = [verb for verb, state in MOVES if state == one["state"] and verb != "reissue"]
        if not acts:
            continue
        if (act := chance.choice(acts)) == "confirm":
            await confirmed(world, code, "ก", [number])
        else:
            await moved(world, number, act)
        one = await reader(world, number)
        on_its_way = one["state"] == "lost" and one["distributed_on"] is None
        (lost.add if on_its_way else lost.discard)(number)
        params = {"agency": code}
        found = await world.ministry.get("/v1/reader-fleet/reconciliation", params=params)
        (line,) = found.json()["items"]
        pieces = [line[name] for name in ("unallocated", "unnumbered", "unconfirmed")]
        assert line["difference"] == sum(pieces) + len(lost), (act, line)


async def test_no_number_of_letters_makes_the_report_fail(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    lines = "".join(f"ทส {n},1000000,1000000,1/10/2560\n" for n in range(2_200))
    text = "document,quantity,allocated,date\n" + lines
    assert (await imported(db, tmp_path, text, code, kind="requests")).added == 2_200
    try:
        for path in ("report", "reconciliation?by=unit&agency=" + code):
            found = await world.ministry.get(f"/v1/reader-fleet/{path}")
            assert found.status_code == 200, found.text
    finally:
        async with db.begin(Worker("test")) as tx:
            await tx.run("update reader_request set state = 'withdrawn' where agency = $1", code)


async def test_the_report_is_what_counting_one_by_one_comes_to(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 9)
    await granted(world, await asked(world, code, 12), numbers)
    await confirmed(world, code, "ก", numbers[:7])
    for act, some in (("begin", numbers[:3]), ("fail", numbers[3:4]), ("return", numbers[4:6])):
        for number in some:
            await moved(world, number, act)
    await moved(world, numbers[8], "lose")
    sheet = await world.auditor.get("/v1/reader-assets.csv")
    rows = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"), newline="")))
    report = (await world.auditor.get("/v1/reader-fleet/report")).json()
    states = ("in_service", "broken", "lost", "returned")
    for line in (*report["agencies"], report["total"]):
        own = [r for r in rows if line["agency"] in ("", r["หน่วยงาน (agency)"])]
        held = [r["สถานะ (state)"] for r in own]
        assert line["serials"] == len(own)
        assert [line[s] for s in states] == [held.count(s) for s in states], line["agency"]
        assert line["unconfirmed"] == held.count("allocated")
        reached = [r for r in own if r["วันที่แจกจ่าย (distributed_on)"]]
        assert line["distributed"] == sum(r["สถานะ (state)"] != "returned" for r in reached)
    for name in ("requested", "difference", "missing", "surplus", "seen"):
        assert report["total"][name] == sum(line[name] for line in report["agencies"]), name


async def test_a_letter_of_the_buddhist_era_or_of_tomorrow_is_not_taken_as_one_of_2561_ce(
    world: World,
) -> None:
    code = await agency(world)
    for day in ("2561-09-30", (now() + timedelta(days=2)).date().isoformat(), "0018-09-30"):
        body = {"agency": code, "document": "ทส 9", "asked_on": day, "quantity": 1}
        found = await world.ministry.put(f"/v1/reader-requests/{ids.new()}", content=encode(body))
        assert (found.status_code, found.json()["code"]) == (422, "readers/day-wrong"), day


# --- lists --------------------------------------------------------------------------------------


async def test_a_list_that_corrects_a_note_does_not_undo_what_an_officer_entered(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    head = "serial,unit,state,note\n"
    await imported(db, tmp_path, f"{head}{number},ก,in_service,\n", code)
    await moved(world, number, "fail")
    await imported(db, tmp_path, f"{head}{number},ก,in_service,ตรวจแล้ว\n", code)
    one = await reader(world, number)
    assert (one["state"], one["note"]) == ("broken", "ตรวจแล้ว")


async def test_a_day_that_has_not_come_is_not_taken(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    done = await imported(db, tmp_path, f"serial,state,date\n{number},ใช้งาน,30/9/2651\n", code)
    assert [f.reason for f in done.faults] == ["future"]


async def test_a_sheet_of_ours_comes_through_excel_and_back_without_a_loss(
    world: World, db: Database, tmp_path: Path
) -> None:
    """Excel makes numbers and days of what looks like them: 0012 becomes 12, 1E10 a power."""
    code = await agency(world)
    mark = str(ids.new().int)[-9:]
    numbers = [f"00{mark}", f"123456{mark}", f"{mark[:4]}E12", f"12-{mark[:4]}"]
    text = "serial,unit,state,note\n" + "".join(f"'{n},ก,in_service,x\n" for n in numbers)
    assert (await imported(db, tmp_path, text, code)).added == 4
    sheet = await world.ministry.get("/v1/reader-assets.csv", params={"agency": code})
    rows = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"), newline="")))
    assert {row[0] for row in rows[1:]} == {f"'{n}" for n in numbers}
    looked = await imported(db, tmp_path, sheet.content, code)
    assert (looked.read, looked.added, looked.changed, looked.rejected) == (4, 0, 0, 0)


async def test_a_list_that_comes_again_after_another_is_not_taken_for_done(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    right, wrong = f"serial,unit\n{number},ก\n", f"serial,unit\n{number},ผิด\n"
    for text in (right, wrong, right):
        assert (await imported(db, tmp_path, text, code)).replayed is False
    assert (await reader(world, number))["unit"] == "ก"
    assert (await imported(db, tmp_path, right, code)).replayed is True


async def test_a_list_of_letters_does_not_undo_what_the_ministry_granted_since(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    head = "document,unit,quantity,allocated,date\n"
    await imported(db, tmp_path, f"{head}ทส 1,ก,10,4,1/10/2560\n", code, kind="requests")
    page = await world.ministry.get("/v1/reader-requests", params={"agency": code})
    (line,) = page.json()["items"]
    await granted(world, line, serials(code, 3), allocated=9)
    await imported(db, tmp_path, f"{head}ทส 1,ก,12,4,1/10/2560\n", code, kind="requests")
    after = (await world.ministry.get(f"/v1/reader-requests/{line['id']}")).json()
    assert (after["quantity"], after["allocated"]) == (12, 9)


async def test_the_first_import_of_a_reader_stays_in_its_history(
    world: World, db: Database, tmp_path: Path
) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    first = await imported(db, tmp_path, f"serial,unit\n{number},ก\n", code)
    await imported(db, tmp_path, f"serial,unit\n{number},ข\n", code)
    one = await reader(world, number)
    told = (await world.auditor.get(f"/v1/reader-assets/{one['id']}/history")).json()["items"]
    assert told[0]["facts"]["import"] == str(first.id)


async def test_a_line_that_says_what_parts_the_cells_is_no_heading(
    world: World, db: Database, tmp_path: Path
) -> None:
    """Excel writes and obeys `sep=;` where the country's own separator differs."""
    code = await agency(world)
    done = await imported(db, tmp_path, f"sep=;\r\nserial;unit\r\n{code}-0001;ก, ข\r\n", code)
    assert (done.added, done.rejected) == (1, 0)
    assert (await reader(world, f"{code}-0001"))["unit"] == "ก, ข"


async def test_a_list_of_letters_grants_no_fewer_readers_than_have_serials(
    world: World, db: Database, tmp_path: Path
) -> None:
    """As at the desk: the readers are there, so the figure is wrong; the line stays as it was."""
    code = await agency(world)
    head = "document,unit,quantity,allocated,date\n"
    await imported(db, tmp_path, f"{head}ทส 1,ก,10,8,1/10/2560\n", code, kind="requests")
    page = await world.ministry.get("/v1/reader-requests", params={"agency": code})
    (line,) = page.json()["items"]
    numbers = serials(code, 5)
    await granted(world, line, numbers, allocated=8)
    await moved(world, numbers[0], "return")  # which counts no more
    wrong = f"{head}ทส 1,ก,12,3,1/10/2560\nทส 1,ข,2,2,1/10/2560\n"
    for preview in (True, False, False):  # and not the same file again
        done = await imported(db, tmp_path, wrong, code, kind="requests", preview=preview)
        (fault,) = done.faults
        assert (fault.line, fault.kept, fault.column) == (2, False, "allocated")
        assert (fault.reason, fault.value) == ("fewer_than_serials", "3")
        assert "4" in fault.th and "4" in fault.en
    after = (await world.ministry.get(f"/v1/reader-requests/{line['id']}")).json()
    assert (after["quantity"], after["allocated"]) == (10, 8)
    right = f"{head}ทส 1,ก,12,4,1/10/2560\n"
    assert (await imported(db, tmp_path, right, code, kind="requests")).changed == 1
    after = (await world.ministry.get(f"/v1/reader-requests/{line['id']}")).json()
    assert (after["quantity"], after["allocated"]) == (12, 4)


async def test_a_reader_that_is_registered_for_no_office_is_seen_at_no_other(
    world: World, db: Database
) -> None:
    code = await agency(world)
    (number,) = serials(code, 1)
    await granted(world, await asked(world, code, 1), [number])
    await seen(db, number, "pio-11")
    assert "seen_elsewhere" not in await differences(world, code)
