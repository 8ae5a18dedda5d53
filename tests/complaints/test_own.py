"""What whoever told a complaint does with it: once, however often it is sent, and telling nobody
what the office keeps to itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import clock, ids
from api.complaints.clocks import Kind
from api.complaints.model import PublicStatus, State, public_status
from api.permissions import Worker
from tests.complaints.conftest import by_code, secret, tell
from tests.complaints.states import heard, put_in, stored_clocks
from tests.world import Person, World, encode, now

BODIES: dict[str, dict[str, Any]] = {
    "additions": {"text": "เมื่อคืนแรงกว่าเดิม"},
    "answers": {"text": "มาจากทางทิศเหนือ"},
    "occurrences": {"strength": 4},
    "ratings": {"solved": True, "rating": 4},
    "reopenings": {"text": "ยังเหม็นอยู่"},
}


@pytest.fixture(autouse=True)
async def unlimited(world: World) -> None:
    """These tests tell more complaints from one address than anybody may."""
    async with world.db.begin(Worker("test")) as tx:
        await tx.run("delete from rate_limit where bucket like 'complaint:%'")


async def told_by(person: Person, world: World, **parts: Any) -> tuple[UUID, Person]:
    """A complaint and whoever follows it: signed in, or by the code alone."""
    id, code = ids.new(), secret()
    answer = await tell(person, id, secret=code, **parts)
    assert answer.status_code == 200, answer.text
    return id, person if person.token else by_code(world, code)


async def send(person: Person, id: Any, what: str, entry: Any = None, **body: Any) -> Any:
    path = f"/v1/own-complaints/{id}/{what}"
    if what == "withdrawal":
        return await person.put(path)
    content = encode(body or BODIES[what])
    return await person.put(f"{path}/{entry or ids.new()}", content=content)


@pytest.fixture(params=["code", "signed in"])
async def own(request: pytest.FixtureRequest, world: World) -> tuple[UUID, Person]:
    who = world.nobody if request.param == "code" else world["citizen"]
    return await told_by(who, world)


# --- adding ---------------------------------------------------------------------------------------


async def test_what_is_added_stands_once_however_often_it_is_sent(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    entry = ids.new()
    answers = await asyncio.gather(*(send(me, id, "additions", entry) for _ in range(40)))
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert [a.json()["replayed"] for a in answers].count(False) == 1
    said = (await me.get(f"/v1/own-complaints/{id}")).json()["said"]
    assert [(s["id"], s["by"]) for s in said] == [(str(entry), "you")]
    assert (await heard(world, id)).count("complaint.added_to") == 1


async def test_forty_different_ones_at_once_all_stand(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    answers = await asyncio.gather(
        *(send(me, id, "additions", text=f"ข้อความที่ {n}") for n in range(40))
    )
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    said = (await me.get(f"/v1/own-complaints/{id}")).json()["said"]
    assert sorted(s["text"] for s in said) == sorted(f"ข้อความที่ {n}" for n in range(40))


async def test_an_entry_id_used_for_something_else_is_told_to_its_sender_alone(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    entry = ids.new()
    assert (await send(me, id, "additions", entry)).status_code == 200
    other = await send(me, id, "additions", entry, text="อีกอย่าง")
    assert (other.status_code, other.json()["code"]) == (409, "complaints/entry-exists")
    kind = await send(me, id, "occurrences", entry)
    assert (kind.status_code, kind.json()["code"]) == (409, "complaints/entry-exists")
    theirs, they = await told_by(world.nobody, world)
    stranger = await send(they, theirs, "additions", entry)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "complaints/no-such-complaint")


@pytest.mark.parametrize("what", [*BODIES, "withdrawal"])
async def test_nobody_but_whoever_told_it_may_do_anything(
    world: World, own: tuple[UUID, Person], what: str
) -> None:
    id, _ = own
    _, they = await told_by(world.nobody, world)
    found = await send(they, id, what)
    assert (found.status_code, found.json()["code"]) == (404, "complaints/no-such-complaint")
    for key in ("inspector", "provincial-officer", "head", "operator", "administrator"):
        assert (await send(world[key], id, what)).status_code == 404, key
    assert (await send(world["auditor"], id, what)).status_code == 403
    assert (await send(world.nobody, id, what)).status_code == 401
    wrong = await send(by_code(world, secret()), id, what)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "complaints/code-wrong")
    assert await heard(world, id) == ["complaint.submitted"]


async def test_an_occurrence_is_a_point_in_the_diary_and_no_new_case(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    at = now() - timedelta(hours=3)
    entry = ids.new()
    for _ in range(2):
        found = await send(me, id, "occurrences", entry, at=at, strength=5)
        assert found.status_code == 200, found.text
    assert (await send(me, id, "occurrences")).json()["occurrences"] == 2
    said = (await me.get(f"/v1/own-complaints/{id}")).json()["said"]
    assert [s["kind"] for s in said] == ["occurrence", "occurrence"]
    assert datetime.fromisoformat(said[0]["at"]) == at
    assert (await send(me, id, "occurrences", strength=6)).status_code == 422


async def test_a_program_that_taps_on_and_on_is_stopped_and_nothing_kept_is_lost(
    world: World,
) -> None:
    id, me = await told_by(world.nobody, world)
    answers = [await send(me, id, "occurrences") for _ in range(49)]
    assert [a.status_code for a in answers] == [200] * 48 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 60
    assert (await me.get(f"/v1/own-complaints/{id}")).json()["occurrences"] == 48
    assert (await send(me, id, "additions")).status_code == 200


# --- answering ------------------------------------------------------------------------------------


async def test_an_answer_sets_the_clocks_going_again_by_as_much_as_they_stood_still(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    due = {c.kind: c.due_at for c in await stored_clocks(world, id)}[Kind.resolve]
    moved = timedelta(0)
    for hours in (30, 50):  # paused twice
        await put_in(world, id, State.awaiting_info, at=now() - timedelta(hours=hours))
        entry = ids.new()
        found = await send(me, id, "answers", entry, text=f"คำตอบ {hours}")
        assert (found.status_code, found.json()["status"]) == (200, "in_progress")
        again = await send(me, id, "answers", entry, text=f"คำตอบ {hours}")
        assert again.json()["replayed"], again.text
        moved += timedelta(hours=hours)
    after = {c.kind: c.due_at for c in await stored_clocks(world, id)}[Kind.resolve]
    assert abs(after - due - moved) < timedelta(minutes=1)
    assert (await heard(world, id)).count("complaint.informed") == 2
    async with world.db.read() as tx:
        row = "select paused_at is null and next_due is not null from complaint where id = $1"
        assert await tx.value(row, id)
        point = "select count(*) from deadline where record = $1 and kind = 'complaint.clock'"
        assert await tx.value(point, id) == 1


async def test_an_answer_that_comes_when_the_office_has_gone_on_is_kept(world: World) -> None:
    id, me = await told_by(world.nobody, world)
    await put_in(world, id, State.in_progress)
    assert (await send(me, id, "answers")).status_code == 200
    assert (await heard(world, id))[-1] == "complaint.added_to"


# --- withdrawing ----------------------------------------------------------------------------------


async def test_withdrawn_before_anything_is_under_way_it_ends_and_its_clocks_too(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    for replayed in (False, True):
        found = (await send(me, id, "withdrawal")).json()
        assert (found["status"], found["replayed"]) == ("withdrawn", replayed)
    assert all(c.met_at for c in await stored_clocks(world, id))
    assert await heard(world, id) == ["complaint.submitted", "complaint.withdrawn"]


@pytest.mark.parametrize("state", [State.inspection_scheduled, State.order_issued])
async def test_an_inspection_that_is_warranted_goes_on_without_its_complainant(
    world: World, state: State
) -> None:
    id, me = await told_by(world.nobody, world)
    await put_in(world, id, state)
    assert (await send(me, id, "withdrawal")).json()["status"] == "withdrawn"
    async with world.db.read() as tx:
        assert await tx.value("select state from complaint where id = $1", id) == state
    assert not all(c.met_at for c in await stored_clocks(world, id))


async def test_the_office_does_not_wait_for_somebody_who_has_left(world: World) -> None:
    id, me = await told_by(world.nobody, world)
    await put_in(world, id, State.awaiting_info, at=now() - timedelta(hours=5))
    assert (await send(me, id, "withdrawal")).json()["status"] == "withdrawn"
    async with world.db.read() as tx:
        found = "select state || ' ' || (paused_at is null) from complaint where id = $1"
        assert await tx.value(found, id) == "in_progress true"


# --- nothing is learned by trying -----------------------------------------------------------------

SAME: dict[PublicStatus, list[State]] = {}
for _state in State:
    if _state not in (State.duplicate, State.withdrawn):
        SAME.setdefault(public_status(_state, left=False), []).append(_state)


def shape(found: httpx.Response, id: UUID) -> Any:
    """An answer without what differs from one complaint to the next for an innocent reason."""
    body = found.json()
    for name in ("id", "number", "received_at", "answer_by", "reopen_until", "request_id"):
        body.pop(name, None)
    for said in body.get("said", []):
        for name in ("id", "received_at", "at"):
            said.pop(name, None)
    return found.status_code, body


@pytest.mark.parametrize("status", [s for s, states in SAME.items() if len(states) > 1])
@pytest.mark.parametrize("what", [*BODIES, "withdrawal", ""])
@pytest.mark.parametrize("left", [False, True])
async def test_states_that_look_the_same_cannot_be_told_apart_by_trying(
    world: World, status: PublicStatus, what: str, left: bool
) -> None:
    seen = {}
    for state in SAME[status]:
        id, me = await told_by(world.nobody, world)
        await put_in(world, id, state)
        if left:
            await send(me, id, "withdrawal")
        if what:
            seen[state] = [shape(await send(me, id, what), id)]
        else:
            seen[state] = []
        seen[state].append(shape(await me.get(f"/v1/own-complaints/{id}"), id))
    first = next(iter(seen.values()))
    assert all(found == first for found in seen.values()), seen


async def test_a_refusal_names_what_the_complainant_sees_and_never_the_state(world: World) -> None:
    id, me = await told_by(world.nobody, world)
    await put_in(world, id, State.order_issued)
    for what in ("ratings", "reopenings"):
        found = await send(me, id, what)
        assert (found.status_code, found.json()["code"]) == (409, "complaints/complaint-ended")
        assert found.json()["status"] != "order_issued" and "order_issued" not in found.text


async def test_how_often_an_office_touched_it_is_not_told(world: World) -> None:
    id, me = await told_by(world.nobody, world)
    before = (await me.get(f"/v1/own-complaints/{id}")).text
    await put_in(world, id, State.submitted)
    assert (await me.get(f"/v1/own-complaints/{id}")).text == before


# --- after the end --------------------------------------------------------------------------------


async def test_whoever_told_it_says_whether_it_is_solved_and_the_last_word_counts(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    assert (await send(me, id, "ratings")).status_code == 409
    await put_in(world, id, State.closed)
    entry = ids.new()
    for _ in range(2):
        found = (await send(me, id, "ratings", entry)).json()
        assert (found["solved"], found["rating"]) == (True, 4)
    found = (await send(me, id, "ratings", solved=False, rating=1, text="ไม่จริง")).json()
    assert (found["solved"], found["rating"]) == (False, 1)
    assert (await heard(world, id)).count("complaint.rated") == 2
    assert (await send(me, id, "ratings", solved=True, rating=6)).status_code == 422


async def test_not_solved_reopens_it_before_the_head_with_a_clock_of_its_own_each_time(
    world: World, own: tuple[UUID, Person]
) -> None:
    id, me = own
    for times in (1, 2):
        await put_in(world, id, State.resolved if times == 1 else State.closed)
        entry = ids.new()
        answers = await asyncio.gather(*(send(me, id, "reopenings", entry) for _ in range(10)))
        assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
        assert {a.json()["status"] for a in answers} == {"in_progress"}
        async with world.db.read() as tx:
            row = "select concat_ws(' ', state, reopened, solved, outcome, assigned) from complaint"
            found = await tx.value(f"{row} where id = $1", id)
        assert found == f"reopened {times} f"
        running = [c for c in await stored_clocks(world, id) if c.met_at is None]
        assert [c.kind for c in running] == [Kind.answer_reopened]
        assert running[0].due_at - running[0].started_at == timedelta(days=7)
        assert (await heard(world, id)).count("complaint.reopened") == times
    await world.work()
    async with world.db.read() as tx:
        told = "select count(*) from message where about = $1 and account = $2 and template = $3"
        head = world["head"].account
        assert await tx.value(told, id, head, "complaint.reopened") == 2


async def test_too_late_to_reopen_is_too_late_to_the_second(world: World) -> None:
    id, me = await told_by(world.nobody, world)
    await put_in(world, id, State.closed, at=now() - timedelta(days=15, seconds=1))
    found = await send(me, id, "reopenings")
    assert (found.status_code, found.json()["code"]) == (409, "complaints/reopening-late")
    await put_in(world, id, State.closed, at=now() - timedelta(days=14, hours=23))
    assert (await send(me, id, "reopenings")).status_code == 200


async def test_a_duplicate_is_followed_as_what_it_was_merged_into_and_tells_no_more(
    world: World,
) -> None:
    first, _ = await told_by(world.nobody, world)
    id, me = await told_by(world.nobody, world)
    await put_in(world, id, State.duplicate, into=first, at=now() - timedelta(days=30))
    own = f"/v1/own-complaints/{id}"
    for state, status in (
        (State.submitted, "in_progress"),  # taken up, as far as they can see
        (State.order_issued, "in_progress"),
        (State.awaiting_info, "in_progress"),  # the question was put to somebody else
        (State.withdrawn, "finished"),  # who gave up is nobody else's to know
        (State.closed, "finished"),
    ):
        await put_in(world, first, state)
        found = (await me.get(own)).json()
        assert (found["status"], "merged" in found) == (status, False), state
        assert (found["reopen_until"] is None) == (status == "in_progress")
    assert (await send(me, id, "reopenings")).json()["status"] == "in_progress"


async def test_a_holiday_between_does_not_shorten_what_was_left(world: World) -> None:
    """Asked on the Friday before Songkran, answered after it."""
    asked = datetime(2027, 4, 9, 3, tzinfo=UTC)
    with clock.travel(asked - timedelta(hours=1) - now()):
        id, me = await told_by(world.nobody, world)
    before = {c.kind: c.due_at for c in await stored_clocks(world, id)}
    await put_in(world, id, State.awaiting_info, at=asked)
    with clock.travel(datetime(2027, 4, 16, 3, tzinfo=UTC) - now()):
        assert (await send(me, id, "answers")).status_code == 200
    after = {c.kind: c.due_at for c in await stored_clocks(world, id)}
    assert clock.bangkok_date(before[Kind.acknowledge]) > clock.bangkok_date(asked)
    assert after[Kind.acknowledge] >= datetime(2027, 4, 19, 16, tzinfo=UTC)
