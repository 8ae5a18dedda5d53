"""What a complainant reads beside the row: who answers for it, what was said, who looked."""

from __future__ import annotations

from uuid import UUID

import msgspec

from api.complaints.views import Opening, Said
from api.db import Tx


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


async def reopenings(tx: Tx, complaint: UUID) -> int:
    """How often whoever told it reopened it by themselves."""
    found: int = await tx.value(
        """
        select count(*) from complaint_entry
        where complaint = $1 and kind = 'reopening' and complainant is not null
        """,
        complaint,
    )
    return found


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
