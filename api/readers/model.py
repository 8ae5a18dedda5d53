"""Bridges, desks, intents and readings: states, moves, and what each purpose may read and keep.

A reading proves that an enrolled device saw *something* in a reader answer with these bytes for
this nonce. It does not prove a genuine chip, nor that the holder is present, nor that the card is
still good. So it carries its evidence levels, and nobody says more than they do.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

import msgspec

from reader_bridge.fields import Field
from reader_bridge.messages import MAP_DESK
from reader_bridge.purposes import MOST


class BridgeState(StrEnum):
    active = "active"
    frozen = "frozen"
    revoked = "revoked"


B = BridgeState
BRIDGE_TH: Final[dict[str, str]] = {
    B.active: "ใช้งาน",
    B.frozen: "ระงับเพราะพบความผิดปกติ",
    B.revoked: "เพิกถอนแล้ว",
}
BRIDGE_MOVES: Final[dict[tuple[str, BridgeState], BridgeState]] = {
    ("freeze", B.active): B.frozen,
    ("revoke", B.active): B.revoked,
    ("revoke", B.frozen): B.revoked,
}
"""A frozen device never goes on under its key: it is revoked, and enrols anew."""


class EnrolmentState(StrEnum):
    pending = "pending"
    approved = "approved"
    refused = "refused"
    locked = "locked"  # five wrong fingerprints
    expired = "expired"


E = EnrolmentState
ENROLMENT_TH: Final[dict[str, str]] = {
    E.pending: "รออนุมัติ",
    E.approved: "อนุมัติแล้ว",
    E.refused: "ไม่อนุมัติ",
    E.locked: "ล็อก เพราะลายนิ้วมือของกุญแจผิดเกินกำหนด",
    E.expired: "หมดเวลา",
}
ENROLMENT_MOVES: Final[dict[tuple[str, EnrolmentState], EnrolmentState]] = {
    ("approve", E.pending): E.approved,
    ("refuse", E.pending): E.refused,
    ("lock", E.pending): E.locked,
    ("expire", E.pending): E.expired,
}


class IntentState(StrEnum):
    armed = "armed"
    delivered = "delivered"
    cancelled = "cancelled"
    expired = "expired"


I = IntentState  # noqa: E741 - as the other tables have theirs
INTENT_TH: Final[dict[str, str]] = {
    I.armed: "รอเสียบบัตร",
    I.delivered: "อ่านบัตรแล้ว",
    I.cancelled: "ยกเลิก",
    I.expired: "หมดเวลา",
}
INTENT_MOVES: Final[dict[tuple[str, IntentState], IntentState]] = {
    ("deliver", I.armed): I.delivered,
    ("cancel", I.armed): I.cancelled,
    ("expire", I.armed): I.expired,
}

INTENT_FOR: Final = timedelta(seconds=90)
ENROLMENT_FOR: Final = timedelta(minutes=15)
ENROLMENT_TRIES: Final = 5
TICKET_FOR: Final = timedelta(hours=12)
TICKETS_AT_ONCE: Final = 50
PASSED_ON_FOR: Final = timedelta(minutes=15)
"""So long after its arrival a reading is seen by the session that asked for it, and can be used."""
PASSED_ON_LATE_FOR: Final = timedelta(days=7)
"""The same for one that came offline: when the line is back its officer may have gone home for a
long weekend, and whoever showed the card cannot be asked to come again."""
INTENT_KEPT_FOR: Final = timedelta(days=30)
"""So long after its end an intent is kept; the reading that came of it and the audit trail stay."""
TICKET_KEPT_FOR: Final = timedelta(days=30)
"""So long at least after its end an offline ticket is kept, and for a device that was away since
until it is back and has stated what it read; the reading that came of it stays."""
STATEMENT_KEPT_FOR: Final = timedelta(days=90)
"""So long number, hash and outcome of a statement are. A device sends one again only until its next
connection; where its chain ends is kept for good, so a second history is found out all the same.
The data base lets nobody forget them sooner (migration 0029)."""
CLOCK_SKEW: Final = timedelta(minutes=5)
KNOWN_AGAIN: Final = timedelta(hours=4)
"""Readings this far apart are known to be of one card, also where the index key was rotated between
them. No way in the country needs longer."""


class Purpose(StrEnum):
    identify_complainant = "identify_complainant"
    serve_order = "serve_order"
    bind_account = "bind_account"
    confirm_officer = "confirm_officer"
    map_desk = MAP_DESK


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a purpose may read, and how long the record of a reading is kept.

    `fields` are the most that may be asked for, `needed` what is read when nothing is said.
    `about`: the kind of record that the reading must be for; None where that is known only later.
    `seen`: a document that an officer only saw will do.
    Of all that is read, the reading itself keeps the CID, sealed; names and addresses are kept by
    the record that it serves, if at all, and the photograph nowhere.
    """

    th: str
    fields: frozenset[Field]
    needed: frozenset[Field]
    about: str | None
    photo: bool
    seen: bool
    offline: bool
    keep: timedelta


