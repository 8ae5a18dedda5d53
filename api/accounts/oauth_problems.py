"""Problems of the authorization server and of the providers behind it.

Those of the token endpoint carry the `error` code of RFC 6749 §5.2 as a fact.
"""

from __future__ import annotations

from typing import Any, ClassVar

from api.problems import Forbidden, Invalid, Problem, Unavailable


class OAuthError(Problem):
    """A family: 400 with the `error` of RFC 6749."""

    status = 400
    error: ClassVar[str] = "invalid_request"

    def __init__(self, **facts: Any) -> None:
        super().__init__(error=self.error, **facts)


class InvalidRequest(
    OAuthError,
    code="accounts/invalid-request",
    th="คำขอเข้าสู่ระบบไม่ถูกต้อง: {reason}",
    en="The authorization request is wrong: {reason}",
):
    """A parameter is missing, repeated or of the wrong form; `reason` names it."""


class UnsupportedGrant(
    OAuthError,
    code="accounts/unsupported-grant",
    th="ไม่รองรับ grant_type นี้",
    en="Only authorization_code and refresh_token are supported",
):
    """RFC 6749 §5.2."""

    error = "unsupported_grant_type"


class InvalidGrant(
    OAuthError,
    code="accounts/invalid-grant",
    th="การเข้าสู่ระบบหมดอายุหรือถูกใช้ไปแล้ว กรุณาเข้าสู่ระบบใหม่",
    en="The code or refresh token is expired, used, revoked or not for this client; sign in again",
):
    """Which of these it was is not told."""

    error = "invalid_grant"


class UnknownClient(
    OAuthError,
    code="accounts/unknown-client",
    th="ไม่รู้จักแอปนี้หรือที่อยู่สำหรับกลับไปยังแอป",
    en="Unknown client, or a redirect address that is not registered for it",
):
    """Shown as a page; nobody is redirected to an address that is not registered."""

    error = "invalid_client"


class SignInLost(
    Invalid,
    code="accounts/sign-in-lost",
    th="การเข้าสู่ระบบครั้งนี้หมดอายุหรือถูกใช้ไปแล้ว กรุณาเริ่มใหม่จากแอป",
    en="This sign-in has expired, was used already or began in another browser; start again",
):
    """The state is unknown, older than ten minutes, used, or of another browser."""


class NoProvider(
    Invalid,
    code="accounts/no-provider",
    th="ไม่มีผู้ให้บริการยืนยันตัวตนชื่อนี้",
    en="There is no identity provider of this name",
):
    """`provider` must be one of those configured."""


class ProviderRefused(
    Forbidden,
    code="accounts/provider-refused",
    th="ผู้ให้บริการยืนยันตัวตนไม่ยืนยัน หรือผู้ใช้ยกเลิก",
    en="The identity provider did not confirm, or the user cancelled",
):
    """The provider answered the authorization or token request with an error."""


class IdentityRefused(
    Forbidden,
    code="accounts/identity-refused",
    th="ข้อมูลยืนยันตัวตนจากผู้ให้บริการใช้ไม่ได้ ({check})",
    en="What the identity provider sent does not hold ({check})",
):
    """`check` names what failed: signature, algorithm, issuer, audience, nonce, expiry …"""


class ProviderUnreachable(
    Unavailable,
    code="accounts/provider-unreachable",
    th="ติดต่อผู้ให้บริการยืนยันตัวตนไม่ได้ กรุณาลองใหม่",
    en="The identity provider cannot be reached or is misconfigured; please try again",
):
    """Nothing was changed; trying again is safe."""
