"""The simulated desk PC: what it is, and all that it can say, signed as the protocol wants it.

How it comes to the server is another matter: `bridge.FakeBridge` is enrolled over HTTP and says
hello without a line, `bridges.Bridge` holds a socket to a real server, and `device.Desk` hands its
statements straight to the code that judges them. The real program is in `pc`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import ids, settings
from api.db import Database, Tx
from api.permissions import Worker
from reader_bridge.fields import CardText
from reader_bridge.messages import (
    GENESIS,
    Arm,
    Asked,
    Asking,
    FromServer,
    Hello,
    Kind,
    Photographed,
    PhotoStatement,
    ReaderSeen,
    Rotated,
    Rotation,
    Sealed,
    SealingKey,
    ServerKeys,
    Signed,
    Stated,
    Statement,
    Tickets,
    opened,
    seal,
    sign,
)
from reader_bridge.server_keys import Pin, followed, pinned

READER = "Sample Reader 00 00"
ATR = b"\x3b\x78\x18\x00\x00TH NID 3."
CHIP = b"12345678"
JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 19 + b"\xff\xd9"


class DeskPC:
    """A device with its key, its boot, and the end of its chain; `readers` are what is attached.

    `id` is the device's; `reader` and `desk` are of the one reader that `set_up` puts on a desk.
    What it says is as it must be but for what a test says otherwise: every method takes the
    message's fields by name.
    """

    def __init__(self, readers: Sequence[ReaderSeen] = (ReaderSeen(READER),)) -> None:
        self.id, self.reader, self.desk = ids.new(), ids.new(), ids.new()
        self.key = Ed25519PrivateKey.generate()
        self.boot, self.starts = ids.new(), 1
        self.sequence, self.head = 0, GENESIS
        self.sealing: SealingKey | None = None
        self.pin: Pin | None = None
        self.said = b""
        self.readers = list(readers)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    async def set_up(self, db: Database, office: UUID, account: UUID, *, heard: bool) -> None:
        """Approved, with its reader on a desk, straight in SQL. `heard`: it is there now."""
        async with db.begin(Worker("test")) as tx:
            await tx.run(
                """
                insert into bridge (id, office, name, public_key, key_protection, platform,
                    software, approved_at, approved_by, head, key_since, last_seen_at)
                values ($1, $2, 'พีซีตัวอย่าง', $3, 'file', 'test', '1', $4, $5, $6, $4, $7)
                """,
                self.id,
                office,
                self.public,
                tx.now,
                account,
                GENESIS,
                tx.now if heard else None,
            )
            await self.add_reader(tx, self.reader, READER)
            await tx.run(
                """
                insert into desk (id, office, name, reader, mapped_at, mapped_by)
                values ($1, $2, $3, $4, $5, $6)
                """,
                self.desk,
                office,
                f"ช่อง {self.desk}",
                self.reader,
                tx.now,
                account,
            )

    async def add_reader(self, tx: Tx, reader: UUID, name: str) -> None:
        await tx.run(
            "insert into bridge_reader (id, bridge, name, last_seen_at) values ($1, $2, $3, $4)",
            reader,
            self.id,
            name,
            tx.now,
        )

    # -- what it is told -------------------------------------------------------------------------

    def know(self, keys: ServerKeys, audience: str | None = None) -> None:
        """Who shows itself so is its server from now on, or still. Raises `Foreign`."""
        of = audience or settings.current().base_url
        first = self.pin is None
        self.pin = pinned(keys.identity, keys, of) if first else followed(self.pin, keys, of)
        self.sealing = self.pin.key

    def told(self, message: FromServer) -> FromServer:
        """What stands in an `Asked` that the server has signed for the last hello; anything else as
        it is, for which no signature is needed."""
        if isinstance(message, Asked):
            assert self.pin is not None
            signed = Signed(message.body, message.signature)
            said = opened(self.pin.public, Kind.asked, signed, Asking)
            assert said.hello == self.said
            return said.message
        assert not isinstance(message, Arm) and (
            not isinstance(message, Tickets) or not message.tickets
        ), "asked without a signature"
        return message

    # -- what it says ----------------------------------------------------------------------------

    def hello(self, challenge: bytes, **said: Any) -> Signed:
        body = Hello(
            **{
                "audience": settings.current().base_url,
                "challenge": challenge,
                "device": self.id,
                "boot": self.boot,
                "starts": self.starts,
                "sequence": self.sequence,
                "head": self.head,
                "software": "reader-bridge 0.1",
                "platform": "Linux 6.1 x86_64",
                "key_protection": "file",
                "at": datetime.now(UTC),
                "readers": self.readers,
            }
            | said
        )
        signed = sign(self.key, Kind.hello, body)
        self.said = signed.sha256
        return signed

    def restart(self) -> None:
        """The program begins anew; the chain goes on."""
        self.boot, self.starts = ids.new(), self.starts + 1

    def statement(
        self,
        of: UUID,
        nonce: bytes,
        text: CardText,
        /,
        *,
        payload: Sealed | None = None,
        **said: Any,
    ) -> Stated:
        """The next of the chain, for intent or ticket `of`; the chain is not moved by it."""
        assert self.sealing is not None
        payload = payload or seal(self.sealing, msgspec.json.encode(text), "text", of, self.id)
        at = datetime.now(UTC)
        body = Statement(
            **{
                "audience": settings.current().base_url,
                "intent": of,
                "nonce": nonce,
                "purpose": "identify_complainant",
                "device": self.id,
                "reader": READER,
                "boot": self.boot,
                "sequence": self.sequence + 1,
                "previous": self.head,
                "waited_ms": 900,
                "inserted_at": at,
                "read_at": at,
                "atr": ATR,
                "chip_serial": CHIP,
                "payload_sha256": payload.sha256,
                "key_protection": "file",
            }
            | said
        )
        return Stated(sign(self.key, Kind.statement, body), payload)

    def photograph(
        self, intent: UUID, jpeg: bytes = JPEG, /, *, of: UUID | None = None, **said: Any
    ) -> Photographed:
        """To the last statement; sealed for intent `of`, where that is another."""
        assert self.sealing is not None
        payload = seal(self.sealing, jpeg, "photo", of or intent, self.id)
        body = PhotoStatement(
            **{
                "device": self.id,
                "intent": intent,
                "sequence": self.sequence,
                "payload_sha256": payload.sha256,
            }
            | said
        )
        return Photographed(sign(self.key, Kind.photo, body), payload)

    def rotated(self, challenge: bytes, new: Ed25519PrivateKey, **said: Any) -> Rotated:
        """Asks for another key; take `new` as `key` once the server has it."""
        body = Rotation(
            **{
                "audience": settings.current().base_url,
                "device": self.id,
                "challenge": challenge,
                "public_key": new.public_key().public_bytes_raw(),
                "key_protection": "os-key-store",
            }
            | said
        )
        return Rotated(
            sign(self.key, Kind.rotation, body), sign(new, Kind.rotation, body).signature
        )
