"""Desks, and which reader stands on which."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from api import events, permissions
from api.db import Tx
from api.problems import Stale
from api.readers import views
from api.readers.bridges import attached, reach
from api.readers.bridges.queries import IN_REACH
from api.readers.desks import queries
from api.readers.problems import DeskExists, DeskHeld, DeskNotFound, ReaderElsewhere

READ: Final = "desk.read"
EDIT: Final = "desk.edit"


async def desk(tx: Tx, id: UUID, verb: str = READ) -> views.Desk:
    """Raises `DeskNotFound`."""
    row = await queries.desk(tx, tx.now - IN_REACH, id, reach.office(tx.actor, verb))
    if row is None:
        raise DeskNotFound()
    return views.Desk(**msgspec.structs.asdict(row))


async def desks(
    tx: Tx, office: UUID | None, ready: bool | None, after: UUID | None, limit: int
) -> list[views.Desk]:
    """`ready`: only those where a card can be read now, or only the others."""
    reached = reach.office(tx.actor, READ)
    rows = await queries.desks(tx, tx.now - IN_REACH, reached, office, ready, after, limit)
    return [views.Desk(**msgspec.structs.asdict(row)) for row in rows]


async def put(tx: Tx, id: UUID, wanted: views.PutDesk) -> views.Desk:
    """Makes a desk under the sender's id; the same again changes nothing.

    Raises `OfficeOutOfReach`, `DeskExists`, and `DeskNotFound` for one out of reach.
    """
    office, name = await reach.chosen(tx, EDIT, wanted.office), wanted.name.strip()
    await tx.lock([id])
    if await queries.is_used(tx, id):
        found = await desk(tx, id, EDIT)
        if (found.office, found.name) != (office, name):
            raise DeskExists()
        return found
    await queries.insert(tx, id, office, name)
    await events.record(tx, "desk.made", "desk", id, facts={"office": office})
    return await desk(tx, id, EDIT)


async def rename(tx: Tx, id: UUID, name: str, version: int) -> views.Desk:
    """Raises `DeskNotFound`, `Stale`, `DeskExists` where another has the name."""
    await _held(tx, id, version)
    await queries.rename(tx, id, name.strip())
    await events.record(tx, "desk.edited", "desk", id)
    return await desk(tx, id, EDIT)


async def end(tx: Tx, id: UUID, version: int) -> None:
    """The desk is no more; who waits for a card there is told. Raises `DeskNotFound`, `Stale`."""
    found = await _held(tx, id, version)
    await attached.unmap(tx, [found.reader] if found.reader else [], "desk_ended")
    await queries.end(tx, id)
    await events.record(tx, "desk.ended", "desk", id)


async def unmap(tx: Tx, id: UUID) -> views.Desk:
    """Takes the reader off the desk; where there is none nothing changes. Raises `DeskNotFound`."""
    await tx.lock([id])
    found = await desk(tx, id, EDIT)
    await attached.unmap(tx, [found.reader] if found.reader else [], "asked")
    return await desk(tx, id, EDIT)


async def check_free(tx: Tx, desk: UUID, reader: UUID, account: UUID | None) -> None:
    """Before `mapped`: what `account` may put on the desk. Raises `DeskNotFound`,
    `ReaderElsewhere`, and `DeskHeld` for a colleague's desk or reader, unless they edit desks."""
    await tx.lock([desk])
    pair = await queries.pair(tx, desk, reader)
    if pair is None:
        raise DeskNotFound()
    if not pair.here:
        raise ReaderElsewhere()
    if pair.held and not await queries.has_role(tx, account, list(permissions.PERMISSIONS[EDIT])):
        raise DeskHeld()


async def mapped(tx: Tx, desk: UUID, reader: UUID, account: UUID) -> None:
    """A card that was put into `reader` for `desk`, as `account` had asked.

    The reader leaves the desk where it was, and the desk the reader that it had. Called under the
    lock of the device. Raises `DeskNotFound`, `ReaderElsewhere`.
    """
    await tx.lock([desk])
    pair = await queries.pair(tx, desk, reader)
    if pair is None:
        raise DeskNotFound()
    if not pair.here:
        raise ReaderElsewhere()
    if pair.now != reader:
        await attached.unmap(tx, [r for r in (reader, pair.now) if r is not None], "mapped_anew")
    await queries.set_reader(tx, desk, reader, account)
    facts = {"reader": reader, "account": account}
    await events.record(tx, "desk.mapped", "desk", desk, facts=facts)


async def _held(tx: Tx, id: UUID, version: int) -> views.Desk:
    await tx.lock([id])
    found = await desk(tx, id, EDIT)
    if found.version != version:
        raise Stale(current=found.version)
    return found
