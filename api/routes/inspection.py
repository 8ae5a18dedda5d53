"""Visits, findings and checklists over HTTP; the factory's own view of its visits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api import cursors, permissions
from api.complaints.subjects import case_parts
from api.cursors import CursorInvalid, Place
from api.documents.contents import Language
from api.documents.model import Document
from api.edge import InTx, Page, get, if_match, post, put
from api.inspection.cases import service as cases
from api.inspection.checklists import queries as checklist_queries
from api.inspection.checklists import service as checklists
from api.inspection.checklists import standard
from api.inspection.checklists.model import ChecklistInvalid, ChecklistLine, ChecklistNotFound
from api.inspection.visits import reading, record, service, view_queries
from api.inspection.visits.model import (
    AlreadyPlanned,
    ConflictOpen,
    FindingNotFound,
    ItemsUnknown,
    PlanVisit,
    PremisesUnknown,
    TeamUnknown,
    VisitNotFound,
    VisitSealed,
    VisitState,
    WrongFindingState,
)
from api.inspection.visits.pack import VisitPack, visit_pack
from api.inspection.visits.views import (
    CompanyVisit,
    FindingView,
    RepresentativeName,
    Visit,
    VisitLine,
)
from api.permissions import Session
from api.problems import Problem, Stale
from api.sealed import Erased

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """A remark for the record."""

    note: str = ""


class Return(msgspec.Struct, forbid_unknown_fields=True):
    """Which items are to be answered again, and why."""

    items: list[str]
    note: str = ""


class Publish(msgspec.Struct, forbid_unknown_fields=True):
    """A new version of the checklist; `content` after openapi/rules.schema.json."""

    content: standard.Standard
    note: str = ""


@put(
    "/v1/visits/{visit:uuid}",
    verb="visit.plan",
    problems=[PremisesUnknown, TeamUnknown, AlreadyPlanned, VisitNotFound],
)
async def plan_visit(tx: InTx, visit: FromPath[UUID], data: JSONBody[PlanVisit]) -> Visit:
    """วางแผนการตรวจด้วยรหัสที่ผู้ส่งกำหนด ส่งซ้ำได้ไม่เกิดรายการใหม่
    Plans a visit under the sender's id; sent twice it is planned once."""
    return await service.plan_visit(tx, visit, data)


