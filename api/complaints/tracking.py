"""The tracking code: made by the sender, kept as a keyed index, it opens one complaint."""

from __future__ import annotations

from uuid import UUID

import msgspec

from api import codes, limits, sealed
from api.complaints.problems import CodeWrong, SecretUnreadable
from api.db import Database, Tx
from api.permissions import Tracking

PURPOSE = "complainant.secret"
_TRIES, _TRIES_PER_S = 30, 30 / 3600
"""Wrong codes of one network: guessing 130 bits is hopeless, but it need not be free."""


class _Opened(msgspec.Struct):
    complaint: UUID
    complainant: UUID


def read(secret: str) -> str:
    """The code with its check character. Raises `SecretUnreadable`."""
    found = codes.read(secret, codes.SECRET)
    if found is None:
        found = codes.completed(secret, codes.SECRET)
    if found is None:
        raise SecretUnreadable()
    return found


def index(code: str) -> bytes:
    """What is stored of it."""
    return sealed.index(PURPOSE, code)


async def authenticate(typed: str, db: Database, network: str) -> Tracking:
    """The holder of the code; raises `CodeWrong`, and `TooFast` after many wrong ones."""
    try:
        found = await _opened(db, sealed.indexes(PURPOSE, read(typed)))
    except SecretUnreadable:
        found = None
    if found is None:
        async with db.begin() as tx:
            await limits.take(
                tx,
                limits.named("tracking", network),
                capacity=_TRIES,
                per_second=_TRIES_PER_S,
            )
        raise CodeWrong()
    return Tracking(found.complaint, found.complainant)


async def _opened(db: Database, secrets: list[bytes]) -> _Opened | None:
    async with db.read() as tx:
        return await opened(tx, secrets)


async def opened(tx: Tx, secrets: list[bytes]) -> _Opened | None:
    """What one of these stored secrets opens."""
    return await tx.maybe_one(
        _Opened, "select complaint, id from complainant where secret = any ($1::bytea[])", secrets
    )
