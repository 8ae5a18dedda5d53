"""The verbs of whoever told a complaint, by their account or by the tracking code alone.

Which of them can be done follows from the public status and from nothing else: whoever tries must
not learn whether an inspection is planned or an order was issued.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from api import events, ids, limits, permissions
from api.complaints import clocks, identity, moving, queries, reading, timing
from api.complaints.intake import scopes
from api.complaints.model import (
    MOVES,
    ComplaintRow,
    EntryKind,
    PublicStatus,
    State,
)
from api.complaints.own import queries as own_queries
from api.complaints.problems import (
    ComplaintEnded,
    ComplaintNotFound,
    EntryExists,
    ReopenedEnough,
    ReopeningLate,
)
from api.complaints.views import Addition, Occurrence, OwnComplaint, Rating, Reopening
from api.db import Tx
from api.permissions import Session, Tracking
from api.problems import NotAllowed

P = PublicStatus
OPEN: Final = frozenset({P.received, P.in_progress, P.waiting_for_you})
MAY: Final[Mapping[str, frozenset[PublicStatus]]] = {
    "add": OPEN,
    "answer": frozenset({P.in_progress, P.waiting_for_you}),  # the question may be gone by now
    "occur": OPEN,
    "withdraw": OPEN,
    "rate": reading.ENDED,
    "reopen": reading.ENDED,
}
ENTRIES_A_DAY: Final = 100
"""That a complainant may add: more than anyone has to say, less than a program."""
OCCURRENCES_A_DAY: Final = 48
_facts = msgspec.json.Decoder(dict[str, Any])


# --- reading --------------------------------------------------------------------------------------


async def read(tx: Tx, id: UUID) -> OwnComplaint:
    """Raises `ComplaintNotFound` for every complaint that is not the caller's."""
    return await reading.own(tx, await holder(tx, id, "own_complaint.read"))


async def listed(tx: Tx, before: UUID | None, limit: int) -> tuple[list[OwnComplaint], UUID | None]:
    """The caller's complaints, and where the next page begins."""
    permissions.reaches(tx.actor, "own_complaint.read")
    if isinstance(tx.actor, Tracking):
        return [await reading.own(tx, tx.actor)], None
    assert isinstance(tx.actor, Session)
    found = await own_queries.of_account(tx, tx.actor.account, before, limit)
    owned = await reading.owned(tx, [Tracking(h.complaint, h.complainant) for h in found])
    return owned, found[-1].complainant if len(found) == limit else None


async def holder(tx: Tx, id: UUID, verb: str) -> Tracking:
    """The caller as a complainant of `id`, signed in or by code; the events of what follows name
    nobody. Raises `ComplaintNotFound`."""
    permissions.reaches(tx.actor, verb)
    actor = tx.actor
    if isinstance(actor, Session):
        held = await own_queries.held_by(tx, id, actor.account)
        if held is None:
            raise ComplaintNotFound(complaint=id)
        tx.actor = Tracking(held.complaint, held.complainant)
        return tx.actor
    part = await identity.part(tx, actor.complainant) if isinstance(actor, Tracking) else None
    if part is None or id != (part.shown_as if part.me_too else part.complaint):
        raise ComplaintNotFound(complaint=id)
    assert isinstance(actor, Tracking)
    return actor


async def reporter(tx: Tx, id: UUID, verb: str) -> Tracking:
    """The caller as the one who told `id`; raises also `NotAllowed` to those who said "me too"."""
    caller = await holder(tx, id, verb)
    part = await identity.part(tx, caller.complainant)
    if part is None or part.me_too:
        raise NotAllowed(verb=verb)
    return caller


# --- verbs ----------------------------------------------------------------------------------------


async def add(tx: Tx, id: UUID, entry: UUID, said: Addition) -> OwnComplaint:
    """Something more to say. These verbs raise `ComplaintNotFound`, `NotAllowed`, `EntryExists`,
    `ComplaintEnded` and `TooFast`; sent again they answer the same."""
    complaint, caller = await _held(tx, id, "own_complaint.add", entry)
    if await _seen(tx, caller, entry, EntryKind.addition, said.text):
        return await _shown(tx, caller, replayed=True)
    await _may(tx, complaint, caller, "add")
    await moving.say(tx, complaint, entry, EntryKind.addition, said.text, shown=True)
    await moving.save(tx, complaint, "complaint.added_to")
    return await _shown(tx, caller)


