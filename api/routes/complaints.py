"""Complaints over HTTP: as they arrive, and as whoever told them follows them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.challenge import ChallengeNeeded
from api.complaints import intake, reading
from api.complaints.categories import Category
from api.complaints.own import service as own
from api.complaints.problems import (
    CategoryUnknown,
    CodeWrong,
    ComplaintExists,
    ComplaintNotFound,
    PlaceUnknown,
    ReadingNotAtDesk,
    SecretTaken,
    SecretUnreadable,
    SenderBlocked,
)
from api.complaints.views import OwnComplaint, Report
from api.edge import InTx, Page, get, network, put
from api.limits import TooFast
from api.permissions import PUBLIC
from api.readers.readings import using

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=100)]


@get(
    "/v1/complaint-categories",
    verb=PUBLIC,
    operation="complaint_category.list",
    tags=["complaint"],
)
async def list_categories(tx: InTx) -> Page[Category]:
    """ประเภทเรื่องร้องเรียนตามลำดับที่ควรแสดง พร้อมคำถามของแต่ละประเภท
    What can be complained about, with the questions to ask; in the order to offer them."""
    return Page(await reading.categories(tx))


@put(
    "/v1/complaints/{complaint:uuid}",
    verb="complaint.report",
    problems=[
        SecretUnreadable,
        SecretTaken,
        CategoryUnknown,
        PlaceUnknown,
        SenderBlocked,
        TooFast,
        ChallengeNeeded,
        ComplaintExists,
        ComplaintNotFound,
        ReadingNotAtDesk,
        *using.PROBLEMS,
    ],
    opt={"uncompressed": True, "challenged": True},
)
async def report(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Report]
) -> OwnComplaint:
    """แจ้งเรื่องร้องเรียนด้วยรหัสที่ผู้ส่งกำหนด ไม่ต้องเข้าสู่ระบบ ส่งซ้ำเป็นเรื่องเดียวกัน
    Tells a complaint under the sender's id; sent twice, or by forty at once, it is one.

    Nobody needs to sign in. Whoever does finds it in their list; with the secret it is followed
    without: `Authorization: Tracking <code>`.
    """
    return await intake.report(tx, complaint, data, network(request))


@get(
    "/v1/own-complaints",
    verb="own_complaint.read",
    operation="own_complaint.list",
    problems=[CodeWrong, TooFast],
)
async def list_own(
    tx: InTx, cursor: FromQuery[UUID | None] = None, limit: Limit = 20
) -> Page[OwnComplaint]:
    """เรื่องร้องเรียนของตนเอง ใหม่สุดก่อน หรือเรื่องตามรหัสติดตามเรื่อง
    The caller's complaints, the newest first; with a tracking code, the one that it opens."""
    found, more = await own.listed(tx, cursor, limit)
    return Page(found, str(more) if more else None)


@get(
    "/v1/own-complaints/{complaint:uuid}",
    verb="own_complaint.read",
    problems=[ComplaintNotFound, CodeWrong, TooFast],
)
async def read_own(tx: InTx, complaint: FromPath[UUID]) -> OwnComplaint:
    """เรื่องร้องเรียนหนึ่งเรื่องตามที่ผู้ร้องเห็น
    A complaint as whoever told it sees it."""
    return await own.read(tx, complaint)


ROUTES = [list_categories, report, list_own, read_own]
