"""The record of an accepted visit: the office's copy, the factory's, and what is in neither."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio

from api import clock
from api.db import Database
from api.documents import seals
from tests.documents.conftest import Work
from tests.evidence.conftest import Phone, photograph
from tests.inspection.test_visits import step
from tests.world import Person, World, answer, record, submit

WHY = "complaint"
SECRET = "ร้องเรียนเรื่องกลิ่นจากบ้านตัวอย่าง"
NOTE = "หมายเหตุภายในของเจ้าหน้าที่"
REMARK = "ข้อสังเกตภายใน"


async def accepted(
    world: World, *answers: dict[str, Any], photographed: Work | None = None
) -> UUID:
    """A visit of the sample operator's factory, accepted by the head."""
    visit = await world.begun(await world.premises(company=True), reason=WHY, note=SECRET)
    if photographed:
        await Phone(world.inspector).send(
            photograph(7), owner_kind="visit", owner=visit, item="E08"
        )
        await Phone(world.inspector).send(photograph(8), owner_kind="visit", owner=visit)
        await photographed()
    representative = {"presence": "signed", "name": "นายตัวอย่าง ผู้แทนโรงงาน"}
    parts: dict[str, Any] = {"outcome": "inspected", "representative": representative}
    noted = record(visit, answers=list(answers), note=REMARK, **parts)
    (result,) = await world.inspector.push(noted)
    assert result["status"] in ("stored", "flagged"), result
    await world.inspector.push(submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    return visit


async def documents(person: Person, subject: UUID) -> list[dict[str, Any]]:
    """The documents about `subject` that `person` reads, the newest first, with their content."""
    lines = (await person.get("/v1/documents", params={"subject": str(subject)})).json()["items"]
    found = []
    for line in lines:
        whole = (await person.get(f"/v1/documents/{line['id']}")).json()
        found.append(whole | {"said": json.loads(whole["content"])["content"]})
    return found


ANSWERS = (
    answer("E08", "fail", note=NOTE),
    answer("E01", "pass"),
    answer("O06", SECRET),
)


@pytest_asyncio.fixture
async def visit(world: World, work: Work) -> UUID:
    found = await accepted(world, *ANSWERS, photographed=work)
    await work()
    return found


async def test_an_accepted_visit_becomes_a_record_of_the_offices_own(
    world: World, visit: UUID
) -> None:
    (found,) = await documents(world.inspector, visit)
    said = found["said"]
    assert (found["kind"], found["force"], said["copy"]) == ("visit_record", "in_force", "office")
    assert said["office"]["th"].startswith("สำนักงานอุตสาหกรรมจังหวัด")
    assert said["factory"]["number"] and said["factory"]["operator"]
    assert said["officers"][0]["role"] == "หัวหน้าคณะตรวจ" and said["officers"][0]["name"] != "–"
    assert said["accepted"]["name"] not in ("", "–")
    assert said["representative"] == "นายตัวอย่าง ผู้แทนโรงงาน (ลงลายมือชื่อแล้ว)"
    entries = {e["item"]: e for s in said["sections"] for e in s["entries"]}
    assert entries["E08"]["failed"] and entries["E08"]["answer"] == "ไม่เป็นไปตามข้อกำหนด"
    assert entries["E08"]["note"] == NOTE and entries["O06"]["answer"] == SECRET
    (finding,) = said["findings"]
    assert finding["item"] == "E08" and finding["laws"][0]["reference"]
    assert [bool(p["caption"]) for p in said["photographs"]] == [True, False]
    assert WHY not in found["content"]


async def test_the_factory_reads_its_own_copy_without_what_is_not_its_to_know(
    world: World, visit: UUID
) -> None:
    (found,) = await documents(world.operator, await world.shown_as(visit))
    said, text = found["said"], found["content"]
    assert said["copy"] == "factory"
    assert {e["item"] for s in said["sections"] for e in s["entries"]} == {"E01", "E08"}
    assert [f["item"] for f in said["findings"]] == ["E08"]
    assert [p["caption"].partition(" ")[0] for p in said["photographs"]] == ["E08"]
    for secret in (SECRET, NOTE, REMARK, WHY, str(visit), "O06"):
        assert secret not in text, secret
    assert await documents(world.operator, visit) == []
    assert await documents(world.stranger, await world.shown_as(visit)) == []
    assert len(await documents(world.inspector, await world.shown_as(visit))) == 1


async def test_the_factory_downloads_a_pdf_that_verifies_and_hides_the_same(
    world: World, visit: UUID
) -> None:
    (found,) = await documents(world.operator, await world.shown_as(visit))
    pdf = await world.operator.get(f"/v1/documents/{found['id']}/pdf")
    assert pdf.status_code == 200
    public = (await world.nobody.get("/.well-known/jwks.json")).content
    read = seals.read_pdf(pdf.content, seals.key_set(public))
    assert read is not None and read.intact and read.content == found["content"].encode()
    assert b"/Subtype/Image" in pdf.content or b"/Subtype /Image" in pdf.content


async def test_a_visit_that_is_not_accepted_has_no_record(world: World, work: Work) -> None:
    visit = await world.begun(await world.premises(company=True))
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]), submit(visit))
    await work()
    assert await documents(world.inspector, visit) == []


