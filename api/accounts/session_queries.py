"""Statements about signing in: clients, attempts, codes, sessions and refresh tokens."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.accounts.fresh_queries import Fresh
from api.accounts.model import Device, EndReason
from api.db import Tx


class Facts(msgspec.Struct, frozen=True):
    """What counts for a session now; one row."""

    session: UUID
    account: UUID
    ended: bool
    wipe: bool
    status: str
    office: UUID | None
    roles: list[str]
    provinces: list[str]
    companies: list[UUID]


class Attempt(msgspec.Struct):
    browser_hash: bytes
    provider: str
    client: str
    redirect_uri: str
    client_state: str | None
    code_challenge: str
    device_name: str
    locked: bytes
    expires_at: datetime
    sha256: str | None = None


class Code(msgspec.Struct):
    """Leads to a session, or where `sha256` and its like are there to a fresh authentication."""

    account: UUID
    client: str
    redirect_uri: str
    code_challenge: str
    device_name: str
    expires_at: datetime
    session: UUID | None = None
    authentication: UUID | None = None
    sha256: str | None = None
    provider: str | None = None
    subject_index: bytes | None = None
    authenticated_at: datetime | None = None

    @property
    def fresh(self) -> Fresh | None:
        if (
            self.sha256 is None
            or self.provider is None
            or self.subject_index is None
            or self.authenticated_at is None
        ):
            return None
        return Fresh(self.sha256, self.provider, self.subject_index, self.authenticated_at)


class Refresh(msgspec.Struct):
    hash: bytes
    session: UUID
    expires_at: datetime
    used_at: datetime | None
    successor: bytes | None
    successor_used: bool
    client: str
    account: UUID
    ended: bool
    wipe: bool


async def facts(tx: Tx, session: UUID) -> Facts | None:
    """One statement on primary keys and small indexes: every write runs it."""
    return await tx.maybe_one(
        Facts,
        """
        select s.id, s.account, s.ended_at is not null, s.wipe, a.status, a.office,
            array(select role from account_role r where r.account = a.id and r.ended_at is null),
            array(select province from office_province p where p.office = a.office order by 1),
            array(select company from company_member m
                where m.account = a.id and m.ended_at is null order by 1)
        from session s join account a on a.id = s.account
        where s.id = $1
        """,
        session,
    )


async def client_redirects(tx: Tx, id: str) -> list[str] | None:
    """The registered redirects of an active client."""
    found: list[str] | None = await tx.value(
        "select redirects from oauth_client where id = $1 and active", id
    )
    return found


async def insert_attempt(tx: Tx, state_hash: bytes, a: Attempt) -> None:
    await tx.run(
        """
        insert into sign_in_attempt (state_hash, browser_hash, provider, client, redirect_uri,
            client_state, code_challenge, device_name, locked, expires_at, sha256)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        state_hash,
        a.browser_hash,
        a.provider,
        a.client,
        a.redirect_uri,
        a.client_state,
        a.code_challenge,
        a.device_name,
        a.locked,
        a.expires_at,
        a.sha256,
    )


async def take_attempt(tx: Tx, state_hashes: list[bytes]) -> Attempt | None:
    """The attempt of this state, which is gone thereby: a state counts once."""
    return await tx.maybe_one(
        Attempt,
        """
        delete from sign_in_attempt where state_hash = any($1)
        returning browser_hash, provider, client, redirect_uri, client_state, code_challenge,
            device_name, locked, expires_at, sha256
        """,
        state_hashes,
    )


