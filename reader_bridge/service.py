"""`reader-bridge run`: the watcher, the agent and the line together, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from reader_bridge.agent import Agent
from reader_bridge.chain.journal import Journal
from reader_bridge.chain.stating import Identity, Stating
from reader_bridge.device import folder
from reader_bridge.device.alone import alone, runs
from reader_bridge.device.folder import Configuration, Unusable
from reader_bridge.line import rotation
from reader_bridge.line.keeping import keep_up
from reader_bridge.line.link import Link
from reader_bridge.line.rotation import Rotation
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import Port
from reader_bridge.pcsc.sightings import Sighting
from reader_bridge.pcsc.watcher import Watcher
from reader_bridge.pcsc.winscard import Pcsc

log = logging.getLogger("reader_bridge")
FIRST_LOOK_S: Final = 5.0
"""So long the line waits for the watcher's first look: a greeting that names no readers says that
all are gone, and the server takes those that cannot be told apart off their desks."""
LOOK_S: Final = 5.0
"""So often it is looked whether the watcher's thread still lives."""
ROTATES_S: Final = 60.0


def identity(configuration: Configuration) -> Identity:
    """Of this run. Raises `Unusable` before enrolment."""
    if configuration.device is None:
        raise Unusable(
            "เครื่องนี้ยังไม่ได้ลงทะเบียน กรุณาใช้คำสั่ง reader-bridge enrol --server URL",
            "not enrolled: run `reader-bridge enrol --server URL`",
        )
    return Identity(configuration.device, configuration.audience, uuid4())


async def run(where: Path, software: str) -> None:
    """Serves until TERM or Ctrl-C. Raises as `serve` does."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows has none on its loop
            loop.add_signal_handler(number, stopping.set)
    await serve(where, software, Pcsc(), stopping)


@asynccontextmanager
async def device(where: Path, software: str) -> AsyncIterator[Link]:
    """The device of folder `where`, as a started program that holds no line yet; no other process
    serves it meanwhile. Raises `Unusable`."""
    configuration = folder.load(where)
    who = identity(configuration)
    with alone(where):
        key, journal = rotation.opened(where)
        try:
            stating = Stating(who, key, journal)
            link = Link(configuration, Agent(stating), Rotation(where, stating), software)
            link.starts = journal.start()
            journal.note("connected", "")
            journal.note("pid", str(os.getpid()))
            yield link
            for name in ("connected", "pid"):
                link.note(name, "")
        finally:
            journal.close()


async def serve(where: Path, software: str, port: Port, stopping: asyncio.Event) -> None:
    """The readers of `port` for the device of folder `where`, until `stopping` is set.

    Raises `line.Over`, and `Unusable`.
    """
    async with device(where, software) as line:
        loop, agent = asyncio.get_running_loop(), line.agent

        def tell(sighting: Sighting) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(agent.saw, sighting)

        watcher = Watcher(port, tell)
        cards = Cards(port, watcher)
        agent.use(watcher, cards)
        line.readers = watcher.readers
        watcher.start()
        await asyncio.to_thread(watcher.first_look, FIRST_LOOK_S)
        tasks = [
            asyncio.create_task(work)
            for work in (keep_up(line), _outlives(watcher), stopping.wait())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await agent.close()
            await asyncio.to_thread(watcher.stop)
            await asyncio.to_thread(cards.close)


async def _outlives(watcher: Watcher) -> None:
    """Raises where the watcher's thread has ended by itself, which nothing should make it do."""
    while True:
        await asyncio.sleep(LOOK_S)
        if not watcher.alive:
            raise RuntimeError("the card watcher has ended; the service begins anew")


async def rotate(where: Path, software: str) -> str:
    """Gives the device a new key, through the running service where one runs; returns since when
    it has it. Raises `Unusable`, `line.Over`, and TimeoutError where it is not known in a minute:
    it goes on with the next connection then, whichever key the server has."""
    if runs(where):
        key, journal = rotation.opened(where)
        del key
        try:
            return await _asked(journal)
        finally:
            journal.close()
    async with device(where, software) as line:
        serving = asyncio.create_task(keep_up(line))
        try:
            return await _asked(line.journal, serving)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await line.agent.close()


async def _asked(journal: Journal, serving: asyncio.Task[None] | None = None) -> str:
    before = journal.notes().get(rotation.DONE, "")
    journal.note(rotation.ASKED, "1")
    until = time.monotonic() + ROTATES_S
    while time.monotonic() < until:
        if serving is not None and serving.done():
            serving.result()
        now = journal.notes().get(rotation.DONE, "")
        if now != before:
            return now
        await asyncio.sleep(0.2)
    raise TimeoutError
