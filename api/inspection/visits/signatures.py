"""Who signed for the factory, or refused to: sealed under the visit's key."""

from __future__ import annotations

from collections.abc import Sequence
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


def standing(rows: Sequence[SignatureRow]) -> list[SignatureRow]:
    """What a document shows: of each inspector the latest, of the factory's side all of them."""
    latest: dict[UUID, SignatureRow] = {}
    for row in rows:
        if not row.late and (row.officer is not None or row.who != "inspector"):
            latest[row.officer or row.operation] = row
    return list(latest.values())
