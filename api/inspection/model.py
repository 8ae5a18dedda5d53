"""Visits, answers and findings: shapes for wire and row, states and their moves, problems."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from api.inspection.rule_values import Flag
from api.problems import Conflict, Forbidden, Invalid, NotFound

# --- states -------------------------------------------------------------------------------------


class VisitState(StrEnum):
    planned = "planned"  # วางแผนแล้ว
    under_way = "under_way"  # กำลังตรวจ
    submitted = "submitted"  # ส่งผลแล้ว
    in_review = "in_review"  # กำลังพิจารณา
    returned = "returned"  # ส่งกลับแก้ไข
    accepted = "accepted"  # รับรองผลแล้ว
    closed = "closed"  # ยุติเรื่อง
    cancelled = "cancelled"  # ยกเลิก


S = VisitState

MOVES: dict[tuple[str, VisitState], VisitState] = {
    ("start", S.planned): S.under_way,
    ("record", S.under_way): S.under_way,
    ("record", S.returned): S.returned,
    # A colleague's phone may come back into signal after the lead has submitted: kept, flagged.
    ("record", S.submitted): S.submitted,
    ("record", S.in_review): S.in_review,
    ("settle", S.under_way): S.under_way,
    ("settle", S.submitted): S.submitted,
    ("settle", S.in_review): S.in_review,
    ("settle", S.returned): S.returned,
    ("submit", S.under_way): S.submitted,
    ("submit", S.returned): S.submitted,
    # A laboratory answers weeks later; its result is no amendment.
    ("add_result", S.under_way): S.under_way,
    ("add_result", S.submitted): S.submitted,
    ("add_result", S.in_review): S.in_review,
    ("add_result", S.returned): S.returned,
    ("add_result", S.accepted): S.accepted,
    ("take_up", S.submitted): S.in_review,
    ("return", S.in_review): S.returned,
    ("accept", S.in_review): S.accepted,
    ("close", S.accepted): S.closed,
    ("cancel", S.planned): S.cancelled,
    ("cancel", S.under_way): S.cancelled,
}


class FindingState(StrEnum):
    needs_confirmation = "needs_confirmation"  # รอเจ้าหน้าที่ยืนยันข้อกฎหมาย
    open = "open"  # พบข้อบกพร่อง
    withdrawn = "withdrawn"  # ถอนแล้ว
    resolved = "resolved"  # แก้ไขแล้ว


F = FindingState

FINDING_MOVES: dict[tuple[str, FindingState], FindingState] = {
    ("confirm", F.needs_confirmation): F.open,
    ("withdraw", F.needs_confirmation): F.withdrawn,
    ("withdraw", F.open): F.withdrawn,
    ("raise", F.withdrawn): F.open,
    ("resolve", F.open): F.resolved,
}

Reason = Literal["routine", "complaint", "follow_up", "accident", "not_reporting"]
Outcome = Literal["inspected", "partly", "refused_entry", "closed", "not_found", "moved", "unsafe"]
Presence = Literal["signed", "refused", "absent"]
Severity = Literal["minor", "major", "critical"]

# --- what the field sends -----------------------------------------------------------------------

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 with an offset."""


class Position(msgspec.Struct, omit_defaults=True):
    """WGS 84 degrees; accuracy in metres; `mock` and `taken_at` are the phone's own claims."""

    lat: float
    lng: float
    accuracy_m: float | None = None
    mock: bool = False
    taken_at: Moment | None = None


class WorkingHours(msgspec.Struct):
    """The plant's working hours on that day, Bangkok time `HH:MM`; over midnight is allowed."""

    start: str
    end: str


class Start(msgspec.Struct, kw_only=True):
    """The entry at the gate, as the phone claims it."""

    at: Moment
    position: Position | None = None
    working_hours: WorkingHours | None = None


class Answer(msgspec.Struct, kw_only=True):
    """One answer. `base` is the operation whose answer to this item the phone had before.

    `value` has the shape of the item's answer type (openapi/rules.md); `reason` is needed where a
    fail becomes a pass; `licence` names one where the premises hold several.
    """

    item: str
    value: Any = None
    answered_at: Moment | None = None
    base: UUID | None = None
    note: str | None = None
    reason: str | None = None
    licence: UUID | None = None


class Representative(msgspec.Struct):
    """Who represented the factory; the name is personal data and stored sealed."""

    presence: Presence
    name: str | None = None


class Operation(msgspec.Struct, kw_only=True, tag_field="op"):
    """What every field operation carries: its own id, made by the phone, and the visit's."""

    id: UUID
    visit: UUID
    contract: int = 1


