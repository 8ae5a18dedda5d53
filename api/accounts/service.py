"""Verbs about accounts, officers, authority and companies, and what the edge asks of this feature.

Signing in is in `signin`, who is asking in `authentication`; both are reached from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from api import clock, events, ids, keys, permissions, sealed
from api.accounts import (
    authentication,
    officer_queries,
    officers,
    providers,
    queries,
    signin,
    tokens,
)
from api.accounts import session_queries as sessions
from api.accounts.authentication import authenticate, check_live
from api.accounts.binding import person_with_cid
from api.accounts.model import (
    Authority,
    AuthorityGrant,
    AuthorityNeeded,
    Company,
    CompanyEntry,
    Device,
    EndReason,
    Me,
    Member,
    MemberEntry,
    NoAccount,
    NoAuthority,
    NoCompany,
    NoMember,
    Power,
    Profile,
    Status,
    WrongEntry,
    clean_juristic_id,
    mask_cid,
)
from api.accounts.officers import import_officers, list_officer
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


# --- authority ----------------------------------------------------------------------------------


async def grant_authority(tx: Tx, id: UUID, grant: AuthorityGrant) -> Authority:
    """Records a dated authority under the sender's id; the same again answers the same."""
    if grant.valid_to is not None and grant.valid_to < grant.valid_from:
        raise WrongEntry(reason="valid_to lies before valid_from")
    await tx.lock([id])
    held = await queries.authority(tx, id)
    if held is None:
        if await queries.lock_account(tx, grant.account) is None:
            raise NoAccount()
        await queries.insert_authority(tx, id, grant, _by(tx))
        facts = {"account": grant.account, "power": grant.power, "section": grant.section}
        await events.record(tx, "authority.granted", "authority", id, facts=facts)
        held = await queries.authority(tx, id)
        assert held is not None
    elif not _same_grant(held, grant):
        raise WrongEntry(reason="this id names another authority")
    return held


async def revoke_authority(tx: Tx, id: UUID) -> None:
    """From now on it does not hold. Raises `NoAuthority`."""
    if not await queries.revoke_authority(tx, id, _by(tx)):
        raise NoAuthority()
    await events.record(tx, "authority.revoked", "authority", id)


async def authorities(tx: Tx, account: UUID | None) -> list[Authority]:
    """An account's grants: one's own, or anybody's where the reach is all."""
    actor = _session(tx)
    wanted = account or actor.account
    everybody = Reach.all in permissions.reaches(actor, "authority.read")
    if wanted != actor.account and not everybody:
        raise NoAccount()
    return await queries.authorities(tx, wanted)


async def require_authority(
    tx: Tx, power: Power, *, factory_class: int | None = None, province: str | None = None
) -> Authority:
    """The caller's grant in force today (Bangkok) for that class and province.

    Raises `AuthorityNeeded`. Other features call this beside their permission verb.
    """
    if isinstance(tx.actor, Session):
        day = clock.bangkok_date(tx.now)
        for grant in await queries.authorities_in_force(tx, tx.actor.account, power, day):
            if grant.covers(day, factory_class=factory_class, province=province):
                return grant
    raise AuthorityNeeded(power=power.value)


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


def _same_grant(held: Authority, grant: AuthorityGrant) -> bool:
    return all(getattr(held, name) == getattr(grant, name) for name in grant.__struct_fields__)


def _session(tx: Tx) -> Session:
    assert isinstance(tx.actor, Session)
    return tx.actor


def _by(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


__all__ = [
    "authenticate",
    "authorities",
    "check_live",
    "check_settings",
    "import_officers",
    "list_officer",
    "officers",
    "require_authority",
    "running",
]
