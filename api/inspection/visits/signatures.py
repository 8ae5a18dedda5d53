"""Who signed for the factory, or refused to: sealed under the visit's key."""

from __future__ import annotations

from collections.abc import Container, Sequence
from uuid import UUID

import msgspec

from api import sealed
from api.db import Tx
from api.inspection.visits.model import VisitRow
from api.inspection.visits.signature_queries import SignatureRow
from api.inspection.visits.views import Signatory

_signatory = msgspec.json.Decoder(Signatory)


async def opened(tx: Tx, rows: Sequence[SignatureRow], purpose: str) -> dict[UUID, Signatory]:
    """Operation → who signed or refused, of those that say it; opening the seals is an event.

    Raises `sealed.Erased`.
    """
    closed = [sealed.Sealed(_cell(r.operation), r.said) for r in rows if r.said is not None]
    texts = await sealed.unseal_many(tx, closed, purpose=purpose) if closed else []
    found = [_signatory.decode(text) for text in texts]
    return {each.operation: each for each in found}


async def seal(tx: Tx, visit: VisitRow, said: Signatory) -> bytes:
    text = msgspec.json.encode(said).decode()
    return await sealed.seal(tx, visit.data_key, _cell(said.operation), text)


def _cell(operation: UUID) -> sealed.Cell:
    return sealed.Cell("visit_signature", "said", operation)


def standing(rows: Sequence[SignatureRow], images: Container[UUID]) -> list[SignatureRow]:
    """What a document shows: of each inspector one, of the factory's side all of them.

    What an inspector sent goes before what somebody else sent for them, then what has its image
    among `images` before what has none, then the latest.
    """
    found: dict[UUID, SignatureRow] = {}
    for row in rows:
        if row.late or (row.officer is None and row.who == "inspector"):
            continue
        before = found.get(row.officer or row.operation)
        if before is None or _weight(row, images) >= _weight(before, images):
            found[row.officer or row.operation] = row
    return list(found.values())


def _weight(row: SignatureRow, images: Container[UUID]) -> tuple[bool, bool]:
    return row.author == row.officer, row.evidence is not None and row.evidence in images
