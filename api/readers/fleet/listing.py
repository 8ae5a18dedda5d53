"""What a line of a list makes of a reader: pure, given what is known of it.

A list is compared with what it said before, cell by cell: what an officer has entered since stands
until the list says something new of that very thing.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from api import ids
from api.factories.feed import Rejected
from api.readers.fleet import import_queries as sql
from api.readers.fleet.model import LISTABLE, STATE_TH, ReaderState
from api.readers.fleet.queries import Known
from api.readers.fleet.rows import SAYS, Row

PLACE, DOCUMENT, MODEL, NOTE, STATE, DAY = range(6)
"""Of `rows.SAID`."""


class Place(msgspec.Struct, frozen=True):
    """Whose line it is."""

    agency: str
    unit: str
    office: UUID | None


def new_of(says: bytes, before: bytes | None) -> list[bool]:
    """Of which of its things a list says what it did not say before."""
    held = before if before is not None and len(before) == len(says) else bytes(len(says))
    nothing = bytes(SAYS)
    return [
        now not in (nothing, held[at : at + SAYS])
        for at in range(0, len(says), SAYS)
        for now in (says[at : at + SAYS],)
    ]


def merged(says: bytes, before: bytes | None) -> bytes:
    """What the list has said so far: a column that is left out takes nothing back."""
    held = before if before is not None and len(before) == len(says) else bytes(len(says))
    cut = [slice(at, at + SAYS) for at in range(0, len(says), SAYS)]
    return b"".join(says[c] if any(says[c]) else held[c] for c in cut)


def added(row: Row, place: Place, request: UUID | None, today: date) -> sql.NewAsset:
    state = row.state or ReaderState.allocated
    return sql.NewAsset(
        ids.new(),
        row.serial,
        row.key,
        place.agency,
        place.unit,
        place.office,
        request,
        row.model,
        row.note,
        state,
        None if state is ReaderState.allocated else row.day or today,
        row.says,
    )


def changed(
    row: Row,
    place: Place,
    request: UUID | None,
    before: Known,
    today: date,
    run: UUID,
    faults: list[Rejected],
) -> sql.ChangedAsset | Rejected | None:
    """What the list changes of a reader, None for nothing; what is to be looked at to `faults`."""
    if before.agency != place.agency:
        return rejected(
            row,
            "agency",
            "other_agency",
            f"หมายเลขนี้ขึ้นทะเบียนไว้กับหน่วยงาน {before.agency}",
            f"this serial is registered for agency {before.agency}",
            row.serial,
        )
    says = new_of(row.says, before.listed)
    was = ReaderState(before.state)
    state = row.state if says[STATE] and row.state else was
    if state not in LISTABLE[was]:
        return rejected(
            row,
            "state",
            "backwards",
            f"ทะเบียนอยู่ในสถานะ{STATE_TH[was]} ย้อนเป็น{STATE_TH[state]}ด้วยแฟ้มไม่ได้",
            f"it is {was}; a file cannot take it back to {state}",
            state,
        )
    if says[DOCUMENT] and request and before.request not in (None, request):
        faults.append(_two_letters(row))
        if not _said(before.listed, DOCUMENT):
            request = None  # it came of the other letter by an officer's act
    reached = state is not ReaderState.allocated
    on = (row.day if says[DAY] and row.day and reached else None) or before.distributed_on
    moved = says[PLACE] and place.unit
    after: dict[str, Any] = {
        "unit": place.unit if moved else before.unit,
        "office": place.office if moved else before.office,
        "request": (request if says[DOCUMENT] else None) or before.request,
        "model": row.model if says[MODEL] else before.model,
        "note": row.note if says[NOTE] else before.note,
        "state": state.value,
        "distributed_on": on or (today if reached else None),
    }
    differing = {k: v for k, v in after.items() if v != getattr(before, k)}
    if not differing:
        return None
    facts: dict[str, object] = {"import": run, "line": row.line, "fields": ", ".join(differing)}
    if "state" in differing:
        facts |= {"was": was, "state": state}
    if "unit" in differing:
        facts |= {"unit_was": before.unit, "unit": after["unit"]}
    if "request" in differing:
        facts |= {"request_was": before.request, "request": after["request"]}
    told = msgspec.json.encode(facts).decode()
    listed = merged(row.says, before.listed)
    return sql.ChangedAsset(id=before.id, **after, listed=listed, event=ids.new(), facts=told)


def _said(listed: bytes | None, what: int) -> bool:
    return listed is not None and any(listed[what * SAYS : (what + 1) * SAYS])


def letter(lines: dict[str, UUID], unit: str) -> UUID | None:
    """The line of a letter that a reader came of: its unit's, the agency's, or the only one."""
    found = lines.get(unit) or lines.get("")
    return found or (next(iter(lines.values())) if len(lines) == 1 else None)


def unknown_letter(row: Row) -> Rejected:
    th, en = "ไม่มีรายการขอตามหนังสือฉบับนี้ บันทึกเครื่องไว้โดยไม่ผูกกับรายการขอ", "no request by this letter"
    return Rejected(row.line, True, "document", "unknown", th, en, row.document)


def _two_letters(row: Row) -> Rejected:
    th = "หมายเลขนี้ผูกกับรายการขอตามหนังสือฉบับอื่นอยู่แล้ว กรุณาตรวจสอบ"
    en = "this serial came of another letter already; please look"
    return Rejected(row.line, True, "document", "two_letters", th, en, row.document)


def rejected(row: Row, field: str, reason: str, th: str, en: str, value: str) -> Rejected:
    return Rejected(row.line, False, field, reason, th, en, value[:80])


def fewer_than_serials(row: Row, serials: int) -> Rejected:
    """As `TooManySerials` at the desk: the readers are there, so the figure is wrong."""
    return rejected(
        row,
        "allocated",
        "fewer_than_serials",
        f"จำนวนที่จัดสรรน้อยกว่าเครื่องที่มีหมายเลขแล้ว {serials} เครื่อง บรรทัดนี้คงตามเดิม",
        f"fewer than the {serials} readers that have serial numbers; the line stays as it was",
        str(row.allocated),
    )
