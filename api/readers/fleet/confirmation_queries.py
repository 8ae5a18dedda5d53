"""The statements of confirmations: what units say that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api import events
from api.db import Tx


class Claim(msgspec.Struct):
    """A unit's word that it holds the reader of this serial."""

    serial: str
    serial_key: str
    agency: str
    unit: str
    office: UUID | None


class Earlier(msgspec.Struct):
    serial_key: str
    agency: str
    unit: str
    confirmed_at: datetime


class Word(msgspec.Struct):
    """A claim of a reader that is known, for its history; `event` is the id of what tells it."""

    event: UUID
    reader: UUID
    facts: str


async def earlier(tx: Tx, keys: Sequence[str]) -> list[Earlier]:
    return await tx.all(
        Earlier,
        """
        select serial_key, agency, unit, confirmed_at from reader_confirmation
        where serial_key = any($1::text[])
        """,
        list(keys),
    )


async def keep(
    tx: Tx, ids: list[UUID], claims: Sequence[Claim], by: UUID | None, import_id: UUID | None
) -> None:
    """As they were said; said again after a reissue or a loss, a word counts from now."""
    await tx.run(
        """
        insert into reader_confirmation as c (id, serial, serial_key, agency, unit, office,
            confirmed_at, account, import_id)
        select n.*, $7, $8, $9
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[]) n
        on conflict (serial_key, agency, unit) do update
        set confirmed_at = excluded.confirmed_at, account = excluded.account,
            import_id = excluded.import_id
        """,
        ids,
        [c.serial for c in claims],
        [c.serial_key for c in claims],
        [c.agency for c in claims],
        [c.unit for c in claims],
        [c.office for c in claims],
        tx.now,
        by,
        import_id,
    )


async def tell(tx: Tx, words: Sequence[Word]) -> None:
    """Each word in the trail of its reader."""
    who, by, _ = events.actor_columns(tx)
    await tx.run(
        """
        insert into event (id, at, name, kind, record, actor, account, request_id, facts)
        select n.event, $4, 'reader_asset.confirmed', 'reader_asset', n.id, $5, $6, $7,
            n.facts::jsonb
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as n (event, id, facts)
        """,
        [w.event for w in words],
        [w.reader for w in words],
        [w.facts for w in words],
        tx.now,
        who,
        by,
        tx.request_id,
    )


async def move(
    tx: Tx, keys: list[str], units: list[str], offices: list[UUID | None], day: date
) -> int:
    """Readers that their units now hold."""
    return await tx.run(
        """
        update reader_asset a
        set state = 'distributed', state_at = $4, unit = n.unit, office = n.office,
            distributed_on = coalesce(a.distributed_on, $5), version = a.version + 1
        from unnest($1::text[], $2::text[], $3::uuid[]) as n (key, unit, office)
        where a.serial_key = n.key
        """,
        keys,
        units,
        offices,
        tx.now,
        day,
    )
