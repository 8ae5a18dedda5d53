"""What a complainant reads beside the row: who answers for it, what was said, who looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.complaints.model import EntryKind
from api.db import Tx
from api.permissions import Tracking


class Office(msgspec.Struct):
    """The office that answers for it, as the complainant may know."""

    id: UUID
    th: str
    en: str


async def offices(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Office]:
    found = await tx.all(
        Office, "select id, name_th as th, name_en as en from office where id = any ($1)", list(ids)
    )
    return {office.id: office for office in found}


class SaidTo(msgspec.Struct):
    """What one complainant sees of what was said since."""

    complainant: UUID
    id: UUID
    kind: EntryKind
    by: str
    text: str
    at: datetime | None
    received_at: datetime


async def said(tx: Tx, callers: Sequence[Tracking]) -> list[SaidTo]:
    """What was said since, by the office to each complainant and by the complainant."""
    return await tx.all(
        SaidTo,
        """
        select w.complainant, e.id, e.kind,
            case when e.complainant is null then 'office' else 'you' end as by, e.text, e.at,
            e.received_at
        from unnest($1::uuid[], $2::uuid[]) as w(complaint, complainant)
        join complaint_entry e on e.complaint = w.complaint and e.shown
            and (e.complainant is null or e.complainant = w.complainant)
        order by e.received_at, e.id
        """,
        [caller.complaint for caller in callers],
        [caller.complainant for caller in callers],
    )


class Reopened(msgspec.Struct):
    complaint: UUID
    times: int


async def reopenings(tx: Tx, complaints: Sequence[UUID]) -> dict[UUID, int]:
    """How often those who told them reopened them by themselves; left out: never."""
    found = await tx.all(
        Reopened,
        """
        select complaint, count(*) as times from complaint_entry
        where complaint = any ($1) and kind = 'reopening' and complainant is not null
        group by complaint
        """,
        list(complaints),
    )
    return {each.complaint: each.times for each in found}


class OpeningOf(msgspec.Struct):
    """Somebody opened the seal over a complainant."""

    complainant: UUID
    at: datetime
    office_th: str
    office_en: str
    reason: str


async def openings(tx: Tx, complainants: Sequence[UUID]) -> list[OpeningOf]:
    """Who opened the seal: the complainant is told the office and the reason, not the officer."""
    return await tx.all(
        OpeningOf,
        """
        select e.record as complainant, e.at, coalesce(o.name_th, '') as office_th,
            coalesce(o.name_en, '') as office_en, coalesce(e.facts->>'reason', '') as reason
        from event e
        left join officer f on f.account = e.account
        left join office o on o.id = f.office
        where e.record = any ($1) and e.name = 'complaint.identity_opened'
        order by e.id
        """,
        list(complainants),
    )
