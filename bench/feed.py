"""A synthetic open feed in the shape of the register's own: deterministic, of any length.

Shares follow the real feed: of 241,349 rows 33,696 operate, 201,926 are struck off, 4,556 have
not started, 1,171 have stopped. All names are made up from words; persons are plainly samples.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import geothai

from api.factories.categories import book
from api.factories.numbers import new_check_digit

HEADER = (
    "FACREG,DISPFACREG,FID,FACTYPE,FNAME,ONAME,OBJECT,FADDR,FMOO,FSOI,FROAD,FTUMNAME,FAMPNAME,"
    "FPROVNAME,HP,TOTAL_WORKER,TOTAL_CAP,LAT,LNG,ISIC_CODE,ESTATE,ESTATE_NAME_TH,STATUS"
)
FREQUENT = ("การช่าง", "บริษัท", "โรงงาน", "จำกัด")
"""Parts of a name that are found in 4 to 65 of a hundred."""

MARK = "เทียบเคียงตัวอย่าง"

_STATUSES = ("ดำเนินการ", "จำหน่าย", "ได้รับใบอนุญาต", "หยุดดำเนินการ")
_WEIGHTS = (33_696, 201_926, 4_556, 1_171)
_FIRST = (
    "ไทย สยาม รุ่งเรือง เจริญ มั่นคง ทองคำ เพชร แสงทอง ศรี บูรพา อุดม พัฒนา สหะ เอเชีย ตะวันออก"
    " กรุงเทพ นคร ราชา ภูเก็ต เหนือ ใต้ กลาง มิตร แก้ว ไพบูลย์ โชคดี วัฒนา เกษม ธนา สุข ดาว จันทร์"
    " ฟ้า เมฆ ลม น้ำ ดิน ไฟ เหล็ก เงิน นิล มรกต ทับทิม ประภา เลิศ ยิ่ง ใหญ่ ใหม่ โกศล พิพัฒน์"
)
_TRADE = (
    "การช่าง พลาสติก การทอ อาหาร โลหะ เครื่องจักร ไม้แปรรูป ยางพารา น้ำตาล เคมี กระดาษ การพิมพ์ คอนกรีต"
    " ห้องเย็น น้ำแข็ง แป้งมัน อะไหล่ เซรามิก แก้ว รีไซเคิล ไฟฟ้า บรรจุภัณฑ์ รองเท้า ฟอกหนัง"
)
_TAIL = "อุตสาหกรรม พาณิชย์ กรุ๊ป เทค โปรดักส์ เอ็นเตอร์ไพรส์ อินเตอร์ ผลิตภัณฑ์ 1999 2000"
_SUFFIX = ["ปจ", "สป", "สค", "ชบ", "รย", "อย", "นฐ", "ปท", "ชม", "ขก", "นม", "สข", ""]


def _name(dice: random.Random) -> tuple[str, str]:
    """A factory's name and its operator's."""
    first, second = (dice.choice(_FIRST.split()) for _ in range(2))
    stem = f"{first}{second}{dice.choice(_TRADE.split())}"
    if dice.random() < 0.5:
        stem += dice.choice(_TAIL.split())
    if dice.random() < 0.3:
        stem += f" {dice.randint(2, 999)}"
    kind = dice.random()
    if kind < 0.45:
        name = f"บริษัท {stem} จำกัด"
        return name, name
    if kind < 0.55:
        name = f"ห้างหุ้นส่วนจำกัด {stem}"
        return name, name
    if kind < 0.75:
        return f"โรงงาน{stem}", f"บริษัท {stem} จำกัด"
    return stem, f"นายตัวอย่าง ทดสอบ{first}"


def write(
    path: Path, rows: int, seed: int = 1, marked: int = 0, province: str | None = None
) -> None:
    """Writes `rows` rows and a header, UTF-8 with BOM and CRLF, as the real file comes.

    `marked` rows, spread evenly, operate, lie in Bangkok and bear `MARK` in their names: the same
    number of hits in a register of any size. `province`: all of them lie there and operate.
    """
    step = rows // marked if marked else rows + 1
    dice = random.Random(seed)
    categories = [c for c in book().categories if c.classes]
    provinces = {p.code: p.name_th for p in geothai.provinces()}
    districts = {d.code: d.name_th for p in provinces for d in geothai.districts(p)}
    places = [s for d in districts for s in geothai.subdistricts(d)]
    heavy = [s for s in places if s.code[:2] in ("10", "11", "74", "20", "21", "13", "12")]
    if province is not None:
        places = heavy = [s for s in places if s.code.startswith(province)]
    running: dict[tuple[str, int], int] = {}
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        sheet = csv.writer(out, lineterminator="\r\n")
        sheet.writerow(HEADER.split(","))
        for number in range(1, rows + 1):
            place = dice.choice(heavy if dice.random() < 0.4 else places)
            code = place.code
            year = dice.randint(2515, 2568)
            serial = running[code[:2], year] = running.get((code[:2], year), 0) + 1
            category = dice.choice(categories)
            licence_class = dice.choice(sorted(category.classes))
            estate = dice.random() < 0.02
            head = f"{'7' if estate else dice.choice('12')}{'2' if estate else '0'}{code[:2]}"
            head += f"{serial:05d}{year}"
            fid = head + new_check_digit(head)
            sub = f"({category.sub})" if category.sub else ""
            shown = (
                f"น.{category.main}{sub}-{serial}/{year}-ญมพ."
                if estate
                else f"{dice.choice(['', 'จ', 'ข'])}{licence_class}-{category.main}{sub}"
                f"-{number}/{year % 100:02d}{dice.choice(_SUFFIX)}"
            )
            name, operator = _name(dice)
            status = _STATUSES[0] if province else dice.choices(_STATUSES, _WEIGHTS)[0]
            placed = dice.random() < (0.6 if status != "จำหน่าย" else 0.2)
            lat, lng = 13.2 + 6 * dice.random() ** 2, 99.2 + 4 * dice.random()
            if number % step == 0:
                name = operator = f"บริษัท {MARK} {number // step} จำกัด"
                status, placed = _STATUSES[0], True
                lat, lng = 13.7 + number // step / 10_000, 100.5
            sheet.writerow(
                (
                    f'="{number:011d}"',
                    shown,
                    f'="{fid}"',
                    category.code,
                    name,
                    operator,
                    category.title_th[:40],
                    f"{dice.randint(1, 999)}/{dice.randint(1, 99)}",
                    dice.choice(["-", str(dice.randint(1, 12))]),
                    "-",
                    dice.choice(["", "สุขุมวิท", "พหลโยธิน", "เพชรเกษม"]),
                    place.name_th,
                    districts[code[:4]],
                    provinces[code[:2]],
                    f"{dice.choice([5, 20, 49.5, 60, 75, 120, 300, 1500.25])}",
                    dice.choice(["", "3", "12", "55", "80", "240"]),
                    "1000000",
                    f"{lat:.6f}" if placed else dice.choice(["", "0", "-"]),
                    f"{lng:.6f}" if placed else "",
                    f"{dice.randint(10000, 33000)}",
                    "IN" if estate else "OUT",
                    "นิคมตัวอย่าง" if estate else "",
                    status,
                )
            )
