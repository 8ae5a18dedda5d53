"""Complaints: states and their moves, what the public sees of them, rows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from api import clock, codes


class State(StrEnum):
    submitted = "submitted"
    accepted = "accepted"
    assigned = "assigned"
    in_progress = "in_progress"
    inspection_scheduled = "inspection_scheduled"
    awaiting_info = "awaiting_info"
    order_issued = "order_issued"
    forwarded = "forwarded"
    resolved = "resolved"
    closed = "closed"
    rejected = "rejected"
    duplicate = "duplicate"
    reopened = "reopened"
    withdrawn = "withdrawn"


S = State
STATE_TH: dict[str, str] = {
    S.submitted: "รอรับเรื่อง",
    S.accepted: "รับเรื่องแล้ว",
    S.assigned: "มอบหมายแล้ว",
    S.in_progress: "กำลังดำเนินการ",
    S.inspection_scheduled: "นัดตรวจสอบโรงงาน",
    S.awaiting_info: "รอข้อมูลเพิ่มเติม",
    S.order_issued: "สั่งให้ปรับปรุงแก้ไข",
    S.forwarded: "ส่งต่อหน่วยงาน",
    S.resolved: "ดำเนินการเสร็จสิ้น",
    S.closed: "ยุติเรื่อง",
    S.rejected: "ไม่รับเรื่อง",
    S.duplicate: "เรื่องซ้ำ",
    S.reopened: "เปิดเรื่องใหม่",
    S.withdrawn: "ผู้ร้องยกเลิก",
}

_UNDER_WAY = (S.in_progress, S.inspection_scheduled, S.awaiting_info, S.order_issued)
OPEN = frozenset(S) - {S.resolved, S.closed, S.rejected, S.duplicate, S.withdrawn}
"""Somebody still has to do something."""

MOVES: dict[tuple[str, State], State] = {
    ("accept", S.submitted): S.accepted,
    ("accept", S.forwarded): S.accepted,
    ("reject", S.submitted): S.rejected,
    ("merge", S.submitted): S.duplicate,
    ("assign", S.accepted): S.assigned,
    ("assign", S.reopened): S.assigned,
    # Another officer takes over; the matter stays where it is.
    **{("reassign", state): state for state in (S.assigned, *_UNDER_WAY)},
    ("forward", S.accepted): S.forwarded,
    ("forward", S.assigned): S.forwarded,
    ("begin", S.assigned): S.in_progress,
    ("schedule", S.in_progress): S.inspection_scheduled,
    ("inspected", S.inspection_scheduled): S.in_progress,
    ("ask", S.in_progress): S.awaiting_info,
    ("inform", S.awaiting_info): S.in_progress,
    ("order", S.in_progress): S.order_issued,
    ("order_ended", S.order_issued): S.in_progress,
    ("resolve", S.in_progress): S.resolved,
    ("resolve", S.order_issued): S.resolved,
    ("close", S.forwarded): S.closed,
    ("close", S.resolved): S.closed,
    ("reopen", S.resolved): S.reopened,
    ("reopen", S.closed): S.reopened,
    ("reopen", S.rejected): S.reopened,
    ("reopen", S.duplicate): S.reopened,
    ("withdraw", S.submitted): S.withdrawn,
    ("withdraw", S.accepted): S.withdrawn,
    ("withdraw", S.assigned): S.withdrawn,
    ("withdraw", S.in_progress): S.withdrawn,
}


class Outcome(StrEnum):
    substantiated = "substantiated"  # เป็นจริงตามร้อง
    unsubstantiated = "unsubstantiated"  # ไม่เป็นตามที่ร้อง
    out_of_jurisdiction = "out_of_jurisdiction"  # อยู่นอกอำนาจ
    unregistered_factory = "unregistered_factory"  # โรงงานที่ไม่ได้จดทะเบียน
    no_evidence = "no_evidence"  # ไม่พบหลักฐาน


OUTCOME_WORDS: dict[str, tuple[str, str]] = {
    Outcome.substantiated: ("เป็นจริงตามร้อง", "substantiated"),
    Outcome.unsubstantiated: ("ไม่เป็นตามที่ร้อง", "unsubstantiated"),
    Outcome.out_of_jurisdiction: ("อยู่นอกอำนาจ", "out of jurisdiction"),
    Outcome.unregistered_factory: ("โรงงานที่ไม่ได้จดทะเบียน", "an unregistered factory"),
    Outcome.no_evidence: ("ไม่พบหลักฐาน", "no evidence"),
}


class PublicStatus(StrEnum):
    """All that the complainant and the public are told of a state."""

    received = "received"
    in_progress = "in_progress"
    waiting_for_you = "waiting_for_you"
    finished = "finished"
    not_taken_up = "not_taken_up"
    withdrawn = "withdrawn"


P = PublicStatus
PUBLIC_TH: dict[str, str] = {
    P.received: "ได้รับเรื่องแล้ว",
    P.in_progress: "กำลังดำเนินการ",
    P.waiting_for_you: "รอข้อมูลจากท่าน",
    P.finished: "ดำเนินการเสร็จสิ้น",
    P.not_taken_up: "ไม่รับเรื่อง",
    P.withdrawn: "ท่านยกเลิกเรื่องแล้ว",
}
_PUBLIC: dict[State, PublicStatus] = {
    S.submitted: P.received,
    # Whether an inspection or an order is on its way is nobody's to know before it is done.
    **dict.fromkeys(
        (S.accepted, S.assigned, S.in_progress, S.inspection_scheduled, S.order_issued),
        P.in_progress,
    ),
    S.forwarded: P.in_progress,
    S.reopened: P.in_progress,
    S.awaiting_info: P.waiting_for_you,
    S.resolved: P.finished,
    S.closed: P.finished,
    S.rejected: P.not_taken_up,
    S.withdrawn: P.withdrawn,
}


def public_status(state: State, *, left: bool, merged_into: State | None = None) -> PublicStatus:
    """What is told of `state`. `left`: the complainant withdrew, whatever the office still does.

    A duplicate is told as the complaint that it was merged into, and as taken up: whoever told it
    must not learn that somebody else did (ADR 0018).
    """
    if left:
        return P.withdrawn
    if state == S.duplicate:
        found = others_status(merged_into or S.accepted)
        return P.in_progress if found is P.received else found
    return _PUBLIC[state]


def others_status(state: State, merged_into: State | None = None) -> PublicStatus:
    """What those are told of `state` who follow a complaint that somebody else told.

    A question to whoever told it is none to them, and that its teller gave up is nobody's to know.
    """
    if state == S.duplicate:
        state = merged_into or S.accepted
    found = _PUBLIC.get(state, P.in_progress)
    return {P.waiting_for_you: P.in_progress, P.withdrawn: P.finished}.get(found, found)


class Severity(StrEnum):
    normal = "normal"
    urgent = "urgent"
    emergency = "emergency"


class Subject(StrEnum):
    """How sure it is which factory a complaint is about."""

    unknown = "unknown"
    named = "named"  # by the complainant
    confirmed = "confirmed"  # by an officer
    unregistered = "unregistered"  # premises without a licence


class Channel(StrEnum):
    app = "app"
    desk = "desk"
    phone = "phone"
    letter = "letter"
    open311 = "open311"


class EntryKind(StrEnum):
    """What was said of a complaint after it was told; the first four reach the complainant."""

    addition = "addition"
    question = "question"
    answer = "answer"
    message = "message"
    note = "note"  # among officers
    occurrence = "occurrence"  # the same nuisance again
    decision = "decision"
    reopening = "reopening"
    rating = "rating"
    call = "call"


class Flag(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something odd about a complaint that is kept: a stable code, facts without personal data."""

    code: str
    facts: dict[str, Any] = {}


