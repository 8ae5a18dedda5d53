"""Complaints as officers see them: the case, not the person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

from api import cursors, events, permissions
from api.complaints import clocks, identity, reading
from api.complaints.desk import queries as desk_queries
from api.complaints.desk import triage_queries
from api.complaints.desk.queries import EntryRow
from api.complaints.desk.triage_queries import After, Line, Wanted
from api.complaints.desk.views import Trace
from api.complaints.model import OPEN, STATE_TH, ComplaintRow, Flag, State, number_of, shown_number
from api.complaints.views import ClockView, Complaint, ComplaintLine, Entry
from api.cursors import Place
from api.db import Tx
from api.permissions import Role, Session
from api.problems import Malformed

READ = "complaint.read"
WAITING = frozenset({State.submitted, State.accepted, State.forwarded, State.reopened})
"""In the triage of its office: nobody has it yet."""
ONCE_IN = timedelta(hours=1)
"""So often, at most, a look at one complaint by one officer leaves a trace."""
SHORT = 60
"""Characters of a complaint of others that a list shows."""
_flags = msgspec.json.Decoder(list[Flag])
_object = msgspec.json.Decoder(dict[str, Any])


# --- lists ----------------------------------------------------------------------------------------


async def listed(
    tx: Tx,
    wanted: Wanted,
    *,
    office: UUID | None,
    everywhere: bool,
    mine: bool,
    overdue: bool,
    cursor: str | None,
    limit: int,
) -> tuple[list[ComplaintLine], str | None]:
    """A page of complaints in the caller's reach, in one statement whatever is in it.

    Of `office`, else of `wanted.province`, else of all the caller's provinces where `everywhere`
    is asked, or where they have no desk of their own; else of their own office. `mine`: assigned
    to the caller. Open ones by what is due first; with an ended state, all by the newest.
    """
    scope = permissions.scope(tx.actor, READ)
    assert isinstance(tx.actor, Session)
    wanted.provinces = None if scope.provinces is None else list(scope.provinces)
    wanted.office, wanted.only_of = reading.own_office(tx), reading.only_of(tx)
    wanted.due_before = tx.now if overdue else None
    after = _after(cursor)
    ended = wanted.states is not None and not OPEN.issuperset(wanted.states)
    if mine:
        by = triage_queries.all_of_officer if ended else triage_queries.open_of_officer
        found = await by(tx, tx.actor.account, wanted, after, limit + 1)
    else:
        key = office if office or wanted.province or everywhere else desk_of(tx.actor)
        if key is not None:
            of = triage_queries.all_of_offices if ended else triage_queries.open_of_offices
            found = await of(tx, [key], wanted, after, limit + 1)
        elif wanted.province is None and wanted.provinces is None:
            all_ = triage_queries.all_everywhere if ended else triage_queries.open_everywhere
            found = await all_(tx, wanted, after, limit + 1)
        else:
            keys = [wanted.province] if wanted.province else wanted.provinces or []
            where = triage_queries.all_of_provinces if ended else triage_queries.open_of_provinces
            found = await where(tx, keys, wanted, after, limit + 1)
    page, more = found[:limit], None
    if len(found) > limit:
        more = cursors.write(Place(None if ended else page[-1].next_due, page[-1].id))
    return [_line(tx, row) for row in page], more


async def numbered(tx: Tx, typed: str) -> list[ComplaintLine]:
    """The complaint of that number, as its teller reads it aloud, if it is in the caller's reach;
    in whatever state. Raises `Malformed` where it is mistyped."""
    wanted = number_of(typed)
    if wanted is None:
        raise Malformed(reason="mistyped: a number is such as 69-0000001-Q", where="query number")
    scope = permissions.scope(tx.actor, READ)
    provinces = None if scope.provinces is None else list(scope.provinces)
    found = await triage_queries.numbered(
        tx, wanted[1], provinces, reading.own_office(tx), reading.only_of(tx)
    )
    lines = [_line(tx, row) for row in found]
    return [line for line in lines if number_of(line.number) == wanted]


def _after(cursor: str | None) -> After | None:
    if cursor is None:
        return None
    place = cursors.read(cursor, Place)
    return After(place.at, place.id)


def desk_of(actor: Session) -> UUID | None:
    """The office at whose desk they sit; the ministry and the auditor only read."""
    return None if actor.roles <= {Role.ministry, Role.auditor} else actor.office


def summary(tx: Tx, text: str, office: UUID | None, assigned: UUID | None) -> str:
    """The beginning of what was told: less of what is neither of the reader's office nor theirs,
    of which a look leaves a trace."""
    actor = tx.actor
    if isinstance(actor, Session) and (
        assigned == actor.account or (office is not None and office == actor.office)
    ):
        return text
    return text[:SHORT]


def _line(tx: Tx, row: Line) -> ComplaintLine:
    return ComplaintLine(
        id=row.id,
        number=shown_number(row.number, row.received_at),
        state=row.state,
        severity=row.severity,
        category=row.category,
        summary=summary(tx, row.summary, row.office, row.assigned),
        province=row.province,
        premises=row.premises,
        factory=row.factory,
        subject=row.subject,
        office=row.office,
        assigned=row.assigned,
        next_due=row.next_due,
        overdue=row.next_due is not None and row.next_due < tx.now,
        callback=row.callback,
        me_toos=row.me_toos,
        occurrences=row.occurrences,
        received_at=row.received_at,
        version=row.version,
    )


async def for_phones(tx: Tx, ids: list[UUID]) -> Sequence[ComplaintLine]:
    """What the phone keeps of them: those that somebody has to do with."""
    scope = permissions.scope(tx.actor, "sync.pull")
    provinces = None if scope.provinces is None else list(scope.provinces)
    found = await triage_queries.lines(
        tx, ids, provinces, reading.own_office(tx), reading.only_of(tx)
    )
    return [_line(tx, row) for row in found]


async def known_to_local(tx: Tx, ids: list[UUID]) -> set[UUID]:
    """For local officers: what their office answers for, or has forwarded; of the others of their
    province they do not even learn that they were there."""
    only = reading.only_of(tx)
    return set(ids) if only is None else await triage_queries.known_to_office(tx, ids, only)


# --- one complaint --------------------------------------------------------------------------------


async def read(tx: Tx, id: UUID) -> Complaint:
    """A complaint in the caller's reach; who looks at what is not theirs leaves a trace."""
    complaint = await reading.row(tx, id, READ)
    return await view(tx, complaint, looked=True)


