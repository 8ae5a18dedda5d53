"""A keep-alive HTTP/1.1 client that costs little: one connection, one request at a time."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any, NamedTuple, Self

import msgspec


class Answer(NamedTuple):
    """`body` is unpacked; `wire_bytes` counts it as it came, compressed."""

    status: int
    body: bytes
    wire_bytes: int

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Phone:
    """`await phone.post("/v1/sync", body)`; `body` is sent as it is, gzip when `packed`."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def get(self, path: str) -> Answer:
        return await self.send("GET", path, b"", "")

    async def post(self, path: str, body: bytes, *, packed: bool = False) -> Answer:
        kind = "Content-Type: application/json\r\n"
        return await self.send("POST", path, body, kind + "Content-Encoding: gzip\r\n" * packed)

    async def send(self, method: str, path: str, body: bytes, headers: str) -> Answer:
        self.writer.write(
            (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                f"Authorization: Bearer {self.token}\r\nAccept-Encoding: gzip\r\n{headers}"
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode()
            + body
        )
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        except asyncio.IncompleteReadError:  # an EOFError, which click takes for Ctrl-D
            raise ConnectionError(f"{method} {path}: the server hung up") from None
        status = int(head.split(" ", 2)[1])
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if fields.get("transfer-encoding") == "chunked":
            raw = await self._chunks()
        else:
            raw = await self.reader.readexactly(int(fields.get("content-length", 0)))
        packed = fields.get("content-encoding") == "gzip"
        return Answer(status, gzip.decompress(raw) if packed else raw, len(raw))

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self.reader.readline(), 16):
            parts.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readline()
        return b"".join(parts)
