"""Waiting for a card: the intents of the caller's own session, and how each goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from api import limits, logs
from api.accounts import service as accounts
from api.accounts.model import NoOfficer
from api.cursors import CursorInvalid
from api.db import Database, Tx
from api.edge import InTx, Page, admit_write, get, post, put
from api.inspection.orders.problems import OrderNotFound, OrderSealed
from api.permissions import Session
from api.readers.channel import photos, streams
from api.readers.channel.hub import Hub
from api.readers.intents import service
from api.readers.problems import (
    AboutNeeded,
    BridgeNotFound,
    DeskNotFound,
    DeskWithoutReader,
    FieldsNotAllowed,
    IntentExists,
    IntentNotFound,
    IntentOver,
    PhotoGone,
    ReaderBusy,
    ReadingNotFound,
    TooManyWaits,
)
from api.readers.uses.problems import OfficerNotComparable, OwnCard
from api.readers.views import ArmIntent, Intent

Web = Request[Any, Any, Any]
ABOUT = (NoOfficer, OfficerNotComparable, OrderNotFound, OrderSealed, OwnCard)
"""Why a card would be read for nothing."""


@put(
    "/v1/intents/{intent:uuid}",
    verb="intent.arm",
    problems=[
        *ABOUT,
        AboutNeeded,
        BridgeNotFound,
        DeskNotFound,
        DeskWithoutReader,
        FieldsNotAllowed,
        IntentExists,
        IntentNotFound,
        ReaderBusy,
        limits.TooFast,
    ],
    status_code=200,
)
async def arm(request: Web, intent: FromPath[UUID], data: JSONBody[ArmIntent]) -> Intent:
    """เริ่มรออ่านบัตรที่โต๊ะ 90 วินาที ข้อมูลที่อ่านได้ส่งให้เฉพาะการเข้าสู่ระบบครั้งนี้
    Waits for a card at a desk, for 90 seconds, under the sender's id; the same again is the same
    intent. What is read goes to this session alone."""
    return await _moving(request, "intent.arm", lambda tx: service.arm(tx, intent, data))


@get("/v1/intents", verb="intent.read", operation="intent.list", problems=[CursorInvalid])
async def list_intents(
    tx: InTx,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
) -> Page[Intent]:
    """รายการรออ่านบัตรของการเข้าสู่ระบบครั้งนี้ ใหม่สุดก่อน
    The session's own intents, the newest first."""
    return Page(*await service.listed(tx, cursor, limit))


@get(
    "/v1/intents/events",
    verb="intent.read",
    operation="intent.follow",
    media_type="text/event-stream",
    opt={"uncompressed": True},
)
async def follow(request: Web) -> Stream:
    """ติดตามรายการรออ่านบัตร และบัตรที่อ่านออฟไลน์ซึ่งมาถึง อย่างต่อเนื่อง (server-sent events)
    Server-sent events: `intent` with each change of one of the session's intents, `reading` with
    each reading (without what was read) that has come by a ticket of the officer's, `end` when the
    session or its token ends, or (`readers/too-many-screens`) a ninth window of the session
    follows. To be read with fetch, the token in its header; begins with what is open, so that
    nothing is lost between two connections."""
    _, _, token = request.headers["authorization"].partition(" ")
    db: Database = request.app.state.db

    async def again() -> Session:
        return await accounts.authenticate(token.strip(), db)

    hub: Hub = request.app.state.readers
    return Stream(
        streams.events(hub, request.user, again),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@get("/v1/intents/{intent:uuid}", verb="intent.read", problems=[IntentNotFound, TooManyWaits])
async def read(
    request: Web,
    intent: FromPath[UUID],
    after_version: FromQuery[int | None] = None,
    wait_s: Annotated[int, QueryParameter(ge=0, le=streams.LONGEST_WAIT_S)] = 0,
) -> Intent:
    """รายการรออ่านบัตรหนึ่งรายการ เลือกรอจนมีความเปลี่ยนแปลงก่อนตอบก็ได้
    One of the session's own. With `after_version` the answer waits, at most `wait_s`, until it
    has gone beyond that version."""
    hub: Hub = request.app.state.readers
    return await streams.read(hub, request.user, intent, after_version, wait_s)


@post(
    "/v1/intents/{intent:uuid}/cancel",
    verb="intent.cancel",
    problems=[IntentNotFound, IntentOver],
    status_code=200,
)
async def cancel(request: Web, intent: FromPath[UUID]) -> Intent:
    """ยกเลิกรายการรออ่านบัตร
    Nobody waits any more; a second time changes nothing."""
    return await _moving(request, "intent.cancel", lambda tx: service.cancel(tx, intent))


@get(
    "/v1/readings/{reading:uuid}/photo",
    verb="reading.read",
    operation="reading.photo",
    media_type="image/jpeg",
    problems=[ReadingNotFound, PhotoGone],
)
async def photo(request: Web, tx: InTx, reading: FromPath[UUID]) -> Response[bytes]:
    """ภาพถ่ายจากบัตรเพื่อเทียบใบหน้า แสดงได้ 90 วินาที ไม่เก็บไว้ที่ใด
    The photograph of a reading that asked for it, for 90 seconds after it came; kept nowhere."""
    hub: Hub = request.app.state.readers
    jpeg = await photos.show(tx, hub.photos, reading)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _moving(request: Web, verb: str, act: Callable[[Tx], Awaitable[Intent]]) -> Intent:
    """`act` in its transaction; after the commit its bridge and its screens are woken."""
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, verb)
        found = await act(tx)
        session = service.session_of(tx).session
    hub: Hub = request.app.state.readers
    hub.moved(found.bridge, session)
    return found


ROUTES = [arm, list_intents, follow, read, cancel, photo]
