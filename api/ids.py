"""The one door to identifiers: UUID version 7 (RFC 9562), so that keys grow with time."""

from __future__ import annotations

from uuid import UUID

from uuid_utils import compat


def new() -> UUID:
    """A fresh UUIDv7."""
    return compat.uuid7()
