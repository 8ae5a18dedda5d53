"""What becomes of a served order, over HTTP: time, judgement, appeal, seals, and the company."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar.params import FromPath, FromQuery, JSONBody

from api.accounts.model import AuthorityNeeded
from api.edge import InTx, Page, get, if_match, post, put
from api.inspection.orders import ending, reading, sealing
from api.inspection.orders.ending import (
    CorrectionClaim,
    DecideAppeal,
    Extension,
    FileAppeal,
    Verification,
)
from api.inspection.orders.model import (
    Breach,
    Stay,
)
from api.inspection.orders.problems import (
    AppealExists,
    DateWrong,
    EvidenceForeign,
    MachineSealed,
    NotForThisKind,
    NoticesMissing,
    NotLater,
    OrderExists,
    OrderNotFound,
    OrderSealed,
    SealingNotFound,
    SealsWrong,
    SubjectUnknown,
    WrongSealingState,
)
from api.inspection.orders.sealing import AskSealing, LiftSeals, SealMachines
from api.inspection.orders.views import CompanyOrder, Order
from api.inspection.visits.model import VisitNotFound
from api.problems import Stale
from api.routes.orders import AnyRequest, Limit, Why, act


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """Approved, or not."""

    approved: bool


# --- to the end ---------------------------------------------------------------------------------


@act(
    "/v1/orders/{order:uuid}/extend",
    verb="order.decide",
    operation="order.extend",
    problems=[NotLater, DateWrong, AuthorityNeeded],
)
async def extend_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Extension]
) -> Order:
    """ขยายเวลาแก้ไขตามคำสั่ง พร้อมเหตุผล
    More time to correct, with its reason."""
    return await ending.extend(tx, order, if_match(request), data)


@act(
    "/v1/orders/{order:uuid}/breach",
    verb="order.decide",
    operation="order.breach",
    problems=[NotForThisKind, NoticesMissing],
)
async def find_breach(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Breach]
) -> Order:
    """บันทึกคำวินิจฉัยว่าฝ่าฝืนคำสั่ง และจงใจหรือมีอันตรายร้ายแรงหรือไม่
    The judgement that the order was disobeyed: wilfully, or with serious danger, or neither."""
    return await ending.find_breach(tx, order, if_match(request), data)


@post(
    "/v1/orders/{order:uuid}/findings/{finding:uuid}/verify",
    verb="order.verify",
    problems=[OrderNotFound, OrderSealed, SubjectUnknown, VisitNotFound],
    status_code=200,
)
async def verify_finding(
    tx: InTx, order: FromPath[UUID], finding: FromPath[UUID], data: JSONBody[Verification]
) -> Order:
    """บันทึกผลตรวจยืนยันการแก้ไขข้อบกพร่อง เมื่อครบทุกข้อถือว่าปฏิบัติตามคำสั่งแล้ว
    What was seen at a follow-up visit; with the last finding the order is complied with."""
    return await ending.verify(tx, order, finding, data)


@act(
    "/v1/orders/{order:uuid}/comply",
    verb="order.decide",
    operation="order.comply",
    problems=[NotForThisKind],
)
async def comply_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Why]
) -> Order:
    """บันทึกว่าปฏิบัติตามคำสั่งแล้ว เมื่อไม่มีข้อบกพร่องที่รอตรวจยืนยัน
    Ends an order that was obeyed and has no finding left to verify."""
    return await ending.comply(tx, order, if_match(request), data.why)


@act(
    "/v1/orders/{order:uuid}/revoke",
    verb="order.decide",
    operation="order.revoke",
    problems=[AuthorityNeeded],
)
async def revoke_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Why]
) -> Order:
    """เพิกถอนคำสั่ง
    The office withdraws the order."""
    return await ending.revoke(tx, order, if_match(request), data.why)


@act("/v1/orders/{order:uuid}/stay", verb="order.decide", operation="order.stay")
async def stay_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Stay]
) -> Order:
    """บันทึกการทุเลาการบังคับตามคำสั่งรัฐมนตรีหรือศาล กำหนดเวลาหยุดนับ (มาตรา 41)
    The Minister or a court ordered a stay: the clock stands still (s.41)."""
    return await ending.stay(tx, order, if_match(request), data)


@act("/v1/orders/{order:uuid}/end-stay", verb="order.decide", operation="order.end_stay")
async def end_stay(request: AnyRequest, tx: InTx, order: FromPath[UUID]) -> Order:
    """สิ้นสุดการทุเลาการบังคับ กำหนดเวลาที่เหลือเริ่มนับต่อ
    The stay is over; what was left of the time runs on."""
    return await ending.end_stay(tx, order, if_match(request))


@put(
    "/v1/orders/{order:uuid}/appeal",
    verb="order.appeal",
    problems=[OrderNotFound, OrderSealed, DateWrong, AppealExists],
)
async def file_appeal(tx: InTx, order: FromPath[UUID], data: JSONBody[FileAppeal]) -> Order:
    """บันทึกการรับอุทธรณ์ต่อรัฐมนตรี คำสั่งหนึ่งฉบับอุทธรณ์ได้หนึ่งครั้ง
    An appeal to the Minister was received; one order has one."""
    return await ending.file_appeal(tx, order, data)


@act(
    "/v1/orders/{order:uuid}/appeal/decide",
    verb="order.decide",
    operation="order.decide_appeal",
    problems=[DateWrong],
)
async def decide_appeal(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[DecideAppeal]
) -> Order:
    """บันทึกคำวินิจฉัยอุทธรณ์: ยืนตามคำสั่ง หรือยกเลิกคำสั่ง คำวินิจฉัยเป็นที่สุด
    Upheld, or annulled; final."""
    return await ending.decide_appeal(tx, order, if_match(request), data)


# --- sealing ------------------------------------------------------------------------------------

SEALED = [OrderNotFound, SealingNotFound, WrongSealingState, Stale]


@put(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}",
    verb="sealing.ask",
    problems=[
        *(OrderNotFound, OrderSealed, OrderExists, NotForThisKind),
        *(SealsWrong, MachineSealed),
    ],
)
async def ask_sealing(
    tx: InTx, order: FromPath[UUID], sealing_id: FromPath[UUID], data: JSONBody[AskSealing]
) -> Order:
    """ขออนุมัติผูกมัดประทับตราเครื่องจักร (มาตรา 37 วรรคสอง)
    Asks for approval to seal machines (s.37 ¶2)."""
    return await sealing.ask(tx, order, sealing_id, data)


@post(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}/decide",
    verb="sealing.approve",
    problems=[*SEALED, OrderSealed, AuthorityNeeded],
    status_code=200,
)
async def decide_sealing(
    request: AnyRequest,
    tx: InTx,
    order: FromPath[UUID],
    sealing_id: FromPath[UUID],
    data: JSONBody[Decide],
) -> Order:
    """อนุมัติหรือไม่อนุมัติการผูกมัดประทับตรา โดยปลัดกระทรวงหรือผู้ได้รับมอบหมาย
    The Permanent Secretary or a delegate approves or refuses; If-Match names the sealing."""
    return await sealing.decide(tx, order, sealing_id, if_match(request), data.approved)


@post(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}/seal",
    verb="sealing.seal",
    problems=[*SEALED, OrderSealed, SealsWrong, MachineSealed, EvidenceForeign],
    status_code=200,
)
async def seal_machines(
    request: AnyRequest,
    tx: InTx,
    order: FromPath[UUID],
    sealing_id: FromPath[UUID],
    data: JSONBody[SealMachines],
) -> Order:
    """บันทึกการผูกมัดประทับตรา: ตราแต่ละดวงกับเครื่องจักร และภาพถ่าย
    Machines were sealed: each seal with its machine, and photographs."""
    return await sealing.seal(tx, order, sealing_id, if_match(request), data)


@post(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}/lift",
    verb="sealing.seal",
    operation="sealing.lift",
    problems=[*SEALED, SealsWrong, EvidenceForeign],
    status_code=200,
)
async def lift_seals(
    request: AnyRequest,
    tx: InTx,
    order: FromPath[UUID],
    sealing_id: FromPath[UUID],
    data: JSONBody[LiftSeals],
) -> Order:
    """บันทึกการถอดตรา เมื่อถอดครบทุกดวงถือว่าสิ้นสุดการผูกมัดประทับตรา
    Seals were taken off; with the last one the sealing is lifted."""
    return await sealing.lift(tx, order, sealing_id, if_match(request), data)


# --- the company --------------------------------------------------------------------------------


@get("/v1/company-orders", verb="company_order.read", operation="company_order.list")
async def list_company_orders(
    tx: InTx, cursor: FromQuery[UUID | None] = None, limit: Limit = 50
) -> Page[CompanyOrder]:
    """คำสั่งถึงนิติบุคคลของตนเอง ใหม่สุดก่อน
    Orders addressed to the caller's companies, the newest first."""
    found = await reading.company_orders(tx, before=cursor, limit=limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/company-orders/{order:uuid}", verb="company_order.read", problems=[OrderNotFound])
async def read_company_order(tx: InTx, order: FromPath[UUID]) -> CompanyOrder:
    """คำสั่งถึงนิติบุคคลของตนเองหนึ่งฉบับ: ต้องทำอะไร ภายในเมื่อใด และอุทธรณ์อย่างไร
    One order addressed to the caller's company: what to do, by when, and how to appeal."""
    return await reading.company_order(tx, order)


@put(
    "/v1/company-orders/{order:uuid}/corrections/{claim:uuid}",
    verb="company_order.correct",
    problems=[OrderNotFound, OrderSealed, OrderExists, EvidenceForeign],
)
async def claim_correction(
    tx: InTx, order: FromPath[UUID], claim: FromPath[UUID], data: JSONBody[CorrectionClaim]
) -> CompanyOrder:
    """แจ้งผลการแก้ไขตามคำสั่งพร้อมหลักฐาน และขอให้เจ้าหน้าที่ตรวจยืนยัน
    The company says that it has corrected, with its proof, and asks for closing."""
    return await ending.claim_correction(tx, order, claim, data)


ROUTES = [
    extend_order,
    find_breach,
    verify_finding,
    comply_order,
    revoke_order,
    stay_order,
    end_stay,
    file_appeal,
    decide_appeal,
    ask_sealing,
    decide_sealing,
    seal_machines,
    lift_seals,
    list_company_orders,
    read_company_order,
    claim_correction,
]
