"""Wire shapes of oversight: never what was read, never a number, a name or a keyed hash."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

import msgspec

from api.clock import Moment
from api.readers.model import Incident, Purpose
from api.readers.views import ReadingLine


class Count(msgspec.Struct):
    """Readings of one officer for one purpose on one day in Bangkok. `seen`: without a chip."""

    day: date
    account: UUID
    purpose: Purpose
    taken: int
    used: int
    seen: int
    offline: int
    face_compared: int
    face_differs: int


class Crossing(msgspec.Struct, kw_only=True):
    """One card at two offices, sooner than anybody gets from one to the other.

    `km` lies between the nearest seats of the two offices' provinces, less 20 km for what they are
    rounded by. `needed_min` is the time for it: in a straight line at 120 km/h, or 90 minutes and
    then 700 km/h, whichever is less. `minutes` lie between the two readings: as the server received
    them; where one came offline as its device's clock says, which may be wrong within its ticket's
    twelve hours, and at the latest when it came. `matched`: the number on the card, the serial of
    its chip, or both were the same, also where the index key was rotated between the two. Each
    reading is told once, with the one before it, up to four hours, that it fits least with. An
    office without a province is not judged, and hides nothing.
    """

    id: UUID
    earlier: ReadingLine
    later: ReadingLine
    matched: list[Literal["cid", "chip"]]
    km: float
    minutes: float
    needed_min: float


class Unused(msgspec.Struct, kw_only=True):
    """Of an officer's readings to serve an order or identify a complainant at one office, how many
    served nothing within the hour; those whose face differed are left out. `rate`: 0 to 1."""

    account: UUID
    office: UUID
    taken: int
    unused: int
    rate: float


class DayAct(msgspec.Struct):
    """What an officer did, or had read for them (`reading.taken`), about a record."""

    id: UUID
    at: Moment
    what: str
    kind: str
    record: UUID
    purpose: Purpose | None
    desk: UUID | None


class IncidentCount(msgspec.Struct):
    """Incidents of one device of one kind; `unlooked`: at which nobody has looked."""

    bridge: UUID
    bridge_name: str
    office: UUID
    kind: Incident
    count: int
    unlooked: int
    last_at: Moment
