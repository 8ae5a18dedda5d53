"""Readers from the letter that asks for them to the desk, and where the missing ones are."""

from __future__ import annotations

import base64
import csv
import io
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from api import ids
from api.db import Database
from api.openapi import FOLDER
from api.readers.fleet.model import LISTABLE, MOVES, ReaderState, serial_key
from tests.readers_fleet.conftest import (
    agency,
    asked,
    confirmed,
    differences,
    granted,
    moved,
    office,
    reader,
    seen,
    serials,
)
from tests.world import World, encode, now


async def test_of_270_asked_for_the_27_that_no_unit_has_are_found_by_serial(world: World) -> None:
    code = await agency(world)
    request = await asked(world, code, 270)
    numbers = serials(code, 270)
    await granted(world, request, numbers)
    for unit in range(9):
        told = await confirmed(world, code, f"หน่วย {unit}", numbers[unit * 27 : unit * 27 + 27])
        assert told["confirmed"] == 27
    found = await world.ministry.get("/v1/reader-fleet/reconciliation", params={"agency": code})
    (line,) = found.json()["items"]
    assert (line["requested"], line["allocated"], line["serials"]) == (270, 270, 270)
    assert (line["distributed"], line["difference"], line["unconfirmed"]) == (243, 27, 27)
    assert await differences(world, code) == {"never_confirmed": set(numbers[243:])}
    assert await differences(world, reader_request=request["id"]) == {
        "never_confirmed": set(numbers[243:])
    }


async def test_readers_granted_without_a_serial_are_told_as_a_number(world: World) -> None:
    code = await agency(world)
    request = await asked(world, code, 10)
    await granted(world, request, serials(code, 4), allocated=7)
    found = await world.ministry.get("/v1/reader-fleet/reconciliation", params={"agency": code})
    (line,) = found.json()["items"]
    assert (line["unallocated"], line["unnumbered"], line["unconfirmed"]) == (3, 3, 4)
    assert line["difference"] == 10


async def test_a_serial_that_two_units_confirm_is_kept_twice_and_shown(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 2)
    await granted(world, await asked(world, code, 2), numbers)
    assert (await confirmed(world, code, "ก", numbers))["confirmed"] == 2
    again = await confirmed(world, code, "ก", numbers)
    assert (again["confirmed"], again["again"]) == (0, 2)
    second = await confirmed(world, code, "ข", numbers[:1])
    assert [i["what"] for i in second["items"]] == ["elsewhere"]
    assert (await reader(world, numbers[0]))["unit"] == "ก"
    assert await differences(world, code) == {"confirmed_twice": {numbers[0]}}


async def test_what_a_unit_of_another_agency_holds_is_not_taken_from_the_first(
    world: World,
) -> None:
    code, other = await agency(world), await agency(world)
    numbers = serials(code, 1)
    await granted(world, await asked(world, code, 1), numbers)
    told = await confirmed(world, other, "ค", numbers)
    assert told["items"][0]["what"] == "elsewhere"
    one = await reader(world, numbers[0])
    assert (one["agency"], one["state"]) == (code, "allocated")
    assert await differences(world, code) == {"confirmed_elsewhere": {numbers[0]}}


async def test_a_confirmed_serial_that_no_list_knows_is_kept_and_shown(world: World) -> None:
    code = await agency(world)
    told = await confirmed(world, code, "ก", ["ZZ-9999-Q", "??", "ก"])
    assert (told["kept"], told["unreadable"]) == (1, 2)
    assert await differences(world, code) == {"confirmed_unlisted": {"ZZ-9999-Q"}}


async def test_a_reader_at_work_at_another_office_than_registered_is_shown(
    world: World, db: Database
) -> None:
    here = await office(db, "pio-11")
    request = await asked(world, "industry", 3, office=str(here))
    code = f"IND{ids.new().hex[:8]}"
    numbers = serials(code, 3)
    await granted(world, request, numbers)
    await seen(db, numbers[0].lower().replace("-", " "), "pio-21")
    await seen(db, numbers[1], "pio-11")
    stray = f"STRAY-{ids.new().hex[:8]}".upper()
    await seen(db, stray, "pio-21")
    found = await differences(world)
    assert numbers[0] in found["seen_elsewhere"] and numbers[1] not in found["seen_elsewhere"]
    assert stray in found["seen_unlisted"] and numbers[2] not in str(found["seen_unlisted"])
    one = await reader(world, numbers[0])
    assert one["seen_version"] == "1.0" and one["seen_office"] == str(await office(db, "pio-21"))


