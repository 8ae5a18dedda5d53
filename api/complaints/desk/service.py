"""The verbs of the officers' desk: each locks, asks who may, looks at `MOVES`, writes, records."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api import clock, events, ids
from api.accounts import authority
from api.accounts.model import Power
from api.complaints import clocks, identity, moving, reading, timing
from api.complaints.clocks import Kind
from api.complaints.desk import queries as desk_queries
from api.complaints.desk import reading as desk_reading
from api.complaints.desk.views import (
    Assign,
    Call,
    Forward,
    Merge,
    OpenIdentity,
    Reject,
    Resolve,
    Responsible,
    SayOnce,
)
from api.complaints.identity import Identity
from api.complaints.intake import scopes
from api.complaints.model import MOVES, ComplaintRow, EntryKind, Outcome, State
from api.complaints.problems import (
    EntryExists,
    ForwardInstead,
    MergeImpossible,
    NobodyToAsk,
    NotAppointed,
    OfficerUnfit,
    ResponsibleNeeded,
)
from api.complaints.views import Complaint, Entry
from api.db import Tx
from api.permissions import PERMISSIONS, Session
from api.problems import Stale

TRIAGE, HANDLE = "complaint.triage", "complaint.handle"
SECTION = "35"
"""The section under which a dated authority to unseal is granted: an officer asks people there
what they know (Factory Act B.E. 2535, s.35 (4)); who told a complaint is asked only so."""


async def accept(tx: Tx, id: UUID, version: int) -> Complaint:
    """Somebody has read it and takes it up; one without an office becomes the caller's."""
    complaint = await moving.held(tx, id, TRIAGE, "accept", version)
    complaint.office = complaint.office or reading.own_office(tx)
    complaint.assigned, complaint.forwarded_to = None, ""
    running = clocks.read(complaint.clocks)
    clocks.meet(running, Kind.acknowledge, tx.now)
    await moving.save(tx, complaint, "complaint.accepted", running=running)
    return await desk_reading.view(tx, complaint)


async def reject(tx: Tx, id: UUID, version: int, why: Reject) -> Complaint:
    """It is not taken up, and whose matter it is instead is said.

    Raises `ResponsibleNeeded`; `ForwardInstead` where that is an office of ours.
    """
    complaint = await moving.held(tx, id, TRIAGE, "reject", version)
    if why.responsible.office is not None:
        raise ForwardInstead()
    complaint.forwarded_to = _outside(why.responsible)
    await _decide(tx, complaint, why.text)
    await _over(tx, complaint, "complaint.rejected")
    return await desk_reading.view(tx, complaint)


async def forward(tx: Tx, id: UUID, version: int, to: Forward) -> Complaint:
    """To another office of ours, which then has it on its desk, or to a body outside.

    Its clocks run on in our house: nobody has acted yet. Where it leaves the province of an office
    it is gone from its phones. Raises `ResponsibleNeeded`, `NotAppointed`.
    """
    complaint = await moving.held(tx, id, TRIAGE, "forward", version)
    before, province = complaint.office, complaint.province
    if to.responsible.office is None:
        complaint.forwarded_to = _outside(to.responsible)
    else:
        complaint.province = to.province or complaint.province
        await _to_office(tx, complaint, to.responsible)
    complaint.assigned = None
    await _decide(tx, complaint, to.text)
    running = clocks.read(complaint.clocks)
    if complaint.office == before:  # outside
        clocks.meet(running, Kind.acknowledge, tx.now)
        clocks.meet(running, Kind.first_action, tx.now)
    left = [] if complaint.province == province else scopes(province)
    facts = {"from": before, "to": complaint.office, "outside": complaint.office == before}
    await moving.save(
        tx, complaint, "complaint.forwarded", facts, running, await _held(tx, id, left)
    )
    return await desk_reading.view(tx, complaint)


async def _held(tx: Tx, id: UUID, left: Sequence[str]) -> list[str]:
    return await events.holding(tx, "complaint", id, left)


async def _to_office(tx: Tx, complaint: ComplaintRow, named: Responsible) -> None:
    if named.office is None or named.outside.strip() or named.office == complaint.office:
        raise ResponsibleNeeded()
    today = clock.bangkok_date(tx.now)
    found = await desk_queries.office(
        tx, named.office, complaint.province, complaint.premises, today
    )
    if found is None:
        raise ResponsibleNeeded()
    if found.kind == "pio" and found.only is not None:
        complaint.province = found.only
    if not found.appointed:
        raise NotAppointed()
    complaint.office, complaint.forwarded_to = found.id, ""


def _outside(named: Responsible) -> str:
    words = named.outside.strip()
    if not words:
        raise ResponsibleNeeded()
    return words


