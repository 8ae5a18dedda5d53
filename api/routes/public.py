"""Complaints in public, their release, and their export, over HTTP."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from api import logs
from api.accounts.model import AuthorityNeeded
from api.complaints.model import Severity, State, Subject
from api.complaints.open311 import clients
from api.complaints.open311.clients import ApiClient, ApiClientEntry
from api.complaints.problems import (
    ApiClientNotFound,
    ComplaintNotFound,
    ComplaintSealed,
    ExportsBusy,
    ReleaseForbidden,
    WordsUnfit,
)
from api.complaints.public import exporting, releasing
from api.complaints.public import service as public
from api.complaints.public.releasing import Release, Released
from api.complaints.public.service import Counts, FeatureCollection
from api.db import Database
from api.edge import InTx, Page, admit_write, get, if_match, post, put
from api.permissions import PUBLIC
from api.problems import Malformed, Stale

AnyRequest = Request[Any, Any, Any]
Month = Annotated[str | None, QueryParameter(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", max_length=7)]
Province = Annotated[str | None, QueryParameter(pattern="^[0-9]{2}$", max_length=2)]
Category = Annotated[str | None, QueryParameter(pattern="^[a-z][a-z_]{1,30}$")]
_CACHE = "public, max-age=3600"


@post(
    "/v1/complaints/{complaint:uuid}/release",
    verb="complaint.release",
    problems=[
        ComplaintNotFound,
        Stale,
        AuthorityNeeded,
        ComplaintSealed,
        ReleaseForbidden,
        WordsUnfit,
    ],
    status_code=200,
)
async def release(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Release]
) -> Released:
    """อนุมัติเผยแพร่ถ้อยคำของเจ้าหน้าที่ในเรื่องร้องเรียน ไม่เผยแพร่ภาพ
    Shows the public what the officer writes of a complaint, from the end of the month in which
    it came. It needs a dated authority to moderate. Pictures are never shown.
    """
    return await releasing.release(tx, complaint, data, if_match(request))


@post(
    "/v1/complaints/{complaint:uuid}/unrelease",
    verb="complaint.release",
    operation="complaint.unrelease",
    problems=[ComplaintNotFound, Stale, AuthorityNeeded],
    status_code=200,
)
async def unrelease(request: AnyRequest, tx: InTx, complaint: FromPath[UUID]) -> Released:
    """ถอนข้อความที่เผยแพร่ของเรื่องร้องเรียน ประชาชนไม่เห็นอีก
    The public reads nothing of it any more."""
    return await releasing.unrelease(tx, complaint, if_match(request))


@get(
    "/v1/public/complaints.geojson",
    verb=PUBLIC,
    operation="public.complaints",
    media_type="application/geo+json",
    opt={"etag": True},
)
async def complaints(
    request: AnyRequest,
    tx: InTx,
    province: Province = None,
    category: Category = None,
    first_month: Month = None,
    last_month: Month = None,
) -> Response[FeatureCollection]:
    """แผนที่เรื่องร้องเรียนที่อนุมัติเผยแพร่แล้ว เป็นช่องตาราง เฉพาะช่องที่มีเรื่องมากพอ
    Released complaints on the map (RFC 7946), of months that are over: the middle of a cell of
    the grid, the month, and the officer's words; only in cells where enough of them lie.
    """
    found = await public.map_of(tx, province, category, _month(first_month), _month(last_month))
    return _cached(request, found, "application/geo+json")


@get(
    "/v1/public/complaint-counts",
    verb=PUBLIC,
    operation="public.complaint_counts",
    opt={"etag": True},
)
async def complaint_counts(
    request: AnyRequest,
    tx: InTx,
    province: Province = None,
    category: Category = None,
    first_month: Month = None,
    last_month: Month = None,
) -> Response[Counts]:
    """จำนวนเรื่องร้องเรียนที่รับเรื่องแล้ว ตามเดือน จังหวัด และประเภท ไม่แสดงจำนวนน้อย
    Complaints that officers took up, by month, province and category, counted once for all some
    time after the month's end. Small numbers, and what would betray them, are left out.
    """
    found = await public.counts(tx, _month(first_month), _month(last_month), province, category)
    return _cached(request, found, "application/json")


def _month(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(f"{text}-01")


def _cached(request: AnyRequest, found: Any, media: str) -> Response[Any]:
    body = msgspec.json.encode(found)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": _CACHE}
    asked = request.headers.get("if-none-match", "")
    if etag in [tag.strip().removeprefix("W/") for tag in asked.split(",")] or asked == "*":
        return Response(None, status_code=304, headers=headers)
    return Response(body, media_type=media, headers=headers)


@get(
    "/v1/complaints.csv",
    verb="complaint.export",
    problems=[ExportsBusy],
    media_type="text/csv",
    opt={"uncompressed": True},
)
async def export(
    request: AnyRequest,
    states: Annotated[list[State] | None, QueryParameter(name="state")] = None,
    category: Category = None,
    severity: FromQuery[Severity | None] = None,
    province: Province = None,
    office: FromQuery[UUID | None] = None,
    received_from: FromQuery[date | None] = None,
    received_to: FromQuery[date | None] = None,
    subject: FromQuery[Subject | None] = None,
    overdue: FromQuery[bool] = False,
    mine: FromQuery[bool] = False,
    callback: FromQuery[bool] = False,
    everywhere: FromQuery[bool] = True,
) -> Stream:
    """ส่งออกเรื่องร้องเรียนในขอบเขตที่เห็นเป็น CSV ไม่มีข้อมูลผู้ร้อง การส่งออกมีบันทึก
    The complaints in the caller's reach as CSV (UTF-8 with BOM, Thai headings), streamed; never
    who told them. The filters are the list's; but all states and offices are in it, unless
    `state`, or `everywhere=false`, asks for less.

    That it was exported, by whom, with which filters, is an event.
    """
    if max(received_from or date.min, received_to or date.min).year > 2500:
        raise Malformed(reason="a year of the Common Era", where="query")
    filters = exporting.Filters(
        states=states or [],
        category=category,
        severity=severity,
        province=province,
        office=office,
        received_from=received_from,
        received_to=received_to,
        subject=subject,
        overdue=overdue,
        mine=mine,
        callback=callback,
        everywhere=everywhere,
    )
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, "complaint.export")
        found = exporting.Export(db, tx.actor, tx.request_id, filters)
        await found.begin(tx)
    return Stream(
        await found.open(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="complaints.csv"'},
    )


@get("/v1/api-clients", verb="api_client.edit", operation="api_client.list")
async def list_clients(tx: InTx) -> Page[ApiClient]:
    """โปรแกรมภายนอกที่ใช้ Open311 ได้ ไม่แสดงกุญแจ
    Programs of others that may use Open311; without their keys."""
    return Page(await clients.listed(tx))


@put("/v1/api-clients/{client:uuid}", verb="api_client.edit")
async def edit_client(
    tx: InTx, client: FromPath[UUID], data: JSONBody[ApiClientEntry]
) -> ApiClient:
    """เพิ่มโปรแกรมภายนอก ได้กุญแจในคำตอบนี้ครั้งเดียว หรือแก้ไขชื่อและขีดจำกัด
    Makes a client, whose `key` is told in this answer alone; or changes its name and limit."""
    return await clients.edit(tx, client, data)


@post(
    "/v1/api-clients/{client:uuid}/end",
    verb="api_client.edit",
    operation="api_client.end",
    problems=[ApiClientNotFound],
    status_code=200,
)
async def end_client(tx: InTx, client: FromPath[UUID]) -> ApiClient:
    """เลิกใช้โปรแกรมภายนอก กุญแจเดิมใช้ไม่ได้อีก
    Its key opens nothing any more."""
    return await clients.end(tx, client)


ROUTES = [
    *(release, unrelease, complaints, complaint_counts, export),
    *(list_clients, edit_client, end_client),
]
