"""From the bytes of a card's fields to `CardText`. Pure.

What is merely strange is kept and told in `odd`; what cannot be a field's value at all (NULs where
digits must be) is a ValueError, and the whole reading comes to nothing.
"""

from __future__ import annotations

from codecs import charmap_decode
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from reader_bridge.fields import Address, CardText, Field, Name, PartialDate

REPLACED = "\ufffd"
NEVER = frozenset({b"99999999", b"99991231"})
# TIS 620-2533: ASCII's printable half, and the Thai letters at A1–DA and DF–FB.
_DEFINED = {code: chr(code) for code in range(0x20, 0x7F)} | {
    code: chr(code - 0xA1 + 0x0E01) for code in (*range(0xA1, 0xDB), *range(0xDF, 0xFC))
}
_TABLE = "".join(_DEFINED.get(code, REPLACED) for code in range(256))
_ADDRESS = tuple(Address.__struct_fields__)
_SEX = {"1": "male", "2": "female"}


def decode(raw: Mapping[Field, bytes | None]) -> CardText:
    """`raw` has the bytes of each field that was asked for, in full length; None: not on this card.

    Raises ValueError that names the field, never its content.
    """
    odd: list[str] = []
    values: dict[str, Any] = {}
    for field in Field:  # the order of `odd` is that of the fields
        if field in raw:
            data = raw[field]
            if data is None:
                odd.append(f"{field}:absent")
            else:
                values |= _DECODERS.get(field, _plain)(field, data, odd)
    return CardText(**values, odd=tuple(odd))


def text(field: Field, data: bytes, odd: list[str]) -> str:
    """TIS-620 without the padding of spaces and NULs at its end (and spaces before it)."""
    bare = data.rstrip(b" \x00").lstrip(b" ")
    if b"\x00" in bare:
        odd.append(f"{field}:nul-bytes")
    decoded, _ = charmap_decode(bare, "strict", _TABLE)
    if decoded.count(REPLACED) > bare.count(b"\x00"):
        odd.append(f"{field}:undefined-bytes")
    return decoded


def cid_number(data: bytes) -> str:
    """Thirteen digits. Raises ValueError when they are not; their check digit is not asked."""
    if len(data) != 13 or not data.isdigit():
        raise ValueError("cid: not thirteen digits")
    return data.decode("ascii")


def check_digit_is_right(cid: str) -> bool:
    """The last of the thirteen digits: 11 minus the sum of 13…2 times the others, modulo 11."""
    weighed = sum(int(digit) * (13 - at) for at, digit in enumerate(cid[:12]))
    return int(cid[12]) == (11 - weighed % 11) % 10


def _cid(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    cid = cid_number(data)
    if not check_digit_is_right(cid):
        odd.append(f"{field}:check-digit")
    return {field: cid}


def _plain(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    return {field: text(field, data, odd)}


def _laser(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    if not data.strip(b" \x00"):
        odd.append(f"{field}:absent")
        return {}
    return _plain(field, data, odd)


def _name(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    parts = _parts(field, text(field, data, odd), 4, odd)
    return {field: Name(prefix=parts[0], first=parts[1], middle=parts[2], last=parts[3])}


def _address(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    parts = _parts(field, text(field, data, odd), len(_ADDRESS), odd)
    return {field: Address(**dict(zip(_ADDRESS, parts, strict=True)))}


def _parts(field: Field, whole: str, count: int, odd: list[str]) -> list[str]:
    """Exactly `count` parts: what is beyond stays in the last one, and that is told."""
    if not whole.strip("# "):
        odd.append(f"{field}:empty")
    parts = whole.split("#", count - 1)
    if len(parts) < count or "#" in parts[-1]:
        if whole:
            odd.append(f"{field}:parts")
        parts += [""] * (count - len(parts))
    return [part.strip() for part in parts]


def _sex(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    _without_nuls(field, data)
    said = text(field, data, odd)
    if said not in _SEX:
        odd.append(f"{field}:unknown")
    return {field: _SEX.get(said, said)}


def _date(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    _without_nuls(field, data)
    found = partial_date(data)
    if found is None:
        odd.append(f"{field}:not-a-date")
    elif data[4:6] == b"00" and data[6:8] != b"00":
        odd.append(f"{field}:day-without-month")
    return {field: found}


def _expiry(field: Field, data: bytes, odd: list[str]) -> dict[str, Any]:
    if data in NEVER:
        return {"no_expiry": True}
    return {**_date(field, data, odd), "no_expiry": False}


def partial_date(data: bytes) -> PartialDate | None:
    """yyyymmdd of the Buddhist Era, 00 for what is not known; None if there is no such day."""
    if len(data) != 8 or not data.isdigit():
        return None
    year, month, day = int(data[:4]) - 543, int(data[4:6]), int(data[6:])
    if not 1800 <= year <= 2400 or month > 12 or day > 31:
        return None
    if not month:
        return PartialDate(year)
    try:
        date(year, month, day or 1)
    except ValueError:
        return None
    return PartialDate(year, month, day or None)


def _without_nuls(field: Field, data: bytes) -> None:
    if b"\x00" in data:
        raise ValueError(f"{field}: NULs where a number must be")


_DECODERS: dict[Field, Callable[[Field, bytes, list[str]], dict[str, Any]]] = {
    Field.cid: _cid,
    Field.name_th: _name,
    Field.name_en: _name,
    Field.birth: _date,
    Field.sex: _sex,
    Field.address: _address,
    Field.issued: _date,
    Field.expires: _expiry,
    Field.laser_no: _laser,
}
