"""Uploads by tus 1.0, request by request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from uuid import UUID

import jwt
import msgspec
import pytest

from api import ids, keys, settings, storage
from api.db import Database
from api.evidence import uploads
from api.keys import Purpose
from api.permissions import Worker
from tests.evidence.conftest import APPEND, VERSION, Phone, Work, metadata, noise, photograph
from tests.world import World


@pytest.fixture
def phone(world: World) -> Phone:
    return Phone(world.inspector)


async def test_the_server_says_what_it_speaks(world: World) -> None:
    said = await world.nobody.request("OPTIONS", "/v1/uploads")
    assert said.status_code == 204
    assert said.headers["Tus-Version"] == "1.0.0"
    wanted = {"creation", "creation-with-upload", "termination", "checksum", "expiration"}
    assert set(said.headers["Tus-Extension"].split(",")) == wanted
    assert set(said.headers["Tus-Checksum-Algorithm"].split(",")) >= {"sha1", "sha256"}
    assert int(said.headers["Tus-Max-Size"]) == settings.current().upload_max_bytes


async def test_a_file_becomes_evidence_with_a_receipt_that_verifies(
    phone: Phone, work: Work
) -> None:
    data, id = photograph(1), ids.new()
    made = await phone.create(data, id=id, filename="IMG_0001.jpg", lat=13.6, lng=100.6)
    assert made.status_code == 201
    assert made.headers["Location"] == f"/v1/uploads/{id}"
    assert "Upload-Expires" in made.headers and made.headers["Tus-Resumable"] == "1.0.0"
    sent = await phone.append(made.headers["Location"], 0, data)
    assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, str(len(data)))
    assert (await phone.about(id))["state"] == "checking"
    await work()
    found = await phone.about(id)
    assert (found["state"], found["media"], found["size"]) == ("stored", "image/jpeg", len(data))
    kid = jwt.get_unverified_header(found["receipt"])["kid"]
    public = keys.ring().verifier(Purpose.receipt, kid)
    assert public is not None
    said = jwt.decode(found["receipt"], public, algorithms=["EdDSA"])
    assert said["evidence"] == str(id)
    assert said["sha256"] == hashlib.sha256(data).hexdigest() == found["sha256"]
    assert await phone.offset(f"/v1/uploads/{id}") == len(data)


async def test_an_upload_goes_on_where_it_stands_and_nowhere_else(phone: Phone) -> None:
    data = noise(100_000)
    place = (await phone.create(data)).headers["Location"]
    assert (await phone.append(place, 0, data[:30_000])).status_code == 204
    for wrong in (0, 29_999, 30_001, 100_000):
        refused = await phone.append(place, wrong, data[wrong : wrong + 10] or b"x")
        assert (refused.status_code, refused.json()["code"]) == (409, "evidence/offset-differs")
        assert refused.json()["offset"] == 30_000
        assert refused.headers["Tus-Resumable"] == "1.0.0"
    assert await phone.offset(place) == 30_000


async def test_many_parts_are_put_together_and_their_objects_are_deleted(
    phone: Phone, work: Work, db: Database
) -> None:
    data, offset = noise(50_000), 0
    made = await phone.create(data)
    place = made.headers["Location"]
    for size in (1, 20_000, 7, 29_992):
        await phone.append(place, offset, data[offset : offset + size])
        offset += size
    id = UUID(place.rpartition("/")[2])
    folder = storage.current().folder
    assert folder is not None
    assert len(list(folder.rglob(f"{id}.*"))) == 4
    await work()
    assert (await phone.about(id))["state"] == "stored"
    got = await phone.person.get(f"/v1/evidence/{id}/content")
    assert got.content == data
    assert not list(folder.rglob(f"{id}.*"))
    async with db.read() as tx:
        assert await tx.value("select count(*) from upload_part where key like $1", f"%{id}%") == 0


async def test_a_long_request_is_kept_part_by_part(
    phone: Phone, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART", 10_000)
    data = noise(45_001)

    async def breaking() -> AsyncIterator[bytes]:
        yield data[:25_000]
        raise uploads.Cut

    made = await phone.create(data)
    place = made.headers["Location"]
    assert (await phone.append(place, 0, data)).headers["Upload-Offset"] == "45001"
    await work()
    id = UUID(place.rpartition("/")[2])
    assert (await phone.about(id))["state"] == "stored"
    assert (await phone.person.get(f"/v1/evidence/{id}/content")).content == data


async def test_the_first_bytes_may_come_with_the_creation(phone: Phone, work: Work) -> None:
    data = photograph(2)
    given = {
        "Upload-Length": str(len(data)),
        "Upload-Metadata": metadata(sha256=hashlib.sha256(data).hexdigest()),
    }
    made = await phone.person.post("/v1/uploads", headers=APPEND | given, content=data[:1000])
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, "1000")
    place = made.headers["Location"]
    assert (await phone.append(place, 1000, data[1000:])).status_code == 204
    await work()
    assert (await phone.about(UUID(place.rpartition("/")[2])))["state"] == "stored"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_part_with_a_wrong_checksum_is_not_kept(phone: Phone, algorithm: str) -> None:
    data = noise(5000)
    place = (await phone.create(data)).headers["Location"]
    good = base64.b64encode(hashlib.new(algorithm, data[:4000]).digest()).decode()
    bad = base64.b64encode(hashlib.new(algorithm, b"other").digest()).decode()
    refused = await phone.append(place, 0, data[:4000], {"Upload-Checksum": f"{algorithm} {bad}"})
    assert (refused.status_code, refused.json()["code"]) == (460, "evidence/checksum-differs")
    assert await phone.offset(place) == 0
    kept = await phone.append(place, 0, data[:4000], {"Upload-Checksum": f"{algorithm} {good}"})
    assert (kept.status_code, await phone.offset(place)) == (204, 4000)
    unknown = await phone.append(place, 4000, b"x", {"Upload-Checksum": "md5 AAAA"})
    assert unknown.status_code == 422


async def test_other_bytes_than_claimed_are_refused_and_may_be_sent_anew(
    phone: Phone, work: Work, db: Database
) -> None:
    right, wrong, id = noise(3000), noise(3000), ids.new()
    place = (await phone.create(right, id=id)).headers["Location"]
    await phone.append(place, 0, wrong)
    await work()
    found = await phone.about(id)
    assert found["state"] == "refused" and "receipt" in found and found["receipt"] is None
    assert (await phone.person.request("HEAD", place, headers=VERSION)).status_code == 404
    again = await phone.create(right, id=id)
    assert (again.status_code, again.headers["Upload-Offset"]) == (201, "0")
    await phone.append(place, 0, right)
    await work()
    assert (await phone.about(id))["state"] == "stored"
    got = await phone.person.get(f"/v1/evidence/{id}/content")
    assert got.content == right


async def test_an_id_is_one_file_for_ever(phone: Phone, world: World, work: Work) -> None:
    data, id = noise(2000), ids.new()
    await phone.send(data, id=id)
    for _ in range(2):
        replay = await phone.create(data, id=id)
        assert (replay.status_code, replay.headers["Upload-Offset"]) == (201, "2000")
        other = await phone.create(noise(2000), id=id)
        assert (other.status_code, other.json()["code"]) == (409, "evidence/differs")
        assert (await phone.append(f"/v1/uploads/{id}", 0, noise(2000))).status_code == 409
        theirs = await Phone(world["inspector-2"]).create(data, id=id)
        assert (theirs.status_code, theirs.json()["code"]) == (404, "evidence/no-such-upload")
        await work()
    first = (await phone.about(id))["receipt"]
    await phone.create(data, id=id)
    assert (await phone.about(id))["receipt"] == first


async def test_an_upload_is_its_senders_alone(phone: Phone, world: World) -> None:
    data = noise(100)
    place = (await phone.create(data)).headers["Location"]
    for person in (world["inspector-2"], world.head, world.operator):
        other = Phone(person)
        assert (await other.append(place, 0, data)).status_code == 404
        assert (await person.request("HEAD", place, headers=VERSION)).status_code == 404
        assert (await person.request("DELETE", place, headers=VERSION)).status_code == 404
        id = place.rpartition("/")[2]
        assert (await person.get(f"/v1/evidence/{id}")).status_code == 404
    assert (await world.citizen.request("HEAD", place, headers=VERSION)).status_code == 404
    assert (await world.nobody.request("HEAD", place, headers=VERSION)).status_code == 401


async def test_two_phones_uploading_one_id_leave_one_whole_file(
    phone: Phone, world: World, work: Work
) -> None:
    data, id = noise(200_000), ids.new()
    await phone.create(data, id=id)
    place = f"/v1/uploads/{id}"

    async def upload(step: int) -> None:
        while (offset := await phone.offset(place)) < len(data):
            await phone.append(place, offset, data[offset : offset + step])

    await asyncio.gather(upload(7000), upload(11_000), upload(13_001))
    await work()
    assert (await phone.about(id))["state"] == "stored"
    assert (await phone.person.get(f"/v1/evidence/{id}/content")).content == data


async def test_an_ended_upload_is_forgotten_with_its_bytes(phone: Phone, work: Work) -> None:
    data = noise(1000)
    place = (await phone.create(data)).headers["Location"]
    await phone.append(place, 0, data[:500])
    ended = await phone.person.request("DELETE", place, headers=VERSION)
    assert ended.status_code == 204
    assert (await phone.person.request("HEAD", place, headers=VERSION)).status_code == 404
    assert (await phone.append(place, 500, data[500:])).status_code == 404
    await work()
    folder = storage.current().folder
    assert folder and not list(folder.rglob(place.rpartition("/")[2] + ".*"))


async def test_an_upload_that_nobody_goes_on_with_expires(
    phone: Phone, work: Work, db: Database
) -> None:
    from api import jobs

    data, id = noise(1000), ids.new()
    place = (await phone.create(data, id=id)).headers["Location"]
    await phone.append(place, 0, data[:500])
    async with db.begin(Worker("test")) as tx:
        await tx.run("update upload set expires_at = now() - interval '1 s' where id = $1", id)
        await jobs.enqueue(tx, uploads.SWEEP, key="test")
    assert (await phone.person.request("HEAD", place, headers=VERSION)).status_code == 404
    await work()
    async with db.read() as tx:
        assert await tx.value("select count(*) from upload where id = $1", id) == 0
    folder = storage.current().folder
    assert folder and not list(folder.rglob(f"{id}.*"))


async def test_what_the_protocol_forbids_is_refused(phone: Phone) -> None:
    data = noise(100)
    place = (await phone.create(data)).headers["Location"]
    old = await phone.append(place, 0, data, {"Tus-Resumable": "0.2.2"})
    assert (old.status_code, old.headers["Tus-Version"]) == (412, "1.0.0")
    form = await phone.append(place, 0, data, {"Content-Type": "application/json"})
    assert form.status_code == 415
    assert (await phone.append(place, 0, data + b"more")).status_code == 413
    assert (await phone.append(place, 0, data, {"Upload-Offset": "-1"})).status_code == 422
    assert await phone.offset(place) == 0
    assert (await phone.create(data, size=1 << 40)).status_code == 413
    assert (await phone.create(data, size=0)).status_code == 422
    assert (await phone.create(data, sha256="abc")).status_code == 422
    assert (await phone.create(data, id="../../etc/passwd")).status_code == 422
    lazy = await phone.create(data, headers={"Upload-Defer-Length": "1"})
    assert lazy.status_code == 422


async def test_an_account_has_so_many_unfinished_uploads_and_no_more(
    world: World, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, now = Phone(world["inspector-2"]), settings.current()
    data = noise(10)
    first = (await phone.create(data)).headers["Location"]
    monkeypatch.setattr(settings, "_current", msgspec.structs.replace(now, uploads_open=1))
    refused = await phone.create(noise(10))
    assert (refused.status_code, refused.json()["code"]) == (429, "evidence/too-many-uploads")
    assert "Retry-After" in refused.headers
    assert (await phone.append(first, 0, data)).status_code == 204
    await work()
    assert (await phone.create(noise(10))).status_code == 201


async def test_more_bytes_than_announced_are_refused_without_a_length_too(phone: Phone) -> None:
    data = noise(100)
    place = (await phone.create(data)).headers["Location"]

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield data

    headers = APPEND | {"Upload-Offset": "0"}
    refused = await phone.person.request("PATCH", place, headers=headers, content=endless())
    assert refused.status_code == 413
    assert await phone.offset(place) == 0


async def test_a_large_photograph_passes_the_limit_of_other_requests(
    phone: Phone, work: Work
) -> None:
    data = noise(settings.current().max_body_bytes + 1000)
    id = await phone.send(data)
    await work()
    assert (await phone.about(id))["state"] == "stored"


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (storage.StorageFull, 507, "ground/storage-full"),
        (storage.StorageUnreachable, 503, "ground/storage-unreachable"),
    ],
)
async def test_what_the_storage_cannot_take_is_not_acknowledged(
    phone: Phone,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    problem: type[Exception],
    status: int,
    code: str,
) -> None:
    data, id = noise(1000), ids.new()
    place = (await phone.create(data, id=id)).headers["Location"]
    await phone.append(place, 0, data[:400])

    async def failing(self: storage.Storage, key: str, chunks: AsyncIterator[bytes]) -> None:
        async for _ in chunks:
            raise problem

    with monkeypatch.context() as patched:
        patched.setattr(storage.Storage, "write", failing)
        refused = await phone.append(place, 400, data[400:])
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert await phone.offset(place) == 400
    await phone.append(place, 400, data[400:])
    await work()
    assert (await phone.about(id))["state"] == "stored"


async def test_claims_that_cannot_be_read_are_flags_and_names_are_no_paths(
    phone: Phone, work: Work
) -> None:
    id = await phone.send(
        noise(100),
        filename="../../../etc/cron.d/evil\x00\n.jpg",
        lat="north",
        lng=400,
        taken_at="yesterday",
        owner_kind="VISIT",
        owner="1",
    )
    await work()
    found = await phone.about(id)
    fields = {f["facts"]["field"] for f in found["flags"] if f["code"] == "claim.unreadable"}
    assert fields == {"lat", "lng", "taken_at", "owner"}
    assert "type.unknown" in {f["code"] for f in found["flags"]}
    got = await phone.person.get(f"/v1/evidence/{id}/content")
    assert got.headers["Content-Disposition"] == f'attachment; filename="{id}.bin"'
    folder = storage.current().folder
    assert folder and not [p for p in folder.rglob("*") if "evil" in p.name]


async def test_a_phone_pulls_its_receipts(phone: Phone, world: World, work: Work) -> None:
    id = await phone.send(photograph(77))
    await work()
    page = await world.inspector.get("/v1/sync", params={"kinds": "evidence", "limit": 1000})
    assert page.status_code == 200, page.text
    mine = {c["record"]["id"]: c["record"] for c in page.json()["changes"] if "record" in c}
    assert mine[str(id)]["receipt"] and mine[str(id)]["state"] == "stored"
    other = await world["inspector-2"].get("/v1/sync", params={"kinds": "evidence"})
    assert str(id) not in other.text
