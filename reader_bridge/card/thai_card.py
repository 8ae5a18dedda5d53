"""The Thai national ID card: its commands, and where its fields stand. Pure.

Applet A000000054480001, protocol T=0. A READ answers `61 xx`, and GET RESPONSE fetches that. No
document of the issuer is public; offsets and lengths are what several independent readers agree
on, with the full lengths, which many of them cut.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from reader_bridge.fields import Field

APPLET = bytes.fromhex("A000000054480001")
LASER_APPLET = bytes.fromhex("A000000084060002")
OLD = b"0002"
"""The version whose data stand in block 1, and whose address stands in block 0."""

MOST = 255  # bytes of one READ


def select(applet: bytes) -> bytes:
    return b"\x00\xa4\x04\x00" + bytes((len(applet),)) + applet


SELECT_MANAGER = b"\x00\xa4\x04\x00\x00"
"""The card manager, which tells the chip's serial number where the applet does not."""
PRODUCTION_DATA = bytes.fromhex("80CA9F7F2D")
"""GET DATA for the production data (GlobalPlatform, CPLC): 45 bytes, serial number at 13."""
LASER = bytes.fromhex("8000000017")
"""In the laser applet: 23 bytes, the laser number at 7 to 18."""


def get_response_head(atr: bytes) -> bytes:
    """GET RESPONSE without its length. Cards whose ATR begins 3B67 want P2=01."""
    return bytes((0x00, 0xC0, 0x00, int(atr.startswith(b"\x3b\x67"))))


def get_response(length: int, head: bytes) -> bytes:
    """Fetch `length` bytes (1 to 256)."""
    return head + bytes((length & 0xFF,))


class Span(NamedTuple):
    """`length` bytes at `offset` of a block of the card's memory."""

    block: int
    offset: int
    length: int

    def read(self) -> bytes:
        """The READ command. At most 255 bytes."""
        if not 0 < self.length <= MOST:
            raise ValueError(f"one READ has 1 to {MOST} bytes, not {self.length}")
        body = bytes((0x02, self.block, self.length))
        return b"\x80\xb0" + self.offset.to_bytes(2, "big") + body

    def parts(self) -> tuple[Span, ...]:
        """The same bytes in spans of at most 255."""
        return tuple(
            Span(self.block, self.offset + at, min(MOST, self.length - at))
            for at in range(0, self.length, MOST)
        )


@lru_cache(maxsize=256)
def read(span: Span) -> bytes:
    """`Span.read`; a desk PC reads the same few dozen spans all day."""
    return span.read()


VERSION = Span(0, 0x0000, 4)  # in block 0 whatever the version
_PLACES: dict[Field, tuple[int, int]] = {
    Field.cid: (0x0004, 13),
    Field.name_th: (0x0011, 100),
    Field.name_en: (0x0075, 100),
    Field.birth: (0x00D9, 8),
    Field.sex: (0x00E1, 1),
    Field.request_no: (0x00E2, 20),
    Field.issuer: (0x00F6, 100),
    Field.issuer_code: (0x015A, 13),
    Field.issued: (0x0167, 8),
    Field.expires: (0x016F, 8),
    Field.card_type: (0x0177, 2),
    Field.address: (0x1579, 160),
    Field.photo_no: (0x1619, 14),
}
_PHOTO = (0x017B, 5118)
_OLD_ADDRESS = Span(0, 0x0004, 150)

APART = frozenset({Field.version, Field.cid, Field.laser_no})
"""Fields that a reading gets by other ways than `plan`: first, in the bracket, another applet."""


def place(field: Field, version: bytes) -> Span:
    """Where `field` stands. Raises KeyError for version and laser number, which are elsewhere."""
    if version == OLD and field is Field.address:
        return _OLD_ADDRESS
    return Span(int(version == OLD), *_PLACES[field])


@lru_cache(maxsize=2)
def photo(version: bytes) -> tuple[Span, ...]:
    """The 5,118 bytes of the photo, in 21 spans."""
    return Span(int(version == OLD), *_PHOTO).parts()


class Piece(NamedTuple):
    """One READ, and the fields that lie in it: name and span of each."""

    span: Span
    fields: tuple[tuple[Field, Span], ...]


@lru_cache(maxsize=64)
def plan(fields: frozenset[Field], version: bytes) -> tuple[Piece, ...]:
    """READs for `fields` in the order of the card's memory: neighbours together, nothing more.

    A field is never cut in two. CID, version and laser number are left out (`APART`).
    """
    wanted = sorted(
        ((place(f, version), f) for f in fields - APART),
        key=lambda one: (one[0].block, one[0].offset),
    )
    pieces: list[Piece] = []
    for span, field in wanted:
        if pieces:
            last = pieces[-1].span
            joined = last.length + span.length
            touches = (last.block, last.offset + last.length) == (span.block, span.offset)
            if touches and joined <= MOST:
                whole = Span(last.block, last.offset, joined)
                pieces[-1] = Piece(whole, (*pieces[-1].fields, (field, span)))
                continue
        pieces.append(Piece(span, ((field, span),)))
    return tuple(pieces)


def chip_serial(production: bytes) -> str | None:
    """Eight bytes in hexadecimal out of the production data; None if these are no such data."""
    if len(production) < 21 or not production.startswith(b"\x9f\x7f"):
        return None
    return production[13:21].hex().upper()


def trimmed(jpeg: bytes) -> bytes:
    """A photo without the padding behind the JPEG's end; untouched where it does not end so.

    Raises ValueError when it does not begin as a JPEG.
    """
    if not jpeg.startswith(b"\xff\xd8"):
        raise ValueError("no JPEG")
    bare = jpeg.rstrip(b" \x00\xff")
    return bare if bare.endswith(b"\xff\xd9") else jpeg
