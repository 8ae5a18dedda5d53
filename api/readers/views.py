"""What people and programs get to see of bridges, desks, intents and readings: wire shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api.readers.model import (
    BridgeState,
    Incident,
    IntentState,
    Label,
    Level,
    Purpose,
)
from reader_bridge.fields import CardText, Fault, Field
from reader_bridge.messages import Protection, Step

Said = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Named = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


# --- bridges ------------------------------------------------------------------------------------


class Bridge(msgspec.Struct, kw_only=True):
    """A device as officers see it. `fingerprint` is of its key; `connected`: a server heard of it
    in the last minutes."""

    id: UUID
    office: UUID
    name: str
    state: BridgeState
    state_th: str
    fingerprint: str
    key_protection: Protection
    platform: str
    software: str
    approved_at: datetime
    last_seen_at: datetime | None
    connected: bool
    sequence: int
    ended_at: datetime | None
    ended_why: str
    version: int


class Reader(msgspec.Struct, kw_only=True):
    """A reader attached to a bridge; `desk` where it has been put in place."""

    id: UUID
    bridge: UUID
    bridge_name: str
    name: str
    serial: str | None
    model: str | None
    seen: bool
    last_seen_at: datetime
    desk: UUID | None


class BridgeIncident(msgspec.Struct, kw_only=True):
    id: UUID
    bridge: UUID
    office: UUID
    kind: Incident
    at: datetime
    facts: dict[str, str]
    looked_at: datetime | None
    note: str


# --- desks --------------------------------------------------------------------------------------


class Desk(msgspec.Struct, kw_only=True):
    """A desk and the reader on it, if it has one; `ready`: the reader is attached and its bridge in
    reach."""

    id: UUID
    office: UUID
    name: str
    reader: UUID | None
    reader_name: str | None
    bridge: UUID | None
    ready: bool
    mapped_at: datetime | None
    version: int


# --- intents ------------------------------------------------------------------------------------


class ArmIntent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Waits for a card at `desk`. `fields` are at most those of the purpose, its usual ones when
    nothing is said. To map a desk, `bridge` says at which PC a card will be put in."""

    desk: UUID
    purpose: Purpose
    about: UUID | None = None
    fields: Annotated[list[Field], Meta(max_length=20)] | None = None
    photo: bool = False
    bridge: UUID | None = None


class Intent(msgspec.Struct, kw_only=True):
    """How far it is. `reading` once delivered; its content is `GET /v1/readings/{id}`."""

    id: UUID
    desk: UUID
    bridge: UUID
    reader: UUID | None
    purpose: Purpose
    about: UUID | None
    fields: list[Field]
    photo: bool
    state: IntentState
    state_th: str
    step: Step
    fault: Fault | None
    fault_th: str | None
    done: int
    total: int
    reading: UUID | None
    armed_at: datetime
    expires_at: datetime
    version: int


# --- readings -----------------------------------------------------------------------------------


class Reading(msgspec.Struct, kw_only=True):
    """A reading as whoever asked for it sees it. `card` only for some minutes, and only by the
    session that armed it (or, offline, the officer of the ticket); `photo` says whether one can be
    had now, from `GET /v1/readings/{id}/photo`.

    `levels` say all that is proven; see `api.readers.model.Level`.
    """

    id: UUID
    label: Label
    purpose: Purpose
    about: UUID | None
    levels: list[Level]
    levels_th: list[str]
    flags: list[str]
    desk: UUID | None
    inserted_at: datetime | None
    read_at: datetime
    received_at: datetime
    card: CardText | None
    used_for: str | None
    used_at: datetime | None
    keep_until: datetime


class ReadingLine(msgspec.Struct, kw_only=True):
    """A reading in lists and for auditors: never what was read."""

    id: UUID
    label: Label
    purpose: Purpose
    about: UUID | None
    levels: list[Level]
    flags: list[str]
    account: UUID
    office: UUID
    desk: UUID | None
    bridge: UUID | None
    read_at: datetime
    received_at: datetime
    used_for: str | None
    used_by: UUID | None
    used_at: datetime | None
