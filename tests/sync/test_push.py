"""Pushes: identity, replays, merging, and what happens to data that is odd or not understood."""

from __future__ import annotations

import asyncio
import gzip
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from api import ids
from api.db import Database
from tests.world import World, answer, encode, gate, now, record, submit


async def count(db: Database, sql: str, *args: Any) -> int:
    async with db.read() as tx:
        found: int = await tx.value(sql, *args)
    return found


def codes(result: dict[str, Any]) -> set[str]:
    return {flag["code"] for flag in result.get("flags", [])}


async def test_thirty_two_identical_pushes_at_once_are_stored_once_with_one_receipt(
    world: World, db: Database
) -> None:
    visit = await world.plan()
    op = record(visit, start=gate(), answers=[answer("E08", "fail"), answer("H04", 7.1)])
    results = await asyncio.gather(*(world.inspector.push(op) for _ in range(32)))
    flat = [r[0] for r in results]
    assert {r["status"] for r in flat} <= {"stored", "flagged"}
    assert len({r["receipt"] for r in flat}) == 1
    assert sum(not r.get("replayed", False) for r in flat) == 1
    assert await count(db, "select count(*) from operation where id = $1", op["id"]) == 1
    assert await count(db, "select count(*) from answer where visit = $1", visit) == 2
    assert await count(db, "select count(*) from finding where visit = $1", visit) == 1
    assert (
        await count(
            db,
            "select count(*) from event where record = $1 and name = 'visit.recorded'",
            visit,
        )
        == 1
    )


async def test_a_replay_returns_the_first_result_after_everything_has_changed(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "fail")])
    (first,) = await world.inspector.push(op)
    await world.inspector.push(
        record(visit, answers=[answer("E08", "pass", base=op["id"], reason="ย้ายสิ่งกีดขวางแล้ว")])
    )
    await world.inspector.push(submit(visit))
    (again,) = await world.inspector.push(op)
    assert again == first | {"replayed": True}


async def test_the_same_operation_id_with_other_content_is_refused_and_says_where(
    world: World,
) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "pass")])
    await world.inspector.push(op)
    op["answers"][0]["value"] = "fail"
    (result,) = await world.inspector.push(op)
    assert result["status"] == "rejected"
    assert result["problem"]["code"] == "sync/operation-differs"
    assert result["problem"]["differs"] == ["$.answers[0].value"]


async def test_the_same_content_in_another_layout_is_a_replay(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "pass")])
    await world.inspector.push(op)
    (again,) = await world.inspector.push(dict(reversed(op.items())))
    assert again["replayed"]


async def test_somebody_elses_operation_id_is_not_found(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "pass")])
    await world.inspector.push(op)
    (result,) = await world.inspector_2.push(op)
    assert result["problem"]["code"] == "sync/no-such-operation"
    assert "differs" not in result["problem"]


async def test_batches_that_touch_the_same_visits_in_opposite_orders_all_succeed(
    world: World,
) -> None:
    visits = [await world.begun() for _ in range(3)]

    async def push(who: str, order: list[UUID], turn: int) -> list[dict[str, Any]]:
        item = "E08" if who == "inspector" else "B10"
        ops = [record(v, answers=[answer(item, "pass", note=f"{turn}")]) for v in order]
        return await world[who].push(*ops)

    every = await asyncio.gather(
        *(push("inspector", visits, n) for n in range(6)),
        *(push("inspector-2", visits[::-1], n) for n in range(6)),
    )
    assert {r["status"] for results in every for r in results} <= {"stored", "flagged"}


async def test_an_operation_that_cannot_be_understood_does_not_stop_the_rest(world: World) -> None:
    visit = await world.begun()
    results = await world.inspector.push(
        record(visit, answers=[answer("B10", "pass")]),
        {"op": "visit.dance", "id": ids.new(), "visit": visit},
        {"op": "visit.record", "id": "no id", "visit": visit},
        {"op": "visit.record", "id": ids.new(), "visit": visit, "contract": 99},
        record(visit, answers=[answer("B11", "pass")]),
    )
    assert [r["status"] for r in results] == ["stored"] + ["rejected"] * 3 + ["stored"]
    assert [r["problem"]["code"] for r in results[1:4]] == [
        "sync/operation-unreadable",
        "sync/operation-unreadable",
        "sync/contract-unknown",
    ]


