"""Dated authority: what an officer may sign or order, under which section, where and when.

A role says what somebody's work is; only a grant in force lets them put an order into force.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from api import clock, events, permissions
from api.accounts import queries
from api.accounts.model import (
    Authority,
    AuthorityGrant,
    AuthorityNeeded,
    NoAccount,
    NoAuthority,
    Power,
    WrongEntry,
)
from api.db import Tx
from api.permissions import Reach, Session

_SECTION: Final = re.compile(r"(?:มาตรา|ม\.|section|s\.)?\s*([0-9]{1,3}(?:/[0-9]{1,2})?)")
_THAI_DIGITS: Final = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


def section_of(text: str) -> str | None:
    """`37` of `37`, `มาตรา ๓๗` or `s.37`, `11/1` of `ม. 11/1`; None where it names no section."""
    found = _SECTION.fullmatch(text.translate(_THAI_DIGITS).strip().casefold())
    return found[1] if found else None


async def grant_authority(tx: Tx, id: UUID, grant: AuthorityGrant) -> Authority:
    """Records a dated authority under the sender's id; the same again answers the same."""
    if grant.valid_to is not None and grant.valid_to < grant.valid_from:
        raise WrongEntry(reason="valid_to lies before valid_from")
    section = section_of(grant.section)
    if section is None:
        raise WrongEntry(reason="section must name one section of the Factory Act, such as 37")
    grant = msgspec.structs.replace(grant, section=section)
    await tx.lock([id])
    held = await queries.authority(tx, id)
    if held is None:
        if await queries.lock_account(tx, grant.account) is None:
            raise NoAccount()
        by = tx.actor.account if isinstance(tx.actor, Session) else None
        await queries.insert_authority(tx, id, grant, by)
        facts = {"account": grant.account, "power": grant.power, "section": grant.section}
        await events.record(tx, "authority.granted", "authority", id, facts=facts)
        held = await queries.authority(tx, id)
        assert held is not None
    elif not _same_grant(held, grant):
        raise WrongEntry(reason="this id names another authority")
    return held


async def revoke_authority(tx: Tx, id: UUID) -> None:
    """From now on it does not hold. Raises `NoAuthority`."""
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    if not await queries.revoke_authority(tx, id, by):
        raise NoAuthority()
    await events.record(tx, "authority.revoked", "authority", id)


async def authorities(tx: Tx, account: UUID | None) -> list[Authority]:
    """An account's grants: one's own, or anybody's where the reach is all."""
    assert isinstance(tx.actor, Session)
    wanted = account or tx.actor.account
    everybody = Reach.all in permissions.reaches(tx.actor, "authority.read")
    if wanted != tx.actor.account and not everybody:
        raise NoAccount()
    return await queries.authorities(tx, wanted)


async def find_authority(
    tx: Tx,
    power: Power,
    section: str,
    factory_class: int | None,
    province: str | None,
    on: date | None = None,
    *,
    account: UUID | None = None,
) -> Authority | None:
    """The grant that would let `account` (else the caller) do it on the Bangkok date `on`.

    `on` is today where it is None; a day to come never holds. On a day gone by, as of an order
    signed on paper, a grant counts that was revoked after that day. Whoever is not on the list of
    officers holds nothing. A grant limited to classes or provinces covers no unknown one. For a
    "can this be signed?": it locks nothing, so the act itself asks `require_authority`.
    """
    return await _find(tx, power, section, factory_class, province, on, account, lock=False)


async def require_authority(
    tx: Tx,
    power: Power,
    section: str,
    factory_class: int | None,
    province: str | None,
    on: date | None = None,
    *,
    account: UUID | None = None,
) -> Authority:
    """As `find_authority`, and it stays in force until the transaction ends.

    Its `id` and `instrument` belong into what is signed. Other features call this beside their
    permission verb. Raises `AuthorityNeeded`.
    """
    found = await _find(tx, power, section, factory_class, province, on, account, lock=True)
    if found is None:
        raise AuthorityNeeded(power=power.value, section=section)
    return found


async def _find(
    tx: Tx,
    power: Power,
    section: str,
    factory_class: int | None,
    province: str | None,
    on: date | None,
    account: UUID | None,
    *,
    lock: bool,
) -> Authority | None:
    who = account or (tx.actor.account if isinstance(tx.actor, Session) else None)
    wanted, today = section_of(section), clock.bangkok_date(tx.now)
    day = on or today
    if wanted is None:
        raise ValueError(f"not a section: {section}")
    if who is None or day > today:
        return None
    if lock:
        held = await queries.hold_authorities_of_officer(tx, who, power, day)
    else:
        held = await queries.authorities_of_officer(tx, who, power, day)
    for grant in held:
        covers = grant.covers(day, factory_class=factory_class, province=province)
        if covers and section_of(grant.section) == wanted:
            return grant
    return None


def _same_grant(held: Authority, grant: AuthorityGrant) -> bool:
    return all(getattr(held, name) == getattr(grant, name) for name in grant.__struct_fields__)
