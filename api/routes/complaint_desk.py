"""Complaints over HTTP as officers have them: triage, the verbs, and who looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.accounts.model import AuthorityNeeded
from api.complaints.desk import reading as desk_reading
from api.complaints.desk import service as desk
from api.complaints.desk.triage_queries import Wanted
from api.complaints.desk.views import (
    Assign,
    Call,
    Forward,
    Merge,
    OpenIdentity,
    Reject,
    Resolve,
    Say,
    SayOnce,
    Trace,
)
from api.complaints.identity import Identity
from api.complaints.model import Severity, State, Subject
from api.complaints.problems import (
    ComplainantUnknown,
    ComplaintNotFound,
    ComplaintSealed,
    EntryExists,
    ForwardInstead,
    MergeImpossible,
    NobodyToAsk,
    NotAppointed,
    OfficerUnfit,
    PlaceUnknown,
    ResponsibleNeeded,
)
from api.complaints.views import Complaint, ComplaintLine, Entry
from api.cursors import CursorInvalid
from api.edge import Declare, InTx, Page, get, if_match, post, put
from api.problems import Problem, Stale
from api.sealed import Erased

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=100)]


def act(action: str, verb: str, problems: Sequence[type[Problem]] = ()) -> Declare:
    """A verb on a complaint as it stands: If-Match carries its version, and it comes back."""
    return post(
        f"/v1/complaints/{{complaint:uuid}}/{action}",
        verb=verb,
        operation=f"complaint.{action}",
        problems=[ComplaintNotFound, ComplaintSealed, Stale, *problems],
        status_code=200,
    )


# --- reading --------------------------------------------------------------------------------------


@get(
    "/v1/complaints",
    verb="complaint.read",
    operation="complaint.list",
    problems=[CursorInvalid],
)
async def list_complaints(
    tx: InTx,
    states: Annotated[list[State] | None, QueryParameter(name="state")] = None,
    office: FromQuery[UUID | None] = None,
    everywhere: FromQuery[bool] = False,
    mine: FromQuery[bool] = False,
    overdue: FromQuery[bool] = False,
    province: Annotated[str | None, QueryParameter(pattern="^[0-9]{2}$", max_length=2)] = None,
    category: Annotated[str | None, QueryParameter(max_length=40)] = None,
    severity: FromQuery[Severity | None] = None,
    subject: FromQuery[Subject | None] = None,
    callback: FromQuery[bool] = False,
    number: Annotated[str | None, QueryParameter(max_length=40)] = None,
    cursor: FromQuery[str | None] = None,
    limit: Limit = 20,
) -> Page[ComplaintLine]:
    """เรื่องร้องเรียนที่ยังต้องดำเนินการ เรียงจากที่ครบกำหนดก่อน
    Complaints that somebody has to do with, what is due first first.

    Those of the caller's own office, unless `office`, `province`, `mine` or `everywhere` (all of
    the caller's provinces) is asked. With an ended `state` they come by the newest instead.
    With `number`, as its teller reads it aloud, the one of that number, whatever else is asked.
    """
    if number is not None:
        return Page(await desk_reading.numbered(tx, number))
    wanted = Wanted(
        states=states,
        province=province,
        category=category,
        severity=severity,
        subject=subject,
        callback=callback,
    )
    found, more = await desk_reading.listed(
        tx,
        wanted,
        office=office,
        everywhere=everywhere,
        mine=mine,
        overdue=overdue,
        cursor=cursor,
        limit=limit,
    )
    return Page(found, more)


@get("/v1/complaints/{complaint:uuid}", verb="complaint.read", problems=[ComplaintNotFound])
async def read_complaint(tx: InTx, complaint: FromPath[UUID]) -> Complaint:
    """เรื่องร้องเรียนหนึ่งเรื่อง ไม่มีข้อมูลผู้ร้อง การเปิดดูเรื่องที่ไม่ใช่ของตนมีบันทึก
    The case, not the person. Whoever opens one that is neither assigned to them nor waiting in
    their own office leaves a trace."""
    return await desk_reading.read(tx, complaint)


@get(
    "/v1/complaints/{complaint:uuid}/views",
    verb="complaint_view.read",
    operation="complaint.views",
    problems=[ComplaintNotFound],
)
async def list_views(
    tx: InTx, complaint: FromPath[UUID], cursor: FromQuery[UUID | None] = None, limit: Limit = 50
) -> Page[Trace]:
    """ผู้ที่เปิดดูเรื่องร้องเรียนที่ไม่ใช่ของตน และผู้ที่เปิดผนึกข้อมูลผู้ร้อง
    Who looked at a complaint that was not theirs, and who opened the seal over who told it."""
    found = await desk_reading.traces(tx, complaint, cursor, limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


# --- triage ---------------------------------------------------------------------------------------


@act("accept", "complaint.triage")
async def accept(request: AnyRequest, tx: InTx, complaint: FromPath[UUID]) -> Complaint:
    """รับเรื่องร้องเรียน
    Takes it up. If-Match carries the version."""
    return await desk.accept(tx, complaint, if_match(request))


@act("reject", "complaint.triage", [ResponsibleNeeded, ForwardInstead])
async def reject(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Reject]
) -> Complaint:
    """ไม่รับเรื่องร้องเรียน พร้อมระบุผู้ที่รับผิดชอบเรื่องนั้น
    Does not take it up, and says who is responsible."""
    return await desk.reject(tx, complaint, if_match(request), data)


@act("forward", "complaint.triage", [ResponsibleNeeded, NotAppointed, PlaceUnknown])
async def forward(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Forward]
) -> Complaint:
    """ส่งต่อเรื่องร้องเรียนไปยังหน่วยงานอื่น หรือหน่วยงานภายนอกที่แจ้งให้ผู้ร้องทราบ
    To another office, or to a body outside that is named to the complainant."""
    return await desk.forward(tx, complaint, if_match(request), data)


@act("merge", "complaint.triage", [MergeImpossible])
async def merge(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Merge]
) -> Complaint:
    """รวมเป็นเรื่องซ้ำกับเรื่องร้องเรียนอื่น ผู้ร้องติดตามผลจากเรื่องนั้นต่อไป
    The same matter as another; whoever told it follows that one from now on."""
    return await desk.merge(tx, complaint, if_match(request), data)


@act("assign", "complaint.triage", [OfficerUnfit])
async def assign(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Assign]
) -> Complaint:
    """มอบหมายเรื่องร้องเรียนให้เจ้าหน้าที่ หรือเปลี่ยนผู้รับผิดชอบเรื่อง
    Gives it to an officer who may act there, also while another has it."""
    return await desk.assign(tx, complaint, if_match(request), data)


@act("close", "complaint.triage")
async def close(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Say]
) -> Complaint:
    """ยุติเรื่องร้องเรียนที่ดำเนินการเสร็จสิ้นแล้ว หรือที่หน่วยงานภายนอกรับไปแล้ว
    Ends one that was resolved, or that a body outside has taken over."""
    return await desk.close(tx, complaint, if_match(request), data.text)


@act("reopen", "complaint.reopen")
async def reopen(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Say]
) -> Complaint:
    """เปิดเรื่องร้องเรียนใหม่ โดยหัวหน้าหน่วยงาน
    A head looks at it again."""
    return await desk.reopen(tx, complaint, if_match(request), data.text)


# --- handling -------------------------------------------------------------------------------------


@act("begin", "complaint.handle")
async def begin(request: AnyRequest, tx: InTx, complaint: FromPath[UUID]) -> Complaint:
    """เริ่มดำเนินการเรื่องร้องเรียน
    The first action."""
    return await desk.begin(tx, complaint, if_match(request))


@act("ask", "complaint.handle", [EntryExists, NobodyToAsk])
async def ask(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[SayOnce]
) -> Complaint:
    """ขอข้อมูลเพิ่มเติมจากผู้ร้อง กำหนดเวลาหยุดนับระหว่างรอคำตอบ
    Asks the complainant; the clocks stand still until there is an answer."""
    return await desk.ask(tx, complaint, if_match(request), data)


@act("inform", "complaint.handle", [EntryExists])
async def inform(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[SayOnce]
) -> Complaint:
    """ได้รับข้อมูลทางอื่นหรือไม่ต้องรอผู้ร้องแล้ว ให้ดำเนินการต่อ
    The answer came another way, or is no longer needed: it goes on."""
    return await desk.inform(tx, complaint, if_match(request), data)


@act("resolve", "complaint.handle")
async def resolve(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[Resolve]
) -> Complaint:
    """บันทึกว่าดำเนินการเรื่องร้องเรียนเสร็จ พร้อมผลและคำชี้แจงถึงผู้ร้อง
    Answers it, with an outcome and the decision in words."""
    return await desk.resolve(tx, complaint, if_match(request), data)


SAID = [ComplaintNotFound, EntryExists]


@put(
    "/v1/complaints/{complaint:uuid}/notes/{entry:uuid}",
    verb="complaint.handle",
    operation="complaint.note",
    problems=SAID,
)
async def note(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Say]
) -> Entry:
    """บันทึกภายในระหว่างเจ้าหน้าที่ ด้วยรหัสที่ผู้ส่งกำหนด
    Among officers, under the sender's id; it conflicts with nothing."""
    return await desk.note(tx, complaint, entry, data.text)


