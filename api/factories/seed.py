"""Reference data of the register, and a small sample of factories, plainly samples."""

from __future__ import annotations

from uuid import UUID

import geothai
import msgspec

from api import events
from api.db import Tx
from api.factories import earth, names
from api.factories.categories import book, class_for
from api.factories.numbers import new_check_digit
from api.ids import of_text

YEAR = 2569
FIRST_RUNNING = 99_001
"""The sample numbers run from here: no office has ever reached it in one year."""


async def load_categories(tx: Tx) -> int:
    """Writes the list of factory types; a second run changes only what differs."""
    rows = [
        (c.code, c.main, c.sub, c.title_th, c.title_en, msgspec.json.encode(c.classes).decode())
        for c in book().categories
    ]
    return await tx.run(
        """
        insert into category (code, main, sub, title_th, title_en, classes)
        select code, main, sub, th, en, classes::jsonb
        from unnest($1::text[], $2::smallint[], $3::smallint[], $4::text[], $5::text[], $6::text[])
            as t (code, main, sub, th, en, classes)
        on conflict (code) do update
        set title_th = excluded.title_th, title_en = excluded.title_en, classes = excluded.classes
        where (category.title_th, category.title_en, category.classes)
            is distinct from (excluded.title_th, excluded.title_en, excluded.classes)
        """,
        *(list(column) for column in zip(*rows, strict=True)),
    )


class Trade(msgspec.Struct, frozen=True):
    """A kind of sample factory: its category and what it has."""

    category: str
    name: str
    hp: float
    workers: int


TRADES = (
    Trade("02202", "การทอ", 480.0, 120),  # textile, effluent
    Trade("06401", "โลหะ", 350.5, 85),
    Trade("00402", "อาหารเนื้อ", 220.0, 64),
    Trade("00906", "มันเส้น", 74.0, 20),  # class 2
    Trade("05304", "พลาสติก", 150.0, 42),
    Trade("02201", "ด้าย", 900.0, 260),
    Trade("00211", "ฟักไข่", 60.0, 8),  # class 1
    Trade("04201", "เคมีภัณฑ์", 95.0, 33),
    Trade("10600", "รีไซเคิล", 310.0, 55),
)
_PROVINCES = {
    # a box of the province that is land
    "11": (13.56, 13.66, 100.62, 100.80, 36),
    "74": (13.53, 13.62, 100.24, 100.34, 14),
    "10": (13.68, 13.86, 100.42, 100.78, 10),
}
OPERATOR = "0999900000015"
STRANGER = "0999900000023"
_STATUSES = {8: "not_started", 16: "stopped", 24: "closed", 32: "struck_off"}
"""By place in a province; all others operate."""


async def samples(tx: Tx) -> None:
    """60 sample factories in three provinces; needs the sample companies. Loads once."""
    if await tx.value("select true from premises where id = $1", of_text("sample premises 11-0")):
        return
    companies = {
        juristic: await tx.value("select id from company where juristic_id = $1", juristic)
        for juristic in (OPERATOR, STRANGER)
    }
    for province, (south, north, west, east, count) in _PROVINCES.items():
        places = [s for d in geothai.districts(province) for s in geothai.subdistricts(d.code)]
        for n in range(count):
            trade = TRADES[n % len(TRADES)]
            # The golden ratio spreads points evenly without two of them on one spot.
            lat = south + (north - south) * (n * 0.618034 % 1)
            lng = west + (east - west) * (n * 0.754878 % 1)
            site = of_text(f"sample premises {province}-{n}")
            company = {("11", 1): OPERATOR, ("74", 1): STRANGER}.get((province, n))
            name = _name(company, trade, province, n)
            await _premises(tx, site, name, places[n * 7 % len(places)].code, lat, lng)
            owner = companies.get(company or "")
            await _licence(tx, site, name, trade, province, n, owner, n)
            if (province, n) == ("11", 5):  # one site, two licences
                await _licence(tx, site, f"{name} (คัดแยก)", TRADES[-1], province, 500, None, n)
            await events.record(
                tx,
                "licence.registered",
                "factory",
                site,
                scopes=[events.province(province)] + ([events.company(owner)] if owner else []),
            )


def _name(company: str | None, trade: Trade, province: str, n: int) -> str:
    if company == OPERATOR:
        return "บริษัท ตัวอย่างโลหะกิจ จำกัด"
    if company == STRANGER:
        return "บริษัท ตัวอย่างเคมีภัณฑ์ จำกัด"
    if n % 7 == 6:
        return f"ตัวอย่าง{trade.name} {province}/{n + 1}"
    return f"บริษัท ตัวอย่าง{trade.name} {province}/{n + 1} จำกัด"


async def _premises(tx: Tx, id: UUID, name: str, subdistrict: str, lat: float, lng: float) -> None:
    await tx.run(
        """
        insert into premises (id, name, name_key, search, live, address, province, district,
            subdistrict, lat, lng, earth, position_source, created_at)
        values ($1, $2, $3, $4, true, $5, $6, $7, $8, $9, $10, cube($11::float8[]), 'register', $12)
        """,
        id,
        name,
        names.sort_key(name),
        names.search_form(name),
        "99/9 หมู่ 9 (ที่อยู่ตัวอย่าง)",
        subdistrict[:2],
        subdistrict[:4],
        subdistrict,
        round(lat, 6),
        round(lng, 6),
        list(earth.point(round(lat, 6), round(lng, 6))),
        tx.now,
    )


async def _licence(
    tx: Tx,
    premises: UUID,
    name: str,
    trade: Trade,
    province: str,
    n: int,
    company: UUID | None,
    place: int,
) -> None:
    head = f"20{province}{FIRST_RUNNING + n:05d}{YEAR}"
    number = head + new_check_digit(head)
    class_ = class_for(trade.category, trade.hp, trade.workers).licence_class or 3
    main, sub = int(trade.category[:3]), int(trade.category[3:])
    suffix = {"11": "สป", "74": "สค", "10": ""}[province]
    old = f"{class_}-{main}{f'({sub})' if sub else ''}-{FIRST_RUNNING + n}/{YEAR % 100}{suffix}"
    person = name.startswith("ตัวอย่าง")
    status = _STATUSES.get(place, "operating") if n < 500 else "operating"
    await tx.run(
        """
        insert into licence (id, key, number_new, number_old, number_shown, licence_class,
            category, hp, workers, name, operator_name, operator_kind, operator_company, status,
            premises_id, created_at)
        values ($1, $2, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        of_text(f"sample licence {province}-{n}"),
        number,
        old,
        class_,
        trade.category,
        trade.hp,
        trade.workers,
        name,
        "นายตัวอย่าง ทดสอบระบบ" if person else name,
        "person" if person else "company",
        company,
        status,
        premises,
        tx.now,
    )
    if status == "struck_off":
        await tx.run("update premises set live = false where id = $1", premises)
