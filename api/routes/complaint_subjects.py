"""Whom a complaint is about, and the visits because of it, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath, JSONBody

from api.complaints.problems import (
    ComplaintNotFound,
    ComplaintSealed,
    PlaceUnknown,
    SubjectsDiffer,
    SubjectUnconfirmed,
)
from api.complaints.subjects import around, visiting
from api.complaints.subjects import service as subjects
from api.complaints.subjects.views import (
    Around,
    ConfirmedSubject,
    ConfirmSubject,
    PlanComplaintVisit,
)
from api.edge import InTx, get, if_match, post, put
from api.factories.model import FactoryNotFound, IdTaken, OutsideThailand, RegisterPremises
from api.factories.model import PlaceUnknown as NoSuchPlace
from api.inspection.visits.model import (
    AlreadyPlanned,
    PremisesUnknown,
    TeamUnknown,
    VisitNotFound,
    VisitSealed,
)
from api.inspection.visits.views import Visit
from api.problems import Stale

AnyRequest = Request[Any, Any, Any]


@get(
    "/v1/complaints/{complaint:uuid}/around",
    verb="complaint.read",
    operation="complaint.around",
    tags=["complaint"],
    problems=[ComplaintNotFound],
)
async def read_around(tx: InTx, complaint: FromPath[UUID]) -> Around:
    """โรงงานที่อาจเกี่ยวข้องและเรื่องที่คล้ายกัน พร้อมเหตุผล เพื่อประกอบการรับเรื่อง
    What taking it up needs: factories that it may be about, and complaints that may be the same.

    Complaints near in place, time and category, closed ones too, are duplicates to be merged. Both
    lists come with reasons, the likeliest first.
    """
    return await around.around(tx, complaint)


@post(
    "/v1/complaints/{complaint:uuid}/subject",
    verb="complaint.handle",
    operation="complaint.confirm_subject",
    tags=["complaint"],
    problems=[ComplaintNotFound, ComplaintSealed, PlaceUnknown, Stale],
    status_code=200,
)
async def confirm_subject(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[ConfirmSubject]
) -> ConfirmedSubject:
    """ยืนยันหรือเปลี่ยนโรงงานที่ถูกร้องเรียน
    Says which factory it is about, or another than before. If-Match carries the version."""
    return await subjects.confirm(tx, complaint, if_match(request), data)


@post(
    "/v1/complaints/{complaint:uuid}/unregistered-factory",
    verb="complaint.handle",
    operation="complaint.record_unregistered",
    tags=["complaint"],
    problems=[
        ComplaintNotFound,
        ComplaintSealed,
        PlaceUnknown,
        FactoryNotFound,
        OutsideThailand,
        NoSuchPlace,
        IdTaken,
        Stale,
    ],
    status_code=200,
)
async def record_unregistered(
    request: AnyRequest, tx: InTx, complaint: FromPath[UUID], data: JSONBody[RegisterPremises]
) -> ConfirmedSubject:
    """บันทึกโรงงานที่ไม่ได้จดทะเบียนเป็นโรงงานที่ถูกร้องเรียน ใช้พิกัดของโรงงานเท่านั้น
    Puts a factory that nobody registered on record, as what it is about. If-Match: version.

    Give the position of the factory, not the complainant's: the register is open to everybody.
    """
    return await subjects.record_unregistered(tx, complaint, if_match(request), data)


@put(
    "/v1/complaint-visits/{visit:uuid}",
    verb="complaint.handle",
    operation="complaint.plan_visit",
    tags=["complaint"],
    problems=[
        ComplaintNotFound,
        ComplaintSealed,
        SubjectUnconfirmed,
        SubjectsDiffer,
        PremisesUnknown,
        TeamUnknown,
        AlreadyPlanned,
        VisitNotFound,
    ],
)
async def plan_visit(tx: InTx, visit: FromPath[UUID], data: JSONBody[PlanComplaintVisit]) -> Visit:
    """วางแผนการตรวจตามเรื่องร้องเรียนของโรงงานเดียวกัน โรงงานไม่เห็นข้อตรวจเพิ่ม
    Plans a visit because of complaints about one factory, under the sender's id.

    Their questions come along as `extra_items`, which the factory never sees.
    """
    return await visiting.plan(tx, visit, data)


@put(
    "/v1/complaint-visits/{visit:uuid}/complaints/{complaint:uuid}",
    verb="complaint.handle",
    operation="complaint.add_to_visit",
    tags=["complaint"],
    problems=[
        ComplaintNotFound,
        ComplaintSealed,
        SubjectUnconfirmed,
        SubjectsDiffer,
        VisitNotFound,
        VisitSealed,
    ],
)
async def add_to_visit(tx: InTx, visit: FromPath[UUID], complaint: FromPath[UUID]) -> Visit:
    """เพิ่มเรื่องร้องเรียนของโรงงานเดียวกันในการตรวจที่วางแผนไว้และยังไม่เริ่ม
    One more complaint about the factory of a visit that is planned because of complaints and
    has not begun; its questions come behind the others."""
    return await visiting.add(tx, visit, complaint)


ROUTES = [read_around, confirm_subject, record_unregistered, plan_visit, add_to_visit]
