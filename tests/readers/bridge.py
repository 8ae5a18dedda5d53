"""A desk PC that enrols over HTTP, as a person's approval makes it one.

`bridge = await FakeBridge.enrolled(world)` is a device of the head's office.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import ids
from api.db import Database
from api.readers.bridges import connecting, device_queries, identity
from api.readers.bridges.connecting import Device
from reader_bridge.messages import Enrolment, Kind, ReaderSeen, ServerKeys, Signed, sign
from tests.readers.desk_pc import READER, DeskPC
from tests.world import Person, World, encode, now

AUDIENCE = "http://testserver"
SERVER = ids.new()
"""The process that `connect` says it is."""


class FakeBridge(DeskPC):
    """Not enrolled yet; one reader with a serial number when nothing is said."""

    def __init__(self, world: World, readers: Sequence[ReaderSeen] | None = None) -> None:
        super().__init__([ReaderSeen(READER, "S-1")] if readers is None else readers)
        self.world = world

    @property
    def device(self) -> UUID:
        return self.id

    @classmethod
    async def enrolled(
        cls,
        world: World,
        *,
        by: Person | None = None,
        readers: Sequence[ReaderSeen] | None = None,
        **approval: Any,
    ) -> FakeBridge:
        """Enrolled and approved by `by`, the head of Samut Prakan when nothing is said."""
        bridge = cls(world, readers)
        begun = (await bridge.ask()).raise_for_status().json()
        approved = await bridge.approve(by or world.head, begun, **approval)
        assert approved.status_code == 200, approved.text
        granted = (await bridge.poll(begun)).raise_for_status().json()
        bridge.id = UUID(granted["device"])
        bridge.know(msgspec.convert(granted["keys"], ServerKeys))
        return bridge

    # -- enrolment -------------------------------------------------------------------------------

    async def ask(self, **parts: Any) -> httpx.Response:
        """Asks to become a device; `parts` take the place of what it says of itself."""
        return await self.send(sign(self.key, Kind.enrolment, self.enrolment(**parts)))

    def enrolment(self, **parts: Any) -> Enrolment:
        said: dict[str, Any] = {
            "audience": AUDIENCE,
            "public_key": public(self.key),
            "server": identity.shown().identity,
            "name": "SAMPLE-PC",
            "platform": "Linux 6.1 x86_64",
            "software": "reader-bridge 0.1",
            "key_protection": "file",
            "at": now(),
        }
        return Enrolment(**said | parts)

    async def send(self, signed: Signed) -> httpx.Response:
        return await self.world.nobody.post("/v1/bridges/enrolments", content=encode(signed))

    async def poll(self, begun: dict[str, Any]) -> httpx.Response:
        body = {"device_code": begun["device_code"]}
        return await self.world.nobody.post("/v1/bridges/enrolments/token", content=encode(body))

    async def approve(
        self, person: Person, begun: dict[str, Any], **approval: Any
    ) -> httpx.Response:
        """As a person does: types the code, compares the fingerprint, approves."""
        seen = await look(person, begun["user_code"])
        assert seen.status_code == 200, seen.text
        body = {"name": "เครื่องตัวอย่าง", "fingerprint": begun["fingerprint"][:14]} | approval
        path = f"/v1/bridges/enrolments/{seen.json()['id']}/approve"
        return await person.post(path, content=encode(body))

    # -- connecting ------------------------------------------------------------------------------

    async def connect(self, db: Database, **parts: Any) -> Device:
        """Connects without a line; `parts` take the place of what its hello says."""
        challenge, now = secrets.token_bytes(32), await moves(db)
        async with db.begin() as tx:
            hello = self.hello(**{"challenge": challenge} | parts)
            return await connecting.connect(tx, hello, challenge, SERVER, now)


async def moves(db: Database) -> int:
    """How far all devices are, as a challenge that is given now has it."""
    async with db.read() as tx:
        return (await device_queries.mark(tx)).moves


async def look(person: Person, code: str) -> httpx.Response:
    """Types a code that a PC shows."""
    content = encode({"user_code": code})
    return await person.post("/v1/bridges/enrolments/look", content=content)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
