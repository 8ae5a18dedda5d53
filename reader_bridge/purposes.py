"""What each purpose may read of a card at most: the server asks no more, and a PC reads no more.

Both ends import it, so that neither a server that was taken over nor a mistake in one of them has a
desk PC read what the purpose on the officer's screen does not need.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from reader_bridge.fields import Field

F = Field
_WHO: Final = frozenset((F.cid, F.name_th))
MOST: Final[Mapping[str, frozenset[Field]]] = {
    "identify_complainant": _WHO | {F.address, F.expires},
    "serve_order": _WHO | {F.address, F.expires},
    "bind_account": _WHO | {F.name_en, F.birth, F.expires},
    "confirm_officer": _WHO | {F.expires},
    "map_desk": frozenset(),
}
"""Purpose → fields; a purpose that is not here reads nothing."""


def within(purpose: str, fields: Collection[Field], *, photo: bool = False) -> bool:
    """Whether that is no more than `purpose` may read; a photograph goes with a name only."""
    most = MOST.get(purpose)
    return most is not None and most.issuperset(fields) and (bool(most) or not photo)