async def test_a_refused_operation_is_kept_and_its_id_may_be_sent_again(
    world: World, db: Database
) -> None:
    visit = await world.begun()
    op = {"op": "visit.dance", "id": ids.new(), "visit": visit}
    await world.inspector.push(op)
    kept = "select count(*) from refused_operation where problem = 'sync/operation-unreadable'"
    assert await count(db, kept) >= 1
    (mended,) = await world.inspector.push(op | {"op": "visit.record", "answers": []})
    assert mended["status"] == "stored"


async def test_parts_with_wrong_types_are_flagged_and_the_rest_is_kept(world: World) -> None:
    visit = await world.begun()
    op = record(
        visit,
        answers=[
            answer("E08", "pass"),
            {"item": "H04", "value": 7.0, "answered_at": "yesterday"},
            {"item": 17, "value": "pass"},
            "not an answer",
        ],
        outcome="evaporated",
        unknown_field={"kept": True},
    )
    (result,) = await world.inspector.push(op)
    assert result["status"] == "flagged"
    assert {"answer.unreadable", "field.unreadable"} <= codes(result)
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert {a["item"]: a["value"] for a in seen["answers"]} == {"E08": "pass", "H04": 7.0}


@pytest.mark.parametrize(
    ("item", "value", "code"),
    [
        ("H04", 71.5, "value.impossible"),
        ("H04", "seven", "value.wrong_type"),
        ("E08", "perhaps", "value"),
        ("Z99", "pass", "item.unknown"),
        ("E06", "2999-01-01", "value"),
    ],
)
async def test_an_impossible_answer_is_stored_with_its_flag(
    world: World, item: str, value: object, code: str
) -> None:
    visit = await world.begun()
    (result,) = await world.inspector.push(record(visit, answers=[answer(item, value)]))
    assert result["status"] == "flagged"
    assert any(c.startswith(code) for c in codes(result)), result
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [a["value"] for a in seen["answers"]] == [value]


async def test_a_nul_in_a_note_is_replaced_and_flagged(world: World) -> None:
    visit = await world.begun()
    note = "a\x00b \\u0000 stays"
    op = record(visit, answers=[answer("E08", "pass", note=note)])
    (result,) = await world.inspector.push(op)
    assert "text.nul" in codes(result)
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert seen["answers"][0]["note"] == "a\ufffdb \\u0000 stays"


async def test_fifty_one_operations_are_too_many_and_none_is_stored(
    world: World, db: Database
) -> None:
    visit = await world.begun()
    ops = [record(visit, answers=[answer("E08", "pass")]) for _ in range(51)]
    refused = await world.inspector.post("/v1/sync", content=encode({"operations": ops}))
    assert refused.status_code == 422
    assert refused.json()["code"] == "sync/too-many-operations"
    assert await count(db, "select count(*) from answer where visit = $1", visit) == 0


async def test_a_compressed_push_is_stored_like_a_plain_one(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "pass")])
    done = await world.inspector.post(
        "/v1/sync",
        content=gzip.compress(encode({"operations": [op]})),
        headers={"Content-Encoding": "gzip"},
    )
    assert done.json()["results"][0]["status"] == "stored"


async def test_officers_who_fill_different_sections_both_stand(world: World) -> None:
    visit = await world.begun()
    await asyncio.gather(
        world.inspector.push(record(visit, answers=[answer("E08", "fail")])),
        world.inspector_2.push(record(visit, answers=[answer("B10", "pass")])),
    )
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [(a["item"], a["value"]) for a in seen["answers"]] == [("B10", "pass"), ("E08", "fail")]


async def test_a_conflict_keeps_both_answers_until_the_lead_settles_it(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, answers=[answer("E08", "pass")]))
    (second,) = await world.inspector_2.push(record(visit, answers=[answer("E08", "fail")]))
    assert (second["status"], second["conflicts"]) == ("conflict", ["E08"])
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    (held,) = seen["answers"]
    assert held["conflict"]
    assert {held["value"], held["others"][0]["value"]} == {"pass", "fail"}
    assert seen["findings"][0]["in_conflict"]
    both = [held["operation"], held["others"][0]["operation"]]
    settle = {"op": "visit.settle", "visit": visit, "item": "E08", "supersedes": both}
    settle |= {"value": "fail", "reason": "ตรวจซ้ำด้วยกันแล้ว"}
    (refused,) = await world.inspector_2.push(settle | {"id": ids.new()})
    assert refused["problem"]["code"] == "inspection/not-lead"
    (settled,) = await world.inspector.push(settle | {"id": ids.new()})
    assert settled["status"] == "stored", settled
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [(a["value"], a.get("conflict", False)) for a in seen["answers"]] == [("fail", False)]
    assert not seen["findings"][0]["in_conflict"]


