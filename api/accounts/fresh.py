"""Verbs of a fresh authentication over a hash: a ticket is given for it, used once, or cancelled.

The way to the provider and back is `signin`'s; here begins what a one-time code leads to.
"""

from __future__ import annotations

from uuid import UUID

from api import events, ids, sealed
from api.accounts import fresh_queries as queries
from api.accounts import queries as people
from api.accounts import tokens
from api.accounts.fresh_model import (
    TICKET_FOR,
    FreshAuthentication,
    FreshAuthenticationNeeded,
    FreshAuthenticationOfAnother,
    FreshAuthenticationOfOtherContent,
    FreshAuthenticationUsed,
    Ticket,
)
from api.accounts.fresh_queries import Fresh
from api.accounts.model import AccountSuspended, NoAccount, Status
from api.db import Tx
from api.permissions import Session
from api.problems import SignInNeeded

KIND = "fresh_authentication"


async def give_ticket(tx: Tx, account: UUID, client: str, fresh: Fresh) -> tuple[UUID, Ticket]:
    """A ticket of five minutes for `fresh.sha256`, and the id of its row. No session is opened.

    Raises `AccountSuspended`.
    """
    row = await people.lock_account(tx, account)
    if row is None:
        raise NoAccount()
    if row.status != Status.active:
        raise AccountSuspended()
    id, ticket = ids.new(), tokens.secret()
    hashed = sealed.index("ticket", ticket)
    await queries.insert(tx, id, hashed, account, client, fresh, tx.now + TICKET_FOR)
    facts = {"account": account, "client": client, "sha256": fresh.sha256}
    await events.record(tx, "fresh_authentication.given", KIND, id, facts=facts)
    return id, Ticket(ticket=ticket, sha256=fresh.sha256)


async def use_fresh_authentication(tx: Tx, ticket: str, sha256: str) -> FreshAuthentication:
    """Uses up the caller's ticket for `sha256`, the hash of exactly what they were shown.

    Call it in the transaction of the act, after asking whether the act was done before: a
    rollback gives the ticket back, a commit leaves the row as evidence. Raises
    `FreshAuthenticationNeeded` (unknown, expired, cancelled), `FreshAuthenticationUsed`,
    `FreshAuthenticationOfAnother`, `FreshAuthenticationOfOtherContent`, `AccountSuspended`.
    """
    if not isinstance(tx.actor, Session):
        raise SignInNeeded()
    if not 0 < len(ticket) <= 200:
        raise FreshAuthenticationNeeded()
    status = await people.hold_status(tx, tx.actor.account)  # before the row, as `suspend` does
    held = await queries.lock(tx, sealed.indexes("ticket", ticket))
    if held is None:
        raise FreshAuthenticationNeeded()
    id = held.id
    if held.account != tx.actor.account:
        problem = FreshAuthenticationOfAnother()
        raise problem.surviving(lambda later: _refused(later, id, "another account"))
    if held.used_at is not None:
        raise FreshAuthenticationUsed().surviving(lambda later: _refused(later, id, "used"))
    if held.cancelled_at is not None or held.expires_at <= tx.now:
        raise FreshAuthenticationNeeded()
    if status != Status.active:
        raise AccountSuspended()
    if held.sha256 != sha256:
        raise FreshAuthenticationOfOtherContent()
    await queries.use(tx, id)
    facts = {"account": held.account, "sha256": sha256}
    await events.record(tx, "fresh_authentication.used", KIND, id, facts=facts)
    return FreshAuthentication(id, held.account, held.provider, held.authenticated_at)


async def cancel(tx: Tx, id: UUID, reason: str) -> None:
    """A ticket that must not count any more; one that was used stays as it is."""
    if await queries.cancel(tx, id):
        facts = {"reason": reason}
        await events.record(tx, "fresh_authentication.cancelled", KIND, id, facts=facts)


async def _refused(tx: Tx, id: UUID, reason: str) -> None:
    facts = {"reason": reason}
    await events.record(tx, "fresh_authentication.refused", KIND, id, facts=facts)
