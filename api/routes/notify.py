"""The inbox, and the devices that are told at once."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.edge import InTx, Page, delete, get, language, post, put
from api.notify import service
from api.notify.model import (
    DeviceEntry,
    DeviceNotFound,
    Message,
    MessageNotFound,
    PushDevice,
    ReadUpTo,
    Unread,
)

AnyRequest = Request[Any, Any, Any]


@get("/v1/messages", verb="message.read", operation="message.list")
async def list_messages(
    request: AnyRequest,
    tx: InTx,
    unread: FromQuery[bool] = False,
    cursor: FromQuery[UUID | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> Page[Message]:
    """กล่องข้อความของตนเอง ใหม่สุดก่อน เป็นภาษาไทยหรืออังกฤษ
    The caller's inbox, the newest first, in Thai or English (Accept-Language)."""
    found = await service.inbox(tx, language(request), unread=unread, before=cursor, limit=limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/messages/unread", verb="message.read", operation="message.unread")
async def count_unread(tx: InTx) -> Unread:
    """จำนวนข้อความที่ยังไม่ได้อ่าน
    How many messages the caller has not read."""
    return await service.unread(tx)


@post(
    "/v1/messages/{message:uuid}/read",
    verb="message.mark_read",
    problems=[MessageNotFound],
    status_code=200,
)
async def mark_read(request: AnyRequest, tx: InTx, message: FromPath[UUID]) -> Message:
    """บันทึกว่าอ่านข้อความนี้แล้ว ทำซ้ำได้ไม่มีผลเพิ่ม
    Marks one message as read; a second time changes nothing."""
    return await service.mark_read(tx, message, language(request))


@post(
    "/v1/messages/read",
    verb="message.mark_read",
    operation="message.mark_read_up_to",
    problems=[MessageNotFound],
    status_code=200,
)
async def mark_read_up_to(tx: InTx, data: JSONBody[ReadUpTo]) -> Unread:
    """บันทึกว่าอ่านข้อความนี้และข้อความก่อนหน้าทั้งหมดแล้ว ตอบจำนวนที่ยังไม่ได้อ่าน
    Marks a message and all before it as read; answers how many are left."""
    return await service.mark_read_up_to(tx, data.up_to)


@put(
    "/v1/devices/{device:uuid}",
    verb="device.register",
    problems=[DeviceNotFound],
    status_code=200,
)
async def register_device(
    tx: InTx, device: FromPath[UUID], data: JSONBody[DeviceEntry]
) -> PushDevice:
    """ลงทะเบียนแอปบนอุปกรณ์นี้เพื่อรับการแจ้งเตือน หรือเปลี่ยนโทเค็นของการแจ้งเตือน
    Registers the app of this session under the sender's id, or refreshes its token.

    It ends with the session. Registering under another id takes the place of the one before.
    """
    return await service.register_device(tx, device, data)


@delete(
    "/v1/devices/{device:uuid}",
    verb="device.remove",
    problems=[DeviceNotFound],
    status_code=204,
)
async def remove_device(tx: InTx, device: FromPath[UUID]) -> None:
    """เลิกส่งการแจ้งเตือนไปยังอุปกรณ์นี้
    Pushes to this device no more."""
    await service.remove_device(tx, device)


ROUTES = [list_messages, count_unread, mark_read, mark_read_up_to, register_device, remove_device]
