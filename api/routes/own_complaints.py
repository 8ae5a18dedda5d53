"""What whoever told a complaint does with it, "me too", and the page and the slip for it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from litestar import MediaType, Request, Response
from litestar.params import FromPath, JSONBody, QueryParameter

from api import logs
from api.accounts.model import AuthorityNeeded
from api.challenge import ChallengeNeeded
from api.complaints.own import evidence, me_toos, pages, slips
from api.complaints.own import service as own
from api.complaints.own.slips import SlipWanted
from api.complaints.problems import (
    CodeWrong,
    ComplaintEnded,
    ComplaintNotFound,
    EntryExists,
    ReopenedEnough,
    ReopeningLate,
    SecretTaken,
    SecretUnreadable,
    SenderBlocked,
)
from api.complaints.views import (
    Addition,
    MeToo,
    MeTooSaid,
    Nearby,
    Occurrence,
    OwnComplaint,
    Rating,
    Reason,
    Reopening,
)
from api.db import Database
from api.edge import InTx, Page, admit_write, get, network, post, put
from api.evidence.model import Evidence, EvidenceNotFound, Link
from api.limits import TooFast
from api.permissions import NOBODY, PUBLIC

AnyRequest = Request[Any, Any, Any]
ADDING = [ComplaintNotFound, ComplaintEnded, EntryExists, CodeWrong, TooFast]
_PAGE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_CACHED = {"Cache-Control": "public, max-age=3600"}


@put(
    "/v1/own-complaints/{complaint:uuid}/additions/{entry:uuid}",
    verb="own_complaint.add",
    problems=ADDING,
)
async def add(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Addition]
) -> OwnComplaint:
    """แจ้งเพิ่มเติมในเรื่องร้องเรียนของตนเอง ส่งซ้ำได้ไม่เกิดรายการใหม่
    Adds something to say, under the sender's id; sent again it is the same."""
    return await own.add(tx, complaint, entry, data)


@put(
    "/v1/own-complaints/{complaint:uuid}/answers/{entry:uuid}",
    verb="own_complaint.add",
    operation="own_complaint.answer",
    problems=ADDING,
)
async def answer(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Addition]
) -> OwnComplaint:
    """ตอบข้อมูลที่เจ้าหน้าที่ขอ กำหนดเวลาเริ่มนับต่อ
    Answers what the office asked; the clocks go on from here."""
    return await own.answer(tx, complaint, entry, data)


@put(
    "/v1/own-complaints/{complaint:uuid}/occurrences/{entry:uuid}",
    verb="own_complaint.add",
    operation="own_complaint.occur",
    problems=ADDING,
)
async def occur(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Occurrence]
) -> OwnComplaint:
    """แจ้งว่าเกิดเหตุซ้ำ บันทึกไว้ในเรื่องเดิมโดยไม่เกิดเรื่องใหม่
    The same nuisance again, with one tap: a point in the diary and no new case."""
    return await own.occur(tx, complaint, entry, data)


@put(
    "/v1/own-complaints/{complaint:uuid}/withdrawal",
    verb="own_complaint.withdraw",
    problems=[ComplaintNotFound, ComplaintEnded, CodeWrong, TooFast],
)
async def withdraw(tx: InTx, complaint: FromPath[UUID]) -> OwnComplaint:
    """ยกเลิกเรื่องร้องเรียนของตนเอง หากเรื่องมีมูลหน่วยงานยังดำเนินการต่อโดยไม่มีผู้ร้อง
    The caller wants no more of it. What is warranted all the same goes on without them."""
    return await own.withdraw(tx, complaint)


@put(
    "/v1/own-complaints/{complaint:uuid}/ratings/{entry:uuid}",
    verb="own_complaint.rate",
    problems=ADDING,
)
async def rate(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Rating]
) -> OwnComplaint:
    """ประเมินผลเมื่อเรื่องสิ้นสุด: แก้ไขแล้วหรือไม่ และดำเนินการดีเพียงใด ใช้คำตอบล่าสุด
    After the end: is it solved, and how well was it dealt with? The last word counts."""
    return await own.rate(tx, complaint, entry, data)


@put(
    "/v1/own-complaints/{complaint:uuid}/reopenings/{entry:uuid}",
    verb="own_complaint.reopen",
    problems=[*ADDING, ReopeningLate, ReopenedEnough],
)
async def reopen(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Reopening]
) -> OwnComplaint:
    """ขอเปิดเรื่องใหม่ภายในกำหนด เมื่อปัญหายังไม่ได้รับการแก้ไข
    It is not solved: until `reopen_until` the complaint is opened again, before the head."""
    return await own.reopen(tx, complaint, entry, data)


@get(
    "/v1/own-complaints/{complaint:uuid}/evidence",
    verb="own_complaint.read",
    operation="own_complaint.evidence",
    problems=[ComplaintNotFound, CodeWrong, TooFast],
)
async def list_own_evidence(tx: InTx, complaint: FromPath[UUID]) -> Page[Evidence]:
    """ภาพและเสียงที่ตนเองส่งในเรื่องร้องเรียน
    The caller's photographs and recordings; they are sent by tus, `owner_kind` `complaint`."""
    return Page(await evidence.of_own(tx, complaint))


# --- me too ---------------------------------------------------------------------------------------


