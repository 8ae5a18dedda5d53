"""Every verb of a visit in every state, played against the API: the table of moves is the truth."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from api import ids
from api.db import Database
from api.inspection.visits.model import ENDED, FINDING_MOVES, MOVES, FindingState, VisitState
from tests.world import World, answer, encode, gate, now, record

DESK = {"take_up": "take-up", "return": "return", "accept": "accept", "close": "close"}
VERBS = sorted({verb for verb, _ in MOVES})
REACHED_THE_TABLE = {"inspection/nothing-to-settle", "inspection/not-awaiting"}
"""Refusals that come after the move was allowed: there is nothing to settle or no sample waits."""


async def put_into(db: Database, visit: UUID, state: VisitState) -> int:
    """Sets the state by force and returns the version."""
    async with db.begin() as tx:
        version: int = await tx.value(
            """
            update visit set state = $2, version = version + 1, started_at = case
                    when $2 = 'planned' then null else coalesce(started_at, now()) end,
                accepted_at = case when $2 in ('accepted', 'closed') then now() end
            where id = $1 returning version
            """,
            visit,
            state.value,
        )
    return version


async def play(world: World, visit: UUID, verb: str, version: int) -> tuple[bool, str]:
    """(allowed, code of the problem) of a verb, by the person who may do it."""
    if verb in DESK or verb == "cancel":
        body = {"items": ["E08"], "note": ""} if verb == "return" else {"note": ""}
        path = f"/v1/visits/{visit}/{DESK.get(verb, verb)}"
        content = None if verb == "take_up" else encode(body)
        found: httpx.Response = await world.head.post(path, content=content, version=version)
        return found.status_code == 200, found.json().get("code", "")
    op = {
        "start": record(visit, start=gate()),
        "record": record(visit, answers=[answer("E08", "pass")]),
        "settle": {"op": "visit.settle", "item": "E08", "supersedes": [ids.new()], "value": "pass"},
        "submit": {"op": "visit.submit", "ended_at": now()},
        "add_result": {"op": "visit.add_result", "item": "H04", "value": 7.0},
    }[verb]
    (result,) = await world.inspector.push({"id": ids.new(), "visit": visit} | op)
    code = (result.get("problem") or {}).get("code", "")
    return result["status"] in ("stored", "flagged") or code in REACHED_THE_TABLE, code


@pytest.mark.parametrize("state", list(VisitState), ids=str)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_visit_moves_as_the_table_says_and_no_other_way(
    world: World, db: Database, verb: str, state: VisitState
) -> None:
    visit = await world.plan()
    version = await put_into(db, visit, state)
    allowed, code = await play(world, visit, verb, version)
    async with db.read() as tx:
        after = await tx.value("select state from visit where id = $1", visit)
    to = MOVES.get((verb, state))
    if verb == "start" and to is None:
        # The first record of a planned visit is its start; in any other state it is a record.
        to = MOVES.get(("record", state))
    if verb == "record" and state is VisitState.planned:
        to = MOVES["start", state]
    if verb in ("start", "record") and state in ENDED:  # kept as a late entry, which is no move
        assert allowed
        assert after == state
        return
    assert allowed == (to is not None), code
    if to is None:
        assert code in ("inspection/visit-sealed", "inspection/not-started")
        assert after == state
    elif not code:
        assert after == to


@pytest.mark.parametrize("state", list(FindingState), ids=str)
async def test_a_finding_is_confirmed_from_one_state_only(
    world: World, db: Database, state: FindingState
) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]))
    async with db.begin() as tx:
        finding = await tx.value(
            "update finding set state = $2 where visit = $1 returning id", visit, state.value
        )
        version = await tx.value("select version from finding where id = $1", finding)
    found = await world.head.post(f"/v1/findings/{finding}/confirm", version=version)
    to = FINDING_MOVES.get(("confirm", state))
    assert found.status_code == (409 if to is None else 200), found.text
    if to is None:
        assert found.json()["code"] == "inspection/finding-state"
    else:
        assert found.json()["state"] == to
