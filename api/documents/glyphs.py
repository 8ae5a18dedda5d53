"""Which characters a document can show: those of Sarabun.

PDF/A holds no character without a glyph (ISO 19005-3, 6.2.11.8), and people write what they like:
an emoji, a tick, Chinese or Burmese. Such a one is shown by its code point, and so is one that
turns the direction of what follows: what was signed must be read as it was signed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import fontpkg_sarabun
import msgspec

# Without a glyph and yet no harm: left out, or a space or line end that the font has.
_INVISIBLE: Final = (
    dict.fromkeys("\r\u00ad\ufeff", "")
    | {chr(n): "" for n in (*range(0x200B, 0x2010), *range(0x2060, 0x2065), *range(0xFE00, 0xFE10))}
    | {chr(n): " " for n in (0x09, 0xA0, 0x202F, 0x205F, 0x3000, *range(0x2000, 0x200B))}
    | dict.fromkeys("\v\f\x85\u2028\u2029", "\n")
)
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(canonical: bytes) -> bytes:
    """JSON with `[U+1F600]` in place of each character that cannot be shown, and without those that
    nobody sees; mostly it is as it came."""
    text = canonical.decode()
    odd = {c for c in _characters(msgspec.json.decode(text)) if not _drawn(c)}
    if not odd:
        return canonical
    table = str.maketrans({c: _INVISIBLE.get(c, f"[U+{ord(c):04X}]") for c in odd})
    return msgspec.json.encode(_written(msgspec.json.decode(text), table))


def _drawn(character: str) -> bool:
    if character in _TURNING:
        return False
    return character == "\n" or ord(character) in glyphs()


def _characters(content: Any) -> set[str]:
    if isinstance(content, str):
        return set(content)
    parts = content.values() if isinstance(content, dict) else content
    return set().union(*map(_characters, parts)) if isinstance(content, dict | list) else set()


def _written(content: Any, table: dict[int, str]) -> Any:
    if isinstance(content, dict):
        return {name: _written(value, table) for name, value in content.items()}
    if isinstance(content, list):
        return [_written(value, table) for value in content]
    return content.translate(table) if isinstance(content, str) else content


@cache
def glyphs(font: str = "Sarabun-Regular") -> frozenset[int]:
    """The code points that the font has a glyph for (OpenType `cmap`, formats 4 and 12)."""
    data = (fontpkg_sarabun.ROOT / "files" / f"{font}.ttf").read_bytes()
    (tables,) = struct.unpack_from(">H", data, 4)
    at = dict(struct.unpack_from(">4sxxxxI", data, 12 + 16 * n) for n in range(tables))[b"cmap"]
    (subtables,) = struct.unpack_from(">H", data, at + 2)
    found: set[int] = set()
    for n in range(subtables):
        (offset,) = struct.unpack_from(">I", data, at + 8 + 8 * n)
        (form,) = struct.unpack_from(">H", data, at + offset)
        if form == 4:
            found.update(_format_4(data, at + offset))
        elif form == 12:
            found.update(_format_12(data, at + offset))
    return frozenset(found)


def _format_4(data: bytes, at: int) -> Iterator[int]:
    (twice,) = struct.unpack_from(">H", data, at + 6)
    columns = [at + 14, at + 16 + twice, at + 16 + 2 * twice, at + 16 + 3 * twice]
    for segment in range(0, twice, 2):
        end, start, delta, offset = (
            struct.unpack_from(">H", data, column + segment)[0] for column in columns
        )
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if offset:
                place = columns[3] + segment + offset + 2 * (code - start)
                (glyph,) = struct.unpack_from(">H", data, place)
            if glyph and (glyph + delta) & 0xFFFF:
                yield code


def _format_12(data: bytes, at: int) -> Iterator[int]:
    (groups,) = struct.unpack_from(">I", data, at + 12)
    for n in range(groups):
        first, last, glyph = struct.unpack_from(">III", data, at + 16 + 12 * n)
        yield from range(first + (glyph == 0), last + 1)
