"""Officers' lists of complaints: one statement a page, from an index, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from api.complaints.model import Severity, State, Subject
from api.db import Tx


class Line(msgspec.Struct):
    """A complaint in a list, as stored."""

    id: UUID
    number: int
    state: State
    severity: Severity
    category: str
    summary: str
    province: str | None
    premises: UUID | None
    factory: str | None
    subject: Subject
    office: UUID | None
    assigned: UUID | None
    next_due: datetime | None
    callback: bool
    me_toos: int
    occurrences: int
    received_at: datetime
    version: int


class Wanted(msgspec.Struct, kw_only=True):
    """What a list is narrowed to; `provinces` and `office` are the caller's reach."""

    states: list[State] | None = None
    provinces: list[str] | None = None
    office: UUID | None = None
    only_of: UUID | None = None
    province: str | None = None
    category: str | None = None
    severity: Severity | None = None
    subject: Subject | None = None
    callback: bool = False
    due_before: datetime | None = None


class After(msgspec.Struct):
    """Where the list goes on: behind this deadline and id; without a deadline come the last."""

    at: datetime | None
    id: UUID


_COLUMNS = """
    select c.id, c.number, c.state, c.severity, c.category, left(c.description, 120) as summary,
        c.province, c.premises, p.name as factory, c.subject, c.office, c.assigned, c.next_due,
        c.callback, c.me_toos, c.occurrences, c.received_at, c.version
"""
_FITS = """
    ($5::text[] is null or c.state = any ($5))
    and ($6::text[] is null or c.province = any ($6) or c.office = $7)
    and ($8::uuid is null or c.office = $8)
    and ($9::text is null or c.province = $9)
    and ($10::text is null or c.category = $10)
    and ($11::text is null or c.severity = $11)
    and ($12::text is null or c.subject = $12)
    and (not $13::boolean or c.callback)
"""
# For each key its own page from an index of open complaints, in the order of the index: as much
# is read as is shown, however many there are.
_OPEN = """COLUMNS
    from (
        select o.id from unnest($1::KIND[]) as k
        cross join lateral (
            (select c.id, c.next_due from complaint c
            where KEY = k and (c.next_due, c.id) > ($2, $3)
                and c.next_due < coalesce($14, 'infinity'::timestamptz)
                and c.state not in ('resolved', 'closed', 'rejected', 'duplicate', 'withdrawn')
                and FITS
            order by c.next_due, c.id limit $4)
            union all
            (select c.id, c.next_due from complaint c
            where KEY = k and c.next_due is null and c.id > $15
                and $14::timestamptz is null
                and c.state not in ('resolved', 'closed', 'rejected', 'duplicate', 'withdrawn')
                and FITS
            order by c.next_due, c.id limit $4)
        ) o
        order by o.next_due, o.id limit $4
    ) page
    join complaint c on c.id = page.id
    left join premises p on p.id = c.premises
    order by c.next_due, c.id
""".replace("COLUMNS", _COLUMNS).replace("FITS", _FITS)
# Whatever has ended has no deadline: the newest first.
_ALL = """COLUMNS
    from (
        select o.id from unnest($1::KIND[]) as k
        cross join lateral (
            select c.id from complaint c
            where KEY = k and c.id < $3
                and ($2::timestamptz is null or c.next_due < $2)
                and FITS
            order by c.id desc limit $4
        ) o
        order by o.id desc limit $4
    ) page
    join complaint c on c.id = page.id
    left join premises p on p.id = c.premises
    order by c.id desc
""".replace("COLUMNS", _COLUMNS).replace("FITS", _FITS)
_OPEN_OF_OFFICE = _OPEN.replace("KEY", "c.office").replace("KIND", "uuid")
_OPEN_OF_PROVINCE = _OPEN.replace("KEY", "c.province").replace("KIND", "text")
_OPEN_EVERYWHERE = _OPEN.replace("KEY = k", "k").replace("KIND", "boolean")
_OPEN_OF_OFFICER = _OPEN.replace("KEY", "c.assigned").replace("KIND", "uuid")
_ALL_OF_OFFICE = _ALL.replace("KEY", "c.office").replace("KIND", "uuid")
_ALL_OF_PROVINCE = _ALL.replace("KEY", "c.province").replace("KIND", "text")
_ALL_EVERYWHERE = _ALL.replace("KEY = k", "k").replace("KIND", "boolean")
_ALL_OF_OFFICER = _ALL.replace("KEY", "c.assigned").replace("KIND", "uuid")


async def open_of_offices(
    tx: Tx, offices: Sequence[UUID], wanted: Wanted, after: After | None, limit: int
) -> list[Line]:
    """Open complaints of `offices`, what is due first first; those without a deadline last."""
    return await tx.all(Line, _OPEN_OF_OFFICE, offices, *_open(wanted, after, limit))


