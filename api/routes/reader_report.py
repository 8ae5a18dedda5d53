"""What is missing of the card readers over HTTP: reconciliation, differences, the report."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from api.cursors import CursorInvalid
from api.edge import InTx, Page, get
from api.readers.fleet import sheets, views
from api.readers.fleet.model import DifferenceKind
from api.readers.fleet.report_queries import FleetDifference, FleetLine
from api.readers.fleet.views import By, Differing, FleetReport, Reconciling
from api.routes.reader_fleet import TAGS, AgencyCode, AnyRequest, Limit, sheet

Kinds = Annotated[list[DifferenceKind] | None, QueryParameter(name="kind")]


def reconciling(
    by: FromQuery[By] = "request",
    agency: AgencyCode = None,
    office: FromQuery[UUID | None] = None,
) -> Reconciling:
    return Reconciling(by, agency, office)


def differing(
    kinds: Kinds = None,
    agency: AgencyCode = None,
    office: FromQuery[UUID | None] = None,
    reader_request: FromQuery[UUID | None] = None,
) -> Differing:
    return Differing(kinds, agency, office, reader_request)


@get(
    "/v1/reader-fleet/reconciliation",
    verb="reader_asset.read",
    operation="reader_fleet.reconcile",
    problems=[CursorInvalid],
    asked=reconciling,
    tags=TAGS,
)
async def reconcile(
    tx: InTx,
    asked: NamedDependency[Reconciling],
    cursor: FromQuery[str | None] = None,
    limit: Limit = 100,
) -> Page[FleetLine]:
    """กระทบยอด: จำนวนที่ขอเทียบกับที่ถึงหน่วยแล้ว ตามหนังสือหรือตามหน่วย
    What was asked for beside what is there, by letter's line or by unit, and the difference."""
    return Page(*await views.reconciliation(tx, asked, cursor, limit))


@get(
    "/v1/reader-fleet/reconciliation.csv",
    verb="reader_asset.read",
    operation="reader_fleet.reconcile_sheet",
    asked=reconciling,
    media_type="text/csv",
    opt={"uncompressed": True},
    tags=TAGS,
)
async def reconcile_sheet(request: AnyRequest, asked: NamedDependency[Reconciling]) -> Stream:
    """กระทบยอดเครื่องอ่านบัตรเป็น CSV
    The same as CSV, streamed."""

    async def fetch(tx: Any, after: str | None) -> Any:
        return await views.reconciliation(tx, asked, after, sheets.PAGE)

    return await sheet(request, "reconciliation", sheets.LINES, fetch)


@get(
    "/v1/reader-fleet/differences",
    verb="reader_asset.report",
    operation="reader_fleet.differences",
    problems=[CursorInvalid],
    asked=differing,
    tags=TAGS,
)
async def differences(
    tx: InTx,
    asked: NamedDependency[Differing],
    cursor: FromQuery[str | None] = None,
    limit: Limit = 100,
) -> Page[FleetDifference]:
    """หมายเลขเครื่องที่รายการ คำยืนยัน และการพบใช้งานไม่ตรงกัน
    Serial by serial where lists, units and bridges do not agree: what is to be looked for."""
    return Page(*await views.differences(tx, asked, cursor, limit))


@get(
    "/v1/reader-fleet/differences.csv",
    verb="reader_asset.report",
    operation="reader_fleet.differences_sheet",
    asked=differing,
    media_type="text/csv",
    opt={"uncompressed": True},
    tags=TAGS,
)
async def differences_sheet(request: AnyRequest, asked: NamedDependency[Differing]) -> Stream:
    """หมายเลขเครื่องที่ไม่ตรงกันเป็น CSV
    The same as CSV, streamed."""

    async def fetch(tx: Any, after: str | None) -> Any:
        return await views.differences(tx, asked, after, sheets.PAGE)

    return await sheet(request, "differences", sheets.DIFFERENCES, fetch)


@get(
    "/v1/reader-fleet/report",
    verb="reader_asset.report",
    operation="reader_fleet.report",
    tags=TAGS,
)
async def report(tx: InTx) -> FleetReport:
    """ภาพรวมเครื่องอ่านบัตรทั้งประเทศ ทุกหน่วยงาน ทุกสถานะ
    The national picture: each agency's readers by state, asked for, distributed, seen lately."""
    return await views.report(tx)


@get(
    "/v1/reader-fleet/report.csv",
    verb="reader_asset.report",
    operation="reader_fleet.report_sheet",
    media_type="text/csv",
    opt={"uncompressed": True},
    tags=TAGS,
)
async def report_sheet(request: AnyRequest) -> Stream:
    """ภาพรวมเครื่องอ่านบัตรทั้งประเทศเป็น CSV
    The same as CSV: a line an agency, and the whole country."""

    async def fetch(tx: Any, _: str | None) -> Any:
        found = await views.report(tx)
        return [*found.agencies, found.total], None

    return await sheet(request, "report", sheets.REPORT, fetch)


ROUTES = [reconcile, reconcile_sheet, differences, differences_sheet, report, report_sheet]
