"""Messages and devices: shapes, problems, and the text, which is made when it is read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from api.clock import Moment
from api.problems import NotFound


class Language(StrEnum):
    th = "th"
    en = "en"


class About(msgspec.Struct):
    """The record that a message is about, as its reader knows it: `visit`, `company_visit`, …"""

    kind: str
    id: UUID


class Message(msgspec.Struct):
    """A message in the caller's inbox, in the language of the request."""

    id: UUID
    template: str
    about: About
    title: str
    text: str
    sent_at: Moment
    read_at: Moment | None


class InLanguages(msgspec.Struct):
    """A text in Thai and in English."""

    th: str
    en: str


class PulledMessage(msgspec.Struct):
    """A message as a phone pulls it, in both languages."""

    id: UUID
    template: str
    about: About
    title: InLanguages
    text: InLanguages
    sent_at: Moment
    read_at: Moment | None


class Unread(msgspec.Struct):
    """How many messages of the inbox are unread."""

    unread: int


class ReadUpTo(msgspec.Struct, forbid_unknown_fields=True):
    """The newest message that counts as read; all before it do too."""

    up_to: UUID


class DeviceEntry(msgspec.Struct, forbid_unknown_fields=True):
    """Where to push to: the app's registration token of Firebase Cloud Messaging."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=1024, pattern="^[!-~]+$")]
    language: Language = Language.th


class PushDevice(msgspec.Struct):
    """A device that is told at once; the token is never shown."""

    id: UUID
    language: Language
    registered_at: Moment
    refreshed_at: Moment


class MessageRow(msgspec.Struct):
    """A message as stored; `facts` as JSON text."""

    id: UUID
    account: UUID
    template: str
    facts: str
    about_kind: str
    about: UUID
    sent_at: datetime
    read_at: datetime | None


class Expired(msgspec.Struct, frozen=True):
    """A message whose time is over."""

    id: UUID
    account: UUID


class Target(msgspec.Struct, frozen=True):
    """A device that a message still has to be pushed to."""

    id: UUID
    token: str
    language: Language


# --- problems -----------------------------------------------------------------------------------


class MessageNotFound(
    NotFound, code="notify/no-such-message", th="ไม่พบข้อความนี้", en="There is no such message"
):
    """It does not exist, or lies in another's inbox."""


class DeviceNotFound(
    NotFound, code="notify/no-such-device", th="ไม่พบอุปกรณ์นี้", en="There is no such device"
):
    """It does not exist, or is another's; register under a fresh id."""
