"""Legal orders over HTTP: the officers' desk, and the company that an order is addressed to."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api import permissions
from api.accounts import fresh_model
from api.accounts.model import AccountSuspended, AuthorityNeeded, NoOfficer
from api.edge import InTx, Page, get, if_match, post, put
from api.inspection.orders import drafting, ending, queries, reading, sealing, serving
from api.inspection.orders.ending import (
    CorrectionClaim,
    DecideAppeal,
    Extension,
    FileAppeal,
    Reason,
    Verification,
)
from api.inspection.orders.model import (
    Breach,
    DraftOrder,
    NotForThisKind,
    NoticesMissing,
    NotLater,
    OrderContent,
    OrderDiffers,
    OrderExists,
    OrderIncomplete,
    OrderNotFound,
    OrderSealed,
    OrderState,
    ProofWrong,
    SealingNotFound,
    ServeOrder,
    Signature,
    Stay,
    SubjectUnknown,
    WrongSealingState,
)
from api.inspection.orders.sealing import AskSealing, SealMachines
from api.inspection.orders.serving import Notice, ProofOpened
from api.inspection.orders.views import Attempt, CompanyOrder, Order, OrderLine, SigningView
from api.inspection.visits.model import VisitNotFound
from api.problems import Stale
from api.sealed import Erased

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
MOVED = [OrderNotFound, OrderSealed, Stale]


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """The reason, for the record."""

    why: Reason


class Sign(msgspec.Struct, forbid_unknown_fields=True):
    """The signature over what the signing view showed."""

    signature: Signature


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """Approved, or not."""

    approved: bool


# --- drafting and signing -----------------------------------------------------------------------


@put(
    "/v1/orders/{order:uuid}",
    verb="order.draft",
    problems=[SubjectUnknown, OrderExists, OrderNotFound, VisitNotFound],
)
async def draft_order(tx: InTx, order: FromPath[UUID], data: JSONBody[DraftOrder]) -> Order:
    """Drafts an order under the sender's id; sent twice it is drafted once."""
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
    """New words for a draft; the earlier ones are kept. If-Match carries the version."""
    return await drafting.redraft(tx, order, if_match(request), data)


@post(
    "/v1/orders/{order:uuid}/discard",
    verb="order.draft",
    operation="order.discard",
    problems=MOVED,
    status_code=200,
)
async def discard_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Why]
) -> Order:
    """A draft that will not be signed stays on file."""
    return await drafting.discard(tx, order, if_match(request), data.why)


@get(
    "/v1/orders/{order:uuid}/signing",
    verb="order.sign",
    operation="order.signing",
    problems=[OrderNotFound, OrderSealed, VisitNotFound, NoOfficer],
)
async def read_signing(tx: InTx, order: FromPath[UUID]) -> SigningView:
    """What the caller would sign, word for word, its SHA-256, and what is still missing."""
    return await drafting.signing_view(tx, order)


@post(
    "/v1/orders/{order:uuid}/sign",
    verb="order.sign",
    problems=[
        *MOVED,
        *(OrderIncomplete, OrderDiffers, VisitNotFound),
        *(AuthorityNeeded, NoOfficer, AccountSuspended),
        *fresh_model.PROBLEMS,
    ],
    status_code=200,
)
async def sign_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Sign]
) -> Order:
    """Signs what the signing view showed, by a fresh authentication over its hash."""
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
    """Orders of the caller's provinces, the newest first."""
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
    """One order with its findings, service, clocks and what came of it."""
    return await reading.read(tx, order)


# --- service ------------------------------------------------------------------------------------


@put(
    "/v1/orders/{order:uuid}/service/{attempt:uuid}",
    verb="order.serve",
    problems=[OrderNotFound, OrderSealed, OrderExists, ProofWrong],
)
async def serve_order(
    tx: InTx, order: FromPath[UUID], attempt: FromPath[UUID], data: JSONBody[ServeOrder]
) -> Attempt:
    """Records an attempt to serve (s.38) under the sender's id."""
    return await serving.attempt(tx, order, attempt, data)


@post(
    "/v1/orders/{order:uuid}/service/{attempt:uuid}/proof",
    verb="order.open_proof",
    problems=[OrderNotFound, Erased],
    status_code=200,
)
async def open_proof(tx: InTx, order: FromPath[UUID], attempt: FromPath[UUID]) -> ProofOpened:
    """Who received or witnessed it; opening the seal is an event."""
    return await serving.open_proof(tx, order, attempt)


@put(
    "/v1/orders/{order:uuid}/notices/{notice:uuid}",
    verb="order.serve",
    operation="order.notice",
    problems=[OrderNotFound, OrderSealed, NotForThisKind],
)
async def post_notice(
    tx: InTx, order: FromPath[UUID], notice: FromPath[UUID], data: JSONBody[Notice]
) -> Order:
    """A stop or closure was posted at one place of the factory (s.40: three at least)."""
    return await serving.post_notice(tx, order, notice, data)


# --- to the end ---------------------------------------------------------------------------------


@post(
    "/v1/orders/{order:uuid}/extend",
    verb="order.decide",
    operation="order.extend",
    problems=[*MOVED, NotLater],
    status_code=200,
)
async def extend_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Extension]
) -> Order:
    """More time to correct, with its reason."""
    return await ending.extend(tx, order, if_match(request), data)


