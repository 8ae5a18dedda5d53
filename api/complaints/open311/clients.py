"""Programs of others: their keys and how much they may ask."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api import codes, events, limits, permissions, sealed
from api.clock import Moment
from api.complaints.problems import ApiClientNotFound
from api.complaints.views import NO_NUL
from api.db import Database, Tx
from api.permissions import Client, Session

PURPOSE = "api_client.key"
_TRIES, _TRIES_PER_S = 30, 30 / 3600
"""Wrong keys of one network: guessing 130 bits is hopeless, but it need not be free."""


class ApiClientEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a program is called, and how many requests with its key it may make in an hour."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
    per_hour: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000


class ApiClient(msgspec.Struct, kw_only=True):
    """`key` is told once, when the client is made; only a keyed hash of it is kept."""

    id: UUID
    name: str
    per_hour: int
    created_at: Moment
    ended_at: Moment | None = None
    key: str | None = None


class _Held(msgspec.Struct):
    id: UUID
    name: str
    per_hour: int
    created_at: datetime
    ended_at: datetime | None

    def shown(self, key: str | None = None) -> ApiClient:
        return ApiClient(**msgspec.structs.asdict(self), key=key)


async def edit(tx: Tx, id: UUID, entry: ApiClientEntry) -> ApiClient:
    """Makes a client, or changes name and limit of one that is there. A lost key is not told
    again: end the client and make another.
    """
    permissions.reaches(tx.actor, "api_client.edit")
    await tx.lock([id])
    before = await _held(tx, id)
    if before is not None:
        await tx.run(
            "update api_client set name = $2, per_hour = $3 where id = $1",
            id,
            entry.name,
            entry.per_hour,
        )
        await events.record(tx, "api_client.edited", "api_client", id, facts=_facts(entry))
        before.name, before.per_hour = entry.name, entry.per_hour
        return before.shown()
    key = codes.new(codes.SECRET)
    await tx.run(
        """
        insert into api_client (id, name, key, per_hour, created_at, created_by)
        values ($1, $2, $3, $4, $5, $6)
        """,
        id,
        entry.name,
        sealed.index(PURPOSE, key),
        entry.per_hour,
        tx.now,
        tx.actor.account if isinstance(tx.actor, Session) else None,
    )
    await events.record(tx, "api_client.made", "api_client", id, facts=_facts(entry))
    return _Held(id, entry.name, entry.per_hour, tx.now, None).shown(codes.shown(key))


async def end(tx: Tx, id: UUID) -> ApiClient:
    """Its key opens nothing any more. Raises `ApiClientNotFound`."""
    permissions.reaches(tx.actor, "api_client.edit")
    await tx.lock([id])
    found = await _held(tx, id)
    if found is None:
        raise ApiClientNotFound()
    if found.ended_at is None:
        found.ended_at = tx.now
        await tx.run("update api_client set ended_at = $2 where id = $1", id, tx.now)
        await events.record(tx, "api_client.ended", "api_client", id)
    return found.shown()


async def listed(tx: Tx) -> list[ApiClient]:
    """All of them, those that have ended too."""
    permissions.reaches(tx.actor, "api_client.edit")
    found = await tx.all(
        _Held,
        "select id, name, per_hour, created_at, ended_at from api_client order by created_at, id",
    )
    return [client.shown() for client in found]


async def authenticate(db: Database, given: str, network: str) -> Client | None:
    """The program whose key this is, None where it is nobody's.

    Raises `TooFast` when the program asks more than it may, and after many wrong keys. What is
    taken of a limit stays taken, whatever becomes of the request.
    """
    key = codes.read(given, codes.SECRET)
    async with db.begin() as tx:
        held = None if key is None else await _opened(tx, sealed.indexes(PURPOSE, key))
        if held is not None:
            rate = held.per_hour / 3600
            bucket = f"open311:{held.id}"
            await limits.take(tx, bucket, capacity=held.per_hour, per_second=rate)
            return Client(held.id)
        await limits.take(
            tx,
            limits.named("api_client", network),
            capacity=_TRIES,
            per_second=_TRIES_PER_S,
        )
        return None


async def _opened(tx: Tx, keys: list[bytes]) -> _Held | None:
    return await tx.maybe_one(
        _Held,
        """
        select id, name, per_hour, created_at, ended_at from api_client
        where key = any ($1::bytea[]) and ended_at is null
        """,
        keys,
    )


async def _held(tx: Tx, id: UUID) -> _Held | None:
    return await tx.maybe_one(
        _Held,
        "select id, name, per_hour, created_at, ended_at from api_client where id = $1",
        id,
    )


def _facts(entry: ApiClientEntry) -> dict[str, object]:
    return {"name": entry.name, "per_hour": entry.per_hour}
