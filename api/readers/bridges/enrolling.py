"""How a desk PC becomes a device: it asks, a person with the right approves (RFC 8628)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from api import codes, events, ids, limits, sealed, settings
from api.db import Tx
from api.limits import Bucket
from api.permissions import Session
from api.problems import Malformed, Overloaded
from api.readers import views
from api.readers.bridges import enrolment_queries, identity, reach, service
from api.readers.bridges.enrolment_queries import EnrolmentRow
from api.readers.bridges.keys import public
from api.readers.bridges.problems import AccessDenied, AuthorizationPending, ExpiredToken, SlowDown
from api.readers.model import (
    ENROLMENT_FOR,
    ENROLMENT_MOVES,
    ENROLMENT_TH,
    ENROLMENT_TRIES,
    BridgeState,
    EnrolmentState,
)
from api.readers.problems import (
    CodeMistyped,
    EnrolmentNotFound,
    EnrolmentOver,
    EnrolmentWrong,
    FingerprintWrong,
    KeyTaken,
)
from reader_bridge.messages import (
    GENESIS,
    Enrolment,
    Kind,
    NotSigned,
    Signed,
    opened,
)
from reader_bridge.server_keys import enrolment_fingerprint

VERB: Final = "bridge.approve"
PAGE: Final = "/bridges/enrol"
INTERVAL: Final = timedelta(seconds=5)
_EARLY: Final = timedelta(milliseconds=500)
"""A network is not punctual; so much before its time a question is not yet hurried."""
USER_CODE: Final = 8
"""Characters, one of them the check: 35 random bits, which the limits below make enough."""
_FINGERPRINT: Final = range(12, 21)
"""So many hexadecimal digits are compared. Nobody can look for keys of which they agree, for the
code that goes in with them is drawn after both keys are told: each try is a new enrolment."""
_HEX: Final = frozenset("0123456789ABCDEF")


class _Claimed(msgspec.Struct):
    public_key: bytes
    server: bytes = b""


# --- the PC ---------------------------------------------------------------------------------------


async def take_ask(tx: Tx, network: str) -> None:
    """An enrolment more from this network, in a transaction of its own. Raises `TooFast`."""
    await limits.take(tx, limits.named("bridge-enrol", network), capacity=60, per_second=60 / 3600)


async def take_poll(tx: Tx, network: str) -> None:
    """The same of questions whether it was approved: one office has a few PCs at a time."""
    await limits.take(tx, limits.named("bridge-poll", network), capacity=300, per_second=10)


async def ask(tx: Tx, signed: Signed, network: str) -> views.EnrolmentBegun:
    """Raises `EnrolmentWrong` where the key presented did not sign this for this server, and
    `KeyTaken`."""
    asked = _verified(signed)
    if await enrolment_queries.key_is_taken(tx, asked.public_key):
        raise KeyTaken()
    for _ in range(3):
        id, device_code, user_code = ids.new(), secrets.token_urlsafe(32), codes.new(USER_CODE)
        shown = codes.shown(user_code)
        fingerprint = enrolment_fingerprint(asked.public_key, asked.server, shown)
        made = await enrolment_queries.insert(
            tx,
            id,
            sealed.index("bridge.device_code", device_code),
            sealed.index("bridge.user_code", user_code),
            asked,
            fingerprint,
            network,
            tx.now + ENROLMENT_FOR,
        )
        if made:
            break
    else:
        raise Overloaded()
    facts = {"key_protection": asked.key_protection}
    await events.record(tx, "bridge.enrolment_asked", "bridge_enrolment", id, facts=facts)
    return views.EnrolmentBegun(
        device_code=device_code,
        user_code=shown,
        fingerprint=fingerprint,
        verification_uri=settings.current().base_url + PAGE,
        expires_in=int(ENROLMENT_FOR.total_seconds()),
        interval=int(INTERVAL.total_seconds()),
    )


async def poll(tx: Tx, device_code: str) -> views.EnrolmentGranted:
    """What became of it, as often as it is asked: an answer may be lost.

    Raises the problems of RFC 8628 §3.5.
    """
    row = await enrolment_queries.by_device_code(
        tx, sealed.indexes("bridge.device_code", device_code)
    )
    if row is None:
        raise ExpiredToken()
    state = _state(tx, row)
    if state is EnrolmentState.expired:
        raise ExpiredToken()
    if state is EnrolmentState.pending:
        if row.polled_at is not None and tx.now - row.polled_at < INTERVAL - _EARLY:
            raise SlowDown()
        interval = int(INTERVAL.total_seconds())
        raise AuthorizationPending(interval=interval).surviving(
            partial(enrolment_queries.polled, id=row.id)
        )
    if row.bridge is None or row.device_state == BridgeState.revoked:
        raise AccessDenied()
    return views.EnrolmentGranted(
        device=row.bridge,
        audience=settings.current().base_url,
        office=row.office or "",
        name=row.device_name or "",
        keys=identity.shown(),
    )


def _verified(signed: Signed) -> Enrolment:
    """The enrolment, of whoever has the private half of the key that it presents, and has seen this
    server's identity: not one that went before, whose thief could stand in between."""
    try:
        claimed = msgspec.json.decode(signed.body, type=_Claimed)
        key = public(claimed.public_key)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise EnrolmentWrong(reason="key") from None
    if claimed.server != identity.shown().identity:
        raise EnrolmentWrong(reason="server")
    try:
        asked = opened(key, Kind.enrolment, signed, Enrolment)
    except NotSigned:
        raise EnrolmentWrong(reason="signature") from None
    audience = settings.current().base_url
    if asked.audience != audience:
        raise EnrolmentWrong(reason="audience", audience=audience)
    return asked


