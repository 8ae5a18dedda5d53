"""Tying and sealing machines (Factory Act s.37 ¶2): asked for, approved by the Permanent Secretary
or a delegate, done by the officer with a list of seals, and lifted."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api import permissions
from api.accounts import service as accounts
from api.accounts.model import Power
from api.clock import Moment
from api.db import Tx
from api.inspection.orders import proofs, reading, sealing_queries
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import (
    MOVES,
    NO_NUL,
    SEALING_MOVES,
    Evidence,
    OrderKind,
    Row,
    Said,
    SealingState,
)
from api.inspection.orders.problems import (
    MachineSealed,
    NotForThisKind,
    OrderExists,
    OrderSealed,
    SealingNotFound,
    SealsWrong,
    WrongSealingState,
)
from api.inspection.orders.views import Order
from api.problems import Stale


class AskSealing(msgspec.Struct, forbid_unknown_fields=True):
    """Which machines are to be sealed, and why."""

    machines: Annotated[list[Said], Meta(min_length=1, max_length=500)]
    reason: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=NO_NUL)]


class PlacedSeal(msgspec.Struct, forbid_unknown_fields=True):
    """The number of a seal, and the machine that it is on; one machine may bear several."""

    number: Said
    machine: Said


class SealMachines(msgspec.Struct, forbid_unknown_fields=True):
    """What was sealed: each seal with its machine, and photographs."""

    at: Moment
    seals: Annotated[list[PlacedSeal], Meta(min_length=1, max_length=500)]
    evidence: Annotated[list[UUID], Meta(min_length=1, max_length=100)]


class LiftSeals(msgspec.Struct, forbid_unknown_fields=True):
    """Which seals were taken off, by their numbers."""

    at: Moment
    seals: Annotated[list[Said], Meta(min_length=1, max_length=500)]
    evidence: Evidence = []


async def ask(tx: Tx, order: UUID, id: UUID, wanted: AskSealing) -> Order:
    """The officer asks for approval under the sender's id.

    Raises `NotForThisKind`, `SealsWrong` for a machine that is named twice, `MachineSealed`.
    """
    row = await _order(tx, order, "sealing.ask")
    if row.kind != OrderKind.correct:
        raise NotForThisKind(kind=row.kind)
    if ("ask_sealing", row.state) not in MOVES:
        raise OrderSealed(state=row.state)
    _once(_key(m) for m in wanted.machines)
    machines = msgspec.json.encode(wanted.machines).decode()
    if await sealing_queries.insert_sealing(
        tx, id, order, machines, wanted.reason, reading.account(tx)
    ):
        await _free(tx, row, id, [_key(m) for m in wanted.machines])
        await reading.tell(tx, row, "sealing.requested", {"sealing": id})
    elif not await sealing_queries.same_sealing(tx, id, order, machines, wanted.reason):
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
    held = await _held(tx, order, id, version)
    state = _moved(held, "approve" if approved else "refuse")
    await sealing_queries.decide_sealing(tx, id, state, reading.account(tx), authority.id)
    await reading.tell(tx, row, f"sealing.{state.value}", {"sealing": id})
    return await reading.order(tx, order)


async def seal(tx: Tx, order: UUID, id: UUID, version: int, done: SealMachines) -> Order:
    """The officer has sealed machines; only what was approved may be, and what bears no seal yet.

    Raises `SealsWrong`, `MachineSealed`.
    """
    row = await _order(tx, order, "sealing.seal")
    held = await _held(tx, order, id, version)
    _moved(held, "seal")
    _in_force(row, "seal")
    approved = {_key(machine): machine for machine in reading.machines_of(held)}
    _once(seal.number.strip() for seal in done.seals)
    if strange := [s.machine for s in done.seals if _key(s.machine) not in approved]:
        raise SealsWrong(which=", ".join(strange))
    keys = [_key(seal.machine) for seal in done.seals]
    await _free(tx, row, id, keys)
    await proofs.claim(tx, row, "seal", id, done.evidence, shown=False)
    at: datetime = min(done.at, tx.now)
    await sealing_queries.insert_seals(
        tx, id, [s.number.strip() for s in done.seals], [approved[key] for key in keys], keys
    )
    await sealing_queries.seal_machines(tx, id, done.evidence, at, reading.account(tx))
    await reading.tell(tx, row, "sealing.sealed", {"sealing": id, "seals": len(done.seals)})
    return await reading.order(tx, order)


def _key(name: str) -> str:
    """The name of a machine as it is compared: however it was spaced and capitalised."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def _once(names: Iterable[str]) -> None:
    """Raises `SealsWrong` for what stands twice in one list."""
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise SealsWrong(which=", ".join(twice))


async def _free(tx: Tx, row: Row, sealing: UUID, keys: list[str]) -> None:
    """Holds the site until the commit, so that of two who seal one machine the second is told.

    Raises `MachineSealed`.
    """
    here = await subject.stands_at(tx, row.premises)
    await tx.lock([here])
    if held := await sealing_queries.under_seal(tx, here, row.licence, keys, sealing):
        raise MachineSealed(which=", ".join(held))


def _in_force(row: Row, move: str) -> None:
    """No machine is sealed under an order that was not served, has ended, or is stayed."""
    if row.stay is not None:
        raise OrderSealed(state="stayed")
    if (move, row.state) not in MOVES:
        raise OrderSealed(state=row.state)


async def lift(tx: Tx, order: UUID, id: UUID, version: int, done: LiftSeals) -> Order:
    """The officer has taken seals off; with the last one the sealing is lifted.

    Raises `SealsWrong` for a seal that is not on.
    """
    row = await _order(tx, order, "sealing.seal")
    held = await _held(tx, order, id, version)
    _moved(held, "lift")
    numbers = [number.strip() for number in done.seals]
    _once(numbers)
    on = {s.number for s in await sealing_queries.seals(tx, [id]) if s.lifted_at is None}
    if strange := [number for number in numbers if number not in on]:
        raise SealsWrong(which=", ".join(strange))
    left = len(on) - len(numbers)
    to = _moved(held, "lift_some" if left else "lift")
    await proofs.claim(tx, row, "seal", id, done.evidence, shown=False)
    await sealing_queries.lift(tx, id, numbers, min(done.at, tx.now), reading.account(tx))
    await sealing_queries.lifted(tx, id, to, done.evidence, reading.account(tx))
    facts = {"sealing": id, "seals": len(numbers), "left": left}
    await reading.tell(tx, row, "sealing.seals_removed" if left else "sealing.lifted", facts)
    return await reading.order(tx, order)


async def _order(tx: Tx, order: UUID, verb: str) -> Row:
    permissions.reaches(tx.actor, verb)
    await tx.lock([order])
    return await reading.row(tx, order, verb)


async def _held(tx: Tx, order: UUID, id: UUID, version: int) -> sealing_queries.SealingRow:
    """The sealing, on the version that the caller saw."""
    held = next((s for s in await sealing_queries.sealings(tx, [order]) if s.id == id), None)
    if held is None:
        raise SealingNotFound(sealing=id)
    if held.version != version:
        raise Stale(current=held.version)
    return held


def _moved(held: sealing_queries.SealingRow, move: str) -> SealingState:
    to = SEALING_MOVES.get((move, SealingState(held.state)))
    if to is None:
        raise WrongSealingState(state=held.state)
    return to
