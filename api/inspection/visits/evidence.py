"""Photographs of a visit: claimed when both are there, whichever came first.

A phone names visit and item with its upload. Evidence whose sender is not on the visit's team stays
unclaimed: it is its sender's alone.
"""

from __future__ import annotations

from uuid import UUID

from api import events, jobs
from api.db import Tx
from api.evidence import service as evidence
from api.evidence.model import EvidenceTaken
from api.inspection.visits import queries
from api.inspection.visits.model import VisitRow
from api.jobs import Job
from api.permissions import EVERYTHING

CLAIM, CLAIM_WAITING = "visit.claim_evidence", "visit.claim_waiting_evidence"
OWNER = "visit"


async def claim_completed(tx: Tx, job: Job) -> None:
    """Evidence is complete: if it names a visit that is here, it becomes that visit's."""
    found = await evidence.one(tx, UUID(job.args["record"]))
    if found.owner_kind == OWNER and found.owner is not None and not found.claimed:
        await claim_all(tx, found.owner, [found.id])


async def claim_waiting(tx: Tx, job: Job) -> None:
    """A visit is here: evidence that came before it becomes its own."""
    visit = UUID(job.args["record"])
    await claim_all(tx, visit, await evidence.waiting(tx, OWNER, visit))


async def expect(tx: Tx, visit: UUID) -> None:
    """Looks for waiting evidence of a visit that began without a plan."""
    await jobs.enqueue(tx, CLAIM_WAITING, {"record": visit})


async def claim_all(tx: Tx, visit: UUID, ids: list[UUID]) -> None:
    """Those of `ids` whose sender is on the team; the factory sees none of them by this."""
    rows = await queries.visits(tx, [visit], EVERYTHING) if ids else []
    for row in rows:
        for id in ids:
            await _claim(tx, row, id)


async def _claim(tx: Tx, visit: VisitRow, id: UUID) -> None:
    found = await evidence.one(tx, id)
    if found.account not in visit.team:
        return
    try:
        await evidence.claim(
            tx,
            [id],
            owner_kind=OWNER,
            owner=visit.id,
            province=visit.province,
            company=visit.company,
            visible_to_company=False,
        )
    except EvidenceTaken:
        return  # another job claimed it for somebody else: it is not ours to take
    await events.record(
        tx,
        "visit.evidence_added",
        "visit",
        visit.id,
        scopes=[events.province(visit.province)],
        facts={"evidence": id, "item": found.item},
    )
