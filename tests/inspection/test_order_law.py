"""What a lawyer, and somebody who means harm, would ask of an order."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock, ids, workdays
from api.accounts.model import Power
from api.clock import BANGKOK
from api.db import Database
from api.inspection.orders import counting, serving
from api.permissions import Worker
from api.workdays import DayEdit
from tests.inspection.orders import (
    accepted,
    act,
    allow,
    draft,
    due,
    proof,
    read,
    serve,
    served,
    service,
    sign,
    signed,
)
from tests.inspection.test_orders import breached, due_passed, fire, missing, s39, today
from tests.world import World, do_jobs, encode, now


async def run(db: Database, sql: str, *values: Any) -> None:
    async with db.begin() as tx:
        await tx.run(sql, *values)


# --- what may be signed -------------------------------------------------------------------------


async def test_a_finding_in_an_order_in_force_is_ordered_by_no_other(world: World) -> None:
    visit = await accepted(world)
    first = await served(world, visit)
    second = await draft(world, visit)
    assert "ordered" in await missing(world, second)
    corrected = await draft(world, visit, corrects=first["id"])
    assert "ordered" not in await missing(world, corrected)


async def test_two_orders_about_one_finding_signed_at_once_leave_one(world: World) -> None:
    await allow(world, world.head)
    visit = await accepted(world)
    drafts = [await draft(world, visit) for _ in range(3)]
    done = await asyncio.gather(*(sign(world, d) for d in drafts))
    assert sorted(d.status_code for d in done) == [200, 409, 409], [d.text for d in done]


async def test_one_finding_twice_in_one_draft_is_refused(world: World) -> None:
    visit = await accepted(world)
    finding = visit["findings"][0]["id"]
    twice = [{"finding": finding, "required": "1"}, {"finding": finding, "required": "2"}]
    body = {
        "kind": "correct",
        "premises": visit["premises"],
        "licence": visit["licence"],
        "content": {"required": twice},
    }
    found = await world.inspector.put(f"/v1/orders/{ids.new()}", content=encode(body))
    assert (found.status_code, found.json()["code"]) == (422, "inspection/order-subject")


async def test_the_notice_of_appeal_tells_of_thirty_days(world: World) -> None:
    visit = await accepted(world)
    assert "appeal" in await missing(world, await draft(world, visit, appeal="ไม่มี"))


async def test_nobody_was_heard_tomorrow(world: World) -> None:
    ahead = (clock.bangkok_date(now()) + timedelta(days=1)).isoformat()
    heard = {"type": "heard", "heard_on": ahead, "said": "x"}
    assert "hearing" in await missing(
        world, await draft(world, await accepted(world), hearing=heard)
    )


async def test_a_draft_cannot_be_corrected_nor_an_order_of_another_kind(world: World) -> None:
    visit = await accepted(world)
    first = await draft(world, visit)
    assert "corrects" in await missing(world, await draft(world, visit, corrects=first["id"]))
    order = await served(world, await accepted(world))
    await allow(world, world.department, Power.stop_operation)
    stop = await s39(world, "stop", order)
    await run(
        world.db,
        "update legal_order set corrects = $2, basis = 'danger' where id = $1",
        UUID(stop["id"]),
        UUID(order["id"]),
    )
    assert "corrects" in await missing(world, stop)


async def test_a_resumption_without_its_stop_or_after_its_end_is_refused(
    world: World, db: Database
) -> None:
    order = await served(world)
    assert "follows" in await missing(world, await s39(world, "resume", order))
    await run(
        db,
        "update legal_order set kind = 'stop', state = 'revoked' where id = $1",
        UUID(order["id"]),
    )
    assert "follows" in await missing(world, await s39(world, "resume", order))


async def test_an_order_is_addressed_to_who_operates_when_it_is_signed(
    world: World, db: Database
) -> None:
    await allow(world, world.head)
    order = await draft(world, await accepted(world))
    licence = UUID(order["licence"])
    async with db.read() as tx:
        former = await tx.value("select operator_company from licence where id = $1", licence)
        other = await tx.value("select id from company where id <> $1 limit 1", former)
    view = (await world.head.get(f"/v1/orders/{order['id']}/signing")).json()
    await run(db, "update licence set operator_company = $2 where id = $1", licence, other)
    try:
        body = {"type": "fresh_authentication", "sha256": view["sha256"], "ticket": "x"}
        refused = await world.head.post(
            f"/v1/orders/{order['id']}/sign",
            content=encode({"signature": body}),
            version=order["version"],
        )
        assert refused.json()["code"] == "inspection/order-differs", refused.text
        assert (await sign(world, order)).status_code == 200
        await serve(world, order)
        path = f"/v1/company-orders/{order['id']}"
        assert (await world.operator.get(path)).status_code == 404
        assert (await world.stranger.get(path)).status_code == 200
    finally:
        await run(db, "update licence set operator_company = $2 where id = $1", licence, former)


async def test_the_class_at_the_signature_decides_whose_authority_it_takes(
    world: World, db: Database
) -> None:
    await allow(world, world.inspector_2, classes=[2])
    order = await draft(world, await accepted(world))
    await run(db, "update legal_order set class = 2 where id = $1", UUID(order["id"]))
    refused = await sign(world, order, world.inspector_2)
    assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")


async def test_what_is_ordered_under_section_39_the_head_does_not_undo(
    world: World, db: Database
) -> None:
    await allow(world, world.department, Power.stop_operation)
    draft39 = await s39(world, "stop", await breached(world, db))
    stop = (await sign(world, draft39, world.department)).json()
    await serve(world, stop)
    later = (clock.bangkok_date(now()) + timedelta(days=90)).isoformat()
    for verb, body in (("revoke", {"why": "x"}), ("extend", {"until": later, "reason": "x"})):
        refused = await act(world, stop, verb, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")
    refused = await act(world, stop, "comply", why="x")
    assert refused.json()["code"] == "inspection/order-kind"
    await fire(db, due(await read(world, stop)))
    assert (await read(world, stop))["state"] == "overdue", "a stop gives a time to mend too"
    for place in "123":
        notice = encode({"place": place, "at": now()})
        await world.inspector.put(f"/v1/orders/{stop['id']}/notices/{ids.new()}", content=notice)
    judged = await act(world, stop, "breach", wilful=True, serious_danger=True, reasons="x")
    assert judged.status_code == 200, judged.text


async def test_a_closure_takes_no_licence_from_somebody_else(world: World, db: Database) -> None:
    await allow(world, world.department, Power.stop_operation)
    draft39 = await s39(world, "stop", await breached(world, db))
    stop = (await sign(world, draft39, world.department)).json()
    await serve(world, stop)
    await run(
        db,
        """
        update legal_order set state = 'breached',
            breach = '{"wilful":true,"serious_danger":true,"reasons":"x"}' where id = $1
        """,
        UUID(stop["id"]),
    )
    await due_passed(db, stop)
    closing = await sign(world, await s39(world, "close", stop, days=None), world.department)
    assert closing.status_code == 200, closing.text
    licence = UUID(stop["licence"])
    async with db.read() as tx:
        former = await tx.value("select operator_company from licence where id = $1", licence)
    await run(db, "update licence set operator_company = null where id = $1", licence)
    try:
        told = (await serve(world, closing.json())).json()
        assert "service.operator_changed" in {f["code"] for f in told["flags"]}
        async with db.read() as tx:
            status = await tx.value("select status from licence where id = $1", licence)
        assert status == "operating"
    finally:
        await run(db, "update licence set operator_company = $2 where id = $1", licence, former)


async def test_ink_on_paper_signs_with_its_scan(world: World, db: Database) -> None:
    await allow(world, world.head)
    order = await draft(world, await accepted(world))
    view = (await world.head.get(f"/v1/orders/{order['id']}/signing")).json()
    path = f"/v1/orders/{order['id']}/sign"
    for scan, status in ((ids.new(), 422), (await proof(world.head, db), 200)):
        ink = {"type": "wet_ink", "sha256": view["sha256"], "evidence": scan}
        done = await world.head.post(
            path, content=encode({"signature": ink}), version=order["version"]
        )
        assert done.status_code == status, done.text
    assert done.json()["number"]


async def test_a_signed_order_becomes_a_pdf(world: World, db: Database) -> None:
    order = await signed(world, measures="จัดอบรมคนงาน")
    await world.work()
    async with db.read() as tx:
        size = await tx.value(
            "select size from document_file where document = $1", UUID(order["document"])
        )
    assert size and size > 10_000


# --- service ------------------------------------------------------------------------------------


async def test_nothing_is_served_before_it_was_signed(world: World) -> None:
    order = await signed(world)
    told = (await serve(world, order, service(at=now() - timedelta(days=60)))).json()
    assert "service.before_signature" in {f["code"] for f in told["flags"]}
    seen = await read(world, order)
    assert seen["served_at"] == seen["signed_at"]


async def test_an_attempt_that_arrives_late_is_kept_and_shortens_nothing(world: World) -> None:
    order = await signed(world)
    earlier = clock.now()
    await serve(world, order)
    before = await read(world, order)
    late = await serve(world, order, service("adult", at=earlier))
    assert late.status_code == 200, late.text
    assert "service.before_the_one_that_counted" in {f["code"] for f in late.json()["flags"]}
    assert late.json()["counted_at"] is None
    after = await read(world, order)
    assert len(after["attempts"]) == 2
    for name in ("served_at", "due_at", "appeal_until"):
        assert after[name] == before[name]


async def test_of_two_postings_the_first_to_count_serves(world: World, db: Database) -> None:
    order = await signed(world)
    first = (await serve(world, order, service("posted"))).json()
    with clock.travel(timedelta(days=3)):
        await world.sign_in_again("inspector")
        second = (await serve(world, order, service("registered_post", at=clock.now()))).json()
    await world.sign_in_again("inspector")
    assert first["counts_at"] <= second["counts_at"]
    await fire(db, now() + timedelta(days=30))
    seen = await read(world, order)
    assert (seen["state"], seen["served_at"]) == ("served", first["counts_at"])
    assert [a["counted_at"] is not None for a in seen["attempts"]] == [True, False]


async def test_a_revoked_order_is_not_served_by_its_clock(world: World, db: Database) -> None:
    order = await signed(world)
    await serve(world, order, service("posted"))
    assert (await act(world, order, "revoke", why="x")).status_code == 200
    await fire(db, now() + timedelta(days=30))
    seen = await read(world, order)
    assert (seen["state"], seen["served_at"]) == ("revoked", None)
    late = await serve(world, order)
    assert {f["code"] for f in late.json()["flags"]} >= {"service.after_end"}


async def test_a_holiday_declared_late_moves_the_end_of_a_time_only_later(
    world: World, db: Database
) -> None:
    with clock.travel(datetime(2027, 9, 7, 10, tzinfo=BANGKOK) - now()):  # a Tuesday
        await world.sign_in_again("inspector")
        await world.sign_in_again("head")
        order = await signed(world, days=2)
        await serve(world, order, service(at=clock.now()))
        before = await read(world, order)
        for working, moved in ((False, 1), (True, 1)):
            async with db.begin(Worker("test")) as tx:
                await tx.run(
                    """
                    insert into special_day (day, working, name_th, declared_at)
                    values ('2027-09-09', $1, 'x', $2)
                    on conflict (day) do update set working = excluded.working
                    """,
                    working,
                    tx.now,
                )
                await serving.recount(tx, None)  # type: ignore[arg-type]
            await do_jobs(db)
            after = await read(world, order)
            gone = datetime.fromisoformat(after["due_at"]) - datetime.fromisoformat(
                before["due_at"]
            )
            assert gone == timedelta(days=moved)
    for key in ("inspector", "head"):
        await world.sign_in_again(key)


async def test_each_order_that_a_new_holiday_may_move_is_recounted_by_itself(
    world: World, db: Database
) -> None:
    served_on, posted = await served(world), await signed(world)
    await serve(world, posted, service("posted"))
    day = counting.last_day(datetime.fromisoformat(served_on["due_at"]))
    async with db.begin(Worker("test")) as tx:
        await workdays.declare(tx, day, DayEdit(False, "วันหยุดตัวอย่าง"))
        await serving.recount(tx, None)  # type: ignore[arg-type]
        jobs = await tx.values("select key from job where name = 'orders.recount_order'")
        assert {served_on["id"], posted["id"]} <= set(jobs) and len(jobs) == len(set(jobs))
        await tx.run("delete from special_day where day = $1", day)
    assert (await read(world, served_on))["due_at"] == served_on["due_at"], "not moved by the first"
    await do_jobs(db)


async def test_another_name_for_a_holiday_does_not_declare_it_anew(db: Database) -> None:
    async def declared(working: bool, name: str) -> datetime:
        async with db.begin(Worker("test")) as tx:
            await workdays.declare(tx, date(2031, 5, 7), DayEdit(working, name))
            sql = "select declared_at from special_day where day = '2031-05-07'"
            found: datetime = await tx.value(sql)
        return found

    first = await declared(False, "วันหยุดตัวอย่าง")
    assert await declared(False, "วันหยุดตัวอย่าง (แก้ชื่อ)") == first
    assert await declared(True, "วันทำงานตัวอย่าง") > first
    async with db.begin() as tx:
        await tx.run("delete from special_day where day = '2031-05-07'")


@pytest.mark.parametrize("field", ["place", "proof"])
async def test_a_service_without_a_place_or_a_name_is_none(world: World, field: str) -> None:
    order = await signed(world)
    empty: dict[str, Any] = {"place": " "} if field == "place" else {}
    if field == "proof":
        empty = {"proof": {"type": "signature", "name": " "}}
    assert (await serve(world, order, service(**empty))).status_code == 422


# --- the end ------------------------------------------------------------------------------------


async def test_the_visit_that_found_it_does_not_verify_it(world: World) -> None:
    visit = await accepted(world)
    order = await served(world, visit)
    finding = order["findings"][0]["finding"]
    for by in (visit["id"],):
        refused = await world.inspector.post(
            f"/v1/orders/{order['id']}/findings/{finding}/verify",
            content=encode({"visit": by, "corrected": True}),
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "inspection/order-subject")


async def test_a_verification_sent_twice_is_one_even_when_it_ended_the_order(world: World) -> None:
    visit = await accepted(world)
    order = await served(world, visit)
    again = await world.begun(UUID(visit["premises"]), reason="follow_up", follows=visit["id"])
    for finding in order["findings"]:
        for _ in range(2):
            done = await world.inspector.post(
                f"/v1/orders/{order['id']}/findings/{finding['finding']}/verify",
                content=encode({"visit": again, "corrected": True}),
            )
            assert done.status_code == 200, done.text
    assert done.json()["state"] == "complied"


async def test_an_order_obeyed_under_a_stay_ends_and_an_appeal_may_still_annul_it(
    world: World, db: Database
) -> None:
    order = await served(world)
    filed = encode({"filed_on": today(), "grounds": "x"})
    for _ in range(2):
        done = await world.head.put(f"/v1/orders/{order['id']}/appeal", content=filed)
        assert done.status_code == 200, done.text
    assert (await act(world, order, "stay", by="court", reference="1")).status_code == 200
    twice = await act(world, order, "stay", by="court", reference="1")
    assert twice.status_code == 409
    await run(
        db, "update order_finding set corrected = true where legal_order = $1", UUID(order["id"])
    )
    assert (await act(world, order, "comply", why="x")).status_code == 200
    annulled = await act(
        world, order, "appeal/decide", annulled=True, decided_on=today(), decision="x"
    )
    assert annulled.json()["state"] == "annulled", annulled.text
    document = await world.head.get(f"/v1/documents/{order['document']}")
    assert document.json()["force"] == "annulled"


async def test_an_extension_without_end_is_refused(world: World) -> None:
    order = await served(world)
    refused = await act(world, order, "extend", until="9999-12-31", reason="x")
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/order-date")


async def test_a_stay_on_a_day_whose_end_was_not_seen_yet_still_lets_the_clock_run(
    world: World, db: Database
) -> None:
    order = await served(world)
    over = due(order) + timedelta(hours=1)
    with clock.travel(over - now()):  # the time is over, and no clock has fired
        await world.sign_in_again("head")
        await act(world, order, "stay", by="court", reference="1")
        await act(world, order, "end-stay")
    await world.sign_in_again("head")
    await fire(db, over + timedelta(days=1))
    assert (await read(world, order))["state"] == "overdue"


async def test_the_document_is_the_companys_from_service_on(world: World) -> None:
    order = await signed(world)
    path = f"/v1/documents/{order['document']}"
    assert (await world.operator.get(path)).status_code == 404
    assert str(order["document"]) not in (await world.operator.get("/v1/documents")).text
    await serve(world, order)
    assert (await world.operator.get(path)).status_code == 200


async def test_a_claims_proofs_are_the_companys_own_and_seen_by_the_office(
    world: World, db: Database
) -> None:
    order = await served(world)
    path = f"/v1/company-orders/{order['id']}/corrections/"
    for photo in (ids.new(), await proof(world.inspector, db)):
        refused = await world.operator.put(
            path + str(ids.new()), content=encode({"evidence": [photo]})
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "inspection/order-evidence")
    photo, claim = await proof(world.operator, db), ids.new()
    assert (await world.inspector.get(f"/v1/evidence/{photo}")).status_code == 404
    said = await world.operator.put(
        path + str(claim), content=encode({"note": "x", "evidence": [photo]})
    )
    assert said.status_code == 200, said.text
    assert (await world.inspector.get(f"/v1/evidence/{photo}")).status_code == 200
    assert (await world.stranger.get(f"/v1/evidence/{photo}")).status_code in (403, 404)
    (seen,) = (await read(world, order))["claims"]
    assert (seen["note"], seen["evidence"]) == ("x", [str(photo)])
    other = await world.operator.put(path + str(claim), content=encode({"note": "y"}))
    assert (other.status_code, other.json()["code"]) == (409, "inspection/order-exists")


async def test_photographs_of_a_service_are_not_the_companys(world: World, db: Database) -> None:
    order = await signed(world)
    photo = await proof(world.inspector_2, db)  # of a colleague of the same office
    done = await serve(world, order, service(evidence=[photo]))
    assert done.status_code == 200, done.text
    assert (await world.operator.get(f"/v1/evidence/{photo}")).status_code == 404
    again = await serve(world, order, service(evidence=[photo]))
    assert again.json()["code"] == "inspection/order-evidence", "it is another attempt's"
    elsewhere = await proof(world.inspector_elsewhere, db)
    refused = await serve(world, order, service(evidence=[elsewhere]))
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/order-evidence")


async def test_nothing_is_sealed_under_an_order_that_has_ended(world: World) -> None:
    order = await served(world)
    await allow(world, world.department, Power.approve_sealing)
    path = f"/v1/orders/{order['id']}/sealings/{ids.new()}"
    asked = encode({"machines": ["x"], "reason": "x"})
    assert (await world.inspector.put(path, content=asked)).status_code == 200
    assert (await act(world, order, "revoke", why="x")).status_code == 200
    yes = encode({"approved": True})
    refused = await world.department.post(f"{path}/decide", content=yes, version=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "inspection/order-state")


async def test_one_place_written_twice_is_one_place(world: World, db: Database) -> None:
    order = await served(world)
    await run(db, "update legal_order set kind = 'stop' where id = $1", UUID(order["id"]))
    for place in ("Gate  1", "gate 1 ", "GATE 1"):
        done = await world.inspector.put(
            f"/v1/orders/{order['id']}/notices/{ids.new()}",
            content=encode({"place": place, "at": now()}),
        )
    assert done.json()["notices"] == 1, done.text
