"""Provinces, districts and sub-districts by DOPA code, from the maintained `geothai` data."""

from __future__ import annotations

import geothai
import msgspec

from api.db import Tx


class Province(msgspec.Struct):
    """`code` is the two-digit DOPA code; ISO 3166-2 is `TH-` and the same digits."""

    code: str
    name_th: str
    name_en: str


async def provinces(tx: Tx) -> list[Province]:
    return await tx.all(Province, "select code, name_th, name_en from province order by code")


async def load(tx: Tx) -> int:
    """Writes all places as the owner of the tables; a second run changes only what differs."""
    found = geothai.provinces()
    districts = [d for p in found for d in geothai.districts(p.code)]
    subdistricts = [s for d in districts for s in geothai.subdistricts(d.code)]
    await tx.run(
        """
        insert into province (code, name_th, name_en)
        select * from unnest($1::text[], $2::text[], $3::text[])
        on conflict (code) do update set name_th = excluded.name_th, name_en = excluded.name_en
        where (province.name_th, province.name_en) <> (excluded.name_th, excluded.name_en)
        """,
        [p.code for p in found],
        [p.name_th for p in found],
        [p.name_en for p in found],
    )
    await tx.run(
        """
        insert into district (code, province, name_th, name_en)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
        on conflict (code) do update set name_th = excluded.name_th, name_en = excluded.name_en
        where (district.name_th, district.name_en) <> (excluded.name_th, excluded.name_en)
        """,
        [d.code for d in districts],
        [d.province_code for d in districts],
        [d.name_th for d in districts],
        [d.name_en for d in districts],
    )
    return await tx.run(
        """
        insert into subdistrict (code, district, name_th, name_en, postal_code)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
        on conflict (code) do update set name_th = excluded.name_th, name_en = excluded.name_en
        where (subdistrict.name_th, subdistrict.name_en) <> (excluded.name_th, excluded.name_en)
        """,
        [s.code for s in subdistricts],
        [s.district_code for s in subdistricts],
        [s.name_th for s in subdistricts],
        [s.name_en for s in subdistricts],
        [next(iter(s.postal_codes), None) for s in subdistricts],
    )
