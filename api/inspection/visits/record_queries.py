"""Statements behind the record of a visit: the names and places that it spells out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from api.db import Tx


class OfficerName(msgspec.Struct):
    account: UUID
    name: str
    position: str


class OfficeName(msgspec.Struct):
    th: str
    en: str


class RecordFactory(msgspec.Struct):
    """A site with one of its licences, as it stands on a record."""

    name: str
    address: str
    province: str
    district: str | None
    subdistrict: str | None
    number: str | None
    number_new: str | None
    class_: int | None
    category: str | None
    category_th: str | None
    category_en: str | None
    operator: str | None


async def officers(tx: Tx, accounts: Sequence[UUID]) -> list[OfficerName]:
    """Those of `accounts` that are on the list of officers, also if they have left it."""
    return await tx.all(
        OfficerName,
        "select account, name, position from officer where account = any($1::uuid[])",
        list(accounts),
    )


async def office(tx: Tx, province: str) -> OfficeName | None:
    """The office that is responsible for a province."""
    return await tx.maybe_one(
        OfficeName,
        """
        select o.name_th, o.name_en from office o join office_province p on p.office = o.id
        where p.province = $1 and o.kind in ('pio', 'diw')
        order by o.kind desc, o.code limit 1
        """,
        province,
    )


async def factory(tx: Tx, premises: UUID, licence: UUID | None) -> RecordFactory:
    return await tx.one(
        RecordFactory,
        """
        select p.name, p.address, pr.name_th, d.name_th, s.name_th, l.number_shown, l.number_new,
            l.licence_class, l.category, c.title_th, c.title_en, l.operator_name
        from premises p
            join province pr on pr.code = p.province
            left join district d on d.code = p.district
            left join subdistrict s on s.code = p.subdistrict
            left join licence l on l.id = $2
            left join category c on c.code = l.category
        where p.id = $1
        """,
        premises,
        licence,
    )


async def reviewer(tx: Tx, visit: UUID) -> UUID | None:
    found: UUID | None = await tx.value("select reviewed_by from visit where id = $1", visit)
    return found
