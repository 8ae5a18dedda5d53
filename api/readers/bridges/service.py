"""What officers do with the devices of their office: look, rename, revoke, look into incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from api import events
from api.db import Tx
from api.permissions import Session
from api.problems import Stale
from api.readers import views
from api.readers.bridges import attached, freezing, queries, reach
from api.readers.bridges.queries import BridgeRow, IncidentRow
from api.readers.model import BRIDGE_MOVES, BRIDGE_TH, BridgeState
from api.readers.problems import BridgeNotFound, IncidentNotFound
from reader_bridge.messages import fingerprint

READ: Final = "bridge.read"


async def bridge(tx: Tx, id: UUID, verb: str = READ) -> views.Bridge:
    """Raises `BridgeNotFound`."""
    return view(await _held(tx, id, verb), tx.now)


async def bridges(
    tx: Tx, office: UUID | None, state: BridgeState | None, after: UUID | None, limit: int
) -> list[views.Bridge]:
    """In the order in which they were approved."""
    reached = reach.office(tx.actor, READ)
    rows = await queries.bridges(tx, reached, office, state, after, limit)
    return [view(row, tx.now) for row in rows]


async def rename(tx: Tx, id: UUID, name: str, version: int) -> views.Bridge:
    """Raises `BridgeNotFound`, `Stale`."""
    await tx.lock([id])
    row = await _held(tx, id, "bridge.edit")
    if row.version != version:
        raise Stale(current=row.version)
    await queries.rename(tx, id, name.strip())
    await events.record(tx, "bridge.renamed", "bridge", id)
    return await bridge(tx, id, "bridge.edit")


async def revoke(tx: Tx, id: UUID, reason: str) -> views.Bridge:
    """Ends a device for good: nobody waits for it, its tickets are void, its readers leave their
    desks. A second time changes nothing. Raises `BridgeNotFound`."""
    await tx.lock([id])
    row = await _held(tx, id, "bridge.revoke")
    if ("revoke", BridgeState(row.state)) not in BRIDGE_MOVES:
        return view(row, tx.now)
    await queries.revoke(tx, id, reason)
    await freezing.close(tx, id)
    await attached.unmap(tx, await queries.readers_of(tx, id), "bridge_revoked")
    await events.record(tx, "bridge.revoked", "bridge", id, facts={"was": row.state})
    return await bridge(tx, id, "bridge.revoke")


async def readers(
    tx: Tx, office: UUID | None, bridge: UUID | None, after: UUID | None, limit: int
) -> list[views.Reader]:
    """Readers of devices in service, also those that are away."""
    reached = reach.office(tx.actor, READ)
    rows = await queries.readers(tx, reached, office, bridge, after, limit)
    return [views.Reader(**msgspec.structs.asdict(row)) for row in rows]


async def incidents(
    tx: Tx, bridge: UUID | None, looked: bool | None, after: UUID | None, limit: int
) -> list[views.BridgeIncident]:
    """The newest first."""
    reached = reach.office(tx.actor, "bridge_incident.read")
    rows: Sequence[IncidentRow] = await queries.incidents(tx, reached, bridge, looked, after, limit)
    return [_incident(row) for row in rows]


async def look_at_incident(tx: Tx, id: UUID, note: str) -> views.BridgeIncident:
    """Who looked first and what they found stands. Raises `IncidentNotFound`."""
    reached = reach.office(tx.actor, "bridge_incident.look")
    row = await queries.incident(tx, id, reached)
    if row is None:
        raise IncidentNotFound()
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    if await queries.look_at_incident(tx, id, by, note.strip()):
        facts = {"incident": id, "kind": row.kind}
        await events.record(tx, "bridge.incident_looked_at", "bridge", row.bridge, facts=facts)
    found = await queries.incident(tx, id, reached)
    assert found is not None
    return _incident(found)


async def _held(tx: Tx, id: UUID, verb: str) -> BridgeRow:
    row = await queries.bridge(tx, id, reach.office(tx.actor, verb))
    if row is None:
        raise BridgeNotFound()
    return row


def view(row: BridgeRow, now: datetime) -> views.Bridge:
    """The device as officers see it at `now`."""
    heard = row.last_seen_at is not None and now - row.last_seen_at < queries.IN_REACH
    state = BridgeState(row.state)
    return views.Bridge(
        id=row.id,
        office=row.office,
        name=row.name,
        state=state,
        state_th=BRIDGE_TH[state],
        fingerprint=fingerprint(row.public_key),
        key_protection=row.key_protection,  # type: ignore[arg-type]
        platform=row.platform,
        software=row.software,
        approved_at=row.approved_at,
        last_seen_at=row.last_seen_at,
        connected=heard and state is BridgeState.active,
        sequence=row.sequence,
        ended_at=row.ended_at,
        ended_why=row.ended_why,
        version=row.version,
    )


def _incident(row: IncidentRow) -> views.BridgeIncident:
    return msgspec.convert(
        {**msgspec.structs.asdict(row), "facts": msgspec.json.decode(row.facts)},
        views.BridgeIncident,
    )
