"""The statements of a complaint as whoever told it has it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


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
    """The account's own part in a complaint, by the id that it knows it under."""
    return await tx.maybe_one(
        Held,
        """
        select p.complaint, p.id as complainant
        from complainant p join complaint c on c.id = p.complaint
        where p.account = $2
            and $1 = case when p.kind = 'me_too' then c.shown_as else p.complaint end
        """,
        complaint,
        account,
    )


async def leave(tx: Tx, complainant: UUID) -> None:
    """Whoever said "me too" wants no more of it."""
    await tx.run(
        "update complainant set left_at = $2 where id = $1 and left_at is null", complainant, tx.now
    )


class EntryRow(msgspec.Struct):
    """Something that was said before, as it was sent; `facts` is JSON."""

    complaint: UUID
    complainant: UUID | None
    kind: str
    text: str
    facts: str
    at: datetime | None


async def entry(tx: Tx, id: UUID) -> EntryRow | None:
    return await tx.maybe_one(
        EntryRow,
        """
        select complaint, complainant, kind, text, facts::text, at
        from complaint_entry where id = $1
        """,
        id,
    )


async def of_upload(tx: Tx, file: UUID, account: UUID) -> Held | None:
    """As which complainant the account sends, or has sent, that file."""
    return await tx.maybe_one(
        Held,
        """
        select p.complaint, p.id as complainant from complainant p
        where p.account = $2 and p.id = coalesce(
            (select complainant from upload where id = $1),
            (select complainant from evidence where id = $1))
        """,
        file,
        account,
    )


async def followed(tx: Tx, complaint: UUID) -> bool:
    """Whether others wait for its outcome: they told the same, or said "me too"."""
    found: bool = await tx.value(
        """
        select exists (select from complaint where merged_into = $1 and left_at is null)
            or exists (select from complainant
                where complaint = $1 and kind = 'me_too' and left_at is null)
        """,
        complaint,
    )
    return found
