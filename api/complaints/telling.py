"""Who is told what of a complaint: officers by their place, complainants through the system.

The message and the end of its job are one transaction; its key carries the event. Nobody's address
or account is seen by whoever caused it, and a complainant's message says no more than their page.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from api import events, permissions
from api.accounts import directory
from api.clock import bangkok_date, buddhist_year
from api.complaints import identity, mailing, queries
from api.complaints.clocks import Kind
from api.complaints.model import ComplaintRow, Severity
from api.db import Tx
from api.jobs import GiveUp, Job
from api.notify import service as notify
from api.permissions import Role

OFFICERS: dict[str, tuple[str, ...]] = {
    "complaint.submitted": ("desk", "heads_of_emergency"),
    "complaint.forwarded": ("desk",),
    "complaint.assigned": ("assigned",),
    "complaint.reassigned": ("assigned",),
    "complaint.informed": ("assigned",),
    "complaint.wait_ended": ("assigned",),
    "complaint.added_to": ("assigned",),
    "complaint.reopened": ("heads", "assigned"),
    "complaint.left": ("assigned",),
    "complaint.withdrawn": ("assigned",),
    "complaint.inspected": ("assigned",),
    "complaint.order_ended": ("assigned",),
    "complaint.visit_cancelled": ("assigned",),
    "complaint.clock_reminded": ("level",),
    "complaint.clock_overdue": ("level",),
}
"""Event → which officers are told."""

COMPLAINANTS = frozenset(
    {
        *("complaint.accepted", "complaint.rejected", "complaint.merged", "complaint.forwarded"),
        *("complaint.asked", "complaint.messaged", "complaint.resolved", "complaint.closed"),
        *("complaint.reopened", "complaint.wait_reminded"),
    }
)
"""Events of which everybody hears who told it."""

TOLD_AS = {"complaint.merged": "complaint.accepted"}
"""Whoever told a duplicate hears that it was taken up, and not that somebody else told the same."""

FOLLOWERS = frozenset({"complaint.rejected", "complaint.resolved", "complaint.closed"})
"""Of these also whoever said "me too", or told what was merged into it; all else is its teller's
alone."""

EVENTS = frozenset(OFFICERS) | COMPLAINANTS
CLOCK_WORDS: dict[Kind, tuple[str, str]] = {
    Kind.acknowledge: ("รับเรื่อง", "to be taken up"),
    Kind.first_action: ("เริ่มดำเนินการ", "first action"),
    Kind.resolve: ("แจ้งผล", "to be answered"),
    Kind.answer_reopened: ("ตอบเรื่องที่เปิดใหม่", "to be answered again"),
}


async def tell(tx: Tx, job: Job) -> None:
    """Tells everybody whom the tables above name."""
    found = await queries.complaints(tx, [UUID(job.args["record"])], permissions.EVERYTHING)
    if not found:
        raise GiveUp("the complaint is not there")
    complaint, name = found[0], job.args["name"]
    event = await events.facts(tx, UUID(job.args["event"]))
    facts = {"number": complaint.shown_number} | _clock_words(event)
    told: set[UUID] = set()
    theirs = await _goes_on(tx, complaint)
    for whom in OFFICERS.get(name, ()):
        told |= set(await _officers(tx, theirs, event.get("level") if whom == "level" else whom))
    await _send(tx, job, told, name, ("complaint", complaint.id), facts)
    if name in COMPLAINANTS:
        template = f"own_{TOLD_AS.get(name, name)}"
        for each in await identity.told_with(tx, complaint.id, followers=name in FOLLOWERS):
            own = {"number": each.shown_number}
            about = ("own_complaint", each.complaint)
            await _send(tx, job, [each.account], template, about, own)
        written = await identity.written_to(tx, complaint.id, followers=name in FOLLOWERS)
        await mailing.enqueue(tx, written, job.args["event"], template)


async def _goes_on(tx: Tx, complaint: ComplaintRow) -> ComplaintRow:
    """The complaint whose officers have this one: what a duplicate was merged into."""
    if complaint.merged_into is None:
        return complaint
    return (await queries.complaints(tx, [complaint.merged_into], permissions.EVERYTHING))[0]


async def _officers(tx: Tx, complaint: ComplaintRow, whom: str | None) -> list[UUID]:
    """Accounts; where the first to turn to is nobody, or has left, the head, and then the
    department."""
    province, officer = complaint.province, complaint.assigned
    match whom:
        case "assigned" | "officer" if officer and await directory.serves(tx, officer):
            return [officer]
        case "desk":
            found = await directory.of_office(tx, Role.provincial_officer, complaint.office)
            # A local body has no triage of its own: its officers act.
            found = found or await directory.of_office(tx, Role.local_officer, complaint.office)
            found = found or await _heads(tx, province)
        case "heads_of_emergency" if complaint.severity != Severity.emergency:
            return []
        case "ministry":
            return await directory.holders(tx, Role.ministry)
        case "department":
            found = []
        case _:
            found = await _heads(tx, province)
    return found or await directory.holders(tx, Role.department)


async def _heads(tx: Tx, province: str | None) -> list[UUID]:
    return await directory.holders(tx, Role.provincial_head, province) if province else []


async def _send(
    tx: Tx,
    job: Job,
    accounts: Iterable[UUID],
    template: str,
    about: tuple[str, UUID],
    facts: dict[str, str],
) -> None:
    for account in sorted(accounts):
        await notify.send(
            tx,
            account=account,
            template=template,
            facts=facts,
            about=about,
            key=f"{job.args['event']}",
        )


def _clock_words(event: dict[str, str]) -> dict[str, str]:
    if "clock" not in event:
        return {}
    th, en = CLOCK_WORDS[Kind(event["clock"])]
    day = bangkok_date(events.moment(event["due_at"]))
    return {"clock": f"{th} · {en}", "due": f"{day:%d/%m}/{buddhist_year(day)}"}
