"""One connection a process that hears what other servers have to tell, and tells them.

It only makes things quick: `api.readers.channel.hub` polls for what it says, and everything works,
two seconds later, where no notification ever arrives (a pooler in transaction mode loses them
without a word). What is told was committed before. Told at once, in one statement for many.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from api.db import Unreachable

log = logging.getLogger("superapp.readers")
CHANNEL: Final = "superapp_readers"
LARGEST: Final = 7900
"""Of one notification, bytes; PostgreSQL takes less than 8,000."""
_KEPT: Final = 200
_PAUSE_S: Final = (0.2, 2.0)
_PROBE_S: Final = 20.0


class Wire:
    """`heard(payload)` is called for each notification, of this process too."""

    def __init__(self, url: str, heard: Callable[[str], None]) -> None:
        self._url, self._heard = url, heard
        self._outbox: list[str] = []
        self._something = asyncio.Event()
        self.up = False

    def tell(self, payload: str) -> None:
        """To all servers. The oldest are dropped where the data base is away for long."""
        self._outbox.append(payload)
        del self._outbox[:-_KEPT]
        self._something.set()

    async def run(self) -> None:
        """Connects again for as long as it runs."""
        while True:
            try:
                await self._hold()
            except (*Unreachable, asyncpg.PostgresError, TimeoutError) as error:
                facts = {"error": type(error).__name__}
                log.warning("no notifications for now; polling goes on", extra={"facts": facts})
            self.up = False
            await asyncio.sleep(random.uniform(*_PAUSE_S))  # noqa: S311 - no secret

    async def _hold(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=5,
            command_timeout=5,
            server_settings={"application_name": "superapp-wake", "role": "superapp_app"},
        )
        try:
            lost = asyncio.Event()

            def gone(_: Any) -> None:
                lost.set()
                self._something.set()

            connection.add_termination_listener(gone)
            await connection.add_listener(CHANNEL, self._on)
            self.up = True
            while not lost.is_set():
                if not self._outbox:
                    self._something.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._something.wait(), _PROBE_S)
                sending, self._outbox = self._outbox[:50], self._outbox[50:]
                try:
                    await connection.fetch(
                        "select pg_notify($1, p) from unnest($2::text[]) as p", CHANNEL, sending
                    )
                except BaseException:
                    self._outbox[:0] = sending  # those that came meanwhile are newer
                    raise
        finally:
            self.up = False
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)

    def _on(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._heard(str(payload))
