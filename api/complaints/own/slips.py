"""The slip of paper for somebody who told a complaint at a desk or on the phone.

The code comes with the request and goes with the page: nothing of it is kept.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from api import codes, limits, permissions, sealed, settings
from api.clock import bangkok_date
from api.complaints import queries, reading, tracking
from api.complaints.problems import ComplaintNotFound
from api.complaints.views import Secret
from api.db import Tx
from api.documents import rendering
from api.permissions import EVERYTHING, Session, Tracking

TEMPLATE = "complaint_slip"
_TRIES, _TRIES_PER_S = 60, 60 / 3600


class SlipWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tracking code as the officer has it before them."""

    code: Secret


class Slip(msgspec.Struct):
    """What is printed; days in Bangkok."""

    number: str
    code: str
    groups: list[str]
    received_on: str
    answer_by: str
    office_th: str
    office_en: str
    page: str
    address: str


async def asked(tx: Tx) -> None:
    """Bounds how many codes an officer may try. In a transaction of its own. Raises `TooFast`."""
    permissions.reaches(tx.actor, "complaint_slip.print")
    assert isinstance(tx.actor, Session)
    bucket = f"slip:{tx.actor.account}"
    await limits.take(tx, bucket, capacity=_TRIES, per_second=_TRIES_PER_S)


async def of(tx: Tx, wanted: SlipWanted) -> Slip:
    """What the slip of that code says. Raises `SecretUnreadable` and `ComplaintNotFound`."""
    code = tracking.read(wanted.code)
    opened = await tracking.opened(tx, sealed.indexes(tracking.PURPOSE, code))
    if opened is None:
        raise ComplaintNotFound()
    (complaint,) = await queries.complaints(tx, [opened.complaint], EVERYTHING)
    own = await reading.own(tx, Tracking(opened.complaint, opened.complainant))
    base = settings.current().base_url
    return Slip(
        number=complaint.shown_number,
        code=code,
        groups=codes.shown(code).split("-"),
        received_on=bangkok_date(own.received_at).isoformat(),
        answer_by=bangkok_date(own.answer_by).isoformat() if own.answer_by else "",
        office_th=own.office_th,
        office_en=own.office_en,
        page=urlsplit(base).netloc + "/track",
        address=f"{base}/track#{codes.shown(code)}",
    )


def pdf(slip: Slip, **options: Any) -> bytes:
    """One page; takes some hundredths of a second of the CPU: in a thread.

    The code stands behind `#` in the address: no server, and no log, is told it by a scan.
    """
    made: bytes = rendering.sheet(TEMPLATE, msgspec.structs.asdict(slip), slip.address, **options)
    return made
