"""A desk as other verbs need it: within reach, in service, with the reader on it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from api.db import Tx
from api.readers.bridges import reach
from api.readers.problems import DeskNotFound


class DeskRow(msgspec.Struct):
    """`seen`: the reader is attached; `live`: its bridge is in service."""

    id: UUID
    office: UUID
    reader: UUID | None
    reader_name: str | None
    seen: bool
    bridge: UUID | None
    live: bool


async def one(tx: Tx, id: UUID, verb: str) -> DeskRow:
    """The desk, of the caller's own office unless `verb` reaches all. Raises `DeskNotFound`."""
    found = await tx.maybe_one(
        DeskRow,
        """
        select d.id, d.office, d.reader, r.name, coalesce(r.seen, false), r.bridge,
            coalesce(b.state = 'active', false)
        from desk d
            left join bridge_reader r on r.id = d.reader
            left join bridge b on b.id = r.bridge
        where d.id = $1 and d.ended_at is null
        """,
        id,
    )
    if found is None or reach.office(tx.actor, verb) not in (None, found.office):
        raise DeskNotFound()
    return found
