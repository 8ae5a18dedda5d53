"""What readers see of orders: officers, the signer, and the company they are addressed to."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from api.clock import Moment
from api.inspection.orders.model import (
    Breach,
    OrderContent,
    OrderKind,
    OrderState,
    SealingState,
    Stay,
)
from api.inspection.visits.model import FindingState, Severity


class Attempt(msgspec.Struct, kw_only=True):
    """An attempt as officers see it; who received or witnessed it is sealed.

    `proof_evidence`: the drawn signature of who received it, or the scan of another proof.
    `reading`: of the card of who received it; `levels` say all that it proves.
    """

    id: UUID
    how: str
    at: Moment
    received_at: Moment
    officer: UUID
    place: str
    evidence: list[UUID]
    proof_evidence: UUID | None = None
    reading: UUID | None = None
    levels: list[str] = []
    flags: list[Any]
    counts_at: Moment | None
    counted_at: Moment | None


class Claim(msgspec.Struct):
    """The factory says that it has corrected, with its proofs."""

    id: UUID
    claimed_at: Moment
    note: str
    evidence: list[UUID]


class OrderFinding(msgspec.Struct, kw_only=True):
    """A finding of the order, and whether its correction was verified."""

    finding: UUID
    item: str
    state: FindingState
    severity: Severity
    legal_ref: str
    ref_status: str
    required: str
    verified_at: Moment | None
    corrected: bool | None


class Appeal(msgspec.Struct):
    """An appeal to the Minister (s.41)."""

    filed_on: date
    late: bool
    grounds: str
    outcome: str | None
    decided_on: date | None
    decision: str


class Seal(msgspec.Struct):
    """A seal on a machine, until it is taken off."""

    number: str
    machine: str
    lifted_at: Moment | None


class Sealing(msgspec.Struct, kw_only=True):
    """Machines that are to be, or were, tied and sealed."""

    id: UUID
    state: SealingState
    machines: list[str]
    reason: str
    seals: list[Seal]
    evidence: list[UUID]
    requested_at: Moment
    approved_at: Moment | None
    sealed_at: Moment | None
    lifted_at: Moment | None
    version: int


class Order(msgspec.Struct, kw_only=True):
    """An order as its officers see it."""

    id: UUID
    kind: OrderKind
    state: OrderState
    basis: str
    premises: UUID
    licence: UUID | None
    province: str
    office: UUID
    visit: UUID | None
    follows: UUID | None
    corrects: UUID | None
    content: OrderContent
    findings: list[OrderFinding]
    number: str | None
    signed_by: UUID | None
    signed_at: Moment | None
    content_hash: str | None
    served_at: Moment | None
    due_at: Moment | None
    appeal_until: Moment | None
    stay: Stay | None
    breach: Breach | None
    ended_at: Moment | None
    ended_why: str | None
    superseded_by: UUID | None
    document: UUID | None
    attempts: list[Attempt]
    notices: int
    notices_needed: int
    appeal: Appeal | None
    sealings: list[Sealing]
    claims: list[Claim]
    version: int


class OrderLine(msgspec.Struct):
    """One order in a list."""

    id: UUID
    kind: OrderKind
    state: OrderState
    number: str | None
    premises: UUID
    name: str
    licence: UUID | None
    province: str
    signed_at: Moment | None
    served_at: Moment | None
    due_at: Moment | None
    version: int


class CompanyFindingOfOrder(msgspec.Struct):
    """What must be done about one thing, as the company sees it."""

    finding: UUID
    item: str
    legal_ref: str
    required: str
    verified_at: Moment | None
    corrected: bool | None


class CompanyOrder(msgspec.Struct, kw_only=True):
    """An order as the company that it is addressed to sees it, once it was served."""

    id: UUID
    kind: OrderKind
    state: OrderState
    premises: UUID
    licence: UUID | None
    number: str
    signed_at: Moment
    facts: str
    law: list[str]
    reasons: str
    measures: str
    part: str
    appeal: str
    findings: list[CompanyFindingOfOrder]
    served_at: Moment | None
    due_at: Moment | None
    appeal_until: Moment | None
    stayed: bool
    document: UUID | None
    claims: list[Claim]


class Missing(msgspec.Struct):
    """Something without which the order cannot be signed."""

    code: str
    th: str
    en: str


class SigningView(msgspec.Struct):
    """What is signed: `shown` word for word, its SHA-256, and what is still missing."""

    shown: str
    sha256: str
    missing: list[Missing]
