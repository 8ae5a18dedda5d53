"""A complaint put where an office would have brought it, in one statement."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api import deadlines
from api.complaints import clocks
from api.complaints.intake import CLOCK
from api.complaints.model import State
from api.permissions import Worker
from tests.world import World, now

ENDED = (State.resolved, State.closed, State.rejected, State.duplicate)


async def put_in(
    world: World,
    id: UUID,
    state: State,
    *,
    at: datetime | None = None,
    into: UUID | None = None,
) -> None:
    """`at`: when it ended, or when the office began to wait. `into`: of a duplicate."""
    at = at or now()
    ended = at if state in ENDED else None
    async with world.db.begin(Worker("test")) as tx:
        stored = await tx.value("select clocks::text from complaint where id = $1", id)
        running = clocks.read(stored)
        if ended:
            clocks.meet_all(running, at)
            await deadlines.meet(tx, CLOCK, id)
        await tx.run(
            """
            update complaint set state = $2, merged_into = $3, resolved_at = $4, closed_at = $5,
                paused_at = $6, clocks = $7::jsonb, version = version + 1
            where id = $1
            """,
            id,
            state.value,
            into,
            ended if state is State.resolved else None,
            ended if state is not State.resolved else None,
            at if state is State.awaiting_info else None,
            msgspec.json.encode(running).decode(),
        )


async def release(world: World, id: UUID, text: str = "กลิ่นสารเคมีเวลากลางคืน") -> str:
    """Released to the public by an officer, in words of their own; the id that others see."""
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            """
            update complaint set released_at = $2, released_by = $3, released_text = $4
            where id = $1
            """,
            id,
            tx.now,
            world["provincial-officer"].account,
            text,
        )
        return str(await tx.value("select shown_as from complaint where id = $1", id))


async def published(world: World, *complaints: UUID) -> None:
    """Released, and from a month that has ended."""
    for id in complaints:
        await release(world, id)
        async with world.db.begin(Worker("test")) as tx:
            await tx.run(
                "update complaint set received_at = received_at - interval '40 days' where id = $1",
                id,
            )


async def stored_clocks(world: World, id: UUID) -> list[clocks.Clock]:
    async with world.db.read() as tx:
        return clocks.read(await tx.value("select clocks::text from complaint where id = $1", id))


async def heard(world: World, id: UUID) -> list[str]:
    """The names of the complaint's events, in their order."""
    async with world.db.read() as tx:
        return await tx.values("select name from event where record = $1 order by id", id)
