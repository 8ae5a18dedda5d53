"""A phone that keeps a journal: what it sent, what was acknowledged, what it still has to send."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import msgspec

from tests.world import answer, encode, record

ITEMS = ("B01", "B03", "B10", "B11", "C01", "C02", "E01", "E02", "E08", "I01", "J01", "J02")
HELD = ("stored", "flagged", "conflict")


@dataclass
class Entry:
    """One operation of the journal. `answers`: every result that arrived for it."""

    id: str
    visit: str
    raw: bytes
    items: frozenset[str]
    sent: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        return any(a["status"] in HELD for a in self.answers)


class Phone:
    """Pushes answers to `visits`, sends again what was not acknowledged, and sometimes what was."""

    def __init__(self, urls: Sequence[str], token: str, visits: Sequence[str], seed: str) -> None:
        self.clients = [
            httpx.AsyncClient(
                base_url=url, timeout=15, headers={"Authorization": f"Bearer {token}"}
            )
            for url in urls
        ]
        self.visits, self.rng = list(visits), random.Random(seed)
        self.journal: dict[str, Entry] = {}
        self.waiting: list[Entry] = []
        self.seen: dict[tuple[str, str], str] = {}
        self.unexpected: list[str] = []
        """Answers that no phone can make sense of: neither results nor a 503 with Retry-After."""
        self.refusals = 0

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()

    def make(self) -> Entry:
        """A new operation: up to three answers to one visit."""
        visit = self.rng.choice(self.visits)
        items = self.rng.sample(ITEMS, self.rng.randint(1, 3))
        answers = []
        for item in items:
            more = {"base": self.seen[visit, item]} if (visit, item) in self.seen else {}
            value = self.rng.choice(["pass", "fail"])
            answers.append(answer(item, value, note="ตัวอย่าง", reason="แก้ไขแล้ว", **more))
        op = record(UUID(visit), answers=answers)
        entry = Entry(str(op["id"]), visit, encode(op), frozenset(items))
        self.journal[entry.id] = entry
        return entry

    async def push(self, entries: Sequence[Entry]) -> bool:
        """Sends them in one push; True when an answer with results arrived."""
        body = b'{"operations":[' + b",".join(e.raw for e in entries) + b"]}"
        for entry in entries:
            entry.sent += 1
        try:
            reply = await self.rng.choice(self.clients).post("/v1/sync", content=body)
        except httpx.TransportError:
            return False
        if reply.status_code != 200:
            self._refused(reply)
            return False
        for entry, result in zip(entries, reply.json()["results"], strict=True):
            entry.answers.append(result)
            if result["status"] in HELD:
                self.seen.update({(entry.visit, item): entry.id for item in entry.items})
            elif result["status"] != "retry":
                self.unexpected.append(msgspec.json.encode(result).decode())
        return True

    def _refused(self, reply: httpx.Response) -> None:
        self.refusals += 1
        kind = reply.headers.get("content-type", "")
        if reply.status_code != 503 or "problem+json" not in kind:
            self.unexpected.append(f"{reply.status_code} {reply.text[:300]}")
        elif not reply.headers.get("retry-after", "").isdigit():
            self.unexpected.append("503 without Retry-After")

    async def work(self, stopping: asyncio.Event, pause_s: float = 0.0) -> None:
        """Pushes until told to stop; what waits goes first, as in a phone's queue."""
        while not stopping.is_set():
            batch = self.waiting[:5]
            batch += [self.make() for _ in range(self.rng.randint(1, 3) if len(batch) < 3 else 0)]
            if self.rng.random() < 0.1 and self.journal:
                again = self.rng.choice(list(self.journal.values()))
                batch += [] if again in batch else [again]
            arrived = await self.push(batch)
            known = {e.id for e in self.waiting}
            self.waiting += [e for e in batch if e.id not in known]
            self.waiting = [e for e in self.waiting if not e.acknowledged]
            if not arrived:
                await asyncio.sleep(0.05)
            elif pause_s:
                await asyncio.sleep(self.rng.uniform(0, pause_s))

    async def drain(self, tries: int = 100) -> None:
        """Sends what still waits until all of it is acknowledged."""
        self.waiting = [e for e in self.journal.values() if not e.acknowledged]
        for _ in range(tries):
            if not self.waiting:
                return
            if not await self.push(self.waiting[:20]):
                await asyncio.sleep(0.2)
            self.waiting = [e for e in self.waiting if not e.acknowledged]
        raise AssertionError(f"{len(self.waiting)} operations are never taken: {self.unexpected}")

    @property
    def acknowledged(self) -> int:
        return sum(e.acknowledged for e in self.journal.values())


@contextlib.asynccontextmanager
async def working(phones: Sequence[Phone], pause_s: float = 0.0) -> Any:
    """All phones push while the block runs; what one of them raises is raised here."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(p.work(stopping, pause_s)) for p in phones]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


def total(phones: Sequence[Phone]) -> int:
    return sum(p.acknowledged for p in phones)


async def more(phones: Sequence[Phone], count: int, within_s: float = 30) -> None:
    """Waits until `count` more operations are acknowledged than now."""
    goal, waited = total(phones) + count, 0.0
    while total(phones) < goal:
        await asyncio.sleep(0.05)
        waited += 0.05
        assert waited < within_s, f"only {total(phones)} of {goal}: the server does not come back"
