"""One keyring, outside the data base: what seals personal data and what signs for this server.

The file is JSON, mode 0600, and the server refuses to start when anyone else may read it.
Seven purposes:

    wrap      AES-256 keys that wrap each person's data key (`api.sealed`)
    index     HMAC-SHA256 keys of blind indexes and of every stored hash of a secret
    token     Ed25519 keys that sign access tokens
    receipt   Ed25519 keys that sign receipts
    document  Ed25519 keys that sign documents, their PDFs and what becomes of them
    reading   X25519 keys to which card readers seal what they have read
    identity  Ed25519 keys by which card readers know this server

A purpose has one `active` key, which makes new values, and any number of `verify-only` keys, which
still open or check old ones. A `retired` key has lost its secret: what only it could open is gone,
in old backups too. A running server notices a rotation within `RELOAD_S` seconds, and at once
when it meets a key id that it does not know.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api import clock
from api.filelock import FileLock

RELOAD_S: Final = 5.0
_TAG: Final = 4  # bytes of key id in front of an index value


class Purpose(StrEnum):
    wrap = "wrap"
    blind_index = "index"
    token = "token"  # noqa: S105 the name of a purpose
    receipt = "receipt"
    document = "document"
    reading = "reading"
    identity = "identity"


PUBLISHED: Final = (Purpose.token, Purpose.receipt, Purpose.document)
"""Whose public keys anybody may fetch."""
FOR_EVER: Final = (Purpose.receipt, Purpose.document, Purpose.identity)
"""What these signed must go on verifying, so their keys are never retired."""
LATER: Final = (Purpose.document, Purpose.reading, Purpose.identity)
"""Not in keyrings of earlier releases, which get their first key when they are opened."""


class State(StrEnum):
    active = "active"
    verify_only = "verify-only"
    retired = "retired"


class KeyringError(RuntimeError):
    """The keyring cannot be used; the sentence says why and what to do. Stops the start."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key as it stands in the file; `secret` is 32 bytes in base64url, empty once retired."""

    kid: str
    purpose: Purpose
    created: datetime
    state: State
    secret: str

    def __repr__(self) -> str:
        return f"Key({self.kid}, {self.state})"

    @property
    def usable(self) -> bool:
        return self.state is not State.retired

    @property
    def tag(self) -> bytes:
        """Four bytes that name this key inside a blind index."""
        return hashlib.sha256(self.kid.encode()).digest()[:_TAG]

    def raw(self) -> bytes:
        """The 32 secret bytes. Raises KeyringError for a retired key."""
        if not self.usable:
            raise KeyringError(f"key {self.kid} is retired")
        return _unb64(self.secret)

    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.raw())

    def public(self) -> Ed25519PublicKey:
        return self.private().public_key()