async def merge(tx: Tx, id: UUID, version: int, to: Merge) -> Complaint:
    """The same matter as another complaint, whose course whoever told this one now follows.

    They are told that it was taken up, and not that somebody else told the same: a factory that
    complains about itself would learn it. So the words are the officers'.
    What was merged into this one follows too, so that there are no chains. Raises
    `MergeImpossible`.
    """
    followers = await desk_queries.duplicates(tx, id)
    await tx.lock([id, to.into, *followers])
    complaint = await moving.held(tx, id, TRIAGE, "merge", version)
    if await desk_queries.duplicates(tx, id) != followers:
        raise Stale(current=complaint.version)  # another was merged into it a moment ago
    found = await reading.rows(tx, [to.into], TRIAGE)
    if not found or to.into == id or found[0].state in (State.duplicate, State.withdrawn):
        raise MergeImpossible()
    target = found[0]
    complaint.merged_into, complaint.merged_state = target.id, target.state
    await desk_queries.point_to(tx, followers, target.id)
    await moving.say(tx, complaint, ids.new(), EntryKind.decision, to.text, shown=False)
    await _over(tx, complaint, "complaint.merged", {"into": target.id})
    return await desk_reading.view(tx, complaint)


async def assign(tx: Tx, id: UUID, version: int, to: Assign) -> Complaint:
    """An officer of the province, or of the office, has it from now on. Raises `OfficerUnfit`."""
    complaint = await moving.held(tx, id, TRIAGE, None, version)
    first = ("assign", complaint.state) in MOVES
    complaint.state = moving.target(complaint, "assign" if first else "reassign")
    fit = await desk_queries.may_act(
        tx, to.officer, list(PERMISSIONS[HANDLE]), complaint.province, complaint.office
    )
    if not fit:
        raise OfficerUnfit()
    complaint.assigned = to.officer
    event = "complaint.assigned" if first else "complaint.reassigned"
    await moving.save(tx, complaint, event, {"officer": to.officer})
    return await desk_reading.view(tx, complaint)


async def begin(tx: Tx, id: UUID, version: int) -> Complaint:
    """Work on it has begun: the first action."""
    complaint = await moving.held(tx, id, HANDLE, "begin", version)
    running = clocks.read(complaint.clocks)
    clocks.meet(running, Kind.acknowledge, tx.now)
    clocks.meet(running, Kind.first_action, tx.now)
    await moving.save(tx, complaint, "complaint.begun", running=running)
    return await desk_reading.view(tx, complaint)


async def ask(tx: Tx, id: UUID, version: int, question: SayOnce) -> Complaint:
    """Asks the complainant; the clocks stand still until there is an answer, or the time for one
    is over. Raises `NobodyToAsk`."""
    complaint = await moving.held(tx, id, HANDLE, "ask", version)
    if complaint.left_at is not None:
        raise NobodyToAsk()
    await _said_once(tx, complaint, question.id, EntryKind.question, question.text, shown=True)
    await timing.paused(tx, complaint)
    running = clocks.read(complaint.clocks)
    await moving.save(tx, complaint, "complaint.asked", running=running)
    return await desk_reading.view(tx, complaint)


async def inform(tx: Tx, id: UUID, version: int, answer: SayOnce) -> Complaint:
    """The answer came another way, as by telephone, or is no longer needed: it goes on."""
    complaint = await moving.held(tx, id, HANDLE, "inform", version)
    await _said_once(tx, complaint, answer.id, EntryKind.answer, answer.text, shown=True)
    running = await timing.resumed(tx, complaint)
    await moving.save(tx, complaint, "complaint.informed", running=running)
    return await desk_reading.view(tx, complaint)


async def resolve(tx: Tx, id: UUID, version: int, done: Resolve) -> Complaint:
    """It is answered, with an outcome; the complainant is asked whether it is solved."""
    complaint = await moving.held(tx, id, HANDLE, "resolve", version)
    complaint.outcome, complaint.resolved_at, complaint.solved = done.outcome, tx.now, None
    await _decide(tx, complaint, done.text)
    running = clocks.read(complaint.clocks)
    clocks.meet_all(running, tx.now)
    facts = {"outcome": done.outcome}
    await timing.answered(tx, complaint)
    await moving.save(tx, complaint, "complaint.resolved", facts, running)
    return await desk_reading.view(tx, complaint)


