"""Statements about people, companies and authorities; one function each."""

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
    select p.id, p.data_key, a.id as account, p.cid, p.name_th, p.name_en
    from person p join account a on a.person = p.id
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


async def cid_is_known(tx: Tx, person: UUID) -> bool:
    """Whether the person has a national ID, whichever."""
    found: bool = await tx.value("select cid_index is not null from person where id = $1", person)
    return found


async def set_verified(tx: Tx, person: UUID, cid_index: bytes | None) -> None:
    """Notes that a card was read for them, and the index of a number that was unknown."""
    await tx.run(
        "update person set verified_at = $2, cid_index = coalesce($3, cid_index) where id = $1",
        person,
        tx.now,
        cid_index,
    )


async def verified_at(tx: Tx, person: UUID) -> datetime | None:
    found: datetime | None = await tx.value("select verified_at from person where id = $1", person)
    return found


async def insert_account(tx: Tx, id: UUID, person: UUID) -> None:
    await tx.run(
        "insert into account (id, person, created_at) values ($1, $2, $3)", id, person, tx.now
    )


async def lock_account(tx: Tx, id: UUID) -> AccountRow | None:
    return await tx.maybe_one(
        AccountRow, "select id, status, office from account where id = $1 for update", id
    )


async def hold_status(tx: Tx, id: UUID) -> str | None:
    """The account's status, which stays so until the transaction ends."""
    found: str | None = await tx.value("select status from account where id = $1 for share", id)
    return found


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


_OF_OFFICER = """
    where account = $1 and power = $2 and valid_from <= $3 and (valid_to is null or valid_to >= $3)
        and exists (select from officer o where o.account = authority.account and (
            o.ended_at is null or (o.ended_at at time zone 'Asia/Bangkok')::date > $3))
    order by valid_from, id
"""


async def authorities_of_officer(tx: Tx, account: UUID, power: Power, day: date) -> list[Authority]:
    """Grants for the Bangkok date `day`, revoked ones too, of somebody listed on that day."""
    return await tx.all(Authority, _AUTHORITY + _OF_OFFICER, account, power.value, day)


async def hold_authorities_of_officer(
    tx: Tx, account: UUID, power: Power, day: date
) -> list[Authority]:
    """The same, and before the transaction ends nobody revokes one of them, nor takes the officer
    off the list."""
    await tx.value("select id from officer where account = $1 for share", account)
    return await tx.all(
        Authority, _AUTHORITY + _OF_OFFICER + "for share", account, power.value, day
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
