"""What readers see of visits: officers on desk and phone, and the factory itself."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from api.clock import Moment
from api.inspection.checklists.rule_values import Flag
from api.inspection.checklists.standard import Item
from api.inspection.visits.custody import Sample
from api.inspection.visits.model import FindingState, Severity, VisitState
from api.inspection.visits.operations import Answer, Signer


class CurrentAnswer(msgspec.Struct, omit_defaults=True):
    """The answer to an item as it stands: one value, or several in conflict.

    `operation` is what a phone sends back as `base`; `others` are the values it conflicts with.
    """

    item: str
    value: Any
    outcome: str
    operation: UUID
    author: UUID
    answered_at: Moment | None = None
    note: str | None = None
    reason: str | None = None
    licence: UUID | None = None
    flags: list[Flag] = []
    conflict: bool = False
    others: list[CurrentAnswer] = []
    was_fail: bool = False


class VisitLine(msgspec.Struct):
    """One visit in an officer's list."""

    id: UUID
    premises: UUID
    name: str
    licence: UUID | None
    province: str
    state: VisitState
    reason: str
    announced: bool
    planned_on: date | None
    lead: UUID
    team: list[UUID]
    started_at: Moment | None
    submitted_at: Moment | None
    accepted_at: Moment | None
    outcome: str | None
    version: int
    overdue: bool


class VisitHeader(msgspec.Struct):
    """A visit without its answers; JSON columns as text."""

    id: UUID
    premises: UUID
    name: str
    licence: UUID | None
    number_shown: str | None
    province: str
    class_: int | None
    checklist: int
    state: VisitState
    reason: str
    announced: bool
    planned_on: date | None
    note: str
    follows: UUID | None
    lead: UUID
    team: list[UUID]
    started_at: datetime | None
    outcome: str | None
    ended_at: datetime | None
    representative: str | None
    submitted_at: datetime | None
    accepted_at: datetime | None
    review_note: str
    returned_items: list[str]
    subject: str
    started: str | None
    flags: str
    version: int
    checklist_id: UUID
    extra_items: str


class Note(msgspec.Struct):
    """A remark on a visit as a whole."""

    visit: UUID
    author: UUID
    received_at: Moment
    text: str


class LateEntryRow(msgspec.Struct):
    """A late entry as stored; its answers as JSON text."""

    visit: UUID
    operation: UUID
    author: UUID
    received_at: datetime
    answers: str
    text: str | None


class LateEntry(msgspec.Struct, omit_defaults=True):
    """What an officer's phone noted and sent after the visit had ended: kept, counted nowhere.

    `answers` stand as they were sent, judged by nobody.
    """

    operation: UUID
    author: UUID
    received_at: Moment
    answers: list[Answer]
    note: str | None = None


class VisitSignature(msgspec.Struct, omit_defaults=True):
    """A drawn signature, or that the representative refused; who it was is sealed.

    `evidence` is the drawn image, which may still be on its way; `late`: came after the visit's
    end, so that no document shows it.
    """

    operation: UUID
    who: Signer
    author: UUID
    received_at: Moment
    officer: UUID | None = None
    evidence: UUID | None = None
    signed_at: Moment | None = None
    late: bool = False
    flags: list[Flag] = []


class Signatory(msgspec.Struct, omit_defaults=True):
    """Who signed for the factory or refused to, and why; opened from its seal."""

    operation: UUID
    name: str = ""
    capacity: str = ""
    reason: str = ""


class RepresentativeName(msgspec.Struct):
    """Who represented the factory and who signed for it; that it was opened is an event."""

    presence: str | None
    name: str | None
    signatories: list[Signatory] = []


class FindingView(msgspec.Struct):
    """A finding as an officer sees it."""

    id: UUID
    visit: UUID
    item: str
    licence: UUID | None
    company: UUID | None
    state: FindingState
    severity: Severity
    critical: bool
    confidential: bool
    in_conflict: bool
    legal_ref: str
    ref_status: str
    basis: str
    limit_id: str | None
    penalty: str
    facts: dict[str, Any]
    created_at: Moment
    version: int


class VisitEvidence(msgspec.Struct):
    """A file that belongs to a visit; more of it at `/v1/evidence/{id}`."""

    id: UUID
    item: str | None
    media: str


class Visit(msgspec.Struct, kw_only=True):
    """A visit as its officers see it, on the desk and on the phone."""

    id: UUID
    premises: UUID
    name: str
    licence: UUID | None
    licence_number: str | None
    province: str
    class_: int | None = msgspec.field(name="class")
    checklist: int
    state: VisitState
    reason: str
    announced: bool
    planned_on: date | None
    note: str
    follows: UUID | None
    lead: UUID
    team: list[UUID]
    started_at: Moment | None
    start: dict[str, Any] | None
    outcome: str | None
    ended_at: Moment | None
    representative: str | None
    submitted_at: Moment | None
    accepted_at: Moment | None
    review_note: str
    returned_items: list[str]
    subject: dict[str, Any]
    flags: list[Flag]
    answers: list[CurrentAnswer]
    findings: list[FindingView]
    notes: list[Note]
    late_entries: list[LateEntry]
    evidence: list[VisitEvidence] = []
    signatures: list[VisitSignature] = []
    samples: list[Sample] = []
    extra_items: list[Item] = []
    """Asked at this visit beside the checklist; the factory never learns of them."""
    version: int


class CompanyFinding(msgspec.Struct):
    """A finding as the factory sees it: what is wrong, and under which law."""

    id: UUID
    item: str
    text_th: str
    text_en: str
    state: FindingState
    severity: Severity
    legal_ref: str
    evidence: list[UUID] = []


class _CompanyVisit(msgspec.Struct):
    """What a factory's own company may know of a visit, before findings."""

    id: UUID
    premises: UUID
    name: str
    licence: UUID | None
    licence_number: str | None
    state: str
    planned_on: date | None
    visited_at: Moment | None
    outcome: str | None
    accepted_at: Moment | None


class CompanyVisitRow(_CompanyVisit):
    """`visit` and `checklist` are for the server alone; `id` is the visit's id for the factory."""

    visit: UUID
    checklist: UUID


class CompanyVisit(_CompanyVisit):
    """A visit as the factory sees it. Why it was made is never part of it."""

    findings: list[CompanyFinding] = []
