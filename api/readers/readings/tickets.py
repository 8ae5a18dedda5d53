"""Leave to read without the server: of one officer, at one device, for one card, for some hours."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import msgspec

from api import events, ids
from api.db import Tx
from api.jobs import Job
from api.permissions import Session
from api.readers.bridges.reach import GONE, STILL
from api.readers.desks import reading as desks
from api.readers.intents import abouts
from api.readers.intents import service as intents
from api.readers.model import POLICIES, TICKET_FOR, TICKET_KEPT_FOR, TICKETS_AT_ONCE, Purpose
from api.readers.problems import (
    AboutNeeded,
    DeskWithoutReader,
    PurposeNotOffline,
)
from api.readers.readings.problems import TicketsTooMany
from api.readers.views import IssueTickets, OfflineTicket
from reader_bridge.fields import Field
from reader_bridge.messages import Ticket

VOID: Final = "tickets.void"
SHOWN: Final = 60
"""Letters of a name that a PC shows: fifty tickets must fit into one message."""


class Row(msgspec.Struct):
    """An unused ticket; `officer` is the name on the officers' list, for the PC to show."""

    id: UUID
    nonce: bytes
    purpose: Purpose
    fields: list[str]
    officer: str
    issued_at: datetime
    expires_at: datetime
    reader: str
    serial: str | None
    desk: str
    about: UUID | None


async def issue(tx: Tx, wanted: IssueTickets) -> list[OfflineTicket]:
    """Tickets of the caller's for the device at `desk`.

    Raises `DeskNotFound`, `DeskWithoutReader`, `PurposeNotOffline`, `AboutNeeded`,
    `FieldsNotAllowed`, `TicketsTooMany`, and what the use for `about` would raise now.
    """
    assert isinstance(tx.actor, Session)
    desk = await desks.one(tx, wanted.desk, "offline_ticket.issue")
    if desk.bridge is None or desk.reader is None or not desk.live:
        raise DeskWithoutReader(reason="unmapped" if desk.bridge is None else "offline")
    policy = POLICIES[wanted.purpose]
    if not policy.offline:
        raise PurposeNotOffline()
    if policy.about is not None and wanted.about is None:
        raise AboutNeeded(kind=policy.about)
    fields = intents.allowed(wanted.purpose, wanted.fields)
    await abouts.check(tx, wanted.purpose, wanted.about)
    await tx.lock([desk.bridge])
    unused = await tx.value(
        """
        select count(*) from offline_ticket
        where bridge = $1 and used_at is null and void_at is null and expires_at > $2
        """,
        desk.bridge,
        tx.now,
    )
    if unused + wanted.count > TICKETS_AT_ONCE:
        raise TicketsTooMany(limit=TICKETS_AT_ONCE)
    made = [OfflineTicket(ids.new(), desk.bridge, tx.now + TICKET_FOR) for _ in range(wanted.count)]
    await tx.run(
        """
        insert into offline_ticket (id, bridge, desk, reader, account, purpose, about, fields,
            nonce, issued_at, expires_at)
        select t.id, $3, $4, $11, $5, $6, $7, $8, t.nonce, $9, $10
        from unnest($1::uuid[], $2::bytea[]) as t (id, nonce)
        """,
        [t.id for t in made],
        [secrets.token_bytes(32) for _ in made],
        desk.bridge,
        desk.id,
        tx.actor.account,
        wanted.purpose,
        wanted.about,
        fields,
        tx.now,
        tx.now + TICKET_FOR,
        desk.reader,
    )
    facts = {"desk": desk.id, "purpose": wanted.purpose, "count": wanted.count}
    await events.record(tx, "offline_ticket.issued", "bridge", desk.bridge, facts=facts)
    return made


async def unused(tx: Tx, bridge: UUID) -> tuple[Ticket, ...]:
    """Every ticket that the device may still use, for `messages.Tickets`: none whose officer would
    be refused when the reading comes."""
    rows = await tx.all(
        Row,
        f"""
        select t.id, t.nonce, t.purpose, t.fields, left(coalesce(o.name, ''), $3), t.issued_at,
            t.expires_at, r.name, r.serial, left(d.name, $3), t.about
        from offline_ticket t
            join bridge b on b.id = t.bridge
            join bridge_reader r on r.id = t.reader
            join desk d on d.id = t.desk
            join account a on a.id = t.account
            left join officer o on o.account = t.account and o.ended_at is null
        where t.bridge = $1 and t.used_at is null and t.void_at is null and t.expires_at > $2
            and {STILL}
        order by t.issued_at, t.id
        """,  # noqa: S608 - of our own words
        bridge,
        tx.now,
        SHOWN,
    )
    return tuple(
        Ticket(
            id=row.id,
            nonce=row.nonce,
            purpose=row.purpose,
            fields=cast(tuple[Field, ...], tuple(row.fields)),
            officer=row.officer,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            reader=row.reader,
            serial=row.serial,
            desk=row.desk,
            about=row.about,
        )
        for row in rows
    )


async def forget(tx: Tx, at_most: int) -> int:
    """Those that are over for long, and that no statement can name any more: their device has
    ended, or was there since and has stated all that it has. Returns how many."""
    return await tx.run(
        """
        delete from offline_ticket where id in (
            select t.id from offline_ticket t join bridge b on b.id = t.bridge
            where t.issued_at < $1 and t.expires_at < $1 and (b.state <> 'active'
                or b.last_seen_at > t.expires_at + interval '1 day' and b.stated <= b.sequence)
            order by t.issued_at limit $2 for update of t skip locked)
        """,
        tx.now - TICKET_KEPT_FOR,
        at_most,
    )


async def void(tx: Tx, job: Job) -> None:
    """From the moment on in which an officer was moved, left or was suspended, no card may be read
    by their tickets for desks that they may not work at any more. What was read before counts."""
    await tx.run(
        f"""
        update offline_ticket t set void_at = e.at, void_why = {GONE}
        from event e, account a, bridge b
        where e.id = $1 and a.id in (e.record, (select account from officer where id = e.record))
            and t.account = a.id and b.id = t.bridge and t.used_at is null and t.void_at is null
            and not {STILL}
        """,  # noqa: S608 - of our own words
        UUID(job.args["event"]),
    )


async def issued_since(tx: Tx, since: datetime) -> list[UUID]:
    """Bridges that have got tickets since then: where no notification came through."""
    return await tx.values("select distinct bridge from offline_ticket where issued_at > $1", since)
