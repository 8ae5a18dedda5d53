"""Verbs about accounts and companies, and what the edge and other features ask of this one.

Signing in is in `signin`, who is asking in `authentication`, dated authority in `authority`, a
fresh authentication to sign something in `fresh`; they are reached from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from api import events, ids, keys, permissions, sealed
from api.accounts import (
    authentication,
    fresh_queries,
    officer_queries,
    officers,
    providers,
    queries,
    signin,
    tokens,
)
from api.accounts import session_queries as sessions
from api.accounts.authentication import authenticate, check_live
from api.accounts.authority import (
    authorities,
    find_authority,
    grant_authority,
    require_authority,
    revoke_authority,
)
from api.accounts.binding import person_with_cid
from api.accounts.fresh import use_fresh_authentication
from api.accounts.fresh_model import FreshAuthentication
from api.accounts.model import (
    Company,
    CompanyEntry,
    Device,
    EndReason,
    Me,
    Member,
    MemberEntry,
    NoAccount,
    NoCompany,
    NoMember,
    Profile,
    Status,
    WrongEntry,
)
from api.accounts.numbers import clean_juristic_id, mask_cid
from api.accounts.officers import import_officers, list_officer, officer_card
from api.accounts.oidc import RelyingParty
from api.db import Tx
from api.permissions import Reach, Session
from api.sealed import Cell, Sealed
from api.settings import Settings


def check_settings(settings: Settings) -> None:
    """Raises ProviderError where sign-in could not work, or would be open to the world."""
    providers.load(settings)


@asynccontextmanager
async def running(state: Any) -> AsyncIterator[None]:
    """While the application runs: the keyring in use, our issuer named, the relying party open.

    Reads `state.settings` and `state.keyring`, sets `state.relying_party`.
    """
    settings: Settings = state.settings
    keys.use(state.keyring)
    tokens.use(settings.base_url)
    party = RelyingParty(
        providers.load(settings), settings.base_url, production=settings.production
    )
    state.relying_party = party
    try:
        yield
    finally:
        await party.aclose()


# --- the caller ---------------------------------------------------------------------------------


async def me(tx: Tx) -> Me:
    """Who the caller is to this server; opens no sealed value."""
    actor = _session(tx)
    office = await officer_queries.office(tx, actor.office) if actor.office else None
    companies = await queries.companies(tx, actor.companies) if actor.companies else []
    officer = await officer_queries.officer_of_account(tx, actor.account)
    return Me(
        account=actor.account,
        session=actor.session,
        roles=sorted(actor.roles),
        office=office,
        companies=companies,
        name=officer.name if officer else None,
        position=officer.position if officer else None,
    )


async def profile(tx: Tx) -> Profile:
    """The caller's own name and masked number; opening them is an event like any other."""
    actor = _session(tx)
    person = await queries.person_of_account(tx, actor.account)
    if person is None:
        raise NoAccount()
    held = {"name_th": person.name_th, "name_en": person.name_en, "cid": person.cid}
    present = [
        Sealed(Cell("person", column, person.id), blob) for column, blob in held.items() if blob
    ]
    values = await sealed.unseal_many(tx, present, purpose="own-profile")
    opened = {s.cell.column: value for s, value in zip(present, values, strict=True)}
    cid = opened.get("cid")
    return Profile(
        name_th=opened.get("name_th"),
        name_en=opened.get("name_en"),
        cid_masked=mask_cid(cid) if cid else None,
        verified_at=await queries.verified_at(tx, person.id),
    )


async def devices(tx: Tx) -> list[Device]:
    """The caller's sessions, the present one marked."""
    actor = _session(tx)
    found = await sessions.devices(tx, actor.account)
    for device in found:
        device.current = device.id == actor.session
    return found


async def end_device(tx: Tx, id: UUID, *, wipe: bool) -> None:
    """Ends a session of the caller, or anybody's for an administrator. Raises `NoSession`."""
    everyone = Reach.all in permissions.reaches(tx.actor, "session.end")
    await signin.end_device(tx, id, everyone=everyone, wipe=wipe)


# --- accounts -----------------------------------------------------------------------------------


async def suspend(tx: Tx, account: UUID, reason: str) -> None:
    """Ends every session of the account and lets nobody in until it is restored."""
    if isinstance(tx.actor, Session) and tx.actor.account == account:
        raise WrongEntry(reason="an administrator cannot suspend themselves")
    row = await queries.lock_account(tx, account)
    if row is None:
        raise NoAccount()
    await queries.set_status(tx, account, Status.suspended)
    await sessions.end_sessions_of(tx, account, EndReason.suspended)
    await fresh_queries.cancel_of(tx, account)
    authentication.forget_account(account)
    await events.record(tx, "account.suspended", "account", account, facts={"reason": reason})


async def restore(tx: Tx, account: UUID) -> None:
    """Lets a suspended account sign in again; its old sessions stay ended."""
    row = await queries.lock_account(tx, account)
    if row is None:
        raise NoAccount()
    if row.status == Status.suspended:
        await queries.set_status(tx, account, Status.active)
        await events.record(tx, "account.restored", "account", account)


# --- companies ----------------------------------------------------------------------------------


async def write_company(tx: Tx, entry: CompanyEntry) -> Company:
    """A juristic person by its number, made or renamed. Raises `WrongJuristicId`."""
    juristic_id = clean_juristic_id(entry.juristic_id)
    id = await queries.upsert_company(tx, ids.new(), juristic_id, entry.name_th, entry.name_en)
    await events.record(tx, "company.written", "company", id)
    return Company(id, juristic_id, entry.name_th, entry.name_en)


async def members(tx: Tx, company: UUID) -> list[Member]:
    await _company(tx, company, "company_member.read")
    return await queries.members(tx, company)


async def add_member(tx: Tx, company: UUID, entry: MemberEntry) -> Member:
    """Lets a person act for a company; they need not have signed in yet.

    The answer does not tell whether the person was known. Raises `NoCompany`, `WrongCid`.
    """
    await _company(tx, company, "company_member.add")
    account = await person_with_cid(tx, entry.cid)
    member = await queries.insert_member(tx, ids.new(), company, account, entry.capacity, _by(tx))
    authentication.forget_account(account)
    facts = {"company": company, "account": account}
    await events.record(tx, "company_member.added", "company_member", member, facts=facts)
    return next(m for m in await queries.members(tx, company) if m.id == member)


async def remove_member(tx: Tx, company: UUID, member: UUID) -> None:
    """Ends a membership; what it let the person do ends with their next write."""
    await _company(tx, company, "company_member.remove")
    account = await queries.end_member(tx, company, member)
    if account is None:
        raise NoMember()
    authentication.forget_account(account)
    facts = {"company": company, "account": account}
    await events.record(tx, "company_member.removed", "company_member", member, facts=facts)


async def _company(tx: Tx, company: UUID, verb: str) -> None:
    scope = permissions.scope(tx.actor, verb)
    if scope.provinces is not None and company not in scope.companies:
        raise NoCompany()
    if await queries.company(tx, company) is None:
        raise NoCompany()


def _session(tx: Tx) -> Session:
    assert isinstance(tx.actor, Session)
    return tx.actor


def _by(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


__all__ = [
    "FreshAuthentication",
    "authenticate",
    "authorities",
    "check_live",
    "check_settings",
    "find_authority",
    "grant_authority",
    "import_officers",
    "list_officer",
    "officer_card",
    "officers",
    "require_authority",
    "revoke_authority",
    "running",
    "use_fresh_authentication",
]
