"""Drawn signatures: kept whatever the state, odd ones flagged, shown where their image is."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import pytest
from PIL import Image, ImageDraw

from api import ids
from api.db import Database
from api.documents import pictures
from tests.documents.test_visit_records import documents
from tests.evidence.conftest import Phone, photograph
from tests.inspection.orders import serve, service, signed
from tests.inspection.test_order_case_files import case_file
from tests.inspection.test_visits import step
from tests.world import World, answer, do_jobs, gate, now, record, submit

NAME, CAPACITY, WHY = "นางสาวตัวอย่าง ผู้ลงนาม", "ผู้จัดการโรงงานตัวอย่าง", "ไม่เห็นด้วยกับผลตรวจตัวอย่าง"


def drawn(seed: int = 0) -> bytes:
    """A signature as a phone draws it: black strokes on nothing."""
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    for stroke in range(4):
        pen.line([(20 + 140 * stroke, 150), (90 + 140 * stroke, 30 + seed % 90)], (0, 0, 0), 6)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def signing(visit: UUID, who: str = "representative", **parts: Any) -> dict[str, Any]:
    """A `visit.sign` operation with nothing odd but what `parts` make so."""
    whole: dict[str, Any] = {"op": "visit.sign", "id": ids.new(), "visit": visit, "who": who}
    whole |= {"signed_at": now()}
    if who == "representative":
        whole |= {"name": NAME, "capacity": CAPACITY}
    if who == "refused":
        whole |= {"reason": WHY}
    found = whole | parts
    return {name: value for name, value in found.items() if value is not None}


def codes(result: dict[str, Any]) -> list[str]:
    return [flag["code"] for flag in result.get("flags", [])]


async def finish(world: World, visit: UUID) -> None:
    await world.inspector.push(
        record(visit, answers=[answer("E08", "fail")], outcome="inspected"), submit(visit)
    )
    await step(world, visit, "take-up")
    await step(world, visit, "accept")


async def test_signatures_are_receipted_sealed_and_shown_in_the_record(
    world: World, db: Database
) -> None:
    visit = await world.begun(await world.premises(company=True))
    phone = Phone(world.inspector)
    mine, theirs = [await phone.send(drawn(n), owner_kind="visit", owner=visit) for n in (1, 2)]
    await do_jobs(db)
    ours, op = signing(visit, "inspector", evidence=mine), signing(visit, evidence=theirs)
    results = await world.inspector.push(ours, op)
    assert [r["status"] for r in results] == ["stored", "stored"], results
    (again,) = await world.inspector.push(op)
    assert again["replayed"] and again["receipt"] == results[1]["receipt"]
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [s["who"] for s in seen["signatures"]] == ["inspector", "representative"]
    assert NAME not in str(seen) and CAPACITY not in str(seen)
    opened = (await world.head.post(f"/v1/visits/{visit}/representative")).json()
    assert [(s["name"], s["capacity"]) for s in opened["signatories"]] == [(NAME, CAPACITY)]
    await finish(world, visit)
    await do_jobs(db)
    (found,) = await documents(world.head, visit)
    lead, factory = found["said"]["signatures"]
    assert (lead["image"], factory["image"]) == (str(mine), str(theirs))
    assert (factory["name"], factory["position"]) == (NAME, CAPACITY)
    assert len(factory["sha256"]) == 64
    assert found["said"]["photographs"] == []  # a signature is no photograph
    pdf = await world.head.get(f"/v1/documents/{found['id']}/pdf")
    assert pdf.content.count(b"/Subtype/Image") + pdf.content.count(b"/Subtype /Image") >= 2


async def test_a_signature_whose_image_comes_last_gets_onto_the_record(
    world: World, db: Database
) -> None:
    """Answers go before photographs: the operation is not odd because its image is on its way."""
    visit = await world.begun(await world.premises(company=True))
    image = ids.new()
    (done,) = await world.inspector.push(signing(visit, evidence=image))
    assert done["status"] == "stored", done
    await Phone(world.inspector).send(drawn(3), id=image)  # and it names no owner
    await do_jobs(db)
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [e["id"] for e in seen["evidence"]] == [str(image)]
    await finish(world, visit)
    await do_jobs(db)
    (found,) = await documents(world.head, visit)
    assert found["said"]["signatures"][1]["image"] == str(image)


async def test_a_transparent_signature_is_black_on_white(world: World, db: Database) -> None:
    image = await Phone(world.inspector).send(drawn(4))
    await do_jobs(db)
    shown = (await pictures.of(db, [image]))[image]
    with Image.open(io.BytesIO(shown)) as seen:
        assert min(seen.getpixel((2, 2))) > 240
        assert min(seen.convert("L").tobytes()) < 40


@pytest.mark.parametrize(
    ("who", "parts", "wanted"),
    [
        ("representative", {}, ["signature.image_missing"]),
        ("representative", {"name": " ", "evidence": ids.new()}, ["signature.name_missing"]),
        (
            "representative",
            {"capacity": None, "evidence": ids.new()},
            ["signature.capacity_missing"],
        ),
        ("refused", {}, []),
        ("refused", {"reason": ""}, ["signature.reason_missing"]),
        ("refused", {"evidence": ids.new()}, ["signature.drawn_and_refused"]),
        ("inspector", {"evidence": ids.new(), "signed_at": None}, ["signature.time_missing"]),
        (
            "inspector",
            {"evidence": ids.new(), "signed_at": "2026-01-01T00:00:00Z"},
            ["clock.long_ago", "signature.before_start"],
        ),
        (
            "inspector",
            {"evidence": ids.new(), "signed_at": "0001-01-01T00:00:00Z"},
            ["time.impossible", "signature.time_missing"],
        ),
    ],
)
async def test_an_odd_signature_is_kept_and_flagged(
    world: World, who: str, parts: dict[str, Any], wanted: list[str]
) -> None:
    visit = await world.begun()
    (done,) = await world.inspector.push(signing(visit, who, **parts))
    assert codes(done) == wanted
    assert done["status"] == ("flagged" if wanted else "stored") and done["receipt"]
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    (kept,) = seen["signatures"]
    assert [f["code"] for f in kept.get("flags", [])] == wanted
    assert set(wanted) <= {f["code"] for f in seen["flags"]}


async def test_an_image_that_is_not_the_visits_is_flagged_and_never_shown(
    world: World, db: Database
) -> None:
    visit, other = await world.begun(await world.premises(company=True)), await world.begun()
    theirs = await Phone(world.inspector).send(drawn(5), owner_kind="visit", owner=other)
    stranger = await Phone(world.operator).send(drawn(6))
    text = await Phone(world.inspector).send(b"%PDF-1.4", owner_kind="visit", owner=visit)
    await do_jobs(db)
    found = await world.inspector.push(
        *(signing(visit, evidence=id) for id in (theirs, stranger, text))
    )
    flagged = [["signature.image_foreign"]] * 2 + [["signature.no_image"]]
    assert [codes(r) for r in found] == flagged
    await do_jobs(db)
    await finish(world, visit)
    await do_jobs(db)
    (issued,) = await documents(world.head, visit)
    assert [s["image"] for s in issued["said"]["signatures"][1:]] == [None, None, None]


async def test_a_colleagues_signature_is_theirs_and_a_strangers_nobodys(world: World) -> None:
    visit = await world.begun()
    found = await world.inspector.push(
        *(
            signing(visit, "inspector", evidence=ids.new(), officer=person.account)
            for person in (world.inspector_2, world.inspector_elsewhere)
        )
    )
    assert [codes(r) for r in found] == [["signature.for_another"], ["signature.not_on_team"]]
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()["signatures"]
    assert [s.get("officer") for s in seen] == [str(world.inspector_2.account), None]
    (refused,) = await world.inspector_elsewhere.push(signing(visit, "inspector"))
    assert refused["problem"]["code"] == "inspection/no-such-visit"


async def test_nobody_replaces_a_signature_that_its_inspector_sent(
    world: World, db: Database
) -> None:
    """Nor does one without an image replace one that has its image."""
    visit = await world.begun(await world.premises(company=True))
    lead, other = Phone(world.inspector), Phone(world.inspector_2)
    mine = await lead.send(drawn(11), owner_kind="visit", owner=visit)
    forged = await other.send(drawn(12), owner_kind="visit", owner=visit)
    theirs = await lead.send(drawn(13), owner_kind="visit", owner=visit)
    await do_jobs(db)
    one, two = world.inspector.account, world.inspector_2.account
    await world.inspector.push(
        signing(visit, "inspector", evidence=mine),
        signing(visit, "inspector"),
        signing(visit, "inspector", evidence=theirs, officer=two),
        signing(visit, "inspector", officer=two),
    )
    await world.inspector_2.push(signing(visit, "inspector", evidence=forged, officer=one))
    await finish(world, visit)
    await do_jobs(db)
    (found,) = await documents(world.head, visit)
    first, second = found["said"]["signatures"]
    assert (first["image"], second["image"]) == (str(mine), str(theirs))
    assert first["how"].startswith("ลงลายมือชื่อบนอุปกรณ์ ·")
    assert second["how"] == f"ลงลายมือชื่อบนอุปกรณ์ของ {first['name']}"


async def test_a_signature_after_the_end_is_kept_and_shown_in_no_document(
    world: World, db: Database
) -> None:
    visit = await world.begun(await world.premises(company=True))
    await finish(world, visit)
    (late,) = await world.inspector.push(signing(visit, evidence=ids.new()))
    assert codes(late) == ["arrived.after_end"] and late["receipt"]
    (kept,) = (await world.head.get(f"/v1/visits/{visit}")).json()["signatures"]
    assert kept["late"]
    issued = await world.head.post(f"/v1/visits/{visit}/record?language=th")
    assert len(json.loads(issued.json()["content"])["content"]["signatures"]) == 1


async def test_the_factorys_copy_has_a_neighbours_findings_but_not_who_signed(
    world: World, db: Database
) -> None:
    """A refusal stands in the copy of the factory that refused."""
    visit = await world.begun(await world.premises(company=True))
    await world.inspector.push(signing(visit, "refused", name=NAME))
    await finish(world, visit)
    await do_jobs(db)
    (copy,) = await documents(world.operator, await world.shown_as(visit))
    refused = copy["said"]["signatures"][1]
    assert refused["how"] == f"ไม่ยินยอมลงลายมือชื่อ: {WHY}" and refused["image"] is None


async def test_who_received_an_order_signs_on_the_phone_and_the_case_file_shows_it(
    world: World, db: Database
) -> None:
    order = await signed(world)
    image = await Phone(world.inspector).send(drawn(7))
    await do_jobs(db)
    proof = {"type": "signature", "name": NAME, "evidence": str(image)}
    served = await serve(world, order, service(proof=proof))
    assert served.status_code == 200, served.text
    assert served.json()["proof_evidence"] == str(image) and NAME not in served.text
    said = await case_file(world, order)
    (shown,) = said["signatures"]
    assert (shown["image"], shown["how"]) == (str(image), "รับด้วยตนเอง")
    assert order["number"] in shown["role"] and NAME not in str(said)
    assert shown["sha256"] in {e["sha256"] for e in said["evidence"]}


async def test_a_signature_before_the_start_does_not_start_a_visit(world: World) -> None:
    visit = await world.plan()
    (odd,) = await world.inspector.push(signing(visit, "inspector", evidence=ids.new()))
    assert codes(odd) == ["signature.before_start"]
    assert (await world.head.get(f"/v1/visits/{visit}")).json()["state"] == "planned"
    (begun,) = await world.inspector.push(record(visit, start=gate()))
    assert begun["status"] in ("stored", "flagged"), begun
    assert (await world.head.get(f"/v1/visits/{visit}")).json()["state"] == "under_way"


async def test_flags_of_the_visit_and_a_photographs_own_both_stand(
    world: World, db: Database
) -> None:
    visit = await world.begun()
    far = photograph(9, position=(18.8, 98.9))
    image = await Phone(world.inspector).send(far, owner_kind="visit", owner=visit)
    await do_jobs(db)
    await world.inspector.push(signing(visit, "refused", reason="", evidence=image))
    flags = {f["code"] for f in (await world.head.get(f"/v1/visits/{visit}")).json()["flags"]}
    assert {"photo.far", "signature.reason_missing"} <= flags
