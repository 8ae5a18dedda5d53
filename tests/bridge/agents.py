"""An agent with scripted readers: what it would say to the server is kept in a list."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from reader_bridge import messages
from reader_bridge.agent import Agent
from reader_bridge.chain.journal import Journal
from reader_bridge.fields import CardText, Field
from reader_bridge.messages import (
    MAP_DESK,
    Arm,
    FromBridge,
    Kind,
    Progress,
    ReadersNow,
    Receipt,
    Statement,
)
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.sightings import Sighting
from reader_bridge.pcsc.watcher import Watcher
from tests.bridge.papers import SERVER, journal, stating
from tests.bridge.scripted import ScriptedReaders

A, B = "Sample Reader A 00 00", "Sample Reader B 00 00"
DEVICE = UUID(int=1)


def arm(reader: str | None = A, **other: Any) -> Arm:
    entry: dict[str, Any] = {
        "intent": uuid4(),
        "nonce": secrets.token_bytes(32),
        "purpose": "identify_complainant",
        "expires_in_s": 30.0,
        "reader": reader,
        "fields": (Field.cid, Field.name_th),
    }
    return Arm(**(entry | other))


def maps(**other: Any) -> Arm:
    return arm(None, purpose=MAP_DESK, fields=(), **other)


class Seat:
    """`said` is what the agent said."""

    def __init__(self, agent: Agent, kept: Journal, port: ScriptedReaders) -> None:
        self.agent, self.journal, self.port = agent, kept, port
        self.said: list[FromBridge] = []
        agent.say = self.said.append
        self.key = agent.stating.device.private.public_key()

    def steps(self, of: Arm) -> list[tuple[str, str | None]]:
        found = [m for m in self.said if isinstance(m, Progress) and m.intent == of.intent]
        return [(m.step, m.fault) for m in found]

    def statements(self) -> list[Statement]:
        return [
            messages.opened(self.key, Kind.statement, one.stated.signed, Statement)
            for one in self.journal.waiting()
        ]

    def read(self, place: int = 0) -> CardText:
        """What statement `place` carries, as the server would open it."""
        said, one = self.statements()[place], self.journal.waiting()[place]
        assert one.stated.payload is not None and said.intent is not None
        plain = messages.unseal(SERVER, one.stated.payload, "text", said.intent, DEVICE)
        return messages.msgspec.json.decode(plain, type=CardText)

    async def until(self, true: Any, seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)

    async def step(self, of: Arm, step: str, fault: str | None = None) -> None:
        """Until the officer's screen would say this."""
        await self.until(lambda: self.steps(of)[-1:] == [(step, fault)])

    async def stated(self, count: int = 1) -> None:
        await self.until(lambda: self.journal.count() == count)

    def receipt(self, place: int = -1, **other: Any) -> None:
        one = self.journal.waiting()[place]
        entry = {"reading": uuid4()} | other
        self.agent.heard(Receipt(one.sequence, one.sha256, **entry))

    def readers(self) -> list[list[str]]:
        return [[r.name for r in m.readers] for m in self.said if isinstance(m, ReadersNow)]


@asynccontextmanager
async def seat(folder: Path, *names: str) -> AsyncIterator[Seat]:
    """A desk PC without a line, whose readers have been there for a while."""
    port = ScriptedReaders(*(names or (A, B)))
    device, kept = journal(folder)
    agent = Agent(stating(device, kept))
    loop = asyncio.get_running_loop()

    def tell(sighting: Sighting) -> None:
        loop.call_soon_threadsafe(agent.saw, sighting)

    watcher = Watcher(port, tell, settled=0.0)
    cards = Cards(port, watcher)
    agent.use(watcher, cards)
    found = Seat(agent, kept, port)
    watcher.start()
    try:
        await found.until(lambda: len(watcher.readers()) == len(port.slots))
        await asyncio.sleep(0.05)
        yield found
    finally:
        await agent.close()
        watcher.stop()
        cards.close()
        kept.close()
