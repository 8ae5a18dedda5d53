"""How a desk PC knows its server, whoever has broken TLS on the way: by one Ed25519 key.

The server's identity is pinned at enrolment, where two people compare a fingerprint over it and the
device's key. From then on the PC seals only to keys that this identity has signed, and reads only
for what it has signed. An identity is followed by another one that it has signed itself; whoever
was away for long is given all of them. docs/reader-protocol.md tells it with examples.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from reader_bridge.envelopes import (
    VERSION,
    Hash,
    Kind,
    Moment,
    Name,
    NotSigned,
    SealingKey,
    Signed,
    digits,
    fingerprint,
    opened,
)

MOST: Final = 32
"""Successions that one message tells of."""


class Sealing(msgspec.Struct, kw_only=True):
    """What is sealed to; signed with the server's identity. `since`: when the key was made; of two
    the later one counts, and nobody goes back."""

    audience: Name
    kid: Name
    public: Hash
    since: Moment


class Succession(msgspec.Struct, kw_only=True):
    """The server is known by `identity` from now on; signed with the one before."""

    audience: Name
    identity: Hash
    since: Moment


class ServerKeys(msgspec.Struct, frozen=True):
    """What a server shows of itself. `identity` is the one it has now, with which `sealing` is
    signed; `successions`, the oldest first, lead to it."""

    identity: Hash
    sealing: Signed  # Sealing
    successions: Annotated[tuple[Signed, ...], Meta(max_length=MOST)] = ()  # Succession


class Foreign(Exception):
    """Whoever answers has not shown that it is the server that this PC was enrolled with. The text
    says so and what to do."""


class Pin(msgspec.Struct, frozen=True):
    """What a PC knows of its server: its `identity`, and what to seal to."""

    identity: Hash
    key: SealingKey
    since: Moment

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.identity)

    @property
    def public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.identity)


def pinned(identity: bytes, shown: ServerKeys, audience: str) -> Pin:
    """What is known of a server whose identity, or a successor of it, shows itself so. Raises
    `Foreign`."""
    for one in shown.successions:
        with suppress(NotSigned, ValueError):  # of others, before or after
            heir = opened(_key(identity), Kind.succession, one, Succession)
            if heir.audience == audience:
                identity = heir.identity
    try:
        said = opened(_key(identity), Kind.sealing_key, shown.sealing, Sealing)
    except (NotSigned, ValueError):
        raise _another(identity, shown.identity) from None
    if said.audience != audience:
        raise _another(identity, shown.identity)
    return Pin(identity, SealingKey(said.kid, said.public), said.since)


def followed(pin: Pin, shown: ServerKeys, audience: str) -> Pin:
    """The same of a server that is known already: it does not go back to an older sealing key.
    Raises `Foreign`."""
    found = pinned(pin.identity, shown, audience)
    if found.key != pin.key and found.since <= pin.since:
        raise Foreign(
            "แม่ข่ายเสนอกุญแจเก่า จึงไม่อ่านบัตรและไม่ส่งอะไร รายการที่รอส่งยังอยู่ กรุณาแจ้งผู้ดูแลระบบ "
            "(the server offers an older key than it had, so nothing is read or sent, nothing is "
            "lost: somebody stands in between, or its keyring was put back; tell whoever runs it)"
        )
    return found


def enrolment_fingerprint(device: bytes, identity: bytes, user_code: str) -> str:
    """What two people compare at an enrolment: over the device's key, the server's identity as the
    device saw it, and the code that one types to the other's server.

    The code comes from the server after it has seen the device's key, and a PC tells its key after
    it has seen the server's: so nobody in between can look for keys of which twelve digits agree.
    """
    text = f"superapp-bridge/{VERSION}/fingerprint\0".encode() + device + identity
    return digits(hashlib.sha256(text + user_code.encode()).digest())


def _key(identity: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(identity)


def _another(ours: bytes, theirs: bytes) -> Foreign:
    return Foreign(
        "ผู้ตอบไม่ใช่แม่ข่ายที่ลงทะเบียนไว้ จึงไม่อ่านบัตรและไม่ส่งอะไร รายการที่รอส่งยังอยู่ กรุณาแจ้งผู้ดูแลระบบ "
        "(not the server of this PC's enrolment; nothing is read, sent or lost: somebody stands in "
        "between, or the server has lost its keys; tell whoever runs it. "
        f"Ours {fingerprint(ours)}, theirs {fingerprint(theirs)})"
    )
