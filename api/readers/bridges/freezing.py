"""What should not happen is an incident; where two hold one key, the device is frozen."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from api import events, ids
from api.db import Tx
from api.readers.model import Incident

MOST_AN_HOUR: Final = 20


async def note(tx: Tx, bridge: UUID, kind: Incident, facts: dict[str, str]) -> None:
    """An incident for whoever looks after the fleet; `facts` are no personal data.

    Of what is not more than strange (`foreign`), so many an hour say all.
    """
    noted = await tx.run(
        """
        insert into bridge_incident (id, bridge, kind, facts, at)
        select $1, $2, $3, $4::jsonb, $5::timestamptz
        where $3::text <> 'foreign' or $6 > (select count(*) from bridge_incident
            where bridge = $2 and at > $5::timestamptz - interval '1 hour')
        """,
        ids.new(),
        bridge,
        kind,
        msgspec.json.encode(facts).decode(),
        tx.now,
        MOST_AN_HOUR,
    )
    if noted:
        await events.record(
            tx, "bridge.incident_noted", "bridge", bridge, facts={"kind": kind, **facts}
        )


async def freeze(tx: Tx, bridge: UUID, kind: Incident, facts: dict[str, str]) -> None:
    """Ends a device's service until somebody revokes it; it cannot go on under its key.

    Its open intents are cancelled, its tickets void. A second time changes nothing.
    """
    await tx.lock([bridge])
    frozen = await tx.run(
        """
        update bridge set state = 'frozen', ended_at = $2, ended_why = $3, version = version + 1
        where id = $1 and state = 'active'
        """,
        bridge,
        tx.now,
        kind,
    )
    await note(tx, bridge, kind, facts)
    if frozen:
        await close(tx, bridge)
        await events.record(tx, "bridge.frozen", "bridge", bridge, facts={"kind": kind})


async def close(tx: Tx, bridge: UUID) -> None:
    """Nobody waits for a device that has ended, and no ticket of its is good."""
    await tx.run(
        """
        update intent set state = 'cancelled', moved_at = $2, version = version + 1
        where bridge = $1 and state = 'armed'
        """,
        bridge,
        tx.now,
    )
    await tx.run(
        """
        update offline_ticket set void_at = $2, void_why = 'device:ended'
        where bridge = $1 and used_at is null and void_at is null
        """,
        bridge,
        tx.now,
    )
