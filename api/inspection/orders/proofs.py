"""Evidence named in what is done about an order becomes that order's: scans, photographs, seals."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.db import Tx
from api.evidence import service as evidence
from api.evidence.model import EvidenceRow, EvidenceTaken, EvidenceUnknown
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import Row, ServeOrder
from api.inspection.orders.problems import EvidenceForeign
from api.inspection.orders.subject_queries import FindingOf
from api.inspection.visits import evidence as visit_evidence
from api.permissions import Role, Session


def of_attempt(wanted: ServeOrder) -> list[UUID]:
    """All that an attempt to serve names: its photographs, and the scan that proves it."""
    proof = None if wanted.proof is None else wanted.proof.evidence
    return [*wanted.evidence, *([] if proof is None else [proof])]


async def photographs(tx: Tx, findings: Sequence[FindingOf]) -> list[EvidenceRow]:
    """The photographs of `findings`, by item and time: what was sent for the item at its visit."""
    found = [
        photo
        for visit in sorted({f.visit for f in findings})
        for photo in await visit_evidence.photographs(tx, visit)
        if any((f.visit, f.item) == (visit, photo.item) for f in findings)
    ]
    return sorted(found, key=visit_evidence.place)


async def claim(
    tx: Tx, row: Row, owner_kind: str, owner: UUID, ids: Sequence[UUID], *, shown: bool
) -> None:
    """Binds finished evidence of the sender, or of their office, to its owner.

    `owner_kind` is service, notice, seal, correction or signature, `owner` the id of that;
    `shown`: the company sees it, which it does of its own proofs only. Raises `EvidenceForeign`.
    """
    if not ids:
        return
    wanted = sorted(set(ids))
    assert isinstance(tx.actor, Session)
    try:
        for id in wanted:
            sender = (await evidence.one(tx, id)).account
            if sender != tx.actor.account and not await _of_the_office(tx, tx.actor, sender):
                raise EvidenceForeign(evidence=[str(id)])
        await evidence.claim(
            tx,
            wanted,
            owner_kind=owner_kind,
            owner=owner,
            province=row.province,
            class_=row.class_,
            company=row.company if shown else None,
            visible_to_company=shown,
        )
    except (EvidenceUnknown, EvidenceTaken) as wrong:
        raise EvidenceForeign(**wrong.facts) from None


async def _of_the_office(tx: Tx, actor: Session, sender: UUID | None) -> bool:
    """Whether `sender` serves in the actor's office; a company's people prove with their own."""
    if sender is None or actor.office is None or Role.operator in actor.roles:
        return False
    return await subject.office_of(tx, sender) == actor.office
