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
from api.complaints.views import OwnComplaint, Place, Report
from api.db import Tx
from api.permissions import Role, Session, Tracking

_answers = msgspec.json.Decoder(dict[str, Any])
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
    found = await queries.complaints(tx, [caller.complaint], permissions.EVERYTHING)
    part = await identity.part(tx, caller.complainant)
    if not found or part is None:
        raise ComplaintNotFound(complaint=caller.complaint)
    complaint = found[0]
    if part.me_too:
        return _followed(complaint, part)
    office = await reading_queries.office(tx, complaint.office)
    status = complaint.status
    over = status in (PublicStatus.finished, PublicStatus.not_taken_up)
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
        office_th=office.th,
        office_en=office.en,
        forwarded_to=complaint.forwarded_to,
        outcome=_outcome(complaint) if over else None,
        decision=_decision(complaint) if over else "",
        solved=complaint.solved,
        rating=complaint.rating,
        reopen_until=reopen_until(complaint) if await may_reopen(tx, complaint) else None,
        occurrences=complaint.occurrences,
        said=await reading_queries.said(tx, complaint.id, caller.complainant),
        openings=await reading_queries.openings(tx, caller.complainant),
    )


def _followed(complaint: ComplaintRow, part: identity.Part) -> OwnComplaint:
    """As one who said "me too" sees it: nothing of whoever told it, nor when."""
    status = others_status(complaint.state, complaint.merged_state)
    if part.left_at is not None:
        status = PublicStatus.withdrawn
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
        outcome=complaint.outcome if status is PublicStatus.finished else None,
        me_too=True,
    )


def arrived(
    tx: Tx, new: queries.NewComplaint, number: int, said: Report, code: str
) -> OwnComplaint:
    """The first answer, made of what was just written."""
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
    )


def _outcome(complaint: ComplaintRow) -> Outcome | None:
    """A duplicate ends as the complaint that it was merged into."""
    return complaint.merged_outcome if complaint.merged_into else complaint.outcome


def _decision(complaint: ComplaintRow) -> str:
    return (complaint.merged_decision or "") if complaint.merged_into else complaint.decision


ENDED = frozenset({PublicStatus.finished, PublicStatus.not_taken_up})


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
    if complaint.reopened < settings.current().reopenings:
        return True
    return await reading_queries.reopenings(tx, complaint.id) < settings.current().reopenings


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
