"""What a broken or hostile phone sends: kept and flagged, or refused alone; never a fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api import ids
from api.db import Database, Tx
from api.inspection.visits import field
from api.inspection.visits.operations import MAX_ANSWERS, RecordVisit
from api.sync import service
from tests.sync.test_push import codes
from tests.world import Person, World, answer, encode, gate, record


async def push_bytes(who: Person, *operations: bytes) -> list[dict[str, Any]]:
    """Pushes operations that no encoder of ours would write."""
    body = b'{"operations":[' + b",".join(operations) + b"]}"
    done = await who.post("/v1/sync", content=body)
    assert done.status_code == 200, done.text
    results: list[dict[str, Any]] = done.json()["results"]
    assert len(results) == len(operations)
    return results


@pytest.mark.parametrize(
    ("damaged", "kept", "code"),
    [
        (rb"cut \ud83d here", "cut \ufffd here", "text.damaged"),
        (rb"low \udE00", "low \ufffd", "text.damaged"),
        (rb"whole \ud83d\ude00, half \ud83d", "whole \U0001f600, half \ufffd", "text.damaged"),
        (rb"escaped \\ud83d, half \ud83d", "escaped \\ud83d, half \ufffd", "text.damaged"),
        (b"nul \0 byte", "nul \ufffd byte", "text.damaged"),
        ("ก".encode("cp874"), "\ufffd", "text.damaged"),
    ],
)
async def test_damaged_text_is_mended_and_flagged_and_stops_nothing(
    world: World, damaged: bytes, kept: str, code: str
) -> None:
    visit = await world.begun()
    whole = encode(record(visit, answers=[answer("B10", "pass", note="ครบ")]))
    torn = encode(record(visit, answers=[answer("E08", "pass", note="NOTE")]))
    first, second = await push_bytes(world.inspector, torn.replace(b"NOTE", damaged), whole)
    assert first["status"] == "flagged"
    assert code in codes(first)
    assert second["status"] == "stored", "the other operation is not damaged"
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert {a["item"]: a["note"] for a in seen["answers"]} == {"B10": "ครบ", "E08": kept}


async def test_a_damaged_push_sent_twice_is_a_replay(world: World) -> None:
    visit = await world.begun()
    torn = encode(record(visit, answers=[answer("E08", "pass", note="NOTE")]))
    torn = torn.replace(b"NOTE", rb"\ud83d")
    (first,) = await push_bytes(world.inspector, torn)
    (again,) = await push_bytes(world.inspector, torn)
    assert again == first | {"replayed": True}


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"1" + b"0" * 5000])
async def test_a_number_that_no_machine_holds_is_kept_as_text_and_flagged(
    world: World, number: bytes
) -> None:
    visit = await world.begun()
    op = encode(record(visit, answers=[answer("H04", "NUMBER"), answer("E08", "pass")]))
    (result,) = await push_bytes(world.inspector, op.replace(b'"NUMBER"', number))
    assert "value.wrong_type" in codes(result), result
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert {a["item"] for a in seen["answers"]} == {"E08", "H04"}


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-12:00",
    ],
)
async def test_a_time_at_the_end_of_the_calendar_is_left_out_and_flagged(
    world: World, moment: str
) -> None:
    visit = await world.plan()
    start = gate() | {"at": moment}
    op = record(visit, start=start, answers=[answer("E08", "fail")], ended_at=moment)
    op["answers"][0]["answered_at"] = moment
    (result,) = await world.inspector.push(op)
    where = [f["facts"] for f in result["flags"] if f["code"] == "time.impossible"]
    assert where == [{"field": "ended_at"}, {"field": "start"}, {"item": "E08"}]
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [a["value"] for a in seen["answers"]] == ["fail"]
    assert seen["state"] == "under_way"


@pytest.mark.parametrize("start", ["08:00+07:00", "08:00Z", "24:00", "", "soon"])
async def test_working_hours_that_are_no_wall_clocks_time_do_not_cover_a_night(
    world: World, start: str
) -> None:
    visit = await world.plan()
    at = {"at": "2026-11-20T02:30:00+07:00", "working_hours": {"start": start, "end": "07:00"}}
    (result,) = await world.inspector.push(record(visit, start=at))
    assert "hours.outside" in codes(result)


async def test_answers_that_replace_each_other_in_a_circle_are_kept(world: World) -> None:
    visit = await world.begun()
    one, other = ids.new(), ids.new()
    await world.inspector.push(record(visit, id=one, answers=[answer("E08", "pass", base=other)]))
    (second,) = await world.inspector.push(
        record(visit, id=other, answers=[answer("E08", "fail", base=one)])
    )
    assert second["status"] == "conflict", "claims in a circle count for nothing"
    (third,) = await world.inspector_2.push(
        record(visit, id=(mine := ids.new()), answers=[answer("B10", "pass", base=mine)]),
    )
    assert "base.unknown" in codes(third)
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert {a["item"]: a["value"] for a in seen["answers"]} == {"E08": "fail", "B10": "pass"}


async def test_a_persons_name_in_the_wrong_place_does_not_stand_in_a_flag(
    world: World, db: Database
) -> None:
    visit, name = await world.begun(), "นางสาวตัวอย่าง 'ผิดช่อง"
    wrong = record(
        visit,
        representative={"presence": name, "name": name},
        answers=[answer("E08", "pass"), {"item": "B10", "answered_at": name}],
    )
    (result,) = await world.inspector.push(wrong)
    assert {"field.unreadable", "answer.unreadable"} <= codes(result)
    assert name not in json.dumps(result, ensure_ascii=False)
    (refused,) = await world.inspector.push({"op": name, "id": ids.new(), "visit": visit})
    assert name not in json.dumps(refused, ensure_ascii=False)
    async with db.read() as tx:
        kept = await tx.value(
            """
            select count(*) from operation o, visit v
            where v.id = $1 and o.record = v.id
                and (o.result::text || v.flags::text) like '%' || $2 || '%'
            """,
            visit,
            name,
        )
    assert kept == 0


async def test_a_fault_in_one_operation_is_a_retry_and_the_rest_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await world.begun()

    async def faulty(tx: Tx, op: RecordVisit, *rest: Any) -> field.Applied:
        done = await field.record_visit(tx, op, *rest)
        if op.answers[0].note == "fault":
            raise IndexError("after it was written")
        return done

    monkeypatch.setitem(service.VERBS, "visit.record", (RecordVisit, faulty))
    bad = record(visit, answers=[answer("E08", "fail", note="fault")])
    results = await world.inspector.push(
        record(visit, answers=[answer("B10", "pass")]),
        bad,
        record(visit, answers=[answer("B11", "pass")]),
    )
    assert [r["status"] for r in results] == ["stored", "retry", "stored"]
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [a["item"] for a in seen["answers"]] == ["B10", "B11"]
    assert seen["findings"] == []
    monkeypatch.undo()
    (again,) = await world.inspector.push(bad)
    assert (again["status"], again.get("replayed", False)) == ("stored", False)


async def test_a_refused_operation_is_found_by_its_own_id(world: World, db: Database) -> None:
    visit, op = await world.begun(), ids.new()
    dance = {"op": "visit.dance", "id": op, "visit": visit}
    for who, times in ((world.inspector, 3), (world.inspector_2, 1)):
        for _ in range(times):
            (result,) = await who.push(dance)
            assert result["id"] == str(op)
    async with db.read() as tx:
        kept = await tx.values("select account from refused_operation where operation = $1", op)
    assert len(kept) == 2
    assert set(kept) == {world.inspector.account, world.inspector_2.account}


async def test_an_id_sent_twice_in_one_push_counts_once(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "fail")])
    other = op | {"answers": [answer("E08", "pass")]}
    first, second, third = await world.inspector.push(op, op, other)
    assert first["status"] == "stored"
    assert second == first | {"replayed": True}
    assert third["problem"]["code"] == "sync/operation-differs"


@pytest.mark.parametrize("unreadable", [False, True])
async def test_more_answers_than_any_checklist_has_are_refused_and_kept(
    world: World, db: Database, unreadable: bool
) -> None:
    visit = await world.begun()
    part = {"item": "E08", "value": "pass"}
    many = record(visit, answers=[part] * MAX_ANSWERS + [{"item": 17} if unreadable else part])
    whole = record(visit, answers=[answer("B10", "pass")])
    refused, stored = await world.inspector.push(many, whole)
    assert refused["problem"]["code"] == "inspection/too-many-answers"
    assert (refused["problem"]["count"], refused["problem"]["limit"]) == (2001, 2000)
    assert stored["status"] == "stored"
    async with db.read() as tx:
        kept = await tx.values(
            "select problem from refused_operation where operation = $1", many["id"]
        )
    assert kept == ["inspection/too-many-answers"]
    (taken,) = await world.inspector.push(many | {"answers": [part] * MAX_ANSWERS})
    assert taken["status"] == "flagged"
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert [a["item"] for a in seen["answers"]] == ["B10", "E08"]


async def test_a_flood_of_flags_is_told_to_the_phone_and_counted_at_the_visit(
    world: World,
) -> None:
    visit = await world.begun()
    before = len((await world.head.get(f"/v1/visits/{visit}")).json()["flags"])
    flood = [{"item": f"Z{n}", "note": 1} for n in range(100)]
    (result,) = await world.inspector.push(record(visit, answers=flood))
    assert sum(f["code"] == "answer.unreadable" for f in result["flags"]) == 100
    flags = (await world.head.get(f"/v1/visits/{visit}")).json()["flags"][before:]
    assert [f["code"] for f in flags] == ["answer.unreadable"] * 20 + ["flags.more"]
    assert flags[-1]["facts"] == {"of": "answer.unreadable", "count": 80}


async def test_what_was_stored_is_replayed_although_its_contract_or_kind_has_been_retired(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await world.begun()
    op, later = (record(visit, answers=[answer("E08", "pass")]) for _ in range(2))
    (first,) = await world.inspector.push(op)
    with monkeypatch.context() as retired:
        retired.setattr(service, "CONTRACTS", (2, 3))
        again, refused = await world.inspector.push(op, later)
        assert again == first | {"replayed": True}
        assert refused["problem"]["code"] == "sync/contract-unknown"
        assert refused["problem"]["accepted"] == [2, 3]
        (foreign,) = await world.inspector_2.push(op)
        assert foreign["problem"]["code"] == "sync/no-such-operation"
    with monkeypatch.context() as retired:
        retired.delitem(service.VERBS, "visit.record")
        again, refused = await world.inspector.push(op, later)
        assert again == first | {"replayed": True}
        assert refused["problem"]["code"] == "sync/operation-unreadable"
    (stored,) = await world.inspector.push(later)
    assert stored["status"] == "stored"
