"""Every way to fail: families with a status, and a catalogue of stable codes (RFC 9457).

A feature declares its problems in its `model.py`:

    class VisitSealed(
        Conflict,
        code="inspection/visit-sealed",
        th="ปิดการตรวจแล้ว แก้ไขไม่ได้",
        en="The visit is sealed and can no longer be changed",
    ):
        '''After acceptance nothing is written to a visit.'''

`raise VisitSealed(state="closed")`: the facts become fields of the document and fill the sentences.
Facts never carry personal data.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Self

type_base = "/problems/"

CATALOGUE: dict[str, type[Problem]] = {}
BY_CONSTRAINT: dict[str, type[Problem]] = {}


Survivor = Callable[[Any], Awaitable[None]]
"""Takes the `Tx` in which it is run; unnamed here, because problems know no data base."""


class _Absent(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "–"


class Problem(Exception):
    """Rolls the transaction back and leaves as `application/problem+json`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = ""
    th: ClassVar[str] = ""
    en: ClassVar[str] = ""

    def __init_subclass__(
        cls,
        code: str = "",
        th: str = "",
        en: str = "",
        constraints: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if not code:
            return  # a family, not a problem
        if code in CATALOGUE:
            raise TypeError(f"two problems claim the code {code}")
        if not (th and en):
            raise TypeError(f"{code} lacks its Thai or English sentence")
        cls.code, cls.th, cls.en = code, th, en
        CATALOGUE[code] = cls
        for name in constraints:
            if name in BY_CONSTRAINT:
                raise TypeError(f"two problems claim the constraint {name}")
            BY_CONSTRAINT[name] = cls

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code)
        self.facts = facts
        self.survivors: list[Survivor] = []

    def surviving(self, act: Survivor) -> Self:
        """`act` is run and committed in a new transaction after the rollback, before the answer.

        For what must outlive a refusal: attempt counters, revocations, the audit of a refusal.
        """
        self.survivors.append(act)
        return self

    def sentence(self, language: str) -> str:
        """What to tell a person, in `th` or `en`."""
        return (self.en if language == "en" else self.th).format_map(_Absent(self.facts))

    def document(self, language: str = "th", instance: str | None = None) -> dict[str, Any]:
        """The problem document; `code` repeats the last part of `type` for programs."""
        document: dict[str, Any] = {
            "type": type_base + self.code,
            "code": self.code,
            "title": self.sentence(language),
            "status": self.status,
        }
        if instance:
            document["instance"] = instance
        for name, value in self.facts.items():
            document.setdefault(name, value)
        return document


class Invalid(Problem):
    status = 422


class Unauthenticated(Problem):
    status = 401


class Forbidden(Problem):
    status = 403


class NotFound(Problem):
    status = 404


class Conflict(Problem):
    status = 409


class TooMany(Problem):
    """`retry_after_s` (seconds) becomes the Retry-After header."""

    status = 429


class Unavailable(Problem):
    status = 503


class Malformed(
    Invalid,
    code="ground/malformed",
    th="ข้อมูลที่ส่งมาไม่ถูกต้อง: {reason}",
    en="The request could not be understood: {reason}",
):
    """The body, a parameter or a header has the wrong shape; `reason` and `where` say which."""


class TooLarge(
    Problem,
    code="ground/too-large",
    th="ข้อมูลที่ส่งมาใหญ่เกินกำหนด ({limit_bytes} ไบต์)",
    en="The request is larger than allowed ({limit_bytes} bytes)",
):
    """After decompression too: a compressed bomb ends here."""

    status = 413


class NoSuchPlace(
    NotFound,
    code="ground/not-found",
    th="ไม่พบสิ่งที่ขอ",
    en="There is nothing here",
):
    """No such address, or nothing that this caller may know of."""


class WrongMethod(
    Problem,
    code="ground/wrong-method",
    th="ที่อยู่นี้ไม่รับคำสั่งแบบนี้",
    en="This address does not take that method",
):
    """The Allow header names the methods that it takes."""

    status = 405


class Refused(
    Problem,
    code="ground/bad-request",
    th="อ่านคำขอไม่ได้: {reason}",
    en="The request cannot be read: {reason}",
):
    """Broken HTTP or JSON, before any meaning was looked for."""

    status = 400


class SignInNeeded(
    Unauthenticated,
    code="ground/sign-in-needed",
    th="กรุณาเข้าสู่ระบบ",
    en="Please sign in",
):
    """No access token, or one that no longer counts."""


class NotAllowed(
    Forbidden,
    code="ground/not-allowed",
    th="บัญชีนี้ไม่มีสิทธิทำรายการนี้ ({verb})",
    en="This account may not do this ({verb})",
):
    """The permission table gives none of the caller's roles this verb."""


class Stale(
    Conflict,
    code="ground/stale-version",
    th="มีผู้แก้ไขไปก่อนแล้ว กรุณาโหลดใหม่ (รุ่นปัจจุบัน {current})",
    en="Someone changed this in the meantime; load it again (now version {current})",
):
    """`If-Match` named another version than the current one."""


class Overloaded(
    Unavailable,
    code="ground/unavailable",
    th="ระบบไม่พร้อมชั่วคราว กรุณาลองใหม่",
    en="Temporarily unavailable; please try again",
):
    """The data base cannot be reached or is too busy; nothing was stored."""
