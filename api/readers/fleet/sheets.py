"""Readers as CSV: page after page, in the memory of one, nothing that a spreadsheet runs."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from api.db import Database, Tx
from api.factories import feed_report
from api.permissions import Actor
from api.readers.fleet.model import DIFFERENCE_TH, STATE_TH, ReaderState

PAGE: Final = 5_000
BOM: Final = "\ufeff"
_BANGKOK: Final = ZoneInfo("Asia/Bangkok")

HEADINGS: Final[dict[str, str]] = {
    "kind": "ความแตกต่าง",
    "kind_th": "คำอธิบาย",
    "serial": "หมายเลขเครื่อง",
    "agency": "หน่วยงาน",
    "name_th": "ชื่อหน่วยงาน",
    "unit": "หน่วย",
    "office": "สำนักงาน",
    "state": "สถานะ",
    "state_th": "ชื่อสถานะ",
    "document": "เลขที่หนังสือ",
    "told": "ข้อมูลอีกทาง",
    "seen_at": "พบล่าสุด",
    "seen_office": "พบที่สำนักงาน",
    "seen": "พบใน 7 วัน",
    "request": "รายการขอ",
    "asked_on": "ลงวันที่",
    "requested": "ขอ",
    "allocated": "จัดสรร",
    "serials": "มีหมายเลขเครื่อง",
    "distributed": "แจกจ่าย",
    "unconfirmed": "ยังไม่ยืนยันรับ",
    "in_service": "ใช้งาน",
    "broken": "ชำรุด",
    "lost": "สูญหาย",
    "returned": "ส่งคืน",
    "unallocated": "ยังไม่จัดสรร",
    "unnumbered": "ไม่มีหมายเลขเครื่อง",
    "difference": "ผลต่าง",
    "missing": "ขาด",
    "surplus": "เกิน",
    "broken_rate": "อัตราชำรุด",
    "model": "รุ่น",
    "note": "หมายเหตุ",
    "distributed_on": "วันที่แจกจ่าย",
    "seen_version": "รุ่นโปรแกรม",
}
ASSETS: Final = (
    *("serial", "agency", "unit", "office", "state", "state_th", "model", "distributed_on"),
    *("seen_at", "seen_office", "seen_version", "note"),
)
LINES: Final = (
    *("request", "document", "agency", "unit", "office", "asked_on", "requested", "allocated"),
    *("serials", "distributed", "unconfirmed", "in_service", "broken", "lost", "returned"),
    *("unallocated", "unnumbered", "difference"),
)
DIFFERENCES: Final = (
    *("kind", "kind_th", "serial", "agency", "unit", "office", "state", "state_th", "document"),
    *("told", "seen_at", "seen_office"),
)
REPORT: Final = (
    *("agency", "name_th", "requested", "allocated", "serials", "distributed", "unconfirmed"),
    *("in_service", "broken", "lost", "returned", "seen", "difference", "missing", "surplus"),
    "broken_rate",
)

Fetch = Callable[[Tx, str | None], Awaitable[tuple[Sequence[Any], str | None]]]
"""Takes where the last page ended and gives the next, with where that one ends."""


def cell(value: Any) -> Any:
    """A value as a spreadsheet may have it, and as it does not run it."""
    if isinstance(value, datetime):
        return value.astimezone(_BANGKOK).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, str):
        return feed_report.cell(value)
    return "" if value is None else value


_MONTHS: Final = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_SPOILT: Final = re.compile(
    rf"[0-9 .,_/:#+-]+(E[0-9+-]*)?|([0-9]+[ /-])?({_MONTHS})[A-Z]*[ /-]?[0-9]*([ /-][0-9]+)?",
    re.IGNORECASE,
)


def serial(text: str) -> str:
    """A serial number as a spreadsheet leaves it: one that it would take for a number or a day,
    and store as such, begins with an apostrophe, which our own import takes away."""
    return f"'{text}" if _SPOILT.fullmatch(text) else text


def header(columns: Sequence[str]) -> str:
    return BOM + _text([[f"{HEADINGS[name]} ({name})" for name in columns]])


def text(rows: Sequence[msgspec.Struct], columns: Sequence[str]) -> str:
    """Lines of CSV (RFC 4180), one a row."""
    return _text([[cell(_value(row, name)) for name in columns] for row in rows])


def _value(row: Any, name: str) -> Any:
    if name == "serial":
        return serial(row.serial)
    if name == "state_th":
        return STATE_TH[ReaderState(row.state)] if row.state else ""
    return DIFFERENCE_TH[row.kind] if name == "kind_th" else getattr(row, name)


def _text(rows: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


async def stream(
    db: Database, actor: Actor, request_id: str, columns: Sequence[str], fetch: Fetch
) -> AsyncIterator[bytes]:
    """The sheet. The first page is read at once, so that what fails is a problem, not half a file.

    Each page is a statement of its own on a connection that goes back while the caller reads.
    """

    async def page(after: str | None) -> tuple[Sequence[Any], str | None]:
        async with db.read(actor, request_id) as tx:
            return await fetch(tx, after)

    rows, after = await page(None)

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal rows, after
        yield (header(columns) + await asyncio.to_thread(text, rows, columns)).encode()
        while after is not None:
            rows, after = await page(after)
            if rows:
                yield (await asyncio.to_thread(text, rows, columns)).encode()

    return pieces()