@put(
    "/v1/complaints/{complaint:uuid}/messages/{entry:uuid}",
    verb="complaint.handle",
    operation="complaint.message",
    problems=SAID,
)
async def message(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Say]
) -> Entry:
    """แจ้งผู้ร้องผ่านระบบ ด้วยรหัสที่ผู้ส่งกำหนด
    To the complainant through the system, under the sender's id."""
    return await desk.message(tx, complaint, entry, data.text)


@put(
    "/v1/complaints/{complaint:uuid}/calls/{entry:uuid}",
    verb="complaint.handle",
    operation="complaint.call",
    problems=SAID,
)
async def call(
    tx: InTx, complaint: FromPath[UUID], entry: FromPath[UUID], data: JSONBody[Call]
) -> Entry:
    """บันทึกการโทรศัพท์ถึงผู้ร้อง และติดต่อได้หรือไม่
    A call was made, and whether they were reached."""
    return await desk.call(tx, complaint, entry, data)


@post(
    "/v1/complaints/{complaint:uuid}/identity",
    verb="complaint.unseal",
    operation="complaint.unseal",
    problems=[ComplaintNotFound, ComplainantUnknown, AuthorityNeeded, Erased],
    status_code=200,
)
async def open_identity(
    tx: InTx, complaint: FromPath[UUID], data: JSONBody[OpenIdentity]
) -> Identity:
    """เปิดผนึกข้อมูลผู้ร้อง ต้องมีคำสั่งแต่งตั้ง และระบุเหตุผลที่ผู้ร้องจะได้อ่าน
    Opens the seal over who told it: with a dated authority, for a reason that they will read."""
    return await desk.open_identity(tx, complaint, data)


ROUTES = [
    list_complaints,
    read_complaint,
    list_views,
    accept,
    reject,
    forward,
    merge,
    assign,
    close,
    reopen,
    begin,
    ask,
    inform,
    resolve,
    note,
    message,
    call,
    open_identity,
]
