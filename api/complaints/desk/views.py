"""What an officer's desk sends for a complaint, and what heads and auditors see of who looked."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment
from api.complaints.model import Outcome
from api.complaints.views import Line

Words = Annotated[str, Meta(min_length=1, max_length=8000, pattern=r"^[^\x00]*\S[^\x00]*$")]
Reason = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")]


class Responsible(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who answers for a matter instead: one of our offices, or another body in words."""

    office: UUID | None = None
    outside: Line = ""


class Reject(msgspec.Struct, forbid_unknown_fields=True):
    """Why it is not taken up, in words for the complainant, and who is responsible.

    `responsible` is a body that is not ours; what another of our offices answers for is forwarded.
    """

    text: Words
    responsible: Responsible


class Forward(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """To whom it goes and why, in words for the complainant.

    `province`, where the matter turns out to lie elsewhere; that of a provincial office is known.
    """

    text: Words
    responsible: Responsible
    province: Annotated[str, Meta(pattern="^[0-9]{2}$", max_length=2)] | None = None


class Merge(msgspec.Struct, forbid_unknown_fields=True):
    """The complaint of the same matter that goes on, and why, in words for officers alone."""

    into: UUID
    text: Words


class Assign(msgspec.Struct, forbid_unknown_fields=True):
    """The officer's account."""

    officer: UUID


class Say(msgspec.Struct, forbid_unknown_fields=True):
    text: Words


class SayOnce(msgspec.Struct, forbid_unknown_fields=True):
    """`id` is the sender's, for the entry."""

    id: UUID
    text: Words


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """A call that was made. `reached`: they were spoken to, and no longer wait for one.

    `text` is for officers; the complainant does not see it.
    """

    reached: bool
    text: Annotated[str, Meta(max_length=8000, pattern=r"^[^\x00]*$")] = ""


class Resolve(msgspec.Struct, forbid_unknown_fields=True):
    """What was found, and the decision in words for the complainant."""

    outcome: Outcome
    text: Words


class OpenIdentity(msgspec.Struct, forbid_unknown_fields=True):
    """Why the seal is opened; the complainant reads it. `me_too`: of the first, the second, … who
    said "me too", instead of whoever told it."""

    reason: Reason
    me_too: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Trace(msgspec.Struct):
    """Somebody looked at a complaint that was not theirs, or opened the seal over who told it."""

    id: UUID
    at: Moment
    what: Literal["viewed", "identity_opened"]
    account: UUID | None
    officer: str
    office: UUID | None
    reason: str
