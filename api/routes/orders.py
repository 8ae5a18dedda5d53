"""Legal orders over HTTP: the officers' desk, and the company that an order is addressed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api import permissions
from api.accounts import fresh_model
from api.accounts.model import AccountSuspended, AuthorityNeeded, NoOfficer
from api.complaints.subjects import case_parts
from api.documents.contents import Language
from api.documents.model import Document
from api.edge import Declare, InTx, Page, get, if_match, post, put
from api.inspection.cases import service as cases
from api.inspection.orders import drafting, queries, reading, serving
from api.inspection.orders.ending import Reason
from api.inspection.orders.model import (
    DraftOrder,
    OrderContent,
    OrderState,
    ServeOrder,
    Signature,
)
from api.inspection.orders.problems import (
    EvidenceForeign,
    NotForThisKind,
    OrderDiffers,
    OrderExists,
    OrderIncomplete,
    OrderNotFound,
    OrderSealed,
    ProofWrong,
    SubjectUnknown,
)
from api.inspection.orders.serving import Notice, ProofOpened
from api.inspection.orders.views import Attempt, Order, OrderLine, SigningView
from api.inspection.visits.model import VisitNotFound
from api.problems import Problem, Stale
from api.readers.readings import using
from api.sealed import Erased

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
MOVED = (OrderNotFound, OrderSealed, Stale)


def act(path: str, *, verb: str, operation: str, problems: Sequence[type[Problem]] = ()) -> Declare:
    """A verb on an order as it stands: If-Match carries its version, and the order comes back."""
    return post(
        path,
        verb=verb,
        operation=operation,
        problems=[*MOVED, *problems],
        status_code=200,
    )


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """The reason, for the record."""

    why: Reason


class Sign(msgspec.Struct, forbid_unknown_fields=True):
    """The signature over what the signing view showed."""

    signature: Signature


# --- drafting and signing -----------------------------------------------------------------------


@put(
    "/v1/orders/{order:uuid}",
    verb="order.draft",
    problems=[SubjectUnknown, OrderExists, OrderNotFound, VisitNotFound],
)
async def draft_order(tx: InTx, order: FromPath[UUID], data: JSONBody[DraftOrder]) -> Order:
    """ร่างคำสั่งด้วยรหัสที่ผู้ส่งกำหนด ส่งซ้ำได้ไม่เกิดรายการใหม่
    Drafts an order under the sender's id; sent twice it is drafted once."""
    return await drafting.draft(tx, order, data)


@put(
    "/v1/orders/{order:uuid}/content",
    verb="order.draft",
    operation="order.redraft",
    problems=[*MOVED, SubjectUnknown],
)
async def redraft_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[OrderContent]
) -> Order:
    """แก้ไขร่างคำสั่ง โดยเก็บถ้อยคำเดิมไว้
    New words for a draft; the earlier ones are kept. If-Match carries the version."""
    return await drafting.redraft(tx, order, if_match(request), data)


@act("/v1/orders/{order:uuid}/discard", verb="order.draft", operation="order.discard")
async def discard_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Why]
) -> Order:
    """ยกเลิกร่างคำสั่งที่จะไม่ลงนาม โดยเก็บร่างไว้
    A draft that will not be signed stays on file."""
    return await drafting.discard(tx, order, if_match(request), data.why)


@get(
    "/v1/orders/{order:uuid}/signing",
    verb="order.sign",
    operation="order.signing",
    problems=[OrderNotFound, OrderSealed, VisitNotFound, NoOfficer],
)
async def read_signing(tx: InTx, order: FromPath[UUID]) -> SigningView:
    """ข้อความที่จะลงนามทุกถ้อยคำ ค่า SHA-256 ของข้อความ และสิ่งที่ยังขาด
    What the caller would sign, word for word, its SHA-256, and what is still missing."""
    return await drafting.signing_view(tx, order)


@act(
    "/v1/orders/{order:uuid}/sign",
    verb="order.sign",
    operation="order.sign",
    problems=[
        *(OrderIncomplete, OrderDiffers, VisitNotFound, EvidenceForeign),
        *(AuthorityNeeded, NoOfficer, AccountSuspended),
        *fresh_model.PROBLEMS,
    ],
)
async def sign_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Sign]
) -> Order:
    """ลงนามคำสั่งตามข้อความที่แสดง ด้วยการยืนยันตัวตนใหม่ หรือลงนามบนกระดาษ
    Signs what the signing view showed: by a fresh authentication over its hash, or on paper."""
    return await drafting.sign(tx, order, if_match(request), data.signature)


