"""What a fleet of card readers is: requests, assets, what is asked and told of them.

A request is a line of a letter: so many readers for a unit. It has no serial numbers; `requested`
is therefore a state of the request, and a reader begins as `allocated`, with its serial.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from api.clock import Moment


class ReaderRequestState(StrEnum):
    requested = "requested"
    allocated = "allocated"  # in whole or in part
    withdrawn = "withdrawn"


class ReaderState(StrEnum):
    allocated = "allocated"  # จัดสรรแล้ว: it has a serial and is on its way
    distributed = "distributed"  # แจกจ่ายแล้ว: a unit holds it
    in_service = "in_service"  # ใช้งาน
    broken = "broken"  # ชำรุด
    lost = "lost"  # สูญหาย
    returned = "returned"  # ส่งคืน


REQUEST_MOVES: Final[dict[tuple[str, ReaderRequestState], ReaderRequestState]] = {
    ("allocate", ReaderRequestState.requested): ReaderRequestState.allocated,
    ("allocate", ReaderRequestState.allocated): ReaderRequestState.allocated,
    ("withdraw", ReaderRequestState.requested): ReaderRequestState.withdrawn,
}

MOVES: Final[dict[tuple[str, ReaderState], ReaderState]] = {
    ("confirm", ReaderState.allocated): ReaderState.distributed,
    ("confirm", ReaderState.lost): ReaderState.distributed,
    ("begin", ReaderState.distributed): ReaderState.in_service,
    ("fail", ReaderState.distributed): ReaderState.broken,
    ("fail", ReaderState.in_service): ReaderState.broken,
    ("repair", ReaderState.broken): ReaderState.distributed,
    **{
        ("lose", state): ReaderState.lost
        for state in (
            ReaderState.allocated,
            ReaderState.distributed,
            ReaderState.in_service,
            ReaderState.broken,
        )
    },
    ("find", ReaderState.lost): ReaderState.distributed,
    **{
        ("return", state): ReaderState.returned
        for state in (
            ReaderState.allocated,
            ReaderState.distributed,
            ReaderState.in_service,
            ReaderState.broken,
        )
    },
    ("reissue", ReaderState.returned): ReaderState.allocated,
}
Act = Literal["begin", "fail", "repair", "lose", "find", "return", "reissue"]
"""The moves of one reader at a desk; `confirm` is of many at once, by serial."""

STATE_TH: Final[dict[ReaderState, str]] = {
    ReaderState.allocated: "จัดสรรแล้ว",
    ReaderState.distributed: "แจกจ่ายแล้ว",
    ReaderState.in_service: "ใช้งาน",
    ReaderState.broken: "ชำรุด",
    ReaderState.lost: "สูญหาย",
    ReaderState.returned: "ส่งคืน",
}


def _listable() -> dict[ReaderState, frozenset[ReaderState]]:
    edges = [(a, b) for (verb, a), b in MOVES.items() if verb != "reissue"]
    found = {}
    for first in ReaderState:
        reached = {first}
        while more := {b for a, b in edges if a in reached} - reached:
            reached |= more
        found[first] = frozenset(reached)
    return found


LISTABLE: Final = _listable()
"""To which states a newer list may carry a reader: along any moves but `reissue`, which is an act
of the ministry's. A list tells the outcome, not each step."""


SERIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/:#+-]{0,79}")
_NOT_KEY: Final = re.compile(r"[^A-Za-z0-9]")
DIGITS: Final = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
BATCH: Final = 5_000
"""Serials of one request, rows of one commit: a long writer would hold back every phone's pull."""


def serial_key(text: str) -> str | None:
    """Letters and digits of a serial in capitals (as `reader_key` of the schema); None for none.

    Thai digits are read; 4 to 64 characters are one.
    """
    text = text.strip().translate(DIGITS)
    if not SERIAL.fullmatch(text):
        return None
    key = _NOT_KEY.sub("", text).upper()
    return key if 4 <= len(key) <= 64 else None


