"""Images for documents: the screen form of evidence, which has no metadata and was made apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from api.db import Database, Tx
from api.evidence import content
from api.evidence import service as evidence
from api.evidence.model import EvidenceRow, EvidenceUnknown
from api.jobs import Later
from api.permissions import Worker
from api.storage import ObjectMissing

PAUSE: Final = timedelta(seconds=5)
PATIENCE: Final = timedelta(hours=1)
"""So long a document waits for a picture to be examined; after that it names it by its hash."""


async def of(db: Database, wanted: Sequence[UUID]) -> dict[UUID, bytes]:
    """Those of `wanted` that can be shown. Raises `Later` while one is still to be examined."""
    streams = {}
    async with db.read(Worker("document.render")) as tx:
        for id in wanted:
            try:
                row = await evidence.one(tx, id)
            except EvidenceUnknown:
                continue
            if row.screen is not None:
                streams[id] = await evidence.seen_as(tx, id, "screen")
            elif row.found is None and row.media in content.PICTURES and _young(tx, row):
                raise Later(PAUSE)
    found = {}
    for id, stream in streams.items():
        try:
            found[id] = b"".join([chunk async for chunk in stream])
        except ObjectMissing:
            continue
    return found


def _young(tx: Tx, row: EvidenceRow) -> bool:
    return tx.now - row.received_at < PATIENCE
