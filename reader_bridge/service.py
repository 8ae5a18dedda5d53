"""`reader-bridge run`: the watcher, the agent and the line together, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import Final
from uuid import uuid4

from reader_bridge import folder, keys
from reader_bridge.agent import Agent, Identity
from reader_bridge.cards import Cards
from reader_bridge.folder import Configuration, Unusable
from reader_bridge.journal import Journal
from reader_bridge.link import Link
from reader_bridge.pcsc import Pcsc
from reader_bridge.ports import Port
from reader_bridge.sightings import Sighting
from reader_bridge.watcher import Watcher

log = logging.getLogger("reader_bridge")
FIRST_LOOK_S: Final = 5.0
"""So long the line waits for the watcher's first look: a greeting that names no readers says that
all are gone, and the server takes those that cannot be told apart off their desks."""


def identity(configuration: Configuration) -> Identity:
    """Of this run. Raises `Unusable` before enrolment."""
    if configuration.device is None:
        raise Unusable("this PC is not enrolled: run `reader-bridge enrol --server URL`")
    return Identity(configuration.device, configuration.audience, uuid4())


async def run(where: Path, software: str) -> None:
    """Serves until TERM or Ctrl-C. Raises as `serve` does."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows has none on its loop
            loop.add_signal_handler(number, stopping.set)
    await serve(where, software, Pcsc(), stopping)


async def serve(where: Path, software: str, port: Port, stopping: asyncio.Event) -> None:
    """The readers of `port` for the device of folder `where`, until `stopping` is set.

    Raises `link.Over`, and `Unusable`.
    """
    configuration = folder.load(where)
    device = keys.load(where)
    journal = Journal(where, device)
    agent = Agent(identity(configuration), device, journal)
    line = Link(configuration, journal, agent, software)
    line.starts = journal.start()
    loop = asyncio.get_running_loop()

    def tell(sighting: Sighting) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(agent.saw, sighting)

    watcher = Watcher(port, tell)
    cards = Cards(port, watcher)
    agent.use(watcher, cards)
    line.readers = watcher.readers
    watcher.start()
    journal.note("pid", str(os.getpid()))
    await asyncio.to_thread(watcher.first_look, FIRST_LOOK_S)
    serving = asyncio.create_task(line.run())
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([serving, told], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    finally:
        serving.cancel()
        told.cancel()
        await asyncio.gather(serving, told, return_exceptions=True)
        await agent.close()
        await asyncio.to_thread(watcher.stop)
        cards.close()
        for name in ("pid", "connected"):
            journal.note(name, "")
        journal.close()
