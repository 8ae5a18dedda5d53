"""A desk PC as the server sees one: it enrols over HTTP, signs, and keeps its chain.

`bridge = await FakeBridge.enrolled(world)` is a device of the head's office; what it says is made
by `hello`, `state` and `rotated`, and sent by whoever tests a transport.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import ids
from api.db import Database
from api.readers.bridges import connecting
from api.readers.bridges.connecting import Device
from reader_bridge.messages import (
    GENESIS,
    Enrolment,
    Hello,
    Kind,
    ReaderSeen,
    Rotated,
    Rotation,
    SealingKey,
    Signed,
    Stated,
    Statement,
    seal,
    sign,
)
from tests.world import Person, World, encode, now

AUDIENCE = "http://testserver"
SERVER = ids.new()
"""The process that `connect` says it is."""
READER = "Sample Reader 00 00"


class FakeBridge:
    """A device with its key, its boot, and the end of its chain.

    `readers` are what is attached; one reader with a serial number when nothing is said.
    """

    def __init__(self, world: World, readers: Sequence[ReaderSeen] | None = None) -> None:
        self.world = world
        self.key = Ed25519PrivateKey.generate()
        self.device = UUID(int=0)
        self.boot, self.starts = ids.new(), 1
        self.sequence, self.head = 0, GENESIS
        self.sealing: SealingKey | None = None
        self.readers = [ReaderSeen(READER, "S-1")] if readers is None else list(readers)

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
        bridge.device = UUID(granted["device"])
        bridge.sealing = msgspec.convert(granted["key"], SealingKey)
        return bridge

    # -- enrolment -------------------------------------------------------------------------------

    async def ask(self, **parts: Any) -> httpx.Response:
        """Asks to become a device; `parts` take the place of what it says of itself."""
        return await self.send(sign(self.key, Kind.enrolment, self.enrolment(**parts)))

    def enrolment(self, **parts: Any) -> Enrolment:
        said: dict[str, Any] = {
            "audience": AUDIENCE,
            "public_key": public(self.key),
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
        body = {"name": "เครื่องตัวอย่าง", "fingerprint": begun["fingerprint"][:9]} | approval
        path = f"/v1/bridges/enrolments/{seen.json()['id']}/approve"
        return await person.post(path, content=encode(body))

    # -- connecting ------------------------------------------------------------------------------

    def hello(self, challenge: bytes, **parts: Any) -> Signed:
        said: dict[str, Any] = {
            "audience": AUDIENCE,
            "challenge": challenge,
            "device": self.device,
            "boot": self.boot,
            "starts": self.starts,
            "sequence": self.sequence,
            "head": self.head,
            "software": "reader-bridge 0.1",
            "platform": "Linux 6.1 x86_64",
            "key_protection": "file",
            "at": now(),
            "readers": self.readers,
        }
        return sign(self.key, Kind.hello, Hello(**said | parts))

    async def connect(self, db: Database, **parts: Any) -> Device:
        """Connects without a transport; `parts` take the place of what its hello says."""
        challenge, later = secrets.token_bytes(32), now() + timedelta(seconds=10)
        async with db.begin() as tx:
            hello = self.hello(**{"challenge": challenge} | parts)
            return await connecting.connect(tx, hello, challenge, SERVER, later)

    def restart(self) -> None:
        """The program begins anew; the chain goes on."""
        self.boot, self.starts = ids.new(), self.starts + 1

    def rotated(self, challenge: bytes, new: Ed25519PrivateKey) -> Rotated:
        """Asks for another key; take `new` as `key` once the server has it."""
        body = Rotation(
            audience=AUDIENCE,
            device=self.device,
            challenge=challenge,
            public_key=public(new),
            key_protection="os-key-store",
        )
        return Rotated(
            sign(self.key, Kind.rotation, body), sign(new, Kind.rotation, body).signature
        )

    # -- readings --------------------------------------------------------------------------------

    def state(
        self,
        *,
        nonce: bytes,
        purpose: str,
        intent: UUID | None = None,
        ticket: UUID | None = None,
        reader: str = READER,
        card: Any = None,
        at: datetime | None = None,
        **parts: Any,
    ) -> Stated:
        """The next statement of the chain; `card` (a `CardText`) travels sealed. None for
        `map_desk`, which has no payload."""
        payload = None
        if card is not None:
            assert self.sealing is not None
            of = intent or ticket
            assert of is not None
            payload = seal(self.sealing, msgspec.json.encode(card), "text", of, self.device)
            parts = {
                "atr": b"\x3b\x78\x18\x00\x00TH NID 3.",
                "chip_serial": b"SAMPLE-1",
                "payload_sha256": payload.sha256,
            } | parts
        said: dict[str, Any] = {
            "audience": AUDIENCE,
            "intent": intent,
            "ticket": ticket,
            "nonce": nonce,
            "purpose": purpose,
            "device": self.device,
            "reader": reader,
            "boot": self.boot,
            "sequence": self.sequence + 1,
            "previous": self.head,
            "waited_ms": 1200,
            "inserted_at": at or now(),
            "read_at": at or now(),
            "key_protection": "file",
        }
        signed = sign(self.key, Kind.statement, Statement(**said | parts))
        self.sequence, self.head = self.sequence + 1, signed.sha256
        return Stated(signed, payload)


async def look(person: Person, code: str) -> httpx.Response:
    """Types a code that a PC shows."""
    content = encode({"user_code": code})
    return await person.post("/v1/bridges/enrolments/look", content=content)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
