"""The numbers that name a factory, a company or a person: read, checked and brought to one form.

| kind | form | check |
|---|---|---|
| `factory_new` | 14 digits: issuer, location, province, running number, B.E. year | Luhn |
| `factory_old` | `จ3-9(6)-100/51ปจ`; estates `น.42(1)-14/2549-ญมพ` | pattern |
| `juristic` | 13 digits that start with 0 | mod 11 |
| `national_id` | 13 digits that start with 1 to 8 | mod 11 |

Pure: no data base. People write these numbers with any spacing, dashes of every kind, Thai or
full-width digits; spreadsheets quote them as `="10180000125417"`. All of that is understood.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import geothai
import msgspec
from stdnum.exceptions import ValidationError
from stdnum.th import moa, pin

MAIN_CATEGORIES = range(1, 108)
YEARS = range(2400, 2700)

ISSUERS = {
    "1": ("กรมโรงงานอุตสาหกรรม", "Department of Industrial Works"),
    "2": ("สำนักงานอุตสาหกรรมจังหวัด", "Provincial Industry Office"),
    "7": ("การนิคมอุตสาหกรรมแห่งประเทศไทย", "Industrial Estate Authority"),
}


class FactoryNew(msgspec.Struct, frozen=True, tag_field="kind", tag="factory_new"):
    """`normal` is the 14 digits; `year` is B.E.; `estate` says that the location is an estate."""

    normal: str
    issuer: str
    estate: bool
    province: str
    running: int
    year: int


class FactoryOld(msgspec.Struct, frozen=True, tag_field="kind", tag="factory_old"):
    """`category` is the code of the list: main number (3 digits) and sub number (2).

    `licence_class` is None in the estates' form, which carries no class.
    """

    normal: str
    prefix: str
    licence_class: int | None
    category: str
    running: int
    year: int
    suffix: str


class Juristic(msgspec.Struct, frozen=True, tag_field="kind", tag="juristic"):
    normal: str


class NationalId(msgspec.Struct, frozen=True, tag_field="kind", tag="national_id"):
    normal: str


class Wrong(msgspec.Struct, frozen=True, tag_field="kind", tag="wrong"):
    """Why a text is none of the numbers: `reason` is the check that failed.

    `reason` is one of empty, characters, length, province, year, check_digit, first_digit, form,
    class, category, running, letters.
    """

    reason: str
    th: str
    en: str


Number = FactoryNew | FactoryOld | Juristic | NationalId
Reading = Number | Wrong


def kind(number: Reading) -> str:
    """`factory_new`, `factory_old`, `juristic`, `national_id` or `wrong`."""
    return str(number.__struct_config__.tag)


_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－ー"), "-")
_SLASHES = dict.fromkeys(map(ord, "⁄∕／"), "/")
_THAI_DIGITS = {0x0E50 + n: str(n) for n in range(10)}
_QUOTES = dict.fromkeys(map(ord, "=\"'“”‘’"), None)
_TABLE: dict[int, str | None] = {**_DASHES, **_SLASHES, **_THAI_DIGITS, **_QUOTES}
_UNSEEN = re.compile(r"[\s\u00ad\u180e\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff\x00-\x1f]+")
_DOUBLED = bytes((2 * (c - 48) - (9 if c > 52 else 0)) if 48 <= c <= 57 else 0 for c in range(256))

_OLD = re.compile(
    r"(?P<prefix>[ก-ฮ]{0,2})(?P<class>\d)-(?P<main>\d{1,3})(?:\((?P<sub>\d{1,2})\))?"
    r"-(?P<running>\d{1,6})/(?P<year>\d{4}|\d{2})-?(?P<suffix>[ก-ฮ]{0,3})\.?"
)
_ESTATE = re.compile(
    r"น\.-?(?:(?P<class>\d)-)?(?P<main>\d{1,3})(?:\((?P<sub>\d{1,2})\))?"
    r"-(?P<running>\d{1,6})/(?P<year>\d{4}|\d{2})-?(?P<suffix>[ก-ฮ]{0,5})\.?"
)


def compact(text: str) -> str:
    """`text` without spaces and quotes, with plain digits, dashes and slashes."""
    if text.isascii():
        return _UNSEEN.sub("", text).replace('"', "").replace("=", "").replace("'", "")
    # The table goes first: NFKC would turn some dashes and quotes into other things.
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE))


@cache
def provinces() -> frozenset[str]:
    """The 77 two-digit DOPA codes."""
    return frozenset(str(p.code) for p in geothai.provinces())


def parse(text: str) -> Reading:
    """Which number `text` is and its normal form, or which check it fails."""
    plain = compact(text)
    if not plain.strip("-"):
        return Wrong("empty", "ไม่ได้ใส่เลข", "there is no number")
    digits = plain.replace("-", "")
    if digits.isascii() and digits.isdigit():
        return _digits(digits, plain)
    if any(c in plain for c in "/()") or "ก" <= plain[0] <= "ฮ":
        return parse_old(plain)
    bad = next((c for c in digits if not ("0" <= c <= "9")), "-")
    return Wrong(
        "characters",
        f"มีอักขระ “{bad}” ที่ไม่มีในเลขใด ๆ",
        f"“{bad}” does not occur in any of these numbers",
    )


def _digits(digits: str, plain: str) -> Reading:
    if len(digits) == 14:
        return parse_new(digits)
    if len(digits) == 13:
        return parse_juristic(digits) if digits[0] == "0" else parse_national_id(digits)
    if re.fullmatch(r"[1-3]-\d{1,3}-\d{1,6}", plain):
        return Wrong(
            "form", "ขาด “/ปี พ.ศ.” ท้ายเลขลำดับ", "“/year” is missing after the running number"
        )
    return Wrong(
        "length",
        f"มี {len(digits)} หลัก แต่เลขทะเบียนโรงงานมี 14 หลัก เลขนิติบุคคลและเลขประจำตัวประชาชนมี 13 หลัก",
        f"{len(digits)} digits; a factory number has 14, a juristic or national ID number 13",
    )


def luhn_holds(digits: str) -> bool:
    """Whether the last of 14 ASCII digits is the Luhn check digit (ISO/IEC 7812-1 annex B)."""
    return luhn_sum(digits) % 10 == 0


def luhn_sum(digits: str) -> int:
    """The sum of the digits, the first, third and so on doubled: as numbers of even length go."""
    raw = digits.encode()
    return sum(raw[1::2]) - 48 * (len(raw) // 2) + sum(raw[0::2].translate(_DOUBLED))


def new_check_digit(first13: str) -> str:
    """The check digit that completes 13 digits to a new factory number."""
    return str(-luhn_sum(first13) % 10)


def new_fault(digits: str) -> Wrong | None:
    """What is wrong with 14 ASCII digits as a new factory number; None when nothing is."""
    if digits[2:4] not in provinces():
        return Wrong(
            "province",
            f"หลักที่ 3–4 “{digits[2:4]}” ไม่ใช่รหัสจังหวัด",
            f"digits 3–4 “{digits[2:4]}” are no province code",
        )
    if int(digits[9:13]) not in YEARS:
        return Wrong(
            "year",
            f"หลักที่ 10–13 “{digits[9:13]}” ไม่ใช่ปี พ.ศ.",
            f"digits 10–13 “{digits[9:13]}” are no year of the Buddhist era",
        )
    if not luhn_holds(digits):
        return Wrong(
            "check_digit",
            "เลขตรวจสอบ (หลักสุดท้าย) ไม่ถูกต้อง น่าจะพิมพ์ผิดบางหลัก",
            "the check digit (the last one) does not fit; some digit is mistyped",
        )
    return None


def parse_new(text: str) -> FactoryNew | Wrong:
    """A new factory number, and nothing else."""
    digits = compact(text).replace("-", "")
    if not (digits.isascii() and digits.isdigit()):
        return Wrong(
            "characters", "เลขทะเบียนแบบใหม่มีแต่ตัวเลข", "a new factory number has digits only"
        )
    if len(digits) != 14:
        return Wrong(
            "length",
            f"มี {len(digits)} หลัก ต้องมี 14 หลัก",
            f"{len(digits)} digits where 14 must be",
        )
    if fault := new_fault(digits):
        return fault
    return FactoryNew(
        normal=digits,
        issuer=digits[0],
        estate=digits[1] != "0",
        province=digits[2:4],
        running=int(digits[4:9]),
        year=int(digits[9:13]),
    )


def parse_juristic(text: str) -> Juristic | Wrong:
    """A juristic person's number of the Department of Business Development."""
    digits = compact(text).replace("-", "")
    if fault := _thirteen(digits):
        return fault
    if digits[0] != "0":
        return Wrong(
            "first_digit",
            "เลขนิติบุคคลต้องขึ้นต้นด้วย 0",
            "a juristic number starts with 0",
        )
    return Juristic(digits) if _valid(moa.validate, digits) else _BAD_MOD11


