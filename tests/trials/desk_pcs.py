"""Many desk PCs that hold on while servers and PostgreSQL are killed, and what must hold after."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from api import ids
from reader_bridge.messages import (
    GENESIS,
    SUBPROTOCOL,
    Arm,
    Challenge,
    Ended,
    Greeting,
    Receipt,
    Stated,
    Welcome,
)
from tests.readers.bridges import TLS, Bridge
from tests.readers.desk_pc import READER
from tests.trials.house import PUBLIC_URL, House, Server
from tests.world import encode

LONGEST_S = 4.0
AWAY = (OSError, WebSocketException, TimeoutError, EOFError)


class PC(Bridge):
    """Keeps what it stated until it has the receipt, and comes back until it is sent away."""

    def __init__(self, office: UUID, servers: list[Server]) -> None:
        super().__init__(office)
        self.servers = servers
        self.unsettled: list[tuple[int, Stated]] = []
        self.receipts: dict[int, Receipt] = {}
        self.stated_for: dict[UUID, int] = {}
        self.ended = ""
        self.welcomes = 0
        self.here = False

    async def hold_on(self) -> None:
        tries = 0
        while not self.ended:
            with contextlib.suppress(*AWAY):
                before = self.welcomes
                try:
                    await self._talk()
                finally:
                    self.here = False
                    tries = 0 if self.welcomes > before else tries + 1
            longest = min(LONGEST_S, 0.3 * 2**tries)
            await asyncio.sleep(random.uniform(0, longest))

    async def _talk(self) -> None:
        server = random.choice(self.servers)
        async with connect(
            server.url.replace("http", "ws") + "/v1/bridge",
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            compression=None,
            open_timeout=10,
            ping_interval=5,
            ping_timeout=10,
        ) as self.socket:
            async with asyncio.timeout(15):
                asked = await self.heard()
                assert isinstance(asked, Challenge)
                await self.say(Greeting(self.hello(asked.challenge, audience=PUBLIC_URL)))
                found = await self.heard()
            if isinstance(found, Ended):
                self._sent_away(found)
                return
            assert isinstance(found, Welcome)
            self.know(found.keys, PUBLIC_URL)
            self.here = True
            self.welcomes += 1
            for _, stated in self.unsettled:
                await self.say(stated)
            while True:
                await self._hear(await self.heard(3600))

    async def _hear(self, found: Any) -> None:
        match found:
            case Arm() if found.intent not in self.stated_for:
                # written down before anything is said of it
                stated = self.stated(found, audience=PUBLIC_URL)
                self.stated_for[found.intent] = self.sequence
                self.unsettled.append((self.sequence, stated))
                await self.say(stated)
            case Receipt():
                self.receipts[found.sequence] = found
                self.unsettled = [(n, s) for n, s in self.unsettled if n > found.sequence]
            case Ended():
                self._sent_away(found)
                raise EOFError

    def _sent_away(self, found: Ended) -> None:
        if found.code != "elsewhere":
            self.ended = found.code


@asynccontextmanager
async def holding(house: House, servers: list[Server], count: int) -> AsyncIterator[list[PC]]:
    """So many PCs, each with a desk of its own, connected."""
    async with house.owner() as connection:
        account, office = await connection.fetchrow(
            "select a.id, a.office from account a where a.office is not null limit 1"
        )
        pcs = [PC(office, servers) for _ in range(count)]
        async with connection.transaction():
            await connection.executemany(
                """
                insert into bridge (id, office, name, public_key, key_protection, platform,
                    software, approved_at, approved_by, head, key_since)
                values ($1, $2, 'พีซีตัวอย่าง', $3, 'file', 'test', '1', now(), $4, $5, now())
                """,
                [
                    (p.id, office, p.key.public_key().public_bytes_raw(), account, GENESIS)
                    for p in pcs
                ],
            )
            await connection.executemany(
                "insert into bridge_reader (id, bridge, name, last_seen_at)"
                " values ($1, $2, $3, now())",
                [(p.reader, p.id, READER) for p in pcs],
            )
            await connection.executemany(
                "insert into desk (id, office, name, reader, mapped_at, mapped_by)"
                " values ($1, $2, $3, $4, now(), $5)",
                [(p.desk, office, f"ช่อง {p.desk}", p.reader, account) for p in pcs],
            )
    tasks = [asyncio.create_task(pc.hold_on()) for pc in pcs]
    try:
        await all_here(pcs)
        yield pcs
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_here(pcs: list[PC], within_s: float = 90) -> float:
    """Until each holds a connection; returns how long that took, seconds."""
    begun = time.monotonic()
    async with asyncio.timeout(within_s):
        while not all(pc.here for pc in pcs):
            assert not any(pc.ended for pc in pcs), {pc.ended for pc in pcs}
            await asyncio.sleep(0.05)
    return time.monotonic() - begun


class Officers:
    """One who waits at all desks, and asks again where the answer was lost."""

    def __init__(self, servers: list[Server], token: str) -> None:
        self.servers = servers
        self.headers = {"Authorization": f"Bearer {token}"}
        self.at_once = asyncio.Semaphore(8)
        self.faults: list[str] = []

    async def arm(self, pc: PC) -> UUID:
        intent = ids.new()
        body = encode({"desk": pc.desk, "purpose": "identify_complainant"})
        end = time.monotonic() + 80
        while True:
            found = await self.ask("PUT", f"/v1/intents/{intent}", body)
            if found is not None and found.status_code == 200:
                return intent
            assert time.monotonic() < end, found and found.text
            await asyncio.sleep(random.uniform(0.1, 0.6))

    def _http(self, server: Server) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=server.url, timeout=8, verify=TLS)

    async def ask(self, method: str, path: str, body: bytes = b"") -> httpx.Response | None:
        server = random.choice(self.servers)
        async with self.at_once, self._http(server) as http:
            try:
                found = await http.request(method, path, content=body, headers=self.headers)
            except httpx.TransportError:
                return None
        if found.status_code >= 500 and found.status_code != 503:
            self.faults.append(found.text)
        return found


Harm = Callable[[], Awaitable[None]]


async def trial(
    house: House, servers: list[Server], count: int, rounds: int, harms: list[Harm]
) -> str:
    """Each PC reads a card a round; each harm is done in the middle of one."""
    _, token = await house.sign_in("department")
    officers = Officers(servers, token)
    back: list[float] = []
    async with holding(house, servers, count) as pcs:
        waited: dict[UUID, PC] = {}
        for turn in range(rounds):
            arming = [asyncio.create_task(officers.arm(pc)) for pc in pcs]
            if turn < len(harms):
                await asyncio.sleep(0.1 + 0.003 * count * random.random())
                await harms[turn]()
                back.append(await all_here(pcs))
            armed = await asyncio.gather(*arming)
            waited |= dict(zip(armed, pcs, strict=True))
            async with asyncio.timeout(85):
                while any(pc.unsettled for pc in pcs) or any(
                    i not in pc.stated_for for i, pc in zip(armed, pcs, strict=True)
                ):
                    assert not any(pc.ended for pc in pcs), {pc.ended for pc in pcs}
                    await asyncio.sleep(0.05)
        await _check(house, pcs, waited)
    assert not officers.faults, officers.faults[:2]
    for server in servers:
        assert not server.faults(), server.faults()[:2]
    spread = ", ".join(f"{took:.1f}" for took in back)
    return f"{count} PCs, {len(waited)} cards, {len(back)} outages; all back after {spread} s"


async def _check(house: House, pcs: list[PC], waited: dict[UUID, PC]) -> None:
    """Every card that was read is one reading of the right PC, once, with its receipt."""
    async with house.owner() as connection:
        rows = await connection.fetch(
            "select intent, bridge, id, sequence from reading where intent = any($1::uuid[])",
            list(waited),
        )
        chains = await connection.fetch(
            """
            select b.id, b.state, b.sequence, b.head, count(s.sequence) as said
            from bridge b left join bridge_statement s on s.bridge = b.id
            where b.id = any($1::uuid[]) group by b.id
            """,
            [pc.id for pc in pcs],
        )
        incidents = await connection.fetchval(
            "select count(*) from bridge_incident where bridge = any($1::uuid[])",
            [pc.id for pc in pcs],
        )
    assert incidents == 0
    assert len(rows) == len(waited), f"{len(waited) - len(rows)} cards were lost"
    for row in rows:
        pc = waited[row["intent"]]
        assert row["bridge"] == pc.id
        receipt = pc.receipts[pc.stated_for[row["intent"]]]
        assert (receipt.reading, receipt.sequence) == (row["id"], row["sequence"])
    by_id = {pc.id: pc for pc in pcs}
    for chain in chains:
        pc = by_id[chain["id"]]
        assert chain["state"] == "active"
        assert (chain["sequence"], chain["head"]) == (pc.sequence, pc.head)
        assert chain["said"] == pc.sequence


def killed(server: Server) -> Harm:
    """kill -9, and a start."""

    async def harm() -> None:
        server.kill()
        await asyncio.sleep(0.5)
        server.start()
        await server.ready()

    return harm


def restarted(server: Server) -> Harm:
    """An orderly stop, as for a new version."""

    async def harm() -> None:
        assert server.process is not None
        server.process.terminate()
        await asyncio.to_thread(server.process.wait, 20)
        server.start()
        await server.ready()

    return harm


def without_postgres(house: House) -> Harm:
    async def harm() -> None:
        house.kill_postgres()  # in this thread: a child ends with the thread that started it

    return harm
