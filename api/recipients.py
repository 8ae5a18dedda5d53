"""Who is told what, and when: a small function for each event, run by the worker.

The message and the end of its job are one transaction; the key carries the event, so that nobody
is told twice of one and each is told of the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from api.accounts import directory
from api.db import Tx
from api.inspection.visits import reading
from api.inspection.visits.model import VisitNotFound, VisitRow
from api.jobs import GiveUp, Job
from api.notify import service as notify
from api.permissions import Role


async def visit_submitted(tx: Tx, job: Job) -> None:
    """The provincial heads of the visit's office."""
    visit = await _visit(tx, job)
    heads = await directory.holders(tx, Role.provincial_head, visit.province)
    await _tell(tx, job, heads, visit)


async def visit_returned(tx: Tx, job: Job) -> None:
    """The team."""
    visit = await _visit(tx, job)
    await _tell(tx, job, {visit.lead, *visit.team}, visit, items=len(visit.returned_items))


async def visit_accepted(tx: Tx, job: Job) -> None:
    """Everyone who acts for a company that something was found at; each learns of its own only."""
    visit = await _visit(tx, job)
    found: dict[UUID, int] = {}
    for finding in await reading.shown_findings(tx, visit.id):
        if finding.company is not None:
            found[finding.company] = found.get(finding.company, 0) + 1
    for company, count in sorted(found.items()):
        members = await directory.members(tx, company)
        about = ("company_visit", visit.shown_as)
        await _tell(tx, job, members, visit, about=about, part=f"{company}", findings=count)


async def visit_review_overdue(tx: Tx, job: Job) -> None:
    """The department."""
    await _tell(tx, job, await directory.holders(tx, Role.department), await _visit(tx, job))


async def _visit(tx: Tx, job: Job) -> VisitRow:
    try:
        return await reading.row(tx, UUID(job.args["record"]), "visit.read")
    except VisitNotFound:
        raise GiveUp("the visit is not there") from None


async def _tell(
    tx: Tx,
    job: Job,
    accounts: Iterable[UUID],
    visit: VisitRow,
    *,
    about: tuple[str, UUID] | None = None,
    part: str = "",
    **facts: Any,
) -> None:
    """`job.args["name"]` is the event and names the template."""
    factory = await reading.premises_name(tx, visit.premises)
    for account in sorted(accounts):
        await notify.send(
            tx,
            account=account,
            template=job.args["name"],
            facts={"factory": factory, **facts},
            about=about or ("visit", visit.id),
            key=f"{job.args['event']}{part and ':'}{part}",
        )
