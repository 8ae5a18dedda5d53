"""kill -9 while complaints are told, added to and taken up, clocks run out and letters leave.

Two API servers and two workers; afterwards nothing acknowledged is lost and nothing is doubled.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from api.complaints import clocks
from api.db import Unreachable
from tests.complaints.post import Post
from tests.trials import complaint_books as books
from tests.trials import neighbours
from tests.trials.house import House, Server
from tests.trials.order_kills import Kill, Team, team
from tests.world import now

UNLIMITED = {"SUPERAPP_COMPLAINTS_A_DAY": "1000000", "SUPERAPP_COMPLAINTS_AN_HOUR": "1000000"}
LONG_AGO = timedelta(days=8, hours=1)
"""Then two of the three clocks have run out, and half of the third."""


@contextlib.asynccontextmanager
async def servers(house: House) -> AsyncIterator[list[Server]]:
    """Two, for whom one network may tell as much as it likes."""
    made = [house.server(**UNLIMITED) for _ in range(2)]
    try:
        for server in made:
            await server.ready()
        yield made
    finally:
        for server in made:
            await asyncio.to_thread(server.stop)
            house.servers.remove(server)


@contextlib.asynccontextmanager
async def post_office() -> AsyncIterator[tuple[Post, dict[str, str]]]:
    """A mail server, and what workers have to know of it."""
    post = Post()
    listening = await asyncio.start_server(post.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield post, {"SUPERAPP_MAIL_SERVER": f"smtp://127.0.0.1:{port}"}
    finally:
        listening.close()


async def trial(
    house: House, both: Sequence[Server], kill: Kill | None, rounds: int, seed: int
) -> dict[str, int]:
    """`rounds` times: something is on its way, `kill`, and all goes on. Raises AssertionError.

    Without `kill` a worker is killed each time, else in each third round as well.
    """
    dice = random.Random(seed)
    made = [
        neighbours.Neighbourhood(house, both, way, f"{seed} {n}")
        for n, way in enumerate(neighbours.WAYS)
    ]
    for each in made:
        await each.open()
    due: dict[UUID, set[tuple[str, bool, str]]] = {}
    async with (
        post_office() as (post, more),
        team(house, 2, dice, **more) as workers,
    ):
        async with neighbours.working(made):
            for n in range(rounds):
                await neighbours.more(made, 8)
                await run_out(house, made[n % len(made)], due)
                await come_to_an_end(house, made, dice)
                await at_work(house)
                await neighbours.leaves(made)
                await asyncio.sleep(dice.uniform(0, 0.04))
                if kill is not None:
                    await kill()
                if kill is None or n % 3 == 2:
                    workers.kill_one()
            await neighbours.more(made, 8)
        counted = await balance(house, made, workers, post, due)
    wrong = [u for each in made for u in each.unexpected]
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
    faults = [fault for server in both for fault in server.faults()]
    assert not faults, f"{len(faults)}: {faults[-2:]}"
    return counted | {
        "looked up": sum(each.lost for each in made),
        "workers killed": workers.killed,
        "workers started again": workers.revived,
    }


async def at_work(house: House) -> None:
    """Waits until somebody is told something: a worker that only starts is no target."""
    async with house.owner() as connection:
        before = await connection.fetchval("select count(*) from message")
        for _ in range(1200):
            if await connection.fetchval("select count(*) from message") > before:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("no worker tells anybody anything")


async def run_out(
    house: House,
    neighbour: neighbours.Neighbourhood,
    due: dict[UUID, set[tuple[str, bool, str]]],
) -> None:
    """Another complaint that nobody takes up, as if it had been told long ago."""
    id = await neighbour.tell()
    async with house.owner() as connection, connection.transaction():
        held = await connection.fetchval(
            "select clocks::text from complaint where id = $1 for update", id
        )
        running = clocks.read(held)
        for clock in running:
            clock.started_at -= LONG_AGO
            clock.due_at -= LONG_AGO
        await connection.execute(
            "update complaint set clocks = $2::jsonb, next_due = $3 where id = $1",
            id,
            clocks.write(running),
            clocks.next_due(running),
        )
        await connection.execute(
            "update deadline set due_at = $2 where kind = 'complaint.clock' and record = $1",
            id,
            clocks.next_point(running),
        )
    sayings = clocks.say(running, now(), assigned=False)
    due[id] = {(saying.kind, saying.overdue, saying.level) for saying in sayings}
    assert len(due[id]) == len(sayings) == 7


async def come_to_an_end(
    house: House, made: Sequence[neighbours.Neighbourhood], dice: random.Random
) -> None:
    """Of some that were resolved the time to say otherwise is over."""
    resolved = [
        id
        for each in made
        for id, told in each.journal.told.items()
        if "resolved" in told.moves and dice.random() < 0.3
    ]
    with contextlib.suppress(*Unreachable, asyncpg.PostgresError):
        async with house.owner() as connection:
            await connection.execute(
                "update deadline set due_at = now() where kind = 'complaint.close' "
                "and record = any ($1) and exists (select from complaint_entry "
                "where complaint = record and kind = 'rating')",
                resolved,
            )


async def balance(
    house: House,
    made: Sequence[neighbours.Neighbourhood],
    workers: Team,
    post: Post,
    due: dict[UUID, set[tuple[str, bool, str]]],
) -> dict[str, int]:
    """The books before and after the workers have done all that is left to do."""
    journals = [each.journal for each in made]
    async with house.owner() as connection:
        waiting = "select count(*) from deadline where due_at <= now() and met_at is null and "
        for _ in range(300):
            if not await connection.fetchval(f"{waiting} fired_at is null"):
                break
            await asyncio.sleep(0.1)
        counted = await books.check(connection, journals)
        await workers.settle(connection)
        done = await books.effects(connection, journals, post.letters)
        await books.reminded(connection, due)
        assert await books.check(connection, journals) == counted
    return counted | done | {"clocks run out": len(due)}
