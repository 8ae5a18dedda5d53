"""Card readers as assets over HTTP: agencies, requests, readers, imports."""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody
from litestar.response import Stream

from api import clock, logs
from api.clock import AskedMoment
from api.cursors import CursorInvalid
from api.db import Database
from api.edge import InTx, Page, get, if_match, post, put
from api.problems import Stale
from api.readers.fleet import confirmations, importing, queries, rows, service, sheets, views
from api.readers.fleet.importing import ReaderImport
from api.readers.fleet.model import (
    Filters,
    ReaderAgency,
    ReaderAgencyEntry,
    ReaderAllocation,
    ReaderAsset,
    ReaderConfirmation,
    ReaderConfirmationAnswer,
    ReaderHappening,
    ReaderMove,
    ReaderRequest,
    ReaderRequestEntry,
    ReaderState,
)
from api.readers.fleet.problems import (
    AgencyCodeWrong,
    AgencyNotFound,
    AssetMoveImpossible,
    AssetNotFound,
    DayWrong,
    FileNotUnderstood,
    RequestMoveImpossible,
    RequestNotFound,
    RequestTaken,
    SerialsTaken,
    SerialUnreadable,
    TooManySerials,
    UnitNeeded,
    UnitNotFound,
)

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
AgencyCode = Annotated[str | None, QueryParameter(pattern="^[a-z0-9-]{1,40}$", max_length=40)]
Serial = Annotated[str | None, QueryParameter(min_length=1, max_length=80)]
InState = Annotated[ReaderState | None, QueryParameter(name="state")]
TAGS = ["reader_fleet"]
_NAME = "list.csv"


def filters_of(
    agency: AgencyCode = None,
    office: FromQuery[UUID | None] = None,
    in_state: InState = None,
    serial: Serial = None,
    reader_request: FromQuery[UUID | None] = None,
    unseen_since: FromQuery[AskedMoment | None] = None,
) -> Filters:
    seen = None if unseen_since is None else clock.known(unseen_since)
    return Filters(agency, office, in_state, serial, reader_request, seen)


@get("/v1/reader-agencies", verb="reader_asset.read", operation="reader_agency.list", tags=TAGS)
async def agencies(tx: InTx) -> Page[ReaderAgency]:
    """หน่วยงานผู้ใช้เครื่องอ่านบัตร
    The agencies with card readers."""
    return Page(await queries.agencies(tx))


@put(
    "/v1/reader-agencies/{agency:str}",
    verb="reader_agency.write",
    problems=[AgencyCodeWrong],
    tags=TAGS,
)
async def write_agency(
    tx: InTx, agency: FromPath[str], data: JSONBody[ReaderAgencyEntry]
) -> ReaderAgency:
    """เพิ่มหน่วยงานผู้ใช้เครื่องอ่านบัตรตามรหัส หรือแก้ไขชื่อ
    Puts an agency on the list by its code, or corrects its names."""
    return await service.write_agency(tx, agency, data)


@put(
    "/v1/reader-requests/{reader_request:uuid}",
    verb="reader_asset.request",
    operation="reader_request.make",
    problems=[RequestTaken, RequestNotFound, UnitNotFound, AgencyNotFound, DayWrong],
    tags=TAGS,
)
async def request_readers(
    tx: InTx, reader_request: FromPath[UUID], data: JSONBody[ReaderRequestEntry]
) -> ReaderRequest:
    """บันทึกรายการขอเครื่องอ่านบัตรตามหนังสือ ส่งซ้ำได้ไม่เกิดรายการใหม่
    A line of a letter: so many readers for a unit. The same again changes nothing."""
    return await service.request_readers(tx, reader_request, data)


@get(
    "/v1/reader-requests",
    verb="reader_asset.read",
    operation="reader_request.list",
    problems=[CursorInvalid],
    tags=TAGS,
)
async def list_requests(
    tx: InTx,
    agency: AgencyCode = None,
    office: FromQuery[UUID | None] = None,
    short: FromQuery[bool] = False,
    cursor: FromQuery[str | None] = None,
    limit: Limit = 50,
) -> Page[ReaderRequest]:
    """รายการขอเครื่องอ่านบัตรตามหนังสือ เลือกเฉพาะที่ยังได้ไม่ครบก็ได้
    Letters' lines; `short=true`: those of which fewer reached a unit than were asked for."""
    return Page(*await views.requests(tx, agency, office, short, cursor, limit))


