"""What a phone sends about a visit: the operations of a push and their parts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from api.clock import Moment
from api.factories.model import RegisterPremises
from api.inspection.checklists.rule_values import Flag

Reason = Literal["routine", "complaint", "follow_up", "accident", "not_reporting"]


Outcome = Literal["inspected", "partly", "refused_entry", "closed", "not_found", "moved", "unsafe"]


Presence = Literal["signed", "refused", "absent"]


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


MAX_ANSWERS = 2000
"""So many answers one operation may hold: a checklist has some 120 items."""


class Operation(msgspec.Struct, kw_only=True, tag_field="op"):
    """What every field operation carries: its own id, made by the phone, and the visit's."""

    id: UUID
    visit: UUID
    contract: int = 1


class RecordVisit(Operation, tag="visit.record"):
    """What a phone noted of a visit since its last push; every part may be missing.

    A visit that was not planned is made by the first record that names its premises, or describes
    a `site` that nobody registered. Parts merge: answers by item, notes are added, the earliest
    start stands; outcome and representative are the lead's.
    """

    premises: UUID | None = None
    licence: UUID | None = None
    reason: Reason = "routine"
    lead: UUID | None = None
    team: list[UUID] = []
    site: RegisterPremises | None = None
    note: str | None = None
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


Signer = Literal["inspector", "representative", "refused"]


class SignVisit(Operation, tag="visit.sign"):
    """A signature drawn on a phone for the visit's record, or that there is none and why.

    `evidence` is the drawn image, uploaded with the visit as its owner, before or after. `who`: an
    officer of the team (`officer`; the sender unless named), the factory's representative with
    `name` and `capacity`, or a representative who refused to sign, for a `reason`.
    """

    who: Signer
    evidence: UUID | None = None
    officer: UUID | None = None
    name: str | None = None
    capacity: str | None = None
    reason: str | None = None
    signed_at: Moment | None = None


class TakeSample(Operation, tag="visit.take_sample"):
    """A sample taken under s.35(2) for a laboratory; its id is the operation's.

    One sample may serve several `items`. `number` is what the answers that await it name as
    `sample`; `what` it is and how much, `place` where it was taken, `seal` the number of its seal.
    `photographs` are evidence, uploaded with the visit as their owner, before or after.
    """

    items: list[str] = []
    number: str = ""
    what: str = ""
    place: str = ""
    seal: str = ""
    officer: UUID | None = None
    taken_at: Moment | None = None
    position: Position | None = None
    photographs: list[UUID] = []
    note: str | None = None


FieldOperation = RecordVisit | SettleAnswer | SubmitVisit | AddResult | SignVisit | TakeSample


def drop_impossible_times(op: FieldOperation) -> list[Flag]:
    """Takes out claimed times of no living phone (the years 1 or 9999) and says which.

    They fit the type, but neither a time zone nor a data base can reckon with them; the bytes as
    sent are kept whole beside the operation.
    """
    flags = []
    for name in ("answered_at", "ended_at", "reported_at", "signed_at", "taken_at"):
        if not _possible(getattr(op, name, None)):
            setattr(op, name, None)
            flags.append(Flag("time.impossible", {"field": name}))
    if isinstance(op, TakeSample) and op.position and not _possible(op.position.taken_at):
        op.position.taken_at = None
        flags.append(Flag("time.impossible", {"field": "position.taken_at"}))
    if isinstance(op, RecordVisit):
        if op.start is not None and not _possible(op.start.at):
            op.start = None
            flags.append(Flag("time.impossible", {"field": "start"}))
        elif op.start and op.start.position and not _possible(op.start.position.taken_at):
            op.start.position.taken_at = None
            flags.append(Flag("time.impossible", {"field": "start.position.taken_at"}))
        moments = [a.answered_at for a in op.answers if a.answered_at is not None]
        if moments and not (_possible(min(moments)) and _possible(max(moments))):
            for answer in op.answers:
                if not _possible(answer.answered_at):
                    answer.answered_at = None
                    flags.append(Flag("time.impossible", {"item": answer.item}))
    return flags


def _possible(moment: datetime | None) -> bool:
    return moment is None or 1900 <= moment.year <= 2200
