"""Complaints as their readers see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from api import codes, permissions, settings
from api.complaints import clocks, identity, queries, reading_queries
from api.complaints.categories import Category, content
from api.complaints.clocks import Kind
from api.complaints.model import (
    OUTCOME_WORDS,
    PUBLIC_TH,
    ComplaintRow,
    Outcome,
    PublicStatus,
    State,
    others_status,
    public_number,
    shown_number,
)
from api.complaints.problems import ComplaintNotFound
from api.complaints.views import Opening, OwnComplaint, Place, Report, Said
from api.db import Tx
from api.permissions import Role, Session, Tracking

_answers = msgspec.json.Decoder(dict[str, Any])
ENDED = frozenset({PublicStatus.finished, PublicStatus.not_taken_up})
REOPENED_FROM = frozenset({State.resolved, State.closed, State.rejected, State.duplicate})


async def row(tx: Tx, id: UUID, verb: str) -> ComplaintRow:
    """A complaint in the caller's reach under `verb`; raises `ComplaintNotFound`."""
    found = await rows(tx, [id], verb)
    if not found:
        raise ComplaintNotFound(complaint=id)
    return found[0]


async def rows(tx: Tx, ids: Sequence[UUID], verb: str) -> list[ComplaintRow]:
    """Those of `ids` in the caller's reach: of their provinces, or of their own office."""
    scope = permissions.scope(tx.actor, verb)
    return await queries.complaints(tx, ids, scope, only_of(tx), own_office(tx))


def own_office(tx: Tx) -> UUID | None:
    return tx.actor.office if isinstance(tx.actor, Session) else None


def only_of(tx: Tx) -> UUID | None:
    """Local officers have what their own office answers for."""
    actor = tx.actor
    if isinstance(actor, Session) and actor.roles == {Role.local_officer}:
        return actor.office or UUID(int=0)
    return None


async def categories(tx: Tx) -> list[Category]:
    """Those in use, in the order in which they are offered."""
    return [
        Category(code=row.code, version=row.version, **msgspec.structs.asdict(content(row.content)))
        for row in await queries.categories(tx)
    ]


# --- as whoever told it ---------------------------------------------------------------------------


async def own(tx: Tx, caller: Tracking) -> OwnComplaint:
    """The complaint as its complainant, or one who said "me too", sees it."""
    return (await owned(tx, [caller]))[0]


async def owned(tx: Tx, callers: Sequence[Tracking]) -> list[OwnComplaint]:
    """The same of several, in their order: a statement for each kind of part, however many.

    Raises `ComplaintNotFound` where one of them is gone.
    """
    if not callers:
        return []
    ids = [caller.complaint for caller in callers]
    rows = {row.id: row for row in await queries.complaints(tx, ids, permissions.EVERYTHING)}
    parts = await identity.parts(tx, [caller.complainant for caller in callers])
    for caller in callers:
        if caller.complaint not in rows or caller.complainant not in parts:
            raise ComplaintNotFound(complaint=caller.complaint)
    told = [caller for caller in callers if not parts[caller.complainant].me_too]
    offices = [rows[caller.complaint].office for caller in told]
    beside = _Beside(
        await reading_queries.offices(tx, [id for id in offices if id is not None]),
        await reading_queries.said(tx, told),
        await reading_queries.openings(tx, [caller.complainant for caller in callers]),
        await _reopened_enough(tx, [rows[caller.complaint] for caller in told]),
    )
    return [
        _followed(rows[caller.complaint], parts[caller.complainant], beside)
        if parts[caller.complainant].me_too
        else _told(rows[caller.complaint], caller.complainant, beside)
        for caller in callers
    ]


class _Beside(msgspec.Struct):
    """What is shown beside the rows of a page."""

    offices: dict[UUID, reading_queries.Office]
    said: list[reading_queries.SaidTo]
    openings: list[reading_queries.OpeningOf]
    reopened_enough: set[UUID]


def _told(complaint: ComplaintRow, complainant: UUID, beside: _Beside) -> OwnComplaint:
    """As whoever told it sees it."""
    office = beside.offices.get(complaint.office) if complaint.office else None
    status = complaint.status
    over = status in ENDED
    enough = complaint.id in beside.reopened_enough
    return OwnComplaint(
        id=complaint.id,
        number=complaint.shown_number,
        status=status,
        status_th=PUBLIC_TH[status],
        category=complaint.category,
        description=complaint.description,
        answers=_answers.decode(complaint.answers),
        place=place(complaint),
        received_at=complaint.received_at,
        answer_by=_answer_by(complaint.clocks),
        office_th=office.th if office else "",
        office_en=office.en if office else "",
        forwarded_to=_responsible(complaint, over=over),
        outcome=_outcome(complaint) if over else None,
        decision=_decision(complaint, status) if over else "",
        solved=complaint.solved,
        rating=complaint.rating,
        reopen_until=None if enough else reopen_until(complaint),
        occurrences=complaint.occurrences,
        said=[
            Said(each.id, each.kind, each.by, each.text, each.at, each.received_at)
            for each in beside.said
            if each.complainant == complainant
        ],
        openings=_openings(complainant, beside),
    )


