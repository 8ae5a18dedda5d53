"""The verbs of whoever told a complaint, by their account or by the tracking code alone."""

from __future__ import annotations

from uuid import UUID

from api import permissions
from api.complaints import own_queries, reading
from api.complaints.problems import ComplaintNotFound
from api.complaints.views import OwnComplaint
from api.db import Tx
from api.permissions import Session, Tracking


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
    owned = [await reading.own(tx, Tracking(h.complaint, h.complainant)) for h in found]
    return owned, found[-1].complainant if len(found) == limit else None


async def holder(tx: Tx, id: UUID, verb: str) -> Tracking:
    """The caller as the complainant of `id`, signed in or by code; the events of what follows name
    nobody. Raises `ComplaintNotFound`."""
    permissions.reaches(tx.actor, verb)
    actor = tx.actor
    if isinstance(actor, Session):
        held = await own_queries.held_by(tx, id, actor.account)
        if held is None:
            raise ComplaintNotFound(complaint=id)
        actor = tx.actor = Tracking(held.complaint, held.complainant)
    if not isinstance(actor, Tracking) or actor.complaint != id:
        raise ComplaintNotFound(complaint=id)
    return actor
