"""Raw HTTP over a socket, for lines that are cut, slow or closed too early."""

from __future__ import annotations

import asyncio
import socket
import struct

from tests.trials.house import Server


def head(token: str, length: int, method: str = "POST", path: str = "/v1/sync") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


class Line:
    """One connection to `server`."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def open(self) -> Line:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        return self

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        found = await asyncio.wait_for(self.reader.read(), 20)
        self.writer.close()
        await self.writer.wait_closed()
        return found

    async def cut(self) -> None:
        """A reset, as when the signal is gone: nothing is read any more."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        await asyncio.sleep(0)
