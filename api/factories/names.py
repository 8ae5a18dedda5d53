"""Thai names: the order of the dictionary, the form that is searched, and whose name it is.

The dictionary (Royal Society; the same as the Thai tailoring of the Unicode collation) sorts a
syllable by its consonant first, although เ แ โ ใ ไ are written before it, and looks at tone marks
only where everything else is equal. The data base sorts plain bytes (`COLLATE "C"`), so that
order is put into a stored key.
"""

from __future__ import annotations

import re
from typing import Literal

_LEADING = re.compile("[เแโใไ][ก-ฮ]")
_MARKS = re.compile("([็-์๎])")
_WEIGHT = {chr(c): chr(c - 0x0E16) for c in range(0x0E47, 0x0E4F)}
_THAI_DIGITS = {0x0E50 + n: str(n) for n in range(10)}
_ODD_DIGIT = re.compile("[๐-๙]")
_INVISIBLE = dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0), None)
_CLEAN: dict[int, str | None] = {**_INVISIBLE, 0x00A0: " ", 0x3000: " "}
_SPELLING = re.compile("เเ|ํ([่-๋]?)า")
_PUNCTUATION = re.compile(r"[\s\-_.,:;!?'\"“”‘’()\[\]{}/\\&+*|~`^<>=#@%$ฯๆ]+")
_KEY_LETTERS = 80
# A mark with its place. An earlier mark weighs more than a later one, so places count down.
_PLACED = {mark: [chr(at) + weight for at in range(0x7F)] for mark, weight in _WEIGHT.items()}

Kind = Literal["company", "person"]
_COMPANY = re.compile(
    "บริษัท|บจก|บมจ|หจก|หสน|ห้างหุ้นส่วน|ห้าง|จำกัด|สหกรณ์|องค์การ|องค์กร|การไฟฟ้า|การประปา|กรม|"
    "เทศบาล|มหาวิทยาลัย|โรงเรียน|วิทยาลัย|มูลนิธิ|สมาคม|กลุ่ม|วิสาหกิจ|รัฐวิสาหกิจ|การนิคม|ธนาคาร|"
    r"โรงงานยาสูบ|\b(?:co|ltd|limited|company|corp|inc|plc|partnership)\b",
    re.IGNORECASE,
)
_PLAINLY_COMPANY = ("บริษัท", "ห้างหุ้นส่วน", "บจก", "หจก")
_PERSON = re.compile(r"(?:นาย|นาง|น\.ส|ด\.ช|ว่าที่|ร้อย|พัน|พล|จ่า|ดาบ|mr\b|mrs\b|ms\b|miss\b)", re.I)


def clean(text: str) -> str:
    """`text` as it is kept: no invisible characters, single spaces."""
    return " ".join(text.translate(_CLEAN).split())


def _respell(found: re.Match[str]) -> str:
    return "แ" if found[0] == "เเ" else f"{found[1]}ำ"


def _swap(found: re.Match[str]) -> str:
    pair = found[0]
    return pair[1] + pair[0]


def fold(text: str) -> str:
    """`text` (cleaned) with small letters, plain digits and one spelling of the same sound."""
    text = text.casefold()
    if _ODD_DIGIT.search(text):
        text = text.translate(_THAI_DIGITS)
    if "เเ" in text or "ํ" in text:
        text = _SPELLING.sub(_respell, text)
    return text


def search_form(text: str) -> str:
    """What a name is searched by: folded, without spaces and punctuation.

    Two ways to type the same Thai word (เเ for แ, ํ + า for ำ) come out equal.
    """
    return folded_search_form(fold(clean(text)))


def folded_search_form(folded: str) -> str:
    return _PUNCTUATION.sub("", folded.replace(" ", ""))


def search_words(query: str) -> list[str]:
    """The parts of a query, each in search form; every one must occur in a name."""
    return [form for word in query.split() if (form := search_form(word))]


def sort_key(text: str) -> str:
    """A key whose byte order is the order of a Thai dictionary."""
    return folded_sort_key(fold(clean(text)))


def folded_sort_key(folded: str) -> str:
    parts = _MARKS.split(_LEADING.sub(_swap, folded[:_KEY_LETTERS]))
    if len(parts) == 1:
        return parts[0]
    at, marks, letters = 0x7E, "", parts[::2]
    for stretch, mark in zip(letters, parts[1::2], strict=False):
        at -= len(stretch)
        marks += _PLACED[mark][at]
    return f"{''.join(letters)}\x01{marks}"


def looks_like_person(name: str) -> bool:
    """Whether `name` begins with a title of a natural person."""
    return _PERSON.match(name) is not None


def operator_kind(name: str) -> Kind:
    """Whether an operator's name is a company's; in doubt it is a person's and protected."""
    if name.startswith(_PLAINLY_COMPANY):
        return "company"
    if _PERSON.match(name):
        return "person"
    return "company" if _COMPANY.search(name) else "person"
