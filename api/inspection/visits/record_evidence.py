"""Drawn signatures as the record of a visit shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from api.documents import contents as c
from api.evidence import content
from api.evidence.model import EvidenceRow
from api.inspection.visits.record_queries import OfficerName
from api.inspection.visits.signature_queries import SignatureRow
from api.inspection.visits.signatures import standing
from api.inspection.visits.views import Signatory

_INSPECTOR = ("ผู้ตรวจ", "Inspector")
_FACTORY = ("ผู้แทนโรงงาน", "For the factory")
_DRAWN = ("ลงลายมือชื่อบนอุปกรณ์", "drawn on a device")
_WITHOUT = ("ไม่มีภาพลายมือชื่อ", "no image of the signature")
_REFUSED = ("ไม่ยินยอมลงลายมือชื่อ", "refused to sign")


def signatures(
    lead: c.Signature,
    lead_account: UUID,
    rows: Sequence[SignatureRow],
    said: Mapping[UUID, Signatory],
    officers: Mapping[UUID, OfficerName],
    images: Mapping[UUID, EvidenceRow],
    language: c.Language,
    *,
    factory_side: bool,
) -> list[c.Signature]:
    """The lead's first, who signed by submitting, then the other inspectors', then the factory's.

    `images` is the visit's evidence: an image that is not among it is not shown. Without
    `factory_side` who signed for the factory is left out.
    """
    english = language == "en"
    found = [lead]
    for row in standing(rows):
        if row.officer is None:
            continue
        if row.officer == lead_account:
            _draw(lead, row, images, english, besides=lead.how)
            continue
        officer = officers.get(row.officer)
        other = c.Signature(
            role=_INSPECTOR[english],
            name=officer.name if officer else "–",
            position=officer.position if officer else "",
        )
        found.append(_draw(other, row, images, english))
    for row in standing(rows) if factory_side else ():
        if row.officer is not None:
            continue
        who = said.get(row.operation) or Signatory(row.operation)
        part = c.Signature(role=_FACTORY[english], name=who.name, position=who.capacity)
        found.append(_draw(part, row, images, english))
        if row.who == "refused":
            part.how = ": ".join(text for text in (_REFUSED[english], who.reason) if text)
    return found


def _draw(
    part: c.Signature,
    row: SignatureRow,
    images: Mapping[UUID, EvidenceRow],
    english: bool,
    *,
    besides: str = "",
) -> c.Signature:
    image = images.get(row.evidence) if row.evidence else None
    part.at = part.at or c.moment(row.signed_at or row.received_at)
    how = (_DRAWN if image else _WITHOUT)[english]
    part.how = " · ".join(text for text in (how, besides) if text)
    if image is not None:
        part.sha256 = image.sha256.hex()
        part.image = image.id if image.media in content.PICTURES else None
    return part