class RecordVisit(Operation, tag="visit.record"):
    """What a phone noted of a visit since its last push; every part may be missing.

    A visit that was not planned is made by the first record that names its premises. Parts merge:
    answers by item, everything else by the earliest claim.
    """

    premises: UUID | None = None
    licence: UUID | None = None
    reason: Reason = "routine"
    lead: UUID | None = None
    team: list[UUID] = []
    start: Start | None = None
    answers: list[Answer] = []
    outcome: Outcome | None = None
    ended_at: Moment | None = None
    representative: Representative | None = None


class SettleAnswer(Operation, tag="visit.settle"):
    """The lead officer decides between conflicting answers to one item."""

    item: str
    supersedes: list[UUID]
    value: Any = None
    answered_at: Moment | None = None
    reason: str | None = None
    note: str | None = None


class SubmitVisit(Operation, tag="visit.submit"):
    """The team has finished; the review clock starts."""

    ended_at: Moment | None = None


class AddResult(Operation, tag="visit.add_result"):
    """A laboratory's result for an answer that awaited it."""

    item: str
    value: Any = None
    laboratory: str = ""
    report_no: str = ""
    reported_at: Moment | None = None
    note: str | None = None


FieldOperation = RecordVisit | SettleAnswer | SubmitVisit | AddResult

# --- rows and views -----------------------------------------------------------------------------


class VisitRow(msgspec.Struct):
    """A visit as stored; JSON columns as text."""

    id: UUID
    premises: UUID
    licence: UUID | None
    company: UUID | None
    province: str
    checklist: UUID
    state: VisitState
    reason: str
    announced: bool
    planned_on: date | None
    lead: UUID
    team: list[UUID]
    subject: str
    started_at: datetime | None
    outcome: str | None
    ended_at: datetime | None
    representative: str | None
    returned_items: list[str]
    flags: str
    entries: int
    version: int
    has_start: bool
    data_key: UUID
    kid: str
    wrapped: bytes | None


class Version(msgspec.Struct, kw_only=True):
    """One immutable version of an answer to one item; `operation` is its identity."""

    item: str
    operation: UUID
    author: UUID
    answered_at: datetime | None
    received_at: datetime
    value: Any
    outcome: str
    supersedes: tuple[UUID, ...] = ()
    note: str | None = None
    reason: str | None = None
    licence: UUID | None = None
    flags: list[Flag] = []


class CurrentAnswer(msgspec.Struct, omit_defaults=True):
    """The answer to an item as it stands: one value, or several in conflict.

    `operation` is what a phone sends back as `base`; `others` are the values it conflicts with.
    """

    item: str
    value: Any
    outcome: str
    operation: UUID
    author: UUID
    answered_at: datetime | None = None
    note: str | None = None
    reason: str | None = None
    licence: UUID | None = None
    flags: list[Flag] = []
    conflict: bool = False
    others: list[CurrentAnswer] = []
    was_fail: bool = False


class Finding(msgspec.Struct):
    """A failed or out-of-limit item with the law it rests on."""

    id: UUID
    visit: UUID
    item: str
    premises: UUID
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
    facts: str
    created_at: datetime
    version: int


class Site(msgspec.Struct):
    """Premises with the licence that a visit is about: the facts its rules look at."""

    premises: UUID
    province: str
    lat: float | None
    lng: float | None
    registered: bool
    licence: UUID | None
    company: UUID | None
    class_: int | None
    category: str | None
    other_categories: list[str] | None
    horsepower: float | None
    workers: int | None
    in_estate: bool | None


class LicenceHolder(msgspec.Struct):
    licence: UUID
    company: UUID | None


class ChecklistLine(msgspec.Struct):
    """One published version in the list of versions."""

    id: UUID
    number: int
    content_hash: str
    published_at: datetime
    note: str


class ChecklistRow(msgspec.Struct):
    """A published version; `content` is the standard as JSON text."""

    id: UUID
    number: int
    content: str
    content_hash: str
    published_at: datetime
    note: str


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
    started_at: datetime | None
    submitted_at: datetime | None
    accepted_at: datetime | None
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
    working_hours: str | None
    flags: str
    version: int


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
    created_at: datetime
    version: int


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
    started_at: datetime | None
    start: dict[str, Any] | None
    outcome: str | None
    ended_at: datetime | None
    representative: str | None
    submitted_at: datetime | None
    accepted_at: datetime | None
    review_note: str
    returned_items: list[str]
    subject: dict[str, Any]
    flags: list[Flag]
    answers: list[CurrentAnswer]
    findings: list[FindingView]
    version: int


class CompanyVisitRow(msgspec.Struct):
    """What a factory's own company may know of a visit, before findings."""

    id: UUID
    premises: UUID
    name: str
    licence: UUID | None
    licence_number: str | None
    state: str
    planned_on: date | None
    visited_at: datetime | None
    outcome: str | None
    accepted_at: datetime | None


class CompanyFinding(msgspec.Struct):
    """A finding as the factory sees it: what is wrong, and under which law."""

    id: UUID
    item: str
    text_th: str
    text_en: str
    state: FindingState
    severity: Severity
    legal_ref: str