async def test_one_serial_at_two_computers_is_shown(world: World, db: Database) -> None:
    twin = f"TWIN-{ids.new().hex[:8]}".upper()
    await seen(db, twin, "pio-11")
    await seen(db, twin, "pio-11")
    old = f"MOVED-{ids.new().hex[:8]}".upper()
    await seen(db, old, "pio-11", now() - timedelta(days=3))
    await seen(db, old, "pio-11")
    found = (await differences(world))["seen_twice"]
    assert twin in found and old not in found


async def test_a_reader_that_is_seen_after_it_was_told_lost_is_shown(
    world: World, db: Database
) -> None:
    code = await agency(world)
    numbers = serials(code, 2)
    await granted(world, await asked(world, code, 2), numbers)
    await seen(db, numbers[1], "pio-11", now() - timedelta(days=1))
    for number in numbers:
        await moved(world, number, "lose")
    await seen(db, numbers[0], "pio-11", now() + timedelta(seconds=1))
    found = await differences(world, code, kind="seen_though_gone")
    assert found == {"seen_though_gone": {numbers[0]}}


async def test_a_reissued_reader_is_confirmed_anew(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 1)
    await granted(world, await asked(world, code, 1), numbers)
    await confirmed(world, code, "ก", numbers)
    await moved(world, numbers[0], "return")
    back = await moved(world, numbers[0], "reissue")
    assert (back["state"], back["distributed_on"]) == ("allocated", None)
    assert await differences(world, code) == {"never_confirmed": set(numbers)}
    assert (await confirmed(world, code, "ก", numbers))["confirmed"] == 1
    assert await differences(world, code) == {}
    assert (await confirmed(world, code, "ข", numbers))["kept"] == 1
    assert await differences(world, code) == {"confirmed_twice": set(numbers)}


async def test_a_broken_reader_names_the_one_that_takes_its_place(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 2)
    await granted(world, await asked(world, code, 2), numbers)
    await confirmed(world, code, "ก", numbers)
    await moved(world, numbers[0], "begin")
    second = await reader(world, numbers[1])
    broken = await moved(world, numbers[0], "fail", replaced_by=second["id"], note="สายขาด")
    assert (broken["state"], broken["replaced_by"], broken["note"]) == (
        "broken",
        second["id"],
        "สายขาด",
    )
    told = await world.auditor.get(f"/v1/reader-assets/{broken['id']}/history")
    names = [h["name"] for h in told.json()["items"]]
    assert names == [
        "reader_asset.listed",
        "reader_asset.confirmed",
        "reader_asset.moved",
        "reader_asset.moved",
    ]
    assert "สายขาด" not in told.text  # what somebody typed is not in the trail
    missing = await world.ministry.post(
        f"/v1/reader-assets/{second['id']}/move",
        content=encode({"act": "fail", "replaced_by": ids.new()}),
        version=second["version"],
    )
    assert missing.json()["code"] == "readers/move-impossible"


async def test_two_desks_do_not_overwrite_each_other(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 1)
    await granted(world, await asked(world, code, 1), numbers)
    one = await reader(world, numbers[0])
    for status in (200, 409):
        found = await world.administrator.post(
            f"/v1/reader-assets/{one['id']}/move",
            content=encode({"act": "lose"}),
            version=one["version"],
        )
        assert found.status_code == status, found.text
    assert found.json()["code"] == "ground/stale-version"


@pytest.mark.parametrize("state", list(ReaderState))
def test_a_list_never_takes_a_returned_reader_back_nor_any_to_its_beginning(
    state: ReaderState,
) -> None:
    assert LISTABLE[ReaderState.returned] == {ReaderState.returned}
    assert (ReaderState.allocated in LISTABLE[state]) == (state is ReaderState.allocated)
    assert {to for (_, a), to in MOVES.items() if a is state} - LISTABLE[state] <= {
        ReaderState.allocated
    }


async def test_an_impossible_move_changes_nothing(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 1)
    await granted(world, await asked(world, code, 1), numbers)
    one = await reader(world, numbers[0])
    for act in ("begin", "fail", "repair", "find", "reissue"):
        found = await world.ministry.post(
            f"/v1/reader-assets/{one['id']}/move",
            content=encode({"act": act}),
            version=one["version"],
        )
        assert (found.status_code, found.json()["code"]) == (409, "readers/move-impossible"), act
    assert await reader(world, numbers[0]) == one