async def insert_code(tx: Tx, hashed: bytes, c: Code) -> None:
    await tx.run(
        """
        insert into authorization_code (hash, account, client, redirect_uri, code_challenge,
            device_name, expires_at, sha256, provider, subject_index, authenticated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        hashed,
        c.account,
        c.client,
        c.redirect_uri,
        c.code_challenge,
        c.device_name,
        c.expires_at,
        c.sha256,
        c.provider,
        c.subject_index,
        c.authenticated_at,
    )


async def lock_code(tx: Tx, hashes: list[bytes]) -> Code | None:
    return await tx.maybe_one(
        Code,
        """
        select account, client, redirect_uri, code_challenge, device_name, expires_at, session,
            authentication, sha256, provider, subject_index, authenticated_at
        from authorization_code where hash = any($1) for update
        """,
        hashes,
    )


async def use_code(
    tx: Tx, hashes: list[bytes], *, session: UUID | None = None, authentication: UUID | None = None
) -> None:
    """Marks it used, by the one of the two that it led to."""
    await tx.run(
        "update authorization_code set used_at = $2, session = $3, authentication = $4 "
        "where hash = any($1)",
        hashes,
        tx.now,
        session,
        authentication,
    )


async def insert_session(tx: Tx, id: UUID, account: UUID, client: str, device_name: str) -> None:
    await tx.run(
        """
        insert into session (id, account, client, device_name, created_at, last_seen_at)
        values ($1, $2, $3, $4, $5, $5)
        """,
        id,
        account,
        client,
        device_name,
        tx.now,
    )


async def touch_session(tx: Tx, id: UUID) -> None:
    await tx.run("update session set last_seen_at = $2 where id = $1", id, tx.now)


async def end_session(tx: Tx, id: UUID, reason: EndReason, *, wipe: bool = False) -> int:
    """Ends it, or turns an ended one into one to wipe; 0 when nothing changed."""
    return await tx.run(
        """
        update session set ended_at = coalesce(ended_at, $2),
            end_reason = case when ended_at is null or $4 then $3 else end_reason end,
            wipe = wipe or $4
        where id = $1 and (ended_at is null or ($4 and not wipe))
        """,
        id,
        tx.now,
        reason.value,
        wipe,
    )


async def end_sessions_of(tx: Tx, account: UUID, reason: EndReason) -> int:
    return await tx.run(
        "update session set ended_at = $2, end_reason = $3 where account = $1 and ended_at is null",
        account,
        tx.now,
        reason.value,
    )


async def told_to_wipe(tx: Tx, id: UUID) -> int:
    return await tx.run(
        "update session set wipe_told_at = $2 where id = $1 and wipe and wipe_told_at is null",
        id,
        tx.now,
    )


async def session_owner(tx: Tx, id: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select account from session where id = $1", id)
    return found


async def devices(tx: Tx, account: UUID) -> list[Device]:
    """The living sessions, and those that ended lately; newest first."""
    return await tx.all(
        Device,
        """
        select id, client, device_name, created_at, last_seen_at, ended_at, end_reason, wipe
        from session
        where account = $1 and (ended_at is null or ended_at > $2::timestamptz - interval '90 days')
        order by id desc limit 100
        """,
        account,
        tx.now,
    )


async def insert_refresh(tx: Tx, hashed: bytes, session: UUID, expires_at: datetime) -> None:
    await tx.run(
        """
        insert into refresh_token (hash, session, created_at, expires_at) values ($1, $2, $3, $4)
        """,
        hashed,
        session,
        tx.now,
        expires_at,
    )


async def lock_refresh(tx: Tx, hashes: list[bytes]) -> Refresh | None:
    """The token with its session, which is locked: tokens of one session go one after the other.

    Two statements, for one that has waited for a lock sees the other tables as they were before.
    """
    session = await tx.value(
        """
        select id from session
        where id = (select session from refresh_token where hash = any($1)) for update
        """,
        hashes,
    )
    if session is None:
        return None
    return await tx.maybe_one(
        Refresh,
        """
        select t.hash, t.session, t.expires_at, t.used_at, t.successor,
            coalesce(n.used_at is not null, false), s.client, s.account,
            s.ended_at is not null, s.wipe
        from refresh_token t join session s on s.id = t.session
        left join refresh_token n on n.hash = t.replaced_by
        where t.hash = any($1)
        """,
        hashes,
    )


async def replace_refresh(tx: Tx, old: bytes, new: bytes, successor: bytes) -> None:
    await tx.run(
        "update refresh_token set used_at = $2, replaced_by = $3, successor = $4 where hash = $1",
        old,
        tx.now,
        new,
        successor,
    )


async def forget_successor_of(tx: Tx, hashed: bytes) -> None:
    """Once the successor was used, its predecessor must not lead to it any more."""
    await tx.run("update refresh_token set successor = null where replaced_by = $1", hashed)


async def sweep(tx: Tx) -> int:
    """Removes what has expired for good: attempts, codes after a day, tokens after 90 days."""
    gone = await tx.run("delete from sign_in_attempt where expires_at < $1", tx.now)
    gone += await tx.run(
        "delete from authorization_code where expires_at < $1::timestamptz - interval '1 day'",
        tx.now,
    )
    gone += await tx.run(
        """
        delete from refresh_token t where expires_at < $1::timestamptz - interval '90 days'
            and not exists (select from refresh_token n where n.replaced_by = t.hash)
        """,
        tx.now,
    )
    return gone
