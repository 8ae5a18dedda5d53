"""Statements of the register, one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from api.db import Tx
from api.factories import earth, names
from api.factories.model import RegisterPremises, Subject


class PremisesRow(msgspec.Struct):
    """Premises as they stand, locked or not."""

    id: UUID
    version: int
    name: str
    search: str
    live: bool
    address: str
    province: str
    district: str | None
    subdistrict: str | None
    lat: float | None
    lng: float | None
    position_source: str | None
    registered: bool
    merged_into: UUID | None


class PlaceNames(msgspec.Struct):
    province: str
    district: str | None
    subdistrict: str | None


class LicenceRow(msgspec.Struct):
    id: UUID
    version: int
    key: str
    number_new: str | None
    number_old: str | None
    number_shown: str
    licence_class: int | None
    category: str | None
    other_categories: list[str]
    hp: float | None
    workers: int | None
    name: str
    operator_name: str
    operator_kind: str
    operator_company: UUID | None
    isic: str | None
    estate: str | None
    status: str
    premises_id: UUID
    created_at: datetime


class VersionRow(msgspec.Struct):
    licence: UUID
    version: int
    at: datetime
    by_officer: bool
    changed: str


class CategoryRow(msgspec.Struct):
    code: str
    main: int
    sub: int | None
    title_th: str
    title_en: str
    classes: str


async def premises(tx: Tx, ids: Sequence[UUID]) -> list[PremisesRow]:
    return await tx.all(
        PremisesRow,
        """
        select id, version, name, search, live, address, province, district, subdistrict, lat, lng,
            position_source, registered, merged_into
        from premises where id = any($1::uuid[])
        """,
        ids,
    )


async def lock_premises(tx: Tx, ids: Sequence[UUID]) -> list[PremisesRow]:
    """The rows, held until the transaction ends, in the order of their ids."""
    return await tx.all(
        PremisesRow,
        """
        select id, version, name, search, live, address, province, district, subdistrict, lat, lng,
            position_source, registered, merged_into
        from premises where id = any($1::uuid[]) order by id for no key update
        """,
        ids,
    )


async def place_names(tx: Tx, row: PremisesRow) -> PlaceNames:
    return await tx.one(
        PlaceNames,
        """
        select p.name_th, (select name_th from district where code = $2),
            (select name_th from subdistrict where code = $3)
        from province p where p.code = $1
        """,
        row.province,
        row.district,
        row.subdistrict,
    )


async def merged_from(tx: Tx, id: UUID) -> list[UUID]:
    return await tx.values("select id from premises where merged_into = $1 order by id", id)


async def licences_of(tx: Tx, premises: Sequence[UUID]) -> list[LicenceRow]:
    """The licences at `premises`: those in force first, then by number."""
    return await tx.all(
        LicenceRow,
        """
        select id, version, key, number_new, number_old, number_shown, licence_class, category,
            other_categories, hp, workers, name, operator_name, operator_kind, operator_company,
            isic, estate, status, premises_id, created_at
        from licence where premises_id = any($1::uuid[])
        order by status in ('closed', 'struck_off'), key
        """,
        premises,
    )


async def lock_licence(tx: Tx, id: UUID) -> LicenceRow | None:
    return await tx.maybe_one(
        LicenceRow,
        """
        select id, version, key, number_new, number_old, number_shown, licence_class, category,
            other_categories, hp, workers, name, operator_name, operator_kind, operator_company,
            isic, estate, status, premises_id, created_at
        from licence where id = $1 for no key update
        """,
        id,
    )


async def status_versions(tx: Tx, licences: Sequence[UUID]) -> list[VersionRow]:
    """Every change of status, the oldest first."""
    return await tx.all(
        VersionRow,
        """
        select licence_id, version, at, account is not null, changed->>'status'
        from licence_version
        where licence_id = any($1::uuid[]) and changed ? 'status'
        order by licence_id, version
        """,
        licences,
    )


async def by_number(tx: Tx, normal: str) -> list[UUID]:
    """Premises of the licences that bear this number, new or old, in normal form."""
    return await tx.values(
        """
        select premises_id from licence where key = $1
        union
        select premises_id from licence where number_old = $1
        """,
        normal,
    )


async def insert_premises(tx: Tx, id: UUID, site: RegisterPremises) -> bool:
    """Stores an unregistered site; False where the id is taken."""
    placed = site.lat is not None and site.lng is not None
    point = earth.point(site.lat or 0.0, site.lng or 0.0)
    return (
        await tx.run(
            """
            insert into premises (id, name, name_key, search, live, address, province, district,
                subdistrict, lat, lng, earth, position_source, registered, created_at)
            values ($1, $2, $3, $4, true, $5, $6, $7, $8, $9, $10,
                case when $11::boolean then cube($12::float8[]) end,
                case when $11 then 'officer' end, false, $13)
            on conflict (id) do nothing
            """,
            id,
            site.name,
            names.sort_key(site.name),
            names.search_form(site.name),
            site.address,
            site.province,
            site.district,
            site.subdistrict,
            site.lat,
            site.lng,
            placed,
            list(point),
            tx.now,
        )
        == 1
    )


async def move_premises(tx: Tx, id: UUID, lat: float, lng: float) -> None:
    await tx.run(
        """
        update premises
        set lat = $2, lng = $3, earth = cube($4::float8[]), position_source = 'officer'
        where id = $1
        """,
        id,
        lat,
        lng,
        list(earth.point(lat, lng)),
    )


async def readdress_premises(
    tx: Tx, id: UUID, address: str, district: str | None, subdistrict: str | None
) -> None:
    await tx.run(
        "update premises set address = $2, district = $3, subdistrict = $4 where id = $1",
        id,
        address,
        district,
        subdistrict,
    )


async def version_premises(
    tx: Tx, id: UUID, account: UUID | None, changed: Mapping[str, Any]
) -> int:
    """Counts the version up and keeps what changed; returns the new version."""
    version: int = await tx.value(
        """
        with counted as (
            update premises set version = version + 1 where id = $1 returning version
        )
        insert into premises_version (premises_id, version, at, account, changed)
        select $1, version, $2, $3, $4::jsonb from counted returning version
        """,
        id,
        tx.now,
        account,
        msgspec.json.encode(changed).decode(),
    )
    return version


async def merge_into(tx: Tx, id: UUID, other: UUID) -> None:
    """Moves the licences of `other`, and what was merged into it, to `id`."""
    await tx.run("update licence set premises_id = $1 where premises_id = $2", id, other)
    await tx.run("update premises set merged_into = $1 where merged_into = $2", id, other)
    await tx.run(
        """
        update premises p
        set search = p.search || '|' || o.search, live = p.live or o.live,
            registered = p.registered or o.registered,
            lat = coalesce(p.lat, o.lat), lng = coalesce(p.lng, o.lng),
            earth = coalesce(p.earth, o.earth),
            position_source = coalesce(p.position_source, o.position_source)
        from premises o where p.id = $1 and o.id = $2
        """,
        id,
        other,
    )
    await tx.run("update premises set merged_into = $1 where id = $2", id, other)


async def change_licence(tx: Tx, id: UUID, status: str, operator_company: UUID | None) -> None:
    await tx.run(
        "update licence set status = $2, operator_company = $3 where id = $1",
        id,
        status,
        operator_company,
    )


async def version_licence(
    tx: Tx, id: UUID, account: UUID | None, changed: Mapping[str, Any]
) -> int:
    version: int = await tx.value(
        """
        with counted as (
            update licence set version = version + 1 where id = $1 returning version
        )
        insert into licence_version (licence_id, version, at, account, changed)
        select $1, version, $2, $3, $4::jsonb from counted returning version
        """,
        id,
        tx.now,
        account,
        msgspec.json.encode(changed, enc_hook=str).decode(),
    )
    return version


class Taken(msgspec.Struct):
    """The state of a licence before and after an order closed it."""

    before: str
    after: str


async def taken_by_order(tx: Tx, licence: UUID, order: UUID) -> Taken | None:
    """What `order` took, or orders before it that handed it over to `order`."""
    return await tx.maybe_one(
        Taken,
        """
        with recursive taken as (
            select licence_id, version, changed from licence_version
            where licence_id = $1 and changed->'order'->>1 = $2
            union
            select v.licence_id, v.version, v.changed from taken t join licence_version v
                on v.licence_id = t.licence_id and v.version < t.version
                    and v.changed->'order'->>1 = t.changed->'order'->>0
            where not t.changed ? 'status'
        )
        select changed->'status'->>0, changed->'status'->>1 from taken
        where changed ? 'status' order by version desc limit 1
        """,
        licence,
        str(order),
    )


async def renew_live(tx: Tx, premises: UUID) -> bool:
    """Whether the site is still in the lists, after a licence of it changed its status."""
    live: bool = await tx.value(
        """
        update premises p
        set live = not exists (select from licence where premises_id = p.id)
            or exists (select from licence where premises_id = p.id and status <> 'struck_off')
        where p.id = $1 returning live
        """,
        premises,
    )
    return live


async def subject(tx: Tx, licence: UUID) -> Subject | None:
    return await tx.maybe_one(
        Subject,
        """
        select l.id, l.premises_id, p.province, l.operator_company, l.licence_class, l.category,
            l.other_categories, l.hp, l.workers, p.lat, p.lng
        from licence l join premises p on p.id = l.premises_id where l.id = $1
        """,
        licence,
    )


async def categories(tx: Tx) -> list[CategoryRow]:
    return await tx.all(
        CategoryRow,
        "select code, main, sub, title_th, title_en, classes::text from category order by code",
    )
