"""Evidence: states of an upload, rows, views, problems."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

from api.clock import Moment
from api.problems import Conflict, Invalid, NotFound, Problem, TooMany


class UploadState(StrEnum):
    receiving = "receiving"
    checking = "checking"  # every byte is stored; the worker verifies the hash
    refused = "refused"  # other bytes than the sender claimed; it may begin anew


U = UploadState

UPLOAD_MOVES: dict[tuple[str, UploadState], UploadState] = {
    ("receive", U.receiving): U.receiving,
    ("finish", U.receiving): U.checking,
    ("refuse", U.checking): U.refused,
    ("begin_anew", U.refused): U.receiving,
}
"""Verified, an upload becomes evidence and is no upload any more."""

Form = Literal["original", "thumbnail", "screen"]


class Flag(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something odd about evidence that is kept: a stable code, facts without personal data."""

    code: str
    facts: dict[str, Any] = {}


class Claims(msgspec.Struct, kw_only=True):
    """What the sender says of a file: whose it is, when and where it was made (WGS 84, metres)."""

    owner_kind: str | None = None
    owner: UUID | None = None
    item: str | None = None
    taken_at: datetime | None = None
    lat: float | None = None
    lng: float | None = None
    accuracy_m: float | None = None
    filename: str = ""
    media: str = ""
    flags: list[Flag] = []


class Said(msgspec.Struct, omit_defaults=True):
    """What of the claims tells about a person, kept sealed: where they were, how they named a file.

    WGS 84 degrees and metres.
    """

    lat: float | None = None
    lng: float | None = None
    accuracy_m: float | None = None
    filename: str = ""


class Place(msgspec.Struct):
    """Where the camera says that a picture was made (EXIF, WGS 84), kept sealed."""

    lat: float
    lng: float


class Uploader(msgspec.Struct, frozen=True):
    """Whose a file is: an account's, or that of a complainant, of whom no account is kept."""

    account: UUID | None = None
    complainant: UUID | None = None


class Creation(msgspec.Struct, kw_only=True):
    """What is to be uploaded; `sha256` is 32 bytes."""

    id: UUID
    size: int
    sha256: bytes
    claims: Claims


# --- rows ---------------------------------------------------------------------------------------


class UploadRow(msgspec.Struct):
    """An upload under way as stored."""

    id: UUID
    account: UUID | None
    complainant: UUID | None
    state: UploadState
    size: int
    received: int
    sha256: bytes
    parts: UUID
    owner_kind: str | None
    owner: UUID | None
    item: str | None
    taken_at: datetime | None
    said: bytes | None
    media_claimed: str
    flags: str
    expires_at: datetime

    @property
    def by(self) -> Uploader:
        return Uploader(self.account, self.complainant)


class Part(msgspec.Struct):
    """A stored part of an upload."""

    key: str
    start: int
    size: int


class Opened(msgspec.Struct):
    """What a PATCH may go on with: the part that it will write."""

    key: str
    parts: UUID
    size: int
    """Of the whole upload."""


class EvidenceRow(msgspec.Struct):
    """Evidence as stored, with what was found out about it; `flags` and `found` are JSON lists.

    `said` and `place` are sealed; `claims.py` opens them.
    """

    id: UUID
    account: UUID | None
    complainant: UUID | None
    size: int
    sha256: bytes
    media: str
    key: str
    owner_kind: str | None
    owner: UUID | None
    item: str | None
    claimed: bool
    taken_at: datetime | None
    said: bytes | None
    receipt: str
    received_at: datetime
    flags: str
    found: str | None
    width: int | None
    height: int | None
    thumbnail: str | None
    screen: str | None
    exif_taken_at: datetime | None
    place: bytes | None

    @property
    def by(self) -> Uploader:
        return Uploader(self.account, self.complainant)

    def all_flags(self) -> list[Flag]:
        return [*_flags.decode(self.flags), *(_flags.decode(self.found) if self.found else [])]

    @property
    def examined(self) -> bool:
        return self.found is not None

    @property
    def made_at(self) -> datetime | None:
        """When the camera says that it was made; else when the phone says so."""
        return self.exif_taken_at or self.taken_at

    def key_of(self, form: Form) -> str | None:
        """Where the bytes of that form are; None where there is none (yet)."""
        return {"original": self.key, "thumbnail": self.thumbnail, "screen": self.screen}[form]

    def media_of(self, form: Form) -> str:
        return self.media if form == "original" else "image/jpeg"


_flags = msgspec.json.Decoder(list[Flag])


class Bound(msgspec.Struct):
    """Evidence that is bound to an owner, in that owner's list."""

    owner: UUID
    id: UUID
    item: str | None
    media: str
    shown_to: UUID | None
    """The company that may see it."""


# --- views --------------------------------------------------------------------------------------


class Position(msgspec.Struct):
    """WGS 84 degrees and metres, as claimed."""

    lat: float
    lng: float
    accuracy_m: float | None = None


class EvidenceState(StrEnum):
    """How far a file has come: of an upload, and in the end `stored`."""

    receiving = "receiving"
    checking = "checking"
    refused = "refused"
    stored = "stored"