class _File(msgspec.Struct, kw_only=True):
    version: int
    keys: list[Key]


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """An Ed25519 public key as a JWK (RFC 8037)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    use: str = "sig"
    alg: str = "EdDSA"


class KeySet(msgspec.Struct, frozen=True):
    """A JWK set (RFC 7517)."""

    keys: list[PublicKey]


class Keyring:
    """The keys of this installation. Safe to share; reads the file again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[str, Key] = {}
        self._usable: dict[Purpose, list[Key]] = {}
        self._macs: dict[str, tuple[bytes, bytes]] = {}
        self._stamp: tuple[int, int] = (0, 0)
        self._looked = 0.0
        self._ciphers: dict[str, AESGCM] = {}
        self._signers: dict[str, Ed25519PrivateKey] = {}
        self._openers: dict[str, X25519PrivateKey] = {}
        self._derived: dict[tuple[str, str], bytes] = {}
        self._read()

    @classmethod
    def open(cls, path: Path) -> Keyring:
        """The keyring at `path`, made on first use; two starts at once make only one.

        Raises KeyringError when the file is open to others, is broken or lacks a purpose.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = [_fresh(purpose, State.active) for purpose in Purpose]
            _write(path, fresh, replace=False)
        elif _lacking(_decoded(path)):
            with FileLock(path):
                held = _decoded(path)
                fresh = [_fresh(purpose, State.active) for purpose in _lacking(held)]
                if fresh:
                    _write(path, [*held, *fresh], replace=True)
        return cls(path)

    def get(self, kid: str) -> Key | None:
        """The key of that id, of any state; a kid not seen yet makes it look at the file again."""
        if kid not in self._keys:
            self._reload()
        return self._keys.get(kid)

    def active(self, purpose: Purpose) -> Key:
        return self.usable(purpose)[0]

    def usable(self, purpose: Purpose) -> Sequence[Key]:
        """The active key first, then those that still verify, newest first."""
        if time.monotonic() - self._looked > RELOAD_S:
            self._reload()
        return self._usable[purpose]

    # -- index -----------------------------------------------------------------------------------

    def index(self, purpose: str, value: str) -> bytes:
        """36 bytes: four that name the key, then HMAC-SHA256 of purpose and value.

        The purpose keeps the same value apart in different columns: a join between them tells
        nothing.
        """
        return self._mac(self.active(Purpose.blind_index), purpose, value)

    def indexes(self, purpose: str, value: str) -> list[bytes]:
        """The value under every usable index key, for `= any($1)` across a rotation.

        The first is `index`.
        """
        return [self._mac(key, purpose, value) for key in self.usable(Purpose.blind_index)]

    def indexes_since(self, purpose: str, value: str, since: datetime) -> list[bytes]:
        """The value under the active index key, then under those that were active since then."""
        found: list[Key] = []
        for key in self.usable(Purpose.blind_index):
            if found and found[-1].created <= since:
                break
            found.append(key)
        return [self._mac(key, purpose, value) for key in found]

    def _mac(self, key: Key, purpose: str, value: str) -> bytes:
        found = self._macs.get(key.kid)
        if found is None:
            found = self._macs[key.kid] = key.tag, key.raw()
        tag, secret = found
        return tag + hmac.digest(secret, purpose.encode() + b"\0" + value.encode(), "sha256")

    def derive(self, label: str) -> bytes:
        """32 bytes that only this installation knows, the same in all its processes."""
        oldest = self.usable(Purpose.blind_index)[-1]
        name = (oldest.kid, label)
        if name not in self._derived:
            self._derived[name] = hmac.digest(oldest.raw(), f"derive\0{label}".encode(), "sha256")
        return self._derived[name]

    # -- wrap ------------------------------------------------------------------------------------

    def cipher(self, kid: str) -> AESGCM:
        """AES-256-GCM under a wrap key. Raises KeyringError when unknown, retired or misused."""
        found = self.get(kid)
        if found is None or found.purpose is not Purpose.wrap or not found.usable:
            raise KeyringError(f"no usable wrap key {kid}")
        if kid not in self._ciphers:
            self._ciphers[kid] = AESGCM(found.raw())
        return self._ciphers[kid]

    # -- signatures ------------------------------------------------------------------------------

    def signer(self, purpose: Purpose) -> tuple[str, Ed25519PrivateKey]:
        """Key id and private key for new signatures."""
        key = self.active(purpose)
        if key.kid not in self._signers:
            self._signers[key.kid] = key.private()
        return key.kid, self._signers[key.kid]

    def sign(self, purpose: Purpose, message: bytes) -> tuple[str, bytes]:
        """Key id and the 64-byte Ed25519 signature (RFC 8032)."""
        kid, private = self.signer(purpose)
        return kid, private.sign(message)

    def verifier(self, purpose: Purpose, kid: str) -> Ed25519PublicKey | None:
        """The public key, or None when no usable key of this purpose has that id."""
        key = self.get(kid)
        if key is None or key.purpose is not purpose or not key.usable:
            return None
        return key.public()

    def verify(self, purpose: Purpose, kid: str, message: bytes, signature: bytes) -> bool:
        public = self.verifier(purpose, kid)
        if public is None:
            return False
        try:
            public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def public(self) -> KeySet:
        """Every public key that still verifies: tokens, receipts, documents."""
        return KeySet(
            [
                PublicKey(kid=key.kid, x=_b64(key.public().public_bytes_raw()))
                for purpose in PUBLISHED
                for key in self.usable(purpose)
            ]
        )

    # -- sealed to this installation by those who cannot open it ---------------------------------

    def sealing(self) -> tuple[str, X25519PublicKey]:
        """Key id and X25519 key (RFC 7748) to which card readers seal."""
        key = self.active(Purpose.reading)
        private = self.opener(key.kid)
        assert private is not None  # the active one is usable
        return key.kid, private.public_key()

    def opener(self, kid: str) -> X25519PrivateKey | None:
        """The private half, or None when no usable key of that purpose has that id."""
        key = self.get(kid)
        if key is None or key.purpose is not Purpose.reading or not key.usable:
            return None
        if kid not in self._openers:
            self._openers[kid] = X25519PrivateKey.from_private_bytes(key.raw())
        return self._openers[kid]

    # -- changes ---------------------------------------------------------------------------------

    def rotate(self, purpose: Purpose) -> Key:
        """A new active key; the one before it becomes verify-only. Written before it returns."""
        with FileLock(self.path):
            self._read()
            old = self.active(purpose)
            at = max(clock.now(), old.created + timedelta(microseconds=1))  # clocks are put back
            new = _fresh(purpose, State.active, at)
            kept = [
                msgspec.structs.replace(k, state=State.verify_only) if k is old else k
                for k in self._keys.values()
            ]
            _write(self.path, [*kept, new], replace=True)
            self._read()
            return self._keys[new.kid]

    def retire(self, kid: str) -> None:
        """Forgets a verify-only key's secret for good.

        Raises KeyringError for an active key, and for one of `FOR_EVER`.
        """
        with FileLock(self.path):
            self._read()
            key = self._keys.get(kid)
            if key is None or key.state is State.active:
                raise KeyringError(f"{kid} is not a key that can be retired")
            if key.purpose in FOR_EVER:
                raise KeyringError(f"{kid} signs {key.purpose}s, which must go on verifying")
            gone = msgspec.structs.replace(key, state=State.retired, secret="")
            rest = [gone if k.kid == kid else k for k in self._keys.values()]
            _write(self.path, rest, replace=True)
            self._read()

    def list(self) -> list[Key]:
        return sorted(self._keys.values(), key=lambda k: (k.purpose, k.created))

    def _reload(self) -> None:
        self._looked = time.monotonic()
        try:
            about = self.path.stat()
        except OSError:
            return  # a volume that is away for a moment must not stop a server that has its keys
        if (about.st_mtime_ns, about.st_ino) != self._stamp:
            self._read()

    def _read(self) -> None:
        try:
            about = self.path.stat()
            text = self.path.read_bytes()
        except OSError as error:
            raise KeyringError(f"the keyring cannot be read: {error}") from None
        if sys.platform != "win32" and about.st_mode & 0o077:
            raise KeyringError(
                f"the keyring {self.path} is open to others (mode {about.st_mode & 0o777:03o}); "
                "look who could have read it, then: chmod 600"
            )
        try:
            held = msgspec.json.decode(text, type=_File)
        except msgspec.MsgspecError:
            raise KeyringError(f"the keyring {self.path} is not readable JSON") from None
        for purpose in Purpose:
            count = sum(k.purpose is purpose and k.state is State.active for k in held.keys)
            if count != 1:
                raise KeyringError(f"the keyring has {count} active keys for {purpose}, not one")
        if any(k.usable and len(_unb64(k.secret)) != 32 for k in held.keys):
            raise KeyringError("the keyring holds a key that is not 32 bytes long")
        self._keys = {k.kid: k for k in held.keys}
        self._usable = {purpose: _in_turn(held.keys, purpose) for purpose in Purpose}
        self._macs.clear()
        self._ciphers.clear()
        self._signers.clear()
        self._openers.clear()
        self._stamp = (about.st_mtime_ns, about.st_ino)
        self._looked = time.monotonic()


_ring: Keyring | None = None


def use(ring: Keyring) -> Keyring:
    """Makes `ring` this process's keyring: called by the composition roots and by tests."""
    global _ring
    _ring = ring
    return ring


