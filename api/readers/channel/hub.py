"""Who is connected to this process, and what wakes them: bridges' sockets, officers' streams.

A change is told twice. At once: here, and through `wire` to other servers, after the commit. And
for sure: every two seconds one look at what has moved, for all of them together. Nobody here holds
a connection of the pool while it waits. Presence is one statement a minute for all sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import asyncpg

from api import clock, ids
from api.accounts import authentication
from api.db import Database, Tx, Unreachable
from api.permissions import NOBODY, Worker
from api.readers.bridges import connecting, device_queries
from api.readers.bridges.device_queries import Mark
from api.readers.channel import queries
from api.readers.channel.photos import Photo, Photos
from api.readers.channel.wire import LARGEST, Wire
from api.readers.intents import service as intents
from api.readers.readings.together import Together

log = logging.getLogger("superapp.readers")
POLL_S: Final = 2.0
OVERLAP: Final = timedelta(seconds=10)
"""Clocks of servers differ, and what was written first may be seen later."""
PRESENCE_S: Final = 60.0
DISTURBED: Final = (*Unreachable, asyncpg.PostgresError, TimeoutError)
"""The data base is away or slow: what waits goes on waiting."""
STRANGERS: Final = 4000
"""Connections that are not known yet."""
OF_ONE_NETWORK: Final = 500
"""So many of them from one network."""
SCREENS: Final = 8
"""So many streams a session may have at one server; of more the oldest ends. A line that flaps
leaves some behind that nobody reads: they must not keep the officer out."""
MARK_S: Final = 1.0
"""So long a server goes by what it last heard of how far devices are, whoever knocks."""
DOORS: Final = 2
"""So many are looked up at once who are not known yet: they never use up what known ones need."""


def slots(pool_size: int) -> int:
    """So many transactions at once are of the channel: the rest of the pool is everybody's."""
    return max(2, pool_size // 2)


class Socket(Protocol):
    """A bridge's connection, as the hub sees it. Neither call waits."""

    def wake(self) -> None:
        """Look for what is to be told."""

    def end(self, code: str) -> None:
        """Tell `Ended` and close."""


class Hub:
    """One in each process that serves. `server` names the process in `bridge.connected_to`."""

    def __init__(self, db: Database, url: str, *, at_once: int = 4, listen: bool = True) -> None:
        self.db = db
        self.server = ids.new()
        self.sockets: dict[UUID, Socket] = {}
        self._strangers: Counter[str] = Counter()
        self.photos = Photos()
        self.slots = asyncio.Semaphore(at_once)
        self.statements = Together(db, self.slots)
        self.doors = asyncio.Semaphore(DOORS)
        self.stopping = False
        self.wire = Wire(url, self._heard) if listen else None
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self.screens: dict[UUID, list[asyncio.Event]] = {}
        self._needed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved: dict[UUID, int] = {}
        self._since: datetime | None = None
        self._untold: set[UUID] = set()
        self._mark: tuple[float, Mark] | None = None

    # -- running ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Its tasks begin with the first who connects; a server without any costs nothing."""
        loops = [asyncio.create_task(self._when_needed(run)) for run in self._loops()]
        try:
            yield
        finally:
            self.stop()
            for task in (*loops, *self._tasks):
                task.cancel()
            await asyncio.gather(*loops, *self._tasks, return_exceptions=True)
            await self.statements.close()

    def _loops(self) -> Iterable[object]:
        return (self._poll, self._presence, *([self.wire.run] if self.wire else []))

    async def _when_needed(self, run: object) -> None:
        await self._needed.wait()
        await run()  # type: ignore[operator]

    def stop(self) -> None:
        """The server is about to end: streams end themselves, so that nothing waits for them."""
        self.stopping = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    def spawn(self, work: object) -> None:
        """A task that lives no longer than the hub."""
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- who is at the door ----------------------------------------------------------------------

    @property
    def strangers(self) -> int:
        return self._strangers.total()

    def full(self, network: str) -> bool:
        """No further stranger from this network may come."""
        return self._strangers[network] >= OF_ONE_NETWORK or self.strangers >= STRANGERS

    @contextmanager
    def stranger(self, network: str) -> Iterator[None]:
        self._strangers[network] += 1
        try:
            yield
        finally:
            self._strangers[network] -= 1
            if not self._strangers[network]:
                del self._strangers[network]

    async def mark(self) -> Mark:
        """The moment that challenges are given at, by PostgreSQL: servers' clocks may be wrong.

        Of `moves` it may know a second too few: then a hello that is wrong is asked for once more.
        """
        if (now := self._marked()) is None:
            async with self.doors:
                if (now := self._marked()) is None:
                    began = time.monotonic()
                    async with self.db.read(NOBODY) as tx:
                        now = await device_queries.mark(tx)
                    self._mark = (began, now)
        return now

    def _marked(self) -> Mark | None:
        if self._mark is None:
            return None
        began, mark = self._mark
        age = time.monotonic() - began
        return Mark(mark.moves, mark.at + timedelta(seconds=age)) if age < MARK_S else None

    # -- who is here -----------------------------------------------------------------------------

    def enter(self, bridge: UUID, socket: Socket) -> None:
        """An older connection of the same device ends."""
        older = self.sockets.get(bridge)
        self.sockets[bridge] = socket
        self._needed.set()
        if older is not None and older is not socket:
            older.end("elsewhere")

    def leave(self, bridge: UUID, socket: Socket) -> None:
        if self.sockets.get(bridge) is socket:
            del self.sockets[bridge]

    def came_by_http(self, bridge: UUID) -> None:
        """The device speaks through the fall-back now: a socket of its that is left is dead."""
        if older := self.sockets.pop(bridge, None):
            older.end("elsewhere")

    @contextmanager
    def waiting(self, *of: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when something of a bridge, a session or an account has moved."""
        event = asyncio.Event()
        for one in of:
            self._waiting.setdefault(one, set()).add(event)
        self._needed.set()
        try:
            yield event
        finally:
            for one in of:
                events = self._waiting.get(one, set())
                events.discard(event)
                if not events:
                    self._waiting.pop(one, None)

    @contextmanager
    def screen(self, session: UUID, moved: asyncio.Event) -> Iterator[Callable[[], bool]]:
        """One of a session's streams, woken by `moved`; says whether it may still go on."""
        held = self.screens.setdefault(session, [])
        held.append(moved)
        if len(held) > SCREENS:
            held.pop(0).set()
        try:
            yield lambda: moved in held
        finally:
            if moved in held:
                held.remove(moved)
            if not held and self.screens.get(session) is held:
                del self.screens[session]

    def waits(self, of: UUID) -> int:
        """How many wait for news of a bridge or a session."""
        return len(self._waiting.get(of, ()))

    # -- waking ----------------------------------------------------------------------------------

    def moved(self, bridge: UUID | None, session: UUID | None = None) -> None:
        """After the commit: something of these is new, here and on every other server."""
        for of in (bridge, session):
            if of is not None:
                self.wake_here(of)
                self._told_elsewhere(of)

    def show(self, photo: Photo) -> None:
        """To the memory of every server."""
        self.photos.put(photo)
        told = f"p {self.server.hex} {photo.told()}"
        if self.wire and len(told) < LARGEST:
            self.wire.tell(told)

    def wake_here(self, of: UUID) -> None:
        if socket := self.sockets.get(of):
            socket.wake()
        for event in self._waiting.get(of, ()):
            event.set()

    def _told_elsewhere(self, of: UUID) -> None:
        """Many that move within one turn of the loop are one notification."""
        if self.wire is None:
            return
        self._needed.set()
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._tell)
        self._untold.add(of)

    def _tell(self) -> None:
        ids, self._untold = [of.hex for of in self._untold], set()
        for start in range(0, len(ids), 200):
            assert self.wire is not None
            self.wire.tell(f"m {self.server.hex} {' '.join(ids[start : start + 200])}")

    def _heard(self, payload: str) -> None:
        """From another server; our own words come back too."""
        kind, _, rest = payload.partition(" ")
        sender, _, rest = rest.partition(" ")
        if sender == self.server.hex:
            return
        with contextlib.suppress(ValueError):
            if kind == "p":
                self.photos.put(Photo.heard(rest))
            elif kind == "m":
                for text in rest.split(" "):
                    self.wake_here(UUID(text))

    # -- what nobody told ------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                if self.sockets or self._waiting:
                    await self.look()
                self.photos.sweep()
            except DISTURBED as error:
                facts = {"error": type(error).__name__}
                log.warning("readers' changes not read", extra={"facts": facts})
            except Exception:
                log.exception("readers' changes not read")

    async def look(self) -> None:
        """What moved since the last look, for everybody who is here."""
        bridges, others = list(self.sockets), list(self._waiting)
        at = clock.now()
        since = (self._since or at) - OVERLAP
        async with self.db.begin(Worker("readers")) as tx:
            await intents.expire(tx)
        async with self.db.read(Worker("readers")) as tx:
            await self._look(tx, since, bridges, others)
        self._since = at

    async def _look(self, tx: Tx, since: datetime, bridges: list[UUID], others: list[UUID]) -> None:
        here = [*bridges, *others]
        moved = await intents.moved_since(tx, since, here, others)
        for row in moved:
            if self._moved.get(row.id) != row.version:
                self.wake_here(row.bridge)
                self.wake_here(row.session)
        self._moved = {row.id: row.version for row in moved}
        for bridge in await queries.with_new_tickets(tx, here, since):
            self.wake_here(bridge)
        for account in await queries.with_arrivals(tx, others, since):
            self.wake_here(account)
        for session in await queries.ended(tx, others):
            authentication.forget(session)
            self.wake_here(session)
        for lost in await queries.lost(tx, bridges, self.server):
            if socket := self.sockets.get(lost.bridge):
                socket.end("elsewhere" if lost.state == "active" else lost.state)

    async def _presence(self) -> None:
        pause = PRESENCE_S
        while True:
            await asyncio.sleep(pause)
            try:
                async with self.db.begin(Worker("readers")) as tx:
                    await connecting.seen(tx, list(self.sockets), tx.now)
                pause = PRESENCE_S
            except Exception as error:
                # Soon again: a desk that was not heard of for three minutes takes no card.
                pause = POLL_S
                facts = {"error": type(error).__name__}
                log.warning("presence not noted", extra={"facts": facts})
