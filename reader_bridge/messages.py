"""What a bridge and the server say to each other, over the WebSocket or the HTTP fall-back.

Every message is one JSON object with its kind in `type`. What counts as evidence is not the message
but the signed body inside it: `Signed.body` holds the very bytes that were signed (Ed25519, RFC
8032), so nothing has to be made canonical. What was read from a card travels sealed to the server's
key (HPKE base mode, RFC 9180: DHKEM(X25519), HKDF-SHA256, AES-256-GCM), bound by `info` to the
intent, or the ticket, and to the device. The API imports this file; it imports nothing of the API.

Order on a connection: the server's `Challenge`, the bridge's `Greeting`, the server's `Welcome`
(or `Ended`), then both as it comes. docs/reader-protocol.md tells it with examples.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as Ed25519PublicKey
from msgspec import Meta

from reader_bridge.envelopes import VERSION as VERSION
from reader_bridge.envelopes import Hash as Hash
from reader_bridge.envelopes import Kind as Kind
from reader_bridge.envelopes import Moment as Moment
from reader_bridge.envelopes import Name as Name
from reader_bridge.envelopes import NotOpened as NotOpened
from reader_bridge.envelopes import NotSigned as NotSigned
from reader_bridge.envelopes import Sealed as Sealed
from reader_bridge.envelopes import SealingKey as SealingKey
from reader_bridge.envelopes import Signed as Signed
from reader_bridge.envelopes import What as What
from reader_bridge.envelopes import fingerprint as fingerprint
from reader_bridge.envelopes import opened as opened
from reader_bridge.envelopes import seal as seal
from reader_bridge.envelopes import sign as sign
from reader_bridge.envelopes import signature as signature
from reader_bridge.envelopes import unseal as unseal
from reader_bridge.fields import Fault, Field
from reader_bridge.server_keys import Sealing as Sealing
from reader_bridge.server_keys import ServerKeys as ServerKeys
from reader_bridge.server_keys import Succession as Succession

SUBPROTOCOL: Final = "superapp-bridge.1"
LARGEST: Final = 64 * 1024
"""Of one message, bytes. A photograph is 5,118 bytes before it is sealed."""
LARGEST_ASKED: Final = 128 * 1024
"""Of one message from the server: as many tickets as there may be, signed."""
FIRST_LARGEST: Final = 16 * 1024
"""Of a message before the bridge is known."""
MOST_PROGRESS: Final = 16
"""Intents that one hello tells of."""
GENESIS: Final = bytes(32)
"""The `previous` of a device's first statement."""
MAP_DESK: Final = "map_desk"
"""The purpose of an intent that only asks where a card is put in; nothing is read."""

SKEW: Final = timedelta(minutes=5)
"""So far the clock of a PC may be from the server's."""

Count = Annotated[int, Meta(ge=0, le=2**53)]


# --- what is signed -----------------------------------------------------------------------------

Protection = Literal["os-key-store", "file"]
"""Where the device's private key lies."""