async def test_no_more_serials_than_were_granted_and_none_of_another_request(world: World) -> None:
    code = await agency(world)
    first, second = await asked(world, code, 3), await asked(world, code, 3)
    numbers = serials(code, 3)
    await granted(world, first, numbers[:2])
    path = f"/v1/reader-requests/{second['id']}/allocate"
    body = {"allocated": 3, "serials": numbers[1:]}
    taken = await world.ministry.post(path, content=encode(body), version=1)
    assert taken.json()["code"] == "readers/serials-taken"
    assert taken.json()["serials"] == numbers[1]
    body = {"allocated": 1, "serials": serials(code, 2, start=10)}
    many = await world.ministry.post(path, content=encode(body), version=1)
    assert many.json()["code"] == "readers/too-many-serials"
    wrong = {"allocated": 1, "serials": ["1.23E+11!"]}
    found = await world.ministry.post(path, content=encode(wrong), version=1)
    assert found.json()["code"] == "readers/serial-unreadable"
    listed = await world.ministry.get("/v1/reader-assets", params={"agency": code})
    assert [a["serial"] for a in listed.json()["items"]] == numbers[:2]


async def test_a_request_sent_again_is_one_and_another_content_is_refused(world: World) -> None:
    code, id = await agency(world), ids.new()
    body = {"agency": code, "document": "ทส 9", "asked_on": "2018-01-02", "quantity": 5}
    path = f"/v1/reader-requests/{id}"
    first = await world.ministry.put(path, content=encode(body))
    assert first.json() == (await world.ministry.put(path, content=encode(body))).json()
    other = await world.ministry.put(path, content=encode(body | {"quantity": 6}))
    same_letter = await world.ministry.put(f"/v1/reader-requests/{ids.new()}", content=encode(body))
    for found in (other, same_letter):
        assert (found.status_code, found.json()["code"]) == (409, "readers/request-taken")
    gone = await world.ministry.post(f"{path}/withdraw", version=1)
    assert gone.json()["state"] == "withdrawn"
    body = {"allocated": 1}
    late = await world.ministry.post(f"{path}/allocate", content=encode(body), version=2)
    assert late.json()["code"] == "readers/request-move-impossible"


async def test_a_head_reaches_the_readers_of_their_own_office_alone(
    world: World, db: Database
) -> None:
    here, there = await office(db, "pio-11"), await office(db, "pio-21")
    mark = f"REACH{ids.new().hex[:8]}".upper()
    own, far = serials(mark, 2), serials(mark, 2, start=50)
    for place, numbers in ((here, own), (there, far)):
        await granted(world, await asked(world, "industry", 2, office=str(place)), numbers)
    listed = await world.head.get("/v1/reader-assets", params={"serial": mark})
    assert [a["serial"] for a in listed.json()["items"]] == own
    asked_there = await world.head.get(
        "/v1/reader-assets", params={"serial": mark, "office": str(there)}
    )
    assert asked_there.json()["items"] == []
    one = await reader(world, far[0])
    assert (await world.head.get(f"/v1/reader-assets/{one['id']}")).status_code == 404
    assert (await world.head.get(f"/v1/reader-assets/{one['id']}/history")).status_code == 404
    move = {"act": "lose"}
    found = await world.head.post(
        f"/v1/reader-assets/{one['id']}/move", content=encode(move), version=1
    )
    assert found.status_code == 404
    told = await world.head.post("/v1/reader-assets/confirm", content=encode({"serials": own}))
    assert told.json()["confirmed"] == 2
    mine = await reader(world, own[0])
    assert mine["office"] == str(here) and mine["unit"].startswith("สำนักงานอุตสาหกรรมจังหวัด")
    elsewhere = {"serials": own, "office": str(there)}
    found = await world.head.post("/v1/reader-assets/confirm", content=encode(elsewhere))
    assert found.json()["code"] == "readers/no-such-unit"
    path = f"/v1/reader-assets/{mine['id']}/move"
    for act, status in (("begin", 200), ("return", 200), ("reissue", 403)):
        version = (await reader(world, own[0]))["version"]
        found = await world.head.post(path, content=encode({"act": act}), version=version)
        assert found.status_code == status, (act, found.text)
    lines = await world.head.get("/v1/reader-fleet/reconciliation?limit=200")
    assert {line["office"] for line in lines.json()["items"]} == {str(here)}
    sheet = (await world.head.get("/v1/reader-assets.csv")).text
    assert own[0] in sheet and far[0] not in sheet
    for path in ("report", "report.csv", "differences", "differences.csv"):
        assert (await world.head.get(f"/v1/reader-fleet/{path}")).status_code == 403


