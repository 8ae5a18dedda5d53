"""Statements about drawn signatures, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits.model import VisitRow
from api.inspection.visits.operations import SignVisit
from api.inspection.visits.views import VisitSignature

_flags = msgspec.json.Decoder(list[Flag])


class SignatureRow(msgspec.Struct):
    """A signature as stored; `said` is sealed, `flags` JSON text."""

    visit: UUID
    operation: UUID
    who: str
    author: UUID
    received_at: datetime
    officer: UUID | None
    evidence: UUID | None
    signed_at: datetime | None
    late: bool
    flags: str
    said: bytes | None


async def insert_signature(
    tx: Tx,
    visit: VisitRow,
    op: SignVisit,
    *,
    author: UUID,
    officer: UUID | None,
    said: bytes | None,
    late: bool,
    flags: Sequence[Flag],
) -> None:
    """Keeps the signature, and the visit's flags."""
    await tx.run(
        """
        with flagged as (
            update visit set flags = $2::jsonb, version = version + 1 where id = $1
        )
        insert into visit_signature (operation, visit, who, officer, evidence, said, author,
            signed_at, received_at, late, flags)
        values ($3, $1, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb)
        """,
        visit.id,
        visit.flags,
        op.id,
        op.who,
        officer,
        op.evidence,
        said,
        author,
        op.signed_at,
        tx.now,
        late,
        msgspec.json.encode(flags).decode(),
    )


async def signatures(tx: Tx, visits: Sequence[UUID]) -> list[SignatureRow]:
    """All of them, in the order of their arrival."""
    return await tx.all(
        SignatureRow,
        """
        select visit, operation, who, author, received_at, officer, evidence, signed_at, late,
            flags, said
        from visit_signature where visit = any($1::uuid[]) order by received_at, operation
        """,
        list(visits),
    )


async def naming(tx: Tx, evidence: UUID) -> UUID | None:
    """The visit of a signature that names `evidence` as its image."""
    found: UUID | None = await tx.value(
        "select visit from visit_signature where evidence = $1 order by received_at limit 1",
        evidence,
    )
    return found


async def views(tx: Tx, visits: Sequence[UUID]) -> dict[UUID, list[VisitSignature]]:
    """Visit → its signatures as officers see them."""
    found: dict[UUID, list[VisitSignature]] = {}
    for row in await signatures(tx, visits):
        fields = msgspec.structs.asdict(row)
        del fields["said"], fields["visit"]
        found.setdefault(row.visit, []).append(
            VisitSignature(**fields | {"flags": _flags.decode(row.flags)})
        )
    return found
