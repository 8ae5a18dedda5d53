"""The statements of Open311 beside those of every complaint."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.complaints.model import State
from api.db import Tx


async def keep(tx: Tx, complaint: UUID, client: UUID, token: bytes) -> None:
    """Notes which program sent a complaint; sent again, it is there already."""
    await tx.run(
        """
        insert into open311_request (complaint, client, token) values ($1, $2, $3)
        on conflict (complaint) do nothing
        """,
        complaint,
        client,
        token,
    )


async def came_since(tx: Tx, complaint: UUID, since: datetime) -> bool:
    """Whether there is such a complaint, and no older than that."""
    found: bool = await tx.value(
        "select exists (select from complaint where id = $1 and received_at >= $2)",
        complaint,
        since,
    )
    return found


async def of_token(tx: Tx, tokens: list[bytes]) -> int | None:
    """The public id of the request that was given one of these tokens."""
    found: int | None = await tx.value(
        """
        select c.public_id from open311_request r join complaint c on c.id = r.complaint
        where r.token = any ($1::bytea[])
        """,
        tokens,
    )
    return found


class Own(msgspec.Struct):
    """How far a complaint is that a program itself has sent."""

    public_id: int
    category: str
    content: str
    state: State
    merged_state: State | None


async def own(tx: Tx, client: UUID, ids: list[int]) -> list[Own]:
    return await tx.all(
        Own,
        """
        select c.public_id, c.category, k.content::text, c.state,
            m.state as merged_state
        from open311_request r
        join complaint c on c.id = r.complaint
        join complaint_category k on k.code = c.category
        left join complaint m on m.id = c.merged_into
        where r.client = $1 and c.public_id = any ($2::bigint[])
            and not coalesce((k.content->>'confidential')::boolean, false)
        """,
        client,
        ids,
    )
