"""Visits, answers and findings: states and their moves, rows, plans, problems."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

from api.inspection.checklists.rule_values import Flag
from api.inspection.visits.operations import Reason
from api.problems import Conflict, Forbidden, Invalid, NotFound

# --- states -------------------------------------------------------------------------------------


class VisitState(StrEnum):
    planned = "planned"
    under_way = "under_way"
    submitted = "submitted"
    in_review = "in_review"
    returned = "returned"
    accepted = "accepted"
    closed = "closed"
    cancelled = "cancelled"


S = VisitState
STATE_TH: dict[str, str] = {
    S.planned: "วางแผนแล้ว",
    S.under_way: "กำลังตรวจ",
    S.submitted: "ส่งผลแล้ว",
    S.in_review: "กำลังพิจารณา",
    S.returned: "ส่งกลับแก้ไข",
    S.accepted: "รับรองผลแล้ว",
    S.closed: "ยุติเรื่อง",
    S.cancelled: "ยกเลิก",
}

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

ENDED = frozenset({S.accepted, S.closed, S.cancelled})
"""Records that come now are no move: they are kept as late entries, which count for nothing."""


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

Severity = Literal["minor", "major", "critical"]


# --- rows ---------------------------------------------------------------------------------------


class VisitRow(msgspec.Struct):
    """A visit as stored; JSON columns as text.

    `company` operated the licence when the visit was made, until then when it was planned;
    `operator` operates it now.
    """

    id: UUID
    premises: UUID
    licence: UUID | None
    company: UUID | None
    province: str
    class_: int | None
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
    shown_as: UUID
    operator: UUID | None
    extra_items: str
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


class Finding(msgspec.Struct):
    """A failed or out-of-limit item with the law it rests on."""

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
    facts: str
    created_at: datetime
    version: int


class Held(msgspec.Struct):
    """A visit under the push's lock, with all versions of its answers and its findings."""

    visit: VisitRow
    versions: dict[str, list[Version]]
    findings: dict[str, Finding]


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

    def subject(self) -> str:
        """The facts that rules look at (openapi/rules.md), as JSON; what is unknown is left out."""
        facts: dict[str, object] = {"registered": self.registered and self.licence is not None}
        if self.class_ is not None:
            facts["class"] = self.class_
        if self.category is not None:
            facts["categories"] = [self.category, *(self.other_categories or [])]
        if self.horsepower is not None:
            facts["horsepower"] = self.horsepower
        if self.workers is not None:
            facts["workers"] = self.workers
        if self.lat is not None and self.lng is not None:
            facts["position"] = {"lat": self.lat, "lng": self.lng}
        if self.in_estate is not None:
            facts["in_estate"] = self.in_estate
        return msgspec.json.encode(facts).decode()


class LicenceHolder(msgspec.Struct):
    licence: UUID
    company: UUID | None


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
    th="การตรวจอยู่ในสถานะ “{state_th}” จึงทำรายการนี้ไม่ได้",
    en="The visit is {state}; that can no longer be done",
):
    """The table of moves has no such move from the state that the visit is in."""

    def __init__(self, state: str = "", **facts: Any) -> None:
        super().__init__(state=state, state_th=STATE_TH.get(state, state), **facts)


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


class TooManyAnswers(
    Invalid,
    code="inspection/too-many-answers",
    th="รายการนี้มีคำตอบ {count} ข้อ ส่งได้รายการละไม่เกิน {limit} ข้อ",
    en="The operation holds {count} answers; at most {limit} fit in one",
):
    """No checklist is so long: a fault of the app. Split into several operations it is taken."""


class AlreadyPlanned(
    Conflict,
    code="inspection/visit-exists",
    th="มีการตรวจรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="A visit with this id exists with other content",
    constraints=("visit_pkey",),
):
    """The id was used before, for something else."""


class ItemsUnknown(
    Invalid,
    code="inspection/items-unknown",
    th="แบบตรวจของการตรวจนี้ไม่มีข้อ {named}",
    en="The visit's checklist has no such items: {named}",
):
    """What is returned are codes of the checklist's version that the visit is made with.

    `items` lists the first twenty that are not.
    """

    def __init__(self, items: Sequence[str] = (), **facts: Any) -> None:
        first = list(items[:20])
        super().__init__(items=first, named=", ".join(first), **facts)


class ConflictOpen(
    Conflict,
    code="inspection/conflict-open",
    th="ยังมีคำตอบที่ขัดแย้งกัน {count} ข้อ",
    en="{count} items still have conflicting answers",
):
    """The lead settles them before the head accepts."""
