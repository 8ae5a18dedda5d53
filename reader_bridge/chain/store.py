"""SQLite as the journal needs it: what is committed has outlived a power cut, what is not is not.

Values are sealed under a key derived from the device's, bound to their place. Faults come as two
kinds: `Damaged`, after which this device is over, and `NotWritten`, after which it may go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reader_bridge.device.folder import Unusable, make
from reader_bridge.device.keys import Device

_NONCE: Final = 12
_CORRUPT: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_STATE: Final = "create table if not exists state (name text primary key, value blob not null);"
LOCKED_S: Final = 10


class Damaged(Unusable):
    """The journal does not hold together: it was cut, re-ordered or put back from a copy.

    `how` and `path` are for whoever looks into it; what to do is always the same.
    """

    def __init__(self, path: object, how: str) -> None:
        super().__init__(
            "บันทึกของเครื่องนี้หายหรือเสียหาย กรุณาแจ้งผู้ดูแลเครื่องและลงทะเบียนใหม่",
            f"this PC's journal: {how}; tell whoever looks after it, and enrol anew",
            path,
        )


class OfAnother(Damaged):
    """It was begun, or gone on with, under another key."""


class NotWritten(Unusable):
    """The disk is full, gone or kept busy by another program: nothing was changed."""

    def __init__(self, path: object, error: object = "") -> None:
        super().__init__(
            "เขียนลงดิสก์ไม่ได้ กรุณาตรวจพื้นที่ว่างและสิทธิ",
            "the disk takes nothing: look for free space, rights, and programs that hold the file",
            f"{path}: {error}" if error else path,
        )


class Store:
    """One file, any number of processes of this PC. Every call is short and blocks.

    Without `new` the file must be there already: one that is gone is a history that is gone.
    """

    def __init__(self, path: Path, device: Device, schema: str, *, new: bool) -> None:
        make(path.parent)
        self.path = path
        self._use(device)
        if new:
            self._create()
        elif not path.exists() or path.stat().st_size == 0:
            raise Damaged(path, "gone, and with it what this device has stated")
        with self._guarded():
            self._db = sqlite3.connect(
                path, timeout=LOCKED_S, isolation_level=None, check_same_thread=False
            )
        try:
            self._open(schema, new)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    def rows(self, statement: str, *values: Any) -> list[Any]:
        with self._guarded():
            return self._db.execute(statement, values).fetchall()

    def run(self, statement: str, *values: Any) -> int:
        """How many rows it touched."""
        with self._guarded():
            return self._db.execute(statement, values).rowcount

    def many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        with self._guarded():
            self._db.executemany(statement, values)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction, on the disk when this ends, or nothing. Raises `NotWritten`, `Damaged`,
        and `OfAnother` where another process has changed the device's key."""
        if self._db.in_transaction:
            yield
            return
        with self._guarded():
            self._db.execute("begin immediate")
        try:
            self._check_owner()
            yield
            with self._guarded():
                self._db.execute("commit")
        finally:
            if self._db.in_transaction:  # also after a commit for which the disk was too full
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("rollback")

    # -- named values ----------------------------------------------------------------------------

    def get(self, name: str) -> bytes | None:
        found = self.rows("select value from state where name = ?", name)
        return found[0][0] if found else None

    def put(self, name: str, value: bytes) -> None:
        self.run(
            "insert into state (name, value) values (?, ?) "
            "on conflict (name) do update set value = excluded.value",
            name,
            value,
        )

    def number(self, name: str) -> int:
        held = self.get(name)
        try:
            return 0 if held is None else int(held)
        except ValueError:
            raise Damaged(self.path, "no number where one must be") from None

    def put_number(self, name: str, value: int) -> None:
        self.put(name, str(value).encode())

    # -- sealing ---------------------------------------------------------------------------------

    def seal(self, what: bytes, value: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, what)

    def unseal(self, what: bytes, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], what)
        except (InvalidTag, ValueError):
            raise Damaged(self.path, "of another key, or changed") from None

    def become(self, device: Device) -> None:
        """From here on everything is of `device`'s key; to be called while writing."""
        self._use(device)
        self.put("owner", self._owner)

    # -- below -----------------------------------------------------------------------------------

    def _use(self, device: Device) -> None:
        self._cipher = AESGCM(device.derive("journal"))
        self._owner = hashlib.sha256(device.public).digest()

    def _create(self) -> None:
        """Empty, in place of whatever was there."""
        try:
            for name in (f"{self.path.name}-journal", self.path.name):
                (self.path.parent / name).unlink(missing_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise NotWritten(self.path, error) from None

    def _open(self, schema: str, new: bool) -> None:
        with self._guarded():
            self._db.execute("pragma journal_mode = delete")
            self._db.execute("pragma synchronous = extra")
            self._db.execute("pragma secure_delete = on")
            if new:
                self._db.execute("begin immediate")
                for one in f"{_STATE}{schema}".split(";"):
                    self._db.execute(one)
                self.put("owner", self._owner)
                self._db.execute("commit")
            found = self._db.execute("pragma quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Damaged(self.path, f"torn ({found})")
        self._check_owner()

    def _check_owner(self) -> None:
        owner = self.get("owner")
        if owner != self._owner:
            raise OfAnother(self.path, "of another key of this device (try again first)")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _is_damage(error):
                raise Damaged(self.path, str(error)) from None
            raise NotWritten(self.path, error) from None


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return not isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in _CORRUPT or "no such table" in str(error)
