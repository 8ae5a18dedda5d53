"""Counters for the readers' parts: desk PCs with the real bridge program, officers who wait there.

Rows and keys of devices are made straight in SQL: what is measured begins with the intent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import children, ids
from api.accounts import seed as accounts
from api.db import Database, Tx
from api.permissions import Worker
from api.readers.bridges import identity
from bench.frame import Frame
from bench.http import Phone
from reader_bridge.chain.journal import Journal
from reader_bridge.device import folder, keys
from reader_bridge.device.folder import Configuration
from reader_bridge.messages import GENESIS
from reader_bridge.server_keys import pinned
from tests.pcsc.rig import CHECKOUT, Service

OFFICER = "inspector"
PATIENCE_S = 20.0


class Device(msgspec.Struct):
    """A desk PC as the data base has it: its key, and the desk of each of its readers."""

    id: UUID
    private: Ed25519PrivateKey
    desks: dict[str, UUID]
    readers: dict[str, UUID]


async def put_up(
    tx: Tx, account: UUID, readers: Sequence[str], private: Ed25519PrivateKey
) -> Device:
    """One device of the account's office, each of its `readers` (PC/SC names) on its own desk."""
    office = await tx.value("select office from account where id = $1", account)
    made = Device(
        ids.new(), private, {r: ids.new() for r in readers}, {r: ids.new() for r in readers}
    )
    await tx.run(
        """
        insert into bridge (id, office, name, public_key, key_protection, platform, software,
            approved_at, approved_by, head, key_since)
        values ($1, $2, 'พีซีตัวอย่าง', $3, 'file', 'Linux', 'bench', $4, $5, $6, $4)
        """,
        made.id,
        office,
        private.public_key().public_bytes_raw(),
        tx.now,
        account,
        GENESIS,
    )
    await tx.run(
        """
        insert into bridge_reader (id, bridge, name, last_seen_at)
        select id, $3, name, $4 from unnest($1::uuid[], $2::text[]) as r (id, name)
        """,
        [made.readers[r] for r in readers],
        list(readers),
        made.id,
        tx.now,
    )
    await tx.run(
        """
        insert into desk (id, office, name, reader, mapped_at, mapped_by)
        select id, $3, 'ช่อง ' || id, reader, $4, $5
        from unnest($1::uuid[], $2::uuid[]) as d (id, reader)
        """,
        [made.desks[r] for r in readers],
        [made.readers[r] for r in readers],
        office,
        tx.now,
        account,
    )
    return made


class Pc:
    """The bridge program of one device, in a process of its own, at one PC/SC service."""

    def __init__(self, device: Device, where: Path) -> None:
        self.device, self._log = device, where / "log"

    @classmethod
    @asynccontextmanager
    async def running(
        cls, bench: Frame, db: Database, account: UUID, service: Service, name: str
    ) -> AsyncIterator[Pc]:
        where = bench.folder / f"pc-{name}"
        key = keys.make(where, in_file=True)
        async with db.begin(Worker("bench")) as tx:
            device = await put_up(tx, account, [s.name for s in service.slots], key.private)
        said = Configuration(
            server=f"http://127.0.0.1:{bench.port}",
            device=device.id,
            audience=bench.conf.base_url,
        )
        folder.save(where, said)
        shown, kept = identity.shown(), Journal(where, key, new=True)
        kept.remember(pinned(shown.identity, shown, bench.conf.base_url))
        kept.close()
        self = cls(device, where)
        with self._log.open("wb") as log:
            process = children.spawn(
                [sys.executable, "-m", "reader_bridge", "--folder", str(where), "run"],
                cwd=CHECKOUT,
                env=os.environ | service.environment,
                stdout=log,
                stderr=log,
            )
            try:
                yield self
            finally:
                children.stop(process, signal.SIGTERM, patience=10)

    async def connected(self, db: Database) -> None:
        """Returns when the server knows its readers. Raises RuntimeError with its log if not."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            async with db.read() as tx:
                seen = await tx.value(
                    "select connected_to is not null from bridge where id = $1", self.device.id
                )
            if seen:
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the bridge did not connect:\n{self.log()}")

    async def mapped(self, db: Database, account: UUID) -> None:
        """Its readers on their desks: a program that has begun anew loses those of several readers
        without serial numbers, since nobody watched them."""
        device = self.device
        async with db.begin(Worker("bench")) as tx:
            await tx.run(
                """
                update desk d set reader = m.reader, mapped_at = $3, mapped_by = $4
                from unnest($1::uuid[], $2::uuid[]) as m (desk, reader) where d.id = m.desk
                """,
                list(device.desks.values()),
                [device.readers[name] for name in device.desks],
                tx.now,
                account,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


class Officer:
    """A signed-in session: its requests on one connection, its event stream on another.

    `states` is the last that the stream said of each intent, with when it came
    (`time.monotonic()`, which the virtual cards use too).
    """

    def __init__(self, bench: Frame, token: str, session: UUID) -> None:
        self.token, self.session = token, session
        self._bench = bench
        self._phone = Phone(bench.port, token)
        self._moved = asyncio.Condition()
        self.states: dict[UUID, tuple[float, dict[str, Any]]] = {}
        self.armed = 0

    async def __aenter__(self) -> Self:
        await self._phone.__aenter__()
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._bench.port)
        self._writer.write(
            f"GET /v1/intents/events HTTP/1.1\r\nHost: 127.0.0.1:{self._bench.port}\r\n"
            f"Authorization: Bearer {self.token}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode("latin-1"))
        self._following = asyncio.create_task(self._follow(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._following.cancel()
        self._writer.close()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._phone.__aexit__()

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        async for line in reader:
            if not line.startswith(b"data: "):
                continue
            at, said = time.monotonic(), msgspec.json.decode(line[6:])
            if "id" not in said:
                raise RuntimeError(f"the stream ended: {said}")
            self.states[UUID(said["id"])] = at, said
            async with self._moved:
                self._moved.notify_all()

    async def arm(self, desk: UUID, purpose: str = "identify_complainant") -> UUID:
        """Waits for a card at `desk`; returns the intent when the bridge says that it does too."""
        intent = ids.new()
        body = msgspec.json.encode({"desk": desk, "purpose": purpose})
        kind = "Content-Type: application/json\r\n"
        answer = await self._phone.send("PUT", f"/v1/intents/{intent}", body, kind)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
        self.armed += 1
        await self.until(intent, step="waiting")
        return intent

    async def until(
        self, intent: UUID, within_s: float = PATIENCE_S, **wanted: Any
    ) -> tuple[float, dict[str, Any]]:
        """When the stream said this of the intent, and all that it said. Raises RuntimeError."""

        def found() -> bool:
            _, said = self.states.get(intent, (0.0, {}))
            return all(said.get(name) == value for name, value in wanted.items())

        async with self._moved:
            try:
                await asyncio.wait_for(self._moved.wait_for(found), within_s)
            except TimeoutError:
                if self._following.done():
                    self._following.result()
                _, last = self.states.get(intent, (0.0, {}))
                raise RuntimeError(f"not {wanted} within {within_s:g} s: {last}") from None
        return self.states[intent]

    async def reading(self, id: str) -> dict[str, Any]:
        answer = await self._phone.get(f"/v1/readings/{id}")
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def officers(bench: Frame, db: Database, count: int) -> AsyncIterator[list[Officer]]:
    """As many sessions of one sample officer, each with its own stream."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            async with db.begin(Worker("bench")) as tx:
                session, tokens = await accounts.sign_in(tx, OFFICER)
            officer = Officer(bench, tokens.access_token, session)
            found.append(await stack.enter_async_context(officer))
        yield found
