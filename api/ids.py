"""The one door to identifiers: UUID version 7 (RFC 9562), so that keys grow with time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

from uuid_utils import compat

_NAMES = UUID("3f0c5f5e-6c2b-5a57-9a55-5d6c1f5f3a10")


def new() -> UUID:
    """A fresh UUIDv7."""
    return compat.uuid7()


def first_at(moment: datetime) -> UUID:
    """The least that `new` can have given at `moment` (48 bits of milliseconds come first)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def of_text(name: str) -> UUID:
    """The same identifier for the same name, always (UUIDv5, RFC 9562)."""
    return uuid5(_NAMES, name)