@post(
    "/v1/orders/{order:uuid}/breach",
    verb="order.decide",
    operation="order.breach",
    problems=[*MOVED, NotForThisKind, NoticesMissing],
    status_code=200,
)
async def find_breach(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Breach]
) -> Order:
    """The judgement that the order was disobeyed: wilfully, or with serious danger, or neither."""
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
    """What was seen at a follow-up visit; with the last finding the order is complied with."""
    return await ending.verify(tx, order, finding, data)


@post(
    "/v1/orders/{order:uuid}/comply",
    verb="order.decide",
    operation="order.comply",
    problems=MOVED,
    status_code=200,
)
async def comply_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Why]
) -> Order:
    """Ends an order that was obeyed and has no finding left to verify."""
    return await ending.comply(tx, order, if_match(request), data.why)


@post(
    "/v1/orders/{order:uuid}/revoke",
    verb="order.decide",
    operation="order.revoke",
    problems=MOVED,
    status_code=200,
)
async def revoke_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Why]
) -> Order:
    """The office withdraws the order."""
    return await ending.revoke(tx, order, if_match(request), data.why)


@post(
    "/v1/orders/{order:uuid}/stay",
    verb="order.decide",
    operation="order.stay",
    problems=MOVED,
    status_code=200,
)
async def stay_order(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[Stay]
) -> Order:
    """The Minister or a court ordered a stay: the clock stands still (s.41)."""
    return await ending.stay(tx, order, if_match(request), data)


@post(
    "/v1/orders/{order:uuid}/end-stay",
    verb="order.decide",
    operation="order.end_stay",
    problems=MOVED,
    status_code=200,
)
async def end_stay(request: AnyRequest, tx: InTx, order: FromPath[UUID]) -> Order:
    """The stay is over; what was left of the time runs on."""
    return await ending.end_stay(tx, order, if_match(request))


@put(
    "/v1/orders/{order:uuid}/appeal",
    verb="order.appeal",
    problems=[OrderNotFound, OrderSealed],
)
async def file_appeal(tx: InTx, order: FromPath[UUID], data: JSONBody[FileAppeal]) -> Order:
    """An appeal to the Minister was received; one order has one."""
    return await ending.file_appeal(tx, order, data)


@post(
    "/v1/orders/{order:uuid}/appeal/decide",
    verb="order.decide",
    operation="order.decide_appeal",
    problems=MOVED,
    status_code=200,
)
async def decide_appeal(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], data: JSONBody[DecideAppeal]
) -> Order:
    """Upheld, or annulled; final."""
    return await ending.decide_appeal(tx, order, if_match(request), data)


# --- sealing ------------------------------------------------------------------------------------

SEALED = [OrderNotFound, SealingNotFound, WrongSealingState, Stale]


@put(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}",
    verb="sealing.ask",
    problems=[OrderNotFound, OrderSealed, NotForThisKind],
)
async def ask_sealing(
    tx: InTx, order: FromPath[UUID], sealing_id: FromPath[UUID], data: JSONBody[AskSealing]
) -> Order:
    """Asks for approval to seal machines (s.37 ¶2)."""
    return await sealing.ask(tx, order, sealing_id, data)


@post(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}/decide",
    verb="sealing.approve",
    problems=[*SEALED, AuthorityNeeded],
    status_code=200,
)
async def decide_sealing(
    request: AnyRequest,
    tx: InTx,
    order: FromPath[UUID],
    sealing_id: FromPath[UUID],
    data: JSONBody[Decide],
) -> Order:
    """The Permanent Secretary or a delegate approves or refuses; If-Match names the sealing."""
    return await sealing.decide(tx, order, sealing_id, if_match(request), data.approved)


@post(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}/seal",
    verb="sealing.seal",
    problems=SEALED,
    status_code=200,
)
async def seal_machines(
    request: AnyRequest,
    tx: InTx,
    order: FromPath[UUID],
    sealing_id: FromPath[UUID],
    data: JSONBody[SealMachines],
) -> Order:
    """The machines were sealed, with the seals' numbers and photographs."""
    return await sealing.seal(tx, order, sealing_id, if_match(request), data)


@post(
    "/v1/orders/{order:uuid}/sealings/{sealing_id:uuid}/lift",
    verb="sealing.seal",
    operation="sealing.lift",
    problems=SEALED,
    status_code=200,
)
async def lift_seals(
    request: AnyRequest, tx: InTx, order: FromPath[UUID], sealing_id: FromPath[UUID]
) -> Order:
    """The seals were taken off."""
    return await sealing.lift(tx, order, sealing_id, if_match(request))


# --- the company --------------------------------------------------------------------------------


@get("/v1/company-orders", verb="company_order.read", operation="company_order.list")
async def list_company_orders(
    tx: InTx, cursor: FromQuery[UUID | None] = None, limit: Limit = 50
) -> Page[CompanyOrder]:
    """Orders addressed to the caller's companies, the newest first."""
    found = await reading.company_orders(tx, before=cursor, limit=limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/company-orders/{order:uuid}", verb="company_order.read", problems=[OrderNotFound])
async def read_company_order(tx: InTx, order: FromPath[UUID]) -> CompanyOrder:
    """One order addressed to the caller's company: what to do, by when, and how to appeal."""
    return await reading.company_order(tx, order)


@put(
    "/v1/company-orders/{order:uuid}/corrections/{claim:uuid}",
    verb="company_order.correct",
    problems=[OrderNotFound, OrderSealed],
)
async def claim_correction(
    tx: InTx, order: FromPath[UUID], claim: FromPath[UUID], data: JSONBody[CorrectionClaim]
) -> CompanyOrder:
    """The company says that it has corrected, with its proof, and asks for closing."""
    return await ending.claim_correction(tx, order, claim, data)


ROUTES = [
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
