"""How a PC that asks to be enrolled is told to wait, or that it is over (RFC 8628 §3.5)."""

from __future__ import annotations

from typing import Any, ClassVar

from api.problems import Problem


class PollProblem(Problem):
    """A family: 400 with the `error` of RFC 8628 §3.5 as a fact."""

    status = 400
    error: ClassVar[str] = "invalid_request"

    def __init__(self, **facts: Any) -> None:
        super().__init__(error=self.error, **facts)


class AuthorizationPending(
    PollProblem,
    code="readers/authorization-pending",
    th="ยังไม่มีผู้อนุมัติ",
    en="Nobody has approved it yet",
):
    """Ask again after `interval` seconds."""

    error = "authorization_pending"


class SlowDown(
    PollProblem,
    code="readers/slow-down",
    th="ถามถี่เกินไป",
    en="Asked too often",
):
    """Ask again, five seconds more apart than before."""

    error = "slow_down"


class AccessDenied(
    PollProblem,
    code="readers/access-denied",
    th="ไม่อนุมัติให้เครื่องนี้ลงทะเบียน",
    en="The enrolment was refused",
):
    """Refused, locked by wrong fingerprints, or revoked since."""

    error = "access_denied"


class ExpiredToken(
    PollProblem,
    code="readers/expired-token",
    th="รหัสหมดอายุแล้ว กรุณาลงทะเบียนใหม่",
    en="The code has expired; enrol anew",
):
    """After fifteen minutes without approval; also what an unknown device code gets."""

    error = "expired_token"
