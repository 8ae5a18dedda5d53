"""The statements of a complaint as whoever told it has it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from api.complaints.views import Opening, Said
from api.db import Tx


class Sent(msgspec.Struct):
    """What tells a replay from another complaint, and its sender from anyone else."""

    complainant: UUID
    account: UUID | None
    secret: bytes
    sent: bytes


async def sent(tx: Tx, id: UUID) -> Sent | None:
    return await tx.maybe_one(
        Sent,
        """
        select p.id, p.account, p.secret, c.sent from complaint c
        join complainant p on p.complaint = c.id and p.kind = 'reporter' where c.id = $1
        """,
        id,
    )


class Names(msgspec.Struct):
    """The office that answers for it, as the complainant may know."""

    th: str
    en: str


async def office(tx: Tx, id: UUID | None) -> Names:
    found = await tx.maybe_one(Names, "select name_th, name_en from office where id = $1", id)
    return found or Names("", "")


async def said(tx: Tx, complaint: UUID, complainant: UUID) -> list[Said]:
    """What was said since, by the office to the complainant and by the complainant."""
    return await tx.all(
        Said,
        """
        select id, kind, case when complainant is null then 'office' else 'you' end, text, at,
            received_at
        from complaint_entry
        where complaint = $1 and shown and (complainant is null or complainant = $2)
        order by received_at, id
        """,
        complaint,
        complainant,
    )


async def openings(tx: Tx, complainant: UUID) -> list[Opening]:
    """Who opened the seal: the complainant is told the office and the reason, not the officer."""
    return await tx.all(
        Opening,
        """
        select e.at, coalesce(o.name_th, ''), coalesce(o.name_en, ''),
            coalesce(e.facts->>'reason', '')
        from event e
        left join officer f on f.account = e.account
        left join office o on o.id = f.office
        where e.record = $1 and e.name = 'complaint.identity_opened'
        order by e.id
        """,
        complainant,
    )


class Held(msgspec.Struct):
    """A complaint, and as which of its complainants."""

    complaint: UUID
    complainant: UUID


async def of_account(tx: Tx, account: UUID, before: UUID | None, limit: int) -> list[Held]:
    """The account's part in complaints, the newest first; `before` is a complainant."""
    return await tx.all(
        Held,
        """
        select complaint, id from complainant
        where account = $1 and ($2::uuid is null or id < $2) order by id desc limit $3
        """,
        account,
        before,
        limit,
    )


async def held_by(tx: Tx, complaint: UUID, account: UUID) -> Held | None:
    """The account's own part in a complaint."""
    return await tx.maybe_one(
        Held,
        "select complaint, id from complainant where complaint = $1 and account = $2",
        complaint,
        account,
    )