class CompanyVisit(msgspec.Struct, kw_only=True):
    """A visit as the factory sees it. Why it was made is never part of it."""

    id: UUID
    premises: UUID
    name: str
    licence: UUID | None
    licence_number: str | None
    state: str
    planned_on: date | None
    visited_at: datetime | None
    outcome: str | None
    accepted_at: datetime | None
    findings: list[CompanyFinding] = []


class PlanVisit(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A visit planned at a desk. `announced`: the factory may know that it takes place."""

    premises: UUID
    licence: UUID | None = None
    reason: Reason = "routine"
    announced: bool = False
    planned_on: date
    lead: UUID
    team: list[UUID] = []
    note: str = ""
    follows: UUID | None = None


# --- problems -----------------------------------------------------------------------------------


class VisitNotFound(
    NotFound, code="inspection/no-such-visit", th="ไม่พบการตรวจนี้", en="There is no such visit"
):
    """No such visit, or none that the caller may know of."""


class FindingNotFound(
    NotFound, code="inspection/no-such-finding", th="ไม่พบข้อบกพร่องนี้", en="There is no such finding"
):
    """No such finding, or none that the caller may know of."""


class ChecklistNotFound(
    NotFound,
    code="inspection/no-such-checklist",
    th="ไม่พบแบบตรวจรุ่นนี้",
    en="There is no such version of the checklist",
):
    """Versions are numbered from 1."""


class PremisesUnknown(
    Invalid,
    code="inspection/premises-unknown",
    th="ไม่พบสถานที่หรือใบอนุญาตที่อ้างถึง",
    en="The premises or licence named does not exist",
    constraints=("visit_premises", "visit_licence"),
):
    """A visit is of premises in the register; an unregistered site is registered first."""


class TeamUnknown(
    Invalid,
    code="inspection/team-unknown",
    th="มีผู้ร่วมตรวจที่ไม่ใช่เจ้าหน้าที่ของสำนักงานที่รับผิดชอบ",
    en="Someone on the team is not an officer of the responsible office",
    constraints=("visit_lead",),
):
    """Lead and team are officers who may record visits."""


class VisitSealed(
    Conflict,
    code="inspection/visit-sealed",
    th="การตรวจอยู่ในสถานะ {state} จึงทำรายการนี้ไม่ได้",
    en="The visit is {state}; that can no longer be done",
):
    """The table of moves has no such move from the state that the visit is in."""


class WrongFindingState(
    Conflict,
    code="inspection/finding-state",
    th="ข้อบกพร่องอยู่ในสถานะ {state} จึงทำรายการนี้ไม่ได้",
    en="The finding is {state}; that cannot be done",
):
    """The table of moves has no such move from the state that the finding is in."""


class NotOnTeam(
    Forbidden,
    code="inspection/not-on-team",
    th="เฉพาะเจ้าหน้าที่ในคณะตรวจเท่านั้น",
    en="Only officers of the visit's team may do this",
):
    """The caller's office sees the visit, but they are not on its team."""


class NotLead(
    Forbidden,
    code="inspection/not-lead",
    th="เฉพาะหัวหน้าคณะตรวจเท่านั้น",
    en="Only the lead officer may do this",
):
    """Settling a conflict and submitting are the lead officer's."""


class NothingToSettle(
    Conflict,
    code="inspection/nothing-to-settle",
    th="ข้อ {item} ไม่มีคำตอบที่ขัดแย้งตามที่อ้าง",
    en="Item {item} has no such conflicting answers",
):
    """`supersedes` must name every answer that is in conflict now."""


class NotAwaiting(
    Conflict,
    code="inspection/not-awaiting",
    th="ข้อ {item} ไม่ได้รอผลห้องปฏิบัติการ",
    en="Item {item} does not await a laboratory",
):
    """A result belongs to an answer that awaits it."""


class NotStarted(
    Conflict,
    code="inspection/not-started",
    th="ยังไม่ได้เริ่มการตรวจ",
    en="The visit has not been started",
):
    """A record without `start` came for a visit that nobody has started."""


class AlreadyPlanned(
    Conflict,
    code="inspection/visit-exists",
    th="มีการตรวจรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="A visit with this id exists with other content",
    constraints=("visit_pkey",),
):
    """The id was used before, for something else."""


class ConflictOpen(
    Conflict,
    code="inspection/conflict-open",
    th="ยังมีคำตอบที่ขัดแย้งกัน {count} ข้อ",
    en="{count} items still have conflicting answers",
):
    """The lead settles them before the head accepts."""


class ChecklistInvalid(
    Invalid,
    code="inspection/checklist-invalid",
    th="แบบตรวจไม่ถูกต้อง: {reason}",
    en="The checklist cannot be published: {reason}",
):
    """A rule, a reference or a shape is wrong; nothing was published."""
