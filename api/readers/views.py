"""What people and programs get to see of bridges, desks, intents and readings: wire shapes."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment
from api.readers.model import (
    BridgeState,
    EnrolmentState,
    Incident,
    IntentState,
    Label,
    Level,
    Purpose,
)
from reader_bridge.fields import CardText, Fault, Field
from reader_bridge.messages import Protection, ServerKeys, Step

Said = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
_CID = re.compile("[0-9]{13}")
Named = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


# --- enrolment (RFC 8628) -----------------------------------------------------------------------


class EnrolmentBegun(msgspec.Struct, kw_only=True):
    """RFC 8628 §3.2, with the fingerprint that the PC shows beside the code: over its key, the
    server's identity as it saw it, and the code. It reckons and shows its own.

    `device_code` is the PC's secret; whoever may approve types `user_code` and the first twelve
    characters of `fingerprint`. Times are seconds.
    """

    device_code: str
    user_code: str
    fingerprint: str
    verification_uri: str
    expires_in: int
    interval: int


class PollEnrolment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    device_code: Annotated[str, Meta(max_length=100)]


class EnrolmentGranted(msgspec.Struct, kw_only=True):
    """What the device is from now on: its id, whose server this is (the `audience` of all that it
    signs), its office and name, and the server's keys, which must follow from the identity that it
    was shown before it asked."""

    device: UUID
    audience: str
    office: str
    name: str
    keys: ServerKeys


class LookAtEnrolment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """As the PC shows it; case, spaces and hyphens do not count."""

    user_code: Annotated[str, Meta(max_length=30)]


class Enrolment(msgspec.Struct, kw_only=True):
    """What asks to become a device. Its fingerprint is not told here: it is compared with the
    PC's own screen. `name`, `platform` and `software` are what it says of itself."""

    id: UUID
    state: EnrolmentState
    state_th: str
    name: str
    platform: str
    software: str
    key_protection: Protection
    network: str
    asked_at: Moment
    expires_at: Moment
    tries_left: int


class ApproveEnrolment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Binds the device to `office` (null: the approver's own) under `name`. `fingerprint`: at
    least the first twelve hexadecimal digits that the PC shows; spaces do not count."""

    name: Named
    fingerprint: Annotated[str, Meta(max_length=40)]
    office: UUID | None = None


# --- bridges ------------------------------------------------------------------------------------


class Bridge(msgspec.Struct, kw_only=True):
    """A device as officers see it. `fingerprint` is of its key alone; `connected`: a server heard
    of it in the last minutes."""

    id: UUID
    office: UUID
    name: str
    state: BridgeState
    state_th: str
    fingerprint: str
    key_protection: Protection
    platform: str
    software: str
    approved_at: Moment
    last_seen_at: Moment | None
    connected: bool
    sequence: int
    ended_at: Moment | None
    ended_why: str
    version: int


class Rename(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: Named


class Revoke(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    reason: Said


class LookAtIncident(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What whoever looked into it found."""

    note: Said


class Reader(msgspec.Struct, kw_only=True):
    """A reader attached to a bridge; `desk` where it has been put in place. `last_seen_at`: when it
    or, while it is attached, its bridge was heard of."""

    id: UUID
    bridge: UUID
    bridge_name: str
    name: str
    serial: str | None
    model: str | None
    seen: bool
    last_seen_at: Moment
    desk: UUID | None


class BridgeIncident(msgspec.Struct, kw_only=True):
    id: UUID
    bridge: UUID
    office: UUID
    kind: Incident
    at: Moment
    facts: dict[str, str]
    looked_at: Moment | None
    note: str


# --- desks --------------------------------------------------------------------------------------


class PutDesk(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A place where cards are read, of `office` (null: the caller's own)."""

    name: Named
    office: UUID | None = None


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
    mapped_at: Moment | None
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
    armed_at: Moment
    expires_at: Moment
    version: int


# --- readings -----------------------------------------------------------------------------------


DocumentKind = Literal[
    "national_id",
    "passport",
    "alien_id",
    "driving_licence",
    "birth_certificate",
    "house_register",
    "other",
]
NoChip = Literal["unreadable", "no_chip", "foreigner", "minor", "proxy", "no_reader"]


class SeenDocument(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What an officer saw instead of reading a chip, and why no chip was read. No copy is taken.

    `number` and `name` as they stand on the document. For a minor or a proxy, `acts_for` says for
    whom, and by what right (birth certificate, power of attorney).
    """

    kind: DocumentKind
    why: NoChip
    name: Named
    number: Annotated[str, Meta(max_length=40, pattern=r"^[^\x00]*$")] = ""
    issued_by: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")] = ""
    acts_for: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""

    @property
    def cid(self) -> str:
        """The national ID that stands on it, in digits alone; empty for any other number."""
        digits = re.sub(r"[\s-]", "", self.number)
        return digits if self.kind == "national_id" and _CID.fullmatch(digits) else ""


class SeeDocument(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`PUT /v1/readings/{id}`, under the sender's id."""

    desk: UUID
    purpose: Purpose
    document: SeenDocument
    about: UUID | None = None


class MatchFace(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`against`: the chip's photograph as shown on the screen, or the one printed on the card."""

    matches: bool
    against: Literal["photo", "printed"]


class Reading(msgspec.Struct, kw_only=True):
    """A reading as whoever asked for it sees it. `card` only for some minutes, and only by the
    session that armed it (offline, for seven days, by the officer of the ticket); `document`
    instead where no chip was read. A photograph that was asked for is
    `GET /v1/readings/{id}/photo`, for moments.

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
    intent: UUID | None
    inserted_at: Moment | None
    read_at: Moment
    received_at: Moment
    card: CardText | None
    document: SeenDocument | None
    used_for: str | None
    used_at: Moment | None
    keep_until: Moment


class ReadingLine(msgspec.Struct):
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
    read_at: Moment
    received_at: Moment
    used_for: str | None
    used_by: UUID | None
    used_at: Moment | None


# --- offline ------------------------------------------------------------------------------------


class IssueTickets(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Leave to read `count` cards at `desk` without the server, within twelve hours."""

    desk: UUID
    purpose: Purpose
    count: Annotated[int, Meta(ge=1, le=20)] = 1
    about: UUID | None = None
    fields: Annotated[list[Field], Meta(max_length=20)] | None = None


class OfflineTicket(msgspec.Struct, frozen=True):
    id: UUID
    bridge: UUID
    expires_at: Moment