async def answer(tx: Tx, id: UUID, entry: UUID, said: Addition) -> OwnComplaint:
    """The answer to a question: the clocks go on. One that comes later is kept as well."""
    complaint, caller = await _held(tx, id, "own_complaint.add", entry)
    if await _seen(tx, caller, entry, EntryKind.answer, said.text):
        return await _shown(tx, caller, replayed=True)
    await _may(tx, complaint, caller, "answer")
    await moving.say(tx, complaint, entry, EntryKind.answer, said.text, shown=True)
    if complaint.state != State.awaiting_info:
        await moving.save(tx, complaint, "complaint.added_to")
    else:
        complaint.state = moving.target(complaint, "inform")
        running = await timing.resumed(tx, complaint)
        await moving.save(tx, complaint, "complaint.informed", running=running)
    return await _shown(tx, caller)


async def occur(tx: Tx, id: UUID, entry: UUID, said: Occurrence) -> OwnComplaint:
    """The same nuisance again: a point in the diary, and no new case."""
    complaint, caller = await _held(tx, id, "own_complaint.add", entry)
    facts = {} if said.strength is None else {"strength": said.strength}
    if await _seen(tx, caller, entry, EntryKind.occurrence, said.text, facts, said.at):
        return await _shown(tx, caller, replayed=True)
    await _may(tx, complaint, caller, "occur")
    await moving.say(
        tx,
        complaint,
        entry,
        EntryKind.occurrence,
        said.text,
        shown=True,
        facts=facts,
        at=said.at or tx.now,
    )
    complaint.occurrences += 1
    await moving.save(tx, complaint, "complaint.occurred", facts)
    return await _shown(tx, caller)


async def withdraw(tx: Tx, id: UUID) -> OwnComplaint:
    """The complainant wants no more of it; an inspection that is warranted goes on, and so does the
    whole where others told the same.

    Of one who said "me too" it is only the subscription that ends.
    """
    caller = await holder(tx, id, "own_complaint.withdraw")
    part = await identity.part(tx, caller.complainant)
    if part is not None and part.me_too:
        await own_queries.leave(tx, caller.complainant)
        return await _shown(tx, caller, replayed=part.left_at is not None)
    complaint, caller = await _held(tx, id, "own_complaint.withdraw")
    if complaint.status is P.withdrawn:
        return await _shown(tx, caller, replayed=True)
    await _may(tx, complaint, caller, "withdraw")
    complaint.left_at = tx.now
    running = clocks.read(complaint.clocks)
    alone = not await own_queries.followed(tx, id)
    if alone and ("withdraw", complaint.state) in MOVES:
        complaint.state = moving.target(complaint, "withdraw")
        complaint.closed_at = tx.now
        clocks.meet_all(running, tx.now)
        await moving.save(tx, complaint, "complaint.withdrawn", running=running)
    else:
        if complaint.state == State.awaiting_info:  # nobody will answer: the office goes on
            complaint.state = moving.target(complaint, "inform")
            running = await timing.resumed(tx, complaint)
        await moving.save(tx, complaint, "complaint.left", running=running)
    return await _shown(tx, caller)