async def test_a_photograph_that_comes_after_the_acceptance_gets_onto_a_new_record(
    world: World, db: Database, work: Work
) -> None:
    visit = await accepted(world, answer("E08", "fail"))
    await work()
    phone = Phone(world.inspector)
    for seed in (21, 22):
        await phone.send(photograph(seed), owner_kind="visit", owner=visit, item="E08")
    await work()
    assert len(await documents(world.inspector, visit)) == 1  # it waits for the others
    with clock.travel(timedelta(minutes=11)):
        await work()
    new, old = await documents(world.inspector, visit)
    assert [len(d["said"]["photographs"]) for d in (new, old)] == [2, 0]
    assert (new["force"], old["force"]) == ("in_force", "superseded")
    assert json.loads(new["content"])["supersedes"] == old["id"]


async def test_a_record_made_twice_of_one_acceptance_is_made_once(
    world: World, db: Database, work: Work
) -> None:
    """The job goes in the transaction of its effect."""
    visit = await accepted(world, answer("E01", "pass"))
    await work()
    await work()
    assert len(await documents(world.inspector, visit)) == 1


async def test_odd_answers_are_written_down_and_never_stop_a_record(
    world: World, work: Work
) -> None:
    visit = await accepted(
        world,
        answer("A01", {"deep": [1, None, {"x": "#let $y$"}]}),
        answer("H04", 1e300),
        answer("E01", None),
        answer("B01", "ไม่ใช่คำตอบ " * 200),
        answer("N01", [[], {}]),
        answer("Z99", "no such item"),
    )
    await work()
    (found,) = await documents(world.inspector, visit)
    assert (await world.inspector.get(f"/v1/documents/{found['id']}/pdf")).status_code == 200


async def test_the_record_is_issued_in_english_on_request_beside_the_thai_one(
    world: World, visit: UUID
) -> None:
    early = await world.begun()
    refused = await world.inspector.post(f"/v1/visits/{early}/record")
    assert (refused.status_code, refused.json()["code"]) == (409, "inspection/visit-sealed")
    made = await world.inspector.post(f"/v1/visits/{visit}/record?language=en")
    assert made.status_code == 201, made.text
    english, thai = await documents(world.inspector, visit)
    assert (english["language"], thai["language"]) == ("en", "th")
    assert {english["force"], thai["force"]} == {"in_force"}
    entries = {e["item"]: e for s in english["said"]["sections"] for e in s["entries"]}
    assert entries["E08"]["answer"] == "does not comply"
    factory = await documents(world.operator, await world.shown_as(visit))
    assert [d["language"] for d in factory] == ["en", "th"]
    assert SECRET not in factory[0]["content"]
