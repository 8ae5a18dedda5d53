"""How an order was served: cards, and evidence that becomes the order's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from api.db import Tx
from api.evidence import service as evidence
from api.evidence.model import EvidenceRow, EvidenceTaken, EvidenceUnknown
from api.inspection.checklists.rule_values import Flag
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import IN_PERSON, PROOF_OF, CardRead, Row, ServeOrder
from api.inspection.orders.problems import EvidenceForeign, ProofWrong
from api.inspection.orders.subject_queries import FindingOf
from api.inspection.visits import evidence as visit_evidence
from api.permissions import Role, Session
from api.readers.model import Purpose
from api.readers.readings import using


def of_attempt(wanted: ServeOrder) -> list[UUID]:
    """All that an attempt to serve names: its photographs, and the scan that proves it."""
    proof = None if wanted.proof is None else wanted.proof.evidence
    return [*wanted.evidence, *([] if proof is None else [proof])]


def check(wanted: ServeOrder) -> None:
    """Whether the proof is one for this way to serve. Raises `ProofWrong`."""
    kinds = PROOF_OF[wanted.how]
    wrong = not isinstance(wanted.proof, kinds) if kinds else wanted.proof is not None
    if isinstance(wanted.proof, CardRead):
        in_person = wanted.proof.capacity in IN_PERSON
        wrong = wrong or in_person != (wanted.how == "personal")
    if wrong:
        raise ProofWrong(how=wanted.how)


NEAR: Final = timedelta(minutes=30)
"""So far apart at most are an order's handing over and the reading of the card that proves it."""


class Proven(msgspec.Struct):
    """The proof as it is to be sealed, what is strange about it, and when its card was read."""

    text: str
    flags: list[Flag]
    read_at: datetime | None = None


class CardKept(msgspec.Struct, kw_only=True, tag="card"):
    """What is kept of a card reading as proof of service, sealed: who, in what capacity, and all
    that the reading proves."""

    reading: UUID
    capacity: str
    relation: str
    evidence: UUID | None
    name: str
    number: str
    levels: tuple[str, ...]
    label: str
    document: str | None


async def taken(tx: Tx, order: UUID, attempt: UUID, wanted: ServeOrder) -> Proven | None:
    """The proof of an attempt, if it has one. A reading is used up by it.

    Raises what `using.use` does.
    """
    proof = wanted.proof
    if proof is None:
        return None
    if not isinstance(proof, CardRead):
        return Proven(msgspec.json.encode(proof).decode(), [])
    used = await using.use(
        tx,
        proof.reading,
        Purpose.serve_order,
        about=order,
        used_for="service_attempt",
        by=attempt,
    )
    kept = CardKept(
        reading=used.id,
        capacity=proof.capacity,
        relation=proof.relation,
        evidence=proof.evidence,
        name=used.name,
        number=used.number,
        levels=used.levels,
        label=used.label,
        document=None if used.document is None else used.document.kind,
    )
    flags = [Flag(f"service.card:{flag}") for flag in used.flags]
    if "officer-face-match" not in used.levels:
        flags.append(Flag("service.face_not_compared"))
    if proof.capacity == "attorney" and proof.evidence is None:
        flags.append(Flag("service.authority_not_shown"))
    if not (used.name and used.number):
        flags.append(Flag("service.card_names_nobody"))
    if abs(wanted.at - used.read_at) > NEAR:
        flags.append(Flag("service.not_when_read", {"read": used.read_at}))
    return Proven(msgspec.json.encode(kept).decode(), flags, used.read_at)


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