def parse_national_id(text: str) -> NationalId | Wrong:
    """A national ID; the caller must not log or store it in the clear."""
    digits = compact(text).replace("-", "")
    if fault := _thirteen(digits):
        return fault
    if digits[0] in "09":
        return Wrong(
            "first_digit",
            f"เลขประจำตัวประชาชนไม่ขึ้นต้นด้วย {digits[0]}",
            f"a national ID does not start with {digits[0]}",
        )
    return NationalId(digits) if _valid(pin.validate, digits) else _BAD_MOD11


_BAD_MOD11 = Wrong(
    "check_digit",
    "เลขตรวจสอบ (หลักที่ 13) ไม่ถูกต้อง น่าจะพิมพ์ผิดบางหลัก",
    "the check digit (the 13th) does not fit; some digit is mistyped",
)


def _thirteen(digits: str) -> Wrong | None:
    if not (digits.isascii() and digits.isdigit()):
        return Wrong("characters", "ต้องมีแต่ตัวเลข", "it must have digits only")
    if len(digits) != 13:
        return Wrong(
            "length",
            f"มี {len(digits)} หลัก ต้องมี 13 หลัก",
            f"{len(digits)} digits where 13 must be",
        )
    return None


def _valid(validate: object, digits: str) -> bool:
    try:
        validate(digits)  # type: ignore[operator]
    except ValidationError:
        return False
    return True


