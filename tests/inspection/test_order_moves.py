"""Every verb of an order in every state, and of a sealing: the tables of moves are the truth."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from api import ids
from api.accounts.model import Power
from api.db import Database
from api.inspection.orders import ending, succession
from api.inspection.orders.model import MOVES, SEALING_MOVES, OrderState, SealingState
from api.inspection.orders.problems import OrderSealed
from api.permissions import Worker
from tests.inspection.orders import accepted, allow, content, proof, served, service, sign
from tests.world import World, encode, now

VERBS = sorted({verb for verb, _ in MOVES})
SEALING_VERBS = sorted({verb for verb, _ in SEALING_MOVES})
STOPS = ("notice", "find_disobeyed")
"""Verbs that stop and closure orders have and an order to correct has not."""


@pytest_asyncio.fixture(scope="module")
async def base(world: World) -> dict[str, Any]:
    """A served order that every case copies, its visit, and a later visit of the same site."""
    visit = await accepted(world)
    order = await served(world, visit)
    await allow(world, world.department, Power.approve_sealing)
    follow_up = await world.begun(UUID(visit["premises"]), reason="follow_up", follows=visit["id"])
    return order | {"seen": visit, "follow_up": follow_up}


async def copy(
    db: Database, base: dict[str, Any], state: OrderState, verb: str
) -> tuple[UUID, int]:
    """A copy of the order in `state`, ready for `verb`; the other copies are out of the way."""
    order, sent = ids.new(), state not in (OrderState.draft, OrderState.signed)
    async with db.begin() as tx:
        await tx.run(
            """
            update legal_order set state = case when signed_at is null then 'discarded'
                else 'annulled' end
            where premises = $1
            """,
            UUID(base["premises"]),
        )
        version: int = await tx.value(
            """
            insert into legal_order (id, kind, state, basis, premises, licence, company, province,
                class, office, visit, content, drafted_by, drafted_at, number, signed_by, signed_at,
                authority, authentication, content_hash, signed_content, served_at, due_at,
                appeal_until, stay, data_key)
            select $1::uuid, $3, $4, basis, premises, licence, company, province, class, office,
                visit, content, drafted_by, drafted_at, $1::uuid::text, signed_by, signed_at,
                authority, authentication, content_hash, signed_content,
                case when $5 then served_at end, case when $5 then due_at end,
                case when $5 then appeal_until end, $6::json, data_key
            from legal_order where id = $2 returning version
            """,
            order,
            UUID(base["id"]),
            "stop" if verb in STOPS else "correct",
            state.value,
            sent,
            '{"by":"court","reference":"1","left_s":864000}' if verb == "end_stay" else None,
        )
        if verb == "verify":
            await tx.run(
                """
                insert into order_finding (legal_order, finding, required)
                select $1, finding, required from order_finding where legal_order = $2
                """,
                order,
                UUID(base["id"]),
            )
        if verb in ("uphold", "annul"):
            await tx.run(
                """
                insert into appeal (legal_order, filed_at, filed_on, late, grounds, recorded_by)
                values ($1, now(), $2, false, '', (select signed_by from legal_order where id = $3))
                """,
                order,
                date(2026, 1, 1),
                UUID(base["id"]),
            )
        if verb == "find_disobeyed":
            for place in "123":
                await tx.run(
                    """
                    insert into order_notice (id, legal_order, place, posted_at, officer)
                    select $1, $2, $3, now(), signed_by from legal_order where id = $2
                    """,
                    ids.new(),
                    order,
                    place,
                )
    return order, version


async def sealing(db: Database, order: UUID, state: SealingState) -> UUID:
    """A sealing of `order` put into `state` by force."""
    id = ids.new()
    async with db.begin() as tx:
        await tx.run(
            """
            insert into sealing (id, legal_order, state, machines, reason, requested_by,
                requested_at, approved_by, authority)
            select $1::uuid, $2, $3, json_build_array($1::uuid::text), 'x', drafted_by, now(),
                signed_by, authority
            from legal_order where id = $2
            """,
            id,
            order,
            state.value,
        )
        if state in (SealingState.sealed, SealingState.lifted):
            await tx.run(
                """
                insert into seal (sealing, number, machine, machine_key, lifted_at)
                select $1::uuid, n, $1::uuid::text, $1::uuid::text, case when $2 then now() end
                from unnest(array['1', '2']) as n
                """,
                id,
                state is SealingState.lifted,
            )
    return id


JUDGED = {"wilful": True, "serious_danger": True, "reasons": "x"}
DESK: dict[str, tuple[str, Any]] = {
    "discard": ("discard", {"why": "x"}),
    "revoke": ("revoke", {"why": "x"}),
    "comply": ("comply", {"why": "x"}),
    "find_breach": ("breach", JUDGED),
    "find_disobeyed": ("breach", JUDGED),
    "stay": ("stay", {"by": "court", "reference": "1"}),
    "end_stay": ("end-stay", None),
}


async def play(
    world: World, db: Database, base: dict[str, Any], verb: str, order: UUID, version: int
) -> httpx.Response | bool:
    """What came of the verb, done by somebody who may; True or False where it has no address."""
    path, head = f"/v1/orders/{order}", world.head
    today = (now() + timedelta(hours=7)).date()
    if verb in DESK:
        action, body = DESK[verb]
        said = None if body is None else encode(body)
        return await head.post(f"{path}/{action}", content=said, version=version)
    match verb:
        case "run_out":
            async with db.begin(Worker("timer")) as tx:
                before = await tx.value("select state from legal_order where id = $1", order)
                await ending.run_out(tx, order)
                after = await tx.value("select state from legal_order where id = $1", order)
            return bool(before != after)
        case "supersede":
            try:
                async with db.begin(Worker("test")) as tx:
                    await succession.correct(tx, order, UUID(base["id"]))
            except OrderSealed:
                return False
            return True
        case "revive":
            async with db.begin(Worker("test")) as tx:
                await tx.run(
                    "update legal_order set superseded_by = $2 where id = $1",
                    order,
                    UUID(base["id"]),
                )
                return await succession.revive(tx, order, UUID(base["id"]))
        case "redraft":
            body = content(base["seen"])
            return await world.inspector.put(
                f"{path}/content", content=encode(body), version=version
            )
        case "sign":
            if (await head.get(f"{path}/signing")).status_code == 409:
                body = {"type": "fresh_authentication", "sha256": "0" * 64, "ticket": "x"}
                return await head.post(
                    f"{path}/sign", content=encode({"signature": body}), version=version
                )
            signed: httpx.Response = await sign(world, {"id": str(order), "version": version})
            return signed
        case "attempt" | "serve":
            body = service("not_found" if verb == "attempt" else "personal")
            return await world.inspector.put(f"{path}/service/{ids.new()}", content=encode(body))
        case "extend":
            body = {"until": (today + timedelta(days=90)).isoformat(), "reason": "x"}
            return await head.post(f"{path}/extend", content=encode(body), version=version)
        case "claim_correction":
            claim = f"/v1/company-orders/{order}/corrections/{ids.new()}"
            return await world.operator.put(claim, content=encode({"note": "x"}))
        case "verify":
            finding = base["findings"][0]["finding"]
            body = {"visit": base["follow_up"], "corrected": False}
            return await world.inspector.post(
                f"{path}/findings/{finding}/verify", content=encode(body)
            )
        case "file_appeal":
            body = {"filed_on": today.isoformat()}
            return await head.put(f"{path}/appeal", content=encode(body))
        case "uphold" | "annul":
            body = {"annulled": verb == "annul", "decided_on": today.isoformat(), "decision": "x"}
            return await head.post(f"{path}/appeal/decide", content=encode(body), version=version)
        case "notice":
            body = {"place": "x", "at": now()}
            return await world.inspector.put(f"{path}/notices/{ids.new()}", content=encode(body))
        case "ask_sealing":
            body = {"machines": ["x"], "reason": "x"}
            return await world.inspector.put(f"{path}/sealings/{ids.new()}", content=encode(body))
        case "decide_sealing":
            held = await sealing(db, order, SealingState.requested)
            return await decide(world, order, held, "approve")
        case "seal":
            held = await sealing(db, order, SealingState.approved)
            return await decide(world, order, held, "seal", await proof(world.inspector, db))
    raise AssertionError(f"nobody plays {verb}")


async def decide(
    world: World, order: UUID, held: UUID, verb: str, photo: UUID | None = None
) -> httpx.Response:
    path = f"/v1/orders/{order}/sealings/{held}"
    if verb in ("approve", "refuse"):
        body = encode({"approved": verb == "approve"})
        return await world.department.post(f"{path}/decide", content=body, version=1)
    if verb == "seal":
        seals = [{"number": "1", "machine": str(held)}]
        body = encode({"at": now(), "seals": seals, "evidence": [photo]})
        return await world.inspector.post(f"{path}/seal", content=body, version=1)
    body = encode({"at": now(), "seals": ["1", "2"] if verb == "lift" else ["2"]})
    return await world.inspector.post(f"{path}/lift", content=body, version=1)


@pytest.mark.parametrize("state", list(OrderState), ids=str)
@pytest.mark.parametrize("verb", VERBS)
async def test_an_order_moves_as_the_table_says_and_no_other_way(
    world: World, db: Database, base: dict[str, Any], verb: str, state: OrderState
) -> None:
    order, version = await copy(db, base, state, verb)
    done = await play(world, db, base, verb, order, version)
    async with db.read() as tx:
        after = await tx.value("select state from legal_order where id = $1", order)
    to = MOVES.get((verb, state))
    if verb == "serve" and to is None:  # kept as an attempt, which moves nothing
        to = MOVES.get(("attempt", state))
    if verb == "find_disobeyed" and to is None:  # one address for both
        to = MOVES.get(("find_breach", state))
    allowed = done if isinstance(done, bool) else done.status_code == 200
    told = "" if isinstance(done, bool) else done.text
    assert allowed == (to is not None), told
    assert after == (to or state), told
    if not allowed and not isinstance(done, bool):
        draft = state in (OrderState.draft, OrderState.signed) and verb == "claim_correction"
        wanted = "inspection/no-such-order" if draft else "inspection/order-state"
        assert done.json()["code"] == wanted


@pytest.mark.parametrize("state", list(SealingState), ids=str)
@pytest.mark.parametrize("verb", SEALING_VERBS)
async def test_a_sealing_moves_as_the_table_says_and_no_other_way(
    world: World, db: Database, base: dict[str, Any], verb: str, state: SealingState
) -> None:
    order, _ = await copy(db, base, OrderState.served, "ask_sealing")
    held = await sealing(db, order, state)
    photo = await proof(world.inspector, db) if verb == "seal" else None
    done = await decide(world, order, held, verb, photo)
    to = SEALING_MOVES.get((verb, state))
    assert done.status_code == (409 if to is None else 200), done.text
    if to is None:
        assert done.json()["code"] == "inspection/sealing-state"
    else:
        assert [s["state"] for s in done.json()["sealings"]] == [to]
