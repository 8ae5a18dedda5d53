"""Readings of the caller's own session: what was read, for some minutes, and what it proves."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.cursors import CursorInvalid
from api.edge import InTx, Page, get, post, put
from api.inspection.orders.problems import OrderNotFound, OrderSealed
from api.readers.problems import (
    AboutNeeded,
    ChipNeeded,
    DeskNotFound,
    DeskWithoutReader,
    FieldsNotAllowed,
    PhotoGone,
    PurposeNotOffline,
    ReadingExists,
    ReadingNotFound,
    ReadingStale,
    ReadingUsed,
)
from api.readers.readings import service, tickets
from api.readers.readings.problems import TicketsTooMany
from api.readers.views import IssueTickets, MatchFace, OfflineTicket, Reading, SeeDocument
from api.sealed import Erased


@get("/v1/readings", verb="reading.read", operation="reading.list", problems=[CursorInvalid])
async def list_readings(
    tx: InTx,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> Page[Reading]:
    """การอ่านบัตรของการเข้าสู่ระบบครั้งนี้ และจากตั๋วของตนเอง ไม่มีข้อมูลที่อ่าน
    The session's own readings and those of the caller's tickets, what came last first, without
    what was read."""
    return Page(*await service.mine(tx, cursor, limit))


@get("/v1/readings/{reading:uuid}", verb="reading.read", problems=[ReadingNotFound, Erased])
async def read_reading(tx: InTx, reading: FromPath[UUID]) -> Reading:
    """การอ่านบัตรหนึ่งครั้ง มีข้อมูลบัตรสิบห้านาที (ออฟไลน์เจ็ดวัน) หรือจนกว่าจะใช้
    A reading of this session; `card` for fifteen minutes (seven days where it came
    offline), or until it is used."""
    return await service.read(tx, reading)


@put(
    "/v1/readings/{reading:uuid}",
    verb="reading.see_document",
    problems=[
        AboutNeeded,
        ChipNeeded,
        DeskNotFound,
        OrderNotFound,
        OrderSealed,
        ReadingExists,
        ReadingNotFound,
    ],
    status_code=200,
)
async def see_document(tx: InTx, reading: FromPath[UUID], data: JSONBody[SeeDocument]) -> Reading:
    """อ่านชิปไม่ได้: บันทึกว่าเจ้าหน้าที่เห็นเอกสารใด โดยไม่เก็บสำเนา
    No chip could be read (a foreigner, a minor, a proxy, a broken card): which document the
    officer saw. No copy is taken."""
    return await service.see_document(tx, reading, data)


@post(
    "/v1/readings/{reading:uuid}/face-match",
    verb="reading.match_face",
    problems=[PhotoGone, ReadingNotFound, ReadingStale, ReadingUsed],
    status_code=200,
)
async def match_face(tx: InTx, reading: FromPath[UUID], data: JSONBody[MatchFace]) -> Reading:
    """เจ้าหน้าที่บันทึกในนามตนเองว่าเทียบใบหน้ากับภาพถ่ายแล้ว
    The officer compared person and photograph: an act of its own, in their name."""
    return await service.match_face(tx, reading, data)


@post(
    "/v1/offline-tickets",
    verb="offline_ticket.issue",
    problems=[
        AboutNeeded,
        DeskNotFound,
        DeskWithoutReader,
        FieldsNotAllowed,
        OrderNotFound,
        OrderSealed,
        PurposeNotOffline,
        TicketsTooMany,
    ],
)
async def issue_tickets(tx: InTx, data: JSONBody[IssueTickets]) -> list[OfflineTicket]:
    """ออกตั๋วออฟไลน์ให้อ่านบัตรที่โต๊ะได้เมื่อเชื่อมต่อระบบไม่ได้
    Tickets of the caller's, for the device at a desk, for when the line is cut."""
    return await tickets.issue(tx, data)


ROUTES = [list_readings, read_reading, see_document, match_face, issue_tickets]
