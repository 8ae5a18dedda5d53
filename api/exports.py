"""Rows as CSV, streamed: as many as there are, in the memory of a few.

They go from PostgreSQL (`COPY … TO STDOUT`) to the caller as fast as the caller takes them, over
one connection, in a read-only transaction with a time limit. What becomes of an export is an event.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from api import ids
from api.db import Database, Tx
from api.permissions import Actor
from api.problems import TooMany

log = logging.getLogger("superapp.export")
LIMIT_S: Final = 300.0
"""Longer than this no export lasts, however slow its reader is."""
MOST: Final = 3
"""Exports of one process at a time: each holds a connection of the pool."""
_AHEAD: Final = 4  # pieces that may wait for the reader
_PIECE: Final = 64 * 1024  # bytes at least, but for the first and the last one
BOM: Final = "\ufeff"
_running = 0


def busy() -> bool:
    """Whether as many exports are under way as there may be; `open` makes sure of it."""
    return _running >= MOST


class CopyOut(ABC):
    """`await open()`, then iterate: bytes of CSV. A feature says what, and notes how it ended."""

    def __init__(self, db: Database, actor: Actor, request_id: str) -> None:
        self.db, self.actor, self.request_id = db, actor, request_id
        self.id = ids.new()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self._part, self._enough = bytearray(), 1  # the first rows go at once
        self._task: asyncio.Task[int] | None = None

    @abstractmethod
    def statement(self) -> tuple[str, Sequence[Any]]:
        """The query, each text of people in it through `csv_cell`, and its arguments."""

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """The headings."""

    @abstractmethod
    async def ended(self, tx: Tx, done: dict[str, Any]) -> None:
        """Notes in `tx` that it ended: `{"rows": …}` or `{"broken_off": True}`."""

    @abstractmethod
    def refusal(self) -> TooMany:
        """Says that as many are under way as there may be."""

    async def open(self) -> AsyncIterator[bytes]:
        """Starts the copy and waits for its first rows, so that what fails at once is a problem.

        Raises `refusal`, also where others have begun since it was asked.
        """
        global _running
        if busy():
            async with self.db.begin(self.actor, self.request_id) as tx:
                await self.ended(tx, {"broken_off": True})
            raise self.refusal()
        _running += 1  # nothing is awaited since `busy`
        self._task = asyncio.create_task(self._copy())
        self._task.add_done_callback(_seen)
        first = await self._pieces.get()
        if first is None:
            await self._task  # raises what was wrong; else there was no row
        return self._rows(first)

    async def _rows(self, first: bytes | None) -> AsyncIterator[bytes]:
        task = self._task
        assert task is not None
        try:
            yield (BOM + ",".join(f'"{name}"' for name in self.columns()) + "\n").encode()
            piece = first
            while piece is not None:
                yield piece
                piece = await self._pieces.get()
            await task  # a copy that broke off breaks the answer off, too
        finally:
            task.cancel()

    async def _copy(self) -> int:
        rows: int | None = None
        try:
            async with asyncio.timeout(LIMIT_S):
                rows = await self._all()
                if self._part:
                    await self._send()
                await self._pieces.put(None)
            return rows
        except BaseException:
            while not self._pieces.empty():
                self._pieces.get_nowait()
            self._pieces.put_nowait(None)
            raise
        finally:
            done = {"rows": rows} if rows is not None else {"broken_off": True}
            async with self.db.begin(self.actor, self.request_id) as tx:
                await self.ended(tx, done)

    async def _all(self) -> int:
        connection = await self.db.acquire()
        try:
            async with connection.transaction(readonly=True):
                await connection.execute(f"set local statement_timeout = {int(LIMIT_S * 1000)}")
                # Whole rows cross the wire quickly only where no sort stands before them.
                sql, arguments = self.statement()
                told: str = await connection.copy_from_query(
                    sql,
                    *arguments,
                    output=self._piece,
                    format="csv",
                    encoding="utf-8",
                    timeout=LIMIT_S,
                )
                return int(told.rpartition(" ")[2])
        finally:
            await self.db.take_back(connection)

    async def _piece(self, data: bytearray) -> None:
        """While this waits, nothing more is read of what PostgreSQL sends."""
        self._part += data
        if len(self._part) >= self._enough:
            await self._send()

    async def _send(self) -> None:
        piece, self._part, self._enough = bytes(self._part), bytearray(), _PIECE
        await self._pieces.put(piece)


def _seen(task: asyncio.Task[int]) -> None:
    """Reads the outcome, which nobody may be waiting for any more; another may run now."""
    global _running
    _running -= 1
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("an export broke off", extra={"facts": {"error": type(error).__name__}})