def _openings(complainant: UUID, beside: _Beside) -> list[Opening]:
    """Who opened the complainant's own seal."""
    return [
        Opening(each.at, each.office_th, each.office_en, each.reason)
        for each in beside.openings
        if each.complainant == complainant
    ]


def _followed(complaint: ComplaintRow, part: identity.Part, beside: _Beside) -> OwnComplaint:
    """As one who said "me too" sees it: nothing of whoever told it, nor when."""
    status = others_status(complaint.state, complaint.merged_state)
    if part.left_at is not None:
        status = PublicStatus.withdrawn
    refused = status is PublicStatus.not_taken_up
    return OwnComplaint(
        id=part.shown_as,
        number=public_number(part.shown_as),
        status=status,
        status_th=PUBLIC_TH[status],
        category=complaint.category,
        description=complaint.released_text or "",
        answers={},
        place=Place(province=complaint.province),
        received_at=part.created_at,
        outcome=_outcome(complaint) if status is PublicStatus.finished else None,
        forwarded_to=_responsible(complaint, over=True) if refused else "",
        decision=_in_short(status, _outcome(complaint)) if status in ENDED else "",
        me_too=True,
        openings=_openings(part.id, beside),
    )


def arrived(
    tx: Tx,
    new: queries.NewComplaint,
    number: int,
    said: Report,
    code: str,
    office: tuple[str, str],
) -> OwnComplaint:
    """The first answer, made of what was just written; `office` by its names.

    The same as every later one: who did not hear this answer asks again.
    """
    return OwnComplaint(
        id=new.id,
        number=shown_number(number, tx.now),
        code=codes.shown(code),
        status=PublicStatus.received,
        status_th=PUBLIC_TH[PublicStatus.received],
        category=new.category,
        description=new.description,
        answers=said.answers,
        place=Place(
            lat=new.lat,
            lng=new.lng,
            accuracy_m=new.accuracy_m,
            address=new.address,
            province=new.province,
            district=new.district,
        ),
        received_at=tx.now,
        answer_by=_answer_by(new.clocks),
        office_th=office[0],
        office_en=office[1],
    )


def _outcome(complaint: ComplaintRow) -> Outcome | None:
    """A duplicate ends as the complaint that it was merged into."""
    return complaint.merged_outcome if complaint.merged_into else complaint.outcome


def _decision(complaint: ComplaintRow, status: PublicStatus) -> str:
    """The office's words to whoever told it. Those of the complaint that a duplicate was merged
    into were written to somebody else, and may speak of them: its end is told in short."""
    if complaint.merged_into is None:
        return complaint.decision
    return _in_short(status, complaint.merged_outcome)


def _in_short(status: PublicStatus, outcome: Outcome | None) -> str:
    if status is PublicStatus.not_taken_up:
        return "สำนักงานไม่รับเรื่องนี้ไว้ดำเนินการ / The office does not take this matter up."
    if outcome is None:
        return "สำนักงานยุติเรื่องนี้แล้ว / The office has ended this matter."
    th, en = OUTCOME_WORDS[outcome]
    return f"สำนักงานพิจารณาเรื่องนี้แล้ว ผล: {th} / The office has dealt with this matter: {en}."


def _responsible(complaint: ComplaintRow, *, over: bool) -> str:
    """The body outside that answers for it; of a duplicate when it is over, and not before."""
    if complaint.merged_into is None:
        return complaint.forwarded_to
    return (complaint.merged_forwarded_to or "") if over else ""


def reopen_until(complaint: ComplaintRow) -> datetime | None:
    """Until when the complainant may say that it is not solved; None where that makes no sense.

    A duplicate has ended when that has ended which it was merged into.
    """
    if complaint.state not in REOPENED_FROM or complaint.status not in ENDED:
        return None
    ended = complaint.resolved_at or complaint.closed_at
    if complaint.merged_into is not None:
        ended = complaint.merged_ended_at or ended
    if ended is None:
        return None
    return ended + timedelta(days=settings.current().reopen_days)


async def may_reopen(tx: Tx, complaint: ComplaintRow) -> bool:
    """Whether whoever told it has not yet reopened it as often as they may by themselves."""
    return not await _reopened_enough(tx, [complaint])


async def _reopened_enough(tx: Tx, complaints: Sequence[ComplaintRow]) -> set[UUID]:
    most = settings.current().reopenings
    often = [complaint.id for complaint in complaints if complaint.reopened >= most]
    if not often:  # a head's count in `reopened` too
        return set()
    times = await reading_queries.reopenings(tx, often)
    return {id for id in often if times.get(id, 0) >= most}


def _answer_by(stored: str) -> datetime | None:
    due = {clock.kind: clock.due_at for clock in clocks.read(stored)}
    return due.get(Kind.answer_reopened) or due.get(Kind.resolve)


def place(complaint: ComplaintRow) -> Place:
    return Place(
        lat=complaint.lat,
        lng=complaint.lng,
        accuracy_m=complaint.accuracy_m,
        address=complaint.address,
        province=complaint.province,
        district=complaint.district,
    )
