"""A fresh authentication over a hash: what it is, and how it is refused."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from api.problems import Conflict, Forbidden, Unauthenticated

SHA256: Final = re.compile(r"[0-9a-f]{64}")
TICKET_FOR: Final = timedelta(minutes=5)
PURPOSES: Final = ("sign",)
"""What somebody may be asked to log in afresh for."""


class FreshAuthentication(msgspec.Struct, frozen=True):
    """Evidence that `account` logged in at `provider` (its issuer) to put one hash into force.

    `authenticated_at` is the provider's own auth_time (OpenID Connect Core §2).
    """

    id: UUID
    account: UUID
    provider: str
    authenticated_at: datetime


class Ticket(msgspec.Struct, kw_only=True, tag_field="token_type", tag="N_A"):
    """The answer of the token endpoint after `purpose=sign`: no session and no access token.

    `ticket` counts once, for the account that logged in and for `sha256` alone. `token_type` is
    `N_A` (RFC 8693 §2.2.1): nothing can be called with it.
    """

    ticket: str
    sha256: str
    expires_in: int = int(TICKET_FOR.total_seconds())


class LogInNotFresh(
    Forbidden,
    code="accounts/log-in-not-fresh",
    th="ผู้ให้บริการยืนยันตัวตนไม่ได้ให้เข้าสู่ระบบใหม่ ({reason}) จึงใช้ลงนามไม่ได้ กรุณาลองใหม่",
    en="The identity provider did not have you log in anew ({reason}), so this cannot sign; "
    "please try again",
):
    """`reason`: `missing` (the provider tells no auth_time), `old` (a log-in from before) or
    `future`. A provider that never tells it cannot be used for signing."""


class FreshAuthenticationNeeded(
    Unauthenticated,
    code="accounts/fresh-authentication-needed",
    th="ต้องยืนยันตัวตนใหม่เพื่อลงนาม: ตั๋วยืนยันตัวตนไม่ถูกต้องหรือหมดอายุ",
    en="Please authenticate anew to sign: the ticket is unknown, expired or cancelled",
):
    """Only this act is refused: the session goes on. `GET /oauth/authorize` with `purpose=sign`."""


class FreshAuthenticationUsed(
    Conflict,
    code="accounts/fresh-authentication-used",
    th="ตั๋วยืนยันตัวตนนี้ถูกใช้ลงนามไปแล้ว",
    en="This ticket has signed something already",
):
    """A ticket counts once; showing it again is recorded."""


class FreshAuthenticationOfAnother(
    Conflict,
    code="accounts/fresh-authentication-of-another",
    th="ผู้ที่ยืนยันตัวตนไม่ใช่ผู้ที่ลงนาม",
    en="The ticket is of another account than the one that signs",
):
    """Whoever logged in at the provider is not who holds this session; it is recorded."""


class FreshAuthenticationOfOtherContent(
    Conflict,
    code="accounts/fresh-authentication-of-other-content",
    th="เนื้อหาที่จะลงนามไม่ตรงกับที่แสดงตอนยืนยันตัวตน กรุณาเปิดดูอีกครั้ง",
    en="What is to be signed is not what was shown at the authentication; show it again",
):
    """The hashes differ: the content changed since, or another was shown. The ticket still counts
    for what it was given for."""


PROBLEMS: Final = (
    FreshAuthenticationNeeded,
    FreshAuthenticationOfAnother,
    FreshAuthenticationOfOtherContent,
    FreshAuthenticationUsed,
)
"""What a route declares whose verb uses a fresh authentication."""