class ComplaintRow(msgspec.Struct):
    """A complaint as stored, without anything of who told it; JSON columns as text."""

    id: UUID
    number: int
    channel: Channel
    category: str
    category_version: int
    answers: str
    description: str
    happened_at: datetime | None
    severity: Severity
    flags: str
    lat: float | None
    lng: float | None
    accuracy_m: float | None
    address: str
    province: str | None
    district: str | None
    premises: UUID | None
    subject: Subject
    factory_named: str
    office: UUID | None
    assigned: UUID | None
    forwarded_to: str
    state: State
    outcome: Outcome | None
    decision: str
    merged_into: UUID | None
    merged_state: State | None
    merged_outcome: Outcome | None
    merged_forwarded_to: str | None
    merged_ended_at: datetime | None
    reopened: int
    left_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    solved: bool | None
    rating: int | None
    clocks: str
    next_due: datetime | None
    paused_at: datetime | None
    released_at: datetime | None
    released_text: str | None
    me_toos: int
    occurrences: int
    callback: bool
    entered_by: UUID | None
    received_at: datetime
    version: int

    def __post_init__(self) -> None:
        """Rows come as text; the rest compares members."""
        self.state, self.severity = State(self.state), Severity(self.severity)
        if self.merged_state is not None:
            self.merged_state = State(self.merged_state)

    @property
    def status(self) -> PublicStatus:
        return public_status(
            self.state, left=self.left_at is not None, merged_into=self.merged_state
        )

    @property
    def shown_number(self) -> str:
        return shown_number(self.number, self.received_at)


def public_number(shown_as: UUID) -> str:
    """By what those know a complaint who did not tell it; `shown_number` counts on, and would tell
    when it came."""
    text = shown_as.hex[:8].upper()
    return f"P-{text[:4]}-{text[4:]}"


def number_of(typed: str) -> tuple[int, int] | None:
    """(year, number) of a `shown_number` as a person reads it aloud; None where it is mistyped."""
    for length in range(10, 16):
        found = codes.read(typed, length)
        if found is not None and found[:-1].isdecimal():
            return int(found[:2]), int(found[2:-1])
    return None


def shown_number(number: int, received_at: datetime) -> str:
    """The number for people: `69-0001234-K`, the Buddhist year, the number, a check character."""
    year = clock.buddhist_year(clock.bangkok_date(received_at)) % 100
    digits = f"{year:02d}{number:07d}"
    return f"{year:02d}-{number:07d}-{codes.check(digits)}"