@get("/v1/visits", verb="visit.read", operation="visit.list")
async def list_visits(
    tx: InTx,
    states: Annotated[list[VisitState] | None, QueryParameter(name="state")] = None,
    premises: FromQuery[UUID | None] = None,
    mine: FromQuery[bool] = False,
    overdue: FromQuery[bool] = False,
    cursor: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> Page[VisitLine]:
    """การตรวจในจังหวัดที่รับผิดชอบ ใหม่สุดก่อน เลือกเฉพาะที่พ้นกำหนดพิจารณาก็ได้
    Visits of the caller's provinces, the newest first. `overdue`: the review clock ran out."""
    account = tx.actor.account if mine and isinstance(tx.actor, Session) else None
    found = await view_queries.visit_lines(
        tx,
        permissions.scope(tx.actor, "visit.read"),
        states=states,
        premises=premises,
        mine=account,
        overdue=overdue,
        before=cursor,
        limit=limit,
    )
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get("/v1/visits/{visit:uuid}", verb="visit.read", problems=[VisitNotFound])
async def read_visit(tx: InTx, visit: FromPath[UUID]) -> Visit:
    """การตรวจหนึ่งครั้ง พร้อมคำตอบปัจจุบัน คำตอบขัดแย้ง และข้อบกพร่อง
    One visit with its current answers, conflicts and findings."""
    return await reading.read_visit(tx, visit)


@get(
    "/v1/visits/{visit:uuid}/pack",
    verb="visit.read",
    operation="visit.pack",
    problems=[VisitNotFound],
)
async def read_pack(tx: InTx, visit: FromPath[UUID]) -> VisitPack:
    """ข้อมูลทั้งหมดที่อุปกรณ์ต้องใช้ในการตรวจเมื่อไม่มีสัญญาณ รวมแบบตรวจมาตรฐาน
    All that a phone needs for one visit without signal, the checklist included."""
    return await visit_pack(tx, visit)


def _review(
    action: str, problems: list[type[Problem]]
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    declared: Callable[[Callable[..., Any]], HTTPRouteHandler] = post(
        f"/v1/visits/{{visit:uuid}}/{action}",
        verb="visit.cancel" if action == "cancel" else "visit.review",
        operation=f"visit.{action.replace('-', '_')}",
        problems=[VisitNotFound, VisitSealed, Stale, *problems],
        status_code=200,
    )
    return declared


@_review("take-up", [])
async def take_up(request: AnyRequest, tx: InTx, visit: FromPath[UUID]) -> Visit:
    """รับเรื่องเพื่อพิจารณาผลการตรวจ
    The head begins the review. If-Match carries the version."""
    return await service.take_up_review(tx, visit, if_match(request))


@_review("return", [ItemsUnknown])
async def return_visit(
    request: AnyRequest, tx: InTx, visit: FromPath[UUID], data: JSONBody[Return]
) -> Visit:
    """ส่งผลการตรวจกลับแก้ไข เฉพาะข้อตรวจที่ระบุ
    Sends items back to the phone. If-Match carries the version."""
    return await service.return_visit(tx, visit, if_match(request), data.items, data.note)


@_review("accept", [ConflictOpen])
async def accept_visit(
    request: AnyRequest, tx: InTx, visit: FromPath[UUID], data: JSONBody[Note]
) -> Visit:
    """รับรองผลการตรวจ โรงงานเห็นผลได้ตั้งแต่นี้
    The result stands; the factory sees it from now on. If-Match carries the version."""
    return await service.accept_visit(tx, visit, if_match(request), data.note)


@_review("close", [])
async def close_visit(
    request: AnyRequest, tx: InTx, visit: FromPath[UUID], data: JSONBody[Note]
) -> Visit:
    """ยุติเรื่องของการตรวจ ไม่มีสิ่งใดต้องดำเนินการอีก
    Nothing more is expected of the visit. If-Match carries the version."""
    return await service.close_visit(tx, visit, if_match(request), data.note)


@_review("cancel", [])
async def cancel_visit(
    request: AnyRequest, tx: InTx, visit: FromPath[UUID], data: JSONBody[Note]
) -> Visit:
    """ยกเลิกการตรวจ
    The visit does not take place. If-Match carries the version."""
    return await service.cancel_visit(tx, visit, if_match(request), data.note)


@post(
    "/v1/visits/{visit:uuid}/representative",
    verb="visit.unseal",
    problems=[VisitNotFound, Erased],
    status_code=200,
)
async def open_representative(tx: InTx, visit: FromPath[UUID]) -> RepresentativeName:
    """เปิดผนึกชื่อผู้แทนโรงงานในการตรวจ การเปิดดูมีบันทึก
    Opens the sealed name of who represented the factory; the opening is recorded."""
    return await service.open_representative(tx, visit)


@post(
    "/v1/visits/{visit:uuid}/record",
    verb="visit_record.issue",
    problems=[VisitNotFound, VisitSealed],
    status_code=201,
)
async def issue_record(
    tx: InTx, visit: FromPath[UUID], language: FromQuery[Language] = "en"
) -> Document:
    """ออกบันทึกการตรวจที่รับรองผลแล้วอีกครั้ง เช่น ฉบับภาษาอังกฤษเมื่อมีผู้ขอ
    Issues the record of an accepted visit anew, as in English on request: for the office, and
    for each factory. It takes the place of the one before in that language."""
    return await record.issue_in(tx, visit, language)


@post(
    "/v1/visits/{visit:uuid}/case-file",
    verb="case_file.issue",
    problems=[VisitNotFound],
    status_code=201,
)
async def issue_case_file(
    tx: InTx, visit: FromPath[UUID], language: FromQuery[Language] = "th"
) -> Document:
    """จัดทำสำนวนของการตรวจเป็นเอกสารลงนาม: เหตุการณ์ กำหนดเวลา เอกสาร และเจ้าหน้าที่
    Puts the matter of a visit together: every event, clock, document and officer, signed."""
    return await cases.of_visit(tx, visit, language, case_parts.of_visits)


@post(
    "/v1/findings/{finding:uuid}/confirm",
    verb="finding.confirm",
    problems=[FindingNotFound, WrongFindingState, Stale],
    status_code=200,
)
async def confirm_finding(request: AnyRequest, tx: InTx, finding: FromPath[UUID]) -> FindingView:
    """ยืนยันข้อกฎหมายของข้อบกพร่อง เพื่อใช้ออกคำสั่งได้
    Confirms the legal reference, so that the finding may carry an order. If-Match: version."""
    return await service.confirm_finding(tx, finding, if_match(request))


@get(
    "/v1/company/visits",
    verb="company_visit.read",
    operation="company_visit.list",
    problems=[CursorInvalid],
)
async def list_company_visits(
    tx: InTx, cursor: FromQuery[str | None] = None, limit: Limit = 50
) -> Page[CompanyVisit]:
    """การตรวจโรงงานของนิติบุคคลตนเอง: ที่แจ้งล่วงหน้า ตามด้วยที่รับรองผลล่าสุด
    What the caller's own companies may know of: announced visits, then the latest accepted."""
    companies = permissions.scope(tx.actor, "company_visit.read").companies
    after = cursors.read(cursor, Place) if cursor else None
    found = await reading.company_visit_views(tx, companies, after=after, limit=limit)
    last = found[-1] if len(found) == limit else None
    return Page(found, cursors.write(Place(last.accepted_at, last.id)) if last else None)


@get(
    "/v1/company/visits/{visit:uuid}",
    verb="company_visit.read",
    problems=[VisitNotFound],
)
async def read_company_visit(tx: InTx, visit: FromPath[UUID]) -> CompanyVisit:
    """การตรวจหนึ่งครั้งตามที่โรงงานเห็นได้: สถานะ ผลการเข้าตรวจ และข้อบกพร่อง
    One visit as its factory sees it: state, outcome and findings."""
    return await reading.read_company_visit(tx, visit)


@get("/v1/checklists", verb="checklist.read", operation="checklist.list")
async def list_checklists(tx: InTx) -> list[ChecklistLine]:
    """แบบตรวจมาตรฐานทุกรุ่นที่ประกาศใช้ ใหม่สุดก่อน
    Every published version, the newest first."""
    return await checklist_queries.checklists(tx)


@get("/v1/checklists/{number:int}", verb="checklist.read", problems=[ChecklistNotFound])
async def read_checklist(tx: InTx, number: FromPath[int]) -> Response[bytes]:
    """แบบตรวจมาตรฐานหนึ่งรุ่นทั้งฉบับ ไม่มีการเปลี่ยนแปลงอีก แอปเก็บไว้ใช้ได้
    One version whole, after openapi/rules.schema.json. It never changes: keep it."""
    row = await checklist_queries.checklist(tx, number) if 0 < number < 1 << 31 else None
    if row is None:
        raise ChecklistNotFound()
    return Response(
        row.content.encode(),
        media_type="application/json",
        headers={"ETag": f'"{row.content_hash}"', "Cache-Control": "private, max-age=31536000"},
    )


@post("/v1/checklists", verb="checklist.publish", problems=[ChecklistInvalid])
async def publish_checklist(tx: InTx, data: JSONBody[Publish]) -> ChecklistLine:
    """ประกาศใช้แบบตรวจมาตรฐานรุ่นถัดไป การตรวจที่เริ่มแล้วใช้รุ่นเดิมต่อไป
    Publishes the next version; visits that have begun keep theirs."""
    return await checklists.publish(tx, data.content, data.note)


ROUTES = [
    plan_visit,
    list_visits,
    read_visit,
    read_pack,
    take_up,
    return_visit,
    accept_visit,
    close_visit,
    cancel_visit,
    open_representative,
    issue_record,
    issue_case_file,
    confirm_finding,
    list_company_visits,
    read_company_visit,
    list_checklists,
    read_checklist,
    publish_checklist,
]
