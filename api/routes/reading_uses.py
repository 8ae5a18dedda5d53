"""What a reading serves at the counter: the person of an account, and an officer, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, Response
from litestar.params import FromPath, JSONBody

from api import limits, logs
from api.accounts.by_card import NationalIdDiffers, NationalIdElsewhere
from api.accounts.model import AccountSuspended, NoOfficer, Officer, SignInRaced, WrongCid
from api.db import Database
from api.edge import InTx, admit_write, network, post
from api.readers.readings import using
from api.readers.uses import binding, confirming
from api.readers.uses.problems import (
    AccountCodeMistyped,
    AccountCodeNotFound,
    OfficerDiffers,
    OfficerNotComparable,
    OwnCard,
    ReadingNotEnough,
)
from api.readers.uses.views import AccountCode, BindAccount, BoundAccount, ConfirmOfficer
from api.sealed import Erased

AnyRequest = Request[Any, Any, Any]


@post(
    "/v1/me/account-codes",
    verb=binding.ASK,
    problems=[limits.TooFast],
    status_code=200,
    tags=["accounts"],
)
async def ask_code(tx: InTx) -> Response[AccountCode]:
    """ขอรหัสของเจ้าของบัญชีเพื่อแสดงที่เคาน์เตอร์พร้อมบัตร ใช้ได้สิบนาที ครั้งเดียว
    A code for the caller's own account, to be shown at a counter with their card: ten minutes,
    once. A new one ends the one before."""
    return Response(await binding.ask(tx), status_code=200, headers=_NOT_KEPT)


@post(
    "/v1/readings/{reading:uuid}/bind-account",
    verb=binding.BIND,
    problems=[
        *using.PROBLEMS,
        AccountCodeMistyped,
        AccountCodeNotFound,
        AccountSuspended,
        Erased,
        NationalIdDiffers,
        NationalIdElsewhere,
        OwnCard,
        ReadingNotEnough,
        SignInRaced,
        WrongCid,
        limits.TooFast,
    ],
    status_code=200,
)
async def bind_account(
    request: AnyRequest, reading: FromPath[UUID], data: JSONBody[BindAccount]
) -> BoundAccount:
    """ผูกบุคคลตามบัตรกับบัญชีที่แสดงรหัสของเจ้าของบัญชี
    The card that was read, its face compared, is of whoever holds the account that shows this
    code: its national ID becomes known, or is found to be the same; names fill only what is
    unknown. Ten wrong codes an hour are an officer's most."""
    db: Database = request.app.state.db
    code, asked_from = binding.typed(data.code), network(request)
    async with db.begin(request.user, logs.request_id.get()) as tx:  # of its own: it must survive
        await admit_write(tx, binding.BIND)
        await binding.take_try(tx, asked_from)
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, binding.BIND)
        return await binding.bind(tx, reading, code, asked_from)


@post(
    "/v1/officers/{id:uuid}/confirm",
    verb=confirming.CONFIRM,
    problems=[
        *using.PROBLEMS,
        Erased,
        NoOfficer,
        OfficerDiffers,
        OfficerNotComparable,
        OwnCard,
        ReadingNotEnough,
        WrongCid,
    ],
    status_code=200,
    tags=["accounts"],
)
async def confirm_officer(tx: InTx, id: FromPath[UUID], data: JSONBody[ConfirmOfficer]) -> Officer:
    """ยืนยันจากบัตรที่อ่านว่าเป็นเจ้าหน้าที่ตามรายชื่อรายการนี้หรือไม่
    The card that was read is, or is not, of the officer whom this line of the list names."""
    return await confirming.confirm(tx, id, data.reading)


_NOT_KEPT = {"Cache-Control": "no-store"}
ROUTES = [ask_code, bind_account, confirm_officer]
