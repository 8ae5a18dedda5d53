"""What can be read from a Thai national ID card, as both ends speak of it. Pure shapes.

Nothing on the card is signed by it: a value is what some chip answered, no more. Texts are as they
stand on the card, TIS-620 decoded; a byte that TIS-620 does not define becomes U+FFFD and is told
in `CardText.odd`. Dates are of the Common Era; the card itself speaks the Buddhist Era.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

Line = Annotated[str, Meta(max_length=200)]


class Field(StrEnum):
    """A field that an intent may ask for. The photo is asked for apart."""

    cid = "cid"
    name_th = "name_th"
    name_en = "name_en"
    birth = "birth"
    sex = "sex"
    address = "address"
    issuer = "issuer"
    issuer_code = "issuer_code"
    issued = "issued"
    expires = "expires"
    card_type = "card_type"
    request_no = "request_no"
    photo_no = "photo_no"
    version = "version"
    laser_no = "laser_no"


class Name(msgspec.Struct, frozen=True, kw_only=True):
    prefix: Line = ""
    first: Line = ""
    middle: Line = ""
    last: Line = ""


class PartialDate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Month or day may be unknown (00 on the card)."""

    year: Annotated[int, Meta(ge=1800, le=2400)]
    month: Annotated[int, Meta(ge=1, le=12)] | None = None
    day: Annotated[int, Meta(ge=1, le=31)] | None = None


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The eight parts of the card's address; `unlabelled` is the one that no source names."""

    house: Line = ""
    village: Line = ""
    lane: Line = ""
    road: Line = ""
    unlabelled: Line = ""
    subdistrict: Line = ""
    district: Line = ""
    province: Line = ""


class CardText(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of one card that were asked for; all others are None.

    `no_expiry`: the card says that it never expires (99999999, 99991231), `expires` is then None.
    `odd` names what was strange and where: `name_th:undefined-bytes`, `birth:not-a-date`,
    `cid:check-digit`, …
    """

    cid: Annotated[str, Meta(max_length=13)] | None = None
    name_th: Name | None = None
    name_en: Name | None = None
    birth: PartialDate | None = None
    sex: Annotated[str, Meta(max_length=7)] | None = None
    """`male`, `female`, or the character on the card."""
    address: Address | None = None
    issuer: Line | None = None
    issuer_code: Line | None = None
    issued: PartialDate | None = None
    expires: PartialDate | None = None
    no_expiry: bool | None = None
    card_type: Line | None = None
    request_no: Line | None = None
    photo_no: Line | None = None
    version: Line | None = None
    laser_no: Line | None = None
    odd: tuple[Line, ...] = ()


class Fault(StrEnum):
    """Why a reading came to nothing. Each has words for people in `reader_bridge.texts`."""

    card_left = "card-left"  # it lay in the reader before it was asked for
    card_removed = "card-removed"
    card_changed = "card-changed"  # the brackets differ: another card, or another chip
    card_silent = "card-silent"  # no answer
    not_a_thai_id = "not-a-thai-id"
    card_damaged = "card-damaged"  # lengths that lie, no end, NULs where a number must be
    reader_busy = "reader-busy"  # another program holds the card
    reader_gone = "reader-gone"
    service_gone = "service-gone"  # PC/SC itself
    two_cards = "two-cards"  # where one was to show which reader it is
    timed_out = "timed-out"
    cancelled = "cancelled"
    server_not_pinned = "server-not-pinned"
    asked_too_much = "asked-too-much"  # more than the purpose may read: nothing is read
    failed = "failed"
