"""Photographs of a visit: claimed when both are there, whichever came first.

A phone names visit and item with its upload. Evidence whose sender is not on the visit's team stays
unclaimed: it is its sender's alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict
from uuid import UUID

import msgspec

from api import events, jobs, settings
from api.db import Tx
from api.evidence import service as evidence
from api.evidence.model import EvidenceRow, EvidenceTaken
from api.factories.earth import distance
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import queries, reading, sample_queries, service, signature_queries
from api.inspection.visits.model import FindingState, VisitRow
from api.jobs import Job
from api.permissions import EVERYTHING

CLAIM, CLAIM_WAITING = "visit.claim_evidence", "visit.claim_waiting_evidence"
SHOW, COMPARE = "visit.show_evidence", "visit.compare_evidence"
OWNER = "visit"
BEFORE, AFTER = timedelta(hours=1), timedelta(hours=24)
"""A photograph made earlier or later than this around the entry is flagged."""


async def claim_completed(tx: Tx, job: Job) -> None:
    """Evidence is complete: if it names a visit that is here, it becomes that visit's; if it names
    nothing, that of the visit whose signature or sample it shows.
    """
    found = await evidence.one(tx, UUID(job.args["record"]))
    if found.claimed:
        return
    owner = found.owner if found.owner_kind == OWNER else None
    if owner is None and found.owner_kind is None:
        owner = await signature_queries.naming(tx, found.id)
        owner = owner or await sample_queries.naming(tx, found.id)
    if owner is not None:
        await claim_all(tx, owner, [found.id])


async def claim_soon(tx: Tx, id: UUID) -> None:
    """Evidence that a visit's operation names, and that did not name the visit itself."""
    await jobs.enqueue(tx, CLAIM, {"record": id})


async def claim_waiting(tx: Tx, job: Job) -> None:
    """A visit is here: evidence that came before it becomes its own."""
    visit = UUID(job.args["record"])
    await claim_all(tx, visit, await evidence.waiting(tx, OWNER, visit))


async def photographs(tx: Tx, visit: UUID) -> list[EvidenceRow]:
    """The visit's still pictures, also those that nothing can show (HEIC, broken); a drawn
    signature is none of them."""
    drawn = {row.evidence for row in await signature_queries.signatures(tx, [visit])}
    found = await evidence.of(tx, OWNER, visit)
    return [row for row in found if row.media.startswith("image/") and row.id not in drawn]


def place(photo: EvidenceRow) -> tuple[bool, str, datetime, UUID]:
    """By item, then by time; what belongs to no item comes last."""
    return photo.item is None, photo.item or "", photo.taken_at or photo.received_at, photo.id


async def expect(tx: Tx, visit: UUID) -> None:
    """Looks for waiting evidence of a visit that began without a plan."""
    await jobs.enqueue(tx, CLAIM_WAITING, {"record": visit})


async def claim_all(tx: Tx, visit: UUID, ids: list[UUID]) -> None:
    """Those of `ids` whose sender is on the team; the factory sees none of them by this."""
    if not ids:
        return
    await tx.lock([visit])
    for row in await queries.visits(tx, [visit], EVERYTHING):
        for id in ids:
            await _claim(tx, row, id)


async def _claim(tx: Tx, visit: VisitRow, id: UUID) -> None:
    found = await evidence.one(tx, id)
    if found.account not in visit.team:
        return
    try:
        await evidence.claim(tx, [id], visible_to_company=False, **_owner(visit))
    except EvidenceTaken:
        return  # another job claimed it for somebody else: it is not ours to take
    if found.examined:
        await _compare(tx, visit, found)
    if visit.state in reading.SHOWN:
        await jobs.enqueue(tx, SHOW, {"record": visit.id})
    await _tell(tx, visit, "visit.evidence_added", {"evidence": id, "item": found.item})


class _Owner(TypedDict):
    owner_kind: str
    owner: UUID
    province: str
    class_: int | None
    company: UUID | None


def _owner(visit: VisitRow, company: UUID | None = None) -> _Owner:
    return {
        "owner_kind": OWNER,
        "owner": visit.id,
        "province": visit.province,
        "class_": visit.class_,
        "company": company or visit.company,
    }


async def _tell(tx: Tx, visit: VisitRow, event: str, facts: dict[str, object]) -> None:
    await events.record(
        tx, event, "visit", visit.id, scopes=[events.province(visit.province)], facts=facts
    )


# --- what the factory sees ----------------------------------------------------------------------


async def show(tx: Tx, job: Job) -> None:
    """After acceptance a company sees the photographs of those findings that it may know of."""
    id = UUID(job.args["record"])
    await tx.lock([id])
    rows = await queries.visits(tx, [id], EVERYTHING)
    if not rows or rows[0].state not in reading.SHOWN:
        return
    visit = rows[0]
    findings = {
        f.item: f
        for f in await queries.findings_of(tx, [id])
        if f.company and not f.confidential and f.state != FindingState.withdrawn
    }
    changed = False
    for each in (await evidence.bound(tx, OWNER, [id])).get(id, []):
        finding = findings.get(each.item or "")
        company = finding.company if finding else None
        if company == each.shown_to:
            continue
        seen = company is not None
        await evidence.claim(tx, [each.id], visible_to_company=seen, **_owner(visit, company))
        changed = True
    if changed:
        await service.show_companies(tx, visit)


# --- photographs against the visit --------------------------------------------------------------


async def compare(tx: Tx, job: Job) -> None:
    """A file was examined: was it made at this visit, where the factory is?"""
    found = await evidence.one(tx, UUID(job.args["record"]))
    if found.owner_kind != OWNER or found.owner is None or not found.claimed:
        return
    await tx.lock([found.owner])
    for visit in await queries.visits(tx, [found.owner], EVERYTHING):
        await _compare(tx, visit, found)


async def _compare(tx: Tx, visit: VisitRow, found: EvidenceRow) -> None:
    known = _flags.decode(visit.flags)
    fresh = [flag for flag in await _differences(tx, visit, found) if flag not in known]
    for flag in fresh:
        await queries.flag_visit(tx, visit.id, flag)
    if fresh:
        codes = [flag.code for flag in fresh]
        await _tell(tx, visit, "visit.evidence_flagged", {"evidence": found.id, "flags": codes})


async def _differences(tx: Tx, visit: VisitRow, found: EvidenceRow) -> list[Flag]:
    flags = []
    if found.made_at is not None and visit.started_at is not None:
        since = found.made_at - visit.started_at
        if not -BEFORE <= since <= AFTER:
            hours = round(since.total_seconds() / 3600)
            flags.append(Flag("photo.other_time", {"evidence": str(found.id), "hours": hours}))
    registered = _subject.decode(visit.subject).position
    where, accuracy_m = await evidence.made_where(tx, found)
    if where is not None and registered is not None:
        metres = distance(*where, registered.lat, registered.lng)
        if metres > settings.current().gate_distance_m + accuracy_m:
            flags.append(Flag("photo.far", {"evidence": str(found.id), "metres": round(metres)}))
    return flags


class _Position(msgspec.Struct):
    lat: float
    lng: float


class Subject(msgspec.Struct):
    """What is asked here of a visit's subject: where the register has the factory."""

    position: _Position | None = None


_subject = msgspec.json.Decoder(Subject)
_flags = msgspec.json.Decoder(list[Flag])