async def close(tx: Tx, id: UUID, version: int, text: str) -> Complaint:
    """No more comes of it here. What a body outside has taken over was not ours to decide."""
    complaint = await moving.held(tx, id, TRIAGE, "close", version)
    complaint.outcome = complaint.outcome or Outcome.out_of_jurisdiction
    await _decide(tx, complaint, text)
    await _over(tx, complaint, "complaint.closed", {"outcome": complaint.outcome})
    return await desk_reading.view(tx, complaint)


async def reopen(tx: Tx, id: UUID, version: int, why: str) -> Complaint:
    """A head looks at it again; its new clock runs and nobody has it yet."""
    complaint = await moving.held(tx, id, "complaint.reopen", "reopen", version)
    await moving.say(tx, complaint, ids.new(), EntryKind.reopening, why, shown=True)
    running = await timing.reopened(tx, complaint)
    await moving.save(tx, complaint, "complaint.reopened", {"by": "head"}, running)
    return await desk_reading.view(tx, complaint)


# --- what is said, without a move -----------------------------------------------------------------


async def note(tx: Tx, id: UUID, entry: UUID, text: str) -> Entry:
    """Among officers, in every state. Sent again it is the same; raises `EntryExists`."""
    return await _add(tx, id, entry, EntryKind.note, text, "complaint.noted")


async def message(tx: Tx, id: UUID, entry: UUID, text: str) -> Entry:
    """To the complainant, through the system: nobody learns where it reaches them."""
    return await _add(tx, id, entry, EntryKind.message, text, "complaint.messaged")


async def call(tx: Tx, id: UUID, entry: UUID, made: Call) -> Entry:
    """A call was made; whoever was reached no longer waits for one."""
    complaint = await moving.held(tx, id, HANDLE, None)
    facts = {"reached": made.reached}
    new = await _said_once(tx, complaint, entry, EntryKind.call, made.text, facts=facts)
    if new and made.reached and complaint.callback:
        complaint.callback = False
        await moving.save(tx, complaint, "complaint.called", facts)
    elif new:
        await _tell(tx, complaint, "complaint.called", facts)
    return await desk_reading.entry(tx, entry)


async def _add(tx: Tx, id: UUID, entry: UUID, kind: EntryKind, text: str, event: str) -> Entry:
    """Adding conflicts with nothing, so it needs no version and moves none."""
    complaint = await moving.held(tx, id, HANDLE, None)
    shown = kind is EntryKind.message
    if await _said_once(tx, complaint, entry, kind, text, shown=shown):
        await _tell(tx, complaint, event, {})
    return await desk_reading.entry(tx, entry)


async def _tell(tx: Tx, complaint: ComplaintRow, event: str, facts: dict[str, bool]) -> None:
    await events.record(
        tx, event, "complaint", complaint.id, scopes=scopes(complaint.province), facts=facts
    )


async def _said_once(
    tx: Tx,
    complaint: ComplaintRow,
    id: UUID,
    kind: EntryKind,
    text: str,
    *,
    shown: bool = False,
    facts: dict[str, bool] | None = None,
) -> bool:
    """False where the caller said the same under this id before; raises `EntryExists`."""
    if await moving.say(tx, complaint, id, kind, text, shown=shown, facts=facts):
        return True
    held = await desk_queries.entry(tx, id)
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    if held is None or (held.complaint, held.account, held.kind, held.text) != (
        complaint.id,
        by,
        kind,
        text,
    ):
        raise EntryExists()
    return False


async def _decide(tx: Tx, complaint: ComplaintRow, text: str) -> None:
    """A decision in words for the complainant: the last one stands on the complaint."""
    complaint.decision = text
    await moving.say(tx, complaint, ids.new(), EntryKind.decision, text, shown=True)


async def _over(
    tx: Tx, complaint: ComplaintRow, event: str, facts: dict[str, object] | None = None
) -> None:
    """Nothing more is to be done: every clock is met."""
    complaint.closed_at = tx.now
    running = clocks.read(complaint.clocks)
    clocks.meet_all(running, tx.now)
    await moving.save(tx, complaint, event, facts, running)


# --- who told it ----------------------------------------------------------------------------------


async def open_identity(tx: Tx, id: UUID, asked: OpenIdentity) -> Identity:
    """Opens the seal over one complainant; they see when, of which office and why.

    It takes a dated authority. Raises `AuthorityNeeded`, `ComplainantUnknown`, `Erased`.
    """
    await tx.lock([id])
    complaint = await reading.row(tx, id, "complaint.unseal")
    await authority.require_authority(tx, Power.unseal, SECTION, None, complaint.province)
    found = await identity.opened(tx, id, asked.me_too, asked.reason)
    facts = {"reason": asked.reason, "whose": "me_too" if asked.me_too else "reporter"}
    await events.record(tx, "complaint.identity_opened", "complaint", id, facts=facts)
    return found
