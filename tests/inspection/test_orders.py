"""Orders under s.37 and s.39: what must be in them, who may sign, how they are served and end."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock, deadlines, ids, reactions, workdays
from api.accounts.model import Power
from api.clock import BANGKOK
from api.db import Database
from api.permissions import Worker
from tests.inspection.orders import (
    accepted,
    act,
    allow,
    content,
    draft,
    due,
    read,
    serve,
    served,
    service,
    sign,
    signed,
)
from tests.world import World, encode, now


async def missing(world: World, order: dict[str, Any]) -> set[str]:
    view = await world.head.get(f"/v1/orders/{order['id']}/signing")
    assert view.status_code == 200, view.text
    return {m["code"] for m in view.json()["missing"]}


# --- drafting and signing -----------------------------------------------------------------------


async def test_an_order_is_signed_with_its_number_and_a_document(world: World) -> None:
    order = await signed(world)
    assert order["state"] == "signed"
    assert order["number"].startswith("pio-11 ")
    assert order["number"].endswith(f"/{clock.buddhist_year(clock.bangkok_date(now()))}")
    assert order["document"] is not None
    assert {f["item"] for f in order["findings"]} >= {"E08", "D04"}


@pytest.mark.parametrize(
    ("part", "value", "code"),
    [
        ("facts", " ", "facts"),
        ("law", [], "law"),
        ("reasons", "", "reasons"),
        ("appeal", "", "appeal"),
        ("days", None, "days"),
        ("hearing", None, "hearing"),
        ("required", [], "findings"),
    ],
)
async def test_nothing_is_signed_without_what_the_law_wants(
    world: World, part: str, value: Any, code: str
) -> None:
    await allow(world, world.head)
    order = await draft(world, await accepted(world), **{part: value})
    assert code in await missing(world, order)
    refused = await sign(world, order)
    assert refused.status_code == 409, refused.text
    assert refused.json()["code"] == "inspection/order-incomplete"
    assert code in {m["code"] for m in refused.json()["missing"]}
    assert (await read(world, order))["number"] is None


async def test_a_finding_whose_law_is_recalled_carries_no_order_before_it_is_confirmed(
    world: World, db: Database
) -> None:
    visit = await accepted(world)
    order = await draft(world, visit)
    async with db.begin() as tx:
        await tx.run(
            "update finding set state = 'needs_confirmation' where id = $1",
            UUID(visit["findings"][0]["id"]),
        )
    assert "confirmation" in await missing(world, order)


async def test_an_order_of_a_visit_that_was_not_accepted_must_be_urgent(
    world: World, db: Database
) -> None:
    visit = await accepted(world)
    async with db.begin() as tx:
        await tx.run("update visit set state = 'in_review' where id = $1", UUID(visit["id"]))
    assert "visit" in await missing(world, await draft(world, visit))
    urgent = {"type": "urgent", "reason": "ไฟอาจไหม้คืนนี้"}
    assert "visit" not in await missing(world, await draft(world, visit, hearing=urgent))


async def test_without_authority_nobody_signs(world: World) -> None:
    order = await draft(world, await accepted(world))
    refused = await sign(world, order, world.inspector)
    assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")


@pytest.mark.parametrize(
    "limits",
    [
        {"valid_to": date(2020, 1, 1), "valid_from": date(2019, 1, 1)},
        {"valid_from": date(2099, 1, 1)},
        {"classes": [1, 2]},
        {"area": ["21"]},
    ],
    ids=["lapsed", "not yet", "other class", "other area"],
)
async def test_an_authority_that_does_not_cover_the_case_signs_nothing(
    world: World, limits: dict[str, Any]
) -> None:
    await allow(world, world.inspector_2, **limits)
    order = await draft(world, await accepted(world))
    refused = await sign(world, order, world.inspector_2)
    assert refused.status_code == 403, refused.text


async def test_what_was_changed_after_it_was_shown_is_not_signed(world: World) -> None:
    await allow(world, world.head)
    visit = await accepted(world)
    order = await draft(world, visit)
    view = (await world.head.get(f"/v1/orders/{order['id']}/signing")).json()
    changed = await world.inspector.put(
        f"/v1/orders/{order['id']}/content",
        content=encode(content(visit, days=7)),
        version=order["version"],
    )
    assert changed.status_code == 200, changed.text
    ticket = await world.ticket(world.head, view["sha256"])
    signature = {"type": "fresh_authentication", "sha256": view["sha256"], "ticket": ticket}
    refused = await world.head.post(
        f"/v1/orders/{order['id']}/sign",
        content=encode({"signature": signature}),
        version=changed.json()["version"],
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "inspection/order-differs")


async def test_numbers_have_neither_gap_nor_double_when_many_sign_at_once(
    world: World, db: Database
) -> None:
    await allow(world, world.head)
    drafts = [await draft(world, await accepted(world)) for _ in range(6)]
    done = await asyncio.gather(*(sign(world, d) for d in drafts))
    assert [d.status_code for d in done] == [200] * 6, [d.text for d in done]
    running = sorted(int(d.json()["number"].split()[1].split("/")[0]) for d in done)
    assert running == list(range(running[0], running[0] + 6))
    async with db.read() as tx:
        numbers = await tx.value(
            "select last from order_number n join office o on o.id = n.office "
            "where o.code = 'pio-11'"
        )
    assert numbers == running[-1]


async def test_a_signature_that_fails_takes_no_number(world: World, db: Database) -> None:
    first = await signed(world)
    order = await draft(world, await accepted(world))
    refused = await sign(world, order | {"version": 99})
    assert refused.status_code == 409
    second = await signed(world)
    n1, n2 = (int(o["number"].split()[1].split("/")[0]) for o in (first, second))
    assert n2 == n1 + 1


async def test_a_draft_sent_twice_is_one_and_another_under_its_id_is_refused(world: World) -> None:
    visit = await accepted(world)
    order = await draft(world, visit)
    body = {
        "kind": "correct",
        "premises": visit["premises"],
        "licence": visit["licence"],
        "visit": visit["id"],
        "content": content(visit),
    }
    path = f"/v1/orders/{order['id']}"
    assert (await world.inspector.put(path, content=encode(body))).status_code == 200
    other = await world.inspector.put(path, content=encode(body | {"kind": "stop"}))
    assert (other.status_code, other.json()["code"]) == (409, "inspection/order-exists")
    assert (await world.inspector_2.put(path, content=encode(body))).status_code == 404


# --- service ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["personal", "adult", "refused"])
async def test_personal_substitute_and_witnessed_service_count_at_once(
    world: World, how: str
) -> None:
    order = await signed(world)
    attempt = (await serve(world, order, service(how))).json()
    assert attempt["counted_at"] is not None
    seen = await read(world, order)
    assert seen["state"] == "served"
    served_on = clock.bangkok_date(datetime.fromisoformat(seen["served_at"]))
    last = workdays.working_from(served_on + timedelta(days=30), {})
    assert due(seen).astimezone(BANGKOK) == datetime.combine(
        last + timedelta(days=1), time(), BANGKOK
    )


async def test_a_failed_attempt_is_kept_and_serves_nothing(world: World) -> None:
    order = await signed(world)
    assert (await serve(world, order, service("not_found"))).json()["counts_at"] is None
    seen = await read(world, order)
    assert (seen["state"], len(seen["attempts"])) == ("signed", 1)


async def test_a_proof_of_another_way_is_refused(world: World) -> None:
    order = await signed(world)
    wrong = service("personal") | {"proof": {"type": "post", "tracking_no": "EX1"}}
    refused = await serve(world, order, wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/service-proof")


async def test_an_attempt_sent_twice_is_one(world: World) -> None:
    order = await signed(world)
    path, body = f"/v1/orders/{order['id']}/service/{ids.new()}", encode(service())
    first = await world.inspector.put(path, content=body)
    again = await world.inspector.put(path, content=body)
    assert first.json() == again.json()
    assert len((await read(world, order))["attempts"]) == 1
    other = await world.inspector.put(path, content=encode(service("refused")))
    assert other.status_code == 409


async def test_who_received_an_order_is_sealed_and_opening_it_is_an_event(
    world: World, db: Database
) -> None:
    order = await served(world)
    (attempt,) = order["attempts"]
    path = f"/v1/orders/{order['id']}/service/{attempt['id']}/proof"
    assert (await world.inspector.post(path)).status_code == 403
    opened = await world.head.post(path)
    assert opened.json()["proof"]["name"] == "นายตัวอย่าง ผู้จัดการ"
    async with db.read() as tx:
        assert await tx.value(
            "select count(*) from event where name = 'service_attempt.unsealed' and record = $1",
            UUID(attempt["id"]),
        )
        raw: bytes = await tx.value(
            "select proof from service_attempt where id = $1", UUID(attempt["id"])
        )
    assert "ตัวอย่าง".encode() not in raw


# --- clocks, breach, end ------------------------------------------------------------------------


async def fire(db: Database, at: datetime) -> None:
    with clock.travel(at - clock.now()):
        while await deadlines.fire_due(db, reactions.DEADLINES):
            pass


async def test_an_order_whose_time_ran_out_is_overdue_and_the_breach_is_judged(
    world: World, db: Database
) -> None:
    order = await served(world)
    early = await act(world, order, "breach", wilful=True, serious_danger=False, reasons="x")
    assert early.status_code == 409
    await fire(db, due(order) - timedelta(seconds=2))
    assert (await read(world, order))["state"] == "served"
    await fire(db, due(order))
    assert (await read(world, order))["state"] == "overdue"
    judged = await act(world, order, "breach", wilful=True, serious_danger=False, reasons="เพิกเฉย")
    assert judged.status_code == 200, judged.text
    assert judged.json()["state"] == "breached"
    assert "57" in judged.json()["breach"]["penalty"]


async def test_an_extension_needs_a_later_day_and_starts_the_clock_anew(
    world: World, db: Database
) -> None:
    order = await served(world)
    soon = clock.bangkok_date(now()) + timedelta(days=10)
    refused = await act(world, order, "extend", until=soon.isoformat(), reason="ช้า")
    assert refused.json()["code"] == "inspection/not-later"
    later = clock.bangkok_date(now()) + timedelta(days=60)
    done = await act(world, order, "extend", until=later.isoformat(), reason="รออะไหล่")
    assert done.status_code == 200, done.text
    await fire(db, due(order) + timedelta(days=2))
    assert (await read(world, order))["state"] == "served"
    await fire(db, due(done.json()))
    assert (await read(world, order))["state"] == "overdue"


async def test_a_stay_stops_the_clock_and_its_end_gives_back_what_was_left(
    world: World, db: Database
) -> None:
    order = await served(world)
    stayed = await act(world, order, "stay", by="minister", reference="คำสั่งที่ 1")
    assert stayed.status_code == 200, stayed.text
    await fire(db, due(order) + timedelta(days=10))
    assert (await read(world, order))["state"] == "served"
    with clock.travel(timedelta(days=100)):
        await world.sign_in_again("head")
        done = await act(world, order, "end-stay")
        assert done.status_code == 200, done.text
    await world.sign_in_again("head")
    last = workdays.working_from(clock.bangkok_date(due(order) + timedelta(days=100)), {})
    assert due(done.json()) == workdays.end_of(last)


async def test_an_appeal_stays_nothing_and_its_decision_is_final(world: World) -> None:
    order = await served(world)
    path = f"/v1/orders/{order['id']}/appeal"
    body = {"filed_on": clock.bangkok_date(now()).isoformat(), "grounds": "ไม่เห็นด้วย"}
    filed = (await world.head.put(path, content=encode(body))).json()
    assert (filed["state"], filed["appeal"]["late"]) == ("served", False)
    decided = await act(
        world, order, "appeal/decide", annulled=True, decided_on=today(), decision="ให้เพิกถอน"
    )
    assert decided.json()["state"] == "annulled"
    again = await act(
        world, order, "appeal/decide", annulled=False, decided_on=today(), decision="ยืน"
    )
    assert again.status_code == 409


async def test_an_appeal_after_thirty_days_is_kept_as_late(world: World) -> None:
    order = await served(world)
    path = f"/v1/orders/{order['id']}/appeal"
    ahead = {"filed_on": (clock.bangkok_date(now()) + timedelta(days=1)).isoformat()}
    refused = await world.head.put(path, content=encode(ahead))
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/order-date")
    until = datetime.fromisoformat(order["appeal_until"])
    with clock.travel(until - now()):  # the moment at which the last day has passed
        await world.sign_in_again("head")
        filed = await world.head.put(path, content=encode({"filed_on": today()}))
        again = await world.head.put(path, content=encode({"filed_on": today(), "grounds": "x"}))
    await world.sign_in_again("head")
    assert filed.json()["appeal"]["late"] is True, filed.text
    assert (again.status_code, again.json()["code"]) == (409, "inspection/appeal-exists")


def today() -> str:
    return clock.bangkok_date(clock.now()).isoformat()


async def test_the_last_verified_finding_ends_the_order(world: World) -> None:
    visit = await accepted(world)
    order = await served(world, visit)
    follow_up = await world.begun(UUID(visit["premises"]), reason="follow_up", follows=visit["id"])
    for place, finding in enumerate(order["findings"], start=1):
        done = await world.inspector.post(
            f"/v1/orders/{order['id']}/findings/{finding['finding']}/verify",
            content=encode({"visit": follow_up, "corrected": True}),
        )
        assert done.status_code == 200, done.text
        last = place == len(order["findings"])
        assert done.json()["state"] == ("complied" if last else "served")
    seen = (await world.head.get(f"/v1/visits/{visit['id']}")).json()
    assert {f["state"] for f in seen["findings"]} == {"resolved"}


async def test_another_sites_visit_verifies_nothing(world: World) -> None:
    order = await served(world)
    elsewhere = await world.begun(await world.premises(nth=3))
    finding = order["findings"][0]["finding"]
    refused = await world.inspector.post(
        f"/v1/orders/{order['id']}/findings/{finding}/verify",
        content=encode({"visit": elsewhere, "corrected": True}),
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "inspection/order-subject")


async def breached(world: World, db: Database, **judged: Any) -> dict[str, Any]:
    order = await served(world)
    await fire(db, due(order))
    body = {"wilful": True, "serious_danger": False, "reasons": "เพิกเฉย"} | judged
    assert (await act(world, order, "breach", **body)).status_code == 200
    return await read(world, order)


async def s39(
    world: World, kind: str, after: dict[str, Any], corrects: str | None = None, **parts: Any
) -> dict[str, Any]:
    body = {
        "kind": kind,
        "premises": after["premises"],
        "licence": after["licence"],
        "visit": after["visit"],
        "follows": after["id"],
        "corrects": corrects,
        "content": {
            "facts": "ไม่แก้ไขภายในกำหนด",
            "law": ["พ.ร.บ.โรงงาน พ.ศ. 2535 มาตรา 39"],
            "reasons": "จงใจฝ่าฝืนคำสั่ง",
            "measures": "หยุดประกอบกิจการทั้งโรงงาน",
            "days": 30,
            "hearing": {"type": "heard", "heard_on": "2026-11-20", "said": "-"},
            "appeal": "อุทธรณ์ได้ภายใน 30 วัน",
        }
        | parts,
    }
    found = await world.department.put(f"/v1/orders/{ids.new()}", content=encode(body))
    assert found.status_code == 200, found.text
    order: dict[str, Any] = found.json()
    return order


async def test_a_breach_that_is_neither_wilful_nor_dangerous_stops_nothing(
    world: World, db: Database
) -> None:
    await allow(world, world.department, Power.stop_operation)
    order = await s39(world, "stop", await breached(world, db, wilful=False))
    refused = await sign(world, order, world.department)
    assert "s39" in {m["code"] for m in refused.json()["missing"]}, refused.text


async def test_from_breach_to_stop_to_resumption(world: World, db: Database) -> None:
    await allow(world, world.department, Power.stop_operation)
    stop = (
        await sign(world, await s39(world, "stop", await breached(world, db)), world.department)
    ).json()
    assert stop["notices_needed"] == 3
    await serve(world, stop)
    for place in ("ประตูหน้า", "สำนักงาน", "เครื่องจักร", "ประตูหน้า"):
        body = {"place": place, "at": now()}
        posted = await world.inspector.put(
            f"/v1/orders/{stop['id']}/notices/{ids.new()}", content=encode(body)
        )
        assert posted.status_code == 200, posted.text
    assert posted.json()["notices"] == 3, "the same place twice is one place"
    resume = await s39(world, "resume", stop, hearing=None, days=None)
    resumed = await sign(world, resume, world.department)
    assert resumed.status_code == 200, resumed.text
    told = await serve(world, resumed.json())
    assert told.status_code == 200, told.text
    assert (await read(world, stop))["state"] == "complied"


async def due_passed(db: Database, order: dict[str, Any]) -> None:
    """The time to mend that `order` gave has passed."""
    async with db.begin() as tx:
        await tx.run(
            "update legal_order set due_at = now() - interval '1 day' where id = $1",
            UUID(order["id"]),
        )


async def test_a_closure_of_a_class_3_factory_revokes_its_licence(
    world: World, db: Database
) -> None:
    await allow(world, world.department, Power.stop_operation)
    stop = (
        await sign(world, await s39(world, "stop", await breached(world, db)), world.department)
    ).json()
    await serve(world, stop)
    few = await act(world, stop, "breach", wilful=True, serious_danger=True, reasons="เดินเครื่องต่อ")
    assert (few.status_code, few.json()["code"]) == (409, "inspection/notices-missing")
    for place in ("1", "2", "3"):
        body = {"place": place, "at": now()}
        await world.inspector.put(
            f"/v1/orders/{stop['id']}/notices/{ids.new()}", content=encode(body)
        )
    judged = await act(
        world, stop, "breach", wilful=True, serious_danger=True, reasons="เดินเครื่องต่อ"
    )
    assert "55" in judged.json()["breach"]["penalty"], judged.text
    draft = await s39(world, "close", stop, days=None)
    early = await sign(world, draft, world.department)
    assert [m["code"] for m in early.json()["missing"]] == ["time_left"], early.text
    await due_passed(db, stop)
    close = await sign(world, draft, world.department)
    assert close.status_code == 200, close.text
    assert (await serve(world, close.json())).json()["counted_at"] is not None
    async with db.begin(Worker("test")) as tx:
        assert (
            await tx.value("select status from licence where id = $1", UUID(stop["licence"]))
            == "struck_off"
        )
        await tx.run(  # the sample's factory works again for the other tests
            "update licence set status = 'operating' where id = $1", UUID(stop["licence"])
        )
    assert (await read(world, stop))["state"] == "superseded"


# --- special days -------------------------------------------------------------------------------


async def test_a_special_holiday_declared_late_postpones_what_has_not_counted(
    world: World, db: Database
) -> None:
    order = await signed(world)
    monday = clock.bangkok_date(now()) + timedelta(days=1)
    while monday.weekday() or not all(
        workdays.is_working(monday + timedelta(days=n), {}) for n in range(5)
    ):
        monday += timedelta(days=1)
    path = f"/v1/special-days/{monday + timedelta(days=2)}"
    with clock.travel(datetime.combine(monday, time(10), BANGKOK) - now()):
        await world.sign_in_again("inspector")
        before = (await serve(world, order, service("posted", at=clock.now()))).json()
    await world.sign_in_again("inspector")
    day = {"working": False, "name_th": "วันหยุดพิเศษตัวอย่าง"}
    put = await world.administrator.put(path, content=encode(day))
    assert put.status_code == 200, put.text
    await world.work()
    after = (await read(world, order))["attempts"][0]
    moved = datetime.fromisoformat(after["counts_at"]) - datetime.fromisoformat(before["counts_at"])
    assert moved >= timedelta(days=1)
    back = await world.administrator.put(path, content=encode(day | {"working": True}))
    assert back.status_code == 200
    await world.work()
    assert (await read(world, order))["attempts"][0]["counts_at"] == after["counts_at"]


# --- sealing, company, insight ------------------------------------------------------------------


async def test_the_company_sees_its_order_from_service_on_and_says_it_has_corrected(
    world: World,
) -> None:
    order = await signed(world)
    path = f"/v1/company-orders/{order['id']}"
    assert (await world.operator.get(path)).status_code == 404
    await serve(world, order)
    seen = await world.operator.get(path)
    assert seen.status_code == 200, seen.text
    assert seen.json()["number"] == order["number"]
    assert (await world.stranger.get(path)).status_code in (403, 404)
    claim = f"{path}/corrections/{ids.new()}"
    for _ in range(2):
        said = await world.operator.put(claim, content=encode({"note": "ย้ายพาเลทแล้ว"}))
        assert len(said.json()["claims"]) == 1, said.text
    assert order["id"] in {
        o["id"] for o in (await world.operator.get("/v1/company-orders")).json()["items"]
    }


async def test_orders_of_another_province_do_not_exist(world: World) -> None:
    order = await signed(world)
    for method, path, body in (
        ("GET", f"/v1/orders/{order['id']}", None),
        ("POST", f"/v1/orders/{order['id']}/revoke", {"why": "x"}),
        ("PUT", f"/v1/orders/{order['id']}/service/{ids.new()}", service()),
    ):
        person = world.inspector_elsewhere
        found = await person.request(
            method, path, content=encode(body) if body else None, version=1
        )
        assert found.status_code in (403, 404), (path, found.text)


async def test_a_corrected_order_takes_the_place_of_the_first(world: World) -> None:
    visit = await accepted(world)
    first = await served(world, visit)
    second = await draft(world, visit, corrects=first["id"], days=45)
    done = await sign(world, second)
    assert done.status_code == 200, done.text
    assert (await read(world, first))["state"] == "superseded"
    document = await world.head.get(f"/v1/documents/{first['document']}")
    assert document.json()["force"] == "corrected", document.text


async def test_an_order_in_english_shares_the_fate_of_the_first(world: World) -> None:
    order = await signed(world)
    made = await world.inspector.post(f"/v1/orders/{order['id']}/document")
    assert made.status_code == 201, made.text
    english = made.json()
    assert english["language"] == "en"
    assert "Order to stop the breach" in english["content"]
    path = f"/v1/documents/{english['id']}"
    assert (await world.operator.get(path)).status_code == 404, "not before service"
    await serve(world, order)
    assert (await world.operator.get(path)).status_code == 200
    assert (await act(world, order, "revoke", why="ผิดพลาด")).status_code == 200
    for document in (order["document"], english["id"]):
        found = await world.head.get(f"/v1/documents/{document}")
        assert found.json()["force"] == "revoked", found.text
    late = await world.inspector.post(f"/v1/orders/{order['id']}/document")
    assert (late.status_code, late.json()["code"]) == (409, "inspection/order-state")