@get(
    "/v1/complaints-nearby",
    verb=PUBLIC,
    operation="complaint.nearby",
    tags=["complaint"],
    problems=[TooFast],
)
async def list_nearby(
    request: AnyRequest,
    lat: Annotated[float, QueryParameter(ge=-90, le=90)],
    lng: Annotated[float, QueryParameter(ge=-180, le=180)],
    category: Annotated[str, QueryParameter(max_length=40)],
) -> Page[Nearby]:
    """เรื่องประเภทเดียวกันในระยะราว 3 กิโลเมตรที่เผยแพร่แล้ว ใช้แสดงก่อนแจ้งเรื่องใหม่
    Complaints of that kind within about 3 km that were released to the public, closed ones
    included: to be offered before another is told. That there is none says nothing."""
    db: Database = request.app.state.db
    async with db.begin(NOBODY, logs.request_id.get()) as tx:  # of its own: it must survive
        await me_toos.asked(tx, network(request))
    async with db.read(NOBODY, logs.request_id.get()) as tx:
        return Page(await me_toos.nearby(tx, lat, lng, category))


@put(
    "/v1/complaints/{complaint:uuid}/me-toos/{me_too:uuid}",
    verb="complaint.report",
    operation="complaint.me_too",
    problems=[
        *(ComplaintNotFound, ComplaintEnded, SecretUnreadable, SecretTaken),
        *(SenderBlocked, TooFast, ChallengeNeeded),
    ],
    opt={"challenged": True},
)
async def join(
    request: AnyRequest,
    tx: InTx,
    complaint: FromPath[UUID],
    me_too: FromPath[UUID],
    data: JSONBody[MeTooSaid],
) -> MeToo:
    """ร่วมร้องในเรื่องที่มีอยู่แล้วและติดตามผลได้ ไม่ทำให้เรื่องเร่งด่วนขึ้น
    "Me too", to a complaint by the id under which it is offered: its fate can be followed.

    Whoever is signed in counts once; others are not counted. It makes nothing more urgent.
    """
    return await me_toos.join(tx, complaint, me_too, data, network(request))


# --- for officers ---------------------------------------------------------------------------------


@get(
    "/v1/complaints/{complaint:uuid}/evidence",
    verb="complaint.read",
    operation="complaint.evidence",
    problems=[ComplaintNotFound],
)
async def list_evidence(tx: InTx, complaint: FromPath[UUID]) -> Page[Evidence]:
    """ภาพของเรื่องร้องเรียนตามที่เจ้าหน้าที่เห็น ทำขึ้นใหม่โดยไม่มีข้อมูลที่กล้องบันทึกไว้
    A complaint's photographs as officers see them: made anew, without what the camera wrote."""
    return Page(await evidence.of(tx, complaint))


@post(
    "/v1/complaints/{complaint:uuid}/evidence/{evidence_id:uuid}/original",
    verb="complaint.unseal",
    operation="complaint.open_original",
    problems=[ComplaintNotFound, EvidenceNotFound, AuthorityNeeded],
    status_code=201,
)
async def open_original(
    tx: InTx, complaint: FromPath[UUID], evidence_id: FromPath[UUID], data: JSONBody[Reason]
) -> Link:
    """ขอที่อยู่ชั่วคราวของไฟล์ต้นฉบับ ต้องมีอำนาจเปิดผนึก ผู้ร้องเห็นว่าเปิดเมื่อใด เพราะเหตุใด
    A short-lived address of the file as it came, which may tell who made it, and where.

    It takes the authority to unseal; the complainant sees when, of which office, and why.
    """
    return await evidence.open_original(tx, complaint, evidence_id, data.reason)


@post(
    "/v1/complaint-slips",
    verb="complaint_slip.print",
    problems=[ComplaintNotFound, SecretUnreadable, TooFast],
    status_code=200,
)
async def print_slip(request: AnyRequest, data: JSONBody[SlipWanted]) -> Response[bytes]:
    """ใบรับเรื่องร้องเรียนสำหรับผู้ร้องที่เคาน์เตอร์ เป็น PDF หนึ่งหน้า ระบบไม่เก็บไว้
    The slip for somebody at the desk: number, date, office, the tracking code and its QR code,
    as a PDF of one page. The code comes in the body; nothing is kept."""
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, "complaint_slip.print")
        await slips.asked(tx)
    async with db.read(request.user, logs.request_id.get()) as tx:
        slip = await slips.of(tx, data)
    made = await asyncio.to_thread(slips.pdf, slip)
    return Response(
        made,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'inline; filename="complaint-{slip.number}.pdf"',
            "Cache-Control": "private, no-store",
        },
    )


# --- the page -------------------------------------------------------------------------------------


@get("/track", verb=PUBLIC, operation="own_complaint.page", include_in_schema=False)
async def page() -> Response[str]:
    """Where a person types the code; a scan brings it behind `#`, which no server is told."""
    return Response(pages.TRACK, media_type=MediaType.HTML, headers=_PAGE)


@get("/track/{file:str}", verb=PUBLIC, operation="own_complaint.page_file", include_in_schema=False)
async def page_file(file: FromPath[str]) -> Response[str]:
    """Its script and style; anything else is the page."""
    if file == "page.js":
        return Response(pages.SCRIPT, media_type="text/javascript", headers=_PAGE | _CACHED)
    if file == "page.css":
        return Response(pages.STYLE, media_type="text/css", headers=_PAGE | _CACHED)
    return Response(pages.TRACK, media_type=MediaType.HTML, headers=_PAGE)


ROUTES = [
    *(add, answer, occur, withdraw, rate, reopen, list_own_evidence, list_nearby, join),
    *(list_evidence, open_original, print_slip, page, page_file),
]
