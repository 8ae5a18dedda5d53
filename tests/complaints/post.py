"""A mail server of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from email.message import EmailMessage


class Post:
    """Speaks RFC 5321, which answers DATA with `answer`."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.answer = b"250 kept\r\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # who writes was killed
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                body = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                if self.answer.startswith(b"250"):
                    policy = email.policy.default
                    self.letters.append(email.message_from_bytes(body, policy=policy))  # type: ignore[arg-type]
                writer.write(self.answer)
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        await writer.drain()