F = Field
_WHO = frozenset((F.cid, F.name_th))
POLICIES: Final[dict[Purpose, Policy]] = {
    Purpose.identify_complainant: Policy(
        th="ยืนยันตัวผู้ร้องเรียนที่เคาน์เตอร์",
        fields=MOST["identify_complainant"],
        needed=_WHO,
        about=None,
        photo=True,
        seen=True,
        offline=True,
        keep=timedelta(days=365),
    ),
    Purpose.serve_order: Policy(
        th="พิสูจน์การรับคำสั่ง",
        fields=MOST["serve_order"],
        needed=_WHO | {F.expires},
        about="legal_order",
        photo=True,
        seen=True,
        offline=True,
        keep=timedelta(days=3650),
    ),
    Purpose.bind_account: Policy(
        th="ผูกบุคคลกับบัญชี i-Industry",
        fields=MOST["bind_account"],
        needed=_WHO | {F.name_en, F.expires},
        about=None,
        photo=True,
        seen=False,
        offline=False,
        keep=timedelta(days=3650),
    ),
    Purpose.confirm_officer: Policy(
        th="ยืนยันตัวเจ้าหน้าที่",
        fields=MOST["confirm_officer"],
        needed=_WHO | {F.expires},
        about="officer",
        photo=True,
        seen=False,
        offline=False,
        keep=timedelta(days=365),
    ),
    Purpose.map_desk: Policy(
        th="จับคู่เครื่องอ่านกับโต๊ะ",
        fields=MOST["map_desk"],
        needed=frozenset(),
        about="desk",
        photo=False,
        seen=False,
        offline=False,
        keep=timedelta(days=90),
    ),
}

Level = Literal["chip-bytes", "document-seen", "officer-face-match", "dopa-status", "rmac-online"]
"""What a reading proves, each on its own:

- `chip-bytes`: an enrolled device read these bytes from something in its reader;
- `document-seen`: no chip was read; the officer saw the document named and says so;
- `officer-face-match`: the officer compared photograph and person, as an act of their own;
- `dopa-status`: a register said that the card is not revoked;
- `rmac-online`: a register confirmed the chip itself.
"""

Confirmed = Literal["dopa-status", "rmac-online"]
"""The levels that come of a register's word."""

LEVEL_TH: Final[dict[Level, str]] = {
    "chip-bytes": "อ่านจากชิปของบัตรในเครื่องอ่านที่ลงทะเบียนไว้",
    "document-seen": "เจ้าหน้าที่เห็นเอกสาร ไม่ได้อ่านชิป",
    "officer-face-match": "เจ้าหน้าที่เทียบใบหน้ากับรูปแล้วตรงกัน",
    "dopa-status": "กรมการปกครองยืนยันสถานะบัตร",
    "rmac-online": "กรมการปกครองยืนยันชิปของบัตร",
}

Label = Literal["online", "offline", "seen"]
"""How a reading came: for an armed intent; by a ticket, without the server; or without a chip."""


def passed_on_for(label: Label) -> timedelta:
    """How long after its arrival a reading is shown and can be used."""
    return PASSED_ON_LATE_FOR if label == "offline" else PASSED_ON_FOR


Incident = Literal["fork", "rollback", "replay", "foreign", "gap"]
"""`fork`: two histories under one key; `rollback`: a device older than what it has said;
`replay`: another statement under a number that was used; `foreign`: a statement of another device,
reader, session or purpose than the intent's; `gap`: a device has receipts for statements that the
server does not have, because it was put back to an older state; the device goes on."""
