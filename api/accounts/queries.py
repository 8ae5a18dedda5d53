"""Statements about people, officers, companies and authorities; one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.accounts.model import (
    Authority,
    AuthorityGrant,
    Capacity,
    Company,
    Member,
    Office,
    Officer,
    Power,
)
from api.db import Tx


class PersonRow(msgspec.Struct):
    id: UUID
    data_key: UUID
    account: UUID
    cid: bytes | None
    name_th: bytes | None
    name_en: bytes | None

    def __repr__(self) -> str:
        return f"PersonRow({self.id})"


class AccountRow(msgspec.Struct):
    id: UUID
    status: str
    office: UUID | None


_PERSON = """
    select p.id, p.data_key, a.id, p.cid, p.name_th, p.name_en
    from person p join account a on a.person = p.id
"""
_OFFICER = """
    select id, office, name, position, roles, account, bound_at, ended_at, version from officer
"""
_AUTHORITY = """
    select id, account, power, section, classes, area, instrument, valid_from, valid_to, revoked_at
    from authority
"""


async def lock_person(tx: Tx, index: bytes) -> None:
    """Two first sign-ins of one person wait for each other."""
    await tx.run(
        "select pg_advisory_xact_lock(hashtextextended($1, 7))",
        index.hex(),
    )


async def person_by_cid(tx: Tx, indexes: list[bytes]) -> PersonRow | None:
    return await tx.maybe_one(PersonRow, _PERSON + "where p.cid_index = any($1)", indexes)


async def person_of_account(tx: Tx, account: UUID) -> PersonRow | None:
    return await tx.maybe_one(PersonRow, _PERSON + "where a.id = $1", account)


async def insert_person(
    tx: Tx,
    id: UUID,
    data_key: UUID,
    cid_index: bytes | None,
    cid: bytes | None,
    name_th: bytes | None,
    name_en: bytes | None,
) -> None:
    await tx.run(
        """
        insert into person (id, data_key, cid_index, cid, name_th, name_en, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        """,
        id,
        data_key,
        cid_index,
        cid,
        name_th,
        name_en,
        tx.now,
    )


async def set_person(
    tx: Tx, id: UUID, cid: bytes | None, name_th: bytes | None, name_en: bytes | None
) -> None:
    await tx.run(
        "update person set cid = $2, name_th = $3, name_en = $4 where id = $1",
        id,
        cid,
        name_th,
        name_en,
    )


async def insert_account(tx: Tx, id: UUID, person: UUID) -> None:
    await tx.run(
        "insert into account (id, person, created_at) values ($1, $2, $3)", id, person, tx.now
    )


async def lock_account(tx: Tx, id: UUID) -> AccountRow | None:
    return await tx.maybe_one(
        AccountRow, "select id, status, office from account where id = $1 for update", id
    )


async def set_status(tx: Tx, id: UUID, status: str) -> None:
    await tx.run("update account set status = $2 where id = $1", id, status)


async def account_of_identity(tx: Tx, issuer: str, subjects: list[bytes]) -> UUID | None:
    found: UUID | None = await tx.value(
        "select account from provider_identity where issuer = $1 and subject_index = any($2)",
        issuer,
        subjects,
    )
    return found


async def insert_identity(tx: Tx, issuer: str, subject: bytes, account: UUID) -> None:
    await tx.run(
        """
        insert into provider_identity (issuer, subject_index, account, bound_at)
        values ($1, $2, $3, $4) on conflict do nothing
        """,
        issuer,
        subject,
        account,
        tx.now,
    )


# --- offices and officers -----------------------------------------------------------------------


async def offices(tx: Tx) -> list[Office]:
    return await tx.all(
        Office,
        """
        select id, code, kind, name_th, name_en,
            array(select province from office_province p where p.office = o.id order by 1)
        from office o order by code
        """,
    )


async def office(tx: Tx, id: UUID) -> Office | None:
    return await tx.maybe_one(
        Office,
        """
        select id, code, kind, name_th, name_en,
            array(select province from office_province p where p.office = o.id order by 1)
        from office o where id = $1
        """,
        id,
    )


async def office_by_code(tx: Tx, code: str) -> UUID | None:
    found: UUID | None = await tx.value("select id from office where code = $1", code)
    return found


async def officers(tx: Tx, office: UUID | None, after: UUID | None, limit: int) -> list[Officer]:
    return await tx.all(
        Officer,
        _OFFICER + "where ($1::uuid is null or office = $1) and ($2::uuid is null or id > $2) "
        "order by id limit $3",
        office,
        after,
        limit,
    )


async def lock_officer(tx: Tx, id: UUID) -> Officer | None:
    return await tx.maybe_one(Officer, _OFFICER + "where id = $1 for update", id)


async def find_officers(
    tx: Tx, cids: list[bytes], numbers: list[bytes], emails: list[bytes]
) -> list[Officer]:
    """The lines that one of these identifies, locked; more than one line is a conflict."""
    return await tx.all(
        Officer,
        _OFFICER + "where cid_index = any($1) or number_index = any($2) or email_index = any($3) "
        "order by id for update",
        cids,
        numbers,
        emails,
    )


async def officer_of_account(tx: Tx, account: UUID) -> Officer | None:
    return await tx.maybe_one(Officer, _OFFICER + "where account = $1", account)


async def officer_cid(tx: Tx, id: UUID) -> bytes | None:
    """The blind index of a listed officer's national ID."""
    found: bytes | None = await tx.value("select cid_index from officer where id = $1", id)
    return found


async def insert_officer(
    tx: Tx,
    id: UUID,
    office: UUID,
    name: str,
    position: str,
    roles: list[str],
    indexes: tuple[bytes | None, bytes | None, bytes | None],
    ended_at: datetime | None,
    by: UUID | None,
) -> None:
    await tx.run(
        """
        insert into officer (id, office, name, position, roles, cid_index, number_index,
            email_index, ended_at, listed_at, listed_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        id,
        office,
        name,
        position,
        roles,
        *indexes,
        ended_at,
        tx.now,
        by,
    )


async def update_officer(
    tx: Tx,
    id: UUID,
    office: UUID,
    name: str,
    position: str,
    roles: list[str],
    indexes: tuple[bytes | None, bytes | None, bytes | None],
    ended_at: datetime | None,
    by: UUID | None,
) -> None:
    """An identifier that is not given keeps its present value."""
    await tx.run(
        """
        update officer set office = $2, name = $3, position = $4, roles = $5,
            cid_index = coalesce($6, cid_index), number_index = coalesce($7, number_index),
            email_index = coalesce($8, email_index), ended_at = $9, listed_at = $10,
            listed_by = $11, version = version + 1
        where id = $1
        """,
        id,
        office,
        name,
        position,
        roles,
        *indexes,
        ended_at,
        tx.now,
        by,
    )


async def bind_officer(tx: Tx, id: UUID, account: UUID) -> None:
    await tx.run(
        "update officer set account = $2, bound_at = $3, version = version + 1 where id = $1",
        id,
        account,
        tx.now,
    )


async def set_roles(
    tx: Tx, account: UUID, ids: list[UUID], roles: list[str], office: UUID | None, by: UUID | None
) -> None:
    """The account's roles become exactly `roles`; what stays keeps its date."""
    await tx.run("update account set office = $2 where id = $1", account, office)
    await tx.run(
        """
        update account_role set ended_at = $3
        where account = $1 and ended_at is null and role <> all($2)
        """,
        account,
        roles,
        tx.now,
    )
    await tx.run(
        """
        insert into account_role (id, account, role, granted_at, granted_by)
        select n.id, $1, n.role, $4, $5 from unnest($2::uuid[], $3::text[]) as n(id, role)
        on conflict (account, role) where ended_at is null do nothing
        """,
        account,
        ids,
        roles,
        tx.now,
        by,
    )


# --- authority ----------------------------------------------------------------------------------


async def insert_authority(tx: Tx, id: UUID, grant: AuthorityGrant, by: UUID | None) -> None:
    await tx.run(
        """
        insert into authority (id, account, power, section, classes, area, instrument,
            valid_from, valid_to, granted_at, granted_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        id,
        grant.account,
        grant.power.value,
        grant.section,
        grant.classes,
        grant.area,
        grant.instrument,
        grant.valid_from,
        grant.valid_to,
        tx.now,
        by,
    )


async def authority(tx: Tx, id: UUID) -> Authority | None:
    return await tx.maybe_one(Authority, _AUTHORITY + "where id = $1", id)


async def authorities(tx: Tx, account: UUID) -> list[Authority]:
    return await tx.all(Authority, _AUTHORITY + "where account = $1 order by id", account)


async def authorities_in_force(tx: Tx, account: UUID, power: Power, day: date) -> list[Authority]:
    return await tx.all(
        Authority,
        _AUTHORITY
        + "where account = $1 and power = $2 and revoked_at is null and valid_from <= $3 "
        "and (valid_to is null or valid_to >= $3)",
        account,
        power.value,
        day,
    )


async def revoke_authority(tx: Tx, id: UUID, by: UUID | None) -> int:
    return await tx.run(
        "update authority set revoked_at = $2, revoked_by = $3 "
        "where id = $1 and revoked_at is null",
        id,
        tx.now,
        by,
    )


# --- companies ----------------------------------------------------------------------------------


async def company(tx: Tx, id: UUID) -> Company | None:
    return await tx.maybe_one(
        Company, "select id, juristic_id, name_th, name_en from company where id = $1", id
    )


async def companies(tx: Tx, ids: Sequence[UUID]) -> list[Company]:
    return await tx.all(
        Company,
        "select id, juristic_id, name_th, name_en from company where id = any($1) order by id",
        list(ids),
    )


async def upsert_company(tx: Tx, id: UUID, juristic_id: str, name_th: str, name_en: str) -> UUID:
    found: UUID = await tx.value(
        """
        insert into company (id, juristic_id, name_th, name_en, created_at)
        values ($1, $2, $3, $4, $5)
        on conflict (juristic_id) do update
        set name_th = excluded.name_th, name_en = excluded.name_en
        returning id
        """,
        id,
        juristic_id,
        name_th,
        name_en,
        tx.now,
    )
    return found


async def members(tx: Tx, company: UUID) -> list[Member]:
    return await tx.all(
        Member,
        "select id, account, capacity, added_at from company_member "
        "where company = $1 and ended_at is null order by id",
        company,
    )


async def insert_member(
    tx: Tx, id: UUID, company: UUID, account: UUID, capacity: Capacity, by: UUID | None
) -> UUID:
    """The membership, also when it stood already; then its capacity follows."""
    found: UUID = await tx.value(
        """
        insert into company_member (id, company, account, capacity, added_at, added_by)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (company, account) where ended_at is null
        do update set capacity = excluded.capacity
        returning id
        """,
        id,
        company,
        account,
        capacity.value,
        tx.now,
        by,
    )
    return found


async def end_member(tx: Tx, company: UUID, member: UUID) -> UUID | None:
    """Ends a membership; returns its account."""
    found: UUID | None = await tx.value(
        "update company_member set ended_at = $3 "
        "where id = $2 and company = $1 and ended_at is null returning account",
        company,
        member,
        tx.now,
    )
    return found
