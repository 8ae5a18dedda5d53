"""Whoever told a duplicate must not learn that somebody else told the same (ADR 0018)."""

from __future__ import annotations

from uuid import UUID

from api import ids
from tests.complaints.conftest import begun, do, secret, tell
from tests.complaints.states import release
from tests.world import Person, World, encode


async def heard(world: World, person: Person, id: UUID | str) -> list[str]:
    """The templates of the person's messages about `id`, the oldest first."""
    await world.work()
    listed = (await person.get("/v1/messages", params={"limit": 200})).json()["items"]
    return [m["template"] for m in reversed(listed) if m["about"]["id"] == str(id)]


async def test_a_factory_that_complains_about_itself_does_not_learn_that_somebody_else_did(
    world: World,
) -> None:
    first, id, plain = await begun(world), ids.new(), ids.new()
    asker = world["citizen"]
    for mine in (id, plain):
        assert (await tell(asker, mine)).status_code == 200
    assert (await do(world.head, plain, "accept")).status_code == 200
    merged = await do(world.head, id, "merge", {"into": first, "text": "เพื่อนบ้านแจ้งไว้แล้ว"})
    assert merged.status_code == 200, merged.text
    shown = [(await asker.get(f"/v1/own-complaints/{mine}")).json() for mine in (id, plain)]
    for each in shown:
        assert "เพื่อนบ้าน" not in str(each)
    own = ("id", "number", "received_at", "answer_by")
    alike = [{k: v for k, v in each.items() if k not in own} for each in shown]
    assert alike[0] == alike[1]
    assert await heard(world, asker, id) == await heard(world, asker, plain)
    assert await heard(world, asker, id) == ["own_complaint.accepted"]


async def test_who_told_a_duplicate_hears_of_its_end_and_of_nothing_between_others(
    world: World,
) -> None:
    first, id = ids.new(), ids.new()
    teller, asker = world["citizen"], world["operator"]
    assert (await tell(teller, first)).status_code == 200
    for verb, body in (("accept", None), ("assign", {"officer": world.inspector.account})):
        assert (await do(world.head, first, verb, body)).status_code == 200
    assert (await do(world.inspector, first, "begin")).status_code == 200
    assert (await tell(asker, id)).status_code == 200
    await do(world.head, id, "merge", {"into": first, "text": "เรื่องเดียวกัน"})
    await do(world.inspector, first, "ask", {"id": ids.new(), "text": "ถาม"})
    await do(world.inspector, first, "inform", {"id": ids.new(), "text": "ตอบ"})
    said = await world.inspector.put(
        f"/v1/complaints/{first}/messages/{ids.new()}", content=encode({"text": "แจ้งความคืบหน้า"})
    )
    assert said.status_code == 200, said.text
    await do(world.inspector, first, "resolve", {"outcome": "substantiated", "text": "แก้แล้ว"})
    assert "own_complaint.messaged" in await heard(world, teller, first)
    ends = {"own_complaint.accepted", "own_complaint.resolved"}
    assert set(await heard(world, asker, id)) == ends


async def test_who_told_a_duplicate_reads_its_outcome_and_not_the_words_to_somebody_else(
    world: World,
) -> None:
    first, id = await begun(world), ids.new()
    asker = world["citizen"]
    assert (await tell(asker, id)).status_code == 200
    await do(world.head, id, "merge", {"into": first, "text": "เรื่องเดียวกัน"})
    words = "เรียนคุณตัวอย่าง บ้านสีเขียวติดรั้วโรงงาน แก้ไขแล้ว"
    await do(world.inspector, first, "resolve", {"outcome": "substantiated", "text": words})
    seen = (await asker.get(f"/v1/own-complaints/{id}")).json()
    assert (seen["status"], seen["outcome"]) == ("finished", "substantiated")
    assert "คุณตัวอย่าง" not in str(seen)
    assert "เป็นจริงตามร้อง" in seen["decision"] and "substantiated" in seen["decision"]


async def test_who_told_the_same_as_a_complaint_that_is_refused_hears_it_and_who_is_responsible(
    world: World,
) -> None:
    first, id = ids.new(), ids.new()
    asker, follower = world["operator"], world["citizen"]
    assert (await tell(world.nobody, first)).status_code == 200
    assert (await tell(asker, id)).status_code == 200
    await do(world.head, id, "merge", {"into": first, "text": "เรื่องเดียวกัน"})
    shown = await release(world, first)
    body = {"secret": secret()}
    joined = await follower.put(f"/v1/complaints/{shown}/me-toos/{ids.new()}", content=encode(body))
    assert joined.status_code == 200, joined.text
    why = {"text": "ถึงคุณตัวอย่างเท่านั้น", "responsible": {"outside": "เทศบาลตัวอย่าง"}}
    assert (await do(world.head, first, "reject", why)).status_code == 200
    for person, known_as in ((asker, str(id)), (follower, shown)):
        seen = (await person.get(f"/v1/own-complaints/{known_as}")).json()
        assert (seen["status"], seen["forwarded_to"]) == ("not_taken_up", "เทศบาลตัวอย่าง")
        assert "คุณตัวอย่าง" not in str(seen) and seen["decision"] != ""
        assert "own_complaint.rejected" in await heard(world, person, known_as)


async def test_what_is_added_to_a_duplicate_reaches_the_officer_of_the_one_that_goes_on(
    world: World,
) -> None:
    first, id = await begun(world), ids.new()
    assert (await tell(world.citizen, id)).status_code == 200
    await do(world.head, id, "merge", {"into": first, "text": "เรื่องเดียวกัน"})
    path = f"/v1/own-complaints/{id}/additions/{ids.new()}"
    added = await world.citizen.put(path, content=encode({"text": "คืนนี้แรงกว่าเดิม"}))
    assert added.status_code == 200, added.text
    assert "complaint.added_to" in await heard(world, world.inspector, id)
    assert "complaint.added_to" not in await heard(world, world.head, id)
