"""Lists of readers as agencies send them: a CSV in, rows that are understood and faults out.

UTF-8 with or without BOM, UTF-16, or TIS-620 as Excel writes it; headings in Thai or English, in
any order; quoted line ends; numbers that Excel was kept from spoiling by `="…"` or an apostrophe;
Thai digits; days as 2561-09-30, 30/9/2561 or 2018-09-30. Pure: no data base.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from api.factories.feed import Rejected
from api.factories.feed_survey import Block, Survey, first_row, survey, text_of
from api.readers.fleet.model import BATCH, DIGITS, ReaderState, serial_key

Kind = Literal["requests", "readers", "confirmations"]
LONGEST: Final = 200
"""Characters of a text in a cell."""

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "serial": (
        *("serial", "serial number", "serial no", "s/n", "sn", "หมายเลขเครื่อง", "เลขเครื่อง"),
        *("หมายเลขประจำเครื่อง", "ซีเรียล", "หมายเลขซีเรียล"),
    ),
    "agency": ("agency", "หน่วยงาน", "รหัสหน่วยงาน", "ส่วนราชการ", "กรม"),
    "unit": ("unit", "หน่วย", "ชื่อหน่วย", "หน่วยที่ได้รับ", "สถานที่ติดตั้ง", "จุดบริการ"),
    "office": ("office", "สำนักงาน", "รหัสสำนักงาน"),
    "state": ("state", "status", "สถานะ"),
    "document": ("document", "document no", "เลขที่หนังสือ", "หนังสือเลขที่", "หนังสือ"),
    "model": ("model", "รุ่น", "ยี่ห้อ/รุ่น", "ยี่ห้อ"),
    "note": ("note", "remark", "หมายเหตุ"),
    "quantity": ("quantity", "requested", "จำนวน", "จำนวนที่ขอ", "ขอ"),
    "allocated": ("allocated", "จำนวนที่จัดสรร", "จัดสรร"),
    "date": ("date", "วันที่", "ลงวันที่", "วันเดือนปี"),
}
SAID: Final[tuple[tuple[str, ...], ...]] = (
    ("agency", "unit", "office"),
    ("document",),
    ("model",),
    ("note",),
    ("state",),
    ("date",),
)
"""The cells by which a list says where a reader is, of which letter it came, and so on."""
LETTERS_SAY: Final[tuple[tuple[str, ...], ...]] = (("date",), ("quantity",), ("allocated",))
SAYS: Final = 8
"""Bytes of the hash of each."""
NEEDED: Final[dict[Kind, tuple[str, ...]]] = {
    "requests": ("document", "quantity", "date"),
    "readers": ("serial",),
    "confirmations": ("serial",),
}
STATES: Final[dict[str, ReaderState]] = {
    **{state.value: state for state in ReaderState},
    "in service": ReaderState.in_service,
    **dict.fromkeys(("จัดสรร", "จัดสรรแล้ว", "รอแจกจ่าย", "คงคลัง"), ReaderState.allocated),
    **dict.fromkeys(("แจกจ่าย", "แจกจ่ายแล้ว", "ส่งมอบ", "ส่งมอบแล้ว"), ReaderState.distributed),
    **dict.fromkeys(("ใช้งาน", "ใช้งานอยู่", "ใช้การได้", "ปกติ"), ReaderState.in_service),
    **dict.fromkeys(("ชำรุด", "เสีย"), ReaderState.broken),
    **dict.fromkeys(("สูญหาย", "หาย"), ReaderState.lost),
    **dict.fromkeys(("ส่งคืน", "คืน", "ส่งคืนแล้ว"), ReaderState.returned),
}
_SEPARATOR: Final = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+")
_ISO: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")


class NotAList(Exception):
    """The file as a whole is no such list: (what is wrong in Thai, in English)."""


class Row(msgspec.Struct):
    """A line of the file; texts are trimmed, `key` is what makes it one line of its list.

    `says`: what it says of each of `SAID` or `LETTERS_SAY`, as a hash; zeros where nothing.
    """

    line: int
    key: str
    says: bytes
    serial: str = ""
    agency: str = ""
    unit: str = ""
    office: str = ""
    state: ReaderState | None = None
    document: str = ""
    model: str = ""
    note: str = ""
    quantity: int = 0
    allocated: int | None = None
    day: date | None = None


class Part(msgspec.Struct):
    """A stretch of the file of at most `BATCH` lines; `read` counts lines, `at` bytes behind it."""

    rows: list[Row]
    faults: list[Rejected]
    read: int
    at: int


class File(msgspec.Struct):
    """A surveyed list: `facts.sha256` identifies it."""

    path: Path
    kind: Kind
    facts: Survey
    columns: dict[str, int]
    delimiter: str
    before: int = 0
    """Lines before the headings: `sep=;`, as Excel writes it."""


class _Refused(Exception):
    def __init__(self, field: str, reason: str, th: str, en: str, value: str = "") -> None:
        super().__init__(reason)
        self.told = (field, reason, th, en, value[:80])


def open_file(path: Path, kind: Kind) -> File:
    """Surveys a list and reads its headings; raises `NotAList` and `OSError`."""
    facts = survey(path)
    names, delimiter, first = first_row(path, facts)
    before = 0
    if parted := _SEPARATOR.fullmatch(first.strip()):
        before, delimiter = 1, parted[1]
        with path.open(encoding=facts.encoding, errors="replace", newline="") as text:
            text.readline(10_000)
            line = text.readline(10_000).replace("\0", "")
        names = next(csv.reader([line], delimiter=delimiter), [])
    places = {_heading(name): place for place, name in reversed(list(enumerate(names)))}
    columns = {
        field: places[name]
        for field, aliases in ALIASES.items()
        for name in reversed(aliases)
        if name in places
    }
    missing = [field for field in NEEDED[kind] if field not in columns]
    if missing:
        th = ", ".join(f"{next(n for n in ALIASES[f] if not n.isascii())} ({f})" for f in missing)
        raise NotAList(f"ไม่มีคอลัมน์ {th}", f"it has no column {', '.join(missing)}")
    return File(path, kind, facts, columns, delimiter, before)


def _heading(name: str) -> str:
    """As people write them, and as our own sheets do: `สถานะ (state)` is `state`."""
    plain = _plain_heading(name)
    own = plain.rpartition("(")[2].removesuffix(")") if plain.endswith(")") else ""
    return _OWN.get(own, plain)


_OWN: Final = {field: field for field in ALIASES} | {"distributed_on": "date", "asked_on": "date"}


def _plain_heading(name: str) -> str:
    return " ".join(name.replace("\ufeff", "").replace(".", " ").strip('" ').casefold().split())


def read(file: File, size: int = BATCH) -> Iterator[Part]:
    """The list part by part; of lines that say the same thing twice the first counts."""
    csv.field_size_limit(20_000)  # a stray quote must not swallow the rest of the file
    seen: dict[int, int] = {}
    for number, block in enumerate(file.facts.blocks):
        with text_of(file.path, file.facts, block) as text:
            reader = csv.reader(text, delimiter=file.delimiter)
            if number == 0:
                for _ in range(file.before + 1):
                    next(reader, None)
            more = True
            while more:
                part = Part([], [], 0, block.start + block.length)
                more = _fill(part, file, reader, block, seen, size)
                if part.read:
                    yield part


def _fill(
    part: Part, file: File, reader: Any, block: Block, seen: dict[int, int], size: int
) -> bool:
    while part.read < size:
        line = block.line + reader.line_num + 1
        try:
            cells = next(reader, None)
            if cells is None:
                return False
            if not any(c.strip() for c in cells):
                continue
            part.read += 1
            row = _row(file, line, cells)
            first = seen.setdefault(hash(row.key), line)
            if first != line:
                raise _Refused(
                    "serial" if row.serial else "document",
                    "duplicate",
                    f"ซ้ำกับบรรทัดที่ {first} ของแฟ้มเดียวกัน ใช้บรรทัดแรก",
                    f"the same as line {first} of this file; the first one counts",
                    row.serial or row.document,
                )
            part.rows.append(row)
        except _Refused as refused:
            part.faults.append(_fault(line, refused))
        except csv.Error:
            part.read += 1
            th = f"อ่านตั้งแต่บรรทัดที่ {line} ไม่ได้ เครื่องหมายคำพูดไม่ครบคู่"
            en = f"unreadable from line {line} on: a quote has no end"
            part.faults.append(Rejected(line, False, "", "unreadable", th, en))
    return True


def _fault(line: int, refused: _Refused) -> Rejected:
    field, reason, th, en, value = refused.told
    return Rejected(line, False, field, reason, th, en, value)


def _row(file: File, line: int, cells: list[str]) -> Row:
    got = {
        field: _plain(field, cells[place] if place < len(cells) else "")
        for field, place in file.columns.items()
    }
    row = Row(line, "", b"")
    for field in ("agency", "unit", "office", "document", "model", "note"):
        setattr(row, field, got.get(field, ""))
    row.day = _day(got.get("date", ""))
    if file.kind == "requests":
        _request(row, got)
    else:
        row.serial, row.key = _serial(got["serial"])
        if file.kind == "confirmations":
            row.key += f"\n{row.agency}\n{row.unit}\n{row.office}"
        else:
            row.state = _state(got.get("state", ""))
    said = LETTERS_SAY if file.kind == "requests" else SAID
    row.says = b"".join(_says([got.get(field, "") for field in fields]) for fields in said)
    return row


def _says(cells: list[str]) -> bytes:
    if not any(cells):
        return bytes(SAYS)
    return hashlib.blake2b("\x1f".join(cells).encode(), digest_size=SAYS).digest()


def _request(row: Row, got: dict[str, str]) -> None:
    row.quantity = _count("quantity", got["quantity"])
    if row.quantity == 0:
        raise _Refused("quantity", "missing", "ไม่ได้ระบุจำนวนที่ขอ", "no quantity is given")
    if got.get("allocated"):
        row.allocated = _count("allocated", got["allocated"])
    if not row.document:
        raise _Refused("document", "missing", "ไม่ได้ระบุเลขที่หนังสือ", "the letter's number is missing")
    if row.day is None:
        raise _Refused("date", "missing", "ไม่ได้ระบุวันที่ของหนังสือ", "the letter's day is missing")
    row.key = f"{row.agency}\n{row.document}\n{row.unit}\n{row.office}"


def _plain(field: str, text: str) -> str:
    """What stands in a cell: formulas are text, control characters are spaces."""
    text = text.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    elif text[:1] == "'":
        text = text[1:]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if "\ufffd" in text:
        raise _Refused(
            field, "encoding", "มีอักขระที่อ่านไม่ได้", "has characters that cannot be read", text
        )
    if len(text) > LONGEST:
        raise _Refused(
            field, "too_long", f"ยาวเกิน {LONGEST} ตัวอักษร", f"longer than {LONGEST} characters", text
        )
    return text


def _serial(text: str) -> tuple[str, str]:
    if not text:
        raise _Refused("serial", "missing", "ไม่มีหมายเลขเครื่อง", "the serial number is missing")
    if _SCIENTIFIC.fullmatch(text):
        raise _Refused(
            "serial",
            "scientific",
            "Excel เปลี่ยนหมายเลขเป็นรูปแบบวิทยาศาสตร์ เลขท้ายหายไปแล้ว กรุณาตั้งคอลัมน์เป็นข้อความ",
            "Excel has turned the number into powers of ten; make the column text",
            text,
        )
    key = serial_key(text)
    if key is None:
        raise _Refused(
            "serial",
            "unreadable",
            "ไม่ใช่หมายเลขเครื่อง (ใช้ได้เฉพาะ A-Z 0-9 และ . _ / : # + - รวม 4 ถึง 64 ตัว)",
            "not a serial number (4 to 64 of A-Z and 0-9, with . _ / : # + - between)",
            text,
        )
    return text.translate(DIGITS), key


def _state(text: str) -> ReaderState | None:
    if not text:
        return None
    found = STATES.get(text.casefold())
    if found is None:
        words = "จัดสรร แจกจ่าย ใช้งาน ชำรุด สูญหาย ส่งคืน"
        raise _Refused(
            "state",
            "unknown",
            f"ไม่รู้จักสถานะนี้ ใช้คำใดคำหนึ่ง: {words}",
            f"no such state; one of {', '.join(ReaderState)}",
            text,
        )
    return found


def _count(field: str, text: str) -> int:
    plain = text.translate(DIGITS).replace(",", "")
    if not plain:
        return 0
    if not (plain.isascii() and plain.isdigit()) or len(plain) > 7 or int(plain) > 1_000_000:
        raise _Refused(
            field,
            "not_a_number",
            "ไม่ใช่จำนวนเต็มตั้งแต่ 0 ถึง 1,000,000",
            "not a whole number of 0 to 1,000,000",
            text,
        )
    return int(plain)


def _day(text: str) -> date | None:
    """A day of either era: years after 2400 are of the Buddhist Era."""
    if not text:
        return None
    plain = text.translate(DIGITS).partition(" ")[0]
    try:
        if found := _ISO.fullmatch(plain):
            year, month, day = map(int, found.groups())
        elif found := _DAY_FIRST.fullmatch(plain):
            day, month, year = map(int, found.groups())
        else:
            raise ValueError
        made = date(year - 543 if year > 2400 else year, month, day)
        if not 2000 <= made.year <= 2200:
            raise ValueError
    except ValueError:
        raise _Refused(
            "date",
            "not_a_day",
            "ไม่ใช่วันที่ เขียนเช่น 30/9/2561 หรือ 2018-09-30",
            "not a day; write 30/9/2561 or 2018-09-30",
            text,
        ) from None
    return made
