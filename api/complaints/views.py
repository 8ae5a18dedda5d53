"""What is sent and what each reader sees: the one who told, and the officers."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment
from api.complaints.model import (
    Channel,
    EntryKind,
    Flag,
    Outcome,
    PublicStatus,
    Severity,
    State,
    Subject,
)

# Python's `$` also matches before a last line feed, that of JSON Schema does not: an identifier's
# pattern that ends in it comes with a `max_length`, or with a check where it is used.
NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Meta(max_length=8000, pattern=NO_NUL)]
Line = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
Secret = Annotated[
    str,
    Meta(
        max_length=80,
        description="Made by the sender: 26 random characters of Crockford's base 32 (130 bits), "
        "with or without the check character, hyphens and spaces. The server keeps a keyed hash.",
    ),
]


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where: a position (WGS 84, metres), words, DOPA codes. Any part may be left out."""

    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lng: Annotated[float, Meta(ge=-180, le=180)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    address: Line = ""
    province: Annotated[str, Meta(pattern="^[0-9]{2}$", max_length=2)] | None = None
    district: Annotated[str, Meta(pattern="^[0-9]{4}$", max_length=4)] | None = None


class FactoryNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which factory the complainant means: of the register, or in their own words."""

    premises: UUID | None = None
    name: Line = ""


class Contact(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who told it and how they can be reached; sealed as soon as it arrives."""

    name: Annotated[str, Meta(max_length=200, pattern=NO_NUL)] = ""
    phone: Annotated[str, Meta(max_length=40, pattern=NO_NUL)] = ""
    email: Annotated[str, Meta(max_length=254, pattern=NO_NUL)] = ""
    callback: bool = False
    """They wish to be called."""


class Report(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A complaint as it is told.

    `anonymous`: a signed-in sender who does not want it tied to the account; the secret alone
    opens it then. `channel` other than `app` is an officer's, who writes for a person at the desk,
    on the phone or by letter; the complaint is then that person's, not the officer's.
    """

    secret: Secret
    category: Annotated[str, Meta(max_length=40)]
    description: Text
    answers: Annotated[dict[str, Any], Meta(max_length=40)] = {}
    happened_at: Moment | None = None
    place: Place = Place()
    factory: FactoryNamed = FactoryNamed()
    contact: Contact | None = None
    anonymous: bool = False
    channel: Channel = Channel.app
    device: Annotated[str, Meta(max_length=100)] | None = None
    """Names the sender's device for limits; kept only as a keyed hash."""
    reading: UUID | None = None
    """At the desk: the officer's own reading of the complainant's card, which is used up by it. The
    name is sealed with the contact; the case does not show it."""


class Said(msgspec.Struct):
    """Something that was said of a complaint, as its complainant sees it."""

    id: UUID
    kind: EntryKind
    by: str
    """`you`, or `office`."""
    text: str
    at: Moment | None
    received_at: Moment


class Opening(msgspec.Struct):
    """Somebody opened the seal over who told it: when, of which office, and why."""

    at: Moment
    office_th: str
    office_en: str
    reason: str


class OwnComplaint(msgspec.Struct, kw_only=True):
    """A complaint as whoever told it sees it: no more of its state than may be told.

    `office_th` is who answers for it; where it was forwarded outside, that is `forwarded_to`.
    """

    id: UUID
    number: str
    code: str | None = None
    """The tracking code with its check character, in groups to read aloud: on arrival only."""
    status: PublicStatus
    status_th: str
    category: str
    description: str
    answers: dict[str, Any]
    place: Place
    received_at: Moment
    answer_by: Moment | None = None
    office_th: str = ""
    office_en: str = ""
    forwarded_to: str = ""
    outcome: Outcome | None = None
    decision: str = ""
    solved: bool | None = None
    rating: int | None = None
    reopen_until: Moment | None = None
    me_too: bool = False
    """Somebody else told it: what is theirs is left out, and it is shown under another id."""
    occurrences: int = 0
    said: list[Said] = []
    openings: list[Opening] = []
    replayed: bool = False


class Addition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something more to say, or the answer to a question."""

    text: Annotated[str, Meta(min_length=1, max_length=8000, pattern=NO_NUL)]


class Occurrence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same nuisance again, with one tap; `strength` from 1, hardly, to 5, unbearable."""

    at: Moment | None = None
    strength: Annotated[int, Meta(ge=1, le=5)] | None = None
    text: Line = ""


class Rating(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether it is solved, and how well it was dealt with, from 1 to 5."""

    solved: bool
    rating: Annotated[int, Meta(ge=1, le=5)] | None = None
    text: Text = ""


class Reopening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is not solved."""

    text: Text = ""


class MeTooSaid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody else's nuisance is mine too; with the secret its fate is followed.

    No contact is taken: what an answer to one would tell must not be asked for.
    """

    secret: Secret
    anonymous: bool = False
    device: Annotated[str, Meta(max_length=100)] | None = None


class MeToo(msgspec.Struct, kw_only=True):
    """`counted`: one person counts once, and only where an account says who it is."""

    id: UUID
    complaint: UUID
    number: str
    code: str | None = None
    status: PublicStatus
    status_th: str
    counted: bool = False
    replayed: bool = False


class Nearby(msgspec.Struct, kw_only=True):
    """A complaint that an officer released to the public, offered before another is told.

    `number` is the public's, not that of whoever told it, which would tell when it came.

    `distance_m` is counted in steps of 500 m from the middle of a field of about 1 km.
    """

    id: UUID
    number: str
    category: str
    distance_m: int
    month: str
    """In which it came, in Bangkok: `2026-11`."""
    status: PublicStatus
    status_th: str
    text: str


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a seal is opened; the complainant reads it."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]


class ClockView(msgspec.Struct):
    kind: str
    due_at: Moment
    met_at: Moment | None
    overdue: bool


class ComplaintLine(msgspec.Struct, kw_only=True):
    """A complaint in an officer's list."""

    id: UUID
    number: str
    state: State
    severity: Severity
    category: str
    summary: str
    """The first 120 characters; 60 where it is neither of the reader's office nor theirs."""
    province: str | None
    premises: UUID | None
    factory: str | None
    subject: Subject
    office: UUID | None
    assigned: UUID | None
    next_due: Moment | None
    overdue: bool
    callback: bool
    """They wait to be called."""
    me_toos: int
    occurrences: int
    received_at: Moment
    version: int


class Entry(msgspec.Struct, kw_only=True):
    """Something that was said, as officers see it: `complainant`, or the officer's account."""

    id: UUID
    kind: EntryKind
    account: UUID | None
    text: str
    facts: dict[str, Any]
    shown: bool
    at: Moment | None
    received_at: Moment


class Complaint(msgspec.Struct, kw_only=True):
    """A complaint as officers see it: the case, not the person."""

    id: UUID
    number: str
    channel: Channel
    state: State
    state_th: str
    status: PublicStatus
    outcome: Outcome | None
    severity: Severity
    category: str
    answers: dict[str, Any]
    description: str
    happened_at: Moment | None
    place: Place
    premises: UUID | None
    subject: Subject
    factory_named: str
    office: UUID | None
    assigned: UUID | None
    forwarded_to: str
    decision: str
    merged_into: UUID | None
    duplicates: list[UUID]
    """Complaints that were merged into this one."""
    visits: list[UUID]
    flags: list[Flag]
    clocks: list[ClockView]
    paused_at: Moment | None
    next_due: Moment | None
    reopened: int
    left_at: Moment | None
    solved: bool | None
    rating: int | None
    me_toos: int
    occurrences: int
    released_text: str | None
    callback: bool
    contactable: bool
    """Whether messages reach somebody; not who."""
    entries: list[Entry]
    received_at: Moment
    version: int
