"""Documents: what they are, whether they are in force, what verifying them tells."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

from api.clock import DayText, Moment, MomentText
from api.documents.contents import Language
from api.problems import Conflict, Invalid, NotFound


class Force(StrEnum):
    in_force = "in_force"  # มีผลใช้บังคับ
    stayed = "stayed"  # ทุเลาการบังคับ
    corrected = "corrected"  # แก้ไขแล้ว: another document stands in its place
    superseded = "superseded"  # มีฉบับใหม่แทน
    revoked = "revoked"  # เพิกถอน
    annulled = "annulled"  # ศาลหรือผู้วินิจฉัยอุทธรณ์เพิกถอน
    fulfilled = "fulfilled"  # ปฏิบัติครบถ้วนแล้ว


F = Force
FORCE_WORDS: dict[Force, tuple[str, str]] = {
    F.in_force: ("ยังมีผล", "in force"),
    F.stayed: ("ทุเลาการบังคับไว้ก่อน", "stayed"),
    F.corrected: ("มีการแก้ไข โปรดดูฉบับใหม่", "corrected by another document"),
    F.superseded: ("มีฉบับใหม่ใช้แทนแล้ว", "superseded by a newer document"),
    F.revoked: ("ถูกเพิกถอนแล้ว", "revoked"),
    F.annulled: ("ถูกเพิกถอนโดยคำวินิจฉัยหรือคำพิพากษา", "annulled on appeal or by a court"),
    F.fulfilled: ("ปฏิบัติครบถ้วนและสิ้นสุดแล้ว", "fulfilled and at its end"),
}
FORCE_MOVES: dict[tuple[str, Force], Force] = {
    ("stay", F.in_force): F.stayed,
    ("resume", F.stayed): F.in_force,
    ("correct", F.in_force): F.corrected,
    ("correct", F.stayed): F.corrected,
    ("supersede", F.in_force): F.superseded,
    ("supersede", F.stayed): F.superseded,
    ("revoke", F.in_force): F.revoked,
    ("revoke", F.stayed): F.revoked,
    ("annul", F.in_force): F.annulled,
    ("annul", F.stayed): F.annulled,
    ("fulfil", F.in_force): F.fulfilled,
    ("fulfil", F.stayed): F.fulfilled,
    ("annul", F.fulfilled): F.annulled,
    ("revive", F.superseded): F.in_force,  # what stood in its place was undone
}


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed: the content with all that makes it this document. `verify_at` is in its QR.

    The code has 75 random bits, so that nobody can guess the content from its SHA-256.
    """

    v: Literal[1] = 1
    id: UUID
    code: str
    kind: str
    subject: UUID
    province: str
    company: UUID | None
    language: Language
    issued_at: str
    supersedes: UUID | None
    verify_at: str
    content: Any


class Row(msgspec.Struct):
    """A document as stored; `content` is sealed. Nothing of it ever changes."""

    id: UUID
    kind: str
    subject: UUID
    province: str
    company: UUID | None
    language: Language
    code: str
    issued_at: datetime
    supersedes: UUID | None
    content: bytes
    hash: bytes
    jws: str
    data_key: UUID


class ForceRow(msgspec.Struct):
    document: UUID
    n: int
    force: Force
    at: datetime
    because: str
    jws: str


class FileRow(msgspec.Struct):
    """The rendered PDF: where it lies in the store, and what it is."""

    document: UUID
    object: str
    sha256: bytes
    size: int
    rendered_at: datetime
    jws: str


class Document(msgspec.Struct, kw_only=True):
    """A document for whoever may read it. `content_sha256` and `jws` verify `content`.

    `content` is the envelope in its canonical form (RFC 8785) as text, exactly what was signed.
    """

    id: UUID
    kind: str
    subject: UUID
    language: Language
    number: str
    code: str
    verify_at: str
    issued_at: Moment
    force: Force
    content: str
    content_sha256: str
    jws: str
    pdf_sha256: str | None = None
    pdf_size: int | None = None


class DocumentLine(msgspec.Struct):
    """A document in a list."""

    id: UUID
    kind: str
    subject: UUID
    language: str
    code: str
    issued_at: Moment
    supersedes: UUID | None
    force: Force
    rendered: bool


class Verified(msgspec.Struct, kw_only=True):
    """What anyone may know of a document by its code; no personal data.

    `record`: whether what is stored is what was signed. `file`: whether the file asked about is the
    one that was issued; `none` where none was named. A record that was tampered with says nothing
    else of itself.
    """

    code: str
    record: Literal["intact", "tampered", "erased"]
    file: Literal["none", "unchanged", "different", "not_rendered"] = "none"
    kind: str | None = None
    kind_th: str | None = None
    kind_en: str | None = None
    number: str | None = None
    date: DayText | None = None
    office_th: str | None = None
    office_en: str | None = None
    issued_at: MomentText | None = None
    force: Force | None = None
    force_th: str | None = None
    force_en: str | None = None
    force_since: Moment | None = None
    content_sha256: str | None = None


class DocumentNotFound(
    NotFound,
    code="documents/no-such-document",
    th="ไม่พบเอกสารนี้",
    en="There is no such document",
):
    """No such document or code, or none that the caller may know of."""


class CodeMistyped(
    Invalid,
    code="documents/code-mistyped",
    th="รหัสตรวจสอบพิมพ์ไม่ถูกต้อง กรุณาตรวจทานอีกครั้ง",
    en="The verify code has a typing error; please check it again",
):
    """Its check character does not fit, so it is no code that was ever issued."""


class NotRendered(
    Conflict,
    code="documents/not-rendered",
    th="กำลังจัดทำไฟล์ PDF กรุณาลองใหม่ในอีกสักครู่",
    en="The PDF is still being made; try again in a moment",
):
    """The worker renders it; the content is signed and can be read already."""


class WrongForce(
    Conflict,
    code="documents/force",
    th="เอกสารอยู่ในสถานะ {state} จึงทำรายการนี้ไม่ได้",
    en="The document is {state}; that cannot be done",
):
    """The table of moves leads from the present state to no such state."""


class RecordTampered(
    Conflict,
    code="documents/record-tampered",
    th="ข้อมูลที่เก็บไว้ไม่ตรงกับที่ลงลายมือชื่อ กรุณาแจ้งผู้ดูแลระบบ",
    en="What is stored is not what was signed; tell an administrator",
):
    """Somebody changed the record outside of this system. Nothing is shown of it."""
