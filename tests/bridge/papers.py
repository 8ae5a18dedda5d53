"""Keys, journals and statements for the tests of what a desk PC keeps."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from reader_bridge import messages
from reader_bridge.chain.journal import Journal
from reader_bridge.chain.stating import Identity, Stating
from reader_bridge.device import keys
from reader_bridge.device.keys import Device
from reader_bridge.fields import Field
from reader_bridge.messages import (
    Arm,
    Asked,
    Asking,
    Kind,
    Sealed,
    Sealing,
    SealingKey,
    ServerKeys,
    Signed,
    Statement,
    Succession,
    Ticket,
    Tickets,
)
from reader_bridge.server_keys import pinned

Make = Callable[[int, bytes], tuple[Signed, Sealed | None]]
SERVER = X25519PrivateKey.generate()
SEALING = SealingKey("test", SERVER.public_key().public_bytes_raw())
AUDIENCE = "http://testserver"
IDENTITY = Ed25519PrivateKey.generate()
SINCE = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def shown(
    identity: Ed25519PrivateKey = IDENTITY,
    sealing: SealingKey = SEALING,
    *,
    since: datetime = SINCE,
    after: tuple[Ed25519PrivateKey, ...] = (),
    audience: str = AUDIENCE,
) -> ServerKeys:
    """What a server shows of itself, whose identity came `after` others."""
    line = (*after, identity)
    successions = tuple(
        messages.sign(
            old,
            Kind.succession,
            Succession(
                audience=audience, identity=new.public_key().public_bytes_raw(), since=since
            ),
        )
        for old, new in itertools.pairwise(line)
    )
    said = Sealing(audience=audience, kid=sealing.kid, public=sealing.public, since=since)
    signed = messages.sign(identity, Kind.sealing_key, said)
    return ServerKeys(identity.public_key().public_bytes_raw(), signed, successions)


KEYS = shown()
PIN = pinned(KEYS.identity, KEYS, AUDIENCE)


def asked(hello: bytes, message: Arm | Tickets, identity: Ed25519PrivateKey = IDENTITY) -> Asked:
    """As the server asks it of whoever has said the hello of that hash."""
    said = messages.sign(identity, Kind.asked, Asking(hello, message))
    return Asked(said.body, said.signature)


def statement(device: Device, /, **other: object) -> Make:
    """Makes the statement that `Journal.state` asks for."""

    def make(sequence: int, previous: bytes) -> tuple[Signed, Sealed | None]:
        at = datetime.now(UTC)
        body = Statement(
            **{  # type: ignore[arg-type]
                "audience": "http://testserver",
                "intent": uuid4(),
                "nonce": secrets.token_bytes(32),
                "purpose": "identify_complainant",
                "device": UUID(int=1),
                "reader": "Sample Reader 00 00",
                "boot": UUID(int=2),
                "sequence": sequence,
                "previous": previous,
                "waited_ms": 1,
                "inserted_at": at,
                "read_at": at,
                "key_protection": "file",
            }
            | other
        )
        return messages.sign(device.private, Kind.statement, body), None

    return make


def journal(folder: Path) -> tuple[Device, Journal]:
    """Of a device that has just been enrolled."""
    device = keys.make(folder, in_file=True)
    found = Journal(folder, device, new=True)
    found.remember(PIN)
    return device, found


def again(folder: Path) -> Journal:
    """The same journal in another process, or after a start."""
    return Journal(folder, keys.load(folder))


def ticket(**other: object) -> Ticket:
    now = datetime.now(UTC)
    return Ticket(
        **{  # type: ignore[arg-type]
            "id": uuid4(),
            "nonce": secrets.token_bytes(32),
            "purpose": "identify_complainant",
            "fields": (Field.cid, Field.name_th),
            "officer": "เจ้าหน้าที่ตัวอย่าง",
            "issued_at": now,
            "expires_at": now + timedelta(hours=12),
        }
        | other
    )


def stating(device: Device, kept: Journal) -> Stating:
    return Stating(Identity(UUID(int=1), "http://testserver", UUID(int=2)), device, kept)