def parse_old(text: str) -> FactoryOld | Wrong:
    """An old factory number, of the ministry or of an estate."""
    plain = compact(text)
    estate = _ESTATE.fullmatch(plain)
    found = estate or _OLD.fullmatch(plain)
    if found is None:
        return _why_not_old(plain)
    class_, main, sub, running, year, suffix = found.group(
        "class", "main", "sub", "running", "year", "suffix"
    )
    if fault := _old_fault(class_, main, running, year):
        return fault
    prefix = "น." if estate else found["prefix"]
    full_year = int(year) if len(year) == 4 else 2500 + int(year)
    classless = class_ is None  # the estates' own form writes the year in full
    shown_year = str(full_year) if classless else f"{full_year % 100:02d}"
    shown_sub = f"({int(sub)})" if sub else ""
    shown_suffix = f"-{suffix}" if classless and suffix else suffix
    return FactoryOld(
        normal=f"{prefix}{class_ + '-' if class_ else ''}{int(main)}{shown_sub}"
        f"-{int(running)}/{shown_year}{shown_suffix}",
        prefix=prefix,
        licence_class=int(class_) if class_ else None,
        category=f"{int(main):03d}{int(sub or 0):02d}",
        running=int(running),
        year=full_year,
        suffix=suffix,
    )


