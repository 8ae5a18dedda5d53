"""At the officers' desk: a complaint is taken up, given to somebody, answered, and never lost."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from api import ids
from api.complaints.model import State
from tests.complaints.conftest import begun, by_code, detail, do, secret, tell
from tests.world import World, encode


async def office(world: World, code: str) -> UUID:
    async with world.db.read() as tx:
        found: UUID = await tx.value("select id from office where code = $1", code)
    return found


async def own(world: World, code: str, id: UUID) -> dict[str, Any]:
    answer = await by_code(world, code).get(f"/v1/own-complaints/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def clock(world: World, id: UUID) -> Any:
    """When its next clock has something to say; None while none runs."""
    async with world.db.read() as tx:
        return await tx.value(
            """
            select due_at from deadline
            where kind = 'complaint.clock' and record = $1 and met_at is null
            """,
            id,
        )


async def test_from_triage_to_an_outcome_each_step_is_seen_by_whoever_may(world: World) -> None:
    mine, id = secret(), ids.new()
    await tell(world.nobody, id, secret=mine)
    first = await detail(world.head, id)
    assert (first["state"], first["status"], first["state_th"]) == (
        "submitted",
        "received",
        "รอรับเรื่อง",
    )
    assert [c["met_at"] for c in first["clocks"]] == [None, None, None]
    accepted = (await do(world.head, id, "accept")).json()
    assert accepted["version"] == first["version"] + 1
    assert [c["kind"] for c in accepted["clocks"] if c["met_at"]] == ["acknowledge"]
    assigned = await do(world.head, id, "assign", {"officer": world.inspector.account})
    assert assigned.json()["assigned"] == str(world.inspector.account)
    begun = (await do(world.inspector, id, "begin")).json()
    assert [c["kind"] for c in begun["clocks"] if c["met_at"]] == ["acknowledge", "first_action"]
    assert (await own(world, mine, id))["decision"] == ""
    words = "ตรวจแล้วพบกลิ่นเกินมาตรฐาน (ตัวอย่าง)"
    done = await do(world.inspector, id, "resolve", {"outcome": "substantiated", "text": words})
    assert (done.json()["state"], done.json()["outcome"]) == ("resolved", "substantiated")
    assert all(c["met_at"] for c in done.json()["clocks"]) and done.json()["next_due"] is None
    assert await clock(world, id) is None
    seen = await own(world, mine, id)
    assert (seen["status"], seen["outcome"], seen["decision"]) == (
        "finished",
        "substantiated",
        words,
    )
    assert [(s["kind"], s["text"]) for s in seen["said"]] == [("decision", words)]


async def test_without_an_outcome_and_words_nothing_is_resolved(world: World) -> None:
    id = await begun(world)
    for body in (
        {"text": "x"},
        {"outcome": "substantiated"},
        {"outcome": "substantiated", "text": " \n"},
        {"outcome": "solved", "text": "x"},
    ):
        done = await do(world.inspector, id, "resolve", body)
        assert (done.status_code, done.json()["code"]) == (422, "ground/malformed")
    assert (await detail(world.inspector, id))["state"] == "in_progress"


async def test_an_edit_of_what_somebody_else_has_changed_is_refused(world: World) -> None:
    id = ids.new()
    await tell(world.nobody, id)
    path = f"/v1/complaints/{id}/accept"
    assert (await world.head.post(path)).json()["code"] == "ground/malformed"
    assert (await world.head.post(path, version=1)).status_code == 200
    again = await world["provincial-officer"].post(path, version=1)
    assert (again.status_code, again.json()["code"]) == (409, "ground/stale-version")


async def test_forty_updates_at_once_break_nothing_and_lose_no_note(world: World) -> None:
    id = await begun(world)
    notes = [ids.new() for _ in range(20)]
    path, version = f"/v1/complaints/{id}", (await detail(world.head, id))["version"]
    question = {"id": ids.new(), "text": "เวลาใด"}
    answers = await asyncio.gather(
        *(
            world.inspector.put(f"{path}/notes/{n}", content=encode({"text": f"บันทึก {n}"}))
            for n in notes
        ),
        *(
            world.head.post(f"{path}/ask", content=encode(question), version=version)
            for _ in range(10)
        ),
        *(
            world.inspector.post(
                f"{path}/resolve",
                content=encode({"outcome": "no_evidence", "text": "x"}),
                version=version,
            )
            for _ in range(10)
        ),
    )
    assert {a.status_code for a in answers} <= {200, 409}, [a.text for a in answers]
    assert [a.status_code for a in answers[20:]].count(200) == 1
    after = await detail(world.head, id)
    kept = {e["id"] for e in after["entries"] if e["kind"] == "note"}
    assert kept == {str(n) for n in notes}
    assert after["version"] == version + 1


async def test_a_note_sent_twice_is_one_and_its_id_is_nobody_elses(world: World) -> None:
    id, other, entry = await begun(world), await begun(world), ids.new()
    first = await world.inspector.put(
        f"/v1/complaints/{id}/notes/{entry}", content=encode({"text": "ครั้งแรก"})
    )
    again = await world.inspector.put(
        f"/v1/complaints/{id}/notes/{entry}", content=encode({"text": "ครั้งแรก"})
    )
    assert first.status_code == again.status_code == 200 and first.json() == again.json()
    for person, complaint, kind, text in (
        (world.inspector, id, "notes", "อีกอย่าง"),
        (world.head, id, "notes", "ครั้งแรก"),
        (world.inspector, other, "notes", "ครั้งแรก"),
        (world.inspector, id, "messages", "ครั้งแรก"),
    ):
        found = await person.put(
            f"/v1/complaints/{complaint}/{kind}/{entry}", content=encode({"text": text})
        )
        assert (found.status_code, found.json()["code"]) == (409, "complaints/entry-exists")


async def test_the_complainant_reads_messages_and_never_notes_or_calls(world: World) -> None:
    mine = secret()
    id = await begun(world, secret=mine)
    path = f"/v1/complaints/{id}"
    for kind, body in (
        ("messages", {"text": "เจ้าหน้าที่รับทราบแล้ว"}),
        ("notes", {"text": "ความลับระหว่างเจ้าหน้าที่"}),
        ("calls", {"reached": True, "text": "คุยแล้วเป็นความลับ"}),
    ):
        found = await world.inspector.put(f"{path}/{kind}/{ids.new()}", content=encode(body))
        assert found.status_code == 200, found.text
    seen = await own(world, mine, id)
    assert [(s["kind"], s["by"], s["text"]) for s in seen["said"]] == [
        ("message", "office", "เจ้าหน้าที่รับทราบแล้ว")
    ]
    assert "ความลับ" not in str(seen)


async def test_whoever_waits_for_a_call_is_listed_until_they_were_reached(world: World) -> None:
    id = ids.new()
    contact = {"phone": "0800000001", "callback": True}
    await tell(world.nobody, id, contact=contact)
    path = "/v1/complaints?callback=true&limit=100"

    async def waits() -> bool:
        return str(id) in (await world.head.get(path)).text

    assert await waits() and (await detail(world.head, id))["callback"]
    for reached in (False, True):
        assert await waits()
        made = {"reached": reached, "text": "โทรแล้ว"}
        call = await world["provincial-officer"].put(
            f"/v1/complaints/{id}/calls/{ids.new()}", content=encode(made)
        )
        assert call.status_code == 200, call.text
    assert not await waits()


# --- who is responsible ---------------------------------------------------------------------------


async def test_refusing_names_who_is_responsible_and_says_so(world: World) -> None:
    mine, id = secret(), ids.new()
    await tell(world.nobody, id, secret=mine)
    text = "เป็นเรื่องของถนน ไม่ใช่โรงงาน"
    for responsible, code in (
        ({}, "complaints/responsible-needed"),
        ({"outside": "  "}, "complaints/responsible-needed"),
        ({"office": await office(world, "pio-21")}, "complaints/forward-instead"),
    ):
        done = await do(world.head, id, "reject", {"text": text, "responsible": responsible})
        assert (done.status_code, done.json()["code"]) == (422, code)
    body = {"text": text, "responsible": {"outside": "กรมทางหลวง (ตัวอย่าง)"}}
    assert (await do(world.head, id, "reject", body)).json()["state"] == "rejected"
    seen = await own(world, mine, id)
    assert (seen["status"], seen["decision"]) == ("not_taken_up", text)
    assert seen["forwarded_to"] == "กรมทางหลวง (ตัวอย่าง)"
    assert await clock(world, id) is None


async def test_forwarded_to_another_office_it_leaves_ours_and_arrives_there(world: World) -> None:
    mine, id = secret(), ids.new()
    await tell(world.nobody, id, secret=mine)
    await do(world.head, id, "accept")
    rayong = await office(world, "pio-21")
    nowhere = {"text": "x", "province": "09", "responsible": {"office": await office(world, "diw")}}
    refused = await do(world.head, id, "forward", nowhere)
    assert (refused.status_code, refused.json()["code"]) == (422, "complaints/place-unknown")
    body = {"text": "โรงงานอยู่ระยอง", "responsible": {"office": rayong}}
    done = await do(world.head, id, "forward", body)
    assert done.status_code == 200, done.text
    assert (done.json()["office"], done.json()["place"]["province"]) == (str(rayong), "21")
    running = {c["kind"] for c in done.json()["clocks"] if c["met_at"] is None}
    assert running == {"first_action", "resolve"}, "nobody has acted yet"
    assert (await world.head.get(f"/v1/complaints/{id}")).status_code == 404
    elsewhere = world["inspector-elsewhere"]
    assert (await detail(elsewhere, id))["state"] == "forwarded"
    assert str(id) in (await elsewhere.get("/v1/complaints?limit=100")).text
    seen = await own(world, mine, id)
    assert (seen["status"], seen["forwarded_to"]) == ("in_progress", "")
    assert "ระยอง" in seen["office_th"] and seen["said"][-1]["text"] == "โรงงานอยู่ระยอง"
    feeds = {}
    async with world.db.read() as tx:
        for scope in ("province:11", "province:21"):
            sql = "select gone from change where record = $1 and scope = $2"
            feeds[scope] = await tx.value(sql, id, scope)
    assert feeds == {"province:11": True, "province:21": False}


async def test_forwarded_outside_it_stays_ours_to_end(world: World) -> None:
    mine, id = secret(), ids.new()
    await tell(world.nobody, id, secret=mine)
    await do(world.head, id, "accept")
    here = (await detail(world.head, id))["office"]
    for wrong in ({"office": here}, {"office": ids.new()}, {}, {"office": here, "outside": "x"}):
        done = await do(world.head, id, "forward", {"text": "x", "responsible": wrong})
        assert (done.status_code, done.json()["code"]) == (422, "complaints/responsible-needed")
    body = {"text": "ส่งต่อ", "responsible": {"outside": "กรมควบคุมมลพิษ"}}
    done = (await do(world.head, id, "forward", body)).json()
    assert (done["office"], done["forwarded_to"]) == (here, "กรมควบคุมมลพิษ")
    assert {c["kind"] for c in done["clocks"] if c["met_at"] is None} == {"resolve"}
    assert (await own(world, mine, id))["forwarded_to"] == "กรมควบคุมมลพิษ"
    closed = (await do(world.head, id, "close", {"text": "กรมควบคุมมลพิษรับแล้ว"})).json()
    assert (closed["state"], closed["outcome"]) == ("closed", "out_of_jurisdiction")
    assert (await own(world, mine, id))["status"] == "finished"


async def test_local_government_gets_it_only_while_it_is_appointed_for_such_a_factory(
    world: World,
) -> None:
    local = await office(world, "local-11-sample")
    small = await world.premises(class_=2)
    id = ids.new()
    await tell(world.nobody, id, factory={"premises": small})
    await do(world.head, id, "accept")
    body = {"text": "x", "responsible": {"office": local}}
    refused = await do(world.head, id, "forward", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "complaints/not-appointed")
    appointment = ids.new()
    async with world.db.begin() as tx:
        await tx.run(
            """
            insert into local_appointment (id, office, province, classes, instrument, valid_from)
            values ($1, $2, '11', '{1,2}', 'ประกาศตัวอย่าง', '2020-01-01')
            """,
            appointment,
            local,
        )
    try:
        here = await world.local_officer.get(f"/v1/complaints/{id}")
        assert here.status_code == 404  # of their province, and not of their office
        done = await do(world.head, id, "forward", body)
        assert done.status_code == 200, done.text
        assert (await detail(world.local_officer, id))["office"] == str(local)
        await world.work()
        inbox = (await world.local_officer.get("/v1/messages", params={"limit": 100})).json()
        told = [m["template"] for m in inbox["items"] if m["about"]["id"] == str(id)]
        assert "complaint.forwarded" in told, "its officers, for it has no triage"
        listed = (await world.local_officer.get("/v1/complaints?everywhere=true&limit=100")).json()
        assert {item["office"] for item in listed["items"]} == {str(local)}
        accepted = await do(world.local_officer, id, "accept")
        assert accepted.status_code == 200, accepted.text
        other = ids.new()
        await tell(world.nobody, other, factory={"premises": await world.premises(class_=3)})
        await do(world.head, other, "accept")
        refused = await do(world.head, other, "forward", body)
        assert refused.json()["code"] == "complaints/not-appointed"
    finally:
        async with world.db.begin() as tx:
            await tx.run(
                "update local_appointment set valid_to = '2020-01-02' where id = $1", appointment
            )


@pytest.mark.parametrize(
    ("who", "fit"),
    [
        ("inspector", True),
        ("inspector-2", True),
        ("department", True),
        ("provincial-officer", True),
        ("inspector-elsewhere", False),
        ("local-officer", False),
        ("ministry", False),
        ("auditor", False),
        ("citizen", False),
        ("operator", False),
    ],
)
async def test_it_is_given_only_to_an_officer_who_may_act_there(
    world: World, who: str, fit: bool
) -> None:
    id = ids.new()
    await tell(world.nobody, id)
    await do(world.head, id, "accept")
    done = await do(world.head, id, "assign", {"officer": world[who].account})
    assert done.status_code == (200 if fit else 422), done.text
    if not fit:
        assert done.json()["code"] == "complaints/officer-unfit"
    else:
        again = await do(world.head, id, "assign", {"officer": world.inspector.account})
        assert (again.json()["state"], again.json()["assigned"]) == (
            "assigned",
            str(world.inspector.account),
        )


# --- waiting for the complainant ------------------------------------------------------------------


async def test_clocks_stand_still_while_the_complainant_is_asked_and_no_longer(
    world: World,
) -> None:
    mine = secret()
    id = await begun(world, secret=mine)
    running = await clock(world, id)
    assert running is not None
    entry = ids.new()
    asked = await do(world.inspector, id, "ask", {"id": entry, "text": "กลิ่นมาเวลาใด"})
    assert (asked.json()["state"], asked.json()["next_due"]) == ("awaiting_info", None)
    assert await clock(world, id) is None
    seen = await own(world, mine, id)
    assert seen["status"] == "waiting_for_you" and seen["said"][-1]["id"] == str(entry)
    told = await do(world.inspector, id, "inform", {"id": ids.new(), "text": "โทรมาแจ้งว่าสี่ทุ่ม"})
    assert told.json()["state"] == "in_progress" and told.json()["paused_at"] is None
    again = await clock(world, id)
    assert again is not None and again >= running


# --- merging --------------------------------------------------------------------------------------


async def test_whoever_told_a_duplicate_follows_the_one_that_goes_on(world: World) -> None:
    mine, id = secret(), ids.new()
    target = await begun(world)
    await tell(world.nobody, id, secret=mine)
    merged = await do(world.head, id, "merge", {"into": target, "text": "เรื่องเดียวกัน"})
    assert (merged.json()["state"], merged.json()["merged_into"]) == ("duplicate", str(target))
    seen = await own(world, mine, id)
    assert (seen["status"], seen["decision"], seen["said"]) == ("in_progress", "", [])
    assert "merged" not in seen
    assert (await detail(world.head, target))["duplicates"] == [str(id)]
    await do(world.inspector, target, "ask", {"id": ids.new(), "text": "ถามอีกคน"})
    seen = await own(world, mine, id)
    assert seen["status"] == "in_progress", "nobody asked them"
    assert "ถามอีกคน" not in str(seen)
    await do(world.inspector, target, "inform", {"id": ids.new(), "text": "ตอบแล้ว"})
    await do(world.inspector, target, "resolve", {"outcome": "substantiated", "text": "แก้แล้ว"})
    seen = await own(world, mine, id)
    assert (seen["status"], seen["outcome"]) == ("finished", "substantiated")
    assert "แก้แล้ว" not in str(seen) and "substantiated" in seen["decision"]


async def test_there_is_no_chain_and_no_circle_of_duplicates(world: World) -> None:
    a, b, c, far = [ids.new() for _ in range(4)]
    for id in (a, b, c):
        await tell(world.nobody, id)
    await tell(world.nobody, far, place={"province": "21"})

    async def merge(id: UUID, into: UUID) -> tuple[int, str]:
        done = await do(world.head, id, "merge", {"into": into, "text": "x"})
        return done.status_code, done.json().get("code", "")

    impossible = (422, "complaints/merge-impossible")
    assert await merge(a, a) == impossible
    assert await merge(a, ids.new()) == impossible
    assert await merge(a, far) == impossible, "another province's"
    assert (await merge(a, b))[0] == 200
    assert await merge(c, a) == impossible, "a duplicate takes no others"
    assert (await merge(b, c))[0] == 200
    assert await merge(c, b) == impossible and await merge(c, a) == impossible
    found = await detail(world.head, c)
    assert found["duplicates"] == sorted(map(str, (a, b)))
    assert (await detail(world.head, a))["merged_into"] == str(c)


async def test_merges_of_everything_into_each_other_at_once_end_without_a_chain(
    world: World,
) -> None:
    known = [ids.new() for _ in range(4)]
    for id in known:
        await tell(world.nobody, id)
    answers = await asyncio.gather(
        *(
            do(world.head, id, "merge", {"into": into, "text": "x"})
            for id in known
            for into in known
        )
    )
    assert {a.status_code for a in answers} <= {200, 409, 422}, [a.text for a in answers]
    async with world.db.read() as tx:
        chains = await tx.value(
            """
            select count(*) from complaint a join complaint b on b.id = a.merged_into
            where b.merged_into is not null
            """
        )
        left = await tx.value(
            "select count(*) from complaint where id = any ($1) and merged_into is null", known
        )
    assert (chains, left >= 1) == (0, True)


async def test_reopened_by_a_head_it_waits_for_somebody_with_a_clock_of_its_own(
    world: World,
) -> None:
    id = await begun(world)
    await do(world.inspector, id, "resolve", {"outcome": "no_evidence", "text": "ไม่พบ"})
    assert (await do(world.inspector, id, "reopen", {"text": "x"})).status_code == 403
    for times in (1, 2):
        again = (await do(world.head, id, "reopen", {"text": "มีหลักฐานใหม่"})).json()
        assert (again["state"], again["assigned"], again["outcome"]) == ("reopened", None, None)
        assert again["reopened"] == times
        running = [c for c in again["clocks"] if c["met_at"] is None]
        assert [c["kind"] for c in running] == ["answer_reopened"]
        assert await clock(world, id) is not None
        await do(world.head, id, "assign", {"officer": world.inspector.account})
        await do(world.inspector, id, "begin")
        done = await do(world.inspector, id, "resolve", {"outcome": "substantiated", "text": "พบ"})
        assert done.json()["state"] == State.resolved
    assert await clock(world, id) is None
