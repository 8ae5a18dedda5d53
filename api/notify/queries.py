"""Statements about messages, devices and what was pushed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from api.db import Tx
from api.notify.model import Expired, MessageRow, PushDevice, Target


async def insert_message(
    tx: Tx,
    id: UUID,
    *,
    account: UUID,
    template: str,
    facts: str,
    about_kind: str,
    about: UUID,
    key: str,
) -> bool:
    """False where the account has a message of this key."""
    return bool(
        await tx.run(
            """
            insert into message (id, account, template, facts, about_kind, about, key, sent_at)
            values ($1, $2, $3, $4::jsonb, $5, $6, $7, $8) on conflict (account, key) do nothing
            """,
            id,
            account,
            template,
            facts,
            about_kind,
            about,
            key,
            tx.now,
        )
    )


async def messages(tx: Tx, account: UUID, ids: list[UUID]) -> list[MessageRow]:
    return await tx.all(
        MessageRow,
        """
        select id, account, template, facts, about_kind, about, sent_at, read_at from message
        where id = any($2::uuid[]) and account = $1
        """,
        account,
        ids,
    )


async def inbox(
    tx: Tx, account: UUID, before: UUID | None, limit: int, *, unread: bool
) -> list[MessageRow]:
    """The newest first."""
    return await tx.all(
        MessageRow,
        """
        select id, account, template, facts, about_kind, about, sent_at, read_at from message
        where account = $1 and ($2::uuid is null or id < $2) and (not $4 or read_at is null)
        order by id desc limit $3
        """,
        account,
        before,
        limit,
        unread,
    )


async def unread(tx: Tx, account: UUID) -> int:
    found: int = await tx.value(
        "select count(*) from message where account = $1 and read_at is null", account
    )
    return found


async def mark_read(tx: Tx, account: UUID, id: UUID) -> int:
    return await tx.run(
        "update message set read_at = $3 where id = $2 and account = $1 and read_at is null",
        account,
        id,
        tx.now,
    )


async def mark_read_up_to(tx: Tx, account: UUID, id: UUID) -> list[UUID]:
    """Those that were unread, the oldest first."""
    found = await tx.values(
        """
        update message set read_at = $3 where id <= $2 and account = $1 and read_at is null
        returning id
        """,
        account,
        id,
        tx.now,
    )
    return sorted(found)


async def expired(tx: Tx, first: UUID, before: datetime, limit: int) -> list[Expired]:
    """The oldest sent before `before`; `first`: the least id of that time, as ids go by time."""
    return await tx.all(
        Expired,
        """
        select id, account from message where id < $1 and sent_at < $2 order by id limit $3
        """,
        first,
        before,
        limit,
    )


async def delete_messages(tx: Tx, ids: list[UUID]) -> None:
    await tx.run("delete from pushed where message = any($1::uuid[])", ids)
    await tx.run("delete from message where id = any($1::uuid[])", ids)


# --- devices ------------------------------------------------------------------------------------


async def has_devices(tx: Tx, account: UUID) -> bool:
    found: bool = await tx.value(
        """
        select exists (select from device d join session s on s.id = d.session
            where d.account = $1 and s.ended_at is null)
        """,
        account,
    )
    return found


async def device_owner(tx: Tx, id: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select account from device where id = $1", id)
    return found


async def forget_others(tx: Tx, id: UUID, session: UUID, token: str) -> None:
    """A session has one device, and a token one owner: the last who registered it."""
    await tx.run(
        "delete from device where (session = $2 or token = $3) and id <> $1", id, session, token
    )


async def put_device(
    tx: Tx, id: UUID, account: UUID, session: UUID, token: str, language: str
) -> PushDevice:
    return await tx.one(
        PushDevice,
        """
        insert into device (id, account, session, token, language, registered_at, refreshed_at)
        values ($1, $2, $3, $4, $5, $6, $6)
        on conflict (id) do update set session = excluded.session, token = excluded.token,
            language = excluded.language, refreshed_at = excluded.refreshed_at
        returning id, language, registered_at, refreshed_at
        """,
        id,
        account,
        session,
        token,
        language,
        tx.now,
    )


async def remove_device(tx: Tx, id: UUID, account: UUID) -> int:
    return await tx.run("delete from device where id = $1 and account = $2", id, account)


async def remove_devices_of(tx: Tx, owner: UUID) -> int:
    """Of a session or of an account."""
    return await tx.run("delete from device where session = $1 or account = $1", owner)


async def remove_tokens(tx: Tx, dead: list[Target]) -> int:
    """Devices whose token is still the dead one; the app may have registered another meanwhile."""
    return await tx.run(
        """
        delete from device d using unnest($1::uuid[], $2::text[]) as dead (id, token)
        where d.id = dead.id and d.token = dead.token
        """,
        [target.id for target in dead],
        [target.token for target in dead],
    )


# --- pushing ------------------------------------------------------------------------------------


async def to_push(tx: Tx, id: UUID, since: datetime) -> MessageRow | None:
    """The message, unless it was read or is older than `since`."""
    return await tx.maybe_one(
        MessageRow,
        """
        select id, account, template, facts, about_kind, about, sent_at, read_at from message
        where id = $1 and read_at is null and sent_at >= $2
        """,
        id,
        since,
    )


async def targets(tx: Tx, message: UUID, account: UUID) -> list[Target]:
    """Devices of living sessions that the message was not pushed to yet."""
    return await tx.all(
        Target,
        """
        select d.id, d.token, d.language from device d
        join session s on s.id = d.session join account a on a.id = d.account
        where d.account = $2 and s.account = $2 and s.ended_at is null and a.status = 'active'
            and not exists (select from pushed p where p.message = $1 and p.device = d.id)
        order by d.id
        """,
        message,
        account,
    )


async def note_pushed(
    tx: Tx, message: UUID, devices: list[UUID], refused: list[str | None]
) -> None:
    await tx.run(
        """
        insert into pushed (message, device, at, refused)
        select $1, d.device, $4, d.refused
        from unnest($2::uuid[], $3::text[]) as d (device, refused)
        on conflict (message, device) do nothing
        """,
        message,
        devices,
        refused,
        tx.now,
    )
