"""Who holds a role or acts for a company: the accounts that a message is for."""

from __future__ import annotations

from uuid import UUID

from api.db import Tx
from api.permissions import Role


async def holders(tx: Tx, role: Role, province: str | None = None) -> list[UUID]:
    """Active accounts with `role`; with `province`, of the offices that it belongs to."""
    return await tx.values(
        """
        select a.id from account a join account_role r on r.account = a.id
        where r.role = $1 and r.ended_at is null and a.status = 'active'
            and ($2::text is null or exists (select from office_province p
                where p.office = a.office and p.province = $2))
        order by a.id
        """,
        role.value,
        province,
    )


async def of_office(tx: Tx, role: Role, office: UUID | None) -> list[UUID]:
    """Active accounts with `role` at one office."""
    return await tx.values(
        """
        select a.id from account a join account_role r on r.account = a.id
        where r.role = $1 and r.ended_at is null and a.status = 'active' and a.office = $2
        order by a.id
        """,
        role.value,
        office,
    )


async def members(tx: Tx, company: UUID) -> list[UUID]:
    """Active accounts that act for `company`."""
    return await tx.values(
        """
        select a.id from account a join company_member m on m.account = a.id
        where m.company = $1 and m.ended_at is null and a.status = 'active' order by a.id
        """,
        company,
    )


async def serves(tx: Tx, account: UUID) -> bool:
    """Whether the account is active and still holds an officer's role."""
    found: bool = await tx.value(
        """
        select exists (select from account a join account_role r on r.account = a.id
            where a.id = $1 and a.status = 'active' and r.ended_at is null)
        """,
        account,
    )
    return found
