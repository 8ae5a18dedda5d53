"""What may stand between a desk PC and the server: a proxy with a will of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["passes", "refuses", "swallows", "overloaded", "away"]
ANSWERS = {
    "refuses": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nConnection: close\r\n\r\n<html/>",
    "overloaded": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


class Between:
    """`mode` is for WebSockets; `http` for everything else. `sockets` and `requests` count them.

    `there` and `back`: what comes while one of them is not set is lost for good.
    `swallows`: the WebSocket opens as far as the server goes, and nothing comes back.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.mode: Mode = "passes"
        self.http: Mode = "passes"
        self.sockets = self.requests = 0
        self.url = ""
        self.there, self.back = asyncio.Event(), asyncio.Event()
        self.there.set()
        self.back.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Every connection there is."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            socket = b"upgrade: websocket" in head.lower()
            mode = self.mode if socket else self.http
            if socket:
                self.sockets += 1
            else:
                self.requests += 1
            if mode in ANSWERS:
                writer.write(ANSWERS[mode])
                await writer.drain()
            elif mode == "swallows":
                await asyncio.sleep(60)
            elif mode == "passes":
                await self._pass_on(head, reader, writer)
        self._writers.discard(writer)
        writer.close()

    async def _pass_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, port = self.upstream.hostname, self.upstream.port
        to_reader, to_writer = await asyncio.open_connection(host, port)
        self._writers.add(to_writer)
        to_writer.write(head)
        try:
            await asyncio.wait(
                [
                    asyncio.create_task(_pump(reader, to_writer, self.there)),
                    asyncio.create_task(_pump(to_reader, writer, self.back)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._writers.discard(to_writer)
            to_writer.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: asyncio.Event
) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            if not opened.is_set():
                continue
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def between(upstream: str) -> AsyncIterator[Between]:
    found = Between(upstream)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        found.cut()