async def test_settling_what_is_no_conflict_is_refused(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "pass")])
    await world.inspector.push(op)
    settle = {"op": "visit.settle", "id": ids.new(), "visit": visit, "item": "E08"}
    (refused,) = await world.inspector.push(settle | {"supersedes": [op["id"]], "value": "fail"})
    assert refused["problem"]["code"] == "inspection/nothing-to-settle"


async def test_a_fail_that_becomes_a_pass_without_a_reason_is_flagged(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "fail")])
    await world.inspector.push(op)
    (result,) = await world.inspector.push(
        record(visit, answers=[answer("E08", "pass", base=op["id"])])
    )
    assert "change.without_reason" in codes(result)
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert seen["answers"][0]["was_fail"]
    assert [f["state"] for f in seen["findings"]] == ["withdrawn"]


async def test_a_withdrawn_finding_is_raised_again_as_the_same_finding(world: World) -> None:
    visit = await world.begun()
    ops = [record(visit, answers=[answer("E08", value)]) for value in ("fail", "pass", "fail")]
    states = []
    for op in ops:
        await world.inspector.push(op)
        seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
        states.append([(f["id"], f["state"]) for f in seen["findings"]])
    assert [s[0][1] for s in states] == ["open", "withdrawn", "open"]
    assert len({s[0][0] for s in states}) == 1


async def test_a_colleague_who_comes_back_into_signal_after_submission_loses_nothing(
    world: World,
) -> None:
    visit = await world.begun()
    await world.inspector.push(submit(visit))
    (late,) = await world.inspector_2.push(record(visit, answers=[answer("E08", "fail")]))
    assert "arrived.late" in codes(late)
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert [f["item"] for f in seen["findings"]] == ["E08"]


async def test_only_the_team_records_a_visit(world: World) -> None:
    visit = await world.plan(team=[])
    (refused,) = await world.inspector_2.push(record(visit, start=gate()))
    assert refused["problem"]["code"] == "inspection/not-on-team"


async def test_an_inspector_of_another_province_finds_no_such_visit(world: World) -> None:
    visit = await world.begun()
    (refused,) = await world.inspector_elsewhere.push(
        record(visit, answers=[answer("E08", "pass")])
    )
    assert refused["problem"]["code"] == "inspection/no-such-visit"
    assert (await world.inspector_elsewhere.get(f"/v1/visits/{visit}")).status_code == 404


@pytest.mark.parametrize("first", ["inspector", "inspector-2"])
async def test_an_unplanned_visit_is_the_same_whoever_is_heard_first(
    world: World, first: str
) -> None:
    visit, site = ids.new(), await world.premises()
    lead = world.inspector.account
    start = gate(now() - timedelta(hours=1))
    common = {"premises": site, "lead": lead, "team": [lead, world.inspector_2.account]}
    ops = {
        "inspector": record(visit, **common, start=start, answers=[answer("E08", "fail")]),
        "inspector-2": record(visit, **common, start=start, answers=[answer("B10", "pass")]),
    }
    second = "inspector-2" if first == "inspector" else "inspector"
    for who in (first, second):
        (result,) = await world[who].push(ops[who])
        assert result["status"] in ("stored", "flagged"), result
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert seen["lead"] == str(lead)
    assert [a["item"] for a in seen["answers"]] == ["B10", "E08"]
    assert seen["state"] == "under_way"


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (gate() | {"position": {"lat": 13.6, "lng": 100.6, "mock": True}}, "position.mock"),
        (gate(lat=18.8, lng=98.9), "position.far"),
        (gate(lat=99.0), "position.impossible"),
        (gate() | {"position": None}, "position.missing"),
        (gate(now() + timedelta(hours=3)), "clock.ahead"),
        (gate(now() - timedelta(days=60)), "clock.long_ago"),
        (
            gate()
            | {
                "position": {
                    "lat": 13.6,
                    "lng": 100.6,
                    "taken_at": now() - timedelta(days=2),
                }
            },
            "position.other_time",
        ),
        (
            {
                "at": "2026-11-20T02:30:00+07:00",
                "position": {"lat": 13.6, "lng": 100.6},
                "working_hours": {"start": "08:00", "end": "17:00"},
            },
            "hours.outside",
        ),
    ],
)
async def test_a_start_that_cannot_be_right_is_flagged_and_kept(
    world: World, start: dict[str, Any], code: str
) -> None:
    visit = await world.plan()
    (result,) = await world.inspector.push(record(visit, start=start))
    assert result["status"] == "flagged"
    assert code in codes(result), result["flags"]
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert seen["state"] == "under_way"
    assert code in {flag["code"] for flag in seen["flags"]}