async def open_of_provinces(
    tx: Tx, provinces: Sequence[str], wanted: Wanted, after: After | None, limit: int
) -> list[Line]:
    return await tx.all(Line, _OPEN_OF_PROVINCE, provinces, *_open(wanted, after, limit))


async def open_everywhere(tx: Tx, wanted: Wanted, after: After | None, limit: int) -> list[Line]:
    """Of all provinces, and those of which nobody knows the province."""
    return await tx.all(Line, _OPEN_EVERYWHERE, [True], *_open(wanted, after, limit))


async def open_of_officer(
    tx: Tx, officer: UUID, wanted: Wanted, after: After | None, limit: int
) -> list[Line]:
    return await tx.all(Line, _OPEN_OF_OFFICER, [officer], *_open(wanted, after, limit))


async def all_of_offices(
    tx: Tx, offices: Sequence[UUID], wanted: Wanted, after: After | None, limit: int
) -> list[Line]:
    """Complaints of `offices` in any state, the newest first."""
    return await tx.all(Line, _ALL_OF_OFFICE, offices, *_all(wanted, after, limit))


async def all_of_provinces(
    tx: Tx, provinces: Sequence[str], wanted: Wanted, after: After | None, limit: int
) -> list[Line]:
    return await tx.all(Line, _ALL_OF_PROVINCE, provinces, *_all(wanted, after, limit))


async def all_everywhere(tx: Tx, wanted: Wanted, after: After | None, limit: int) -> list[Line]:
    return await tx.all(Line, _ALL_EVERYWHERE, [True], *_all(wanted, after, limit))


async def all_of_officer(
    tx: Tx, officer: UUID, wanted: Wanted, after: After | None, limit: int
) -> list[Line]:
    return await tx.all(Line, _ALL_OF_OFFICER, [officer], *_all(wanted, after, limit))


_BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)
_AFTER_ALL = datetime(9999, 12, 30, tzinfo=UTC)
_FIRST, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)


def _open(wanted: Wanted, after: After | None, limit: int) -> list[object]:
    """Parameters 2 to 15 of `_OPEN`."""
    at, id, alone = _BEFORE_ALL, _FIRST, _FIRST
    if after is not None and after.at is not None:
        at, id = after.at, after.id
    elif after is not None:
        at, id, alone = _AFTER_ALL, _LAST, after.id
    return [at, id, limit, *_fits(wanted), wanted.due_before, alone]


def _all(wanted: Wanted, after: After | None, limit: int) -> list[object]:
    before = _LAST if after is None else after.id
    return [wanted.due_before, before, limit, *_fits(wanted)]


def _fits(wanted: Wanted) -> list[object]:
    return [
        wanted.states,
        wanted.provinces,
        wanted.office,
        wanted.only_of,
        wanted.province,
        wanted.category,
        wanted.severity,
        wanted.subject,
        wanted.callback,
    ]


async def lines(
    tx: Tx,
    ids: Sequence[UUID],
    provinces: Sequence[str] | None,
    office: UUID | None,
    only_of: UUID | None,
) -> list[Line]:
    """Those of `ids` in the caller's reach that somebody has to do with, as a list shows them."""
    return await tx.all(
        Line,
        _COLUMNS
        + """
        from complaint c left join premises p on p.id = c.premises
        where c.id = any ($1) and c.state not in ('closed', 'rejected', 'duplicate', 'withdrawn')
            and ($2::text[] is null or c.province = any ($2) or c.office = $3)
            and ($4::uuid is null or c.office = $4)
        """,
        ids,
        provinces,
        office,
        only_of,
    )


async def numbered(
    tx: Tx,
    number: int,
    provinces: Sequence[str] | None,
    office: UUID | None,
    only_of: UUID | None,
) -> list[Line]:
    """The one of that number, if it is in the caller's reach."""
    return await tx.all(
        Line,
        _COLUMNS
        + """
        from complaint c left join premises p on p.id = c.premises
        where c.number = $1::bigint
            and ($2::text[] is null or c.province = any ($2) or c.office = $3)
            and ($4::uuid is null or c.office = $4)
        """,
        number,
        provinces,
        office,
        only_of,
    )


async def known_to_office(tx: Tx, ids: Sequence[UUID], office: UUID) -> set[UUID]:
    """Those of `ids` that the office answers for, or did before it forwarded them."""
    found = await tx.values(
        """
        select c.id from complaint c where c.id = any ($1) and (c.office = $2 or exists (
            select from event e where e.record = c.id and e.name = 'complaint.forwarded'
                and e.facts->>'from' = $2::uuid::text))
        """,
        ids,
        office,
    )
    return set(found)
