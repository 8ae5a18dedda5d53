"""A device states that it read a card: taken once, for one live session, or refused for good.

Every statement of a device has its number and the hash of the one before, so that what is missing,
doubled or forked shows. A statement whose reading is refused moves the chain on all the same: the
device must not be stuck on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import clock, events, ids, keys, sealed, settings
from api.db import Tx
from api.events import Happened
from api.permissions import Bridge
from api.problems import Overloaded, Problem
from api.readers.bridges import freezing
from api.readers.desks import service as desks
from api.readers.intents import queries as intents
from api.readers.model import (
    CLOCK_SKEW,
    KNOWN_AGAIN,
    POLICIES,
    BridgeState,
    Incident,
    IntentState,
    Policy,
    Purpose,
    passed_on_for,
)
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
    SessionOver,
)
from api.readers.readings import queries, telling
from api.readers.readings.problems import TicketElsewhere, TicketUsed
from api.readers.readings.queries import Basis, NewReading
from api.sealed import Cell
from reader_bridge import messages
from reader_bridge.fields import CardText, Field
from reader_bridge.messages import Kind, Missing, NotOpened, NotSigned, Receipt, Signed, Statement

_statement: Final = msgspec.json.Decoder(Statement)
_text: Final = msgspec.json.Decoder(CardText)
_encode: Final = msgspec.json.encode
_RACES: Final = 3
_YEARS: Final = range(1900, 5000)
"""What a wrong clock may show, in whichever era."""


class Asked(msgspec.Struct, frozen=True):
    """A statement that a device wants to be taken: what it says, and the bytes that say it."""

    device: UUID
    said: Statement
    signed: Signed
    payload: messages.Sealed | None


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


async def take(
    tx: Tx, device: UUID, signed: Signed, payload: messages.Sealed | None
) -> Receipt | Missing:
    """As `take_all` for one; raises what it is refused for."""
    (found,) = await take_all(tx, [asked(device, signed, payload)])
    if isinstance(found, Problem):
        raise found
    return found


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
            await asyncio.sleep(
                0
            )  # the process has others to serve; this one is half a millisecond
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
        purpose, policy = _judge(tx, basis, said)
        if purpose == Purpose.map_desk:
            assert basis.desk is not None and basis.reader is not None
            await desks.check_free(tx, basis.desk, basis.reader, basis.account)
        text = _opened(basis, one)
        return await _new(tx, basis, one, text, purpose, policy)
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


def _judge(tx: Tx, basis: Basis, said: Statement) -> tuple[Purpose, Policy]:
    """Whether somebody waits for exactly this, and may still have it. Raises what refuses it."""
    if (said.intent is None) == (said.ticket is None) or basis.purpose is None:
        raise NonceWrong()
    if basis.nonce != said.nonce or basis.purpose != said.purpose:
        raise NonceWrong()
    if basis.reader is None:
        raise DeskWithoutReader(reason="away")
    if basis.purpose != Purpose.map_desk and basis.wanted_reader != basis.reader:
        raise NonceWrong() if said.ticket is None else TicketElsewhere()
    if not all(at.year in _YEARS for at in (said.read_at, said.inserted_at)):
        raise PayloadWrong()
    if said.ticket is not None:
        assert basis.since is not None and basis.until is not None
        early = basis.since - CLOCK_SKEW
        late = min(basis.until, basis.void_at or basis.until) + CLOCK_SKEW
        if basis.used or not early <= said.read_at <= late:
            raise TicketUsed()
    elif basis.intent_state != IntentState.armed:
        raise IntentOver(state=basis.intent_state)
    elif basis.until is None or basis.until <= tx.now:
        raise IntentOver(state=IntentState.expired)
    if said.intent is not None and not basis.live:
        raise SessionOver()
    if not basis.stays:
        raise DeskWithoutReader(reason="unmapped")
    return basis.purpose, POLICIES[basis.purpose]


def _opened(basis: Basis, one: Asked) -> CardText | None:
    """What was read; None where nothing was to be read. Raises `PayloadWrong`."""
    said, payload = one.said, one.payload
    if basis.purpose == Purpose.map_desk:
        if payload is not None or said.payload_sha256 or said.chip_serial:
            raise PayloadWrong()
        return None
    of = said.intent or said.ticket
    assert of is not None and basis.fields is not None
    if payload is None or payload.sha256 != said.payload_sha256:
        raise PayloadWrong()
    key = keys.ring().opener(payload.kid)
    if key is None:
        raise PayloadWrong()
    try:
        text = _text.decode(messages.unseal(key, payload, "text", of, one.device))
    except (NotOpened, msgspec.MsgspecError, RecursionError):
        raise PayloadWrong() from None
    given = {f for f in Field if getattr(text, f) is not None}
    if given - set(basis.fields) or (text.no_expiry is not None and "expires" not in basis.fields):
        raise PayloadWrong()
    return text


def flags_of(tx: Tx, said: Statement, text: CardText | None, wanted: list[str]) -> list[str]:
    """What is strange about a reading that is taken all the same."""
    flags = [] if text is None else list(text.odd)
    online = said.intent is not None
    if said.read_at > tx.now + CLOCK_SKEW or (online and said.read_at < tx.now - CLOCK_SKEW):
        flags.append("clock:read_at")
    if said.inserted_at > said.read_at:
        flags.append("clock:inserted_at")
    if text is not None:
        flags += [f"missing:{f}" for f in wanted if getattr(text, f) is None and f != "expires"]
        if _has_expired(text, tx.now if online else said.read_at):
            flags.append("card:expired")
    return flags


def _has_expired(text: CardText, at: datetime) -> bool:
    end, day = text.expires, clock.bangkok_date(at)
    return end is not None and (end.year, end.month or 12, end.day or 31) < (
        day.year,
        day.month,
        day.day,
    )


async def _new(
    tx: Tx, basis: Basis, one: Asked, text: CardText | None, purpose: Purpose, policy: Policy
) -> NewReading:
    said = one.said
    assert basis.account is not None and basis.reader is not None and basis.fields is not None
    id = ids.new()
    new = NewReading(
        id=id,
        label="online" if said.intent else "offline",
        purpose=purpose,
        about=basis.about,
        flags=flags_of(tx, said, text, basis.fields) + ([basis.gone] if basis.gone else []),
        session=basis.session,
        account=basis.account,
        office=basis.office,
        desk=basis.desk,
        bridge=one.device,
        reader=basis.reader,
        intent=basis.intent,
        ticket=basis.ticket,
        sequence=said.sequence,
        inserted_at=said.inserted_at,
        read_at=said.read_at,
        key=None,
        cid_index=None,
        chip_index=None,
        cid_before=[],
        chip_before=[],
        cid=None,
        statement=None,
        passing=None,
        passing_until=None,
        keep_until=tx.now + policy.keep,
        nonce=said.nonce,
        digest=one.signed.sha256,
        previous=said.previous,
    )
    if text is None:
        return new
    new.key = key = sealed.make_key()

    async def seal(column: str, value: bytes) -> bytes:
        return await sealed.seal_bytes(tx, key.id, Cell("reading", column, id), value)

    new.statement = await seal("statement", _encode(one.signed))
    new.passing = await seal("passing", _encode(text))
    new.passing_until = tx.now + passed_on_for(new.label)
    since = min(said.read_at, tx.now) - KNOWN_AGAIN
    if text.cid:
        new.cid = await seal("cid", text.cid.encode())
        new.cid_index, *new.cid_before = sealed.indexes_since("reading.cid", text.cid, since)
    if said.chip_serial:
        chip = said.chip_serial.hex()
        new.chip_index, *new.chip_before = sealed.indexes_since("reading.chip", chip, since)
    return new
