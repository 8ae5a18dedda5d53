"""Statements about samples, their hand-overs and laboratories' results, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits.custody import HandOverSample, LaboratoryResult
from api.inspection.visits.model import VisitRow
from api.inspection.visits.operations import TakeSample


class SampleRow(msgspec.Struct):
    """A sample as stored; `position` and `flags` are JSON text."""

    id: UUID
    visit: UUID
    items: list[str]
    number: str
    what: str
    place: str
    seal: str
    taken_by: UUID | None
    taken_at: datetime | None
    author: UUID
    received_at: datetime
    position: str | None
    photographs: list[UUID]
    note: str
    late: bool
    flags: str


class HandOverRow(msgspec.Struct):
    """A hand-over as stored; `people` is sealed, `flags` JSON text."""

    sample: UUID
    id: UUID
    n: int
    giver: str
    receiver: str
    handed_at: datetime
    received_at: datetime
    officer: UUID
    condition: str
    seal_intact: bool | None
    evidence: list[UUID]
    flags: str
    people: bytes | None
    hash: bytes


async def insert_sample(
    tx: Tx,
    visit: VisitRow,
    op: TakeSample,
    *,
    author: UUID,
    taken_by: UUID | None,
    late: bool,
    flags: Sequence[Flag],
) -> None:
    """Keeps the sample, and the visit's flags."""
    await tx.run(
        """
        with flagged as (
            update visit set flags = $2::jsonb, version = version + 1 where id = $1
        )
        insert into sample (id, visit, items, number, what, place, seal, taken_by, taken_at,
            author, received_at, position, photographs, note, late, flags)
        values ($3, $1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::json, $14, $15, $16, $17::jsonb)
        """,
        visit.id,
        visit.flags,
        op.id,
        op.items,
        op.number,
        op.what,
        op.place,
        op.seal,
        taken_by,
        op.taken_at,
        author,
        tx.now,
        None if op.position is None else msgspec.json.encode(op.position).decode(),
        op.photographs,
        op.note or "",
        late,
        msgspec.json.encode(flags).decode(),
    )


async def visit_of(tx: Tx, sample: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select visit from sample where id = $1", sample)
    return found


async def samples(tx: Tx, visits: Sequence[UUID]) -> list[SampleRow]:
    return await tx.all(
        SampleRow,
        """
        select id, visit, items, number, what, place, seal, taken_by, taken_at, author,
            received_at, position, photographs, note, late, flags
        from sample where visit = any($1::uuid[]) order by received_at, id
        """,
        list(visits),
    )


async def handovers(tx: Tx, visits: Sequence[UUID]) -> list[HandOverRow]:
    """The links of all chains of `visits`, each chain in its order."""
    return await tx.all(
        HandOverRow,
        """
        select h.sample, h.id, h.n, h.giver, h.receiver, h.handed_at, h.received_at, h.officer,
            h.condition, h.seal_intact, h.evidence, h.flags, h.people, h.hash
        from sample_handover h join sample s on s.id = h.sample
        where s.visit = any($1::uuid[]) order by h.sample, h.n
        """,
        list(visits),
    )


async def insert_handover(
    tx: Tx,
    visit: UUID,
    sample: UUID,
    id: UUID,
    n: int,
    wanted: HandOverSample,
    *,
    officer: UUID,
    people: bytes | None,
    flags: Sequence[Flag],
    digest: bytes,
) -> None:
    """Adds a link, and moves the visit's version. Raises `HandOverExists`."""
    await tx.run(
        """
        with seen as (update visit set version = version + 1 where id = $1)
        insert into sample_handover (id, sample, n, giver, receiver, people, handed_at,
            received_at, officer, condition, seal_intact, evidence, flags, hash)
        values ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb, $15)
        """,
        visit,
        id,
        sample,
        n,
        wanted.giver.organisation,
        wanted.receiver.organisation,
        people,
        wanted.handed_at,
        tx.now,
        officer,
        wanted.condition,
        wanted.seal_intact,
        wanted.evidence,
        msgspec.json.encode(flags).decode(),
        digest,
    )


async def insert_result(tx: Tx, result: LaboratoryResult) -> None:
    await tx.run(
        """
        insert into laboratory_result (visit, operation, item, number, laboratory, report_no,
            reported_at, received_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        result.visit,
        result.operation,
        result.item,
        result.number,
        result.laboratory,
        result.report_no,
        result.reported_at,
        result.received_at,
    )


async def results(tx: Tx, visits: Sequence[UUID]) -> list[LaboratoryResult]:
    return await tx.all(
        LaboratoryResult,
        """
        select visit, operation, item, number, laboratory, report_no, reported_at, received_at
        from laboratory_result where visit = any($1::uuid[]) order by received_at, operation
        """,
        list(visits),
    )


async def naming(tx: Tx, evidence: UUID) -> UUID | None:
    """The visit of a sample that names `evidence` as its photograph."""
    found: UUID | None = await tx.value(
        """
        select visit from sample where photographs @> array[$1::uuid]
        order by received_at limit 1
        """,
        evidence,
    )
    return found


async def office_of(tx: Tx, account: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select office from account where id = $1", account)
    return found
