"""A PostgreSQL that stands still without ending: its processes are stopped, and go on later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

import httpx

from api import ids, jobs
from api.permissions import Worker
from tests.trials import inboxes, ledger, scenes
from tests.trials.house import House, Server
from tests.trials.phones import Phone, more, working
from tests.trials.uploads import worker

Whom = Literal["sessions", "everything"]


def processes(house: House, whom: Whom) -> list[int]:
    """The sessions of our own PostgreSQL, or all of it."""
    found = [] if whom == "sessions" else [house.postmaster()]
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(place.name)
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            title = (place / "cmdline").read_text()
            if parent == house.postmaster() and (whom == "everything" or "[local]" in title):
                found.append(pid)
    return found


@contextlib.asynccontextmanager
async def standing_still(house: House, whom: Whom) -> AsyncIterator[int]:
    """Gives how many processes are stopped meanwhile."""
    stopped = processes(house, whom)
    assert stopped
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        yield len(stopped)
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def trial(
    house: House, server: Server, whom: Whom, *, rounds: int, still_s: float, bound_s: float
) -> dict[str, float]:
    """Phones push and a worker tells people while PostgreSQL stands still `rounds` times.

    Raises AssertionError where a caller waits longer than `bound_s`, gets anything but an answer
    or a 503 with Retry-After, or something acknowledged is lost.
    """
    (visit,) = await scenes.visits(house, server.url, 1)
    phones = await scenes.phones(house, [server.url], 2, [visit], f"{whom} {rounds}")
    db = await house.database()
    slowest, refused, told, faults = 0.0, 0, 0, len(server.faults())
    try:
        async with worker(house), working(phones):
            for _ in range(rounds):
                await more(phones, 5)
                async with db.begin(Worker("trial")) as tx:
                    for _ in range(20):
                        args = {"event": str(ids.new()), "name": "visit.submitted", "record": visit}
                        await jobs.enqueue(tx, inboxes.JOB, args)
                        told += 1
                async with standing_still(house, whom) as stopped:
                    before, end, statuses = refused, time.monotonic() + still_s, [503]
                    while time.monotonic() < end or (whom == "sessions" and 200 not in statuses):
                        took, statuses = await callers(server, phones)
                        slowest, refused = max(slowest, took), refused + statuses.count(503)
                        assert took < bound_s, f"a caller waited {took:.1f} s"
                        assert set(statuses) <= ({503} if whom == "everything" else {200, 503})
                        # each session refuses one caller; a new one takes its place
                        assert whom == "everything" or refused - before <= stopped, statuses
                        await asyncio.sleep(0.1)
                begun = time.monotonic()
                await more(phones, 5)
                back = time.monotonic() - begun
        async with worker(house), house.owner() as connection:
            for phone in phones:
                await phone.drain()
            for _ in range(300):
                if not await connection.fetchval(
                    "select count(*) from job where name = $1", inboxes.JOB
                ):
                    break
                await asyncio.sleep(0.1)
            keys = await connection.fetchval(
                "select count(distinct key) from message where about = $1::text::uuid", visit
            )
            assert keys == told, f"{keys} of {told} were told"
            counted = await ledger.check(connection, phones)
        unexpected = [u for p in phones for u in p.unexpected]
        assert not unexpected, unexpected[:2]
        assert len(server.faults()) == faults, server.faults()[faults:][:1]
    finally:
        await db.close()
        for phone in phones:
            await phone.close()
    return counted | {"refused": refused, "slowest": round(slowest, 1), "back": round(back, 1)}


async def callers(server: Server, phones: Sequence[Phone]) -> tuple[float, list[int]]:
    """The longest wait and the statuses of six who ask at once; anybody may ask `/health`."""

    async def ask(path: str) -> tuple[float, int]:
        begun = time.monotonic()
        async with httpx.AsyncClient(base_url=server.url, timeout=150) as http:
            found = await http.get(path, headers=phones[0].clients[0].headers)
        if found.status_code == 503:
            assert found.headers["retry-after"].isdigit() and found.json()["code"], found.text
        return time.monotonic() - begun, found.status_code

    paths = ("/v1/sync", "/v1/provinces", "/v1/visits", "/v1/orders", "/v1/messages", "/v1/me")
    answers = await asyncio.gather(*(ask(path) for path in paths))
    async with httpx.AsyncClient(base_url=server.url, timeout=2) as http:
        assert (await http.get("/health")).status_code == 200, "alive, though not ready"
    return max(took for took, _ in answers), [status for _, status in answers]
