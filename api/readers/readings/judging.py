"""What a statement says, held against what the server knows: whether it counts, and as what.

Nothing is written here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from api import clock, ids, keys, sealed
from api.db import Tx
from api.readers.model import (
    CLOCK_SKEW,
    KNOWN_AGAIN,
    POLICIES,
    IntentState,
    Policy,
    Purpose,
    passed_on_for,
)
from api.readers.problems import (
    DeskWithoutReader,
    IntentOver,
    NonceWrong,
    PayloadWrong,
    SessionOver,
)
from api.readers.readings.problems import TicketElsewhere, TicketUsed
from api.readers.readings.queries import Basis, NewReading
from api.sealed import Cell
from reader_bridge import messages
from reader_bridge.fields import CardText, Field
from reader_bridge.messages import NotOpened, Signed, Statement

_text: Final = msgspec.json.Decoder(CardText)
_encode: Final = msgspec.json.encode
_YEARS: Final = range(1900, 5000)
"""What a wrong clock may show, in whichever era."""


class Asked(msgspec.Struct, frozen=True):
    """A statement that a device wants to be taken: what it says, and the bytes that say it."""

    device: UUID
    said: Statement
    signed: Signed
    payload: messages.Sealed | None


def judge(tx: Tx, basis: Basis, said: Statement) -> tuple[Purpose, Policy]:
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


def opened(basis: Basis, one: Asked) -> CardText | None:
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


async def new_reading(
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
