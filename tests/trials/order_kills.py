"""kill -9 while orders are drafted, signed and served, files put together and people told.

Two API servers and two workers; afterwards the register must have neither gap nor double.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import asyncpg

from api import children
from api.embedded import CHECKOUT
from tests.trials import desks as offices
from tests.trials import register
from tests.trials.house import House, Server

Kill = Callable[[], Awaitable[None]]
STARTS_S = 20.0
"""So long a worker may take to have a data base and to hear TERM; it holds nothing until then."""


class Team:
    """Workers that may be killed; `more` are environment variables of theirs."""

    def __init__(self, house: House, size: int, dice: random.Random, **more: str) -> None:
        self.house, self.size, self.dice, self.more = house, size, dice, more
        self.members: list[subprocess.Popen[bytes]] = []
        self.born: dict[int, float] = {}
        self.killed = self.revived = 0
        self.fell: list[int] = []
        """How those ended who were at work, and whom nobody killed."""

    def start(self) -> None:
        self.members = [self._spawn() for _ in range(self.size)]

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.house.postgres.home / "worker.log").open("ab") as log:
            member = children.spawn(
                [sys.executable, "-m", "api.cli", "worker"],
                ending=signal.SIGKILL,
                env=self.house.environment | self.more,
                cwd=CHECKOUT,
                stdout=log,
                stderr=log,
            )
        self.born[member.pid] = time.monotonic()
        return member

    def kill_one(self) -> None:
        place = self.dice.randrange(self.size)
        self.members[place].kill()
        self.members[place].wait(10)
        self.members[place] = self._spawn()
        self.killed += 1

    async def watch(self) -> None:
        """Starts again who ended because PostgreSQL was away as it started, as `up` does."""
        while True:
            for place, member in enumerate(self.members):
                if member.poll() is not None:
                    if not self._starting(member):
                        self.fell.append(member.returncode)
                    self.members[place] = self._spawn()
                    self.revived += 1
            await asyncio.sleep(0.5)

    def _starting(self, member: subprocess.Popen[bytes]) -> bool:
        return time.monotonic() - self.born[member.pid] < STARTS_S

    async def drain(self) -> None:
        """TERM to all that live; each finishes what it does and ends by itself."""
        alive = [member for member in self.members if member.poll() is None]
        starting, self.members = [m for m in alive if self._starting(m)], []
        for member in alive:
            member.terminate()
        for member in alive:
            code = await asyncio.to_thread(member.wait, 40)
            assert code == 0 or (code == -signal.SIGTERM and member in starting), code

    async def settle(self, connection: asyncpg.Connection) -> None:
        """Waits until all that there is to do is done, or given up."""
        assert not self.fell, f"ended at work: {self.fell}"
        if self.killed or self.revived or any(m.poll() is not None for m in self.members):
            # What one held comes back after its lease: now.
            await self.drain()
            await connection.execute("update job set due_at = now() where failed_at is null")
            self.start()
        for _ in range(1200):
            if not await connection.fetchval("select count(*) from job"):
                return
            await asyncio.sleep(0.1)

    def end(self) -> None:
        for member in self.members:
            children.stop(member, signal.SIGTERM, patience=40)


@contextlib.asynccontextmanager
async def team(house: House, size: int, dice: random.Random, **more: str) -> AsyncIterator[Team]:
    made = Team(house, size, dice, **more)
    made.start()
    watching = asyncio.create_task(made.watch())
    try:
        yield made
    finally:
        watching.cancel()
        made.end()


async def trial(
    house: House,
    servers: Sequence[Server],
    kill: Kill,
    rounds: int,
    seed: int,
    workers_at_once: int = 2,
) -> dict[str, int]:
    """`rounds` times: orders are signed, `kill`, orders are signed again. Raises AssertionError."""
    dice = random.Random(seed)
    faults = [len(server.faults()) for server in servers]
    async with (
        offices.desks(house, servers, f"{seed}") as made,
        team(house, workers_at_once, dice) as workers,
    ):
        async with offices.working(made):
            for n in range(rounds):
                await offices.more(made, 2)
                await offices.leaves(made)
                await asyncio.sleep(dice.uniform(0, 0.04))
                await kill()
                if n % 3 == 2:
                    workers.kill_one()
            await offices.more(made, 2)
        counted = await balance(house, servers[0], made, workers)
        unexpected = [u for desk in made for u in desk.unexpected]
        assert not unexpected, unexpected[:3]
        assert [len(server.faults()) for server in servers] == faults, servers[0].faults()[-2:]
        return counted | {
            "looked up": sum(desk.journal.lost for desk in made),
            "cuts": sum(file.cuts for desk in made for file in desk.journal.files),
            "workers killed": workers.killed,
            "leases": sum(desk.journal.leases for desk in made),
        }


async def balance(
    house: House, server: Server, made: Sequence[offices.Desk], workers: Team
) -> dict[str, int]:
    """The register before and after the workers have done all that is left to do."""
    db = await house.database()
    try:
        async with house.owner() as connection:
            counted = await register.check(connection, made)
            await workers.settle(connection)
            done = await register.reactions(connection, made)
            await register.verified(db, server, made)
            assert await register.check(connection, made) == counted
        return counted | done
    finally:
        await db.close()


def of_api(servers: Sequence[Server], seed: int) -> Kill:
    """One of the servers, or both at once."""
    dice = random.Random(seed)

    async def kill() -> None:
        victims = list(servers) if dice.random() < 0.5 else [dice.choice(servers)]
        for server in victims:
            server.kill()
        for server in victims:
            server.start()
        for server in victims:
            await server.ready()

    return kill


def of_postmaster(house: House, seed: int) -> Kill:
    """The postmaster; for a moment nobody is there, while everybody goes on asking."""
    dice = random.Random(seed)

    async def kill() -> None:
        assert house.postgres.process
        house.postgres.process.kill()
        house.postgres.process.wait(10)
        await asyncio.sleep(dice.uniform(0, 0.5))
        house.postgres.start()

    return kill
