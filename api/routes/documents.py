"""Documents for those who may read them; verifying them, for anyone."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from litestar import MediaType, Request, Response
from litestar.params import FromPath, FromQuery, QueryParameter

from api import codes, limits, logs, permissions, sealed, storage
from api.db import Database
from api.documents import pages, printing, queries, service
from api.documents.model import (
    CodeMistyped,
    Document,
    DocumentLine,
    DocumentNotFound,
    NotRendered,
    RecordTampered,
    Verified,
)
from api.edge import InTx, Page, get, network
from api.limits import TooFast
from api.permissions import NOBODY, PUBLIC
from api.problems import Malformed

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_CACHED = {"Cache-Control": "public, max-age=3600"}


@get("/v1/documents", verb="document.read", operation="document.list")
async def list_documents(
    tx: InTx,
    subject: FromQuery[UUID | None] = None,
    kind: FromQuery[str | None] = None,
    cursor: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> Page[DocumentLine]:
    """เอกสารในจังหวัดที่รับผิดชอบหรือของนิติบุคคลตนเอง ใหม่สุดก่อน
    Documents of the caller's provinces or companies, the newest first.

    `subject`: of one visit, order or matter; a factory names a visit by the id that it sees.
    """
    found = await queries.lines(
        tx,
        permissions.scope(tx.actor, "document.read"),
        subject=subject,
        kind=kind,
        before=cursor,
        limit=limit,
    )
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@get(
    "/v1/documents/{document:uuid}",
    verb="document.read",
    problems=[DocumentNotFound, RecordTampered, sealed.Erased],
)
async def read_document(tx: InTx, document: FromPath[UUID]) -> Document:
    """เอกสารหนึ่งฉบับ พร้อมเนื้อหาที่ลงนาม การเปิดดูมีบันทึก
    A document with its signed content. The opening is recorded."""
    return await service.read(tx, document)


@get(
    "/v1/documents/{document:uuid}/pdf",
    verb="document.read",
    operation="document.pdf",
    problems=[
        DocumentNotFound,
        NotRendered,
        RecordTampered,
        sealed.Erased,
        storage.StorageUnreachable,
    ],
)
async def read_pdf(tx: InTx, document: FromPath[UUID]) -> Response[bytes]:
    """ไฟล์ PDF/A-3 ของเอกสารตามที่ออก พร้อมเนื้อหาและลายมือชื่อแนบในไฟล์ การเปิดดูมีบันทึก
    The PDF/A-3 as it was issued, with content and signature attached. 409 while it is made.

    The opening is recorded.
    """
    row = await service.reached(tx, document)
    made = await printing.pdf(tx, row)
    await service.record_opening(tx, document, "document.pdf")
    name = f"{row.kind}-{codes.shown(row.code)}.pdf"
    return Response(
        made,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        },
    )


@get(
    "/v1/verify/{code:str}",
    verb=PUBLIC,
    operation="document.verify",
    problems=[CodeMistyped, DocumentNotFound, TooFast],
)
async def verify(
    request: AnyRequest, code: FromPath[str], sha256: FromQuery[str | None] = None
) -> Verified:
    """ตรวจสอบเอกสารด้วยรหัสตรวจสอบ: มีจริงหรือไม่ คือเอกสารใด และมีผลบังคับหรือไม่
    Whether such a document exists, what it is and whether it is in force; no personal data.

    `sha256`: of a file, in hex; the answer tells whether it is the one that was issued.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise Malformed(reason="sha256 must be 64 hexadecimal digits", where="query sha256")
    db: Database = request.app.state.db
    bucket = limits.named("verify", network(request))
    async with db.begin(NOBODY, logs.request_id.get()) as tx:  # of its own: it must survive
        await limits.take(tx, bucket, capacity=60, per_second=1)
    async with db.read(NOBODY, logs.request_id.get()) as tx:
        return await service.verify(tx, code, bytes.fromhex(sha256) if sha256 else None)


@get("/verify", verb=PUBLIC, operation="document.verify_page", include_in_schema=False)
async def page() -> Response[str]:
    """The public page."""
    return Response(pages.VERIFY, media_type=MediaType.HTML, headers=_HEADERS)


@get("/verify/{code:str}", verb=PUBLIC, operation="document.verify_file", include_in_schema=False)
async def page_of(code: FromPath[str]) -> Response[str]:
    """What the QR code leads to: the page, which asks for the code in its address."""
    if code == "page.js":
        return Response(pages.SCRIPT, media_type="text/javascript", headers=_HEADERS | _CACHED)
    if code == "page.css":
        return Response(pages.STYLE, media_type="text/css", headers=_HEADERS | _CACHED)
    return Response(pages.VERIFY, media_type=MediaType.HTML, headers=_HEADERS)


ROUTES = [list_documents, read_document, read_pdf, verify, page, page_of]
