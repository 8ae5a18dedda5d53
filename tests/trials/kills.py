"""kill -9 at random moments while phones push; afterwards the books must balance."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from tests.trials import ledger, scenes
from tests.trials.house import House, Server
from tests.trials.phones import Phone, more, total, working

Kill = Callable[[], Awaitable[None]]


async def trial(house: House, server: Server, kill: Kill, rounds: int, seed: int) -> dict[str, int]:
    """`rounds` times: load, `kill`, and again acknowledged work; then everything is compared."""
    rng = random.Random(seed)
    visits = await scenes.visits(house, server.url, 3)
    phones = await scenes.phones(house, [server.url], 4, visits, f"{seed}")
    try:
        async with working(phones):
            for _ in range(rounds):
                await more(phones, 5)
                await asyncio.sleep(rng.uniform(0.02, 0.4))
                await kill()
            await more(phones, 5)
        async with house.owner() as connection:
            counted = await ledger.check(connection, phones)
            for phone in phones:
                await phone.drain()
            await resend_everything(phones)
            counted |= {"at the end": (await ledger.check(connection, phones))["held"]}
        assert counted["at the end"] == counted["made"] == total(phones)
        counted |= {"503": sum(p.refusals for p in phones)}
        unexpected = [u for p in phones for u in p.unexpected]
        assert not unexpected, unexpected[:3]
        assert not server.faults(), server.faults()[:2]
    finally:
        for phone in phones:
            await phone.close()
    return counted


async def resend_everything(phones: list[Phone]) -> None:
    """Every operation once more, also the replays of replays: `ledger` compares the results."""
    for phone in phones:
        entries = list(phone.journal.values())
        for start in range(0, len(entries), 50):
            assert await phone.push(entries[start : start + 50])
        assert all(e.answers[-1].get("replayed") for e in entries)


def of_api(server: Server) -> Kill:
    async def kill() -> None:
        server.kill()
        server.start()
        await server.ready()

    return kill


def of_postmaster(house: House) -> Kill:
    async def kill() -> None:
        house.kill_postgres()

    return kill


def of_backend(house: House, seed: int) -> Kill:
    """One of the server's sessions, while it works if one does: PostgreSQL then resets itself."""
    rng = random.Random(seed)

    async def kill() -> None:
        pids = []
        for _ in range(50):
            try:
                async with house.owner() as connection:
                    pids = await connection.fetch(
                        """
                        select pid, state = 'active' or xact_start is not null as busy
                        from pg_stat_activity where application_name = 'superapp'
                        """
                    )
                break
            except (asyncpg.PostgresError, OSError):
                await asyncio.sleep(0.1)
        busy = [row["pid"] for row in pids if row["busy"]] or [row["pid"] for row in pids]
        victim = rng.choice(busy)
        assert _is_backend(victim, house), "a process that is not ours to end"
        os.kill(victim, signal.SIGKILL)

    return kill


def _is_backend(pid: int, house: House) -> bool:
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return parent == house.postmaster()
