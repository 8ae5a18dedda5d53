"""Published versions of the checklist: rows and problems."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.clock import Moment
from api.problems import Invalid, NotFound


class ChecklistLine(msgspec.Struct):
    """One published version in the list of versions."""

    id: UUID
    number: int
    content_hash: str
    published_at: Moment
    note: str


class ChecklistRow(msgspec.Struct):
    """A published version; `content` is the standard as JSON text."""

    id: UUID
    number: int
    content: str
    content_hash: str
    published_at: datetime
    note: str


class ChecklistNotFound(
    NotFound,
    code="inspection/no-such-checklist",
    th="ไม่พบแบบตรวจรุ่นนี้",
    en="There is no such version of the checklist",
):
    """Versions are numbered from 1."""


class ChecklistInvalid(
    Invalid,
    code="inspection/checklist-invalid",
    th="แบบตรวจไม่ถูกต้อง: {reason}",
    en="The checklist cannot be published: {reason}",
):
    """A rule, a reference or a shape is wrong; nothing was published."""