async def test_the_report_counts_every_state_and_who_was_seen_this_week(
    world: World, db: Database
) -> None:
    code = await agency(world)
    numbers = serials(code, 8)
    await granted(world, await asked(world, code, 10), numbers)
    await confirmed(world, code, "ก", numbers[:6])
    for number in numbers[:4]:
        await moved(world, number, "begin")
    await moved(world, numbers[0], "fail")
    await moved(world, numbers[5], "return")
    await moved(world, numbers[7], "lose")
    await seen(db, numbers[1], "pio-11", version="2.5")
    await seen(db, numbers[2], "pio-11", now() - timedelta(days=8), version="2.4")
    found = (await world.ministry.get("/v1/reader-fleet/report")).json()
    (line,) = [a for a in found["agencies"] if a["agency"] == code]
    assert {k: line[k] for k in ("requested", "allocated", "serials", "distributed")} == {
        "requested": 10,
        "allocated": 8,
        "serials": 8,
        "distributed": 5,
    }
    assert (line["in_service"], line["broken"], line["returned"], line["lost"]) == (3, 1, 1, 1)
    assert (line["unconfirmed"], line["seen"], line["difference"]) == (1, 1, 5)
    assert line["broken_rate"] == round(1 / 5, 4)
    versions = {v["version"]: v["readers"] for v in found["versions"]}
    assert versions["2.5"] == 1 and "2.4" not in versions
    assert found["total"]["serials"] == sum(a["serials"] for a in found["agencies"])
    sheet = await world.ministry.get("/v1/reader-fleet/report.csv")
    rows = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    (row,) = [r for r in rows if r["หน่วยงาน (agency)"] == code]
    assert row["แจกจ่าย (distributed)"] == "5" and rows[-1]["ชื่อหน่วยงาน (name_th)"] == "รวมทั้งประเทศ"


async def test_readers_in_service_that_nobody_has_seen_are_found(
    world: World, db: Database
) -> None:
    code = await agency(world)
    numbers = serials(code, 3)
    await granted(world, await asked(world, code, 3), numbers)
    await confirmed(world, code, "ก", numbers)
    for number in numbers[:2]:
        await moved(world, number, "begin")
    await seen(db, numbers[0], "pio-11")
    since = (now() - timedelta(days=7)).isoformat()
    found = await world.auditor.get(
        "/v1/reader-assets", params={"agency": code, "unseen_since": since}
    )
    assert [a["serial"] for a in found.json()["items"]] == [numbers[1]]


async def test_pages_go_through_a_list_once(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 7)
    await granted(world, await asked(world, code, 7), numbers)
    await confirmed(world, code, "ก", numbers[:2])
    await confirmed(world, code, "ข", numbers[2:4])
    for path, name, whole in (
        ("/v1/reader-assets", "serial", numbers),
        ("/v1/reader-fleet/differences", "serial", numbers[4:]),
        ("/v1/reader-fleet/reconciliation?by=unit", "unit", ["", "ก", "ข"]),
    ):
        got, asked_for = [], {"agency": code, "limit": "2"}
        while True:
            separator = "&" if "?" in path else "?"
            query = "&".join(f"{k}={v}" for k, v in asked_for.items())
            page = (await world.auditor.get(f"{path}{separator}{query}")).json()
            got += [item[name] for item in page["items"]]
            if page["next"] is None:
                break
            asked_for["cursor"] = page["next"]
        assert got == whole, path
    for broken in ("x", "WzFd", "bnVsbA", "WyIiXQ"):
        for path in ("reader-requests", "reader-assets", "reader-fleet/differences"):
            found = await world.auditor.get(f"/v1/{path}?cursor={broken}")
            assert found.status_code == 422, (path, broken, found.text)


