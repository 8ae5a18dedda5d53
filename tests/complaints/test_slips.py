"""The slip of paper and the page: the code is read aloud, typed, scanned, and kept nowhere."""

from __future__ import annotations

import re

import pytest

from api import ids
from api.complaints.own import pages, slips
from api.complaints.own.slips import SlipWanted
from tests.complaints.conftest import by_code, secret, tell
from tests.world import World, encode

DESK = "provincial-officer"


async def test_the_slip_has_number_date_office_and_the_code_in_groups(world: World) -> None:
    id, contact = ids.new(), {"name": "นางสาวกระดาษ ตัวอย่าง", "phone": "0800000099"}
    told = await tell(world[DESK], id, channel="desk", contact=contact)
    code = told.json()["code"]
    for spelt in (code, code.replace("-", ""), code.lower().replace("-", " ")):
        made = await world[DESK].post("/v1/complaint-slips", content=encode({"code": spelt}))
        assert made.status_code == 200, made.text
        assert made.headers["Content-Type"] == "application/pdf"
        assert made.headers["Cache-Control"] == "private, no-store"
    assert made.content.startswith(b"%PDF-")
    async with world.db.read() as tx:
        slip = await slips.of(tx, SlipWanted(code))
    assert (slip.number, slip.groups) == (told.json()["number"], code.split("-"))
    assert slip.office_th == "สำนักงานอุตสาหกรรมจังหวัดสมุทรปราการ" and slip.answer_by
    said = str(slip)
    assert "กระดาษ" not in said and "0800000099" not in said
    picture = slips.pdf(slip, format="png")
    assert isinstance(picture, bytes) and picture.startswith(b"\x89PNG")  # one page, not several


async def test_nothing_of_a_slip_is_kept(world: World) -> None:
    id = ids.new()
    code = (await tell(world[DESK], id, channel="phone")).json()["code"]
    counted = "select (select count(*) from event) + (select count(*) from job)"
    counted += " + (select count(*) from document)"
    async with world.db.read() as tx:
        before = await tx.value(counted)
    made = await world[DESK].post("/v1/complaint-slips", content=encode({"code": code}))
    assert made.status_code == 200
    async with world.db.read() as tx:
        assert await tx.value(counted) == before
        for table in ("rate_limit", "event", "complaint", "complainant", "job"):
            rows = await tx.values(f"select to_jsonb(x)::text from {table} x")
            assert not [r for r in rows if code in r or code.replace("-", "") in r], table


@pytest.mark.parametrize("key", ["citizen", "operator", "auditor", "ministry"])
async def test_only_officers_print_slips(world: World, key: str) -> None:
    body = encode({"code": secret()})
    assert (await world[key].post("/v1/complaint-slips", content=body)).status_code == 403
    assert (await world.nobody.post("/v1/complaint-slips", content=body)).status_code == 401


async def test_a_code_of_nothing_and_a_mistyped_one_make_no_slip_and_trying_is_bounded(
    world: World,
) -> None:
    person = world["inspector-2"]
    code = (await tell(world.nobody, ids.new())).json()["code"]
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    for body, status in ((secret(), 404), (wrong, 422), ("x", 422)):
        found = await person.post("/v1/complaint-slips", content=encode({"code": body}))
        assert found.status_code == status, found.text
    answers = [
        (await person.post("/v1/complaint-slips", content=encode({"code": secret()}))).status_code
        for _ in range(60)
    ]
    assert answers[:57] == [404] * 57 and answers[57:] == [429] * 3


async def test_a_scan_tells_no_server_the_code(world: World) -> None:
    code = (await tell(world.nobody, ids.new())).json()["code"]
    async with world.db.read() as tx:
        address = (await slips.of(tx, SlipWanted(code))).address
    before, _, after = address.partition("#")  # RFC 3986 §3.5: what follows is not sent
    assert before.endswith("/track") and after == code


async def test_the_page_stands_alone_and_says_nothing_to_anybody_else(world: World) -> None:
    page = await world.nobody.get("/track")
    assert page.status_code == 200 and page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for text in (pages.TRACK, pages.STYLE, pages.SCRIPT):
        assert "http://" not in text and "https://" not in text and "//cdn" not in text
    assert "innerHTML" not in pages.SCRIPT and "localStorage" not in pages.SCRIPT
    assert "style=" not in pages.TRACK and "onclick" not in pages.TRACK
    for file in ("page.js", "page.css"):
        assert (await world.nobody.get(f"/track/{file}")).status_code == 200
    assert (await world.nobody.get("/track/anything")).text == pages.TRACK


async def test_every_address_that_the_page_asks_answers_the_code_alone(world: World) -> None:
    code = (await tell(world.nobody, ids.new())).json()["code"].replace("-", "")
    me = by_code(world, code)
    mine = (await me.get("/v1/own-complaints")).json()["items"][0]
    asked = set(re.findall(r'send\("(\w+)"|\? "(\w+)" : "(\w+)"', pages.SCRIPT))
    names = {name for found in asked for name in found if name}
    assert {"answers", "additions", "occurrences", "ratings", "reopenings", "withdrawal"} <= names
    for what, body in (
        ("additions", {"text": "<img src=x onerror=alert(1)>"}),
        ("occurrences", {"strength": 3, "at": "2026-11-22T03:00:00.000Z"}),
    ):
        path = f"/v1/own-complaints/{mine['id']}/{what}/{ids.new()}"
        assert (await me.put(path, content=encode(body))).status_code == 200
    left = await me.put(f"/v1/own-complaints/{mine['id']}/withdrawal")
    assert left.json()["status"] == "withdrawn"
