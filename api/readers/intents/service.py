"""A signed-in session waits for a card at a desk: arm, read, cancel; how far the bridge is with it.

An intent lives 90 seconds. One that is past them reads as expired at once, and is written so by
whoever touches it next, at the latest by `expire` every second. `deliver` is the statement's part
(`api.readers.readings`).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from api import cursors, events, limits, settings
from api.db import Tx
from api.jobs import Job
from api.permissions import Session
from api.readers.bridges import reach
from api.readers.bridges.queries import IN_REACH
from api.readers.intents import abouts, queries
from api.readers.intents.queries import Moved, Open, Place, Row
from api.readers.model import (
    INTENT_FOR,
    INTENT_KEPT_FOR,
    INTENT_MOVES,
    INTENT_TH,
    POLICIES,
    IntentState,
    Purpose,
)
from api.readers.problems import (
    AboutNeeded,
    BridgeNotFound,
    DeskNotFound,
    DeskWithoutReader,
    FieldsNotAllowed,
    IntentExists,
    IntentNotFound,
    IntentOver,
)
from api.readers.views import ArmIntent, Intent
from reader_bridge.fields import Field
from reader_bridge.messages import Progress
from reader_bridge.texts import FAULT

CANCEL_OF_SESSION: Final = "intents.cancel_of_session"
SHOWN_FOR: Final = timedelta(minutes=10)
"""So long what has ended is told to a stream that begins."""


def session_of(tx: Tx) -> Session:
    assert isinstance(tx.actor, Session)  # no other actor has these verbs
    return tx.actor


async def arm(tx: Tx, id: UUID, entry: ArmIntent) -> Intent:
    """Waits for a card. The same again is the same intent, however it has ended meanwhile.

    Raises `IntentExists`, `IntentNotFound` (somebody else's id), `DeskNotFound`,
    `DeskWithoutReader`, `BridgeNotFound`, `AboutNeeded`, `FieldsNotAllowed`, `ReaderBusy`, what the
    use for `about` would raise now, and `TooFast`: each intent leaves rows behind for good.
    """
    actor = session_of(tx)
    purpose, about, fields = _wanted(entry)
    office = reach.office(actor, "intent.arm")
    await tx.lock([id])
    before = await queries.intent(tx, id)
    if before is not None:
        return _again(tx, before, entry, about, fields)
    most = settings.current().armings_a_minute
    bucket = f"intent-arm:{actor.account}"
    await limits.take(tx, bucket, capacity=most, per_second=most / 60)
    await abouts.check(tx, purpose, about)
    place = await _place(tx, entry, office)
    assert place.bridge is not None
    await queries.free(tx, place.bridge, place.reader, tx.now)
    row = Row(
        id=id,
        session=actor.session,
        desk=entry.desk,
        bridge=place.bridge,
        reader=place.reader,
        purpose=purpose,
        about=about,
        fields=fields,
        photo=entry.photo,
        state=IntentState.armed,
        step="armed",
        fault=None,
        done=0,
        total=0,
        reading=None,
        armed_at=tx.now,
        expires_at=tx.now + INTENT_FOR,
        version=1,
    )
    nonce = secrets.token_bytes(32)
    await queries.insert(
        tx, row, account=actor.account, office=place.office, nonce=nonce, at=tx.now
    )
    facts = {"desk": entry.desk, "bridge": place.bridge, "purpose": purpose, "photo": entry.photo}
    await events.record(tx, "intent.armed", "intent", id, facts=facts)
    return view(row, tx.now)


def _wanted(entry: ArmIntent) -> tuple[Purpose, UUID | None, list[Field]]:
    """What the purpose lets it read. Raises `AboutNeeded` and `FieldsNotAllowed`."""
    policy = POLICIES[entry.purpose]
    mapping = entry.purpose == Purpose.map_desk
    about = entry.about or (entry.desk if mapping else None)
    if policy.about is not None and about is None or mapping and about != entry.desk:
        raise AboutNeeded(kind=policy.about)
    if mapping and entry.bridge is None:
        raise AboutNeeded(kind="bridge")
    if not mapping and entry.bridge is not None:
        raise FieldsNotAllowed(fields="bridge")
    return entry.purpose, about, allowed(entry.purpose, entry.fields, photo=entry.photo)


def allowed(purpose: Purpose, wanted: list[Field] | None, *, photo: bool = False) -> list[Field]:
    """The fields that are read, the purpose's usual ones when nothing is said. Raises
    `FieldsNotAllowed`."""
    policy = POLICIES[purpose]
    fields = set(policy.needed) if wanted is None else set(wanted)
    denied = sorted(fields - policy.fields) + ["photo"] * (photo and not policy.photo)
    if denied or not (fields or purpose == Purpose.map_desk):
        raise FieldsNotAllowed(fields=", ".join(denied))
    return sorted(fields)


def _again(
    tx: Tx, before: Row, entry: ArmIntent, about: UUID | None, fields: list[Field]
) -> Intent:
    if before.session != session_of(tx).session:
        raise IntentNotFound()
    same = (before.desk, before.purpose, before.about, sorted(before.fields), before.photo) == (
        (entry.desk, entry.purpose, about, fields, entry.photo)
    ) and entry.bridge in (None, before.bridge)
    if not same:
        raise IntentExists()
    return view(before, tx.now)


async def _place(tx: Tx, entry: ArmIntent, office: UUID | None) -> Place:
    if entry.bridge is not None:
        found = await queries.place_at(tx, entry.desk, office, entry.bridge)
    else:
        found = await queries.place(tx, entry.desk, office)
    if found is None:
        raise DeskNotFound()
    if found.bridge is None:
        if entry.bridge is not None:
            raise BridgeNotFound()
        raise DeskWithoutReader(reason="unmapped")
    heard = found.last_seen_at is not None and found.last_seen_at > tx.now - IN_REACH
    if not found.active or not heard:
        raise DeskWithoutReader(reason="offline")
    if not found.seen:
        raise DeskWithoutReader(reason="away")
    return found


async def read(tx: Tx, id: UUID) -> Intent:
    """One of the session's own. Raises `IntentNotFound`."""
    return view(await _own(tx, id), tx.now)


async def listed(tx: Tx, cursor: str | None, limit: int) -> tuple[list[Intent], str | None]:
    """Those of the session, the newest first, and the cursor of the next page."""
    place = cursors.read(cursor, cursors.Place) if cursor else None
    rows = await queries.of_session(
        tx,
        session_of(tx).session,
        place.at if place else None,
        place.id if place else None,
        limit,
    )
    more = len(rows) == limit
    after = cursors.write(cursors.Place(rows[-1].armed_at, rows[-1].id)) if more else None
    return [view(row, tx.now) for row in rows], after


async def moved(tx: Tx, since: datetime | None) -> list[Intent]:
    """What a stream of the session's has to tell: all open ones, and what moved since."""
    since = since or tx.now - SHOWN_FOR
    rows = await queries.moved_of_session(tx, session_of(tx).session, since)
    return [view(row, tx.now) for row in rows]


async def cancel(tx: Tx, id: UUID) -> Intent:
    """Nobody waits any more; a second time changes nothing.

    Raises `IntentNotFound`, and `IntentOver` where it was delivered or had run out.
    """
    row = await _own(tx, id)
    state = view(row, tx.now).state
    if state == IntentState.cancelled:
        return view(row, tx.now)
    if ("cancel", state) not in INTENT_MOVES or not await queries.move(
        tx, id, IntentState.cancelled, tx.now
    ):
        raise IntentOver(state=view(await _own(tx, id), tx.now).state)
    facts = {"desk": row.desk, "purpose": row.purpose}
    await events.record(tx, "intent.cancelled", "intent", id, facts=facts)
    return view(await _own(tx, id), tx.now)


async def cancel_of_session(tx: Tx, job: Job) -> None:
    """A session that has ended waits for nothing. The job of `session.ended`."""
    for id in await queries.cancel_of_session(tx, UUID(job.args["record"]), tx.now):
        await events.record(tx, "intent.cancelled", "intent", id, facts={"why": "session-ended"})


async def expire(tx: Tx) -> list[Moved]:
    """Writes down which have run out."""
    return await queries.expire(tx, tx.now)


async def forget(tx: Tx, at_most: int) -> int:
    """Those that ended long ago; that they were stays in the audit trail. Returns how many."""
    return await queries.forget(tx, tx.now - INTENT_KEPT_FOR, at_most)


async def progress(tx: Tx, bridge: UUID, said: Progress) -> Moved | None:
    """How far `bridge` is with an intent of its own; None where that changes nothing."""
    done = min(said.done, 10**6)
    total = min(said.total, 10**6)
    return await queries.progress(tx, said.intent, bridge, said.step, said.fault, done, total)


async def at_bridge(tx: Tx, bridge: UUID, told: list[UUID]) -> list[Open]:
    """Open intents at a bridge, those that ended before their time, and how those stand that it was
    told of before."""
    return await queries.at_bridge(tx, bridge, told, tx.now)


async def _own(tx: Tx, id: UUID) -> Row:
    row = await queries.intent(tx, id)
    if row is None or row.session != session_of(tx).session:
        raise IntentNotFound()
    return row


def view(row: Row, now: datetime) -> Intent:
    """As whoever armed it sees it at `now`."""
    over = row.state == IntentState.armed and row.expires_at <= now
    state = IntentState.expired if over else row.state
    return Intent(
        id=row.id,
        desk=row.desk,
        bridge=row.bridge,
        reader=row.reader,
        purpose=row.purpose,
        about=row.about,
        fields=row.fields,
        photo=row.photo,
        state=state,
        state_th=INTENT_TH[state],
        step=row.step,
        fault=row.fault,
        fault_th=FAULT[row.fault][0] if row.fault else None,
        done=row.done,
        total=row.total,
        reading=row.reading,
        armed_at=row.armed_at,
        expires_at=row.expires_at,
        version=row.version,
    )


async def moved_since(
    tx: Tx, since: datetime, bridges: list[UUID], sessions: list[UUID]
) -> list[Moved]:
    """What moved at any of `bridges`, or of any of `sessions`."""
    return await queries.moved_since(tx, since, bridges, sessions)
