"""Sample people, and where a Thai ID card keeps what it says of one.

Nobody has a CID of the range 19999…; its check digits are right. Text is TIS-620.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

VERSION = (0x0000, 4)
# Person's field: offset, length (bytes).
FIELDS = {
    "cid": (0x0004, 13),
    "name_th": (0x0011, 100),
    "name_en": (0x0075, 100),
    "born": (0x00D9, 8),
    "sex": (0x00E1, 1),
    "request": (0x00E2, 20),
    "issuer": (0x00F6, 100),
    "issuer_code": (0x015A, 13),
    "issued": (0x0167, 8),
    "expires": (0x016F, 8),
    "kind": (0x0177, 2),
    "photo_header": (0x0179, 2),
    "photo": (0x017B, 5118),
    "address": (0x1579, 160),
    "photo_number": (0x1619, 14),
}
SIZE = 0x1619 + 14
# Version 0002: this stands in block 0, everything else in block 1.
OLD_ADDRESS = (0x0004, 150)


@dataclass(frozen=True)
class Person:
    """What a card says, each field as text or, to say something odd, as the very bytes.

    Names are `prefix#first#middle#last`, dates yyyymmdd in the Buddhist Era, `address` eight parts
    (house, village, lane, road, unlabelled, tambon, amphoe, province). Shorter than the field is
    padded by the card; longer is a ValueError there.
    """

    cid: str | bytes
    name_th: str | bytes = "น.ส.#ตัวอย่าง##สมมติ"
    name_en: str | bytes = "Miss#Sample##Person"
    born: str | bytes = "25330229"
    sex: str | bytes = "2"
    request: str | bytes = "99990000000000000001"
    issuer: str | bytes = "ท้องถิ่นเขตตัวอย่าง/กรุงเทพมหานคร"
    issuer_code: str | bytes = "9999999999999"
    issued: str | bytes = "25650115"
    expires: str | bytes = "25740228"
    kind: str | bytes = "01"
    photo_header: str | bytes = b"\x13\xfe"
    photo: str | bytes = b""
    address: str | bytes = (
        "99/999#หมู่ที่ 9#ซอยตัวอย่าง 9#ถนนตัวอย่าง##ตำบลตัวอย่าง#อำเภอตัวอย่าง#จังหวัดสมุทรปราการ"
    )
    photo_number: str | bytes = "99990101010101"
    laser: str | bytes = "ZZ9000000001"

    def field(self, name: str, length: int, pad: bytes = b" ") -> bytes:
        """The `length` bytes that a card holds of a field. Raises ValueError if it is too long."""
        value = getattr(self, name)
        raw: bytes = value.encode("tis-620") if isinstance(value, str) else value
        if len(raw) > length:
            raise ValueError(f"{name}: {len(raw)} bytes, and the card has room for {length}")
        return raw.ljust(length, pad)

    def chip(self) -> bytes:
        """Eight bytes for the serial number of this person's chip, another for everybody."""
        return sha256(b"chip" + self.field("cid", 13)).digest()[:8]


def check_digit(twelve: str) -> str:
    """The thirteenth digit of a CID."""
    return str((11 - sum(int(c) * (13 - i) for i, c in enumerate(twelve)) % 11) % 10)


@cache
def person(number: int = 0, photo: int = 5118) -> Person:
    """The sample person `number` (0 to 989,999), with a JPEG of exactly `photo` bytes (or none, 0).

    Everything that can tell two people apart does: names, dates, address and photo differ.
    """
    twelve = f"19999{number + 10_000:07d}"
    return Person(
        cid=twelve + check_digit(twelve),
        name_th=f"{'นาย' if number % 2 else 'น.ส.'}#ตัวอย่าง{_spelled(number)}##สมมติ",
        name_en=f"{'Mr.' if number % 2 else 'Miss'}#Sample{number}##Person",
        born=f"{2500 + number % 50}{number % 12 + 1:02d}{number % 28 + 1:02d}",
        sex="1" if number % 2 else "2",
        request=f"9999{number:016d}",
        address=f"{number}/999#หมู่ที่ 9#ซอยตัวอย่าง {number}#ถนนตัวอย่าง##ตำบลตัวอย่าง"
        "#อำเภอตัวอย่าง#จังหวัดสมุทรปราการ",
        photo=picture(photo, str(number)) if photo else b"",
        photo_number=f"9999{number:010d}",
        laser=f"ZZ9{number:09d}",
    )


def filled(one: Person) -> Person:
    """`one` with names, issuer and address that go on to the last byte of their fields."""

    def fill(text: str | bytes, length: int, letter: str) -> str:
        assert isinstance(text, str)
        return text + letter * (length - len(text))

    return replace(
        one,
        name_th=fill(one.name_th, 100, "ก"),
        name_en=fill(one.name_en, 100, "x"),
        issuer=fill(one.issuer, 100, "ก"),
        address=fill(one.address, 160, "ก"),
    )


def picture(size: int, words: str = "") -> bytes:
    """A JPEG of a grey shape marked SAMPLE, of exactly `size` bytes; `words` are its comment.

    It is filled up behind its first marker, so that whoever cuts it loses its end. Raises
    ValueError when `size` is too small for the picture.
    """
    plain = Path(__file__).with_name("sample.jpg").read_bytes()
    room = size - len(plain) - 4
    if room < len(words):
        raise ValueError(f"the picture alone has {len(plain)} bytes")
    comment = b"\xff\xfe" + (room + 2).to_bytes(2, "big") + words.encode().ljust(room, b".")
    return plain[:2] + comment + plain[2:]


def _spelled(number: int) -> str:
    return "".join(chr(0x0E50 + int(digit)) for digit in str(number))


SAMPLE = person()
