"""What a card at the counter says of an account's person, and of a line of the officers' list."""

from __future__ import annotations

from uuid import UUID

from api import sealed
from api.accounts import binding, officer_queries, queries
from api.accounts.model import AccountSuspended, Officer, Status
from api.accounts.numbers import clean_cid
from api.db import Tx
from api.problems import Conflict


class NationalIdElsewhere(
    Conflict,
    code="accounts/national-id-elsewhere",
    th="เลขประจำตัวประชาชนนี้เป็นของบัญชีอื่นแล้ว ผู้ดูแลระบบได้รับแจ้งแล้ว",
    en="Another account has this national ID already; the administrator has been told",
):
    """One person has one account. Nothing was changed."""


class NationalIdDiffers(
    Conflict,
    code="accounts/national-id-differs",
    th="บัญชีนี้เป็นของผู้มีเลขประจำตัวประชาชนอื่น ผู้ดูแลระบบได้รับแจ้งแล้ว",
    en="This account is of a person with another national ID; the administrator has been told",
):
    """The card is not the account holder's. Nothing was changed."""


async def bind(
    tx: Tx, account: UUID, cid: str, name_th: str | None, name_en: str | None
) -> tuple[bool, list[str]]:
    """Makes `cid` the national ID of the account's person, or finds that it is; names fill only
    what is unknown. Returns whether it was known, and what was filled.

    Raises `WrongCid`, `AccountSuspended`, `NationalIdElsewhere`, `NationalIdDiffers`
    and `Erased`. No role comes of it: officers sign in through a provider for officers.
    """
    clean = clean_cid(cid)
    index, indexes = sealed.index("cid", clean), sealed.indexes("cid", clean)
    await queries.lock_person(tx, index)
    row = await queries.lock_account(tx, account)
    assert row is not None  # accounts are never deleted
    if row.status != Status.active:
        raise AccountSuspended()
    person = await queries.person_of_account(tx, account)
    assert person is not None
    holder = await queries.person_by_cid(tx, indexes)
    if holder is not None and holder.id != person.id:
        raise NationalIdElsewhere()
    listed = await officer_queries.find_officers(tx, indexes, [], [])
    if any(line.account not in (None, account) for line in listed):
        raise NationalIdElsewhere()
    known = holder is not None
    if not known and await queries.cid_is_known(tx, person.id):
        raise NationalIdDiffers()
    own = await officer_queries.officer_of_account(tx, account)
    if own is not None and await officer_queries.officer_cid(tx, own.id) not in (None, *indexes):
        raise NationalIdDiffers()  # an officer who came by e-mail, listed with another number
    await queries.set_verified(tx, person.id, None if known else index)
    filled = await binding.fill(tx, person, clean, name_th, name_en)
    return known, filled


async def held_line(tx: Tx, officer: UUID) -> Officer | None:
    """The line of the officers' list, for a change."""
    return await officer_queries.lock_officer(tx, officer)


async def same_person(tx: Tx, officer: UUID, cid: str) -> bool | None:
    """Whether the line was listed with this number; None where it has none. Raises `WrongCid`."""
    indexes = sealed.indexes("cid", clean_cid(cid))
    listed = await officer_queries.officer_cid(tx, officer)
    return None if listed is None else listed in indexes


async def is_of_account(tx: Tx, account: UUID, cid: str) -> bool:
    """Whether this is the number of the account's person, or of their line on the list."""
    return await officer_queries.is_number_of(tx, account, sealed.indexes("cid", cid))


async def confirm_line(tx: Tx, officer: UUID) -> Officer:
    """Notes on the line that a card confirmed whom it names."""
    await officer_queries.confirm_officer(tx, officer)
    found = await officer_queries.lock_officer(tx, officer)
    assert found is not None
    return found