class Evidence(msgspec.Struct, kw_only=True):
    """A file and how far it has come.

    `refused`: other bytes than were claimed came; begin anew under the same id. `stored`: with a
    signed receipt. Only a file with a receipt may be deleted from a phone.

    A file of a complaint is shown to officers without whatever could tell who made it: position,
    hash, receipt, and what compares it with other files.
    """

    id: UUID
    state: EvidenceState
    size: int
    received: int
    sha256: str
    media: str | None = None
    owner_kind: str | None = None
    owner: UUID | None = None
    item: str | None = None
    claimed: bool = False
    taken_at: Moment | None = None
    position: Position | None = None
    received_at: Moment | None = None
    receipt: str | None = None
    flags: list[Flag] = []
    width: int | None = None
    height: int | None = None
    forms: list[Form] = []


class Link(msgspec.Struct):
    """A short-lived address for a program that cannot send a token, as an image viewer."""

    url: str
    expires_at: Moment


# --- problems -----------------------------------------------------------------------------------


class UploadNotFound(
    NotFound,
    code="evidence/no-such-upload",
    th="ไม่พบการอัปโหลดนี้ หรือหมดอายุแล้ว",
    en="There is no such upload, or it has expired",
):
    """No upload of the caller's has that id; a file that was not finished in time is forgotten."""


class EvidenceNotFound(
    NotFound, code="evidence/no-such-evidence", th="ไม่พบหลักฐานนี้", en="There is no such evidence"
):
    """No such evidence, none in this form, or none that the caller may see."""


class EvidenceDiffers(
    Conflict,
    code="evidence/differs",
    th="รหัสหลักฐานนี้ถูกใช้กับไฟล์อื่นแล้ว",
    en="This id is another file's already",
):
    """An original is written once: the same id came with another hash or size."""


class OffsetDiffers(
    Conflict,
    code="evidence/offset-differs",
    th="ระบบรับข้อมูลไว้แล้ว {offset} ไบต์ กรุณาส่งต่อจากจุดนั้น",
    en="The server holds {offset} bytes; go on from there",
):
    """Upload-Offset is not where the upload stands: another request was faster, or it is whole."""


class UploadTooLarge(
    Problem,
    code="evidence/too-large",
    th="ไฟล์ใหญ่เกินกำหนด ({limit_bytes} ไบต์)",
    en="The file is larger than allowed, or than was announced ({limit_bytes} bytes)",
):
    """Upload-Length is beyond the limit, or more bytes came than Upload-Length says."""

    status = 413


class TooManyUploads(
    TooMany,
    code="evidence/too-many-uploads",
    th="มีการอัปโหลดที่ยังไม่เสร็จมากเกินไป ({limit} รายการ) กรุณาส่งให้เสร็จหรือยกเลิกก่อน",
    en="Too many unfinished uploads ({limit}); finish or end some first",
):
    """Of one account; what nobody goes on with is forgotten in time."""


class NotAPatch(
    Problem,
    code="evidence/not-a-patch",
    th="เนื้อหาต้องเป็น application/offset+octet-stream",
    en="The body must be application/offset+octet-stream",
):
    """Tus 1.0: nothing else can be appended."""

    status = 415


class TusVersion(
    Problem,
    code="evidence/tus-version",
    th="ต้องใช้ tus รุ่น 1.0.0",
    en="The tus protocol version must be 1.0.0",
):
    """Tus-Resumable is missing or of another version; Tus-Version names what is spoken."""

    status = 412


class ChecksumDiffers(
    Problem,
    code="evidence/checksum-differs",
    th="ข้อมูลที่ได้รับไม่ตรงกับ checksum กรุณาส่งส่วนนี้ใหม่",
    en="What arrived is not what Upload-Checksum says; send this part again",
):
    """The tus checksum extension's own status; nothing of the request was stored."""

    status = 460


class RangeUnsatisfiable(
    Problem,
    code="evidence/range-unsatisfiable",
    th="ไม่มีช่วงข้อมูลที่ขอ (ไฟล์ยาว {size} ไบต์)",
    en="There is no such range; the file has {size} bytes",
):
    """RFC 9110 §15.5.17."""

    status = 416


class LinkInvalid(
    NotFound,
    code="evidence/link-invalid",
    th="ลิงก์ไม่ถูกต้องหรือหมดอายุแล้ว กรุณาขอใหม่",
    en="The link is wrong or has expired; ask for another",
):
    """Signed links live for some minutes and are good for one form of one file."""


class EvidenceUnknown(
    Invalid,
    code="evidence/unknown",
    th="ไม่พบหลักฐานที่อ้างถึง หรือยังอัปโหลดไม่เสร็จ",
    en="The evidence named does not exist or is not finished",
):
    """Only verified evidence can be bound to a record."""


class EvidenceTaken(
    Conflict,
    code="evidence/taken",
    th="หลักฐานนี้เป็นของเรื่องอื่นแล้ว",
    en="This evidence belongs to another record already",
):
    """Evidence belongs to one record, once and for all."""