# --- reading ------------------------------------------------------------------------------------


@get("/v1/orders", verb="order.read", operation="order.list")
async def list_orders(
    tx: InTx,
    states: Annotated[list[OrderState] | None, QueryParameter(name="state")] = None,
    premises: FromQuery[UUID | None] = None,
    cursor: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> Page[OrderLine]:
    """คำสั่งในจังหวัดที่รับผิดชอบ ใหม่สุดก่อน
    Orders of the caller's provinces, the newest first."""
    found = await queries.lines(
        tx,
        permissions.scope(tx.actor, "order.read"),
        states=states,
        premises=premises,
        before=cursor,
        limit=limit,
    )
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/orders/{order:uuid}", verb="order.read", problems=[OrderNotFound])
async def read_order(tx: InTx, order: FromPath[UUID]) -> Order:
    """คำสั่งหนึ่งฉบับ พร้อมข้อบกพร่อง การแจ้งคำสั่ง กำหนดเวลา และผลของคำสั่ง
    One order with its findings, service, clocks and what came of it."""
    return await reading.read(tx, order)


# --- service ------------------------------------------------------------------------------------


@put(
    "/v1/orders/{order:uuid}/service/{attempt:uuid}",
    verb="order.serve",
    problems=[
        OrderNotFound,
        OrderSealed,
        OrderExists,
        ProofWrong,
        EvidenceForeign,
        *using.PROBLEMS,
    ],
)
async def serve_order(
    tx: InTx, order: FromPath[UUID], attempt: FromPath[UUID], data: JSONBody[ServeOrder]
) -> Attempt:
    """บันทึกการแจ้งคำสั่งแต่ละครั้งตามมาตรา 38 ด้วยรหัสที่ผู้ส่งกำหนด
    Records an attempt to serve (s.38) under the sender's id."""
    return await serving.attempt(tx, order, attempt, data)


@post(
    "/v1/orders/{order:uuid}/service/{attempt:uuid}/proof",
    verb="order.open_proof",
    problems=[OrderNotFound, Erased],
    status_code=200,
)
async def open_proof(tx: InTx, order: FromPath[UUID], attempt: FromPath[UUID]) -> ProofOpened:
    """เปิดผนึกชื่อผู้รับหรือพยานในการแจ้งคำสั่ง การเปิดดูมีบันทึก
    Who received or witnessed it; opening the seal is an event."""
    return await serving.open_proof(tx, order, attempt)


@put(
    "/v1/orders/{order:uuid}/notices/{notice:uuid}",
    verb="order.serve",
    operation="order.notice",
    problems=[OrderNotFound, OrderSealed, OrderExists, NotForThisKind, EvidenceForeign],
)
async def post_notice(
    tx: InTx, order: FromPath[UUID], notice: FromPath[UUID], data: JSONBody[Notice]
) -> Order:
    """บันทึกการปิดประกาศคำสั่งหยุดหรือปิดโรงงาน ทีละแห่ง อย่างน้อยสามแห่ง (มาตรา 40)
    A stop or closure was posted at one place of the factory (s.40: three at least)."""
    return await serving.post_notice(tx, order, notice, data)


@post(
    "/v1/orders/{order:uuid}/document",
    verb="order.serve",
    operation="order.document",
    problems=[OrderNotFound, OrderSealed],
    status_code=201,
)
async def issue_document(
    tx: InTx, order: FromPath[UUID], language: FromQuery[Language] = "en"
) -> Document:
    """ออกเอกสารของคำสั่งที่มีผลใช้บังคับอีกครั้ง เช่น ฉบับภาษาอังกฤษเมื่อมีผู้ขอ
    Issues the document of an order in force anew, as in English on request."""
    return await drafting.issue_in(tx, order, language)


@post(
    "/v1/orders/{order:uuid}/case-file",
    verb="case_file.issue",
    operation="order.case_file",
    problems=[OrderNotFound],
    status_code=201,
)
async def issue_case_file(
    tx: InTx, order: FromPath[UUID], language: FromQuery[Language] = "th"
) -> Document:
    """จัดทำสำนวนทั้งเรื่องของคำสั่งเป็นเอกสารลงนาม สำหรับศาลหรือผู้ตรวจการแผ่นดิน
    Everything about the matter as one signed document, for a court or the Ombudsman."""
    return await cases.of_order(tx, order, language, case_parts.of_visits)


ROUTES = [
    issue_document,
    issue_case_file,
    draft_order,
    redraft_order,
    discard_order,
    read_signing,
    sign_order,
    list_orders,
    read_order,
    serve_order,
    open_proof,
    post_notice,
]
