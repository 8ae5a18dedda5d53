"""Evidence over HTTP: what is known of a file, its bytes, and short-lived links to them."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from api import logs, storage
from api.complaints.own import evidence as own_evidence
from api.complaints.problems import ComplaintNotFound
from api.db import Database
from api.edge import InTx, get, post
from api.evidence import service
from api.evidence.model import (
    Evidence,
    EvidenceNotFound,
    Form,
    Link,
    LinkInvalid,
    RangeUnsatisfiable,
)
from api.evidence.service import File
from api.permissions import PUBLIC
from api.storage import ObjectMissing, StorageUnreachable

AnyRequest = Request[Any, Any, Any]
BYTES = {"uncompressed": True, "parameters": ("Range", "IfRange")}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@get("/v1/evidence/{evidence:uuid}", verb="evidence.read", problems=[EvidenceNotFound])
async def read_evidence(tx: InTx, evidence: FromPath[UUID]) -> Evidence:
    """สถานะการรับไฟล์ ใบรับ และสิ่งที่ตรวจพบเกี่ยวกับไฟล์
    How far a file has come, its receipt, and what was found out about it."""
    await own_evidence.as_holder(tx, evidence)
    return await service.read(tx, evidence)


@post(
    "/v1/evidence/{evidence:uuid}/link",
    verb="evidence.link",
    problems=[EvidenceNotFound],
    status_code=201,
)
async def make_link(tx: InTx, evidence: FromPath[UUID], form: FromQuery[Form] = "original") -> Link:
    """ขอที่อยู่ชั่วคราวของไฟล์ ซึ่งเปิดได้โดยไม่ต้องใช้โทเค็นในไม่กี่นาที
    An address of the bytes that works without a token for some minutes."""
    return await service.make_link(tx, evidence, form)


@get(
    "/v1/evidence/{evidence:uuid}/content",
    verb="evidence.read",
    operation="evidence.content",
    problems=[EvidenceNotFound, RangeUnsatisfiable, StorageUnreachable],
    opt=BYTES,
)
async def read_content(
    request: AnyRequest, evidence: FromPath[UUID], form: FromQuery[Form] = "original"
) -> Stream:
    """เนื้อไฟล์พยานหลักฐานทั้งไฟล์หรือบางช่วง หรือรูปย่อเป็น JPEG
    The bytes, whole or a range of them (RFC 9110 §14). `form`: derived pictures, in JPEG."""
    db: Database = request.app.state.db
    async with db.read(request.user, logs.request_id.get()) as tx:
        await own_evidence.as_holder(tx, evidence)
        file = await service.file(tx, evidence, form)
    return await _send(request, file)


@get(
    "/v1/evidence-links/{evidence:uuid}/{form:str}",
    verb=PUBLIC,
    operation="evidence.linked",
    tags=["evidence"],
    problems=[EvidenceNotFound, LinkInvalid, RangeUnsatisfiable, StorageUnreachable],
    opt=BYTES,
)
async def read_linked(
    request: AnyRequest,
    evidence: FromPath[UUID],
    form: FromPath[str],
    until: Annotated[int, QueryParameter(ge=0, le=1 << 40)],
    signature: Annotated[str, QueryParameter(max_length=64)],
) -> Stream:
    """ไฟล์ตามที่อยู่ชั่วคราวที่ระบบออกให้ ผู้ที่มีที่อยู่นี้เปิดได้
    What a signed link leads to; the link is the permission."""
    known = next((known for known in service.FORMS if known == form), None)
    if known is None:
        raise LinkInvalid()
    db: Database = request.app.state.db
    async with db.read(request.user, logs.request_id.get()) as tx:
        file = await service.linked_file(tx, evidence, known, until, signature)
    return await _send(request, file)


@get(
    "/v1/complaints/{complaint:uuid}/evidence/{evidence_id:uuid}/pictures/{form:str}",
    verb="complaint.read",
    operation="complaint.evidence_content",
    problems=[ComplaintNotFound, EvidenceNotFound, RangeUnsatisfiable, StorageUnreachable],
    opt=BYTES,
)
async def read_of_complaint(
    request: AnyRequest,
    complaint: FromPath[UUID],
    evidence_id: FromPath[UUID],
    form: FromPath[str],
) -> Stream:
    """ภาพของเรื่องร้องเรียนเป็น JPEG โดยไม่มีข้อมูลที่กล้องบันทึกไว้ สำหรับเจ้าหน้าที่
    A complaint's picture, `thumbnail` or `screen`, in JPEG without what the camera wrote, for
    every officer who has the complaint. Its original is opened by authority alone."""
    known = next((known for known in service.FORMS if known == form), None)
    if known is None:
        raise EvidenceNotFound()
    db: Database = request.app.state.db
    async with db.read(request.user, logs.request_id.get()) as tx:
        file = await own_evidence.seen(tx, complaint, evidence_id, known)
    return await _send(request, file)


async def _send(request: AnyRequest, file: File) -> Stream:
    try:
        size = await storage.current().size(file.key)
    except ObjectMissing:
        raise StorageUnreachable() from None  # a store without its objects is away
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.etag}"',
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-site",
    }
    start, end, status = 0, size, 200
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    same = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
    if asked and same and any(asked.groups()):
        start, end = _range(asked[1], asked[2], size)
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    chunks = storage.current().read(file.key, start, end)
    return Stream(chunks, media_type=file.media, status_code=status, headers=headers)


def _range(first: str, last: str, size: int) -> tuple[int, int]:
    """[start, end); raises `RangeUnsatisfiable`. `-500` means the last 500 bytes."""
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise RangeUnsatisfiable(size=size)
    return start, end


ROUTES = [read_evidence, make_link, read_content, read_linked, read_of_complaint]
