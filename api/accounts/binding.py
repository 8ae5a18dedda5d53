"""From what a provider vouches for to one account: the first sign-in binds, later ones find it."""

from __future__ import annotations

import unicodedata
from uuid import UUID

from api import events, ids, sealed
from api.accounts import officer_queries, queries
from api.accounts.model import (
    AccountSuspended,
    BoundElsewhere,
    Identity,
    NotListed,
    Officer,
    Status,
)
from api.accounts.numbers import clean_cid, clean_email
from api.db import Tx
from api.permissions import Session
from api.sealed import Cell


async def bind(tx: Tx, identity: Identity) -> UUID:
    """The account of an identity, made and bound to its line of the officers' list when new.

    A provider for officers vouches for nobody who is not listed, and only it may bind by e-mail.
    Raises `NotListed`, `AccountSuspended`, `BoundElsewhere`, `WrongCid`.
    """
    cid = clean_cid(identity.cid) if identity.cid else None
    subject = subject_index(identity)
    await queries.lock_person(tx, sealed.index("cid", cid) if cid else subject)
    subjects = sealed.indexes("subject", f"{identity.issuer} {identity.subject}")
    known = await queries.account_of_identity(tx, identity.issuer, subjects)
    officer = await _listed(tx, identity, cid)
    if identity.officers_only and not await _is_officer(tx, officer, known):
        raise NotListed()
    if known is not None and cid is not None:
        person = await queries.person_by_cid(tx, sealed.indexes("cid", cid))
        if person is not None and person.account != known:
            raise BoundElsewhere()  # a subject that now names another person
    account = known or await _account(tx, identity, cid, officer)
    row = await queries.lock_account(tx, account)
    if row is None or row.status != Status.active:
        raise AccountSuspended()
    await queries.insert_identity(tx, identity.issuer, subject, account)
    if officer is not None and officer.account is None:
        await officer_queries.bind_officer(tx, officer.id, account)
        await apply_listing(tx, officer, account)
        await events.record(tx, "officer.bound", "officer", officer.id, facts={"account": account})
    elif officer is not None and officer.account != account:
        raise BoundElsewhere()
    return account


def subject_index(identity: Identity) -> bytes:
    """The keyed hash of who somebody is at a provider: a subject may be a national ID."""
    return sealed.index("subject", f"{identity.issuer} {identity.subject}")


async def person_with_cid(tx: Tx, cid: str) -> UUID:
    """The account of the person with this national ID; known before they ever sign in."""
    clean = clean_cid(cid)
    await queries.lock_person(tx, sealed.index("cid", clean))
    found = await queries.person_by_cid(tx, sealed.indexes("cid", clean))
    if found is not None:
        return found.account
    return await _new_account(tx, clean, sealed.index("cid", clean), None, None)


async def apply_listing(tx: Tx, officer: Officer, account: UUID) -> None:
    """The account's roles and office become those of its line in the list."""
    roles = [] if officer.ended_at is not None else sorted(officer.roles)
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    office = officer.office if roles else None
    await officer_queries.set_roles(tx, account, [ids.new() for _ in roles], roles, office, by)


async def _listed(tx: Tx, identity: Identity, cid: str | None) -> Officer | None:
    emails: list[bytes] = []
    if identity.officers_only and (email := clean_email(identity.email)):
        emails = sealed.indexes("officer.email", email)
    cids = sealed.indexes("cid", cid) if cid else []
    if not (cids or emails):
        return None
    found = await officer_queries.find_officers(tx, cids, [], emails)
    if len(found) > 1:
        raise BoundElsewhere()
    if found and found[0].ended_at is not None and found[0].account is None:
        return None  # left before the first sign-in
    return found[0] if found else None


async def _is_officer(tx: Tx, officer: Officer | None, known: UUID | None) -> bool:
    if officer is None and known is not None:
        officer = await officer_queries.officer_of_account(tx, known)
    return officer is not None and officer.ended_at is None


async def _account(tx: Tx, identity: Identity, cid: str | None, officer: Officer | None) -> UUID:
    if officer is not None and officer.account is not None:
        return officer.account
    index = sealed.index("cid", cid) if cid else None
    found = None
    if cid is not None:
        found = await queries.person_by_cid(tx, sealed.indexes("cid", cid))
    elif officer is not None and (index := await officer_queries.officer_cid(tx, officer.id)):
        found = await queries.person_by_cid(tx, [index])  # listed by both, came by e-mail
    if found is not None:
        await _complete(tx, found, identity, cid)
        return found.account
    return await _new_account(tx, cid, index, identity.name_th, identity.name_en)


async def _new_account(
    tx: Tx, cid: str | None, index: bytes | None, name_th: str | None, name_en: str | None
) -> UUID:
    person, account, key = ids.new(), ids.new(), await sealed.new_key(tx)
    await queries.insert_person(
        tx,
        person,
        key,
        index,
        await _seal(tx, key, person, "cid", cid),
        await _seal(tx, key, person, "name_th", name_th),
        await _seal(tx, key, person, "name_en", name_en),
    )
    await queries.insert_account(tx, account, person)
    await events.record(tx, "account.opened", "account", account)
    return account


async def _complete(tx: Tx, person: queries.PersonRow, identity: Identity, cid: str | None) -> None:
    """Fills what was unknown of somebody who was listed or added before they came themselves."""
    await fill(tx, person, cid, identity.name_th, identity.name_en)


async def fill(
    tx: Tx, person: queries.PersonRow, cid: str | None, name_th: str | None, name_en: str | None
) -> list[str]:
    """Seals what is unknown of a person and leaves what is known; returns what it filled."""
    filled: list[str] = []

    async def sealed_or(column: str, present: bytes | None, value: str | None) -> bytes | None:
        if present or not value:
            return present
        filled.append(column)
        return await _seal(tx, person.data_key, person.id, column, value)

    await queries.set_person(
        tx,
        person.id,
        await sealed_or("cid", person.cid, cid),
        await sealed_or("name_th", person.name_th, name_th),
        await sealed_or("name_en", person.name_en, name_en),
    )
    return filled


async def _seal(tx: Tx, key: UUID, person: UUID, column: str, value: str | None) -> bytes | None:
    if not value:
        return None
    clean = unicodedata.normalize("NFC", value)[:200]
    return await sealed.seal(tx, key, Cell("person", column, person), clean)
