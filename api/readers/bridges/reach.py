"""Which offices' devices and desks a caller may touch."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from api import permissions
from api.db import Tx
from api.permissions import Actor, Reach, Session
from api.readers.problems import OfficeOutOfReach

_NONE: Final = UUID(int=0)
"""The office of those who have none: nothing is there."""

_ROLES: Final = permissions.PERMISSIONS["intent.arm"]
EVERYWHERE: Final = [role.value for role, reach in _ROLES.items() if reach is Reach.all]
AT_HOME: Final = [role.value for role, reach in _ROLES.items() if reach is Reach.office]
"""The roles that may have cards read at every office, and those that may at their own."""
STILL: Final = f"""
    (a.status = 'active' and exists (select from account_role g
        where g.account = a.id and g.ended_at is null
            and (g.role = any (array{EVERYWHERE}::text[])
                or g.role = any (array{AT_HOME}::text[]) and a.office = b.office)))
"""
"""SQL: account `a` may still have cards read at device `b`."""
GONE: Final = f"""
    (case when {STILL} then null
        when a.status = 'active' and exists (select from account_role g
            where g.account = a.id and g.ended_at is null) then 'officer:moved'
        else 'officer:left' end)
"""
"""SQL: why account `a` may not, as a reading's flag says it; null where it may."""


def office(actor: Actor, verb: str) -> UUID | None:
    """The one office that `actor` reaches under `verb`; None for all offices."""
    if Reach.all in permissions.reaches(actor, verb):
        return None
    return isinstance(actor, Session) and actor.office or _NONE


async def chosen(tx: Tx, verb: str, wanted: UUID | None) -> UUID:
    """The office that something is given to: `wanted`, or the caller's own.

    Raises `OfficeOutOfReach`.
    """
    own = tx.actor.office if isinstance(tx.actor, Session) else None
    found, most = wanted or own, office(tx.actor, verb)
    if found is None or most not in (None, found):
        raise OfficeOutOfReach()
    if await tx.value("select id from office where id = $1", found) is None:
        raise OfficeOutOfReach()
    return found
