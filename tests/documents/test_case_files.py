"""The case file of a matter: everything that happened, for court or Ombudsman."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest_asyncio

from api.db import Database
from api.documents import seals
from tests.documents.conftest import Work
from tests.documents.test_visit_records import ANSWERS, WHY, accepted
from tests.inspection import orders
from tests.world import World


@pytest_asyncio.fixture
async def visit(world: World, work: Work) -> UUID:
    found = await accepted(world, *ANSWERS, photographed=work)
    await work()
    return found


async def filed(world: World, visit: UUID, language: str = "th") -> dict[str, Any]:
    made = await world.head.post(f"/v1/visits/{visit}/case-file?language={language}")
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found | {"said": json.loads(found["content"])["content"]}


async def test_it_has_every_event_clock_document_file_and_officer(
    world: World, db: Database, visit: UUID
) -> None:
    said = (await filed(world, visit))["said"]
    async with db.read() as tx:
        names = await tx.values("select name from event where record = $1 order by id", visit)
    told = [e["name"] for e in said["events"] if e["record"] == str(visit)]
    assert told == names and "visit.accepted" in told
    assert {"evidence.completed", "document.issued", "visit.shown"} <= {
        e["name"] for e in said["events"]
    }
    assert not [e for e in said["events"] if e["what"] == e["name"]], "an event without a word"
    assert [k["ended"] for k in said["clocks"]] == ["ทันกำหนด"]
    assert len(said["documents"]) == 2 and {d["force"] for d in said["documents"]} == {"ยังมีผล"}
    assert len(said["evidence"]) == 2 and all(len(e["sha256"]) == 64 for e in said["evidence"])
    roles = {o["name"]: o["role"] for o in said["officers"]}
    assert any("รับรองผลการตรวจ" in role for role in roles.values())
    assert any("ส่งผลการตรวจ" in role for role in roles.values())


async def test_it_is_a_document_that_verifies_and_renders(
    world: World, work: Work, visit: UUID
) -> None:
    found = await filed(world, visit, "en")
    await work()
    pdf = (await world.head.get(f"/v1/documents/{found['id']}/pdf")).content
    public = (await world.nobody.get("/.well-known/jwks.json")).content
    read = seals.read_pdf(pdf, seals.key_set(public))
    assert read is not None and read.intact and read.content == found["content"].encode()
    told = (await world.nobody.get(f"/v1/verify/{found['code']}")).json()
    assert (told["kind"], told["record"]) == ("case_file", "intact")


async def test_a_later_file_takes_the_place_of_the_one_before(world: World, visit: UUID) -> None:
    old = await filed(world, visit)
    new = await filed(world, visit)
    assert (await world.nobody.get(f"/v1/verify/{old['code']}")).json()["force"] == "superseded"
    assert (await world.nobody.get(f"/v1/verify/{new['code']}")).json()["force"] == "in_force"
    assert len(new["said"]["documents"]) == len(old["said"]["documents"])


async def test_a_follow_up_belongs_to_the_matter_of_the_visit_that_it_follows(
    world: World, visit: UUID
) -> None:
    premises = (await world.head.get(f"/v1/visits/{visit}")).json()["premises"]
    later = await world.plan(UUID(premises), follows=visit)
    from_later, from_first = await filed(world, later), await filed(world, visit)
    assert from_later["subject"] == from_first["subject"] == str(visit)
    records = {e["record"] for e in from_later["said"]["events"]}
    assert {str(visit), str(later)} <= records


async def test_a_document_that_was_tampered_with_is_listed_as_such(
    world: World, visit: UUID, superuser: asyncpg.Connection
) -> None:
    await superuser.execute("update document set language = 'en' where subject = $1", visit)
    forces = {d["force"] for d in (await filed(world, visit))["said"]["documents"]}
    assert forces == {"ยังมีผล", "ข้อมูลถูกแก้ไขภายหลัง เชื่อถือไม่ได้"}


async def test_only_the_head_and_the_department_issue_it_and_no_company_reads_it(
    world: World, visit: UUID
) -> None:
    found = await filed(world, visit)
    for key in ("inspector", "operator", "citizen", "auditor", "ministry"):
        assert (await world[key].post(f"/v1/visits/{visit}/case-file")).status_code == 403, key
    assert (await world.operator.get(f"/v1/documents/{found['id']}")).status_code == 404
    assert found["said"].pop("complaints") == []
    assert WHY not in msgspec.json.encode(found["said"]).decode()


async def test_orders_their_proofs_clocks_papers_and_messages_are_in_it(
    world: World, work: Work
) -> None:
    visit = await orders.accepted(world)
    order = await orders.served(world, visit)
    await work()
    said = (await filed(world, UUID(visit["id"])))["said"]
    names = {e["name"] for e in said["events"] if e["record"] == order["id"]}
    assert {"order.drafted", "order.signed", "order.served"} <= names
    assert not [e["name"] for e in said["events"] if e["what"] == e["name"]]
    assert {"ปฏิบัติตามคำสั่ง", "อุทธรณ์คำสั่ง"} <= {k["what"] for k in said["clocks"]}
    assert [d["number"] for d in said["documents"] if d["number"]] == [order["number"]]
    assert said["messages"] and all(m["text"] and m["to"] for m in said["messages"])
