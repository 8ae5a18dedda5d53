"""Cursors of keyset pages: opaque texts that hold where a list left off (DESIGN: never offset)."""

from __future__ import annotations

import base64
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from api.clock import Moment
from api.problems import Invalid

T = TypeVar("T")


class CursorInvalid(
    Invalid,
    code="ground/cursor-invalid",
    th="ตัวชี้หน้าถัดไปไม่ถูกต้อง กรุณาเริ่มใหม่โดยไม่ใส่ตัวชี้",
    en="The cursor cannot be read; begin again without one",
):
    """Not a cursor of this list; one goes on only with the filters it came from."""


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a list that is ordered by time and id left off; `at` is null before all times."""

    at: Moment | None
    id: UUID


def write(place: Any) -> str:
    """`place` (a Struct or a tuple) as text for an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read(text: str, kind: type[T]) -> T:
    """The place that `write` made; raises `CursorInvalid` for everything else."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise CursorInvalid() from None