async def test_an_entry_at_night_in_the_plants_hours_is_not_flagged_for_its_hour(
    world: World,
) -> None:
    visit = await world.plan()
    start = {
        "at": "2026-11-20T02:30:00+07:00",
        "position": {"lat": 13.6, "lng": 100.6},
        "working_hours": {"start": "20:00", "end": "05:00"},
    }
    (result,) = await world.inspector.push(record(visit, start=start))
    assert "hours.outside" not in codes(result)


async def test_a_laboratory_result_comes_after_acceptance_and_is_no_amendment(
    world: World,
) -> None:
    visit = await world.begun()
    waiting = answer("H05", {"awaiting": "laboratory", "sample": "W-1"})
    await world.inspector.push(record(visit, answers=[waiting], outcome="inspected"))
    await world.inspector.push(submit(visit))
    await accepted(world, visit)
    late = {"op": "visit.add_result", "visit": visit, "item": "H05", "value": 84.0}
    late |= {"laboratory": "ห้องปฏิบัติการตัวอย่าง", "report_no": "R-1", "reported_at": now()}
    (result,) = await world.inspector.push(late | {"id": ids.new()})
    assert result["status"] in ("stored", "flagged"), result
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert seen["state"] == "accepted"
    assert [(f["item"], f["state"]) for f in seen["findings"]] == [("H05", "needs_confirmation")]
    (twice,) = await world.inspector.push(late | {"id": ids.new()})
    assert twice["problem"]["code"] == "inspection/not-awaiting"


async def test_after_acceptance_nothing_is_settled_or_submitted(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(submit(visit))
    await accepted(world, visit)
    before = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    settle = {"op": "visit.settle", "id": ids.new(), "visit": visit, "item": "E08"}
    refused = await world.inspector.push(
        settle | {"supersedes": [ids.new()], "value": "pass"}, submit(visit)
    )
    assert {r["problem"]["code"] for r in refused} == {"inspection/visit-sealed"}
    assert (await world.inspector.get(f"/v1/visits/{visit}")).json() == before


async def test_receipts_cover_everything_sent_and_verify_with_the_public_key(world: World) -> None:
    visit = await world.begun()
    ops = [record(visit, answers=[answer("E08", "pass", note=str(n))]) for n in range(3)]
    sent = {str(op["id"]) for op in ops}
    await world.inspector.push(*ops)
    held, cursor = {}, None
    while True:
        params = {"limit": "40"} | ({"cursor": cursor} if cursor else {})
        page = (await world.inspector.get("/v1/sync/receipts", params=params)).json()
        held |= {r["id"]: r["receipt"] for r in page["items"]}
        cursor = page["next"]
        if cursor is None:
            break
    assert sent <= held.keys()
    known = (await world.nobody.get("/.well-known/jwks.json")).json()
    keys = {k.key_id: k for k in jwt.PyJWKSet.from_dict(known).keys}
    for id in sent:
        kid = jwt.get_unverified_header(held[id])["kid"]
        claims = jwt.decode(held[id], keys[kid], algorithms=["EdDSA"])
        assert claims["operation"] == id


async def accepted(world: World, visit: UUID) -> None:
    """The head takes the visit up and accepts it."""
    for step in ("take-up", "accept"):
        version = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
        body = {"json": {"note": ""}} if step == "accept" else {}
        done = await world.head.post(f"/v1/visits/{visit}/{step}", version=version, **body)
        assert done.status_code == 200, done.text
