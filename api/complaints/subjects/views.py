"""What an officer is offered and decides about whom a complaint is about, as sent and seen."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment
from api.complaints.model import State, Subject
from api.complaints.views import NO_NUL, Line


class Reason(msgspec.Struct):
    """Why something is offered: a stable code, its points, facts, and a sentence of each tongue."""

    code: str
    points: int
    facts: dict[str, Any]
    th: str
    en: str


class Candidate(msgspec.Struct, kw_only=True):
    """A factory that a complaint may be about; `score` is the sum of the points of its reasons.

    `licence` is the one of the site that fits best; metres on the ground, None without positions.
    """

    premises: UUID
    name: str
    province: str
    lat: float | None
    lng: float | None
    distance_m: int | None
    registered: bool
    licence: UUID | None
    number: str | None
    class_: int | None = msgspec.field(name="class")
    category: str | None
    status: str | None
    score: int
    reasons: list[Reason]


class SimilarComplaint(msgspec.Struct, kw_only=True):
    """A complaint that may be about the same, also one that is over."""

    id: UUID
    number: str
    state: State
    state_th: str
    category: str
    summary: str
    premises: UUID | None
    office: UUID | None
    merged_into: UUID | None
    me_toos: int
    received_at: Moment
    distance_m: int | None
    days_apart: int
    version: int
    score: int
    reasons: list[Reason]


class Around(msgspec.Struct):
    """What is around a complaint, the likeliest first: whom it may be about, and what may be the
    same matter."""

    candidates: list[Candidate]
    similar: list[SimilarComplaint]


class ConfirmSubject(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The factory that a complaint is about; without `licence` the only one of the site."""

    premises: UUID
    licence: UUID | None = None
    note: Line = ""


class Office(msgspec.Struct):
    """An office as its name is shown."""

    id: UUID
    th: str
    en: str


class ConfirmedSubject(msgspec.Struct, kw_only=True):
    """Whom a complaint is about, as an officer decided.

    `routed` is the office that the routes choose for this factory; where it is another one than
    `office`, which has the complaint, `forward` is true: it may have to be forwarded.
    """

    complaint: UUID
    premises: UUID
    name: str
    licence: UUID | None
    number: str | None
    subject: Subject
    office: UUID | None
    routed: Office | None
    forward: bool
    version: int


class PlanComplaintVisit(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A visit because of one or several complaints about one factory.

    `announced`: the factory may know that a visit takes place, never why.
    """

    complaints: Annotated[list[UUID], Meta(min_length=1, max_length=50)]
    planned_on: date
    lead: UUID
    team: list[UUID] = []
    licence: UUID | None = None
    announced: bool = False
    note: Annotated[str, Meta(max_length=2000, pattern=NO_NUL)] = ""
    follows: UUID | None = None
