"""A visit because of complaints: its questions reach the inspector, and nobody at the factory."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx

from api import ids
from tests.complaints.conftest import tell
from tests.complaints.matters import about, accepted, plan, planned, stored, told
from tests.world import World, answer, encode, gate, record


async def test_the_questions_of_the_complaints_are_asked_at_the_visit_once_each(
    world: World,
) -> None:
    premises = await world.premises(company=True)
    first = await about(world, premises)
    second = await about(world, premises, answers={"kind": "solvent", "hours": "23:00-02:00"})
    third = await about(world, premises, category="noise", answers={"how_often": "daily"})
    visit = await planned(world, first, second, third)
    assert (visit["reason"], visit["premises"]) == ("complaint", str(premises))
    asked = visit["extra_items"]
    assert [i["code"] for i in asked] == [f"X{n:02d}" for n in range(1, len(asked) + 1)]
    assert all(i["confidential"] for i in asked)
    assert all(i["text"]["th"] and i["text"]["en"] for i in asked)
    kinds = [i["answer"]["type"] for i in asked]
    odour = ["pass_fail_na", "choice", "text", "choice", "text", "choice"]
    assert kinds == [*odour, "pass_fail_na", "text", "choice", "text"]
    assert "สารเคมี ทินเนอร์ สี (2)" in asked[1]["guidance"]["th"]
    assert "23:00-02:00" in asked[4]["guidance"]["en"]
    for id in (first, second, third):
        assert (await stored(world, id))["state"] == "inspection_scheduled"


async def test_what_complainants_wrote_freely_is_not_in_the_visit(world: World) -> None:
    id = await about(
        world,
        await world.premises(),
        description="บ้านเลขที่ 99 ของนางตัวอย่าง",
        answers={"since": "ตั้งแต่ย้ายมาบ้านเลขที่ 99", "kind": "solvent"},
    )
    visit = await planned(world, id)
    pack = await world.inspector.get(f"/v1/visits/{visit['id']}/pack")
    assert "99" not in str(pack.json()["visit"]["extra_items"])
    assert "นางตัวอย่าง" not in pack.text


async def test_the_pack_and_the_pull_bring_the_extra_items_to_the_phone(world: World) -> None:
    visit = await planned(world, await about(world, await world.premises()))
    pack = (await world.inspector.get(f"/v1/visits/{visit['id']}/pack")).json()
    assert pack["visit"]["extra_items"] == visit["extra_items"]
    cursor, found = None, []
    while True:
        params = {"kinds": "visit"} | ({"cursor": cursor} if cursor else {})
        page = (await world.inspector.get("/v1/sync", params=params)).json()
        found += [c["record"] for c in page["changes"] if c["id"] == visit["id"]]
        cursor = page["next"]
        if not page["more"]:
            break
    assert found[-1]["extra_items"] == visit["extra_items"]


async def test_extra_items_are_answered_like_others_and_a_finding_of_them_is_confidential(
    world: World,
) -> None:
    visit = await planned(world, await about(world, await world.premises(company=True)))
    answers = [
        answer("X01", "fail", note="กลิ่นทินเนอร์ชัดเจนที่รั้วด้านตะวันออก"),
        answer("X02", "solvent"),
        answer("X05", "22:10-22:40"),
        answer("X99", "pass"),
    ]
    (done,) = await world.inspector.push(record(UUID(visit["id"]), answers=answers))
    odd = {f["facts"].get("item") for f in done["flags"] if f["code"] == "item.unknown"}
    assert odd == {"X99"}
    seen = (await world.inspector.get(f"/v1/visits/{visit['id']}")).json()
    assert {a["item"]: a["outcome"] for a in seen["answers"]} == {
        "X01": "fail",
        "X02": "recorded",
        "X05": "recorded",
        "X99": "unreadable",
    }
    (finding,) = seen["findings"]
    assert (finding["item"], finding["confidential"]) == ("X01", True)
    assert finding["legal_ref"] == "พ.ร.บ.โรงงาน ม.37"


async def test_an_item_of_another_visit_is_unknown(world: World) -> None:
    visit = await world.begun()
    (done,) = await world.inspector.push(record(visit, answers=[answer("X01", "fail")]))
    assert "item.unknown" in {f["code"] for f in done["flags"]}
    seen = (await world.inspector.get(f"/v1/visits/{visit}")).json()
    assert seen["extra_items"] == [] and seen["findings"] == []


async def test_the_record_for_the_office_tells_the_extra_items(world: World) -> None:
    visit = await planned(world, await about(world, await world.premises(company=True)))
    await accepted(world, visit["id"], answer("X01", "fail"), answer("X02", "solvent"))
    page = (await world.head.get(f"/v1/documents?subject={visit['id']}")).json()["items"]
    office = (await world.head.get(f"/v1/documents/{page[0]['id']}")).json()
    assert "กลิ่นเหม็นรบกวน" in office["content"] and "X01" in office["content"]
    assert "เรื่องที่ได้รับแจ้ง" in office["content"]


async def test_a_visit_planned_twice_and_by_twenty_at_once_is_one(world: World) -> None:
    id = await about(world, await world.premises())
    visit, body = ids.new(), encode(plan(world, id))
    answers = await asyncio.gather(
        *(world.inspector.put(f"/v1/complaint-visits/{visit}", content=body) for _ in range(20))
    )
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert (await world.inspector.put(f"/v1/complaint-visits/{visit}", content=body)).is_success
    async with world.db.read() as tx:
        heard = "select count(*) from event where record = $1 and name = $2"
        assert await tx.value(heard, id, "complaint.inspection_scheduled") == 1
        assert await tx.value(heard, visit, "visit.planned") == 1
    other = encode(plan(world, await about(world, await world.premises())))
    again = await world.inspector.put(f"/v1/complaint-visits/{visit}", content=other)
    assert (again.status_code, again.json()["code"]) == (409, "inspection/visit-exists")


async def test_a_complaint_is_added_to_a_visit_that_is_planned_and_has_not_begun(
    world: World,
) -> None:
    premises, elsewhere = await world.premises(nth=0), await world.premises(nth=1)
    first, second = await about(world, premises), await about(world, premises, category="noise")
    third, other = await about(world, premises), await about(world, elsewhere)
    visit, body = ids.new(), encode(plan(world, first))
    planned_ = (await world.inspector.put(f"/v1/complaint-visits/{visit}", content=body)).json()

    async def add(id: UUID, visit: Any = planned_["id"]) -> httpx.Response:
        return await world.inspector.put(f"/v1/complaint-visits/{visit}/complaints/{id}")

    for id in (second, third, second):
        found = await add(id)
        assert found.status_code == 200, found.text
        assert (await stored(world, id))["state"] == "inspection_scheduled"
    before, after = planned_["extra_items"], found.json()["extra_items"]
    asked = [(item["code"], item["text"]) for item in after]
    assert asked[: len(before)] == [(item["code"], item["text"]) for item in before]
    assert len(asked) > len(before) and all(item["confidential"] for item in after)
    assert len({code for code, _ in asked}) == len(asked)
    assert "(2)" in str(after), "what two of them said is counted"
    pulled = (await world.inspector.get(f"/v1/visits/{planned_['id']}")).json()
    assert pulled["extra_items"] == after
    async with world.db.read() as tx:
        heard = "select count(*) from event where record = $1 and name = $2"
        assert await tx.value(heard, second, "complaint.inspection_scheduled") == 1
        assert await tx.value(heard, UUID(planned_["id"]), "visit.extended") == 2
    again = await world.inspector.put(f"/v1/complaint-visits/{visit}", content=body)
    assert again.status_code == 200, "the plan was sent again meanwhile"
    assert again.json()["extra_items"] == after
    assert (await add(other)).json()["code"] == "complaints/subjects-differ"
    assert (await add(ids.new())).json()["code"] == "complaints/no-such-complaint"
    assert (await add(other, ids.new())).json()["code"] == "inspection/no-such-visit"
    late = await about(world, premises)
    await world.inspector.push(record(UUID(planned_["id"]), start=gate()))
    assert (await add(late)).json()["code"] == "inspection/visit-sealed"
    assert (await stored(world, late))["state"] == "in_progress"
    for id in (first, second, third):
        async with world.db.read() as tx:
            visits = await tx.values("select visit from complaint_visit where complaint = $1", id)
        assert visits == [UUID(planned_["id"])]


async def test_the_id_of_a_routine_visit_is_not_taken_for_complaints(world: World) -> None:
    premises = await world.premises()
    visit = ids.new()
    routine = {k: v for k, v in plan(world).items() if k != "complaints"}
    whole = routine | {"premises": premises, "reason": "complaint"}
    assert (await world.inspector.put(f"/v1/visits/{visit}", content=encode(whole))).is_success
    id = await about(world, premises)
    found = await world.inspector.put(
        f"/v1/complaint-visits/{visit}", content=encode(plan(world, id))
    )
    assert found.status_code == 409
    assert (await stored(world, id))["state"] == "in_progress"


async def test_one_visit_is_of_one_factory_that_an_officer_confirmed(world: World) -> None:
    one, two = await world.premises(nth=0), await world.premises(nth=1)
    a, b = await about(world, one), await about(world, two)
    named = await told(world, factory={"premises": str(one)})
    for complaints, code in (
        ([a, b], "complaints/subjects-differ"),
        ([a, named], "complaints/subject-unconfirmed"),
        ([a, ids.new()], "complaints/no-such-complaint"),
    ):
        found = await world.inspector.put(
            f"/v1/complaint-visits/{ids.new()}", content=encode(plan(world, *complaints))
        )
        assert found.json()["code"] == code, found.text
    assert (await stored(world, a))["state"] == "in_progress"


async def test_a_visit_is_planned_only_from_complaints_in_progress(world: World) -> None:
    premises = await world.premises()
    for state in ("submitted", "accepted", "assigned", "forwarded", "order_issued"):
        id = await about(world, premises)
        async with world.db.begin() as tx:
            await tx.run("update complaint set state = $2 where id = $1", id, state)
        found = await world.inspector.put(
            f"/v1/complaint-visits/{ids.new()}", content=encode(plan(world, id))
        )
        assert (found.status_code, found.json()["code"]) == (409, "complaints/complaint-sealed")


async def test_complaints_of_another_province_are_not_found_for_a_visit(world: World) -> None:
    id = ids.new()
    await tell(world.nobody, id, place={"province": "10"})
    found = await world.inspector.put(
        f"/v1/complaint-visits/{ids.new()}", content=encode(plan(world, id))
    )
    assert found.status_code == 404
