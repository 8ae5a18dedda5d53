"""Whether there is anything to be done with a card for the record that it is read for.

Asked before anybody puts a card in; what the card is used for asks again. The features that use
readings lie above this one: the composition root says how each purpose is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from api.db import Tx
from api.readers.model import Purpose

Check = Callable[[Tx, UUID], Awaitable[None]]
"""Raises what the use of a reading for this record would raise now."""

_checks: Mapping[Purpose, Check] | None = None


def ask(checks: Mapping[Purpose, Check]) -> None:
    """Gives this process the map purpose → check; whoever serves requests calls it once."""
    global _checks
    _checks = checks


async def check(tx: Tx, purpose: Purpose, about: UUID | None) -> None:
    """Raises what the purpose's own check raises; a purpose without one is for any record."""
    if _checks is None:
        raise RuntimeError("abouts.ask was not called: cards would be read for nothing")
    if about is not None and purpose in _checks:
        await _checks[purpose](tx, about)
