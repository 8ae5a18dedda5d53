"""Complaints' categories, routes, appointments of local bodies and blocked senders over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import FromPath, JSONBody

from api.complaints import keeping, keeping_queries
from api.complaints.categories import Category, Content
from api.complaints.keeping_views import (
    Appointment,
    Block,
    Blocked,
    Route,
    StoredAppointment,
    StoredRoute,
)
from api.complaints.problems import (
    AppointmentNotFound,
    CategoryUnknown,
    ComplaintNotFound,
    NothingToBlock,
    RouteNotFound,
    RouteWrong,
)
from api.edge import InTx, Page, delete, get, if_match, post, put
from api.problems import Stale

AnyRequest = Request[Any, Any, Any]


class CategoryEdit(Content, kw_only=True):
    """A category's next version; `active` false takes it out of the list, complaints keep it."""

    active: bool = True


@put(
    "/v1/complaint-categories/{code:str}",
    verb="complaint_category.edit",
    problems=[Stale],
    tags=["complaint"],
)
async def edit_category(
    request: AnyRequest,
    tx: InTx,
    code: FromPath[str],
    data: JSONBody[CategoryEdit],
) -> Category:
    """บันทึกประเภทเรื่องร้องเรียนรุ่นถัดไป หากเป็นประเภทใหม่ให้ระบุ If-Match เป็น 0
    Writes the next version of a category; If-Match carries the version, 0 for a new one."""
    parts = msgspec.structs.asdict(data)
    active = parts.pop("active")
    return await keeping.edit_category(tx, code, Content(**parts), if_match(request), active=active)


@get(
    "/v1/complaint-routes",
    verb="complaint_route.read",
    operation="complaint_route.list",
    tags=["complaint"],
)
async def list_routes(tx: InTx) -> Page[StoredRoute]:
    """กฎการส่งเรื่อง ตามลำดับที่ใช้พิจารณา
    The rules in the order in which they are tried."""
    rows = await keeping_queries.routes(tx)
    return Page([msgspec.convert(msgspec.structs.asdict(row), StoredRoute) for row in rows])


@put(
    "/v1/complaint-routes/{route:uuid}",
    verb="complaint_route.edit",
    problems=[RouteWrong, CategoryUnknown],
    tags=["complaint"],
)
async def put_route(tx: InTx, route: FromPath[UUID], data: JSONBody[Route]) -> StoredRoute:
    """บันทึกกฎการส่งเรื่องด้วยรหัสที่ผู้ส่งกำหนด เรื่องที่ส่งไปแล้วคงอยู่ที่เดิม
    Writes a rule under the sender's id; what was routed before stays where it is."""
    return await keeping.put_route(tx, route, data)


@delete(
    "/v1/complaint-routes/{route:uuid}",
    verb="complaint_route.edit",
    operation="complaint_route.remove",
    problems=[RouteNotFound],
    status_code=204,
    tags=["complaint"],
)
async def remove_route(tx: InTx, route: FromPath[UUID]) -> None:
    """ลบกฎการส่งเรื่อง
    Removes a rule."""
    await keeping.remove_route(tx, route)


@get(
    "/v1/local-appointments",
    verb="complaint_route.read",
    operation="local_appointment.list",
    tags=["complaint"],
)
async def list_appointments(tx: InTx) -> Page[StoredAppointment]:
    """องค์กรปกครองส่วนท้องถิ่นและขอบเขตที่รับผิดชอบ (มาตรา 11/1) รวมที่สิ้นสุดแล้ว
    Local bodies and what they answer for (s.11/1), with those that have ended."""
    rows = await keeping_queries.appointments(tx)
    return Page([msgspec.convert(msgspec.structs.asdict(row), StoredAppointment) for row in rows])


@put(
    "/v1/local-appointments/{appointment:uuid}",
    verb="local_appointment.edit",
    problems=[AppointmentNotFound],
    tags=["complaint"],
)
async def put_appointment(
    tx: InTx, appointment: FromPath[UUID], data: JSONBody[Appointment]
) -> StoredAppointment:
    """บันทึกการแต่งตั้งเจ้าหน้าที่ท้องถิ่น ด้วยรหัสที่ผู้ส่งกำหนด
    Writes an appointment under the sender's id."""
    return await keeping.put_appointment(tx, appointment, data)


@post(
    "/v1/complaints/{complaint:uuid}/block-sender",
    verb="complaint_block.edit",
    problems=[ComplaintNotFound, NothingToBlock],
    status_code=200,
    tags=["complaint"],
)
async def block_sender(tx: InTx, complaint: FromPath[UUID], data: JSONBody[Block]) -> Blocked:
    """ระงับการรับเรื่องจากบัญชีและอุปกรณ์ของผู้ส่งชั่วคราว โดยไม่เปิดเผยตัวผู้ส่ง
    Takes nothing for some days from a complaint's account and device, which stay sealed; with
    `network` nor, for a day at most, from where it came."""
    return await keeping.block_sender(tx, complaint, data)


@delete(
    "/v1/complaints/{complaint:uuid}/block-sender",
    verb="complaint_block.edit",
    operation="complaint_block.remove",
    problems=[ComplaintNotFound],
    status_code=204,
    tags=["complaint"],
)
async def unblock_sender(tx: InTx, complaint: FromPath[UUID]) -> None:
    """เลิกระงับการรับเรื่องจากผู้ส่ง
    Takes complaints from there again."""
    await keeping.unblock_sender(tx, complaint)


ROUTES = [
    edit_category,
    list_routes,
    put_route,
    remove_route,
    list_appointments,
    put_appointment,
    block_sender,
    unblock_sender,
]
