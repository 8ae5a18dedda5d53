"""Personal data at rest: a key for each person, AES-256-GCM, keyed indexes for equality.

A sealed value is `version (1) | data key id (16) | nonce (12) | ciphertext and tag`, bound by its
associated data to table, column and row: moved anywhere else it does not open. The data keys are
wrapped by the keyring (`api.keys`), which is not in the data base; destroying one makes all that
it sealed unreadable. Opening a value is an event. Nothing here logs a value.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api import events, ids, keys
from api.db import Tx
from api.keys import Purpose
from api.problems import NotFound

VERSION: Final = b"\x01"
_NONCE: Final = 12
_HEAD: Final = 1 + 16 + _NONCE
_HELD: Final = 4096  # unwrapped data keys in memory at most
_HELD_S: Final = 30.0  # and for how long: a key destroyed elsewhere is forgotten by then


class Erased(
    NotFound,
    code="ground/erased",
    th="ข้อมูลส่วนบุคคลนี้ถูกลบแล้ว",
    en="This personal data has been erased",
):
    """The person's data key was destroyed, after retention ended or on request."""


class Cell(msgspec.Struct, frozen=True):
    """Where a sealed value stands; it opens nowhere else."""

    table: str
    column: str
    row: UUID

    def aad(self) -> bytes:
        return f"{self.table}|{self.column}|{self.row}".encode()


class Sealed(msgspec.Struct, frozen=True):
    """A sealed value with its place, for handing around; its repr shows neither."""

    cell: Cell
    blob: bytes

    def __repr__(self) -> str:
        return f"Sealed({self.cell.table}.{self.cell.column})"


class _DataKey(msgspec.Struct, frozen=True):
    id: UUID
    kid: str
    wrapped: bytes | None


_held: OrderedDict[UUID, tuple[float, AESGCM]] = OrderedDict()


class NewKey(msgspec.Struct, frozen=True):
    """A data key that the caller's own statement writes: the columns of `data_key`."""

    id: UUID
    kid: str
    wrapped: bytes


def make_key() -> NewKey:
    """A data key that is not stored yet; what is sealed under it opens once it is."""
    id, key = ids.new(), AESGCM.generate_key(bit_length=256)
    kid = keys.ring().active(Purpose.wrap).kid
    _hold(id, AESGCM(key))
    return NewKey(id, kid, _wrap(kid, id, key))


async def new_key(tx: Tx) -> UUID:
    """A data key for a person; returns its id."""
    made = make_key()
    await tx.run(
        "insert into data_key (id, kid, wrapped, created_at) values ($1, $2, $3, $4)",
        made.id,
        made.kid,
        made.wrapped,
        tx.now,
    )
    return made.id


def hold_row(id: UUID, kid: str, wrapped: bytes | None) -> None:
    """Takes a data key that a caller's own statement has read; saves one statement later."""
    held = _held.get(id)
    if wrapped is None:
        _held.pop(id, None)  # destroyed meanwhile
    elif held is None or held[0] <= time.monotonic() - _HELD_S:
        _hold(id, AESGCM(_unwrap(_DataKey(id, kid, wrapped))))


async def seal(tx: Tx, key: UUID, cell: Cell, value: str) -> bytes:
    """`value` sealed under data key `key` for `cell`. Raises `Erased` when the key is destroyed."""
    cipher = (await _ciphers(tx, [key]))[key]
    nonce = secrets.token_bytes(_NONCE)
    return VERSION + key.bytes + nonce + cipher.encrypt(nonce, value.encode(), cell.aad())


async def seal_bytes(tx: Tx, key: UUID, cell: Cell, value: bytes) -> bytes:
    """As `seal`, for bytes that are kept as evidence of what was sent."""
    cipher = (await _ciphers(tx, [key]))[key]
    nonce = secrets.token_bytes(_NONCE)
    return VERSION + key.bytes + nonce + cipher.encrypt(nonce, value, cell.aad())


async def unseal_bytes(tx: Tx, cell: Cell, blob: bytes) -> bytes:
    """Opens what `seal_bytes` sealed, for the system's own comparison: nobody gets to see it."""
    key = _key_of(blob)
    cipher = (await _ciphers(tx, [key]))[key]
    return cipher.decrypt(blob[17:_HEAD], blob[_HEAD:], cell.aad())


def seal_under_ring(cell: Cell, value: bytes) -> bytes:
    """For bytes that belong to no known record: sealed under the keyring's wrap key itself.

    `key tag (4) | nonce (12) | ciphertext and tag`. Lost with that wrap key when it is retired.
    """
    key = keys.ring().active(Purpose.wrap)
    nonce = secrets.token_bytes(_NONCE)
    cipher = keys.ring().cipher(key.kid)
    return key.tag + nonce + cipher.encrypt(nonce, value, b"ring|" + cell.aad())


def unseal_under_ring(cell: Cell, blob: bytes) -> bytes:
    """Opens what `seal_under_ring` sealed. Raises ValueError; record the event yourself."""
    for key in keys.ring().usable(Purpose.wrap):
        if key.tag == blob[:4]:
            nonce, rest = blob[4 : 4 + _NONCE], blob[4 + _NONCE :]
            try:
                return keys.ring().cipher(key.kid).decrypt(nonce, rest, b"ring|" + cell.aad())
            except InvalidTag:
                break
    raise ValueError(f"a value sealed under the keyring does not open in {cell.table}")


