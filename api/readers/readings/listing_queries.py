"""Statements of what an officer's session lists."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from api.db import Tx
from api.readers.readings.queries import ROW, Row


async def mine(
    tx: Tx,
    account: UUID,
    session: UUID,
    before: datetime | None,
    before_id: UUID | None,
    limit: int,
) -> list[Row]:
    """The account's own readings, what came last first: those of this session and by ticket.

    Each of the two by an index in this order: in one question the planner takes what is nearest by
    time, of all offices.
    """
    page = await tx.values(
        """
        select id from (
            (select id, received_at from reading
                where session = $2 and erased_at is null and purpose <> 'map_desk'
                    and ($3::timestamptz is null or (received_at, id) < ($3, $4))
                order by received_at desc, id desc limit $5)
            union all
            (select id, received_at from reading
                where account = $1 and session is null and erased_at is null
                    and purpose <> 'map_desk'
                    and ($3::timestamptz is null or (received_at, id) < ($3, $4))
                order by received_at desc, id desc limit $5)
        ) own
        order by received_at desc, id desc limit $5
        """,
        account,
        session,
        before,
        before_id,
        limit,
    )
    return await tx.all(Row, ROW + "where id = any ($1) order by received_at desc, id desc", page)


async def arrived(tx: Tx, account: UUID, since: datetime) -> list[Row]:
    """What came by the account's tickets since then, the oldest first."""
    return await tx.all(
        Row,
        ROW
        + """
        where account = $1 and session is null and erased_at is null and received_at > $2
            and label = 'offline'
        order by received_at, id limit 200
        """,
        account,
        since,
    )
