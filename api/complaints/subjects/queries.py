"""Statements about whom complaints are about: factories and complaints nearby."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.permissions import Scope


async def category_content(tx: Tx, category: str, version: int) -> str:
    """The category as it was when the complaint was told, as JSON."""
    found: str = await tx.value(
        "select content::text from complaint_category_version where category = $1 and version = $2",
        category,
        version,
    )
    return found


class Near(msgspec.Struct):
    """A site with one of its licences; a site with several is there several times."""

    premises: UUID
    name: str
    province: str
    lat: float | None
    lng: float | None
    registered: bool
    chord: float | None
    licence: UUID | None
    number: str | None
    class_: int | None
    category: str | None
    other_categories: list[str] | None
    status: str | None


async def factories_near(tx: Tx, earth: str) -> list[Near]:
    """The forty sites nearest to `earth`, by `premises_near`.

    How many is no parameter, and nothing in it depends on whether one is null, so that PostgreSQL
    keeps one plan: making it anew costs as much as the look. So it is in `complaints_near`.
    """
    return await tx.all(
        Near,
        """
        select s.id, s.name, s.province, s.lat, s.lng, s.registered, s.chord,
            l.id, l.number_shown, l.licence_class, l.category, l.other_categories, l.status
        from (
            select p.id, p.name, p.province, p.lat, p.lng, p.registered,
                p.earth <-> $1::cube as chord
            from premises p
            where p.live and p.merged_into is null and p.earth is not null
            order by p.earth <-> $1::cube limit 40
        ) s
        left join licence l on l.premises_id = s.id and l.status <> 'struck_off'
        """,
        earth,
    )


async def factories_named(tx: Tx, earth: str | None, premises: Sequence[UUID]) -> list[Near]:
    """These sites, or those that they were merged into, wherever they are."""
    return await tx.all(
        Near,
        """
        select p.id, p.name, p.province, p.lat, p.lng, p.registered, p.earth <-> $1::cube,
            l.id, l.number_shown, l.licence_class, l.category, l.other_categories, l.status
        from premises n
        join premises p on p.id = coalesce(n.merged_into, n.id)
        left join licence l on l.premises_id = p.id and l.status <> 'struck_off'
        where n.id = any ($2::uuid[])
        """,
        earth,
        list(premises),
    )


async def factories_called(tx: Tx, words: Sequence[str], province: str | None) -> list[UUID]:
    """Sites of the register with every one of `words` in a name, by trigrams."""
    return await tx.values(
        """
        select p.id from premises p
        where p.live and p.merged_into is null and ($2::text is null or p.province = $2)
            and p.search like all ($1::text[])
        limit 10
        """,
        [f"%{_literal(word)}%" for word in words],
        province,
    )


def _literal(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class Like(msgspec.Struct):
    """A complaint that may be the same matter."""

    id: UUID
    number: int
    state: str
    category: str
    summary: str
    premises: UUID | None
    office: UUID | None
    merged_into: UUID | None
    me_toos: int
    received_at: datetime
    chord: float | None
    version: int


async def complaints_near(
    tx: Tx,
    *,
    earth: str,
    at: datetime,
    radius_m: float,
    scope: Scope,
    only_of: UUID | None,
    office: UUID | None,
) -> list[Like]:
    """The complaints nearest to `earth` and `at`, in whatever state they are: those in `scope`, or
    that `office` answers for; `only_of`: and of that office alone.

    Place and time are one distance: a day counts as ten metres, so that at a place with thousands
    of complaints those of these days come first (`complaint_place_time`).
    """
    return await tx.all(
        Like,
        """
        select s.id, s.number, s.state, s.category, s.summary, s.premises, s.office, s.merged_into,
            s.me_toos, s.received_at, s.chord, s.version
        from (
            select c.id, c.number, c.state, c.category, left(c.description, 120) as summary,
                c.premises, c.office, c.merged_into, c.me_toos, c.received_at,
                c.earth <-> $1::cube as chord, c.version, c.province
            from complaint c
            where c.earth is not null
                and cube(c.earth, complaint_moment(c.received_at))
                    <@ cube_enlarge(cube($1::cube, complaint_moment($2)), $3, 4)
            order by cube(c.earth, complaint_moment(c.received_at))
                <-> cube($1::cube, complaint_moment($2))
            limit 40
        ) s
        where ($4::text[] is null or s.province = any ($4) or s.office = $6)
            and ($5::uuid is null or s.office = $5)
        """,
        earth,
        at,
        radius_m,
        None if scope.provinces is None else list(scope.provinces),
        only_of,
        office,
    )


async def complaints_about(
    tx: Tx,
    premises: UUID,
    *,
    earth: str | None,
    scope: Scope,
    only_of: UUID | None,
    office: UUID | None,
) -> list[Like]:
    """The latest complaints about a site; of whose reach as in `complaints_near`."""
    return await tx.all(
        Like,
        """
        select c.id, c.number, c.state, c.category, left(c.description, 120), c.premises, c.office,
            c.merged_into, c.me_toos, c.received_at, c.earth <-> $2::cube, c.version
        from complaint c
        where c.premises = $1
            and ($3::text[] is null or c.province = any ($3) or c.office = $5)
            and ($4::uuid is null or c.office = $4)
        order by c.id desc limit 40
        """,
        premises,
        earth,
        None if scope.provinces is None else list(scope.provinces),
        only_of,
        office,
    )


class Routed(msgspec.Struct):
    """A factory's names, and the office that the routes choose for it."""

    name: str
    number: str | None
    office: UUID | None
    office_th: str | None
    office_en: str | None


async def routed(
    tx: Tx,
    premises: UUID,
    licence: UUID | None,
    *,
    category: str,
    urgent: bool,
    today: date,
) -> Routed:
    return await tx.one(
        Routed,
        """
        select p.name, l.number_shown, o.id, o.name_th, o.name_en
        from premises p
        left join licence l on l.id = $2
        left join office o on o.id = complaint_office(p.province, $3, l.estate is not null,
            l.licence_class, $4, $5::date)
        where p.id = $1
        """,
        premises,
        licence,
        category,
        urgent,
        today,
    )


async def licence_of(tx: Tx, complaint: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select licence from complaint where id = $1", complaint)
    return found


async def set_licence(tx: Tx, complaint: UUID, licence: UUID | None) -> None:
    await tx.run("update complaint set licence = $2 where id = $1", complaint, licence)


async def at_premises(tx: Tx, premises: UUID) -> list[UUID]:
    """Every complaint about a site."""
    return await tx.values("select id from complaint where premises = $1 order by id", premises)