async def unseal(tx: Tx, sealed: Sealed, *, purpose: str) -> str:
    """Opens one value and records why. Raises `Erased`; ValueError when it was tampered with."""
    return (await unseal_many(tx, [sealed], purpose=purpose))[0]


async def unseal_many(tx: Tx, values: Sequence[Sealed], *, purpose: str) -> list[str]:
    """Opens several values, with one event for each record they belong to.

    `purpose` is a short constant such as `own-profile` or `order.serve`, never data.
    """
    found = await _ciphers(tx, [_key_of(v.blob) for v in values])
    opened = [_open(found[_key_of(v.blob)], v) for v in values]
    columns: dict[tuple[str, UUID], list[str]] = {}
    for v in values:
        columns.setdefault((v.cell.table, v.cell.row), []).append(v.cell.column)
    for (table, row), names in columns.items():
        facts = {"columns": names, "purpose": purpose}
        await events.record(tx, f"{table}.unsealed", table, row, facts=facts)
    return opened


async def destroy_key(tx: Tx, key: UUID, *, reason: str) -> None:
    """Erases everything sealed under `key`. For good: dumps made later cannot open it either.

    A dump made earlier still holds the wrapped key; retiring the wrap key ends that too.
    """
    touched = await tx.run(
        "update data_key set wrapped = null, destroyed_at = $2 "
        "where id = $1 and wrapped is not null",
        key,
        tx.now,
    )
    _held.pop(key, None)
    if touched:
        await events.record(tx, "data_key.destroyed", "data_key", key, facts={"reason": reason})


async def rewrap(tx: Tx, limit: int = 500) -> int:
    """Wraps up to `limit` data keys under the active wrap key; returns how many it did.

    Run until it returns 0 after `superapp keys rotate wrap`; then the old key may be retired.
    """
    active = keys.ring().active(Purpose.wrap).kid
    rows = await tx.all(
        _DataKey,
        """
        select id, kid, wrapped from data_key where kid <> $1 and wrapped is not null
        order by id limit $2 for update skip locked
        """,
        active,
        limit,
    )
    await tx.run(
        """
        update data_key d set kid = $1, wrapped = n.wrapped
        from unnest($2::uuid[], $3::bytea[]) as n(id, wrapped) where d.id = n.id
        """,
        active,
        [row.id for row in rows],
        [_wrap(active, row.id, _unwrap(row)) for row in rows],
    )
    return len(rows)


def index(purpose: str, value: str) -> bytes:
    """The blind index of `value` in column `purpose`, under the active key: for storing."""
    return keys.ring().index(purpose, value)


def indexes(purpose: str, value: str) -> list[bytes]:
    """The same under every usable key: for looking up with `= any($1)`."""
    return keys.ring().indexes(purpose, value)


def indexes_since(purpose: str, value: str, since: datetime) -> list[bytes]:
    """The same under the active key, then under those that were active since then: for storing
    where rows are compared with one another, across a rotation."""
    return keys.ring().indexes_since(purpose, value, since)


def forget() -> None:
    """Empties this process's cache of data keys."""
    _held.clear()


async def _ciphers(tx: Tx, wanted: Sequence[UUID]) -> dict[UUID, AESGCM]:
    young = time.monotonic() - _HELD_S
    if len(wanted) == 1 and (one := _held.get(wanted[0])) is not None and one[0] > young:
        return {wanted[0]: one[1]}
    found = {
        id: held[1] for id in set(wanted) if (held := _held.get(id)) is not None and held[0] > young
    }
    missing = [id for id in set(wanted) if id not in found]
    if missing:
        rows = await tx.all(
            _DataKey, "select id, kid, wrapped from data_key where id = any($1)", missing
        )
        for row in rows:
            if row.wrapped is None:
                raise Erased()
            _hold(row.id, AESGCM(_unwrap(row)))
            found[row.id] = _held[row.id][1]
        if len(rows) != len(missing):
            raise Erased()
    return found


def _open(cipher: AESGCM, sealed: Sealed) -> str:
    blob = sealed.blob
    try:
        return cipher.decrypt(blob[17:_HEAD], blob[_HEAD:], sealed.cell.aad()).decode()
    except InvalidTag:
        raise ValueError(f"a sealed value does not open in {sealed!r}") from None


def _key_of(blob: bytes) -> UUID:
    if blob[:1] != VERSION or len(blob) < _HEAD + 16:
        raise ValueError("not a sealed value")
    return UUID(bytes=blob[1:17])


def _wrap(kid: str, id: UUID, key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + keys.ring().cipher(kid).encrypt(nonce, key, b"data_key|" + id.bytes)


def _unwrap(row: _DataKey) -> bytes:
    if row.wrapped is None:
        raise Erased()
    cipher = keys.ring().cipher(row.kid)
    try:
        return cipher.decrypt(
            row.wrapped[:_NONCE], row.wrapped[_NONCE:], b"data_key|" + row.id.bytes
        )
    except InvalidTag:
        raise ValueError(f"data key {row.id} does not open under {row.kid}") from None


def _hold(id: UUID, cipher: AESGCM) -> None:
    _held[id] = (time.monotonic(), cipher)
    _held.move_to_end(id)
    while len(_held) > _HELD:
        _held.popitem(last=False)