@get(
    "/v1/reader-requests/{reader_request:uuid}",
    verb="reader_asset.read",
    operation="reader_request.read",
    problems=[RequestNotFound],
    tags=TAGS,
)
async def read_request(tx: InTx, reader_request: FromPath[UUID]) -> ReaderRequest:
    """รายการขอเครื่องอ่านบัตรหนึ่งรายการ และจำนวนที่ได้แล้ว
    One line of a letter, and how many readers have come of it."""
    return await views.request(tx, reader_request)


@post(
    "/v1/reader-requests/{reader_request:uuid}/allocate",
    verb="reader_asset.allocate",
    problems=[
        *(RequestNotFound, Stale, RequestMoveImpossible),
        *(SerialUnreadable, SerialsTaken, TooManySerials),
    ],
    status_code=200,
    tags=TAGS,
)
async def allocate(
    request: AnyRequest, tx: InTx, reader_request: FromPath[UUID], data: JSONBody[ReaderAllocation]
) -> ReaderRequest:
    """จัดสรรเครื่องอ่านบัตรตามรายการขอ: จำนวนทั้งหมด และหมายเลขเครื่องเท่าที่ทราบ
    Grants readers: how many in all, and serials, new ones, reissued ones or those that the
    agency's own list had without a letter. If-Match: the request's version."""
    return await service.allocate(tx, reader_request, if_match(request), data)


@post(
    "/v1/reader-requests/{reader_request:uuid}/withdraw",
    verb="reader_asset.request",
    operation="reader_request.withdraw",
    problems=[RequestNotFound, Stale, RequestMoveImpossible],
    status_code=200,
    tags=TAGS,
)
async def withdraw(request: AnyRequest, tx: InTx, reader_request: FromPath[UUID]) -> ReaderRequest:
    """ถอนรายการขอเครื่องอ่านบัตรที่ยังไม่ได้จัดสรร
    Takes back a request for which nothing was granted yet. If-Match: its version."""
    return await service.withdraw(tx, reader_request, if_match(request))


@post(
    "/v1/reader-assets/confirm",
    verb="reader_asset.confirm",
    problems=[UnitNeeded, UnitNotFound, AgencyNotFound],
    status_code=200,
    tags=TAGS,
)
async def confirm(tx: InTx, data: JSONBody[ReaderConfirmation]) -> ReaderConfirmationAnswer:
    """หน่วยยืนยันหมายเลขเครื่องที่ถืออยู่จริง เก็บไว้แม้ไม่ตรงกับรายการที่มี
    A unit says which readers it holds, by serial; what lists do not know is kept, too."""
    return await confirmations.confirm(tx, data)


@get(
    "/v1/reader-assets",
    verb="reader_asset.read",
    operation="reader_asset.list",
    problems=[CursorInvalid],
    asked=filters_of,
    tags=TAGS,
)
async def list_assets(
    tx: InTx,
    asked: NamedDependency[Filters],
    cursor: FromQuery[str | None] = None,
    limit: Limit = 50,
) -> Page[ReaderAsset]:
    """เครื่องอ่านบัตร (ครุภัณฑ์) เรียงตามหมายเลขเครื่อง
    Readers by serial. `serial`: how it begins; `unseen_since`: in service, unseen since."""
    return Page(*await views.assets(tx, asked, cursor, limit))


@get(
    "/v1/reader-assets.csv",
    verb="reader_asset.read",
    operation="reader_asset.sheet",
    asked=filters_of,
    media_type="text/csv",
    opt={"uncompressed": True},
    tags=TAGS,
)
async def assets_sheet(request: AnyRequest, asked: NamedDependency[Filters]) -> Stream:
    """เครื่องอ่านบัตร (ครุภัณฑ์) เป็น CSV เปิดใน Excel แล้วนำเข้าอีกได้
    The same as CSV (UTF-8 with BOM, Thai headings), all of it, streamed."""
    fetch = partial(_assets_page, asked)
    return await sheet(request, "readers", sheets.ASSETS, fetch)


