"""The numbers and addresses that say who somebody is, in the one form that is kept or indexed."""

from __future__ import annotations

import re

from stdnum.th import moa, pin

from api.accounts.model import WrongCid, WrongEntry, WrongJuristicId


def clean_cid(value: str | None) -> str:
    """The 13 digits of a national ID. Raises `WrongCid`."""
    digits = re.sub(r"[\s-]", "", value or "")
    if not digits.isascii() or not pin.is_valid(digits) or digits[0] == "9":
        raise WrongCid()
    return digits


def clean_juristic_id(value: str) -> str:
    """The 13 digits of a juristic person. Raises `WrongJuristicId`."""
    digits = re.sub(r"[\s-]", "", value)
    if not digits.isascii() or not moa.is_valid(digits):
        raise WrongJuristicId()
    return digits


def clean_email(value: str | None) -> str | None:
    """An address in the one form that is indexed. Raises `WrongEntry`."""
    if not (value or "").strip():
        return None
    assert value is not None
    found = value.strip().casefold()
    if not re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", found):
        raise WrongEntry(reason="e-mail")
    return found


def mask_cid(cid: str) -> str:
    """`1-9999-0000x-xx-x` reveals nothing but the last four digits."""
    return "x" * 9 + cid[-4:]
