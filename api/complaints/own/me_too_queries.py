"""The statements of "me too" and of what is offered before telling: released complaints alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.complaints.model import State
from api.db import Tx


class Released(msgspec.Struct):
    """A complaint that an officer released to the public. Also one that was merged or left since:
    that it is gone would tell that its teller gave up."""

    id: UUID
    shown_as: UUID
    category: str
    lat: float | None
    lng: float | None
    state: State
    merged_state: State | None
    text: str
    received_at: datetime


async def near(
    tx: Tx, category: str, box: str, *, since: datetime, before: datetime, grid: float, least: int
) -> list[Released]:
    """Those of the category in a box of the globe that came since, and before this month began.

    Only where `least` that are public lie in one field of the grid, as on the public's map.
    """
    return await tx.all(
        Released,
        """
        with open_to_all as not materialized (
            select c.* from complaint c join complaint_category k on k.code = c.category
            where c.released_at is not null and c.earth is not null
                and not coalesce((k.content->>'confidential')::boolean, false)
                and c.received_at < $4
        )
        select c.id, c.shown_as, c.category, c.lat, c.lng, c.state, m.state as merged_state,
            coalesce(c.released_text, '') as text, c.received_at
        from open_to_all c
        left join complaint m on m.id = c.merged_into
        cross join lateral (
            select count(*) >= $6 as safe from (
                select from open_to_all n
                where n.earth <@ cube_enlarge(c.earth, $5::float8 * 160000, 3)
                    and floor(n.lat / $5::float8) = floor(c.lat / $5::float8)
                    and floor(n.lng / $5::float8) = floor(c.lng / $5::float8)
                limit $6
            ) others
        ) field
        where c.earth <@ $2::cube and c.category = $1 and c.received_at >= $3 and field.safe
        order by c.shown_as limit 400
        """,
        category,
        box,
        since,
        before,
        grid,
        least,
    )


async def released(tx: Tx, shown_as: UUID) -> Released | None:
    return await tx.maybe_one(
        Released,
        """
        select c.id, c.shown_as, c.category, c.lat, c.lng, c.state, m.state as merged_state,
            coalesce(c.released_text, '') as text, c.received_at
        from complaint c left join complaint m on m.id = c.merged_into
        where c.shown_as = $1 and c.released_at is not null
        """,
        shown_as,
    )


async def blocked(tx: Tx, senders: Sequence[bytes]) -> bool:
    found: bool = await tx.value(
        """
        select exists (select from complaint_block
            where sender = any ($1::bytea[]) and until > $2)
        """,
        list(senders),
        tx.now,
    )
    return found


class Before(msgspec.Struct):
    """What somebody is to the complaint already."""

    id: UUID
    complaint: UUID
    me_too: bool
    counted: bool
    secret: bytes


async def before(tx: Tx, complaint: UUID, id: UUID, persons: Sequence[bytes]) -> Before | None:
    """By the sender's id, else by who they are."""
    return await tx.maybe_one(
        Before,
        """
        select id, complaint, kind = 'me_too' as me_too,
            kind = 'me_too' and account is not null as counted, secret
        from complainant
        where id = $2 or (complaint = $1 and person = any ($3::bytea[]))
        order by id = $2 desc limit 1
        """,
        complaint,
        id,
        list(persons),
    )


async def insert(
    tx: Tx, id: UUID, complaint: UUID, account: UUID | None, person: bytes | None, secret: bytes
) -> None:
    """Subscribes, and counts one person more where the account says who it is.

    The complaint's version stays: nobody edited it, and bought ones must not get in the way of
    those who do.
    """
    await tx.run(
        """
        with told as (
            insert into complainant (id, complaint, kind, account, person, secret, created_at)
            values ($1, $2, 'me_too', $3, $4, $5, $6)
        )
        update complaint set me_toos = me_toos + 1 where id = $2 and $3 is not null
        """,
        id,
        complaint,
        account,
        person,
        secret,
        tx.now,
    )


async def come_back(tx: Tx, id: UUID) -> None:
    await tx.run("update complainant set left_at = null where id = $1 and left_at is not null", id)
