"""Samples and their chains of custody: every link a row, every break a flag, nothing refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api import clock, ids
from api.db import Database
from tests.documents.test_visit_records import documents
from tests.evidence.conftest import Phone, photograph
from tests.inspection.test_visits import step
from tests.world import Person, World, answer, do_jobs, encode, gate, now, record, submit

OFFICE, CARRIER, LABORATORY = "สอจ. ตัวอย่าง", "ขนส่งตัวอย่าง", "ห้องปฏิบัติการตัวอย่าง"
GIVER, TAKER = "นายตัวอย่าง ผู้ส่ง", "นางสาวตัวอย่าง ผู้รับ"
AWAITED = {"awaiting": "laboratory", "sample": "W-1"}


def taking(visit: UUID, **parts: Any) -> dict[str, Any]:
    """A `visit.take_sample` with nothing odd but what `parts` make so."""
    return {
        "op": "visit.take_sample",
        "id": ids.new(),
        "visit": visit,
        "items": ["H05"],
        "number": "W-1",
        "what": "น้ำทิ้ง 2 ลิตร",
        "place": "บ่อพักสุดท้าย",
        "seal": "S-0001",
        "taken_at": now(),
    } | parts


def link(giver: str, receiver: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    return {
        "giver": {"organisation": giver, "name": GIVER},
        "receiver": {"organisation": receiver, "name": TAKER},
        "handed_at": at or now(),
        "condition": "แช่เย็น",
        "seal_intact": True,
    } | more


async def hand(
    person: Person, sample: Any, body: dict[str, Any], id: UUID | None = None
) -> dict[str, Any]:
    path = f"/v1/samples/{sample}/handovers/{id or ids.new()}"
    found = await person.put(path, content=encode(body))
    assert found.status_code == 200, found.text
    return dict(found.json())


def codes(found: dict[str, Any], name: str = "flags") -> list[str]:
    return [flag["code"] for flag in found.get(name, [])]


def result(visit: UUID, **parts: Any) -> dict[str, Any]:
    op = {"op": "visit.add_result", "id": ids.new(), "visit": visit, "item": "H05", "value": 84.0}
    said = {"laboratory": LABORATORY, "report_no": "W-1/2569", "reported_at": now()}
    return op | said | parts


async def taken(world: World, **parts: Any) -> tuple[UUID, UUID]:
    """A visit with a sample whose answer awaits the laboratory: (visit, sample)."""
    visit = await world.begun(await world.premises(company=True))
    op = taking(visit, **parts)
    (first, done) = await world.inspector.push(
        record(visit, answers=[answer("H05", AWAITED)], outcome="inspected"), op
    )
    assert first["status"] in ("stored", "flagged") and done["receipt"], done
    return visit, op["id"]


async def answer_of(world: World, visit: UUID) -> dict[str, Any]:
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    (found,) = [a for a in seen["answers"] if a["item"] == "H05"]
    return dict(found)


async def test_a_whole_chain_ends_with_a_result_that_has_no_flag(world: World) -> None:
    visit, sample = await taken(world)
    await hand(world.inspector, sample, link(OFFICE, CARRIER))
    seen = await hand(world.provincial_officer, sample, link(CARRIER, LABORATORY))
    assert [h["n"] for h in seen["handovers"]] == [1, 2] and seen["breaks"] == []
    assert GIVER not in str(seen) and TAKER not in str(seen)
    (done,) = await world.inspector.push(result(visit))
    assert done["status"] == "stored", done
    seen = (await world.head.get(f"/v1/samples/{sample}")).json()
    assert [r["report_no"] for r in seen["results"]] == ["W-1/2569"] and seen["breaks"] == []
    opened = (await world.head.post(f"/v1/samples/{sample}/people")).json()
    assert [h["receiver"] for h in opened["handovers"]] == [TAKER, TAKER]


async def test_a_sample_sent_twice_is_taken_once_and_every_write_is_an_event(
    world: World, db: Database
) -> None:
    visit = await world.begun()
    op = taking(visit)
    (first,), (again,) = await world.inspector.push(op), await world.inspector.push(op)
    assert first["status"] == "stored", first
    assert again["replayed"] and again["receipt"] == first["receipt"]
    id, body = ids.new(), link(OFFICE, LABORATORY)
    seen = [await hand(world.inspector, op["id"], body, id) for _ in range(2)]
    assert seen[0]["handovers"] == seen[1]["handovers"] and len(seen[0]["handovers"]) == 1
    other = await world.inspector.put(
        f"/v1/samples/{op['id']}/handovers/{id}", content=encode(link(OFFICE, CARRIER))
    )
    assert (other.status_code, other.json()["code"]) == (409, "inspection/handover-exists")
    async with db.read() as tx:
        names = await tx.values("select name from event where record = $1 order by id", visit)
    assert names.count("visit.sample_taken") == 1
    assert names.count("visit.sample_handed_over") == 1


@pytest.mark.parametrize(
    ("links", "wanted"),
    [
        ([], ["custody.no_handover"]),
        ([(OFFICE, CARRIER, {})], ["custody.not_at_laboratory"]),
        ([(OFFICE, CARRIER, {}), (OFFICE, LABORATORY, {})], ["custody.gap"]),
        ([(OFFICE, LABORATORY, {"seal_intact": False})], ["custody.seal_broken"]),
        ([(OFFICE, LABORATORY, {"seal_intact": None})], []),
        ([(OFFICE, " ห้องปฏิบัติการ ตัวอย่าง", {})], []),
        (
            [(OFFICE, LABORATORY, {"handed_at": now() - timedelta(hours=3)})],
            ["custody.time_backwards"],
        ),
        (
            [(OFFICE, LABORATORY, {"handed_at": now() + timedelta(hours=3)})],
            ["custody.time_backwards"],  # the laboratory reported before it had it
        ),
    ],
)
async def test_a_break_in_the_chain_is_a_flag_on_the_result_and_no_refusal(
    world: World, links: list[tuple[str, str, dict[str, Any]]], wanted: list[str]
) -> None:
    visit, sample = await taken(world)
    for giver, receiver, more in links:
        await hand(world.inspector, sample, link(giver, receiver, **more))
    (done,) = await world.inspector.push(result(visit))
    assert codes(done) == wanted and done["receipt"]
    found = await answer_of(world, visit)
    assert (found["value"], codes(found)) == (84.0, wanted)
    seen = (await world.inspector.get(f"/v1/samples/{sample}")).json()
    assert codes(seen, "breaks") == wanted


async def test_a_result_without_a_sample_on_file_says_so_until_the_sample_arrives(
    world: World,
) -> None:
    """The colleague's phone that took it may come into signal after the laboratory's report."""
    visit = await world.begun(await world.premises(company=True))
    await world.inspector.push(record(visit, answers=[answer("H05", AWAITED)]))
    (done,) = await world.inspector.push(result(visit))
    assert codes(done) == ["custody.no_sample"] == codes(await answer_of(world, visit))
    op = taking(visit, taken_at=now() - timedelta(seconds=1))
    await world.inspector_2.push(op)
    assert codes(await answer_of(world, visit)) == ["custody.no_handover"]
    before = now() - timedelta(milliseconds=500)
    await hand(world.inspector, op["id"], link(OFFICE, LABORATORY, before))
    assert codes(await answer_of(world, visit)) in ([], ["custody.time_backwards"])


async def test_a_result_of_another_number_is_the_only_samples_and_says_so(world: World) -> None:
    visit, sample = await taken(world, number="W-7")
    await hand(world.inspector, sample, link(OFFICE, LABORATORY))
    (done,) = await world.inspector.push(result(visit))
    assert codes(done) == ["custody.other_number"]


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ({"items": []}, ["sample.item_missing"]),
        ({"items": ["Z99"]}, ["item.unknown"]),
        ({"items": ["E08"]}, ["sample.not_for_laboratory"]),
        ({"number": " "}, ["sample.number_missing"]),
        ({"seal": ""}, ["sample.seal_missing"]),
        ({"taken_at": None}, ["sample.time_missing"]),
        ({"taken_at": "0001-01-01T00:00:00Z"}, ["time.impossible", "sample.time_missing"]),
        ({"taken_at": now() + timedelta(days=2)}, ["clock.ahead"]),
        ({"taken_at": now() - timedelta(hours=5)}, ["sample.before_start"]),
        ({"position": {"lat": 18.8, "lng": 98.9, "mock": True}}, ["position.mock", "position.far"]),
        ({"photographs": "x"}, ["field.unreadable"]),
    ],
)
async def test_an_odd_sample_is_kept_and_flagged(
    world: World, parts: dict[str, Any], wanted: list[str]
) -> None:
    visit = await world.begun()
    (done,) = await world.inspector.push(taking(visit, **parts))
    assert codes(done) == wanted and done["receipt"]
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [codes(s) for s in seen["samples"]] == [wanted]
    (twice,) = await world.inspector.push(taking(visit, number="w -1"))
    assert codes(twice) == ([] if "number" in parts else ["sample.number_twice"])


async def test_a_sample_is_the_teams_to_take_and_its_office_to_hand_over(world: World) -> None:
    visit, sample = await taken(world)
    (refused,) = await world.inspector_elsewhere.push(taking(visit))
    assert refused["problem"]["code"] == "inspection/no-such-visit"
    path = f"/v1/samples/{sample}"
    for person in (world.inspector_elsewhere, world.operator):
        assert (await person.get(path)).status_code in (403, 404)
        put = await person.put(
            f"{path}/handovers/{ids.new()}", content=encode(link(OFFICE, CARRIER))
        )
        assert put.status_code in (403, 404)
    assert (await world.auditor.get(path)).status_code == 200
    put = await world.auditor.put(f"{path}/handovers/{ids.new()}", content=encode(link("ก", "ข")))
    assert put.status_code == 403


async def test_evidence_of_a_hand_over_is_the_offices_own_and_once(
    world: World, db: Database
) -> None:
    _, sample = await taken(world)
    mine, theirs = [
        await Phone(p).send(photograph(n)) for n, p in ((401, world.head), (402, world.operator))
    ]
    await do_jobs(db)
    seen = await hand(world.inspector, sample, link(OFFICE, CARRIER, evidence=[mine]))
    assert seen["handovers"][0]["evidence"] == [str(mine)]
    for foreign in (theirs, ids.new()):
        refused = await world.inspector.put(
            f"/v1/samples/{sample}/handovers/{ids.new()}",
            content=encode(link(CARRIER, LABORATORY, evidence=[foreign])),
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "evidence/unknown")
    _, other = await taken(world)
    refused = await world.inspector.put(
        f"/v1/samples/{other}/handovers/{ids.new()}",
        content=encode(link(OFFICE, CARRIER, evidence=[mine])),
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "evidence/taken")


async def test_a_local_officer_sees_the_photograph_of_a_hand_over(
    world: World, db: Database
) -> None:
    local, visit = world.local_officer, ids.new()
    plan = {"premises": await world.premises(class_=2), "planned_on": "2026-12-01"}
    made = await local.put(f"/v1/visits/{visit}", content=encode(plan | {"lead": local.account}))
    assert made.status_code in (200, 201), made.text
    op = taking(visit)
    await local.push(record(visit, start=gate()), op)
    photo = await Phone(world.inspector).send(photograph(441))
    await do_jobs(db)
    await hand(world.inspector, op["id"], link(OFFICE, CARRIER, evidence=[photo]))
    for person in (local, world.head):
        assert (await person.get(f"/v1/evidence/{photo}")).status_code == 200


async def test_record_and_case_file_show_the_sample_with_its_chain_and_photographs(
    world: World, db: Database
) -> None:
    photo = ids.new()
    visit, sample = await taken(world, photographs=[photo], officer=world.inspector_2.account)
    await Phone(world.inspector).send(photograph(411), id=photo)  # after it, and it names no owner
    received = await Phone(world.inspector).send(photograph(412))
    await do_jobs(db)
    await hand(world.inspector, sample, link(OFFICE, LABORATORY, evidence=[received]))
    await world.inspector.push(submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    await world.inspector.push(result(visit))
    await do_jobs(db)
    said = (await documents(world.head, visit))[0]["said"]
    (shown,) = said["samples"]
    assert (shown["number"], shown["seal"], shown["items"]) == ("W-1", "S-0001", ["H05"])
    assert shown["by"] not in ("", "–")
    assert [p["evidence"] for p in shown["photographs"]] == [str(photo), str(received)]
    assert said["photographs"] == []
    (one,) = shown["links"]
    assert one["giver"] == f"{OFFICE} ({GIVER})" and one["seal"] == "ตราผนึกสมบูรณ์"
    assert shown["results"][0].startswith(f"H05 · {LABORATORY} · W-1/2569")
    copy = (await documents(world.operator, await world.shown_as(visit)))[0]["said"]
    assert copy["samples"][0]["links"][0]["receiver"] == LABORATORY
    assert GIVER not in str(copy) and TAKER not in str(copy)
    issued = await world.head.post(f"/v1/visits/{visit}/case-file")
    case = json.loads(issued.json()["content"])["content"]
    assert case["samples"] == [shown]
    assert {shown["photographs"][1]["sha256"]} <= {e["sha256"] for e in case["evidence"]}
    assert all(e["what"] != e["name"] for e in case["events"]), "every event has its words"


async def test_a_factorys_copy_tells_of_a_sample_only_what_it_tells_of_its_items(
    world: World, db: Database
) -> None:
    """O06 is confidential: neither its name, its result nor a picture that may be of it."""
    own, secret, either, received = (ids.new() for _ in range(4))
    visit, sample = await taken(world, items=["H05", "O06"], photographs=[own, secret, either])
    phone = Phone(world.inspector)
    for n, (id, item) in enumerate(((own, "H05"), (secret, "O06"), (either, None))):
        named = {"item": item} if item else {}
        await phone.send(photograph(431 + n), id=id, owner_kind="visit", owner=visit, **named)
    await phone.send(photograph(435), id=received)
    await do_jobs(db)
    await hand(world.inspector, sample, link(OFFICE, CARRIER, evidence=[received]))
    await world.inspector.push(
        record(visit, answers=[answer("O06", AWAITED)]),
        submit(visit),
    )
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    await world.inspector.push(
        result(visit), result(visit, item="O06", report_no="ลับ-9", value="ลับ")
    )
    await do_jobs(db)
    (whole,) = (await documents(world.head, visit))[0]["said"]["samples"]
    assert whole["items"] == ["H05", "O06"] and len(whole["photographs"]) == 4
    assert len(whole["results"]) == len(whole["breaks"]) == 2, whole
    (copy,) = (await documents(world.operator, await world.shown_as(visit)))[0]["said"]["samples"]
    assert [p["evidence"] for p in copy["photographs"]] == [str(own)]
    assert copy["items"] == ["H05"] and "O06" not in str(copy) and "ลับ-9" not in str(copy)
    assert len(copy["results"]) == len(copy["breaks"]) == 1


async def test_a_hand_over_after_the_acceptance_gets_onto_a_new_record(
    world: World, db: Database
) -> None:
    visit, sample = await taken(world)
    await world.inspector.push(submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    await do_jobs(db)
    await hand(world.inspector, sample, link(OFFICE, LABORATORY, seal_intact=False))
    await do_jobs(db)
    with clock.travel(timedelta(minutes=11)):
        await do_jobs(db)
    new, old = await documents(world.head, visit)
    assert [len(d["said"]["samples"][0]["links"]) for d in (new, old)] == [1, 0]
    assert new["said"]["samples"][0]["breaks"] == ["ตราผนึกไม่อยู่ในสภาพเดิม (ครั้งที่ 1)"]


async def test_a_sample_that_comes_after_the_end_is_kept_for_the_office_alone(
    world: World, db: Database
) -> None:
    visit = await world.begun(await world.premises(company=True))
    await world.inspector.push(record(visit, answers=[answer("H05", AWAITED)]), submit(visit))
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    (late,) = await world.inspector.push(taking(visit))
    assert codes(late) == ["arrived.after_end"] and late["receipt"]
    await world.head.post(f"/v1/visits/{visit}/record?language=th")
    assert len((await documents(world.head, visit))[0]["said"]["samples"]) == 1
    copy = (await documents(world.operator, await world.shown_as(visit)))[0]
    assert copy["said"]["samples"] == []


async def test_a_sample_does_not_start_a_visit(world: World) -> None:
    visit = await world.plan()
    (odd,) = await world.inspector.push(taking(visit))
    assert codes(odd) == ["sample.before_start"]
    await world.inspector.push(record(visit, start=gate()))
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert seen["state"] == "under_way" and len(seen["samples"]) == 1


async def test_a_hand_over_of_no_living_time_is_refused_and_stops_no_record(world: World) -> None:
    _, sample = await taken(world)
    for at in ("0001-01-01T00:00:00+07:00", "9999-12-31T23:59:59Z"):
        refused = await world.inspector.put(
            f"/v1/samples/{sample}/handovers/{ids.new()}",
            content=encode(link(OFFICE, CARRIER) | {"handed_at": at}),
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "ground/malformed")


async def test_a_sample_of_a_thousand_items_is_cut_and_flagged(world: World) -> None:
    visit = await world.begun()
    many = {"items": ["H05"] * 1000, "photographs": [ids.new() for _ in range(1000)]}
    (done,) = await world.inspector.push(taking(visit, **many))
    assert codes(done) == ["sample.too_many", "sample.too_many"]
    (kept,) = (await world.inspector.get(f"/v1/visits/{visit}")).json()["samples"]
    assert (len(kept["items"]), len(kept["photographs"])) == (100, 100)


@pytest.mark.parametrize(
    "statement",
    [
        "update sample set seal = 'x'",
        "delete from sample",
        "update sample_handover set seal_intact = true",
        "delete from sample_handover",
        "update laboratory_result set number = 'x'",
        "delete from visit_signature",
        "update visit_signature set late = false",
    ],
)
async def test_what_was_kept_cannot_be_changed_by_the_server_itself(
    db: Database, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.pool.acquire() as connection:
            await connection.execute(statement)
