"""Desk PCs with card readers, and desks, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import MediaType, Request, Response
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api import limits, logs, pages
from api.accounts.pages import HEADERS
from api.db import Database
from api.edge import InTx, Page, admit_write, get, if_match, network, patch, post, put
from api.permissions import PUBLIC
from api.problems import Stale
from api.readers.bridges import enrolling, service
from api.readers.bridges.problems import AccessDenied, AuthorizationPending, ExpiredToken, SlowDown
from api.readers.desks import service as desks
from api.readers.model import BridgeState
from api.readers.problems import (
    BridgeNotFound,
    CodeMistyped,
    DeskExists,
    DeskNotFound,
    EnrolmentNotFound,
    EnrolmentOver,
    EnrolmentWrong,
    FingerprintWrong,
    IncidentNotFound,
    KeyTaken,
    OfficeOutOfReach,
)
from api.readers.views import (
    ApproveEnrolment,
    Bridge,
    BridgeIncident,
    Desk,
    Enrolment,
    EnrolmentBegun,
    EnrolmentGranted,
    LookAtEnrolment,
    LookAtIncident,
    PollEnrolment,
    PutDesk,
    Reader,
    Rename,
    Revoke,
)
from reader_bridge.messages import Signed

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Cursor = FromQuery[UUID | None]


# --- enrolment ----------------------------------------------------------------------------------


@post(
    "/v1/bridges/enrolments",
    verb=PUBLIC,
    operation="bridge.enrol",
    problems=[EnrolmentWrong, KeyTaken, limits.TooFast],
    status_code=200,
)
async def enrol(request: AnyRequest, data: JSONBody[Signed]) -> Response[EnrolmentBegun]:
    """เครื่องคอมพิวเตอร์ที่โต๊ะขอลงทะเบียน ได้รหัสสั้นและลายนิ้วมือของกุญแจเพื่อแสดงบนจอ
    A desk PC asks to become a device: an `Enrolment` signed with the key that it presents
    (docs/reader-protocol.md). After RFC 8628, §3.2."""
    db: Database = request.app.state.db
    asked_from = network(request)
    async with db.begin(request.user, logs.request_id.get()) as tx:  # of its own: it must survive
        await enrolling.take_ask(tx, asked_from)
    async with db.begin(request.user, logs.request_id.get()) as tx:
        begun = await enrolling.ask(tx, data, asked_from)
    return Response(begun, status_code=200, headers=_NOT_KEPT)


@post(
    "/v1/bridges/enrolments/token",
    verb=PUBLIC,
    operation="bridge.poll_enrolment",
    problems=[AccessDenied, AuthorizationPending, ExpiredToken, SlowDown, limits.TooFast],
    status_code=200,
)
async def poll_enrolment(
    request: AnyRequest, data: JSONBody[PollEnrolment]
) -> Response[EnrolmentGranted]:
    """เครื่องที่ขอลงทะเบียนถามว่าได้รับอนุมัติแล้วหรือยัง
    What became of it; `error` is that of RFC 8628 §3.5. A lost answer is had by asking again."""
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await enrolling.take_poll(tx, network(request))
    async with db.begin(request.user, logs.request_id.get()) as tx:
        granted = await enrolling.poll(tx, data.device_code)
    return Response(granted, status_code=200, headers=_NOT_KEPT)


@post(
    "/v1/bridges/enrolments/look",
    verb=enrolling.VERB,
    operation="bridge.look_at_enrolment",
    problems=[CodeMistyped, EnrolmentNotFound, limits.TooFast],
    status_code=200,
)
async def look_at_enrolment(request: AnyRequest, data: JSONBody[LookAtEnrolment]) -> Enrolment:
    """ดูว่ารหัสที่แสดงบนจอเป็นของเครื่องใด ก่อนอนุมัติ
    What shows this code. Ten wrong codes an hour are an account's most; a mistyped character is
    told as one and not counted."""
    db: Database = request.app.state.db
    code = enrolling.typed(data.user_code)
    asked_from = network(request)
    async with db.begin(request.user, logs.request_id.get()) as tx:  # of its own: it must survive
        await admit_write(tx, enrolling.VERB)
        await enrolling.take_try(tx, asked_from)
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, enrolling.VERB)
        return await enrolling.look(tx, code, asked_from)


@post(
    "/v1/bridges/enrolments/{enrolment:uuid}/approve",
    verb=enrolling.VERB,
    problems=[EnrolmentNotFound, EnrolmentOver, FingerprintWrong, KeyTaken, OfficeOutOfReach],
    status_code=200,
)
async def approve_enrolment(
    request: AnyRequest, enrolment: FromPath[UUID], data: JSONBody[ApproveEnrolment]
) -> Bridge:
    """อนุมัติให้เครื่องเป็นของหน่วยงาน เมื่อลายนิ้วมือของกุญแจตรงกับที่แสดงบนจอ
    Makes the PC a device of an office, if the fingerprint is the one on its screen; the fifth
    wrong one locks it."""
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:  # of its own: it must survive
        await admit_write(tx, enrolling.VERB)
        left = await enrolling.compare(tx, enrolment, data.fingerprint)
    if left is not None:
        raise FingerprintWrong(left=left)
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, enrolling.VERB)
        return await enrolling.approve(tx, enrolment, data)


@post(
    "/v1/bridges/enrolments/{enrolment:uuid}/refuse",
    verb=enrolling.VERB,
    operation="bridge.refuse_enrolment",
    problems=[EnrolmentNotFound, EnrolmentOver],
    status_code=204,
)
async def refuse_enrolment(tx: InTx, enrolment: FromPath[UUID]) -> None:
    """ไม่อนุมัติการลงทะเบียนเครื่อง
    Nothing comes of it; the PC is told so."""
    await enrolling.refuse(tx, enrolment)


@get(
    enrolling.PAGE,
    verb=PUBLIC,
    operation="bridge.enrolment_page",
    media_type=MediaType.HTML,
)
async def enrolment_page() -> Response[str]:
    """หน้าที่บอกว่าต้องพิมพ์รหัสของเครื่องที่ใด
    Says to a person where the code on a PC's screen is typed."""
    return Response(pages.ENROL, media_type=MediaType.HTML, headers=HEADERS)


