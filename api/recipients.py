"""Who is told what, and when: a small function for each event, run by the worker.

The message and the end of its job are one transaction; the key carries the event, so that nobody
is told twice of one and each is told of the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api.accounts import directory
from api.clock import bangkok_date, buddhist_year
from api.db import Tx
from api.inspection.orders import reading as orders
from api.inspection.orders.problems import OrderNotFound
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


ORDERS: dict[str, tuple[str, ...]] = {
    "order.signed": ("drafter",),
    "order.served": ("company", "drafter"),
    "order.overdue": ("drafter", "heads"),
    "order.correction_claimed": ("drafter", "heads"),
    "order.breached": ("company", "department"),
    "order.complied": ("company", "drafter"),
    "order.revoked": ("company", "drafter"),
    "order.annulled": ("company", "drafter"),
    "order.upheld": ("company", "drafter"),
    "order.extended": ("company",),
    "order.due_postponed": ("company", "drafter"),
    "order.appeal_postponed": ("company", "drafter"),
    "order.service_postponed": ("company", "drafter"),
    "order.stayed": ("company", "drafter"),
    "order.stay_ended": ("company", "drafter"),
    "order.superseded": ("company", "drafter"),
    "order.revived": ("company", "drafter", "heads"),
    "order.licence_reinstated": ("company", "drafter"),
    "order.reinstatement_withheld": ("heads",),
    "order.appealed": ("heads", "ministry"),
    "order.closure_withheld": ("heads",),
    "sealing.requested": ("ministry",),
    "sealing.approved": ("drafter",),
    "sealing.refused": ("drafter",),
}
"""Event of an order → who is told."""


async def order(tx: Tx, job: Job) -> None:
    """Those whom `ORDERS` names. The company is told of an order from its service on."""
    try:
        row = await orders.row(tx, UUID(job.args["record"]), "order.read")
    except OrderNotFound:
        raise GiveUp("the order is not there") from None
    facts = {
        "number": row.number or "",
        "factory": await reading.premises_name(tx, row.premises),
        "due": _last_day(row.due_at),
        "appeal": _last_day(row.appeal_until),
        "counts": _last_day(await orders.counts_at(tx, row.id)),
    }
    for whom in ORDERS[job.args["name"]]:
        about, told = ("order", row.id), list[UUID]()
        if whom == "company" and row.company is not None and row.served_at is not None:
            about, told = ("company_order", row.id), await directory.members(tx, row.company)
        elif whom == "drafter":
            told = [row.drafted_by]
        elif whom == "heads":
            told = await directory.holders(tx, Role.provincial_head, row.province)
        elif whom in ("department", "ministry"):
            told = await directory.holders(tx, Role(whom))
        for account in sorted(told):
            await notify.send(
                tx,
                account=account,
                template=job.args["name"],
                facts=facts,
                about=about,
                key=f"{job.args['event']}",
            )


async def account_bound(tx: Tx, job: Job) -> None:
    """Whoever holds the account: their card was read for it."""
    account = UUID(job.args["record"])
    await notify.send(
        tx,
        account=account,
        template=job.args["name"],
        facts={},
        about=("account", account),
        key=f"{job.args['event']}",
    )


async def account_binding_refused(tx: Tx, job: Job) -> None:
    """The administrators: a card and an account do not belong together."""
    for administrator in sorted(await directory.holders(tx, Role.administrator)):
        await notify.send(
            tx,
            account=administrator,
            template=job.args["name"],
            facts={"account": job.args["record"]},
            about=("account", UUID(job.args["record"])),
            key=f"{job.args['event']}",
        )


def _last_day(end: datetime | None) -> str:
    """The Bangkok day that ends at `end`, in the Buddhist era."""
    if end is None:
        return "-"
    day = bangkok_date(end - timedelta(seconds=1))
    return f"{day:%d/%m}/{buddhist_year(day)}"


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
