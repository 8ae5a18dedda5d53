"""Wire shapes of what a reading serves."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment

Filled = Literal["cid", "name_th", "name_en"]


class AccountCode(msgspec.Struct, kw_only=True):
    """What the account holder shows at the counter, once; it is told in this answer alone."""

    code: str
    expires_at: Moment


class BindAccount(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The code as the account holder shows it; case, spaces and hyphens do not count."""

    code: Annotated[str, Meta(max_length=30)]


class BoundAccount(msgspec.Struct, kw_only=True):
    """`known_before`: the account's national ID was known already, and is the card's. `filled`:
    what was unknown and came from the card."""

    reading: UUID
    bound_at: Moment
    known_before: bool
    filled: list[Filled]


class ConfirmOfficer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`reading`: of purpose `confirm_officer`, made for this officer."""

    reading: UUID