# --- bridges ------------------------------------------------------------------------------------


@get("/v1/bridges", verb=service.READ, operation="bridge.list")
async def list_bridges(
    tx: InTx,
    office: FromQuery[UUID | None] = None,
    of_state: Annotated[BridgeState | None, QueryParameter(name="state")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Bridge]:
    """เครื่องคอมพิวเตอร์ที่มีเครื่องอ่านบัตร เรียงตามการอนุมัติ
    The devices of the caller's office, or of all, in the order of their approval."""
    found = await service.bridges(tx, office, of_state, cursor, limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/bridges/{bridge:uuid}", verb=service.READ, problems=[BridgeNotFound])
async def read_bridge(tx: InTx, bridge: FromPath[UUID]) -> Bridge:
    """เครื่องคอมพิวเตอร์หนึ่งเครื่อง
    One device."""
    return await service.bridge(tx, bridge)


@patch("/v1/bridges/{bridge:uuid}", verb="bridge.edit", problems=[BridgeNotFound, Stale])
async def rename_bridge(
    request: AnyRequest, tx: InTx, bridge: FromPath[UUID], data: JSONBody[Rename]
) -> Bridge:
    """เปลี่ยนชื่อเครื่องคอมพิวเตอร์
    Gives a device another name; If-Match carries its version."""
    return await service.rename(tx, bridge, data.name, if_match(request))


@post(
    "/v1/bridges/{bridge:uuid}/revoke",
    verb="bridge.revoke",
    problems=[BridgeNotFound],
    status_code=200,
)
async def revoke_bridge(tx: InTx, bridge: FromPath[UUID], data: JSONBody[Revoke]) -> Bridge:
    """เพิกถอนเครื่องคอมพิวเตอร์เป็นการถาวร หากจะใช้อีกต้องลงทะเบียนใหม่
    Ends a device for good, with what waits for it; it must enrol anew, under a new key."""
    return await service.revoke(tx, bridge, data.reason)


@get("/v1/readers", verb=service.READ, operation="reader.list", tags=["bridge"])
async def list_readers(
    tx: InTx,
    office: FromQuery[UUID | None] = None,
    bridge: FromQuery[UUID | None] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Reader]:
    """เครื่องอ่านบัตรของเครื่องคอมพิวเตอร์ที่ใช้งาน รวมที่ถอดออกไปแล้ว
    The readers of devices in service, with those that are away."""
    found = await service.readers(tx, office, bridge, cursor, limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get(
    "/v1/bridge-incidents",
    verb="bridge_incident.read",
    operation="bridge_incident.list",
    tags=["bridge"],
)
async def list_incidents(
    tx: InTx,
    bridge: FromQuery[UUID | None] = None,
    looked: FromQuery[bool | None] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[BridgeIncident]:
    """เหตุผิดปกติของเครื่อง ใหม่สุดก่อน
    What should not have happened, the newest first; `looked=false`: nobody has looked yet."""
    found = await service.incidents(tx, bridge, looked, cursor, limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@post(
    "/v1/bridge-incidents/{incident:uuid}/look",
    verb="bridge_incident.look",
    problems=[IncidentNotFound],
    status_code=200,
    tags=["bridge"],
)
async def look_at_incident(
    tx: InTx, incident: FromPath[UUID], data: JSONBody[LookAtIncident]
) -> BridgeIncident:
    """บันทึกว่าตรวจดูเหตุผิดปกติแล้ว และพบอะไร
    Says that somebody has looked, and what they found; the first one stands."""
    return await service.look_at_incident(tx, incident, data.note)


# --- desks --------------------------------------------------------------------------------------


@get("/v1/desks", verb=desks.READ, operation="desk.list")
async def list_desks(
    tx: InTx,
    office: FromQuery[UUID | None] = None,
    ready: FromQuery[bool | None] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Desk]:
    """โต๊ะทั้งหมด เลือกเฉพาะโต๊ะที่อ่านบัตรได้ขณะนี้ก็ได้
    Desks; `ready`: only those where a card can be read now, or only the others."""
    found = await desks.desks(tx, office, ready, cursor, limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/desks/{desk:uuid}", verb=desks.READ, problems=[DeskNotFound])
async def read_desk(tx: InTx, desk: FromPath[UUID]) -> Desk:
    """โต๊ะหนึ่งโต๊ะ
    One desk."""
    return await desks.desk(tx, desk)


@put(
    "/v1/desks/{desk:uuid}",
    verb=desks.EDIT,
    operation="desk.put",
    problems=[DeskExists, DeskNotFound, OfficeOutOfReach],
)
async def put_desk(tx: InTx, desk: FromPath[UUID], data: JSONBody[PutDesk]) -> Desk:
    """เพิ่มโต๊ะด้วยรหัสที่ผู้ส่งกำหนด ส่งซ้ำได้ไม่เกิดรายการใหม่
    Makes a desk under the sender's id; sent again, it changes nothing."""
    return await desks.put(tx, desk, data)


@patch("/v1/desks/{desk:uuid}", verb=desks.EDIT, problems=[DeskExists, DeskNotFound, Stale])
async def rename_desk(
    request: AnyRequest, tx: InTx, desk: FromPath[UUID], data: JSONBody[Rename]
) -> Desk:
    """เปลี่ยนชื่อโต๊ะ
    Gives a desk another name; If-Match carries its version."""
    return await desks.rename(tx, desk, data.name, if_match(request))


@post(
    "/v1/desks/{desk:uuid}/unmap",
    verb=desks.EDIT,
    operation="desk.unmap",
    problems=[DeskNotFound],
    status_code=200,
)
async def unmap_desk(tx: InTx, desk: FromPath[UUID]) -> Desk:
    """ถอดเครื่องอ่านบัตรออกจากโต๊ะ ผู้ที่รออ่านบัตรที่โต๊ะนั้นได้รับแจ้ง
    Takes the reader off the desk; who waits for a card there is told."""
    return await desks.unmap(tx, desk)


@post(
    "/v1/desks/{desk:uuid}/end",
    verb=desks.EDIT,
    operation="desk.end",
    problems=[DeskNotFound, Stale],
    status_code=204,
)
async def end_desk(request: AnyRequest, tx: InTx, desk: FromPath[UUID]) -> None:
    """เลิกใช้โต๊ะ
    The desk is no more; If-Match carries its version."""
    await desks.end(tx, desk, if_match(request))


_NOT_KEPT = {"Cache-Control": "no-store"}
ROUTES = [
    enrol,
    poll_enrolment,
    look_at_enrolment,
    approve_enrolment,
    refuse_enrolment,
    enrolment_page,
    list_bridges,
    read_bridge,
    rename_bridge,
    revoke_bridge,
    list_readers,
    list_incidents,
    look_at_incident,
    list_desks,
    read_desk,
    put_desk,
    rename_desk,
    unmap_desk,
    end_desk,
]
