"""One row of the open feed: what it says about a licence and its premises, checked and folded."""

from __future__ import annotations

import re
from functools import cache
from hashlib import md5
from math import nan
from operator import itemgetter
from typing import NamedTuple

import geothai

from api import ids
from api.factories import earth, names, numbers
from api.factories.categories import by_code
from api.factories.numbers import Wrong

STATUSES = {
    "0": "not_started",
    "1": "operating",
    "2": "struck_off",
    "3": "stopped",
    "ได้รับใบอนุญาต": "not_started",
    "ได้รับอนุญาต": "not_started",
    "ยังไม่แจ้งประกอบ": "not_started",
    "ดำเนินการ": "operating",
    "แจ้งประกอบ": "operating",
    "ประกอบกิจการ": "operating",
    "จำหน่าย": "struck_off",
    "จำหน่ายทะเบียน": "struck_off",
    "หยุดดำเนินการ": "stopped",
    "หยุดชั่วคราว": "stopped",
    "เลิกประกอบกิจการ": "closed",
    "ยกเลิก": "closed",
}
SITE_COLUMNS = [
    "id",
    "name",
    "name_key",
    "search",
    "live",
    "address",
    "province",
    "district",
    "subdistrict",
    "lat",
    "lng",
    "earth",
    "position_source",
]
LICENCE_COLUMNS = [
    "id",
    "key",
    "number_new",
    "number_old",
    "number_shown",
    "licence_class",
    "category",
    "hp",
    "workers",
    "name",
    "operator_name",
    "operator_kind",
    "isic",
    "estate",
    "status",
    "premises_id",
    "feed_hash",
]
"""The columns of the two COPY lines that a row becomes, in order."""
FIELDS = [
    "fid",
    "shown",
    "type",
    "name",
    "operator",
    "number",
    "moo",
    "soi",
    "road",
    "subdistrict",
    "district",
    "province",
    "hp",
    "workers",
    "lat",
    "lng",
    "isic",
    "estate",
    "status",
]
"""What of a row is read, by the names that `feed` gives the columns."""

_QUOTED = re.compile(r'="?\s*(\d{14})"?')
_BLANK = frozenset(("", "-", "–", "NULL", "null", "N/A", "ไม่ระบุ"))
_NULL = "\\N"
_NOWHERE = "\\N\t\\N\t\\N\t\\N"
_OUTSIDE = _BLANK | {"OUT"}
_ADMIN = re.compile(r"^(?:จังหวัด|จ\.|อำเภอ|อ\.|เขต|กิ่งอำเภอ|ตำบล|ต\.|แขวง)\s*")


class Note(NamedTuple):
    """A fault of one field, in words."""

    field: str
    reason: str
    th: str
    en: str
    value: str = ""


