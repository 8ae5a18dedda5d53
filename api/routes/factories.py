"""The register of factories over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.cursors import CursorInvalid
from api.edge import InTx, Page, get, if_match, patch, post
from api.factories import numbers, service, views
from api.factories.model import (
    CategoryView,
    CompanyUnknown,
    CorrectLicence,
    CorrectPremises,
    Factory,
    FactoryLine,
    FactoryNotFound,
    Filters,
    IdTaken,
    LicenceNotFound,
    MergeImpossible,
    MergePremises,
    MoveImpossible,
    NumberWrong,
    OutsideThailand,
    PlaceUnknown,
    QueryTooShort,
    RegisterPremises,
    Status,
)
from api.inspection.visits import service as visits
from api.problems import Malformed, Stale

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Class = Annotated[int | None, QueryParameter(ge=1, le=3)]
Radius = Annotated[float, QueryParameter(gt=0, le=200_000)]
Words = Annotated[str | None, QueryParameter(max_length=200)]
Code = Annotated[str | None, QueryParameter(pattern="^[0-9]{1,6}$")]


class NumberReading(msgspec.Struct):
    """What a text is: `kind` factory_new, factory_old, juristic, national_id or wrong.

    `normal` is the normal form, except of a national ID. For a wrong one `reason` names the check
    that failed and `th`, `en` say it.
    """

    kind: str
    normal: str | None = None
    province: str | None = None
    licence_class: int | None = None
    category: str | None = None
    year: int | None = None
    reason: str | None = None
    th: str | None = None
    en: str | None = None


@get(
    "/v1/factories",
    verb="factory.read",
    operation="factory.list",
    problems=[NumberWrong, QueryTooShort, OutsideThailand, CursorInvalid],
)
async def list_factories(
    tx: InTx,
    q: Words = None,
    number: Words = None,
    near: FromQuery[str | None] = None,
    radius_m: Radius = 5_000,
    province: Code = None,
    district: Code = None,
    category: Code = None,
    licence_class: Class = None,
    status: FromQuery[Status | None] = None,
    cursor: FromQuery[str | None] = None,
    limit: Limit = 50,
) -> Page[FactoryLine]:
    """ค้นหาโรงงานในทะเบียน เรียงตามพจนานุกรมไทย หรือเรียงจากที่ใกล้ที่สุด
    Factories in Thai order, or with `near=lat,lng` the nearest first.

    `number` in either format and any spacing; `q` parts of the name; `category` a main number or
    a 5-digit code. What is struck off is found by its number or with `status=struck_off`.
    """
    filters = Filters(
        words=() if q is None else views.words(q),
        number=number,
        near=None if near is None else (*_position(near), radius_m),
        province=province,
        district=district,
        category=_category(category),
        licence_class=licence_class,
        status=status,
    )
    return Page(*await views.find_factories(tx, filters, cursor, limit))


def _position(near: str) -> tuple[float, float]:
    try:
        lat, lng = (float(part) for part in near.split(","))
    except ValueError:
        raise Malformed(reason="near must be lat,lng in degrees", where="query near") from None
    return lat, lng


def _category(code: str | None) -> str | None:
    """A main number becomes its three digits."""
    return code if code is None or len(code) == 5 else f"{int(code):03d}"


@get("/v1/factories/{factory:uuid}", verb="factory.read", problems=[FactoryNotFound])
async def read_factory(tx: InTx, factory: FromPath[UUID]) -> Factory:
    """สถานที่ตั้งโรงงานหนึ่งแห่ง พร้อมใบอนุญาตและประวัติสถานะ ตามสิทธิของผู้ขอดู
    A site with its licences and the history of their states.

    Officers see all of it, a company its own licences, others what is public.
    """
    return await views.read_factory(tx, factory)


@post(
    "/v1/factories",
    verb="premises.register",
    problems=[FactoryNotFound, OutsideThailand, PlaceUnknown, IdTaken],
)
async def register_premises(tx: InTx, data: JSONBody[RegisterPremises]) -> Factory:
    """บันทึกโรงงานที่ไม่มีใบอนุญาต เพื่อให้เข้าตรวจได้
    Puts a factory without a licence on record, so that it can be inspected."""
    return await service.register_premises(tx, data)


@patch(
    "/v1/premises/{premises:uuid}",
    verb="premises.correct",
    problems=[FactoryNotFound, Stale, OutsideThailand, PlaceUnknown],
)
async def correct_premises(
    tx: InTx, request: AnyRequest, premises: FromPath[UUID], data: JSONBody[CorrectPremises]
) -> Factory:
    """แก้ไขพิกัด ที่อยู่ หรือตำบลของสถานที่ตั้งโรงงานให้ถูกต้อง
    Puts position, address or sub-district right. If-Match: the version that was read."""
    return await service.correct_premises(tx, premises, if_match(request), data)


@post(
    "/v1/premises/{premises:uuid}/merge",
    verb="premises.merge",
    problems=[FactoryNotFound, Stale, MergeImpossible],
    status_code=200,
)
async def merge_premises(
    tx: InTx, request: AnyRequest, premises: FromPath[UUID], data: JSONBody[MergePremises]
) -> Factory:
    """รวมรายการซ้ำของสถานที่ตั้งโรงงานแห่งเดียวกันเข้ากับรายการนี้
    Makes another record of the same site part of this one. If-Match: this one's version."""
    return await service.merge_premises(tx, premises, if_match(request), data)


@patch(
    "/v1/licences/{licence:uuid}",
    verb="licence.correct",
    problems=[LicenceNotFound, Stale, MoveImpossible, CompanyUnknown],
)
async def correct_licence(
    tx: InTx, request: AnyRequest, licence: FromPath[UUID], data: JSONBody[CorrectLicence]
) -> Factory:
    """เปลี่ยนสถานะใบอนุญาต หรือกำหนดนิติบุคคลของใบอนุญาต
    Moves a licence to another state, or binds it to a company. If-Match: its version."""
    factory = await service.correct_licence(tx, licence, if_match(request), data)
    await visits.hand_over(tx, licence)
    return factory


@get("/v1/categories", verb="category.read")
async def list_categories(tx: InTx) -> Page[CategoryView]:
    """ประเภทหรือชนิดโรงงานทั้งหมด และเกณฑ์ที่กำหนดเป็นจำพวกที่ 1, 2 หรือ 3
    All types of factories, with what puts one into class 1, 2 or 3."""
    return Page(await views.list_categories(tx))


@get("/v1/factories/number/{value:path}", verb="factory.read", operation="factory.number")
async def explain_number(value: FromPath[str]) -> NumberReading:
    """ตรวจเลขทะเบียนโรงงานว่าเป็นเลขแบบใด รูปแบบมาตรฐานคืออะไร หรือผิดที่ใด
    Which number this is and its normal form, or what is wrong with it."""
    match numbers.parse(str(value).removeprefix("/")):
        case numbers.FactoryNew() as n:
            return NumberReading("factory_new", n.normal, n.province, year=n.year)
        case numbers.FactoryOld() as n:
            return NumberReading("factory_old", n.normal, None, n.licence_class, n.category, n.year)
        case numbers.Juristic() as n:
            return NumberReading("juristic", n.normal)
        case numbers.NationalId():
            return NumberReading("national_id")
        case numbers.Wrong() as n:
            return NumberReading("wrong", reason=n.reason, th=n.th, en=n.en)


ROUTES = [
    list_factories,
    read_factory,
    register_premises,
    correct_premises,
    merge_premises,
    correct_licence,
    list_categories,
    explain_number,
]
