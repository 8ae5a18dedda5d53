"""What both ends sign and seal with: the bytes as they were signed, and what only the server opens.

`messages` says what is put in. Signatures are Ed25519 (RFC 8032), seals HPKE base mode (RFC 9180).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import Meta

VERSION: Final = 1
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Moment = Annotated[datetime, Meta(tz=True)]
T = TypeVar("T")


class Kind(StrEnum):
    """What a signature is for: one for one thing is none for another."""

    enrolment = "enrolment"
    hello = "hello"
    statement = "statement"
    photo = "photo"
    rotation = "rotation"
    succession = "succession"
    sealing_key = "sealing-key"
    asked = "asked"


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`body`: JSON exactly as it was signed; both are base64 on the wire."""

    body: Annotated[bytes, Meta(max_length=16 * 1024)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.body).digest()


class NotSigned(Exception):
    """The signature does not stand, or what it is over cannot be read."""


def sign(key: Ed25519PrivateKey, kind: Kind, body: msgspec.Struct) -> Signed:
    text = msgspec.json.encode(body)
    return Signed(text, signature(key, kind, text))


def signature(key: Ed25519PrivateKey, kind: Kind, body: bytes) -> bytes:
    return key.sign(_context(kind) + body)


def opened(key: Ed25519PublicKey, kind: Kind, signed: Signed, shape: type[T]) -> T:
    """The body of `signed` as `shape`. Raises `NotSigned`."""
    try:
        key.verify(signed.signature, _context(kind) + signed.body)
        return msgspec.json.decode(signed.body, type=shape)
    except (InvalidSignature, msgspec.MsgspecError, RecursionError):
        raise NotSigned() from None


def _context(kind: Kind) -> bytes:
    return f"superapp-bridge/{VERSION}/{kind}\0".encode()


def fingerprint(public_key: bytes) -> str:
    """What two people compare: 20 of the key's SHA-256's hexadecimal digits, in groups of four."""
    return digits(hashlib.sha256(public_key).digest())


def digits(sha256: bytes) -> str:
    """The first 80 bits, as they are shown."""
    text = sha256.hex()[:20].upper()
    return " ".join(text[i : i + 4] for i in range(0, 20, 4))


# --- sealing to the server ----------------------------------------------------------------------


class SealingKey(msgspec.Struct, frozen=True):
    """The server's X25519 public key."""

    kid: Name
    public: Hash


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`blob`: encapsulated key and ciphertext, to the server's key `kid`."""

    kid: Name
    blob: Annotated[bytes, Meta(max_length=16 * 1024)]

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.blob).digest()


What = Literal["text", "photo"]


class NotOpened(Exception):
    """Sealed to another key, for another intent or device, or changed on the way."""


_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(key: SealingKey, value: bytes, what: What, of: UUID, device: UUID) -> Sealed:
    """`value` for the server alone; `of` is the intent, or the ticket, that it was read for."""
    public = X25519PublicKey.from_public_bytes(key.public)
    return Sealed(key.kid, _SUITE.encrypt(value, public, info=_info(what, of, device)))


def unseal(key: X25519PrivateKey, sealed: Sealed, what: What, of: UUID, device: UUID) -> bytes:
    """Raises `NotOpened`."""
    try:
        return _SUITE.decrypt(sealed.blob, key, info=_info(what, of, device))
    except (InvalidTag, ValueError):
        raise NotOpened() from None


def _info(what: str, of: UUID, device: UUID) -> bytes:
    return f"superapp-reading/{VERSION}/{what}/{of}/{device}".encode()
