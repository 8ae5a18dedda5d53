"""The pack of one visit: all that a phone needs in the field without signal."""

from __future__ import annotations

from uuid import UUID

import msgspec

from api import permissions
from api.db import Tx
from api.inspection.checklists import queries as checklist_queries
from api.inspection.visits import reading, view_queries
from api.inspection.visits.views import FindingView, Visit


class VisitPack(msgspec.Struct):
    """The visit, what earlier visits left open at the site, and the checklist it is made with.

    `checklist` is the version of that number, after openapi/rules.schema.json; a phone that
    holds it already may leave it aside.
    """

    visit: Visit
    open_findings: list[FindingView]
    checklist: msgspec.Raw


async def visit_pack(tx: Tx, id: UUID) -> VisitPack:
    """Raises `VisitNotFound` outside the caller's scope."""
    visit = await reading.read_visit(tx, id)
    row = await checklist_queries.checklist(tx, visit.checklist)
    assert row is not None
    scope = permissions.scope(tx.actor, "visit.read")
    earlier = await view_queries.open_findings_of_premises(tx, scope, visit.premises, id)
    return VisitPack(
        visit=visit,
        open_findings=[reading.finding_view(f) for f in earlier],
        checklist=msgspec.Raw(row.content.encode()),
    )
