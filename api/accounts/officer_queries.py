"""Statements about offices and the administrator's list of officers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from api.accounts.model import Office, Officer, OfficerCard
from api.db import Tx

_OFFICER = """
    select id, office, name, position, roles, account, bound_at, ended_at, version, name_en,
        position_en, confirmed_at
    from officer
"""


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


async def upsert_office(tx: Tx, id: UUID, code: str, kind: str, name_th: str, name_en: str) -> UUID:
    found: UUID = await tx.value(
        """
        insert into office (id, code, kind, name_th, name_en) values ($1, $2, $3, $4, $5)
        on conflict (code) do update
        set kind = excluded.kind, name_th = excluded.name_th, name_en = excluded.name_en
        returning id
        """,
        id,
        code,
        kind,
        name_th,
        name_en,
    )
    return found


async def set_provinces(tx: Tx, office: UUID, provinces: list[str]) -> None:
    await tx.run(
        "delete from office_province where office = $1 and province <> all($2::text[])",
        office,
        provinces,
    )
    await tx.run(
        """
        insert into office_province (office, province) select $1, unnest($2::text[])
        on conflict do nothing
        """,
        office,
        provinces,
    )


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


async def officer_card(tx: Tx, account: UUID) -> OfficerCard | None:
    return await tx.maybe_one(
        OfficerCard,
        """
        select r.account, r.name as name_th, r.name_en, r.position as position_th, r.position_en,
            r.office, o.name_th as office_th, o.name_en as office_en, r.ended_at
        from officer r join office o on o.id = r.office where r.account = $1
        """,
        account,
    )


async def officer_cid(tx: Tx, id: UUID) -> bytes | None:
    """The blind index of a listed officer's national ID."""
    found: bytes | None = await tx.value("select cid_index from officer where id = $1", id)
    return found


async def is_number_of(tx: Tx, account: UUID, cids: list[bytes]) -> bool:
    """Whether one of these blind indexes is of the account's person, or of its officer's line."""
    found: bool = await tx.value(
        """
        select exists (select from account a join person p on p.id = a.person
                where a.id = $1 and p.cid_index = any ($2))
            or exists (select from officer where account = $1 and cid_index = any ($2))
        """,
        account,
        cids,
    )
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
    name_en: str,
    position_en: str,
) -> None:
    await tx.run(
        """
        insert into officer (id, office, name, position, roles, cid_index, number_index,
            email_index, ended_at, listed_at, listed_by, name_en, position_en)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
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
        name_en,
        position_en,
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
    name_en: str,
    position_en: str,
    same: list[bytes],
) -> None:
    """An identifier that is not given keeps its present value; another national ID than one of
    `same` ends a confirmation."""
    await tx.run(
        """
        update officer set office = $2, name = $3, position = $4, roles = $5,
            cid_index = coalesce($6, cid_index), number_index = coalesce($7, number_index),
            email_index = coalesce($8, email_index), ended_at = $9, listed_at = $10,
            listed_by = $11, name_en = $12, position_en = $13, version = version + 1,
            confirmed_at = case when $6::bytea is null or cid_index = any ($14::bytea[])
                then confirmed_at end
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
        name_en,
        position_en,
        same,
    )


async def learns(
    tx: Tx, id: UUID, indexes: tuple[bytes | None, bytes | None, bytes | None]
) -> bool:
    """Whether an identifier is new to this line."""
    found: bool = await tx.value(
        """
        select ($2::bytea is not null and cid_index is distinct from $2)
            or ($3::bytea is not null and number_index is distinct from $3)
            or ($4::bytea is not null and email_index is distinct from $4)
        from officer where id = $1
        """,
        id,
        *indexes,
    )
    return found


async def confirm_officer(tx: Tx, id: UUID) -> None:
    await tx.run(
        "update officer set confirmed_at = $2, version = version + 1 where id = $1", id, tx.now
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
