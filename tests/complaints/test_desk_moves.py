"""Every verb of the desk in every state, and what of it the complainant can tell."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import ids
from api.complaints import clocks, moving
from api.complaints.model import MOVES, PublicStatus, State, public_status
from api.db import Database
from api.permissions import Worker
from tests.complaints.conftest import begun, by_code, do, secret, tell
from tests.world import World

OUTSIDE: Final = {"text": "x", "responsible": {"outside": "หน่วยงานอื่น (ตัวอย่าง)"}}


def bodies(world: World, target: UUID) -> dict[str, Any]:
    """What the desk sends with each verb."""
    said = {"text": "คำชี้แจง (ตัวอย่าง)"}
    return {
        "accept": None,
        "reject": OUTSIDE,
        "merge": said | {"into": target},
        "assign": {"officer": world.inspector.account},
        "forward": OUTSIDE,
        "begin": None,
        "ask": said | {"id": ids.new()},
        "inform": said | {"id": ids.new()},
        "resolve": said | {"outcome": "substantiated"},
        "close": said,
        "reopen": said,
    }


VERBS: Final = (
    *("accept", "reject", "merge", "assign", "forward", "begin"),
    *("ask", "inform", "resolve", "close", "reopen"),
)
OF_OTHERS: Final = {"reassign", "schedule", "inspected", "order", "order_ended", "withdraw"}
"""The address of `assign` does both; the rest is the inspections' and the complainant's."""


def test_the_desk_has_every_verb_that_is_its_own() -> None:
    assert {verb for verb, _ in MOVES} == {*VERBS, *OF_OTHERS}


@pytest.fixture(scope="module")
async def base(world: World) -> tuple[UUID, UUID]:
    """A complaint to make copies of, and one to merge them into."""
    return await begun(world), await begun(world)


async def copy(db: Database, base: UUID, state: State, target: UUID) -> UUID:
    """The same complaint, put into `state` by force."""
    id = ids.new()
    forced = {"id": str(id), "state": state.value}
    if state is State.duplicate:
        forced["merged_into"] = str(target)
    if state is State.awaiting_info:
        forced["paused_at"] = "2026-11-20T00:00:00Z"
    async with db.begin() as tx:
        await tx.run(
            """
            insert into complaint select (jsonb_populate_record(c, $2::jsonb
                || jsonb_build_object('number', nextval('complaint_number'),
                    'shown_as', gen_random_uuid(), 'public_id', floor(random() * 1e14)))).*
            from complaint c where c.id = $1
            """,
            base,
            msgspec.json.encode(forced).decode(),
        )
    return id


@pytest.mark.parametrize("state", list(State), ids=str)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_complaint_moves_as_the_table_says_and_no_other_way(
    world: World, db: Database, base: tuple[UUID, UUID], verb: str, state: State
) -> None:
    id = await copy(db, base[0], state, base[1])
    done = await do(world.head, id, verb, bodies(world, base[1])[verb])
    async with db.read() as tx:
        after = await tx.value("select state from complaint where id = $1", id)
        entries = await tx.value("select count(*) from complaint_entry where complaint = $1", id)
        told = await tx.values("select name from event where record = $1", id)
    to = MOVES.get((verb, state))
    if verb == "assign" and to is None:
        to = MOVES.get(("reassign", state))
    if to is None:
        assert (done.status_code, done.json()["code"]) == (409, "complaints/complaint-sealed")
        assert (after, entries, told) == (state, 0, [])
    else:
        assert done.status_code == 200, done.text
        assert (after, done.json()["state"], len(told)) == (to, to, 1)


@pytest.mark.parametrize("state", list(State), ids=str)
@pytest.mark.parametrize("kind", ["notes", "messages", "calls"])
async def test_what_is_only_said_moves_nothing_in_any_state(
    world: World, db: Database, base: tuple[UUID, UUID], kind: str, state: State
) -> None:
    id = await copy(db, base[0], state, base[1])
    body: dict[str, Any] = {"text": "x"} | ({"reached": True} if kind == "calls" else {})
    done = await world.head.put(
        f"/v1/complaints/{id}/{kind}/{ids.new()}", content=msgspec.json.encode(body)
    )
    assert done.status_code == 200, done.text
    async with db.read() as tx:
        assert await tx.value("select state from complaint where id = $1", id) == state


# --- what the complainant can tell ----------------------------------------------------------------


SECRET_STATES: Final = (State.in_progress, State.inspection_scheduled, State.order_issued)


def test_states_that_may_not_be_told_apart_have_one_public_status() -> None:
    for left in (False, True):
        assert len({public_status(s, left=left) for s in SECRET_STATES}) == 1
        for target in SECRET_STATES:
            told = public_status(State.duplicate, left=left, merged_into=target)
            assert told is public_status(State.in_progress, left=left)
    asked = public_status(State.duplicate, left=False, merged_into=State.awaiting_info)
    assert asked is PublicStatus.in_progress, "the other one was asked"


@given(st.lists(st.sampled_from(sorted({verb for verb, _ in MOVES})), max_size=40))
@settings(max_examples=200)
def test_of_any_sequence_of_verbs_the_public_status_is_the_states_and_no_more(
    verbs: list[str],
) -> None:
    """Two histories that end in states which may not be told apart are told alike."""
    state = State.submitted
    for verb in verbs:
        before, state = state, MOVES.get((verb, state), state)
        told = public_status(state, left=False)
        if verb in ("schedule", "inspected", "order", "order_ended", "reassign"):
            assert told is public_status(before, left=False), "a hidden verb showed"
        if told is PublicStatus.finished:
            assert state in (State.resolved, State.closed)
        if told is PublicStatus.waiting_for_you:
            assert state is State.awaiting_info
        assert told.value not in (*SECRET_STATES[1:], State.assigned)


async def hidden(world: World, id: UUID, verb: str) -> None:
    """A verb of the inspections, done as they do it."""
    async with world.db.begin(Worker("test")) as tx:
        complaint = await moving.held(tx, id, "complaint.read", None)
        if (verb, complaint.state) in MOVES:
            complaint.state = moving.target(complaint, verb)
            running = clocks.read(complaint.clocks)
            await moving.save(tx, complaint, f"complaint.{verb}_done", running=running)


SHOWN_VERBS: Final = {"reject", "forward", "ask", "inform", "resolve", "close", "reopen", "merge"}
ANY: Final = st.lists(
    st.sampled_from(
        [
            *("accept", "assign", "begin", "forward", "reopen", "close", "reject"),
            *("ask", "inform", "resolve", "schedule", "inspected", "order", "order_ended"),
            *("schedule", "order", "begin", "assign", "accept", "note", "call"),
        ]
    ),
    min_size=4,
    max_size=25,
)


@given(ANY)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_complainants_own_view_changes_only_by_what_is_said_to_them(
    world: World, loop: asyncio.AbstractEventLoop, verbs: list[str]
) -> None:
    """Over HTTP: every step that is not theirs to know leaves their view as it was, to the byte,
    but for the number of its version."""
    loop.run_until_complete(_walk(world, verbs))


async def _walk(world: World, verbs: list[str]) -> None:
    mine, id = secret(), ids.new()
    assert (await tell(world.nobody, id, secret=mine)).status_code == 200
    holder = by_code(world, mine)

    async def view() -> dict[str, Any]:
        answer = await holder.get(f"/v1/own-complaints/{id}")
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        seen.pop("version", None)
        return seen

    before, state = await view(), State.submitted
    for verb in verbs:
        if verb in ("schedule", "inspected", "order", "order_ended"):
            await hidden(world, id, verb)
        elif verb in ("note", "call"):
            kind = {"note": "notes", "call": "calls"}[verb]
            body = {"text": "ลับเฉพาะเจ้าหน้าที่"} | ({"reached": False} if verb == "call" else {})
            await world.head.put(
                f"/v1/complaints/{id}/{kind}/{ids.new()}", content=msgspec.json.encode(body)
            )
        else:
            done = await do(world.head, id, verb, bodies(world, id)[verb])
            assert done.status_code in (200, 409), done.text
        async with world.db.read() as tx:
            was, state = state, State(await tx.value("select state from complaint where id=$1", id))
        after = await view()
        assert after["status"] == public_status(state, left=False)
        for word in ("inspection", "order_issued", "assigned", "นัดตรวจ", "สั่งให้", "ลับเฉพาะ"):
            assert word not in str(after)
        if state == was or verb not in SHOWN_VERBS:
            moved = dict(after), dict(before)
            for each in moved:
                if verb == "accept":
                    [each.pop(name) for name in ("status", "status_th", "forwarded_to")]
            assert moved[0] == moved[1], verb
        if after["status"] not in ("finished", "not_taken_up"):
            assert (after["outcome"], after["decision"]) == (None, "")
        before = after


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop of the tests, for a plain function that hypothesis calls again and again."""
    return asyncio.get_running_loop()
