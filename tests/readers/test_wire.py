"""The one connection a process tells others by: what is told while it tells is not lost."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from api.readers.channel import wire


class Slow:
    """A data base to which each telling takes a moment; the third one fails."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.times = 0
        self.during: Any = None

    def add_termination_listener(self, _: Any) -> None: ...
    async def add_listener(self, *_: Any) -> None: ...
    async def close(self, **_: Any) -> None: ...

    async def fetch(self, _: str, __: str, payloads: list[str]) -> None:
        self.times += 1
        if self.during is not None:
            said, self.during = self.during, None
            said()
        await asyncio.sleep(0)
        if self.times == 3:
            raise TimeoutError
        self.told += payloads


async def test_what_is_told_while_older_words_are_on_their_way_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = Slow()

    async def connect(*_: Any, **__: Any) -> Slow:
        return base

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(wire, "_KEPT", 60)
    monkeypatch.setattr(wire, "_PAUSE_S", (0.0, 0.01))
    mine = wire.Wire("", lambda _: None)
    for n in range(60):
        mine.tell(f"old {n}")
    base.during = lambda: [mine.tell(f"new {n}") for n in range(50)]
    task = asyncio.create_task(mine.run())
    async with asyncio.timeout(5):
        while "new 49" not in base.told:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [t for t in base.told if t.startswith("new")] == [f"new {n}" for n in range(50)]
    assert base.told[:60] == [f"old {n}" for n in range(60)]
