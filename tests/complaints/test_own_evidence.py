"""Photographs of whoever told a complaint: sent with the code alone, seen by officers without what
the camera wrote, and by nobody else at all."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from PIL import Image

from api import ids
from api.accounts import authority
from api.accounts.model import AuthorityGrant, Power
from api.complaints.desk.service import SECTION
from api.evidence.content import media_type
from api.permissions import Worker
from api.settings import Settings
from tests.complaints.conftest import by_code, secret, tell
from tests.complaints.states import heard, release
from tests.evidence.conftest import Phone, noise, photograph
from tests.world import Person, World, encode

HOME = (13.75321, 100.49876)
CAMERA = "กล้องตัวอย่าง"  # what `photograph` writes as its maker
NAME = "บ้านของสมหญิง ตัวอย่าง 12-34.jpg"


@pytest.fixture(autouse=True)
async def unlimited(world: World) -> None:
    async with world.db.begin(Worker("test")) as tx:
        await tx.run("delete from rate_limit where bucket like 'complaint:%'")


@pytest.fixture(params=["code", "signed in"])
async def own(request: pytest.FixtureRequest, world: World) -> tuple[UUID, Phone]:
    id, code = ids.new(), secret()
    signed_in = request.param == "signed in"
    answer = await tell(world["citizen"] if signed_in else world.nobody, id, secret=code)
    assert answer.status_code == 200, answer.text
    return id, Phone(world["citizen"] if signed_in else by_code(world, code))


async def sent(world: World, phone: Phone, id: UUID, data: bytes, **claims: object) -> UUID:
    claims = {"owner_kind": "complaint", "owner": id, "filename": NAME} | claims
    file = await phone.send(data, **claims)
    await world.work()
    return file


async def content(person: Person, file: UUID, form: str) -> httpx.Response:
    return await person.get(f"/v1/evidence/{file}/content?form={form}")


async def test_a_photograph_with_a_position_reaches_the_office_without_one(
    world: World, own: tuple[UUID, Phone], conf: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    id, phone = own
    data = photograph(7, taken="2026:11:20 23:10:00", position=HOME)
    assert b"GPS" in data or b"\x88\x25" in data or b"\x25\x88" in data
    caplog.set_level(logging.DEBUG)
    file = await sent(world, phone, id, data, lat=HOME[0], lng=HOME[1], item="gate")
    assert (await heard(world, id))[-1] == "complaint.evidence_added"
    officer = world["provincial-officer"]
    listed = await officer.get(f"/v1/complaints/{id}/evidence")
    (seen,) = listed.json()["items"]
    assert seen["id"] == str(file) and seen["forms"] == ["thumbnail", "screen"]
    hidden = [NAME, "สมหญิง", CAMERA, "13.75", "100.49", hashlib.sha256(data).hexdigest(), "gate"]
    hidden += [str(world["citizen"].account)]
    for form in ("thumbnail", "screen"):
        found = await content(officer, file, form)
        assert found.status_code == 200
        assert not Image.open(io.BytesIO(found.content)).getexif()
        assert CAMERA.encode() not in found.content and b"Exif" not in found.content
        headers = json.dumps(dict(found.headers))
        assert not [h for h in hidden if h in headers], headers
    about = await officer.get(f"/v1/evidence/{file}")
    for text in (listed.text, about.text):
        assert not [h for h in hidden if h in text], text
    async with world.db.read() as tx:
        for table in ("event", "change", "job", "evidence_examined", "evidence_claim", "complaint"):
            about_it = "where to_jsonb(x)::text like '%' || $1 || '%'"
            rows = await tx.values(f"select to_jsonb(x)::text from {table} x {about_it}", str(file))
            assert not [(h, r) for h in hidden for r in rows if h in r], table
    logged = [json.dumps(r.__dict__, default=str, ensure_ascii=False) for r in caplog.records]
    ours = [line for line in logged if "superapp" in line]
    assert not [(h, line) for h in hidden for line in ours if h in line]
    for path in Path(conf.data_dir).glob(f"objects/derived/**/*{file}*"):
        assert CAMERA.encode() not in path.read_bytes()


async def test_the_original_is_its_complainants_and_nobody_elses(
    world: World, own: tuple[UUID, Phone]
) -> None:
    id, phone = own
    data = photograph(8, position=HOME)
    file = await sent(world, phone, id, data)
    mine = await content(phone.person, file, "original")
    assert (mine.status_code, mine.content) == (200, data)
    listed = (await phone.person.get(f"/v1/own-complaints/{id}/evidence")).json()["items"]
    assert [item["receipt"] is not None for item in listed] == [True]
    for key in ("provincial-officer", "head", "inspector", "department", "ministry", "auditor"):
        assert (await content(world[key], file, "screen")).status_code == 200, key
        assert (await content(world[key], file, "original")).status_code == 404, key
        if key != "auditor":
            path = f"/v1/evidence/{file}/link?form="
            assert (await world[key].post(path + "original")).status_code == 404, key
            assert (await world[key].post(path + "screen")).status_code == 201, key


async def test_the_office_that_answers_sees_the_pictures_wherever_it_lies(
    world: World, own: tuple[UUID, Phone]
) -> None:
    id, phone = own
    file = await sent(world, phone, id, photograph(11, position=HOME))
    path = f"/v1/complaints/{id}/evidence/{file}"
    local, elsewhere = world["local-officer"], world["inspector-elsewhere"]
    for person in (local, elsewhere, world["operator"], phone.person, world.nobody):
        for form in ("thumbnail", "screen"):
            refused = await person.get(f"{path}/pictures/{form}")
            assert refused.status_code in (401, 403, 404), (person.key, refused.text)
    for officer in (world["inspector"], local, elsewhere):
        async with world.db.begin(Worker("test")) as tx:
            moved = """
                update complaint set office = (select office from account where id = $2)
                where id = $1
            """
            await tx.run(moved, id, officer.account)
        (listed,) = (await officer.get(f"/v1/complaints/{id}/evidence")).json()["items"]
        for form in listed["forms"]:
            found = await officer.get(f"{path}/pictures/{form}")
            assert found.status_code == 200, (officer.key, found.text)
            assert not Image.open(io.BytesIO(found.content)).getexif()
            assert hashlib.sha256(photograph(11, position=HOME)).hexdigest() not in str(
                found.headers
            )
        for form in ("original", "nonsense"):
            assert (await officer.get(f"{path}/pictures/{form}")).status_code in (404, 405)
    other = ids.new()
    assert (await tell(world.nobody, other)).status_code == 200
    stray = await world["inspector"].get(f"/v1/complaints/{other}/evidence/{file}/pictures/screen")
    assert (stray.status_code, stray.json()["code"]) == (404, "evidence/no-such-evidence")


async def test_no_factory_no_other_province_and_no_other_citizen_gets_any_of_it(
    world: World,
) -> None:
    id, code = ids.new(), secret()
    site = await world.premises(company=True)
    assert (
        await tell(world.nobody, id, secret=code, factory={"premises": site})
    ).status_code == 200
    file = await sent(world, Phone(by_code(world, code)), id, photograph(9, position=HOME))
    shown = await release(world, id)
    other = ids.new()
    theirs = (await tell(world.nobody, other)).json()["code"]
    body = {"secret": (mine := secret())}
    joined = await world.nobody.put(
        f"/v1/complaints/{shown}/me-toos/{ids.new()}", content=encode(body)
    )
    assert joined.status_code == 200
    people = [world["operator"], world["stranger"], world["citizen"], world["inspector-elsewhere"]]
    people += [by_code(world, theirs), by_code(world, mine)]
    for person in people:
        for form in ("original", "screen", "thumbnail"):
            assert (await content(person, file, form)).status_code == 404, person.key
        assert (await person.get(f"/v1/evidence/{file}")).status_code == 404
        for path in (f"/v1/own-complaints/{id}/evidence", f"/v1/complaints/{id}/evidence"):
            assert (await person.get(path)).status_code in (401, 403, 404)
    offered = await world.nobody.get("/v1/complaints-nearby?lat=13.6&lng=100.6&category=odour")
    assert str(file) not in offered.text


async def test_a_factory_that_uploads_the_same_picture_is_not_told_that_it_was_seen_before(
    world: World,
) -> None:
    id, code = ids.new(), secret()
    assert (await tell(world.nobody, id, secret=code)).status_code == 200
    for seed in (10, 20):
        await sent(world, Phone(by_code(world, code)), id, photograph(seed))
    phone = Phone(world["operator"])
    for copy in (photograph(10), photograph(20, (320, 240))):
        file = await phone.send(copy)
        await world.work()
        assert "photo.used_before" not in str((await phone.about(file))["flags"])
        async with world.db.read() as tx:  # nor any officer, of whatever is sent
            found = "select flags::text from evidence_examined where evidence = $1"
            assert "photo.used_before" not in await tx.value(found, file)


async def test_a_file_is_sent_to_ones_own_complaint_and_to_nothing_else(world: World) -> None:
    id, code = ids.new(), secret()
    assert (await tell(world.nobody, id, secret=code)).status_code == 200
    citizen = Phone(world["citizen"])
    for claims in (
        {"owner_kind": "complaint", "owner": id},
        {},
        {"owner_kind": "visit", "owner": id},
    ):
        made = await citizen.create(noise(10), **claims)
        assert (made.status_code, made.json()["code"]) == (404, "complaints/no-such-complaint")
    visit = await world.plan()
    mine = Phone(by_code(world, code))
    file = await mine.send(noise(10), owner_kind="visit", owner=visit)  # the code decides
    await world.work()
    about = await mine.about(file)
    assert (about["owner_kind"], about["owner"]) == ("complaint", str(id))
    assert (await Phone(by_code(world, secret())).create(noise(10))).status_code == 401


async def test_an_upload_goes_on_by_code_and_stays_its_complainants(
    world: World, own: tuple[UUID, Phone]
) -> None:
    id, phone = own
    data = noise(1000)
    made = await phone.create(data, owner_kind="complaint", owner=id)
    place = made.headers["Location"]
    assert (await phone.append(place, 0, data[:400])).status_code == 204
    assert await phone.offset(place) == 400
    other = ids.new()
    theirs = (await tell(world.nobody, other)).json()["code"]
    for person in (by_code(world, theirs), world["operator"], world["inspector"]):
        stranger = Phone(person)
        assert (await stranger.append(place, 400, data[400:])).status_code == 404
        assert (
            await person.request("DELETE", place, headers={"Tus-Resumable": "1.0.0"})
        ).status_code == 404
    assert (await phone.append(place, 400, data[400:])).status_code == 204
    await world.work()
    file = UUID(place.rpartition("/")[2])
    assert (await phone.about(file))["state"] == "stored"
    async with world.db.read() as tx:
        row = "select account is null and complainant is not null from evidence where id = $1"
        assert await tx.value(row, file)


async def test_more_and_larger_files_than_a_complaint_may_have_are_refused(world: World) -> None:
    id, code = ids.new(), secret()
    assert (await tell(world.nobody, id, secret=code)).status_code == 200
    phone = Phone(by_code(world, code))
    large = await phone.create(b"x", size=64 * 1024 * 1024 + 1)
    assert (large.status_code, large.json()["code"]) == (413, "evidence/too-large")
    for _ in range(28):
        assert (await phone.create(noise(10))).status_code == 201
    await phone.send(noise(10))
    await world.work()
    assert (await phone.create(noise(10))).status_code == 201
    full = await phone.create(noise(10))
    assert (full.status_code, full.json()["code"]) == (429, "evidence/too-many-uploads")


async def test_files_go_along_when_a_complaint_gets_its_province(world: World) -> None:
    id, code = ids.new(), secret()
    assert (await tell(world.nobody, id, secret=code, place={})).status_code == 200
    file = await sent(world, Phone(by_code(world, code)), id, photograph(11))
    officer = world["provincial-officer"]
    assert (await content(officer, file, "screen")).status_code == 404
    assert (await content(world["department"], file, "screen")).status_code == 200
    async with world.db.begin(Worker("test")) as tx:
        from api import events

        await tx.run("update complaint set province = '11' where id = $1", id)
        await events.record(tx, "complaint.accepted", "complaint", id)
    await world.work()
    assert (await content(officer, file, "screen")).status_code == 200


async def test_the_original_is_opened_by_authority_with_a_reason_that_the_complainant_reads(
    world: World,
) -> None:
    id, code = ids.new(), secret()
    assert (await tell(world.nobody, id, secret=code)).status_code == 200
    me = by_code(world, code)
    data = photograph(12, position=HOME)
    file = await sent(world, Phone(me), id, data)
    path = f"/v1/complaints/{id}/evidence/{file}/original"
    reason = "ต้องพิสูจน์เวลาที่ถ่ายต่อศาล (ตัวอย่าง)"
    refused = await world["head"].post(path, content=encode({"reason": reason}))
    assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")
    assert (await world["inspector"].post(path, content=encode({"reason": "x"}))).status_code == 403
    assert (await me.get(f"/v1/own-complaints/{id}")).json()["openings"] == []
    async with world.db.begin(Worker("test")) as tx:
        given = AuthorityGrant(
            account=world["head"].account or ids.new(),
            power=Power.unseal,
            section=SECTION,
            instrument="คำสั่งตัวอย่าง",
            valid_from=tx.now.date(),
        )
        grant = ids.new()
        await authority.grant_authority(tx, grant, given)
    blank = await world["head"].post(path, content=encode({"reason": " \u00a0\n"}))
    assert blank.status_code == 422, "the complainant would read no reason"
    opened = await world["head"].post(path, content=encode({"reason": reason}))
    assert opened.status_code == 201, opened.text
    link = opened.json()["url"].removeprefix("http://testserver")
    assert (await world.nobody.get(link)).content == data
    (told,) = (await me.get(f"/v1/own-complaints/{id}")).json()["openings"]
    assert told["reason"] == reason and told["office_th"]
    async with world.db.begin(Worker("test")) as tx:
        await authority.revoke_authority(tx, grant)
    assert (await world["head"].post(path, content=encode({"reason": reason}))).status_code == 403


async def test_who_looks_at_photographs_of_a_complaint_that_is_not_theirs_leaves_a_trace(
    world: World,
) -> None:
    id, code = ids.new(), secret()
    assert (await tell(world.nobody, id, secret=code)).status_code == 200
    await sent(world, Phone(by_code(world, code)), id, photograph(13))
    path = f"/v1/complaints/{id}/evidence"
    assert (await world["provincial-officer"].get(path)).status_code == 200  # waits there
    assert "complaint.viewed" not in await heard(world, id)
    for _ in range(2):
        assert (await world["department"].get(path)).status_code == 200
    assert (await heard(world, id)).count("complaint.viewed") == 1


@pytest.mark.parametrize(
    ("head", "media"),
    [
        (b"OggS\x00\x02", "audio/ogg"),
        (b"RIFF\x24\x08\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x24\x08\x00\x00WEBPVP8 ", "application/octet-stream"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "application/octet-stream"),
        (b"\x00\x00\x00\x1cftypM4A \x00", "audio/mp4"),
        (b"\xff\xd8\xff\xe1", "image/jpeg"),
    ],
)
def test_a_recording_is_known_by_its_first_bytes(head: bytes, media: str) -> None:
    assert media_type(head) == media


async def test_a_recording_is_kept_and_heard_by_its_complainant(
    world: World, own: tuple[UUID, Phone]
) -> None:
    id, phone = own
    data = b"OggS\x00\x02" + noise(500)
    file = await sent(world, phone, id, data)
    assert (await content(phone.person, file, "original")).content == data
    officer = world["provincial-officer"]
    (seen,) = (await officer.get(f"/v1/complaints/{id}/evidence")).json()["items"]
    assert (seen["media"], seen["forms"]) == ("audio/ogg", [])