class Enrolment(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks to become a device; signed with the key that it presents. `server`: the identity that
    the server has shown it."""

    audience: Name
    public_key: Hash
    server: Hash
    name: Name
    platform: Name
    software: Name
    key_protection: Protection
    at: Moment


class ReaderSeen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reader as PC/SC names it. Its index may change; a serial number, where told, does not."""

    name: Name
    serial: Annotated[str, Meta(max_length=100)] | None = None
    model: Annotated[str, Meta(max_length=200)] | None = None


Readers = Annotated[list[ReaderSeen], Meta(max_length=64)]


class Hello(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who connects, and where its chain stands. `starts` counts the program's starts, `boot` names
    this one: of two devices with one key, one is found out by them at once. `progress` is for the
    HTTP fall-back, where a message that is not signed counts for nothing."""

    audience: Name
    challenge: Hash
    device: UUID
    boot: UUID
    starts: Count
    sequence: Count
    head: Hash
    settled: Count = 0
    settled_head: Hash = GENESIS
    """The last statement that this device has a receipt for: a server that was put back to an older
    state lacks some of those, which are not here any more either, and goes on from there."""
    software: Name
    platform: Name
    key_protection: Protection
    at: Moment
    readers: Readers = []
    progress: Annotated[list[Progress], Meta(max_length=MOST_PROGRESS)] = []


class Statement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """That this device saw a card in `reader` answer with what `payload_sha256` is the hash of.

    One of `intent` and `ticket` is set. `waited_ms`: from learning of the intent (or the ticket's
    use) to the insertion, by the device's monotonic clock; never negative, for a card that already
    lay there does not count. Times are the device's claims. A statement for `map_desk` has no card
    data: `atr`, `chip_serial` and `payload_sha256` are empty.
    """

    version: Literal[1] = 1
    audience: Name
    intent: UUID | None = None
    ticket: UUID | None = None
    nonce: Hash
    purpose: Name
    device: UUID
    reader: Name
    boot: UUID
    sequence: Annotated[int, Meta(ge=1, le=2**53)]
    previous: Hash
    waited_ms: Count
    inserted_at: Moment
    read_at: Moment
    atr: Annotated[bytes, Meta(max_length=36)] = b""
    chip_serial: Annotated[bytes, Meta(max_length=32)] = b""
    payload_sha256: Annotated[bytes, Meta(max_length=32)] = b""
    key_protection: Protection


class PhotoStatement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The photograph of the reading that statement `sequence` tells of; passed on, never stored."""

    device: UUID
    intent: UUID
    sequence: Annotated[int, Meta(ge=1, le=2**53)]
    payload_sha256: Hash


class Rotation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new key for a device: signed by the old one, and by the new one as proof of having it."""

    audience: Name
    device: UUID
    challenge: Hash
    public_key: Hash
    key_protection: Protection


# --- from the server ----------------------------------------------------------------------------


class Challenge(msgspec.Struct, frozen=True, tag="challenge"):
    """The first word on a connection. `at` tells a desk PC how wrong its clock is."""

    challenge: Hash
    audience: Name
    at: Moment
    version: int = VERSION


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """Known and in service. `sequence` and `head` are where the server's copy of the chain ends:
    the bridge sends what it has after that. `spread_s`: should the server go, its PCs come back
    within this; more for a server that holds more of them. A bridge goes no further before `keys`
    have shown that it is the server of its enrolment."""

    sequence: Count
    head: Hash
    keys: ServerKeys
    at: Moment
    office: str = ""
    name: str = ""
    spread_s: Annotated[float, Meta(ge=1, le=600)] = 64.0


class Arm(msgspec.Struct, frozen=True, tag="arm", omit_defaults=True):
    """An officer waits for a card in `reader`; for `map_desk` in any reader."""

    intent: UUID
    nonce: Hash
    purpose: Name
    expires_in_s: float
    reader: Name | None = None
    fields: tuple[Field, ...] = ()
    photo: bool = False


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    intent: UUID


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """Leave to read one card without the server, bound to device, officer and `reader`.

    `serial` is that of `reader`, where it has one: names are given anew when readers are plugged
    in. `desk` is where it stands, in the words of that office; `about`, what a card is read for
    where the purpose wants one named. A server of before says neither; then any reader will do.
    """

    id: UUID
    nonce: Hash
    purpose: Name
    fields: tuple[Field, ...]
    officer: str
    issued_at: Moment
    expires_at: Moment
    reader: Name | None = None
    serial: str | None = None
    desk: str = ""
    about: UUID | None = None

    @property
    def code(self) -> str:
        """What tells it from others, on the officer's screen and here: the end of its id."""
        return self.id.hex[-6:]

    def is_for(self, reader: ReaderSeen) -> bool:
        """Whether the server will take a card that was read there."""
        serial = (reader.serial or "").replace("\0", "").strip()
        known = self.serial is not None and bool(serial)
        return self.reader in (None, reader.name) and not (known and serial != self.serial)

    def good_at(self, now: datetime) -> bool:
        """By this PC's clock; the server looks at it with the same patience."""
        return self.issued_at - SKEW <= now < self.expires_at


class Tickets(msgspec.Struct, frozen=True, tag="tickets"):
    """Every unused ticket of the device: those not listed any more are void."""

    tickets: tuple[Ticket, ...]


class Receipt(msgspec.Struct, frozen=True, tag="receipt", omit_defaults=True):
    """The server has statement `sequence` with this hash for good. `refused` is the code of the
    problem where the reading was not taken; the chain goes on all the same."""

    sequence: int
    sha256: Hash
    reading: UUID | None = None
    refused: str | None = None
    replayed: bool = False


class Missing(msgspec.Struct, frozen=True, tag="missing"):
    """Statement `sequence` must come first; nothing after it was taken."""

    sequence: int


class NotTaken(msgspec.Struct, frozen=True, tag="not_taken"):
    """A message that could not be understood or does not count; the connection goes on."""

    code: str
    intent: UUID | None = None


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The device no longer counts (`frozen`, `revoked`), is not known, or has connected anew."""

    code: str


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """What lets a PC read: `Asking`, signed with the server's identity."""

    body: Annotated[bytes, Meta(max_length=LARGEST_ASKED)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Asking(msgspec.Struct, frozen=True):
    """`hello`: the SHA-256 of the body of the hello that it answers: nobody can say it again to
    another device, or on another day."""

    hello: Hash
    message: Arm | Tickets


FromServer = (
    Challenge | Welcome | Asked | Arm | Cancel | Tickets | Receipt | Missing | NotTaken | Ended
)
"""`Arm`, and `Tickets` that are any, count inside `Asked` alone."""

# --- from the bridge ----------------------------------------------------------------------------


class Greeting(msgspec.Struct, frozen=True, tag="greeting", forbid_unknown_fields=True):
    hello: Signed  # Hello


class ReadersNow(msgspec.Struct, frozen=True, tag="readers", forbid_unknown_fields=True):
    """All readers that are attached now; sent whenever that changes."""

    readers: Readers


Step = Literal["armed", "take_card_out", "waiting", "reading", "sending", "photo"]


class Progress(
    msgspec.Struct, frozen=True, tag="progress", forbid_unknown_fields=True, omit_defaults=True
):
    """How far an intent is, for the officer's screen. A fault does not end it: the card may be put
    in again. `done` of `total` are bytes of the photograph."""

    intent: UUID
    step: Step
    fault: Fault | None = None
    done: Count = 0
    total: Count = 0


class Stated(msgspec.Struct, frozen=True, tag="statement", forbid_unknown_fields=True):
    signed: Signed  # Statement
    payload: Sealed | None = None


class Photographed(msgspec.Struct, frozen=True, tag="photo", forbid_unknown_fields=True):
    signed: Signed  # PhotoStatement
    payload: Sealed


class Rotated(msgspec.Struct, frozen=True, tag="rotate", forbid_unknown_fields=True):
    by_old: Signed  # Rotation
    by_new: Annotated[bytes, Meta(min_length=64, max_length=64)]


FromBridge = Greeting | ReadersNow | Progress | Stated | Photographed | Rotated

_from_bridge: Final = msgspec.json.Decoder(FromBridge)
_from_server: Final = msgspec.json.Decoder(FromServer)
encode: Final = msgspec.json.encode


class NotUnderstood(Exception):
    """Too large, not JSON, or not a message of this version."""


def from_bridge(text: bytes | str, limit: int = LARGEST) -> FromBridge:
    """Raises `NotUnderstood`."""
    found: FromBridge = _decoded(_from_bridge, text, limit)
    return found


def from_server(text: bytes | str) -> FromServer:
    """Raises `NotUnderstood`."""
    found: FromServer = _decoded(_from_server, text, LARGEST_ASKED)
    return found


def _decoded(decoder: Any, text: bytes | str, limit: int) -> Any:
    if len(text) > limit:
        raise NotUnderstood("too large")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise NotUnderstood(type(error).__name__) from None


# --- the HTTP fall-back -------------------------------------------------------------------------


class Exchange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/bridge/exchange`: the hello over the last answer's challenge, and what there is to
    say that is signed by itself: whoever has seen a hello could add the rest. The server answers
    at once, or waits up to `wait_s` for something to say itself."""

    hello: Signed  # Hello
    messages: Annotated[list[FromBridge], Meta(max_length=50)] = []
    wait_s: Annotated[int, Meta(ge=0, le=25)] = 0


class Exchanged(msgspec.Struct, kw_only=True):
    """`challenge` is for the next exchange."""

    challenge: Challenge
    messages: list[FromServer]
