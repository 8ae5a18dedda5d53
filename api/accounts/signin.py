"""Verbs of signing in: attempt → identity → one-time code → session and tokens → end.

Each verb is the content of one transaction. What talks to a provider happens between two of them
(`api.accounts.oidc`).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api import events, ids, limits, sealed
from api.accounts import authentication, fresh, tokens
from api.accounts import queries as people
from api.accounts import session_queries as queries
from api.accounts.binding import bind, subject_index
from api.accounts.fresh_model import LogInNotFresh, Ticket
from api.accounts.model import (
    AccountSuspended,
    DeviceWiped,
    EndReason,
    Identity,
    NoAccount,
    NoSession,
    Status,
)
from api.accounts.oauth_problems import InvalidGrant, SignInLost, UnknownClient
from api.accounts.session_queries import Attempt, Code
from api.db import Tx
from api.permissions import Session


class AuthorizeRequest(msgspec.Struct, kw_only=True):
    """A checked request for authorization (RFC 6749 §4.1.1, RFC 7636 §4.3).

    With `sha256` it asks for a fresh authentication over that hash and for no session.
    """

    client: str
    redirect_uri: str
    state: str | None
    code_challenge: str
    device_name: str = ""
    sha256: str | None = None


class Tokens(msgspec.Struct, kw_only=True, tag_field="token_type", tag="Bearer"):
    """The answer of the token endpoint (RFC 6749 §5.1). `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int = int(tokens.ACCESS_FOR.total_seconds())


class Opened(msgspec.Struct):
    """An attempt come back from its provider: nonce and verifier are to be checked with it."""

    attempt: Attempt
    nonce: str
    verifier: str

    @property
    def log_in_since(self) -> datetime | None:
        """When the log-in at the provider must be newer than this, where it must be new."""
        return None if self.attempt.sha256 is None else self.attempt.expires_at - tokens.ATTEMPT_FOR


async def check_client(tx: Tx, client: str, redirect_uri: str, public_url: str) -> None:
    """Raises `UnknownClient` before anybody is redirected anywhere."""
    if "\0" in client:
        raise UnknownClient()
    registered = await queries.client_redirects(tx, client)
    if registered is None or not tokens.may_redirect(redirect_uri, registered, public_url):
        raise UnknownClient()


async def begin_attempt(
    tx: Tx, request: AuthorizeRequest, provider: str, browser: str, address: str
) -> tuple[str, str, str]:
    """Remembers a sign-in on its way to `provider`; returns (state, nonce, verifier).

    `browser` is the cookie that ties the way back to the same browser. Raises `TooFast`.
    """
    await limits.take(tx, limits.named("authorize", address), capacity=60, per_second=0.5)
    state, nonce, verifier = tokens.secret(), tokens.secret(), tokens.secret()
    await queries.insert_attempt(
        tx,
        sealed.index("state", state),
        Attempt(
            browser_hash=sealed.index("browser", browser),
            provider=provider,
            client=request.client,
            redirect_uri=request.redirect_uri,
            client_state=request.state,
            code_challenge=request.code_challenge,
            device_name=request.device_name[:80],
            locked=tokens.lock(state, f"{nonce} {verifier}"),
            expires_at=tx.now + tokens.ATTEMPT_FOR,
            sha256=request.sha256,
        ),
    )
    return state, nonce, verifier


async def take_attempt(tx: Tx, state: str, provider: str, browser: str) -> Opened:
    """The attempt that `state` names, once. Raises `SignInLost`."""
    attempt = await queries.take_attempt(tx, sealed.indexes("state", state))
    if (
        attempt is None
        or attempt.expires_at <= tx.now
        or attempt.provider != provider
        or attempt.browser_hash not in sealed.indexes("browser", browser)
    ):
        raise SignInLost()
    nonce, _, verifier = tokens.unlock(state, attempt.locked).partition(" ")
    return Opened(attempt, nonce, verifier)


async def grant_code(tx: Tx, attempt: Attempt, identity: Identity) -> str:
    """Binds the identity to its account and returns a one-time code for the client.

    Raises `NotListed`, `AccountSuspended`, `BoundElsewhere`, `WrongCid`, `LogInNotFresh`.
    """
    account = await bind(tx, identity)
    code, signs = tokens.secret(), attempt.sha256 is not None
    if signs and identity.authenticated_at is None:
        raise LogInNotFresh(reason="missing")
    await queries.insert_code(
        tx,
        sealed.index("code", code),
        Code(
            account=account,
            client=attempt.client,
            redirect_uri=attempt.redirect_uri,
            code_challenge=attempt.code_challenge,
            device_name=attempt.device_name,
            expires_at=tx.now + tokens.CODE_FOR,
            sha256=attempt.sha256,
            provider=identity.issuer if signs else None,
            subject_index=subject_index(identity) if signs else None,
            authenticated_at=identity.authenticated_at if signs else None,
        ),
    )
    name = "account.authenticated" if signs else "account.signed_in"
    await events.record(tx, name, "account", account, facts={"client": attempt.client})
    return code


async def redeem_code(
    tx: Tx, code: str, client: str, redirect_uri: str, verifier: str
) -> Tokens | Ticket:
    """Tokens for a one-time code, or a ticket for one of a fresh authentication.

    A second use, by whoever, ends the session that the first one opened (RFC 6749 §4.1.2), or
    cancels the ticket. Raises `InvalidGrant`, `AccountSuspended`.
    """
    hashes = sealed.indexes("code", code)
    found = await queries.lock_code(tx, hashes)
    if found is None:
        raise InvalidGrant()
    if found.session is not None:
        session = found.session
        raise InvalidGrant().surviving(lambda later: _end_reused(later, session, "code_reused"))
    if found.authentication is not None:
        given = found.authentication
        raise InvalidGrant().surviving(lambda later: fresh.cancel(later, given, "code_reused"))
    if (
        found.expires_at <= tx.now
        or found.client != client
        or found.redirect_uri != redirect_uri
        or not tokens.proves(verifier, found.code_challenge)
    ):
        raise InvalidGrant()
    if found.fresh is not None:
        id, ticket = await fresh.give_ticket(tx, found.account, client, found.fresh)
        await queries.use_code(tx, hashes, authentication=id)
        return ticket
    session, issued = await open_session(tx, found.account, client, found.device_name)
    await queries.use_code(tx, hashes, session=session)
    return issued


async def open_session(tx: Tx, account: UUID, client: str, device_name: str) -> tuple[UUID, Tokens]:
    """A new session of `account`: its id and first tokens. Raises `AccountSuspended`."""
    row = await people.lock_account(tx, account)
    if row is None:
        raise NoAccount()
    if row.status != Status.active:
        raise AccountSuspended()
    session, refresh = ids.new(), tokens.secret()
    await queries.insert_session(tx, session, account, client, device_name)
    await queries.insert_refresh(
        tx, sealed.index("refresh", refresh), session, tx.now + tokens.REFRESH_FOR
    )
    await events.record(tx, "session.opened", "session", session, facts={"client": client})
    return session, _answer(account, session, refresh, tx.now)


async def refresh(tx: Tx, token: str, client: str) -> Tokens:
    """The next tokens for a refresh token, which is used up thereby.

    The same token again within 60 s gets the same successor again, as long as nobody has used
    that one: on a bad line the answer may be lost. Any other second use ends the session.
    Raises `InvalidGrant`, `DeviceWiped`.
    """
    if len(token) > 200:
        raise InvalidGrant()
    held = await queries.lock_refresh(tx, sealed.indexes("refresh", token))
    if held is None or held.client != client:
        raise InvalidGrant()
    session = held.session
    if held.wipe:
        raise DeviceWiped().surviving(lambda later: authentication.note_wipe(later, session))
    if held.ended:
        raise InvalidGrant()
    if held.used_at is not None:
        lost = tx.now - held.used_at <= tokens.REPEAT_FOR
        if lost and not held.successor_used and held.successor is not None:
            again = tokens.unlock(token, held.successor)
            return _answer(held.account, session, again, tx.now)
        raise InvalidGrant().surviving(lambda later: _end_reused(later, session, "token_reused"))
    if held.expires_at <= tx.now:
        raise InvalidGrant()
    following = tokens.secret()
    hashed = sealed.index("refresh", following)
    await queries.insert_refresh(tx, hashed, session, tx.now + tokens.REFRESH_FOR)
    await queries.replace_refresh(tx, held.hash, hashed, tokens.lock(token, following))
    await queries.forget_successor_of(tx, held.hash)
    await queries.touch_session(tx, session)
    await events.record(tx, "session.refreshed", "session", session)
    return _answer(held.account, session, following, tx.now)


async def revoke(tx: Tx, token: str, client: str) -> None:
    """Ends the session of a refresh token (RFC 7009); says nothing when there is none."""
    if not token or len(token) > 200:
        return
    held = await queries.lock_refresh(tx, sealed.indexes("refresh", token))
    if held is not None and held.client == client:
        await end(tx, held.session, EndReason.signed_out)


async def sign_out(tx: Tx) -> None:
    """Ends the caller's own session."""
    assert isinstance(tx.actor, Session)
    await end(tx, tx.actor.session, EndReason.signed_out)


async def end_device(tx: Tx, id: UUID, *, everyone: bool, wipe: bool) -> None:
    """Ends another session; `wipe` reports its device lost. Raises `NoSession`.

    `everyone`: an administrator may end anybody's.
    """
    assert isinstance(tx.actor, Session)
    owner = await queries.session_owner(tx, id)
    if owner is None or (owner != tx.actor.account and not everyone):
        raise NoSession()
    await end(tx, id, EndReason.lost_device if wipe else EndReason.ended_elsewhere, wipe=wipe)


async def end(tx: Tx, session: UUID, reason: EndReason, *, wipe: bool = False) -> None:
    """Ends a session; a second time changes nothing."""
    if await queries.end_session(tx, session, reason, wipe=wipe):
        await events.record(
            tx, "session.ended", "session", session, facts={"reason": reason, "wipe": wipe}
        )
    authentication.forget(session)


async def _end_reused(tx: Tx, session: UUID, reason: str) -> None:
    await end(tx, session, EndReason(reason))


def _answer(account: UUID, session: UUID, refresh_token: str, now: datetime) -> Tokens:
    return Tokens(access_token=tokens.mint(account, session, now), refresh_token=refresh_token)
