"""The statements of what the public sees of complaints: released ones, and frozen counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.complaints.model import State
from api.db import Tx


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the published complaints; what is None does not count."""

    ids: list[int] | None = None
    categories: list[str] | None = None
    states: list[str] | None = None
    province: str | None = None
    first: date | None = None
    """The first of a month, as `last`; both included."""
    last: date | None = None
    safe: bool = False
    """Only those whose cell holds enough others."""
    limit: int = 1000


class Published(msgspec.Struct):
    """A complaint as the public may know it; `row` and `column` count cells of the grid.

    They are None where the cell holds too few others.
    """

    public_id: int
    category: str
    content: str
    province: str | None
    province_th: str | None
    province_en: str | None
    state: State
    merged_state: State | None
    month: date
    changed: date
    th: str
    en: str | None
    row: int | None
    column: int | None


async def published(
    tx: Tx, wanted: Wanted, *, grid: float, least: int, before: datetime
) -> list[Published]:
    """Released complaints of complete months (`before`: where this month began), newest first.

    Not those of confidential categories. What was merged, or left by its complainant, stays until
    an officer takes the words back: by going it would tell that somebody gave up.
    """
    return await tx.all(
        Published,
        """
        with open_to_all as not materialized (
            select c.*, k.content,
                date_trunc('month', c.received_at at time zone 'Asia/Bangkok')::date as month
            from complaint c join complaint_category k on k.code = c.category
            where c.released_at is not null
                and not coalesce((k.content->>'confidential')::boolean, false)
                and c.received_at < $10
        )
        select c.public_id, c.category, c.content::text, c.province, p.name_th as province_th,
            p.name_en as province_en, c.state, m.state as merged_state, c.month,
            date_trunc('month', coalesce(
                case when m.id is null then c.closed_at else m.closed_at end,
                case when m.id is null then c.resolved_at else m.resolved_at end,
                c.released_at) at time zone 'Asia/Bangkok')::date as changed,
            c.released_text as th, c.released_en as en,
            case when cell.safe then floor(c.lat / $8)::integer end as row,
            case when cell.safe then floor(c.lng / $8)::integer end as column
        from open_to_all c
        left join province p on p.code = c.province
        left join complaint m on m.id = c.merged_into
        cross join lateral (
            select count(*) >= $9 as safe from (
                select from open_to_all n
                where n.lat between c.lat - $8 and c.lat + $8
                    and n.lng between c.lng - $8 and c.lng + $8
                    and floor(n.lat / $8) = floor(c.lat / $8)
                    and floor(n.lng / $8) = floor(c.lng / $8)
                limit $9
            ) others
        ) cell
        where ($1::bigint[] is null or c.public_id = any ($1))
            and ($2::text[] is null or c.category = any ($2))
            and ($3::text[] is null or coalesce(m.state, c.state) = any ($3))
            and ($4::text is null or c.province = $4)
            and ($5::date is null or c.month >= $5) and ($6::date is null or c.month <= $6)
            and (not $7 or cell.safe)
        order by c.month desc, c.public_id limit $11
        """,
        wanted.ids,
        wanted.categories,
        wanted.states,
        wanted.province,
        wanted.first,
        wanted.last,
        wanted.safe,
        grid,
        least,
        before,
        wanted.limit,
    )


async def release(
    tx: Tx, complaint: UUID, *, id: UUID, authority: UUID, th: str | None, en: str | None
) -> None:
    """Writes words for the public, or takes them back (`th` is None), and keeps that it was so."""
    await tx.run(
        """
        with kept as (
            insert into complaint_release (id, complaint, at, account, authority, th, en)
            values ($1, $2, $3, $4, $5, $6, $7)
        )
        update complaint set released_text = $6, released_en = $7,
            released_at = case when $6::text is not null then $3::timestamptz end,
            released_by = case when $6::text is not null then $4::uuid end
        where id = $2
        """,
        id,
        complaint,
        tx.now,
        _account(tx),
        authority,
        th,
        en,
    )


async def public_id(tx: Tx, complaint: UUID) -> int:
    """The number under which programs and the public know a complaint."""
    found: int = await tx.value("select public_id from complaint where id = $1", complaint)
    return found


def _account(tx: Tx) -> UUID:
    account: UUID = getattr(tx.actor, "account")  # noqa: B009 - officers alone have the verb
    return account


class Count(msgspec.Struct):
    """So many complaints of a month, as frozen."""

    month: date
    province: str
    category: str
    n: int


async def counts(tx: Tx, first: date | None, last: date | None) -> list[Count]:
    """Frozen counts of categories that are not confidential."""
    return await tx.all(
        Count,
        """
        select c.month, c.province, c.category, c.n from complaint_count c
        join complaint_category k on k.code = c.category
        where not coalesce((k.content->>'confidential')::boolean, false)
            and ($1::date is null or c.month >= $1) and ($2::date is null or c.month <= $2)
        order by c.month, c.province, c.category
        """,
        first,
        last,
    )


async def months(tx: Tx, first: date | None, last: date | None) -> list[date]:
    """The frozen months."""
    return await tx.values(
        """
        select month from complaint_month
        where ($1::date is null or month >= $1) and ($2::date is null or month <= $2)
        order by month
        """,
        first,
        last,
    )


async def next_month(tx: Tx) -> date | None:
    """The month after the last frozen one; else that of the oldest complaint, if there is any."""
    found: date | None = await tx.value(
        """
        select coalesce(
            (select (max(month) + interval '1 month')::date from complaint_month),
            (select date_trunc('month', min(received_at) at time zone 'Asia/Bangkok')::date
            from complaint))
        """
    )
    return found


async def freeze(tx: Tx, month: date) -> int:
    """Counts what officers took up of a month, once; returns the rows of the count."""
    return await tx.run(
        """
        with first as (
            insert into complaint_month (month, at) values ($1, $2)
            on conflict (month) do nothing returning month
        )
        insert into complaint_count (month, province, category, n)
        select f.month, c.province, c.category, count(*) from first f
        join complaint c
            on c.received_at >= f.month::timestamp at time zone 'Asia/Bangkok'
            and c.received_at < (f.month + interval '1 month') at time zone 'Asia/Bangkok'
        join complaint_category k on k.code = c.category
        where c.province is not null and not coalesce((k.content->>'confidential')::boolean, false)
            and c.state not in ('submitted', 'rejected', 'duplicate', 'withdrawn')
        group by f.month, c.province, c.category
        """,
        month,
        tx.now,
    )


def states(names: Sequence[str]) -> list[str] | None:
    """The states that `open` and `closed` stand for, as strangers are told them."""
    closed = {State.resolved, State.closed, State.rejected, State.withdrawn}
    if not names:
        return None
    found: set[State] = set()
    if "closed" in names:
        found |= closed
    if "open" in names:
        found |= set(State) - closed
    return sorted(found)
