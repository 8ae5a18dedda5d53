"""Images for documents, by evidence id."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.db import Database


async def of(db: Database, evidence: Sequence[UUID]) -> dict[UUID, bytes]:
    """None yet: evidence is not here. A document names it with its SHA-256 all the same."""
    return {}