def _old_fault(class_: str | None, main: str, running: str, year: str) -> Wrong | None:
    if class_ is not None and class_ not in "123":
        return Wrong(
            "class", f"จำพวก “{class_}” ไม่มี มีแต่ 1–3", f"there is no class “{class_}”, only 1 to 3"
        )
    if int(main) not in MAIN_CATEGORIES:
        return Wrong(
            "category",
            f"ลำดับประเภท “{main}” ไม่มี มีแต่ 1–107",
            f"there is no category “{main}”, only 1 to 107",
        )
    if int(running) == 0:
        return Wrong("running", "เลขลำดับต้องไม่เป็น 0", "the running number must not be 0")
    if len(year) == 4 and int(year) not in YEARS:
        return Wrong("year", f"“{year}” ไม่ใช่ปี พ.ศ.", f"“{year}” is no year of the Buddhist era")
    return None


_PLAIN_OLD = re.compile(
    r"[ก-ฮ]{0,2}([1-3])-([1-9]\d?|10[0-7])(?:\(([1-9]\d?)\))?-[1-9]\d{0,5}/\d\d[ก-ฮ]{0,3}"
)
_MAIN = {str(n): f"{n:03d}" for n in MAIN_CATEGORIES}
_SUB = {None: "00"} | {str(n): f"{n:02d}" for n in range(1, 100)}


_PAIRS = {f"{n:02d}": luhn_sum(f"{n:02d}") for n in range(100)}
_FOURS = {a + b: _PAIRS[a] + _PAIRS[b] for a in _PAIRS for b in _PAIRS}
_YEARS = frozenset(map(str, YEARS))


def quick_new(text: str) -> str:
    """The 14 digits of `="10180000125417"` where no check fails; else ''. As `new_fault` judges."""
    digits = text[2:16]
    if (
        len(text) == 17
        and text[16] == '"'
        and text[:2] == '="'
        and digits.isdigit()
        and digits.isascii()
        and digits[9:13] in _YEARS
        and digits[2:4] in provinces()
        and (_FOURS[digits[:4]] + _FOURS[digits[4:8]] + _FOURS[digits[8:12]] + _PAIRS[digits[12:]])
        % 10
        == 0
    ):
        return digits
    return ""


def quick_old(text: str) -> tuple[str, str, str] | None:
    """(normal, class, category) of an old number that stands in normal form already; else None.

    The same answer as `parse_old`, for those who read a quarter of a million of them.
    """
    found = _PLAIN_OLD.fullmatch(text)
    if found is None:
        return None
    class_, main, sub = found.groups()
    return text, class_, _MAIN[main] + _SUB[sub]


def _why_not_old(plain: str) -> Wrong:
    """The first part of an old number that is not as it should be."""
    latin = re.search(r"[A-Za-z]", plain)
    if latin:
        return Wrong(
            "letters",
            f"มีอักษรโรมัน “{latin[0]}” ในเลขทะเบียนแบบเดิมมีแต่อักษรไทย",
            f"the Latin letter “{latin[0]}”; an old factory number has Thai letters only",
        )
    odd = re.search(r"[^ก-ฮ0-9()/.\-]", plain)
    if odd:
        return Wrong(
            "characters",
            f"มีอักขระ “{odd[0]}” ที่ไม่มีในเลขทะเบียน",
            f"“{odd[0]}” does not occur in a factory number",
        )
    if "/" not in plain:
        return Wrong(
            "form", "ขาด “/ปี พ.ศ.” ท้ายเลขลำดับ", "“/year” is missing after the running number"
        )
    letters = re.match(r"[ก-ฮ]*", plain)
    tail = re.search(r"[ก-ฮ]*$", plain)
    if letters and len(letters[0]) > 2:
        return Wrong(
            "letters", "อักษรหน้าเลขมีได้ไม่เกิน 2 ตัว", "there are at most 2 letters before the number"
        )
    if tail and len(tail[0]) > 3:
        return Wrong(
            "letters", "อักษรย่อท้ายเลขมีได้ไม่เกิน 3 ตัว", "there are at most 3 letters after the number"
        )
    return Wrong(
        "form",
        "ไม่ตรงรูปแบบ จำพวก-ประเภท(ย่อย)-ลำดับ/ปี จังหวัด เช่น จ3-9(6)-100/51ปจ",
        "not of the form class-category(sub)-running/year and province, as in จ3-9(6)-100/51ปจ",
    )