class Refused(Exception):
    """The row cannot be stored at all."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.reason)
        self.note = note


class Row(NamedTuple):
    """What a row of the feed becomes: two lines of COPY text, with their ends, and what names them.

    `feed_hash` is of all that the row says; `told` is the province whose phones hear of it, or
    empty for what is struck off.
    """

    key: str
    feed_hash: str
    told: str
    site: str
    licence: str
    notes: list[Note]


@cache
def _places() -> dict[tuple[str, str, str], tuple[str, str, str]]:
    """(province, district, sub-district) by bare Thai name → codes; '' where not named."""
    found: dict[tuple[str, str, str], tuple[str, str, str]] = {}
    for p in geothai.provinces():
        found[p.name_th, "", ""] = (p.code, "", "")
        for d in geothai.districts(p.code):
            district = _ADMIN.sub("", d.name_th)
            found[p.name_th, district, ""] = (p.code, d.code, "")
            for s in geothai.subdistricts(d.code):
                found[p.name_th, district, _ADMIN.sub("", s.name_th)] = (p.code, d.code, s.code)
    return found


def known_codes() -> set[str]:
    """Every place code that a row may come out with, and `c` + every category code."""
    return {code for codes in _places().values() for code in codes if code} | {
        f"c{code}" for code in by_code()
    }


def warm() -> None:
    """Loads what the first row would otherwise wait for."""
    _places()
    by_code()
    numbers.provinces()


def text(value: str) -> str:
    """A text as it is kept."""
    value = value.strip()
    return "" if value in _BLANK else value


def _id_prefix() -> str:
    """A UUIDv7 but for its last 16 bits, which count on (RFC 9562, section 6.2, method 1)."""
    return str(ids.new())[:-4]


class Converter:
    """Turns rows of one file into COPY lines."""

    def __init__(self, columns: dict[str, int], width: int) -> None:
        self.width = width
        self.cells = itemgetter(*(columns.get(field, width) for field in FIELDS))
        self.places: dict[tuple[str, str, str, str], tuple[str, str]] = {}
        self.amounts: dict[str, str] = {}
        self.prefix, self.made = _id_prefix(), 0

    def __call__(self, row: list[str], line: int) -> Row:
        """What `row`, at `line` of the file, becomes; raises `Refused`."""
        if len(row) != self.width and (len(row) < self.width or any(row[self.width :])):
            raise Refused(
                Note(
                    "",
                    "columns",
                    f"มี {len(row)} คอลัมน์ แต่หัวตารางมี {self.width}",
                    f"{len(row)} columns where the header has {self.width}",
                )
            )
        whole = "".join(row)
        row.insert(self.width, "")
        cells = self.cells(row)
        # Nearly every row is plain; only the others pay for the careful way.
        if "  " in whole or not whole.isprintable():
            cells = tuple(map(names.clean, cells))
        if "\\" in whole:
            cells = tuple(value.replace("\\", "\\\\") for value in cells)
        (fid, shown, kind, name, operator, number, moo, soi, road, subdistrict, district, province,
         hp, workers, lat, lng, isic, estate, status) = cells  # fmt: skip
        notes: list[Note] = []
        new, old, shown, class_, category = _number(fid, shown.strip(), kind)
        key = new or old
        state = STATUSES.get(status.strip())
        if state is None:
            raise Refused(
                Note("STATUS", "status", "ไม่รู้จักสถานะนี้", "this status is not known", status[:40])
            )
        code, place = self._place(new[2:4], province, district, subdistrict)
        if not code:
            raise Refused(
                Note("FPROVNAME", "province", "ไม่ทราบจังหวัด", "the province is not known", key)
            )
        name, operator = text(name), text(operator)
        who = names.operator_kind(operator) if operator else "person"
        folded = names.fold(name)
        search = names.folded_search_form(folded)
        if operator != name and who == "company":
            search += "|" + names.folded_search_form(names.fold(operator))
        power = self.amounts.get(hp) or self._amount("HP", hp, notes)
        hands = self.amounts.get(workers) or self._amount("TOTAL_WORKER", workers, notes)
        live = state != "struck_off"
        licence = (
            f"{key}\t{new or _NULL}\t{old or _NULL}\t{shown}\t{class_ or _NULL}\t"
            f"{category or _NULL}\t{power}\t{hands.partition('.')[0]}\t{name}\t{operator}\t{who}\t"
            f"{text(isic)}\t{'' if estate in _OUTSIDE else text(estate)}\t{state}"
        )
        site = (
            f"{name}\t{names.folded_sort_key(folded)}\t{search}\t{'t' if live else 'f'}\t"
            f"{_address(text(number), moo, soi, road)}\t{place}\t{_position(lat, lng, notes)}"
        )
        hashed = md5((licence + site).encode(), usedforsecurity=False).hexdigest()
        self.made += 2
        if self.made >= 0xFFFF:
            self.prefix, self.made = _id_prefix(), 2
        site_id = f"{self.prefix}{self.made:04x}"
        return Row(
            key,
            hashed,
            code if live else "",
            f"{site_id}\t{site}\n",
            f"{self.prefix}{self.made + 1:04x}\t{licence}\t{site_id}\t{hashed}\n",
            notes,
        )

    def _amount(self, field: str, value: str, notes: list[Note]) -> str:
        """A count or a power as COPY text; the same few numbers stand in most rows."""
        before = len(notes)
        found = _amount(field, value, notes)
        if len(notes) == before and len(self.amounts) < 20_000:
            self.amounts[value] = found
        return found

    def _place(self, cc: str, p: str, d: str, s: str) -> tuple[str, str]:
        """The province's code, and all codes of the named place as COPY text.

        It is the number's own province where the name says nothing.
        """
        key = (cc, p, d, s)
        found = self.places.get(key)
        if found is None:
            table = _places()
            province, district, subdistrict = (_ADMIN.sub("", text(x)) for x in (p, d, s))
            codes = (
                table.get((province, district, subdistrict))
                or table.get((province, district, ""))
                or table.get((province, "", ""))
                or (cc, "", "")
            )
            found = codes[0], "\t".join(code or _NULL for code in codes)
            if len(self.places) < 50_000:
                self.places[key] = found
        return found


def _number(fid: str, shown: str, kind: str) -> tuple[str, str, str, str, str]:
    """(new, old, as shown, class, category); raises `Refused` when no number names the row."""
    new, fault = numbers.quick_new(fid), None
    if new:
        pass
    elif found := _QUOTED.fullmatch(fid):
        new, fault = found[1], numbers.new_fault(found[1])
    elif (plain := numbers.compact(fid)) and plain not in _BLANK:
        reading = numbers.parse_new(plain)
        if isinstance(reading, Wrong):
            fault = reading
        else:
            new = reading.normal
    if fault is not None:
        raise Refused(Note("FID", fault.reason, fault.th, fault.en, fid[:40]))
    if quick := numbers.quick_old(shown):
        category = quick[2] if quick[2] in by_code() else _category(quick[2], kind)
        return new, shown, shown, quick[1], category
    old = numbers.parse_old(shown) if shown not in _BLANK else None
    if isinstance(old, numbers.FactoryOld):
        return new, old.normal, shown, str(old.licence_class or ""), _category(old.category, kind)
    if not new:
        wrong = old or Wrong("empty", "ไม่มีเลขทะเบียน", "there is no number")
        raise Refused(Note("DISPFACREG", wrong.reason, wrong.th, wrong.en, shown[:40]))
    class_ = kind.strip() if kind.strip() in ("1", "2", "3") else ""
    return new, "", text(shown) or new, class_, _category("", kind)


def _category(from_number: str, kind: str) -> str:
    if from_number in by_code():
        return from_number
    kind = kind.strip()
    for code in (kind if len(kind) == 5 else "", from_number[:3] + "00"):
        if code in by_code():
            return code
    return ""


def _amount(field: str, value: str, notes: list[Note]) -> str:
    """A count or a power as COPY text."""
    if value in _BLANK:
        return "\\N"
    if value.isascii() and value.isdigit() and len(value) < 8:
        return value
    try:
        found = float(value)
    except ValueError:
        found = _lenient(value)
    if 0 <= found < 10_000_000:
        return repr(found)
    notes.append(
        Note(field, "not_a_number", "ไม่ใช่จำนวน จึงเว้นว่างไว้", "no number; left blank", value[:40])
    )
    return "\\N"


def _lenient(value: str) -> float:
    """A number with Thai digits, quotes or thousands separators; NaN for anything else."""
    try:
        return float(numbers.compact(value).replace(",", "").replace("_", "?"))
    except ValueError:
        return nan


def _position(lat: str, lng: str, notes: list[Note]) -> str:
    """Latitude, longitude, earth point and where they are from, as COPY text."""
    if lat in _BLANK or lng in _BLANK:
        return _NOWHERE
    try:
        y, x = float(lat), float(lng)
    except ValueError:
        y, x = _lenient(lat), _lenient(lng)
    if not y or not x:
        return _NOWHERE  # 0 stands for "not known" in the feed
    if not earth.in_thailand(y, x):
        if not earth.in_thailand(x, y):
            notes.append(
                Note(
                    "LAT",
                    "outside",
                    "พิกัดอยู่นอกประเทศไทย จึงเว้นว่างไว้",
                    "the position lies outside Thailand; left blank",
                    f"{lat[:20]} {lng[:20]}",
                )
            )
            return _NOWHERE
        notes.append(
            Note(
                "LAT",
                "swapped",
                "ละติจูดกับลองจิจูดสลับกัน จึงสลับคืน",
                "latitude and longitude were swapped",
            )
        )
        y, x = x, y
    return f"{y!r}\t{x!r}\t{earth.cube_text(y, x)}\tregister"


def _address(number: str, moo: str, soi: str, road: str) -> str:
    parts = number
    if moo not in _BLANK:
        parts += f" หมู่ {moo.strip()}"
    if soi not in _BLANK:
        parts += f" ซอย{soi.strip()}"
    if road not in _BLANK:
        parts += f" ถนน{road.strip()}"
    return parts.strip()
