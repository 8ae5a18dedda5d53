"""The phone's sync over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromQuery, QueryParameter

from api import cursors, logs
from api.cursors import CursorInvalid, Place
from api.db import Database, Tx
from api.edge import InTx, Page, admit_write, get, post
from api.factories.model import FactoryNotFound, IdTaken, OutsideThailand, PlaceUnknown
from api.inspection.visits.model import (
    NotAwaiting,
    NothingToSettle,
    NotLead,
    NotOnTeam,
    NotStarted,
    PremisesUnknown,
    TeamUnknown,
    TooManyAnswers,
    VisitNotFound,
    VisitSealed,
)
from api.problems import NotAllowed
from api.sync import feed, service, unpacking
from api.sync.model import (
    ContractUnknown,
    OperationDiffers,
    OperationNotFound,
    OperationUnreadable,
    Pull,
    Push,
    PushResults,
    Receipt,
    Result,
    TooManyOperations,
)

Limit = Annotated[int, QueryParameter(ge=1, le=1000)]

RESULT_PROBLEMS = (
    ContractUnknown,
    FactoryNotFound,
    IdTaken,
    NotAllowed,
    NotAwaiting,
    NotLead,
    NotOnTeam,
    NotStarted,
    NothingToSettle,
    OperationDiffers,
    OperationNotFound,
    OperationUnreadable,
    OutsideThailand,
    PlaceUnknown,
    PremisesUnknown,
    TeamUnknown,
    TooManyAnswers,
    VisitNotFound,
    VisitSealed,
)
"""Why one operation of a push may be rejected; the push itself is a 200."""


@post(
    "/v1/sync",
    verb="sync.push",
    problems=[TooManyOperations],
    status_code=200,
    opt={"body": Push, "result_problems": RESULT_PROBLEMS},
)
async def push(request: Request[Any, Any, Any]) -> PushResults:
    """ส่งรายการจากภาคสนาม ได้ผลทีละรายการ แม้มีบางรายการที่ระบบไม่รับ
    Stores what the phone noted; a result for each operation, also where some are rejected.

    Decoded here and not by the framework, so that one operation that cannot be understood does
    not fail the others; run again as a whole after a deadlock.
    """
    operations = unpacking.open_push(await request.body())
    db: Database = request.app.state.db

    async def work(tx: Tx, savepoints: bool) -> list[Result]:
        await admit_write(tx, "sync.push")
        return await service.push(tx, operations, savepoints=savepoints)

    async def run(savepoints: bool) -> list[Result]:
        return await db.retrying(
            lambda tx: work(tx, savepoints), request.user, logs.request_id.get()
        )

    try:
        return PushResults(await run(savepoints=len(operations) > 1))
    except service.Undone:
        return PushResults(await run(savepoints=True))


@get("/v1/sync", verb="sync.pull", problems=[CursorInvalid])
async def pull(
    tx: InTx,
    cursor: FromQuery[str | None] = None,
    kinds: FromQuery[list[str] | None] = None,
    limit: Limit = feed.PAGE,
) -> Pull:
    """ดึงข้อมูลที่เปลี่ยนแปลงในขอบเขตที่เห็น นับจากตัวชี้ตำแหน่งครั้งก่อน
    What changed in the caller's scopes since `cursor`; `kinds=visit` pulls visits first."""
    return await feed.pull(tx, cursor, kinds, limit)


@get("/v1/sync/receipts", verb="receipt.read", operation="receipt.list", problems=[CursorInvalid])
async def list_receipts(
    tx: InTx, cursor: FromQuery[str | None] = None, limit: Limit = 500
) -> Page[Receipt]:
    """ใบรับที่ลงนามแล้วของทุกรายการที่ตนเองเคยส่ง เก่าสุดก่อน
    The signed receipts of everything that the caller ever sent, oldest first."""
    found = await service.receipts(tx, cursors.read(cursor, Place) if cursor else None, limit)
    last = found[-1] if len(found) == limit else None
    return Page(found, cursors.write(Place(last.received_at, last.id)) if last else None)


ROUTES = [push, pull, list_receipts]
