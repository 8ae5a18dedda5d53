"""Uploads as a phone makes them, and the worker's jobs done at once."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from PIL import Image

from api import ids
from api.db import Database
from tests.world import Person, do_jobs

VERSION = {"Tus-Resumable": "1.0.0"}
APPEND = VERSION | {"Content-Type": "application/offset+octet-stream"}


def metadata(**values: Any) -> str:
    return ",".join(
        f"{name} {base64.b64encode(str(value).encode()).decode()}" for name, value in values.items()
    )


class Phone:
    """`await phone.send(data, id=…, owner_kind="visit", owner=…)`: an upload by tus."""

    def __init__(self, person: Person) -> None:
        self.person = person

    async def create(
        self, data: bytes, *, size: int | None = None, headers: Any = None, **claims: Any
    ) -> httpx.Response:
        claims = {"sha256": hashlib.sha256(data).hexdigest(), "id": ids.new()} | claims
        given = {"Upload-Length": str(len(data) if size is None else size)}
        given |= {"Upload-Metadata": metadata(**claims)}
        return await self.person.post("/v1/uploads", headers=VERSION | given | (headers or {}))

    async def append(
        self, place: str, offset: int, data: bytes, headers: Any = None
    ) -> httpx.Response:
        given = APPEND | {"Upload-Offset": str(offset)} | (headers or {})
        return await self.person.request("PATCH", place, headers=given, content=data)

    async def offset(self, place: str) -> int:
        found = await self.person.request("HEAD", place, headers=VERSION)
        assert found.status_code == 200, found.status_code
        return int(found.headers["Upload-Offset"])

    async def send(self, data: bytes, **claims: Any) -> UUID:
        """The whole file in two requests; it is still to be checked."""
        made = await self.create(data, **claims)
        assert made.status_code == 201, made.text
        place = made.headers["Location"]
        done = await self.append(place, 0, data)
        assert done.status_code == 204, done.text
        return UUID(place.rpartition("/")[2])

    async def about(self, id: UUID) -> dict[str, Any]:
        found = await self.person.get(f"/v1/evidence/{id}")
        assert found.status_code == 200, found.text
        return dict(found.json())


Work = Callable[[], Awaitable[None]]


@pytest.fixture
def work(db: Database) -> Work:
    """Does every job that is due, and those that come of them, as the worker does."""

    return lambda: do_jobs(db)


def photograph(
    seed: int = 0,
    size: tuple[int, int] = (640, 480),
    *,
    taken: str = "",
    position: tuple[float, float] | None = None,
    kind: str = "JPEG",
) -> bytes:
    """A picture with edges of its own, and EXIF as a camera writes it (`taken` in local time)."""
    import random

    dice = random.Random(seed)
    small = Image.frombytes("RGB", (9, 8), dice.randbytes(9 * 8 * 3))
    image = small.resize(size, Image.Resampling.NEAREST)
    exif = Image.Exif()
    if taken:
        exif[0x8769] = {0x9003: taken, 0x9011: "+07:00"}
    if position:
        lat, lng = position
        exif[0x8825] = {1: "N", 2: _sexagesimal(lat), 3: "E", 4: _sexagesimal(lng)}
    exif[0x010F] = "กล้องตัวอย่าง"
    out = io.BytesIO()
    image.save(out, kind, **({"exif": exif} if kind == "JPEG" else {}))
    return out.getvalue()


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    minutes = degrees % 1 * 60
    return float(int(degrees)), float(int(minutes)), round(minutes % 1 * 60, 3)


def noise(size: int) -> bytes:
    return os.urandom(size)
