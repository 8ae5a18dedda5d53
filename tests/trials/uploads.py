"""A phone that uploads over a line that is cut, to servers that come and go."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx

from api import children, ids
from api.embedded import CHECKOUT
from tests.trials.house import House, Server
from tests.trials.lines import Line

VERSION = {"Tus-Resumable": "1.0.0"}


class Uploader:
    """One file on its way. `stored` is the most that any answer has acknowledged."""

    def __init__(self, token: str, size: int, dice: random.Random) -> None:
        self.id, self.data, self.token = ids.new(), dice.randbytes(size), token
        self.dice, self.stored, self.cuts = dice, 0, 0
        self.path = f"/v1/uploads/{self.id}"
        self.headers = VERSION | {"Authorization": f"Bearer {token}"}

    async def ask(
        self, server: Server, method: str, path: str, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Asks until a server answers; 5xx are tried again."""
        for _ in range(400):
            with contextlib.suppress(httpx.TransportError):
                async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
                    found = await http.request(method, path, headers=self.headers | (headers or {}))
                    if found.status_code < 500:
                        return found
            await asyncio.sleep(0.05)
        raise AssertionError("no server answers")

    async def ask_once(self, server: Server, path: str) -> tuple[int, str]:
        """Status and code of the problem that a GET ends in."""
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            found = await http.get(path, headers=self.headers)
        return found.status_code, found.json()["code"]

    async def create(self, server: Server) -> None:
        pairs = {"id": str(self.id), "sha256": hashlib.sha256(self.data).hexdigest()}
        metadata = ",".join(
            f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items()
        )
        given = {"Upload-Length": str(len(self.data)), "Upload-Metadata": metadata}
        made = await self.ask(server, "POST", "/v1/uploads", given)
        assert made.status_code == 201, made.text

    async def offset(self, server: Server) -> int:
        """Where the upload stands; never behind what was acknowledged."""
        found = await self.ask(server, "HEAD", self.path)
        assert found.status_code == 200, found.status_code
        stands = int(found.headers["Upload-Offset"])
        assert stands >= self.stored, f"{self.stored} were acknowledged, {stands} are held"
        return stands

    async def patch(self, server: Server, offset: int, cut: int | None = None) -> int | None:
        """Sends the rest from `offset`, or `cut` bytes of it; returns the status, if one came."""
        rest = self.data[offset:]
        head = (
            f"PATCH {self.path} HTTP/1.1\r\nHost: testserver\r\n"
            f"Authorization: Bearer {self.token}\r\nTus-Resumable: 1.0.0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
            f"Content-Length: {len(rest)}\r\nConnection: close\r\n\r\n"
        ).encode()
        try:
            line = await Line(server).open()
            await line.send(head)
            for start in range(0, len(rest[:cut]), 65_536):
                await line.send(rest[:cut][start : start + 65_536])
                await asyncio.sleep(0)
            if cut is not None:
                await asyncio.sleep(self.dice.choice([0, 0, 0.005, 0.03]))
                await line.cut()
                self.cuts += 1
                return None
            answer = await line.answer()
        except (OSError, TimeoutError):
            return None
        if not answer:
            return None
        status = int(answer.split(b" ", 2)[1])
        if status == 204:
            self.stored = len(self.data)
        return status

    async def through(self, servers: list[Server], cuts: int) -> None:
        """Uploads with so many cuts at random bytes, each time to any of `servers`."""
        await self.create(self.dice.choice(servers))
        for _ in range(1000):
            server = self.dice.choice(servers)
            offset = await self.offset(server)
            if offset == len(self.data):
                return
            # Small steps at first, so that there is something left for every cut. A server that is
            # still busy with the last one ends the line itself: that is none.
            left, to_come = len(self.data) - offset, cuts - self.cuts
            cut = self.dice.randrange(left // to_come + 1) if to_come > 0 else None
            await self.patch(server, offset, cut)
        raise AssertionError("the upload never ended")

    async def kept(self, server: Server) -> None:
        """Waits until the file is evidence, and compares every byte."""
        for _ in range(600):
            found = (await self.ask(server, "GET", f"/v1/evidence/{self.id}")).json()
            if found["state"] != "checking":
                break
            await asyncio.sleep(0.1)
        assert found["state"] == "stored" and found["receipt"], found
        got = await self.ask(server, "GET", f"/v1/evidence/{self.id}/content")
        assert got.content == self.data


@asynccontextmanager
async def worker(house: House, **more: str) -> AsyncIterator[None]:
    """`superapp worker` on the house's data base."""
    log = house.postgres.home / "worker.log"
    with log.open("ab") as out:
        process = children.spawn(
            [sys.executable, "-m", "api.cli", "worker"],
            ending=signal.SIGKILL,
            env=house.environment | more,
            cwd=CHECKOUT,
            stdout=out,
            stderr=out,
        )
        try:
            yield
        finally:
            children.stop(process, signal.SIGTERM, patience=15)


async def uploaders(house: House, count: int, sizes: range, seed: object) -> list[Uploader]:
    dice = random.Random(f"{seed}")
    _, token = await house.sign_in("inspector")
    return [
        Uploader(token, dice.randrange(sizes.start, sizes.stop), random.Random(f"{seed} {n}"))
        for n in range(count)
    ]


async def objects_of(house: House, id: UUID) -> list[str]:
    """What the storage still holds under an upload's name."""
    folder = house.postgres.home / "objects"
    return sorted(p.name for p in folder.rglob(f"*{id}*"))
