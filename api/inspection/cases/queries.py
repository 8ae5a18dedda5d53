"""Statements that gather one matter, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx


class EventRow(msgspec.Struct):
    """An event with who did it: `account` for a signed-in person, else the kind of actor."""

    at: datetime
    name: str
    kind: str
    record: UUID
    actor: str
    account: UUID | None


class ClockRow(msgspec.Struct):
    kind: str
    set_at: datetime
    due_at: datetime
    met_at: datetime | None
    fired_at: datetime | None


class CaseOfficer(msgspec.Struct):
    account: UUID
    name: str
    position: str


async def chain(tx: Tx, visit: UUID) -> list[UUID]:
    """The visit with those that it follows and those that follow it, the first planned first."""
    found: list[UUID] = await tx.values(
        """
        with recursive up as (
            select id, follows from visit where id = $1
            union select v.id, v.follows from visit v join up on v.id = up.follows
        ), down as (
            select id from up
            union select v.id from visit v join down on v.follows = down.id
        )
        select id from down order by id
        """,
        visit,
    )
    return found


async def events(tx: Tx, records: Sequence[UUID]) -> list[EventRow]:
    """Everything in the audit trail about `records`, in its order."""
    return await tx.all(
        EventRow,
        """
        select at, name, kind, record, actor, account from event
        where record = any($1::uuid[]) order by id
        """,
        list(records),
    )


async def clocks(tx: Tx, records: Sequence[UUID]) -> list[ClockRow]:
    return await tx.all(
        ClockRow,
        """
        select kind, set_at, due_at, met_at, fired_at from deadline
        where record = any($1::uuid[]) order by set_at, kind
        """,
        list(records),
    )


async def officers(tx: Tx, accounts: Sequence[UUID]) -> list[CaseOfficer]:
    """Those of `accounts` that are on the list of officers, also if they have left it."""
    return await tx.all(
        CaseOfficer,
        "select account, name, position from officer where account = any($1::uuid[]) order by id",
        list(accounts),
    )
