"""People who send to servers that come and go, again and again until somebody answers."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx

from tests.trials.house import House, Server
from tests.world import encode

_CERTIFICATES = ssl.create_default_context()
"""Read once: a client of its own for each try would read them each time."""


class Caller:
    """Sample people by their names, who speak to any of `servers`."""

    def __init__(self, house: House, servers: Sequence[Server], dice: random.Random) -> None:
        self.house, self.servers, self.dice = house, list(servers), dice
        self.tokens: dict[str, str] = {}
        self.accounts: dict[str, UUID] = {}
        self.since = 0.0
        self.unexpected: list[str] = []
        """Answers that say neither yes nor "come again" where one of them was to be had."""

    async def sign_in(self, *names: str) -> None:
        for name in names:
            account, token = await self.house.sign_in(name)
            self.accounts[name], self.tokens[name] = UUID(account), token
        self.since = time.monotonic()

    def authorization(self, name: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    async def once(
        self, name: str, method: str, path: str, body: Any = None, version: int | None = None
    ) -> httpx.Response | None:
        """One try at any server; None where no answer came, or one that says to come again."""
        headers = dict(self.authorization(name))
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        server = self.dice.choice(self.servers)
        content = None if body is None else encode(body)
        try:
            async with httpx.AsyncClient(
                base_url=server.url, timeout=20, verify=_CERTIFICATES
            ) as http:
                found = await http.request(method, path, headers=headers, content=content)
        except httpx.TransportError:
            return None
        if found.status_code == 503 and found.headers.get("retry-after", "").isdigit():
            return None
        return found

    async def ask(self, name: str, method: str, path: str, body: Any = None) -> Any:
        """Until a server answers; only for what may be sent again."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = await self.once(name, method, path, body)
            if found is None:
                await asyncio.sleep(0.05)
                continue
            if found.status_code >= 300:
                self.unexpected.append(f"{method} {path}: {found.status_code} {found.text[:200]}")
            return found.json()
        raise AssertionError(f"{method} {path} is never answered")
