"""What an administrator writes beside complaints: routes, appointed local bodies, blocks."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment
from api.complaints.views import NO_NUL, Line

Province = Annotated[str, Meta(pattern="^[0-9]{2}$", max_length=2)]
Class = Annotated[int, Meta(ge=1, le=3)]
Said = Annotated[str, Meta(min_length=1, max_length=500, pattern=NO_NUL)]


class Route(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A rule that leads complaints to an office. What is null fits any; the lowest priority wins.

    `to_kind` is the office of that kind that belongs to the province (of DIW, IEAT and the ministry
    the one there is); a local body only while it is appointed for the class (s.11/1).
    """

    priority: Annotated[int, Meta(ge=0, le=10_000)]
    province: Province | None = None
    category: Annotated[str, Meta(max_length=40)] | None = None
    in_estate: bool | None = None
    classes: Annotated[list[Class], Meta(min_length=1, max_length=3)] | None = None
    emergency: bool | None = None
    to_kind: Literal["pio", "diw", "ieat", "ministry", "local"] | None = None
    to_office: UUID | None = None
    note: Line = ""


class StoredRoute(Route, kw_only=True):
    """A rule as stored."""

    id: UUID
    version: int


class Appointment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A local body that answers for classes 1 and 2 in a province, and for how long (s.11/1)."""

    office: UUID
    province: Province
    classes: Annotated[list[Annotated[int, Meta(ge=1, le=2)]], Meta(min_length=1, max_length=2)]
    instrument: Said
    valid_from: date
    valid_to: date | None = None


class StoredAppointment(Appointment, kw_only=True):
    id: UUID


class Block(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """For how many days nothing is taken from the account and device of a complaint, and why.

    `network`: nor from the address that it came from, for 24 hours at most. Whole villages share
    one, so it is for floods alone.
    """

    reason: Said
    days: Annotated[int, Meta(ge=1, le=90)] = 7
    network: bool = False


class Blocked(msgspec.Struct):
    """How many senders are blocked, and until when; an earlier, longer block stands.

    `until` is that of account and device, null where neither is known.
    """

    senders: int
    until: Moment | None
    network_until: Moment | None = None