async def _assets_page(filters: Filters, tx: Any, after: str | None) -> Any:
    return await views.assets(tx, filters, after, sheets.PAGE)


@get(
    "/v1/reader-assets/{reader_asset:uuid}",
    verb="reader_asset.read",
    problems=[AssetNotFound],
    tags=TAGS,
)
async def read_asset(tx: InTx, reader_asset: FromPath[UUID]) -> ReaderAsset:
    """เครื่องอ่านบัตรหนึ่งเครื่อง และที่พบใช้งานล่าสุด
    One reader, and where a bridge saw it last."""
    return await views.asset(tx, reader_asset)


@get(
    "/v1/reader-assets/{reader_asset:uuid}/history",
    verb="reader_asset.read",
    operation="reader_asset.history",
    problems=[AssetNotFound],
    tags=TAGS,
)
async def history(tx: InTx, reader_asset: FromPath[UUID]) -> Page[ReaderHappening]:
    """ประวัติของเครื่องอ่านบัตร เก่าสุดก่อน
    What happened to a reader, the oldest first."""
    return Page(await views.history(tx, reader_asset))


@post(
    "/v1/reader-assets/{reader_asset:uuid}/move",
    verb="reader_asset.move",
    problems=[AssetNotFound, Stale, AssetMoveImpossible],
    status_code=200,
    tags=TAGS,
)
async def move(
    request: AnyRequest, tx: InTx, reader_asset: FromPath[UUID], data: JSONBody[ReaderMove]
) -> ReaderAsset:
    """บันทึกว่าเริ่มใช้งาน ชำรุด ซ่อมแล้ว สูญหาย พบแล้ว ส่งคืน หรือจัดสรรใหม่
    Into service, broken, repaired, lost, found, returned, reissued. If-Match: its version."""
    return await service.move(tx, reader_asset, if_match(request), data)


@post(
    "/v1/reader-fleet/import",
    verb="reader_asset.import",
    problems=[FileNotUnderstood, AgencyNotFound],
    status_code=200,
    tags=TAGS,
)
async def import_list(
    tx: InTx,
    body: RawBody,
    kind: FromQuery[rows.Kind],
    agency: AgencyCode = None,
    preview: FromQuery[bool] = True,
) -> ReaderImport:
    """นำเข้ารายการจาก CSV ไม่เกิน 5,000 บรรทัด ตรวจดูก่อน แล้วจึงบันทึก
    A list of at most 5,000 lines as CSV: looked at, or with `preview=false` applied.

    `requests` (document, quantity, date), `readers` (serial, state, unit, …) or `confirmations`
    (serial, unit); headings in Thai or English, UTF-8 or Windows-874. Longer ones by
    `superapp import-readers`.
    """
    path = await asyncio.to_thread(_kept, body)
    try:
        return await importing.import_small(tx, path, kind, agency, name=_NAME, preview=preview)
    except rows.NotAList as fault:
        th, en = fault.args
        raise FileNotUnderstood(reason_th=th, reason_en=en) from None
    finally:
        await asyncio.to_thread(path.unlink)


def _kept(body: bytes) -> Path:
    with tempfile.NamedTemporaryFile(prefix="superapp-", suffix=".csv", delete=False) as file:
        file.write(body)
    return Path(file.name)


async def sheet(
    request: AnyRequest, name: str, columns: tuple[str, ...], fetch: sheets.Fetch
) -> Stream:
    db: Database = request.app.state.db
    found = await sheets.stream(db, request.user, logs.request_id.get(), columns, fetch)
    return Stream(
        found,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="reader-{name}.csv"'},
    )


ROUTES = [
    *(agencies, write_agency, request_readers, list_requests, read_request, allocate, withdraw),
    *(confirm, list_assets, assets_sheet, read_asset, history, move, import_list),
]
