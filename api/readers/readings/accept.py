"""A device states that it read a card: taken once, for one live session, or refused for good.

Every statement of a device has its number and the hash of the one before, so that what is missing,
doubled or forked shows. A statement whose reading is refused moves the chain on all the same: the
device must not be stuck on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import events, settings
from api.db import Tx
from api.events import Happened
from api.permissions import Bridge
from api.problems import Overloaded, Problem
from api.readers.bridges import freezing
from api.readers.desks import service as desks
from api.readers.intents import queries as intents
from api.readers.model import BridgeState, Incident, IntentState, Purpose
from api.readers.problems import (
    BridgeEnded,
    BridgeForked,
    BridgeUnknown,
    DeskHeld,
    DeskNotFound,
    DeskWithoutReader,
    IntentOver,
    NonceWrong,
    PayloadWrong,
    ReaderElsewhere,
)
from api.readers.readings import judging, queries, telling
from api.readers.readings.judging import Asked
from api.readers.readings.queries import Basis, NewReading
from reader_bridge import messages
from reader_bridge.messages import Kind, Missing, NotSigned, Receipt, Signed, Statement

_statement: Final = msgspec.json.Decoder(Statement)
_RACES: Final = 3

Outcome = Receipt | Missing | Problem
"""The receipt of a statement (sent again, it gets its receipt again), which one must come first, or
why it counts for nothing: `BridgeUnknown` (no such device, or not its signature), `BridgeEnded`,
`BridgeForked` for a second history under one key, of which survives that the device is frozen, and
`Overloaded`."""


def asked(device: UUID, signed: Signed, payload: messages.Sealed | None) -> Asked:
    """Raises `BridgeUnknown` for what is no statement."""
    try:
        return Asked(device, _statement.decode(signed.body), signed, payload)
    except (msgspec.MsgspecError, RecursionError):
        raise BridgeUnknown() from None


async def take_all(tx: Tx, several: Sequence[Asked]) -> list[Outcome]:
    """What becomes of each statement, of which each is another device's. Each is judged alone, and
    nothing of one moves another. An exception is one of all: then nothing of this transaction may
    stay."""
    left = {one.device: one for one in several}
    done: dict[UUID, Outcome] = {}
    for _ in range(_RACES):
        bases = await queries.bases(tx, {device: one.said for device, one in left.items()})
        taking: list[tuple[Asked, NewReading]] = []
        for device, one in left.items():
            await asyncio.sleep(0)  # each takes half a millisecond, and the process has others
            found = await _decide(tx.by(Bridge(device)), one, bases.get(device))
            if isinstance(found, NewReading):
                taking.append((one, found))
            elif found is not None:
                done[device] = found
        done |= await _take(tx, taking)
        left = {device: one for device, one in left.items() if device not in done}
        if not left:
            break
    # Those whose chain was moved under us, each time.
    return [done.get(one.device) or Overloaded() for one in several]


async def _decide(tx: Tx, one: Asked, basis: Basis | None) -> Outcome | NewReading | None:
    """What is to be taken, or what became of it without that. None where the chain was moved
    meanwhile, and all is to be asked again."""
    said, signed = one.said, one.signed
    try:
        if basis is None:
            raise BridgeUnknown()
        _check_signature(basis, signed)
        if basis.state != BridgeState.active:
            raise BridgeEnded(state=basis.state)
        if said.device != one.device or said.audience != settings.current().base_url:
            raise BridgeUnknown()
        if said.sequence <= basis.sequence:
            return await _again(tx, one)
        if said.sequence > basis.sequence + 1:
            return Missing(basis.sequence + 1)
        if said.previous != basis.head:
            raise _forked(one, "fork")
    except Problem as problem:
        return problem
    try:
        purpose, policy = judging.judge(tx, basis, said)
        if purpose == Purpose.map_desk:
            assert basis.desk is not None and basis.reader is not None
            await desks.check_free(tx, basis.desk, basis.reader, basis.account)
        text = judging.opened(basis, one)
        return await judging.new_reading(tx, basis, one, text, purpose, policy)
    except Problem as problem:
        return await _refuse(tx, one, problem)


def _check_signature(basis: Basis, signed: Signed) -> None:
    key = Ed25519PublicKey.from_public_bytes(basis.public_key)
    try:
        messages.opened(key, Kind.statement, signed, msgspec.Raw)
    except NotSigned:
        raise BridgeUnknown() from None


async def _again(tx: Tx, one: Asked) -> Receipt:
    before = await queries.statement(tx, one.device, one.said.sequence)
    if before is None or before.hash != one.signed.sha256:
        raise _forked(one, "replay")
    return Receipt(one.said.sequence, before.hash, before.reading, before.refused, replayed=True)


def _forked(one: Asked, kind: Incident) -> Problem:
    facts = {"sequence": str(one.said.sequence), "boot": str(one.said.boot)}
    return BridgeForked(kind=kind).surviving(
        lambda later: freezing.freeze(later, one.device, kind, facts)
    )


async def _take(tx: Tx, taking: Sequence[tuple[Asked, NewReading]]) -> dict[UUID, Outcome]:
    """What became of each, but for those whose chain was moved meanwhile."""
    done: dict[UUID, Outcome] = {}
    happened, told = [], set[UUID]()
    took = await queries.take(tx, [new for _, new in taking]) if taking else []
    for (one, new), found in zip(taking, took, strict=True):
        device, sequence, digest = one.device, one.said.sequence, new.digest
        if found.taken:
            by = tx.by(Bridge(device))
            if new.purpose == Purpose.map_desk:
                assert new.desk is not None
                await desks.mapped(by, new.desk, new.reader, new.account)
            if new.label == "offline":
                told.add(new.account)
            facts = {"purpose": new.purpose, "label": new.label, "bridge": device, "desk": new.desk}
            happened.append(Happened(Bridge(device), "reading.taken", "reading", new.id, facts))
            done[device] = Receipt(sequence, digest, new.id)
        elif found.chained:  # ended between our question and our answer
            await queries.note_refused(tx, device, sequence, digest, IntentOver.code)
            done[device] = Receipt(sequence, digest, refused=IntentOver.code)
    for account in sorted(told):  # so that of two transactions none waits for the other
        await telling.arrived(tx, account)
    await events.record_each(tx, happened)
    return done


async def _refuse(tx: Tx, one: Asked, problem: Problem) -> Receipt | None:
    said, digest = one.said, one.signed.sha256
    chained = await queries.refuse(
        tx, one.device, said.sequence, digest, said.previous, problem.code
    )
    if not chained:
        return None
    if isinstance(problem, NonceWrong | PayloadWrong):
        facts = {"sequence": str(said.sequence), "code": problem.code}
        await freezing.note(tx, one.device, "foreign", facts)
    if said.intent is not None and _hopeless(problem):
        await intents.move(tx, said.intent, IntentState.cancelled, tx.now)
    return Receipt(said.sequence, digest, refused=problem.code)


def _hopeless(problem: Problem) -> bool:
    """Whether no other card would be taken either; then nobody shall go on waiting."""
    unmapped = isinstance(problem, DeskWithoutReader) and problem.facts["reason"] == "unmapped"
    return unmapped or isinstance(problem, DeskHeld | DeskNotFound | ReaderElsewhere)
