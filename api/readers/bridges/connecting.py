"""How a device is known: by its key, over a fresh challenge, and by where its history stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api import events, settings
from api.db import Tx
from api.permissions import Bridge
from api.problems import Overloaded
from api.readers.bridges import attached, device_queries, freezing
from api.readers.bridges.device_queries import DeviceRow
from api.readers.bridges.keys import public
from api.readers.model import BridgeState, Incident
from api.readers.problems import BridgeElsewhere, BridgeEnded, BridgeForked, BridgeUnknown
from reader_bridge.messages import Hello, Kind, NotSigned, Rotated, Rotation, Signed, opened

T = TypeVar("T")
_TIMES: Final = 5
"""So often a hello is judged anew because the device moved meanwhile."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device in service, as its connection needs it: `key` checks what it signs, `sequence` and
    `head` are where the server's copy of its chain ended when it connected."""

    id: UUID
    office: UUID
    office_name: str
    name: str
    key: Ed25519PublicKey
    starts: int
    boot: UUID
    sequence: int
    head: bytes


class _Claimed(msgspec.Struct):
    device: UUID


async def connect(tx: Tx, signed: Signed, challenge: bytes, server: UUID, asked: int) -> Device:
    """The device whose `Hello` this is; `server` names the process that it is connected to, and
    devices had moved on `asked` times (`Mark.moves`) when the challenge was given.

    From here on the transaction acts for the device. Raises `BridgeUnknown` (also for another
    audience or challenge), `BridgeEnded`, `BridgeElsewhere` for a hello that has come too late, and
    `BridgeForked`, which freezes it.
    """
    for _ in range(_TIMES):
        row = await device_queries.device(tx, _claimed(signed))
        if row is None:
            raise BridgeUnknown()
        hello = _opened(row.public_key, Kind.hello, signed, Hello)
        if hello.challenge != challenge or hello.audience != settings.current().base_url:
            raise BridgeUnknown()
        tx.actor = Bridge(row.id)
        if row.state != BridgeState.active:
            raise BridgeEnded(state=row.state)
        if wrong := _wrong(row, hello):
            if row.moved > asked:
                raise BridgeElsewhere()  # it may have been true when it was said
            raise forked(row.id, *wrong)
        if _was_put_back(row, hello) and not await _go_on(tx, row, hello):
            continue
        began = hello.starts > row.starts
        await attached.readers_now(tx, row.id, hello.readers, began=began)
        if await device_queries.connected(tx, row, hello, server):
            return Device(
                id=row.id,
                office=row.office,
                office_name=row.office_name,
                name=row.name,
                key=public(row.public_key),
                starts=hello.starts,
                boot=hello.boot,
                sequence=row.sequence,
                head=row.head,
            )
    raise Overloaded()


def _wrong(row: DeviceRow, hello: Hello) -> tuple[Incident, dict[str, str]] | None:
    """What gives a second history away: a device counts its starts, names each, writes every
    statement down before it sends it, and so is never behind what the server has."""
    facts = {
        "starts": f"{hello.starts}, known {row.starts}",
        "sequence": f"{hello.sequence}, known {row.sequence}",
    }
    if hello.starts < row.starts or hello.sequence < row.sequence:
        return "rollback", facts
    if hello.starts == row.starts and row.boot not in (None, hello.boot):
        return "fork", facts | {"differs": "boot"}
    if hello.sequence == row.sequence and hello.head != row.head:
        return "fork", facts | {"differs": "head"}
    return None


def _was_put_back(row: DeviceRow, hello: Hello) -> bool:
    """Whether this server once had more than it has: the device has receipts for it."""
    fits = hello.settled < hello.sequence or hello.settled_head == hello.head
    return row.sequence < hello.settled <= hello.sequence and fits


async def _go_on(tx: Tx, row: DeviceRow, hello: Hello) -> bool:
    """What a restored server lacks is lost, and noted. Were the device to stop for it, every PC
    that was in use since the backup would have to be enrolled anew, by hand. Whoever only has a
    copy of its key leaves the PC itself behind by this, which is found out. Says whether it did."""
    if not await device_queries.go_on(tx, row, hello.settled, hello.settled_head):
        return False
    facts = {"sequence": f"{hello.settled}, known {row.sequence}"}
    await freezing.note(tx, row.id, "gap", facts)
    row.sequence, row.head = hello.settled, hello.settled_head
    return True


def forked(bridge: UUID, kind: Incident, facts: dict[str, str]) -> BridgeForked:
    """The problem that freezes `bridge` after everything else is rolled back."""
    return BridgeForked(kind=kind).surviving(
        partial(_freeze, bridge=bridge, kind=kind, facts=facts)
    )


async def _freeze(tx: Tx, bridge: UUID, kind: Incident, facts: dict[str, str]) -> None:
    tx.actor = Bridge(bridge)
    await freezing.freeze(tx, bridge, kind, facts)


async def seen(tx: Tx, ids: Sequence[UUID], now: datetime) -> None:
    """All devices that one server holds: one statement, once a minute."""
    if ids:
        await device_queries.seen(tx, ids, now)


async def rotate(tx: Tx, bridge: UUID, rotated: Rotated, challenge: bytes) -> Ed25519PublicKey:
    """The device's new key; its history goes on. Raises `BridgeUnknown` where one of the two
    signatures, audience or challenge do not stand, `BridgeEnded`, and
    `KeyTaken`."""
    row = await device_queries.device(tx, bridge)
    if row is None:
        raise BridgeUnknown()
    asked = _opened(row.public_key, Kind.rotation, rotated.by_old, Rotation)
    by_new = Signed(rotated.by_old.body, rotated.by_new)
    _opened(asked.public_key, Kind.rotation, by_new, Rotation)
    audience = settings.current().base_url
    if (asked.device, asked.challenge, asked.audience) != (bridge, challenge, audience):
        raise BridgeUnknown()
    tx.actor = Bridge(bridge)
    if row.state != BridgeState.active:
        raise BridgeEnded(state=row.state)
    changed = await device_queries.set_key(
        tx, bridge, row.public_key, asked.public_key, asked.key_protection
    )
    if not changed:
        raise BridgeUnknown()
    facts = {"key_protection": asked.key_protection}
    await events.record(tx, "bridge.key_rotated", "bridge", bridge, facts=facts)
    return public(asked.public_key)


def _claimed(signed: Signed) -> UUID:
    """Whose hello it says to be, before anything is checked."""
    try:
        return msgspec.json.decode(signed.body, type=_Claimed).device
    except (msgspec.MsgspecError, RecursionError):
        raise BridgeUnknown() from None


def _opened(public_key: bytes, kind: Kind, signed: Signed, shape: type[T]) -> T:
    try:
        return opened(public(public_key), kind, signed, shape)
    except (NotSigned, ValueError):
        raise BridgeUnknown() from None
