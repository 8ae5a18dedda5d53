"""Photographs and recordings of whoever told a complaint.

They are kept as a complainant's, never as an account's. Officers see pictures that were made anew,
without what a camera writes into them; the original tells where somebody stood and whose camera it
was, and is opened as the identity is: by authority, with a reason, in sight of the complainant.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from api import events
from api.accounts import service as accounts
from api.accounts.model import Power
from api.complaints import identity, queries, reading
from api.complaints.desk import reading as desk_reading
from api.complaints.desk.service import SECTION
from api.complaints.intake import scopes
from api.complaints.model import ComplaintRow
from api.complaints.own import queries as own_queries
from api.complaints.own import service as own
from api.complaints.problems import ComplaintNotFound
from api.db import Tx
from api.evidence import service as evidence
from api.evidence.model import (
    Claims,
    Evidence,
    EvidenceNotFound,
    EvidenceTaken,
    Form,
    Link,
)
from api.evidence.service import File
from api.jobs import Job
from api.permissions import EVERYTHING, Role, Session, Tracking

OWNER: Final = "complaint"
CLAIM, FOLLOW = "complaint.claim_evidence", "complaint.move_evidence"


# --- sending --------------------------------------------------------------------------------------


async def as_uploader(tx: Tx, claims: Claims) -> None:
    """Who announces a file of a complaint becomes its complainant; `tx.actor` is that from here on.

    Raises `ComplaintNotFound` where it is not theirs, and where a citizen names nothing else, and
    `NotAllowed` to those who said "me too".
    """
    if isinstance(tx.actor, Tracking):
        await own.reporter(tx, await _known_as(tx, tx.actor), "evidence.upload")
    elif isinstance(tx.actor, Session) and Role.citizen in tx.actor.roles:
        if claims.owner_kind == OWNER and claims.owner is not None:
            await own.reporter(tx, claims.owner, "evidence.upload")
        elif Role.operator not in tx.actor.roles:
            raise ComplaintNotFound()


async def _known_as(tx: Tx, caller: Tracking) -> UUID:
    part = await identity.part(tx, caller.complainant)
    return part.shown_as if part is not None and part.me_too else caller.complaint


async def as_holder(tx: Tx, file: UUID) -> None:
    """Who goes on with, or reads, a file that they brought as a complainant is that complainant."""
    if isinstance(tx.actor, Session) and Role.citizen in tx.actor.roles:
        held = await own_queries.of_upload(tx, file, tx.actor.account)
        if held is not None:
            tx.actor = Tracking(held.complaint, held.complainant)


# --- claiming -------------------------------------------------------------------------------------


async def claim_completed(tx: Tx, job: Job) -> None:
    """Evidence is complete: if its complainant brought it, it becomes the complaint's."""
    found = await evidence.one(tx, UUID(job.args["record"]))
    if found.owner_kind == OWNER and found.owner is not None and not found.claimed:
        await _claim(tx, found.owner, [found.id])


async def follow(tx: Tx, job: Job) -> None:
    """A complaint came to another province, or to its first: its files go along."""
    complaint = UUID(job.args["record"])
    held = [bound.id for bound in (await evidence.bound(tx, OWNER, [complaint])).get(complaint, [])]
    await _claim(tx, complaint, [*held, *await evidence.waiting(tx, OWNER, complaint)])


async def _claim(tx: Tx, id: UUID, files: list[UUID]) -> None:
    if not files:
        return
    await tx.lock([id])
    for complaint in await queries.complaints(tx, [id], EVERYTHING):
        if complaint.province is None:
            return  # until somebody knows whose it is
        for file in files:
            await _claim_one(tx, complaint, complaint.province, file)


async def _claim_one(tx: Tx, complaint: ComplaintRow, province: str, file: UUID) -> None:
    found = await evidence.one(tx, file)
    part = await identity.part(tx, found.complainant) if found.complainant else None
    if part is None or part.me_too or part.complaint != complaint.id:
        return
    try:
        await evidence.claim(
            tx,
            [file],
            owner_kind=OWNER,
            owner=complaint.id,
            province=province,
            class_=None,
            company=None,
            visible_to_company=False,
        )
    except EvidenceTaken:
        return
    if not found.claimed:
        await events.record(
            tx,
            "complaint.evidence_added",
            "complaint",
            complaint.id,
            scopes=scopes(province),
            facts={"evidence": file},
        )


# --- reading --------------------------------------------------------------------------------------


async def of_own(tx: Tx, id: UUID) -> list[Evidence]:
    """The caller's own files of their complaint, whole; raises as `own.reporter` does."""
    await own.reporter(tx, id, "own_complaint.read")
    return await _all(tx, id)


async def of(tx: Tx, id: UUID) -> list[Evidence]:
    """A complaint's files as officers see them; who looks at what is not theirs leaves a trace.

    Raises `ComplaintNotFound`.
    """
    await desk_reading.looked_at(tx, await reading.row(tx, id, "complaint.read"))
    return await _all(tx, id)


async def _all(tx: Tx, id: UUID) -> list[Evidence]:
    rows = [*await evidence.of(tx, OWNER, id)]
    rows += [await evidence.one(tx, file) for file in await evidence.waiting(tx, OWNER, id)]
    return [await evidence.seen_by(tx, row) for row in rows if row.complainant is not None]


async def seen(tx: Tx, id: UUID, file: UUID, form: Form) -> File:
    """A picture made anew, for whoever has the complaint at their desk: its office, too, which has
    no reach over files by province or class. Raises `ComplaintNotFound`, `EvidenceNotFound`."""
    complaint = await reading.row(tx, id, "complaint.read")
    await desk_reading.looked_at(tx, complaint)
    rows = [*await evidence.of(tx, OWNER, complaint.id)]
    rows += [await evidence.one(tx, f) for f in await evidence.waiting(tx, OWNER, complaint.id)]
    found = [row for row in rows if row.id == file and row.complainant is not None]
    if not found or form == "original":
        raise EvidenceNotFound()
    return evidence.file_of(found[0], form)


async def open_original(tx: Tx, id: UUID, file: UUID, reason: str) -> Link:
    """A link to the bytes as they came. Raises `ComplaintNotFound`, `EvidenceNotFound` and
    `AuthorityNeeded`. The complainant sees when, of which office, and why."""
    complaint = await reading.row(tx, id, "complaint.unseal")
    found = [row for row in await evidence.of(tx, OWNER, id) if row.id == file]
    if not found or found[0].complainant is None:
        raise EvidenceNotFound()
    await accounts.require_authority(tx, Power.unseal, SECTION, None, complaint.province)
    made = await evidence.link(tx, file, "original")
    await events.record(
        tx,
        "complaint.identity_opened",
        "complainant",
        found[0].complainant,
        facts={"reason": reason, "evidence": file},
    )
    facts = {"reason": reason, "whose": "reporter"}
    await events.record(tx, "complaint.identity_opened", "complaint", id, facts=facts)
    return made
