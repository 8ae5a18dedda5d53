"""Codes that can be read aloud, typed and not guessed: of documents, and of complaints.

Crockford's base 32 (no I, L, O, U; case, spaces and hyphens do not count; O is read as 0, I and L
as 1), 5 random bits a character. The last character is a check over GF(32): every single wrong
character and every two swapped ones are noticed, so that a typing error is told as one.
"""

from __future__ import annotations

import secrets
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 16
"""Of a document's verify code: 75 random bits."""
SECRET: Final = 27
"""Of a tracking code: 130 random bits."""
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": "", "\u2011": ""})


def new(length: int = LENGTH) -> str:
    """A fresh code of at most 31 characters, without hyphens."""
    values = [secrets.randbelow(32) for _ in range(length - 1)]
    return "".join(ALPHABET[v] for v in [*values, _check(values)])


def read(typed: str, length: int = LENGTH) -> str | None:
    """The code that a person typed in its one form; None where a character must be wrong."""
    text = typed.strip().upper().translate(_READ_AS)
    if len(text) != length or any(c not in ALPHABET for c in text):
        return None
    *values, check = [_VALUES[c] for c in text]
    return text if _check(values) == check else None


def shown(code: str) -> str:
    """In groups of four, as it is printed."""
    return "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def _check(values: list[int]) -> int:
    """The sum of value × 2^(place + 1). The weights differ and none is 1, the check's own."""
    total = 0
    for value in reversed(values):
        total = _DOUBLES[total ^ value]
    return total


def _double(value: int) -> int:
    """Times x in GF(2)[x] / (x⁵ + x² + 1), whose x generates all 31 other elements."""
    value <<= 1
    return value ^ 0b100101 if value & 32 else value


_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_DOUBLES: Final = [_double(value) for value in range(len(ALPHABET))]


def check(text: str) -> str:
    """The check character of other texts of this alphabet, at most 30 characters long."""
    return ALPHABET[_check([_VALUES[c] for c in text])]


def completed(typed: str, length: int) -> str | None:
    """The code of `length` characters that a person's `length - 1` random ones begin."""
    text = typed.strip().upper().translate(_READ_AS)
    if len(text) != length - 1 or any(c not in ALPHABET for c in text):
        return None
    return text + check(text)
