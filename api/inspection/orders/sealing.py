"""Tying and sealing machines (Factory Act s.37 ¶2): asked for, approved by the Permanent Secretary
or a delegate, done by the officer with a list of seals, and lifted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api import permissions
from api.accounts import service as accounts
from api.accounts.model import Power
from api.db import Tx
from api.inspection.orders import outcome_queries, proofs, reading
from api.inspection.orders.model import (
    MOVES,
    NO_NUL,
    SEALING_MOVES,
    Moment,
    OrderKind,
    Row,
    Said,
    SealingState,
)
from api.inspection.orders.problems import (
    NotForThisKind,
    OrderExists,
    OrderSealed,
    SealingNotFound,
    WrongSealingState,
)
from api.inspection.orders.views import Order
from api.problems import Stale


class AskSealing(msgspec.Struct, forbid_unknown_fields=True):
    """Which machines are to be sealed, and why."""

    machines: Annotated[list[Said], Meta(min_length=1, max_length=500)]
    reason: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=NO_NUL)]


class SealMachines(msgspec.Struct, forbid_unknown_fields=True):
    """What was sealed: the seals' numbers, with photographs."""

    at: Moment
    seals: Annotated[list[Said], Meta(min_length=1, max_length=500)]
    evidence: Annotated[list[UUID], Meta(min_length=1, max_length=100)]


async def ask(tx: Tx, order: UUID, id: UUID, wanted: AskSealing) -> Order:
    """The officer asks for approval under the sender's id. Raises `NotForThisKind`."""
    row = await _order(tx, order, "sealing.ask")
    if row.kind != OrderKind.correct:
        raise NotForThisKind(kind=row.kind)
    if ("ask_sealing", row.state) not in MOVES:
        raise OrderSealed(state=row.state)
    machines = msgspec.json.encode(wanted.machines).decode()
    if await outcome_queries.insert_sealing(
        tx, id, order, machines, wanted.reason, reading.account(tx)
    ):
        await reading.tell(tx, row, "sealing.requested", {"sealing": id})
    elif not await outcome_queries.same_sealing(tx, id, order, machines, wanted.reason):
        raise OrderExists(sealing=id)
    return await reading.order(tx, order)


async def decide(tx: Tx, order: UUID, id: UUID, version: int, approved: bool) -> Order:
    """The Permanent Secretary or a delegate decides; raises `AuthorityNeeded`."""
    row = await _order(tx, order, "sealing.approve")
    if approved:
        _in_force(row, "decide_sealing")
    authority = await accounts.require_authority(
        tx, Power.approve_sealing, "37", factory_class=row.class_, province=row.province
    )
    state = await _moved(tx, order, id, version, "approve" if approved else "refuse")
    await outcome_queries.decide_sealing(tx, id, state, reading.account(tx), authority.id)
    await reading.tell(tx, row, f"sealing.{state.value}", {"sealing": id})
    return await reading.order(tx, order)


async def seal(tx: Tx, order: UUID, id: UUID, version: int, done: SealMachines) -> Order:
    """The officer has sealed the machines; only what was approved may be."""
    row = await _order(tx, order, "sealing.seal")
    await _moved(tx, order, id, version, "seal")
    _in_force(row, "seal")
    await proofs.claim(tx, row, "seal", id, done.evidence, shown=False)
    at: datetime = min(done.at, tx.now)
    await outcome_queries.seal_machines(
        tx, id, msgspec.json.encode(done.seals).decode(), done.evidence, at, reading.account(tx)
    )
    await reading.tell(tx, row, "sealing.sealed", {"sealing": id, "seals": len(done.seals)})
    return await reading.order(tx, order)


def _in_force(row: Row, move: str) -> None:
    """No machine is sealed under an order that was not served, has ended, or is stayed."""
    if row.stay is not None:
        raise OrderSealed(state="stayed")
    if (move, row.state) not in MOVES:
        raise OrderSealed(state=row.state)


async def lift(tx: Tx, order: UUID, id: UUID, version: int) -> Order:
    """The seals are taken off again, by the officer."""
    row = await _order(tx, order, "sealing.seal")
    await _moved(tx, order, id, version, "lift")
    await outcome_queries.lift_seals(tx, id, reading.account(tx))
    await reading.tell(tx, row, "sealing.lifted", {"sealing": id})
    return await reading.order(tx, order)


async def _order(tx: Tx, order: UUID, verb: str) -> Row:
    permissions.reaches(tx.actor, verb)
    await tx.lock([order])
    return await reading.row(tx, order, verb)


async def _moved(tx: Tx, order: UUID, id: UUID, version: int, move: str) -> SealingState:
    held = next((s for s in await outcome_queries.sealings(tx, [order]) if s.id == id), None)
    if held is None:
        raise SealingNotFound(sealing=id)
    if held.version != version:
        raise Stale(current=held.version)
    to = SEALING_MOVES.get((move, SealingState(held.state)))
    if to is None:
        raise WrongSealingState(state=held.state)
    return to
