"""What the auditor asks of readings, over HTTP. Every question is an event."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from api import logs
from api.accounts.model import NoAccount
from api.clock import AskedMoment
from api.cursors import CursorInvalid
from api.db import Database
from api.edge import InTx, Page, admit_write, get
from api.readers.model import Label, Purpose
from api.readers.oversight import exporting, service
from api.readers.oversight.problems import PeriodWrong, ReadingExportsBusy
from api.readers.oversight.queries import Asked
from api.readers.oversight.views import Count, Crossing, DayAct, IncidentCount, Unused
from api.readers.views import ReadingLine

AnyRequest = Request[Any, Any, Any]
Of = FromQuery[UUID | None]
When = FromQuery[AskedMoment | None]
Cursor = FromQuery[str | None]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Hours = Annotated[int, QueryParameter(ge=0, le=8760)]
By = NamedDependency[Asked]
_LISTED = [CursorInvalid, PeriodWrong]


def of_office(office: Of = None, since: When = None, until: When = None) -> Asked:
    return Asked(office=office, since=since, until=until)


def of_officer(
    officer: Of = None, office: Of = None, since: When = None, until: When = None
) -> Asked:
    return Asked(account=officer, office=office, since=since, until=until)


def of_reading(
    officer: Of = None,
    office: Of = None,
    desk: Of = None,
    purpose: FromQuery[Purpose | None] = None,
    label: FromQuery[Label | None] = None,
    used: FromQuery[bool | None] = None,
    since: When = None,
    until: When = None,
) -> Asked:
    return Asked(
        account=officer,
        office=office,
        desk=desk,
        purpose=purpose,
        label=label,
        used=used,
        since=since,
        until=until,
    )


@get(
    "/v1/reading-audit/readings",
    verb=service.AUDIT,
    operation="reading_audit.readings",
    problems=_LISTED,
    asked=of_reading,
)
async def readings(
    tx: InTx, asked: By, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReadingLine]:
    """ใครอ่านบัตร ที่ใด เพื่ออะไร และใช้แล้วหรือไม่ ทุกคำถามมีบันทึก
    Who read a card, where, for what, by what it arrived and whether it served; the newest
    first. `officer` is an account; at most 92 days, without `since` the last 30."""
    return Page(*await service.readings(tx, service.wanted(tx, asked), cursor, limit))


@get(
    "/v1/readings.csv",
    verb=service.AUDIT,
    operation="reading_audit.export",
    problems=[PeriodWrong, ReadingExportsBusy],
    asked=of_reading,
    media_type="text/csv",
    opt={"uncompressed": True},
)
async def export(request: AnyRequest, asked: By) -> Stream:
    """ส่งออกรายการการอ่านบัตรเป็น CSV การส่งออกมีบันทึก
    The same as CSV (UTF-8 with BOM, Thai headings), streamed. That it was exported, by whom,
    with which filters, is an event."""
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, service.AUDIT)
        found = exporting.Export(db, tx.actor, tx.request_id, service.wanted(tx, asked))
        await found.begin(tx)
    return Stream(
        await found.open(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="readings.csv"'},
    )


@get(
    "/v1/reading-audit/face-differs",
    verb=service.AUDIT,
    operation="reading_audit.face_differs",
    problems=_LISTED,
    asked=of_officer,
)
async def face_differs(
    tx: InTx, asked: By, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReadingLine]:
    """การอ่านบัตรที่เจ้าหน้าที่บันทึกว่าใบหน้าไม่ตรงกับภาพถ่าย
    Readings of which the officer said that person and photograph differ."""
    return Page(*await service.face_differs(tx, service.wanted(tx, asked), cursor, limit))


@get(
    "/v1/reading-audit/late",
    verb=service.AUDIT,
    operation="reading_audit.late",
    problems=_LISTED,
    asked=of_officer,
)
async def late(
    tx: InTx, asked: By, hours: Hours = 24, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReadingLine]:
    """การอ่านบัตรแบบออฟไลน์ที่มาถึงช้ากว่าจำนวนชั่วโมงที่ระบุ
    Offline readings that came more than `hours` after the device says that it read them."""
    return Page(*await service.late(tx, service.wanted(tx, asked), hours, cursor, limit))


@get(
    "/v1/reading-audit/counts",
    verb=service.AUDIT,
    operation="reading_audit.counts",
    problems=_LISTED,
    asked=of_officer,
)
async def counts(
    tx: InTx,
    asked: By,
    purpose: FromQuery[Purpose | None] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Count]:
    """จำนวนการอ่านบัตรตามเจ้าหน้าที่ วัตถุประสงค์ และวัน
    Readings by officer, purpose and day in Bangkok, the newest day first."""
    wanted = service.wanted(tx, msgspec.structs.replace(asked, purpose=purpose))
    return Page(*await service.counts(tx, wanted, cursor, limit))


@get(
    "/v1/reading-audit/unused",
    verb=service.AUDIT,
    operation="reading_audit.unused",
    problems=_LISTED,
    asked=of_officer,
)
async def unused(tx: InTx, asked: By, cursor: Cursor = None, limit: Limit = 50) -> Page[Unused]:
    """จำนวนการอ่านบัตรที่ไม่ได้ใช้กับเรื่องใดในหนึ่งชั่วโมง ตามเจ้าหน้าที่และหน่วยงาน
    Readings to serve an order or identify a complainant that served nothing within the hour, by
    officer and office, the most first. Which ones: `GET /v1/reading-audit/readings?used=false`."""
    return Page(*await service.unused(tx, service.wanted(tx, asked), cursor, limit))


@get(
    "/v1/reading-audit/crossings",
    verb=service.AUDIT,
    operation="reading_audit.crossings",
    problems=_LISTED,
    asked=of_office,
)
async def crossings(
    tx: InTx, asked: By, cursor: Cursor = None, limit: Limit = 50
) -> Page[Crossing]:
    """บัตรใบเดียวกันที่สองหน่วยงานในเวลาที่เดินทางไม่ทัน
    The same card at two offices sooner than anybody gets from one to the other; at most 31 days.
    Compared by keyed hashes: whose card it is, this does not tell."""
    wanted = service.wanted(tx, asked, service.DAYS_CROSSING)
    return Page(*await service.crossings(tx, wanted, cursor, limit))


@get(
    "/v1/reading-audit/officers/{account:uuid}/days/{day:str}",
    verb=service.AUDIT,
    operation="reading_audit.officer_day",
    problems=[*_LISTED, NoAccount],
)
async def officer_day(
    tx: InTx,
    account: FromPath[UUID],
    day: FromPath[date],
    cursor: Cursor = None,
    limit: Limit = 200,
) -> Page[DayAct]:
    """ทุกอย่างที่เจ้าหน้าที่คนหนึ่งทำกับเครื่องอ่านบัตรในวันหนึ่ง
    All that one officer did with card readers on one day in Bangkok, in its order: waiting for
    cards, readings, what they served, documents seen, questions of an audit."""
    return Page(*await service.day(tx, account, day, cursor, limit))


@get(
    "/v1/reading-audit/incidents",
    verb=service.AUDIT,
    operation="reading_audit.incidents",
    problems=[PeriodWrong],
    asked=of_office,
)
async def incidents(tx: InTx, asked: By) -> list[IncidentCount]:
    """จำนวนเหตุผิดปกติ แยกตามเครื่องและชนิด
    Forks, rollbacks and replays by device and kind; each is in `GET /v1/bridge-incidents`."""
    return await service.incidents(tx, service.wanted(tx, asked))


ROUTES = [
    *(readings, export, face_differs, late),
    *(counts, unused, crossings, officer_day, incidents),
]
