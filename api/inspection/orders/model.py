"""Legal orders under the Factory Act B.E. 2535: kinds, states, moves, and what an order says."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment


class OrderKind(StrEnum):
    correct = "correct"  # s.37 ¶1: to stop the breach, mend, or do it right within a time
    stop = "stop"  # s.39: to stop in whole or in part
    resume = "resume"  # s.39: mended
    close = "close"  # s.39: not mended; of a class 3 this revokes the licence


Basis = Literal["breach", "danger"]
Outcome = Literal["upheld", "annulled"]


class OrderState(StrEnum):
    draft = "draft"
    discarded = "discarded"
    signed = "signed"
    served = "served"
    overdue = "overdue"
    breached = "breached"
    complied = "complied"
    superseded = "superseded"
    revoked = "revoked"
    annulled = "annulled"


S = OrderState
STATE_TH: dict[str, str] = {
    S.draft: "ร่าง",
    S.discarded: "ยกเลิกร่าง",
    S.signed: "ลงนามแล้ว",
    S.served: "แจ้งคำสั่งแล้ว",
    S.overdue: "พ้นกำหนด",
    S.breached: "ฝ่าฝืนคำสั่ง",
    S.complied: "ปฏิบัติตามแล้ว",
    S.superseded: "มีคำสั่งใหม่แทน",
    S.revoked: "เพิกถอนแล้ว",
    S.annulled: "ถูกยกเลิกโดยคำวินิจฉัย",
}

IN_FORCE = (S.served, S.overdue, S.breached)
_APPEALED = (S.signed, *IN_FORCE, S.complied)
"""The time for appeal runs from knowing the order, which may be before its service (s.41)."""
MOVES: dict[tuple[str, OrderState], OrderState] = {
    ("redraft", S.draft): S.draft,
    ("discard", S.draft): S.discarded,
    ("sign", S.draft): S.signed,
    ("serve", S.signed): S.served,
    ("revoke", S.signed): S.revoked,
    ("supersede", S.signed): S.superseded,
    # Only a closure that is undone gives back the stop before it, which was judged disobeyed.
    ("revive", S.superseded): S.breached,
    ("run_out", S.served): S.overdue,
    ("extend", S.served): S.served,
    ("extend", S.overdue): S.served,
    ("find_breach", S.overdue): S.breached,
    # A stop or a closure is disobeyed at once; a time to correct must first run out.
    ("find_disobeyed", S.served): S.breached,
    **{("claim_correction", state): state for state in IN_FORCE},
    **{("verify", state): state for state in IN_FORCE},
    **{("comply", state): S.complied for state in IN_FORCE},
    **{("supersede", state): S.superseded for state in IN_FORCE},
    **{("revoke", state): S.revoked for state in IN_FORCE},
    **{("stay", state): state for state in IN_FORCE},
    **{("end_stay", state): state for state in IN_FORCE},
    **{("file_appeal", state): state for state in _APPEALED},
    **{("uphold", state): state for state in _APPEALED},
    **{("annul", state): S.annulled for state in _APPEALED},
    **{("notice", state): state for state in (S.signed, *IN_FORCE)},
    **{("ask_sealing", state): state for state in (S.signed, *IN_FORCE)},
    **{("decide_sealing", state): state for state in (S.signed, *IN_FORCE)},
    **{("seal", state): state for state in IN_FORCE},
    # What a phone tells late is kept, whatever has become of the order; it then serves nothing.
    **{("attempt", state): state for state in S if state not in (S.draft, S.discarded)},
}
"""(verb, state) → state. Appeals and stays do not move an order; they stand beside it (s.41)."""

SHOWN = (*IN_FORCE, S.complied, S.superseded, S.revoked, S.annulled)
"""The states in which the company sees the order: service comes first, in its own form (s.38)."""


class SealingState(StrEnum):
    requested = "requested"
    approved = "approved"
    refused = "refused"
    sealed = "sealed"
    lifted = "lifted"


Z = SealingState
SEALING_TH: dict[str, str] = {
    Z.requested: "ขออนุมัติแล้ว",
    Z.approved: "อนุมัติแล้ว",
    Z.refused: "ไม่อนุมัติ",
    Z.sealed: "ผูกมัดประทับตราแล้ว",
    Z.lifted: "ถอดตราแล้ว",
}
SEALING_MOVES: dict[tuple[str, SealingState], SealingState] = {
    ("approve", Z.requested): Z.approved,
    ("refuse", Z.requested): Z.refused,
    ("seal", Z.approved): Z.sealed,
    ("lift_some", Z.sealed): Z.sealed,
    ("lift", Z.sealed): Z.lifted,
}

# --- what an order says -------------------------------------------------------------------------

NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Meta(max_length=20_000, pattern=NO_NUL)]
Line = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
Said = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
"""A line that says something."""
Evidence = Annotated[list[UUID], Meta(max_length=100)]


class Required(msgspec.Struct, forbid_unknown_fields=True):
    """A finding that the order is about, and what must be done about it."""

    finding: UUID
    required: Text


class Hearing(msgspec.Struct, forbid_unknown_fields=True, tag="heard"):
    """The operator was heard before the order (Administrative Procedure Act, s.30)."""

    heard_on: date
    said: Text


class Urgency(msgspec.Struct, forbid_unknown_fields=True, tag="urgent"):
    """The operator was not heard because it could not wait; why."""

    reason: Text


class OrderContent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The words of an order; whatever is still empty is told by `missing` before it is signed.

    `days` run from service; `part` says which part is to stop, empty for the whole factory.
    """

    facts: Text = ""
    law: Annotated[list[Line], Meta(max_length=100)] = []
    reasons: Text = ""
    required: Annotated[list[Required], Meta(max_length=200)] = []
    measures: Text = ""
    days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    hearing: Hearing | Urgency | None = None
    part: Text = ""
    appeal: Text = ""


class DraftOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A new order. It rests on confirmed findings (`breach`), or on danger without a breach.

    `visit` may be missing only where it is urgent; `follows` names the order that it goes on from
    (a stop after a breached order, a resumption after a stop), `corrects` the one that it replaces.
    """

    kind: OrderKind
    basis: Basis = "breach"
    premises: UUID
    licence: UUID | None = None
    visit: UUID | None = None
    follows: UUID | None = None
    corrects: UUID | None = None
    content: OrderContent


class FreshSignature(msgspec.Struct, forbid_unknown_fields=True, tag="fresh_authentication"):
    """`ticket` of a fresh authentication over `sha256`, the hash of what the signer was shown."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    ticket: Line


class WetInk(msgspec.Struct, forbid_unknown_fields=True, tag="wet_ink"):
    """The scan of the same words, signed on paper by the caller; uploaded as evidence before."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    evidence: UUID


Signature = FreshSignature | WetInk

# --- service (s.38) -----------------------------------------------------------------------------


class Received(msgspec.Struct, forbid_unknown_fields=True, tag="signature"):
    """Someone signed for it: the addressee, or an adult who lives or works there."""

    name: Said
    relation: Line = ""
    evidence: UUID | None = None


class Witnessed(msgspec.Struct, forbid_unknown_fields=True, tag="witness"):
    """It was laid down or posted before an administrative or police officer."""

    name: Said
    authority: Literal["administrative", "police"]
    evidence: UUID | None = None


class Posted(msgspec.Struct, forbid_unknown_fields=True, tag="post"):
    """Registered post with acknowledgement."""

    tracking_no: Said
    evidence: UUID | None = None


Capacity = Literal["addressee", "director", "attorney", "employee", "resident_adult"]
IN_PERSON: tuple[Capacity, ...] = ("addressee", "director", "attorney")
"""Who stands for the addressee; the others are adults who live or work there (s.38)."""


class CardRead(msgspec.Struct, forbid_unknown_fields=True, tag="card"):
    """The caller's own reading of the card of whoever received it, made for this order.

    A card proves who somebody is and no authority: in what `capacity` they received it is said
    beside it, with `evidence` such as a power of attorney.
    """

    reading: UUID
    capacity: Capacity
    relation: Line = ""
    evidence: UUID | None = None


Proof = Received | Witnessed | Posted | CardRead

How = Literal["personal", "refused", "adult", "posted", "registered_post", "not_found"]
PROOF_OF: dict[How, tuple[type[Proof], ...]] = {
    "personal": (Received, CardRead),
    "refused": (Witnessed,),
    "adult": (Received, CardRead),
    "posted": (Witnessed,),
    "registered_post": (Posted,),
    "not_found": (),
}
WAITS = ("posted", "registered_post")
"""Deemed served when five working days have passed; the others count at once."""
WAIT_WORKING_DAYS = 5
APPEAL_DAYS = 30
NOTICES = 3
TIMED = (OrderKind.correct, OrderKind.stop)
"""Kinds that give a time to mend; what is over it is overdue."""


class Place(msgspec.Struct, forbid_unknown_fields=True):
    """WGS 84 degrees and metres, as the phone claims."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: float | None = None


class ServeOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One attempt to serve; a failed one (`not_found`) is a fact of the case too."""

    how: How
    at: Moment
    place: Said
    position: Place | None = None
    proof: Proof | None = None
    evidence: Evidence = []


class Stay(msgspec.Struct, forbid_unknown_fields=True):
    """Who ordered that the order be stayed, and where that is written."""

    by: Literal["minister", "court"]
    reference: Said
    since: Moment | None = None
    left_s: float | None = None


class Breach(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The head's judgement: disobeyed wilfully, or seriously dangerous; either opens s.39."""

    wilful: bool
    serious_danger: bool
    reasons: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=NO_NUL)]
    penalty: str = ""


class Row(msgspec.Struct):
    """An order as stored; JSON columns as text."""

    id: UUID
    kind: OrderKind
    state: OrderState
    basis: str
    premises: UUID
    licence: UUID | None
    company: UUID | None
    province: str
    class_: int | None
    office: UUID
    visit: UUID | None
    follows: UUID | None
    corrects: UUID | None
    content: str
    drafted_by: UUID
    number: str | None
    signed_by: UUID | None
    signed_at: datetime | None
    content_hash: str | None
    signed_content: str | None
    served_at: datetime | None
    due_at: datetime | None
    appeal_until: datetime | None
    stay: str | None
    breach: str | None
    ended_at: datetime | None
    ended_why: str | None
    superseded_by: UUID | None
    document: UUID | None
    data_key: UUID
    version: int