def ring() -> Keyring:
    """This process's keyring. Raises RuntimeError before `use`."""
    if _ring is None:
        raise RuntimeError("no keyring: the composition root must call keys.use(...)")
    return _ring


def _in_turn(keys: Sequence[Key], purpose: Purpose) -> list[Key]:
    found = [k for k in keys if k.purpose is purpose and k.usable]
    return sorted(found, key=lambda k: (k.state is not State.active, -k.created.timestamp()))


def _fresh(purpose: Purpose, state: State, at: datetime | None = None) -> Key:
    now = at or clock.now()
    return Key(
        kid=f"{purpose}-{now:%Y%m%d}-{secrets.token_hex(4)}",
        purpose=purpose,
        created=now,
        state=state,
        secret=_b64(secrets.token_bytes(32)),
    )


def _decoded(path: Path) -> list[Key]:
    """The keys of a readable file; of any other none: `_read` says what is wrong with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).keys
    except (OSError, msgspec.MsgspecError):
        return []


def _lacking(held: list[Key]) -> list[Purpose]:
    """Purposes that a whole keyring of an earlier release did not know."""
    known = {key.purpose for key in held}
    return [p for p in LATER if p not in known] if known >= set(Purpose) - set(LATER) else []


def _write(path: Path, keys: list[Key], *, replace: bool) -> None:
    """Whole or not at all, and on the disk before it returns: a lost key is lost data."""
    text = msgspec.json.format(msgspec.json.encode(_File(version=1, keys=keys)), indent=2)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            if sys.platform != "win32":
                owner = path.stat()
                os.chown(aside, owner.st_uid, owner.st_gid)
            aside.replace(path)
        else:
            with contextlib.suppress(FileExistsError):  # another start was first: theirs counts
                os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
