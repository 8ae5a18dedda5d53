"""A hook for a challenge: whoever sends without signing in proves to be no program.

Any service that speaks `siteverify` will do (hCaptcha, Turnstile and reCAPTCHA share it): a form
with secret and response goes there, JSON with `success` comes back. Without the setting nobody is
challenged. A service that cannot be reached lets everybody pass: the limits hold all the same, and
a complaint is not lost for its sake.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache

import httpx

from api import settings
from api.problems import Forbidden

log = logging.getLogger("superapp.challenge")
HEADER = "Challenge-Response"
TIMEOUT_S = 5.0


class ChallengeNeeded(
    Forbidden,
    code="ground/challenge-needed",
    th="กรุณายืนยันว่าท่านไม่ใช่โปรแกรมอัตโนมัติ แล้วส่งอีกครั้ง",
    en="Please prove that you are no program, and send it again",
):
    """`Challenge-Response` is missing, wrong or was used before; each try needs a fresh one.

    Whoever signs in is not asked.
    """


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities of the system, read once: reading them takes longer than all the rest."""
    return ssl.create_default_context()


async def check(response: str) -> None:
    """Raises `ChallengeNeeded`. The sender's address is not told to the service."""
    held = settings.current()
    if not held.challenge_url:
        return
    if not response or len(response) > 8192:
        raise ChallengeNeeded()
    form = {"secret": held.challenge_secret, "response": response}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, verify=_trusted()) as http:
            answer = await http.post(held.challenge_url, data=form)
        passed = answer.raise_for_status().json()["success"] is True
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        log.warning("challenge unreachable", extra={"facts": {"error": type(error).__name__}})
        return
    if not passed:
        raise ChallengeNeeded()