async def test_the_sample_fleet_misses_its_27(world: World) -> None:
    found = await differences(world, "sample")
    assert found == {"never_confirmed": {f"SAMPLE-{n:05d}" for n in range(244, 271)}}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ab-12 34", "AB1234"),
        ("๑๒๓๔", "1234"),
        ("AB/12.34_5", "AB12345"),
        ("123", None),
        ("", None),
        ("-1234", None),
        ("=1234", None),
        ("AB\n1234", None),
        ("เครื่อง1234", None),
        ("A" * 65, None),
    ],
)
def test_a_serial_is_one_in_any_writing_or_none(text: str, key: str | None) -> None:
    assert serial_key(text) == key


async def test_code_and_schema_read_a_serial_alike(db: Database) -> None:
    async with db.read() as tx:
        for text in ("ab-12 34", "AB/12.34_5", "x:y#z+1+2"):
            assert await tx.value("select reader_key($1)", text) == serial_key(text)


@pytest.mark.parametrize("code", ["A", "ก", "a b", "x" * 41, "a'b", "%00"])
async def test_an_agencys_code_that_could_not_stand_in_an_address_is_refused(
    world: World, code: str
) -> None:
    body = {"name_th": "ก", "name_en": "x"}
    made = await world.ministry.put(f"/v1/reader-agencies/{code}", content=encode(body))
    assert made.status_code == 422, made.text


async def test_the_documents_examples_are_taken_as_they_stand(world: World) -> None:
    """Whoever copies them from the document gets what it says."""
    paths: dict[str, Any] = msgspec.json.decode((FOLDER / "openapi.json").read_bytes())["paths"]

    def body(path: str, method: str = "post", name: str | None = None) -> Any:
        (content,) = paths[path][method]["requestBody"]["content"].values()
        examples = content["examples"]
        return examples[name or next(iter(examples))]["value"]

    letter = body("/v1/reader-requests/{reader_request}", "put")
    letter["document"] += f" {ids.new()}"  # the sample fleet has this very letter
    made = await world.ministry.put(f"/v1/reader-requests/{ids.new()}", content=encode(letter))
    assert made.status_code == 200, made.text
    told = await world.ministry.post(
        "/v1/reader-assets/confirm", content=encode(body("/v1/reader-assets/confirm"))
    )
    assert (told.status_code, told.json()["unreadable"]) == (200, 0), told.text
    for kind, asks in (("readers", ""), ("confirmations", "&agency=sample")):
        looked = await world.ministry.post(
            f"/v1/reader-fleet/import?kind={kind}{asks}",
            content=body("/v1/reader-fleet/import", name=kind).encode(),
        )
        assert (looked.status_code, looked.json()["rejected"]) == (200, 0), looked.text


async def test_a_serial_is_found_as_anybody_writes_it(world: World) -> None:
    code = await agency(world)
    numbers = serials(code, 12)
    await granted(world, await asked(world, code, 12), numbers)
    thai = numbers[10].translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")).lower()
    for written in (numbers[10], thai, numbers[10].replace("-", " ")):
        found = await world.ministry.get("/v1/reader-assets", params={"serial": written})
        assert [one["serial"] for one in found.json()["items"]] == [numbers[10]], written


@pytest.mark.parametrize("text", ["\x00", "x\x00y", "\ud800", "9" * 9_000, ""])
async def test_no_cursor_however_hostile_makes_a_list_fail(world: World, text: str) -> None:
    raw = msgspec.json.encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    pair = b'["industry",' + raw + b"]"
    for path in ("reader-assets", "reader-requests", "reader-fleet/differences"):
        for body in (raw, pair):
            cursor = base64.urlsafe_b64encode(body).decode().rstrip("=")
            found = await world.auditor.get(f"/v1/{path}", params={"cursor": cursor})
            assert found.status_code in (200, 414, 422), (path, found.text)
    cursor = base64.urlsafe_b64encode(pair).decode().rstrip("=")
    found = await world.auditor.get(
        "/v1/reader-fleet/reconciliation", params={"cursor": cursor, "by": "unit"}
    )
    assert found.status_code in (200, 422), found.text


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2569-01-01T00:00:00Z"]
)
async def test_no_moment_makes_a_list_of_unseen_readers_fail(world: World, moment: str) -> None:
    found = await world.auditor.get("/v1/reader-assets", params={"unseen_since": moment})
    assert found.status_code in (200, 422), found.text
