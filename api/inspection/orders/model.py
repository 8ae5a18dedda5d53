"""Legal orders under the Factory Act B.E. 2535: kinds, states, moves, and what an order says."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.problems import Conflict, Invalid, NotFound


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

_IN_FORCE = (S.served, S.overdue, S.breached)
MOVES: dict[tuple[str, OrderState], OrderState] = {
    ("redraft", S.draft): S.draft,
    ("discard", S.draft): S.discarded,
    ("sign", S.draft): S.signed,
    ("attempt", S.signed): S.signed,
    ("serve", S.signed): S.served,
    ("revoke", S.signed): S.revoked,
    ("supersede", S.signed): S.superseded,
    ("run_out", S.served): S.overdue,
    ("extend", S.served): S.served,
    ("extend", S.overdue): S.served,
    ("find_breach", S.overdue): S.breached,
    # A stop or a closure is disobeyed at once; a time to correct must first run out.
    ("find_disobeyed", S.served): S.breached,
    **{("claim_correction", state): state for state in _IN_FORCE},
    **{("verify", state): state for state in _IN_FORCE},
    **{("comply", state): S.complied for state in _IN_FORCE},
    **{("supersede", state): S.superseded for state in _IN_FORCE},
    **{("revoke", state): S.revoked for state in _IN_FORCE},
    **{("stay", state): state for state in _IN_FORCE},
    **{("end_stay", state): state for state in _IN_FORCE},
    **{("file_appeal", state): state for state in (*_IN_FORCE, S.complied)},
    **{("uphold", state): state for state in (*_IN_FORCE, S.complied)},
    **{("annul", state): S.annulled for state in (*_IN_FORCE, S.complied)},
    **{("notice", state): state for state in (S.signed, *_IN_FORCE)},
    **{("ask_sealing", state): state for state in (S.signed, *_IN_FORCE)},
}
"""(verb, state) → state. Appeals and stays do not move an order; they stand beside it (s.41)."""

SHOWN = (*_IN_FORCE, S.complied, S.superseded, S.revoked, S.annulled)
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
    ("lift", Z.sealed): Z.lifted,
}

# --- what an order says -------------------------------------------------------------------------

NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Meta(max_length=20_000, pattern=NO_NUL)]
Line = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
Moment = Annotated[datetime, Meta(tz=True)]


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
    law: list[Line] = []
    reasons: Text = ""
    required: list[Required] = []
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
    ticket: str


Signature = FreshSignature

# --- service (s.38) -----------------------------------------------------------------------------


class Received(msgspec.Struct, forbid_unknown_fields=True, tag="signature"):
    """Someone signed for it: the addressee, or an adult who lives or works there."""

    name: Line
    relation: Line = ""
    evidence: UUID | None = None


class Witnessed(msgspec.Struct, forbid_unknown_fields=True, tag="witness"):
    """It was laid down or posted before an administrative or police officer."""

    name: Line
    authority: Literal["administrative", "police"]
    evidence: UUID | None = None


class Posted(msgspec.Struct, forbid_unknown_fields=True, tag="post"):
    """Registered post with acknowledgement."""

    tracking_no: Line
    evidence: UUID | None = None


Proof = Received | Witnessed | Posted
"""Open for one more: a card in a reader."""

How = Literal["personal", "refused", "adult", "posted", "registered_post", "not_found"]
PROOF_OF: dict[str, type[Proof] | None] = {
    "personal": Received,
    "refused": Witnessed,
    "adult": Received,
    "posted": Witnessed,
    "registered_post": Posted,
    "not_found": None,
}
WAITS = ("posted", "registered_post")
"""Deemed served when five working days have passed; the others count at once."""
WAIT_WORKING_DAYS = 5
APPEAL_DAYS = 30
NOTICES = 3


class Place(msgspec.Struct, forbid_unknown_fields=True):
    """WGS 84 degrees and metres, as the phone claims."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: float | None = None


class ServeOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One attempt to serve; a failed one (`not_found`) is a fact of the case too."""

    how: How
    at: Moment
    place: Line
    position: Place | None = None
    proof: Proof | None = None
    evidence: list[UUID] = []


class Stay(msgspec.Struct, forbid_unknown_fields=True):
    """Who ordered that the order be stayed, and where that is written."""

    by: Literal["minister", "court"]
    reference: Line
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
    stayed_for: timedelta
    breach: str | None
    ended_at: datetime | None
    ended_why: str | None
    document: UUID | None
    data_key: UUID
    version: int


# --- problems -----------------------------------------------------------------------------------


class OrderNotFound(
    NotFound, code="inspection/no-such-order", th="ไม่พบคำสั่งนี้", en="There is no such order"
):
    """No such order, or none that the caller may know of."""


class OrderExists(
    Conflict,
    code="inspection/order-exists",
    th="มีคำสั่งรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="An order with this id exists with other content",
    constraints=("legal_order_pkey",),
):
    """The id was used before, for something else."""


class OrderSealed(
    Conflict,
    code="inspection/order-state",
    th="คำสั่งอยู่ในสถานะ “{state_th}” จึงทำรายการนี้ไม่ได้",
    en="The order is {state}; that cannot be done",
):
    """The table of moves has no such move from the state that the order is in."""

    def __init__(self, state: str = "", **facts: Any) -> None:
        super().__init__(state=state, state_th=STATE_TH.get(state, state), **facts)


class SubjectUnknown(
    Invalid,
    code="inspection/order-subject",
    th="ไม่พบสถานที่ ใบอนุญาต การตรวจ คำสั่งเดิม หรือข้อบกพร่องที่อ้างถึง",
    en="The premises, licence, visit, earlier order or finding named does not exist or differs",
    constraints=(
        "legal_order_premises",
        "legal_order_licence",
        "legal_order_visit",
        "legal_order_follows",
        "order_finding_finding",
    ),
):
    """An order is of one licence; what it names is of the same site, and the caller may see it."""


class OrderIncomplete(
    Conflict,
    code="inspection/order-incomplete",
    th="คำสั่งยังไม่ครบถ้วน ลงนามไม่ได้",
    en="The order is not complete and cannot be signed",
):
    """`missing` says what is not there."""


class OrderDiffers(
    Conflict,
    code="inspection/order-differs",
    th="ข้อความที่ลงนามไม่ตรงกับคำสั่งปัจจุบัน โปรดเปิดดูใหม่",
    en="What was signed is not what the order says now; look at it again",
):
    """The hash is not that of what the signing view shows to this signer now."""


class ProofWrong(
    Invalid,
    code="inspection/service-proof",
    th="หลักฐานการแจ้งคำสั่งไม่ตรงกับวิธีการแจ้ง",
    en="The proof does not fit the way of service",
):
    """s.38: signature for personal and adult, witness for refused and posted, post for post."""


class NoticesMissing(
    Conflict,
    code="inspection/notices-missing",
    th="ต้องปิดประกาศคำสั่งอย่างน้อย {needed} แห่ง (ปิดแล้ว {posted})",
    en="The order must be posted in at least {needed} places (posted: {posted})",
):
    """Factory Act s.40: stop and closure orders only."""


class NotForThisKind(
    Conflict,
    code="inspection/order-kind",
    th="คำสั่งประเภทนี้ไม่มีขั้นตอนนี้",
    en="There is no such step for this kind of order",
):
    """Sealing and correcting belong to s.37, notices to stop and closure."""


class NotLater(
    Invalid,
    code="inspection/not-later",
    th="กำหนดใหม่ต้องอยู่หลังกำหนดเดิม",
    en="The new time must be later than the one before",
    constraints=("order_extension_later",),
):
    """An extension extends."""


class SealingNotFound(
    NotFound,
    code="inspection/no-such-sealing",
    th="ไม่พบการผูกมัดประทับตรานี้",
    en="There is no such sealing",
):
    """No sealing of that id on this order."""


class WrongSealingState(
    Conflict,
    code="inspection/sealing-state",
    th="การผูกมัดประทับตราอยู่ในสถานะ {state} จึงทำรายการนี้ไม่ได้",
    en="The sealing is {state}; that cannot be done",
):
    """The table of moves has no such move from the state that the sealing is in."""