async def view(tx: Tx, complaint: ComplaintRow, *, looked: bool = False) -> Complaint:
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    beside = await desk_queries.beside(tx, complaint.id, by, tx.now - ONCE_IN)
    said = await desk_queries.entries(tx, complaint.id)
    reachable = await identity.contactable(tx, complaint.id)
    if looked and not beside.seen and not _theirs(tx, complaint):
        await _leave_trace(tx, complaint.id)
    return Complaint(
        id=complaint.id,
        number=complaint.shown_number,
        channel=complaint.channel,
        state=complaint.state,
        state_th=STATE_TH[complaint.state],
        status=complaint.status,
        outcome=complaint.outcome,
        severity=complaint.severity,
        category=complaint.category,
        answers=_object.decode(complaint.answers),
        description=complaint.description,
        happened_at=complaint.happened_at,
        place=reading.place(complaint),
        premises=complaint.premises,
        subject=complaint.subject,
        factory_named=complaint.factory_named,
        office=complaint.office,
        assigned=complaint.assigned,
        forwarded_to=complaint.forwarded_to,
        decision=complaint.decision,
        merged_into=complaint.merged_into,
        duplicates=beside.duplicates,
        visits=beside.visits,
        flags=_flags.decode(complaint.flags),
        clocks=[
            ClockView(c.kind, c.due_at, c.met_at, c.due_at < (c.met_at or tx.now))
            for c in clocks.read(complaint.clocks)
        ],
        paused_at=complaint.paused_at,
        next_due=complaint.next_due,
        reopened=complaint.reopened,
        left_at=complaint.left_at,
        solved=complaint.solved,
        rating=complaint.rating,
        me_toos=complaint.me_toos,
        occurrences=complaint.occurrences,
        released_text=complaint.released_text,
        callback=complaint.callback,
        contactable=reachable,
        entries=[_entry(e) for e in said],
        received_at=complaint.received_at,
        version=complaint.version,
    )


async def entry(tx: Tx, id: UUID) -> Entry:
    found = await desk_queries.entry(tx, id)
    assert found is not None
    return _entry(found)


def _entry(row: EntryRow) -> Entry:
    return Entry(
        id=row.id,
        kind=row.kind,
        account=row.account,
        text=row.text,
        facts=_object.decode(row.facts),
        shown=row.shown,
        at=row.at,
        received_at=row.received_at,
    )


# --- who looked -----------------------------------------------------------------------------------


def _theirs(tx: Tx, complaint: ComplaintRow) -> bool:
    """Assigned to the caller, or waiting in the triage of their own office."""
    if not isinstance(tx.actor, Session):
        return True
    if complaint.assigned is not None:
        return complaint.assigned == tx.actor.account
    return complaint.office == tx.actor.office and complaint.state in WAITING


async def looked_at(tx: Tx, complaint: ComplaintRow) -> None:
    """Of more than the complaint itself, as its photographs or what is around it."""
    if (
        isinstance(tx.actor, Session)
        and not _theirs(tx, complaint)
        and not await desk_queries.seen(tx, complaint.id, tx.actor.account, tx.now - ONCE_IN)
    ):
        await _leave_trace(tx, complaint.id)


async def _leave_trace(tx: Tx, id: UUID) -> None:
    """In a transaction of its own, also for a reader: two looks at once leave one trace."""
    assert isinstance(tx.actor, Session)
    account = tx.actor.account
    async with tx.savepoint():
        await tx.lock([uuid5(id, account.hex)])
        if not await desk_queries.seen(tx, id, account, tx.now - ONCE_IN):
            await events.record(tx, "complaint.viewed", "complaint", id)


async def traces(tx: Tx, id: UUID, before: UUID | None, limit: int) -> list[Trace]:
    """Who looked at a complaint that was not theirs, and who opened the seal; the newest first."""
    await reading.row(tx, id, "complaint_view.read")
    return [
        Trace(
            id=row.id,
            at=row.at,
            what="viewed" if row.name == "complaint.viewed" else "identity_opened",
            account=row.account,
            officer=row.officer,
            office=row.office,
            reason=row.reason,
        )
        for row in await desk_queries.traces(tx, id, before, limit)
    ]