# --- the approver ---------------------------------------------------------------------------------


def typed(user_code: str) -> str:
    """The code that a person typed. Raises `CodeMistyped`, which is not counted."""
    found = codes.read(user_code, USER_CODE)
    if found is None:
        raise CodeMistyped()
    return found


async def take_try(tx: Tx, network: str) -> None:
    """A code more to be tried, in a transaction of its own; `look` gives it back for a right one.

    So no number of questions at once, at any number of servers, gets past it. Raises `TooFast`.
    """
    await limits.take_all(tx, _tries(tx, network))


async def look(tx: Tx, code: str, network: str) -> views.Enrolment:
    """Who shows `code`. Raises `EnrolmentNotFound`, for one that has expired too."""
    row = await enrolment_queries.by_user_code(tx, sealed.indexes("bridge.user_code", code))
    if row is None or _state(tx, row) is EnrolmentState.expired:
        raise EnrolmentNotFound()
    await limits.give_back(tx, _tries(tx, network))
    return _view(tx, row)


async def compare(tx: Tx, id: UUID, said: str) -> int | None:
    """Holds a fingerprint against that of who asked: None where it is that one, else how many tries
    are left; the fifth wrong one locks the enrolment. In a transaction of its own,
    before `approve`: however many come at once, five are compared.

    Raises `Malformed`, `EnrolmentNotFound` and `EnrolmentOver`.
    """
    row = await _held(tx, id, "approve")
    if _is_fingerprint(row, said):
        return None
    tries = await enrolment_queries.count_try(tx, id)
    facts = {"tries": tries}
    await events.record(tx, "bridge.enrolment_mismatched", "bridge_enrolment", id, facts=facts)
    if tries >= ENROLMENT_TRIES:
        await enrolment_queries.move(tx, id, EnrolmentState.locked)
        await events.record(tx, "bridge.enrolment_locked", "bridge_enrolment", id)
    return max(0, ENROLMENT_TRIES - tries)


async def approve(tx: Tx, id: UUID, wanted: views.ApproveEnrolment) -> views.Bridge:
    """Makes it a device of an office, once its fingerprint was compared. Raises
    `EnrolmentNotFound`, `EnrolmentOver`, `OfficeOutOfReach`, `KeyTaken`, `FingerprintWrong`."""
    row = await _held(tx, id, "approve")
    office = await reach.chosen(tx, VERB, wanted.office)
    if not _is_fingerprint(row, wanted.fingerprint):
        raise FingerprintWrong(left=max(0, ENROLMENT_TRIES - row.tries))
    assert isinstance(tx.actor, Session)
    bridge = ids.new()
    await enrolment_queries.insert_bridge(
        tx, bridge, office, wanted.name.strip(), row, tx.actor.account, GENESIS
    )
    await enrolment_queries.move(tx, id, EnrolmentState.approved, bridge)
    facts = {"bridge": bridge, "office": office, "key_protection": row.key_protection}
    await events.record(tx, "bridge.enrolment_approved", "bridge_enrolment", id, facts=facts)
    return await service.bridge(tx, bridge, VERB)


async def refuse(tx: Tx, id: UUID) -> None:
    """A second time changes nothing. Raises `EnrolmentNotFound`, `EnrolmentOver`."""
    found = await enrolment_queries.enrolment(tx, id)
    if found is not None and found.state == EnrolmentState.refused:
        return
    await _held(tx, id, "refuse")
    await enrolment_queries.move(tx, id, EnrolmentState.refused)
    await events.record(tx, "bridge.enrolment_refused", "bridge_enrolment", id)


async def _held(tx: Tx, id: UUID, verb: str) -> EnrolmentRow:
    await tx.lock([id])
    row = await enrolment_queries.enrolment(tx, id)
    if row is None:
        raise EnrolmentNotFound()
    state = _state(tx, row)
    if (verb, state) not in ENROLMENT_MOVES:
        raise EnrolmentOver(state=state)
    return row


def _is_fingerprint(row: EnrolmentRow, said: str) -> bool:
    """Raises `Malformed` for what is none, or too short to prove anything."""
    digits = said.replace(" ", "").replace("-", "").upper()
    if len(digits) not in _FINGERPRINT or not _HEX.issuperset(digits):
        raise Malformed(reason="12 hexadecimal digits", where="fingerprint")
    return row.fingerprint.replace(" ", "").startswith(digits)


def _tries(tx: Tx, network: str) -> list[Bucket]:
    assert isinstance(tx.actor, Session)
    return [
        Bucket(limits.named("bridge-code-account", str(tx.actor.account)), 10, 10 / 3600),
        Bucket(limits.named("bridge-code-network", network), 60, 60 / 3600),
    ]


def _state(tx: Tx, row: EnrolmentRow) -> EnrolmentState:
    state = EnrolmentState(row.state)
    over = state is EnrolmentState.pending and row.expires_at <= tx.now
    return ENROLMENT_MOVES["expire", state] if over else state


def _view(tx: Tx, row: EnrolmentRow) -> views.Enrolment:
    state = _state(tx, row)
    return views.Enrolment(
        id=row.id,
        state=state,
        state_th=ENROLMENT_TH[state],
        name=row.name,
        platform=row.platform,
        software=row.software,
        key_protection=row.key_protection,  # type: ignore[arg-type]
        network=row.network,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        tries_left=max(0, ENROLMENT_TRIES - row.tries),
    )
