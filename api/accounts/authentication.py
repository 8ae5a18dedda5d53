"""Who is asking: the two calls that the edge makes, and their bounded caches.

`authenticate` serves every request: a token is verified once (EdDSA costs 266 µs) and remembered
until it expires, the session's facts for `FACTS_FOR_S` seconds. `check_live` serves every write:
one statement in its transaction, so that a leaver's rights end with the next write.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final
from uuid import UUID

from api import clock, events
from api.accounts import session_queries as queries
from api.accounts import tokens
from api.accounts.model import DeviceWiped, SessionEnded, Status, TokenExpired
from api.accounts.session_queries import Facts
from api.db import Database, Tx
from api.permissions import Role, Session

FACTS_FOR_S: Final = 30.0
_HELD: Final = 20_000
_tokens: OrderedDict[str, tokens.Claims] = OrderedDict()
_sessions: OrderedDict[UUID, tuple[float, Session]] = OrderedDict()


async def authenticate(token: str, db: Database) -> Session:
    """The session behind an access token, its facts at most 30 s old.

    Raises `TokenRefused`, `TokenExpired`, `SessionEnded` or `DeviceWiped`, all 401.
    """
    claims = _claims(token)
    held = _sessions.get(claims.sid)
    if held is not None and time.monotonic() - held[0] < FACTS_FOR_S:
        return held[1]
    try:
        async with db.read() as tx:
            return await _session(tx, claims.sid, claims.sub)
    except DeviceWiped:
        async with db.begin() as tx:
            await note_wipe(tx, claims.sid)
        raise


async def check_live(tx: Tx, session: Session) -> Session:
    """The session's facts as they stand in this transaction.

    Raises `SessionEnded` or `DeviceWiped` when it no longer counts.
    """
    try:
        return await _session(tx, session.session, session.account)
    except DeviceWiped as problem:
        raise problem.surviving(lambda later: note_wipe(later, session.session)) from None


def forget(session: UUID) -> None:
    """Drops what this process remembers of a session; other processes lag by up to 30 s."""
    _sessions.pop(session, None)


def forget_account(account: UUID) -> None:
    """Drops the remembered sessions of an account whose rights have changed."""
    for id in [id for id, (_, held) in _sessions.items() if held.account == account]:
        del _sessions[id]


def forget_all() -> None:
    """Drops every remembered token and session, after a change that touches many."""
    _tokens.clear()
    _sessions.clear()


def session_of(facts: Facts) -> Session:
    """The actor: listed roles, citizen where there are none, operator through a company."""
    roles = {Role(name) for name in facts.roles} or {Role.citizen}
    if facts.companies:
        roles.add(Role.operator)
    return Session(
        account=facts.account,
        session=facts.session,
        roles=frozenset(roles),
        office=facts.office,
        provinces=tuple(facts.provinces),
        companies=tuple(facts.companies),
    )


def _claims(token: str) -> tokens.Claims:
    now = clock.now()
    claims = _tokens.get(token)
    if claims is None:
        claims = tokens.read(token, now)
        _tokens[token] = claims
        if len(_tokens) > _HELD:
            _tokens.popitem(last=False)
    elif now.timestamp() >= claims.exp:
        del _tokens[token]
        raise TokenExpired()
    return claims


async def _session(tx: Tx, id: UUID, account: UUID) -> Session:
    facts = await queries.facts(tx, id)
    if facts is not None and facts.wipe:
        forget(id)
        raise DeviceWiped()
    if facts is None or facts.ended or facts.status != Status.active or facts.account != account:
        forget(id)
        raise SessionEnded()
    session = session_of(facts)
    _sessions[id] = (time.monotonic(), session)
    _sessions.move_to_end(id)
    if len(_sessions) > _HELD:
        _sessions.popitem(last=False)
    return session


async def note_wipe(tx: Tx, session: UUID) -> None:
    """Records once that the lost device was told to wipe."""
    if await queries.told_to_wipe(tx, session):
        await events.record(tx, "session.wipe_told", "session", session)
