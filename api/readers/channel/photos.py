"""Photographs on their way from a card to one officer's eyes: in memory, sealed, for 90 seconds.

A photograph comes sealed to the server's key and signed by the device, after its reading. It goes
to the memory of every server as it came; it is opened twice, to see that it is one and keep a keyed
hash of it, and for the session that asked for it. No table and no file ever holds one.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections import OrderedDict
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import keys
from api.db import Tx
from api.permissions import Session
from api.readers.channel import queries
from api.readers.problems import (
    BridgeUnknown,
    IntentOver,
    PayloadWrong,
    PhotoGone,
    ReadingNotFound,
)
from reader_bridge import messages
from reader_bridge.messages import (
    Kind,
    NotOpened,
    NotSigned,
    Photographed,
    PhotoStatement,
    Sealed,
)

SHOWN_FOR: Final = timedelta(seconds=90)
_HELD: Final = 8000
"""Some 45 MB; enough for 88 photographs a second in all of the country."""
_JPEG: Final = b"\xff\xd8\xff"
_LARGEST: Final = 5200


class Photo(msgspec.Struct, frozen=True):
    intent: UUID
    device: UUID
    sealed: Sealed

    def told(self) -> str:
        """As other servers hear it: under 8,000 bytes for a card's 5,118."""
        blob = base64.b64encode(self.sealed.blob).decode()
        return f"{self.intent.hex} {self.device.hex} {self.sealed.kid} {blob}"

    @classmethod
    def heard(cls, text: str) -> Photo:
        """Raises ValueError."""
        intent, device, kid, blob = text.split(" ")
        return cls(UUID(intent), UUID(device), Sealed(kid, base64.b64decode(blob, validate=True)))


class Photos:
    """Those that this server could show now, by intent; the oldest go first."""

    def __init__(self) -> None:
        self._held: OrderedDict[UUID, tuple[float, Photo]] = OrderedDict()

    def put(self, photo: Photo) -> None:
        self.sweep()
        self._held[photo.intent] = (time.monotonic() + SHOWN_FOR.total_seconds(), photo)
        self._held.move_to_end(photo.intent)
        while len(self._held) > _HELD:
            self._held.popitem(last=False)

    def get(self, intent: UUID) -> Photo | None:
        self.sweep()
        ends, photo = self._held.get(intent, (0.0, None))
        return photo if ends > time.monotonic() else None

    def sweep(self) -> None:
        """All are shown for the same time, so the first are the first to go."""
        now = time.monotonic()
        while self._held and next(iter(self._held.values()))[0] <= now:
            self._held.popitem(last=False)

    def __len__(self) -> int:
        return len(self._held)


async def take(tx: Tx, device: UUID, said: Photographed) -> tuple[Photo, int]:
    """The photograph of a reading that `device` made, and its size; its keyed hash is kept.

    Raises `BridgeUnknown` (not its signature), `ReadingNotFound`, `IntentOver` (too late) and
    `PayloadWrong`. Sent again it is passed on again; another one is refused.
    """
    try:
        intent = msgspec.json.decode(said.signed.body, type=PhotoStatement).intent
    except (msgspec.MsgspecError, RecursionError):
        raise BridgeUnknown() from None
    shown = await queries.with_photo(tx, device, intent)
    if shown is None:
        raise ReadingNotFound()
    key = Ed25519PublicKey.from_public_bytes(shown.public_key)
    try:
        told = messages.opened(key, Kind.photo, said.signed, PhotoStatement)
    except NotSigned:
        raise BridgeUnknown() from None
    if told.device != device or told.sequence != shown.sequence:
        raise ReadingNotFound()
    if shown.received_at < tx.now - SHOWN_FOR:
        raise IntentOver(state="delivered")
    photo = Photo(intent, device, said.payload)
    if told.payload_sha256 != said.payload.sha256:
        raise PayloadWrong()
    jpeg = opened(photo)
    if not jpeg.startswith(_JPEG) or len(jpeg) > _LARGEST:
        raise PayloadWrong()
    sha256 = hmac.digest(keys.ring().derive("reading-photo"), shown.reading.bytes + jpeg, "sha256")
    first = await queries.keep_photo_hash(tx, shown.reading, sha256)
    if not first and sha256 != shown.photo_sha256:
        raise PayloadWrong()
    return photo, len(jpeg)


def opened(photo: Photo) -> bytes:
    """The JPEG. Raises `PayloadWrong`."""
    key = keys.ring().opener(photo.sealed.kid)
    if key is None:
        raise PayloadWrong()
    try:
        return messages.unseal(key, photo.sealed, "photo", photo.intent, photo.device)
    except NotOpened:
        raise PayloadWrong() from None


async def show(tx: Tx, photos: Photos, reading: UUID) -> bytes:
    """The photograph, for the session that armed its reading. Raises `ReadingNotFound` and
    `PhotoGone`."""
    found = await queries.waiting(tx, reading)
    if found is None or not isinstance(tx.actor, Session) or found.session != tx.actor.session:
        raise ReadingNotFound()
    photo = photos.get(found.intent) if found.intent else None
    if photo is None:
        raise PhotoGone()
    return opened(photo)