async def rate(tx: Tx, id: UUID, entry: UUID, said: Rating) -> OwnComplaint:
    """After the end: is it solved, and how well was it dealt with? The last word counts.

    What is not solved is reopened, while its sender may do so.
    """
    complaint, caller = await _held(tx, id, "own_complaint.rate", entry)
    facts = {"solved": said.solved, "rating": said.rating}
    if await _seen(tx, caller, entry, EntryKind.rating, said.text, facts):
        return await _shown(tx, caller, replayed=True)
    await _may(tx, complaint, caller, "rate")
    await moving.say(tx, complaint, entry, EntryKind.rating, said.text, shown=True, facts=facts)
    complaint.solved, complaint.rating = said.solved, said.rating
    until = reading.reopen_until(complaint)
    again = not said.solved and until is not None and until >= tx.now
    if not (again and await reading.may_reopen(tx, complaint)):
        await moving.save(tx, complaint, "complaint.rated", facts)
        return await _shown(tx, caller)
    await events.record(
        tx, "complaint.rated", "complaint", id, scopes=scopes(complaint.province), facts=facts
    )
    await _reopen(tx, complaint, ids.new(), said.text, shown=False)  # the rating shows the words
    return await _shown(tx, caller)


async def reopen(tx: Tx, id: UUID, entry: UUID, said: Reopening) -> OwnComplaint:
    """It is not solved. Raises also `ReopeningLate` and `ReopenedEnough`."""
    complaint, caller = await _held(tx, id, "own_complaint.reopen", entry)
    if await _seen(tx, caller, entry, EntryKind.reopening, said.text):
        return await _shown(tx, caller, replayed=True)
    await _may(tx, complaint, caller, "reopen")
    until = reading.reopen_until(complaint)
    if until is None or until < tx.now:
        raise ReopeningLate()
    if not await reading.may_reopen(tx, complaint):
        raise ReopenedEnough()
    await _reopen(tx, complaint, entry, said.text, shown=True)
    return await _shown(tx, caller)


async def _reopen(tx: Tx, complaint: ComplaintRow, entry: UUID, text: str, *, shown: bool) -> None:
    """It belongs to nobody until the head assigns it again, and so its clock starts at the head."""
    complaint.state = moving.target(complaint, "reopen")
    await moving.say(tx, complaint, entry, EntryKind.reopening, text, shown=shown)
    running = await timing.reopened(tx, complaint)
    complaint.solved = False
    facts = {"times": complaint.reopened}
    await moving.save(tx, complaint, "complaint.reopened", facts, running=running)


# --- what they share ------------------------------------------------------------------------------


async def _held(
    tx: Tx, id: UUID, verb: str, entry: UUID | None = None
) -> tuple[ComplaintRow, Tracking]:
    """The complaint, locked with the `entry` that is to come, and the caller who told it.

    Both at once, in one order: the entry's id is the sender's to choose, and may be another
    complaint's. Two who chose each other's would wait for each other.
    """
    caller = await reporter(tx, id, verb)
    await tx.lock([id] if entry is None else [id, entry])
    found = await queries.complaints(tx, [id], permissions.EVERYTHING)
    return found[0], caller


async def _may(tx: Tx, complaint: ComplaintRow, caller: Tracking, verb: str) -> None:
    """Raises `ComplaintEnded`, by the public status alone, and `TooFast`."""
    if complaint.status not in MAY[verb]:
        raise ComplaintEnded(status=complaint.status)
    a_day = OCCURRENCES_A_DAY if verb == "occur" else ENTRIES_A_DAY
    kind = "occurrences" if verb == "occur" else "entries"
    bucket = f"complaint:{kind}:{caller.complainant}"
    await limits.take(tx, bucket, capacity=a_day, per_second=a_day / 86400)


async def _seen(
    tx: Tx,
    caller: Tracking,
    entry: UUID,
    kind: EntryKind,
    text: str,
    facts: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> bool:
    """Whether the caller said just this before, under that id; the caller holds its lock.

    Raises `EntryExists` where it was something else, and `ComplaintNotFound` where it was somebody
    else, of whom nothing is told.
    """
    before = await own_queries.entry(tx, entry)
    if before is None:
        return False
    if before.complainant != caller.complainant:
        raise ComplaintNotFound()
    same = (before.kind, before.text, _facts.decode(before.facts)) == (kind, text, facts or {})
    if not same or (at is not None and before.at != at):
        raise EntryExists()
    return True


async def _shown(tx: Tx, caller: Tracking, *, replayed: bool = False) -> OwnComplaint:
    found = await reading.own(tx, caller)
    found.replayed = replayed
    return found
