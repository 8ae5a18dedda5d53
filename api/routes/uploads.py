"""Resumable uploads by tus 1.0 and its extensions (https://tus.io/protocols/resumable-upload).

Bodies are streamed: no handler here has a `tx` or `data`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.params import FromPath

from api import logs, settings
from api.complaints.own import evidence as own_evidence
from api.complaints.problems import ComplaintNotFound
from api.db import Database, Tx
from api.edge import admit_write, delete, patch, post, route
from api.evidence import metadata, uploads
from api.evidence.metadata import CHECKSUMS, Checksum
from api.evidence.model import (
    ChecksumDiffers,
    EvidenceDiffers,
    NotAPatch,
    OffsetDiffers,
    TooManyUploads,
    TusVersion,
    UploadNotFound,
    UploadTooLarge,
)
from api.permissions import PUBLIC
from api.problems import Malformed
from api.storage import StorageFull, StorageUnreachable

AnyRequest = Request[Any, Any, Any]
VERSION = {"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0"}
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
OPT = {"headers": VERSION, "uncompressed": True, "parameters": ("TusResumable",)}
CREATING = OPT | {"parameters": ("TusResumable", "UploadLength", "UploadMetadata")}
APPENDING = OPT | {"parameters": ("TusResumable", "UploadOffset", "UploadChecksum")}
BODY = "application/offset+octet-stream"
STORING = (
    ChecksumDiffers,
    Malformed,
    NotAPatch,
    OffsetDiffers,
    StorageFull,
    StorageUnreachable,
    TusVersion,
    UploadNotFound,
    UploadTooLarge,
)


async def _about() -> Response[None]:
    """What this server speaks (OPTIONS)."""
    return _answer(
        204,
        {
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
            "Tus-Max-Size": str(settings.current().upload_max_bytes),
        },
    )


about = route(
    "/v1/uploads",
    verb=PUBLIC,
    operation="upload.options",
    http_method=[HttpMethod.OPTIONS],
    status_code=204,
    include_in_schema=False,
    opt=OPT,
)(_about)


@post(
    "/v1/uploads",
    verb="evidence.upload",
    operation="upload.create",
    tags=["upload"],
    problems=[*STORING, ComplaintNotFound, EvidenceDiffers, TooManyUploads],
    status_code=201,
    opt=CREATING,
    request_max_body_size=None,
)
async def create(request: AnyRequest) -> Response[None]:
    """แจ้งไฟล์ที่จะส่ง ได้ที่อยู่สำหรับส่งเนื้อไฟล์ และจำนวนไบต์ที่รับไว้แล้ว
    Announces a file; Location says where its bytes go, and Upload-Offset how many are here.

    Upload-Length in bytes; Upload-Metadata with `sha256` (hex, needed), `id` (the phone's UUID;
    sent again it is the same upload), `owner_kind` and `owner` (`visit`, `complaint`, and its id),
    `item`, `taken_at`, `lat`, `lng`, `accuracy_m`, `filename`, `filetype`. The first bytes may come
    along. What a tracking code sends belongs to its complaint.
    """
    _check_version(request)
    given = request.headers
    if "upload-defer-length" in given:
        raise Malformed(reason="the length must be known", where="Upload-Defer-Length")
    creation = metadata.creation(given.get("upload-length", ""), given.get("upload-metadata", ""))
    with_body = given.get("content-type") == BODY
    checksum = _checksum(request)
    async with _writing(request) as tx:
        await own_evidence.as_uploader(tx, creation.claims)
        offset, until = await uploads.create(tx, creation)
    if with_body and offset == 0:
        offset, until = await uploads.receive(
            _line(request, creation.id),
            creation.id,
            0,
            _body(request),
            length=_length(request),
            checksum=checksum,
        )
    found = {"Location": f"/v1/uploads/{creation.id}", "Upload-Offset": str(offset)}
    return _answer(201, found | _expires(until))


async def _stand(request: AnyRequest, id: FromPath[UUID]) -> Response[None]:
    """จำนวนไบต์ที่รับไว้แล้ว เพื่อส่งต่อจากจุดนั้น (HEAD)
    How many bytes are held: where to go on (HEAD)."""
    _check_version(request)
    async with _reading(request, id) as tx:
        offset, size, until = await uploads.standing(tx, id)
    found = {"Upload-Offset": str(offset), "Upload-Length": str(size)}
    return _answer(200, found | _expires(until))


stand = route(
    "/v1/uploads/{id:uuid}",
    verb="evidence.upload",
    operation="upload.stand",
    http_method=[HttpMethod.HEAD],
    tags=["upload"],
    problems=[UploadNotFound, TusVersion],
    status_code=200,
    opt=OPT,
)(_stand)


@patch(
    "/v1/uploads/{id:uuid}",
    verb="evidence.upload",
    operation="upload.append",
    tags=["upload"],
    problems=STORING,
    status_code=204,
    opt=APPENDING,
    request_max_body_size=None,
)
async def append(request: AnyRequest, id: FromPath[UUID]) -> Response[None]:
    """ส่งเนื้อไฟล์ต่อจากตำแหน่งใน Upload-Offset หากขาดตอนให้ถามตำแหน่งแล้วส่งต่อ
    Appends the body at Upload-Offset; what is acknowledged is stored and synced.

    Cut off anywhere, what arrived is kept: ask with HEAD and go on. After the last byte the worker
    verifies the hash; `GET /v1/evidence/{id}` then has the receipt.
    """
    _check_version(request)
    if request.headers.get("content-type") != BODY:
        raise NotAPatch()
    offset, until = await uploads.receive(
        _line(request, id),
        id,
        _number(request, "upload-offset"),
        _body(request),
        length=_length(request),
        checksum=_checksum(request),
    )
    return _answer(204, {"Upload-Offset": str(offset)} | _expires(until))


@delete(
    "/v1/uploads/{id:uuid}",
    verb="evidence.upload",
    operation="upload.end",
    tags=["upload"],
    problems=[UploadNotFound, TusVersion],
    status_code=204,
    opt=OPT,
)
async def end(request: AnyRequest, id: FromPath[UUID]) -> Response[None]:
    """ยกเลิกการส่งไฟล์ที่ยังไม่ครบ พยานหลักฐานที่รับไว้แล้วคงอยู่
    Forgets an unfinished upload; evidence stays."""
    _check_version(request)
    async with _writing(request, id) as tx:
        await uploads.end(tx, id)
    return _answer(204, {})


# --- headers and bodies -------------------------------------------------------------------------


@asynccontextmanager
async def _writing(request: AnyRequest, id: UUID | None = None) -> AsyncIterator[Tx]:
    db: Database = request.app.state.db
    async with db.begin(request.user, logs.request_id.get()) as tx:
        await admit_write(tx, "evidence.upload")
        if id is not None:
            await own_evidence.as_holder(tx, id)
        yield tx


@asynccontextmanager
async def _reading(request: AnyRequest, id: UUID) -> AsyncIterator[Tx]:
    db: Database = request.app.state.db
    async with db.read(request.user, logs.request_id.get()) as tx:
        await own_evidence.as_holder(tx, id)
        yield tx


def _line(request: AnyRequest, id: UUID) -> uploads.Line:
    return uploads.Line(begin=lambda: _writing(request, id), read=lambda: _reading(request, id))


async def _body(request: AnyRequest) -> AsyncIterator[bytes]:
    """The body as it comes in; raises `Cut` where the line breaks."""
    while True:
        message: Any = await request.receive()
        if message["type"] != "http.request":
            raise uploads.Cut
        if message["body"]:
            yield message["body"]
        if not message.get("more_body"):
            return


def _answer(status: int, headers: dict[str, str]) -> Response[None]:
    return Response(None, status_code=status, headers=VERSION | headers)


def _expires(until: datetime | None) -> dict[str, str]:
    return {} if until is None else {"Upload-Expires": format_datetime(until, usegmt=True)}


def _check_version(request: AnyRequest) -> None:
    if request.headers.get("tus-resumable") != VERSION["Tus-Resumable"]:
        raise TusVersion()


def _number(request: AnyRequest, name: str) -> int:
    value = request.headers.get(name, "")
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise Malformed(reason=f"{name} must be a number of bytes", where=name)
    return int(value)


def _length(request: AnyRequest) -> int | None:
    return _number(request, "content-length") if "content-length" in request.headers else None


def _checksum(request: AnyRequest) -> Checksum | None:
    given = request.headers.get("upload-checksum")
    return None if given is None else Checksum(given)


ROUTES = [about, create, stand, append, end]