Text = Annotated[str, msgspec.Meta(max_length=200, pattern="^[^\\x00]*$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern="^[^\\x00]*$")]
Serial = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Serials = Annotated[list[Serial], msgspec.Meta(max_length=BATCH)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
AgencyCode = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,40}$")]

DifferenceKind = Literal[
    "never_confirmed",
    "confirmed_twice",
    "confirmed_elsewhere",
    "confirmed_unlisted",
    "seen_elsewhere",
    "seen_twice",
    "seen_unlisted",
    "seen_though_gone",
]
DIFFERENCE_TH: Final[dict[str, str]] = {
    "never_confirmed": "จัดสรรแล้วแต่ไม่มีหน่วยใดยืนยันว่าได้รับ",
    "confirmed_twice": "มีมากกว่าหนึ่งหน่วยยืนยันว่าได้รับเครื่องเดียวกัน",
    "confirmed_elsewhere": "หน่วยที่ยืนยันว่าได้รับ ไม่ใช่หน่วยที่ขึ้นทะเบียนไว้",
    "confirmed_unlisted": "หน่วยยืนยันว่าได้รับ แต่ไม่อยู่ในบัญชีใด",
    "seen_elsewhere": "พบใช้งานที่สำนักงานอื่นนอกจากที่ขึ้นทะเบียนไว้",
    "seen_twice": "พบหมายเลขเดียวกันใช้งานที่เครื่องคอมพิวเตอร์มากกว่าหนึ่งเครื่อง",
    "seen_unlisted": "พบใช้งาน แต่ไม่อยู่ในบัญชีใด",
    "seen_though_gone": "พบใช้งานหลังจากแจ้งว่าสูญหายหรือส่งคืนแล้ว",
}
DIFFERENCE_EN: Final[dict[str, str]] = {
    "never_confirmed": "allocated, but no unit has confirmed that it came",
    "confirmed_twice": "more than one unit has confirmed the same reader",
    "confirmed_elsewhere": "confirmed by another unit than it is registered for",
    "confirmed_unlisted": "confirmed by a unit, but on no list",
    "seen_elsewhere": "seen at work at another office than it is registered for",
    "seen_twice": "seen at more than one computer",
    "seen_unlisted": "seen at work, but on no list",
    "seen_though_gone": "seen at work after it was told lost or returned",
}


# --- what is asked ------------------------------------------------------------------------------


class ReaderAgencyEntry(msgspec.Struct, forbid_unknown_fields=True):
    name_th: Name
    name_en: Name


class Unit(msgspec.Struct, forbid_unknown_fields=True):
    """Where readers go: one of our offices by `office`, or a `unit` of an agency by its name.

    With `office`, the office's Thai name is the unit; `agency` may then be left out and is the
    ministry's.
    """

    agency: AgencyCode | None = None
    unit: Text = ""
    office: UUID | None = None


class ReaderRequestEntry(Unit, forbid_unknown_fields=True, kw_only=True):
    """A line of a letter: so many readers for a unit. `asked_on`: the letter's day in Bangkok."""

    document: Name
    asked_on: date
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class ReaderAllocation(msgspec.Struct, forbid_unknown_fields=True):
    """How many the ministry grants in all, and serials of those that are known."""

    allocated: Count
    serials: Serials = []
    model: Text = ""


class ReaderConfirmation(Unit, forbid_unknown_fields=True, kw_only=True):
    """What a unit holds in its hands, by serial."""

    serials: Annotated[list[Serial], msgspec.Meta(min_length=1, max_length=BATCH)]


class ReaderMove(msgspec.Struct, forbid_unknown_fields=True):
    """`replaced_by`: the reader that takes its place, where it broke or was returned."""

    act: Act
    note: Text = ""
    replaced_by: UUID | None = None


# --- what is told -------------------------------------------------------------------------------


class ReaderAgency(msgspec.Struct):
    code: str
    name_th: str
    name_en: str


class ReaderRequest(msgspec.Struct):
    """`serials`: how many readers with a serial came of it; `distributed`: that reached a unit."""

    id: UUID
    agency: str
    document: str
    unit: str
    office: UUID | None
    asked_on: date
    quantity: int
    allocated: int
    state: ReaderRequestState
    version: int
    created_at: Moment
    serials: int = 0
    distributed: int = 0


class ReaderAsset(msgspec.Struct):
    """One reader. `seen_*`: where a bridge last saw a reader of this serial; null: never."""

    id: UUID
    serial: str
    serial_key: str
    agency: str
    unit: str
    office: UUID | None
    request: UUID | None
    model: str
    note: str
    state: ReaderState
    state_at: Moment
    distributed_on: date | None
    replaced_by: UUID | None
    version: int
    seen_at: Moment | None = None
    seen_office: UUID | None = None
    seen_version: str | None = None


class Filters(msgspec.Struct, frozen=True):
    """Which readers; `serial` is the beginning of one in any writing.

    `unseen_since`: in service, and no bridge has seen them since.
    """

    agency: str | None = None
    office: UUID | None = None
    state: ReaderState | None = None
    serial: str | None = None
    request: UUID | None = None
    unseen_since: datetime | None = None


class ConfirmedSerial(msgspec.Struct):
    """`what`: confirmed, again (this unit had said so), or kept although `unlisted` or `elsewhere`:
    another unit has confirmed the same reader, too. Both are told to those who reconcile."""

    serial: str
    what: Literal["confirmed", "again", "unlisted", "elsewhere", "unreadable"]


class ReaderConfirmationAnswer(msgspec.Struct):
    confirmed: int
    again: int
    kept: int
    unreadable: int
    items: list[ConfirmedSerial]


class ReaderHappening(msgspec.Struct):
    """One thing that happened to a reader. `name`: `reader_asset.` and `listed` (how it came),
    `confirmed` (a unit's word), `granted` (to a letter, later), `relisted` (changed by a list),
    `moved`. `account`: who did it, null for an import by the command."""

    at: Moment
    name: str
    account: UUID | None
    facts: dict[str, str | int | bool | None]
