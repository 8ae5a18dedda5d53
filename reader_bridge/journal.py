"""What a device has stated, and what of it the server does not have yet: on the disk, in order.

SQLite in its safest mode: what is committed has outlived a power cut. Each statement has its number
and the hash of the one before; it is made and stored in one transaction, so that several processes
(the service, an offline reading at the same PC) share one chain. What a statement carries is sealed
under a key derived from the device's, besides what the server's seal hides anyway.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reader_bridge.folder import Unusable, make
from reader_bridge.keys import Device
from reader_bridge.messages import GENESIS, Sealed, SealingKey, Signed, Stated, Ticket

FILE: Final = "journal.sqlite"
_NONCE: Final = 12
_SCHEMA: Final = """
create table if not exists state (name text primary key, value blob not null);
create table if not exists outbox (
    sequence integer primary key, hash blob not null, content blob not null, at text not null);
create table if not exists ticket (id blob primary key, content blob not null);
"""


class Damaged(Unusable):
    """The journal does not hold together: it was cut, re-ordered or put back from a copy."""


class TicketGone(Exception):
    """Another process of this PC has used it, or the server has taken it back."""


class Waiting(msgspec.Struct, frozen=True):
    """A statement that the server has not given a receipt for."""

    sequence: int
    sha256: bytes
    stated: Stated


class Journal:
    """One file, any number of processes of this PC. Every call is short and blocks."""

    def __init__(self, folder: Path, device: Device) -> None:
        make(folder)
        self.path = folder / FILE
        self._cipher = AESGCM(device.derive("journal"))
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            self._db = sqlite3.connect(
                self.path, timeout=10, isolation_level=None, check_same_thread=False
            )
            self._db.execute("pragma journal_mode = delete")
            self._db.execute("pragma synchronous = extra")
            self._db.execute("pragma secure_delete = on")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise Damaged(f"{self.path}: {error}; enrol anew") from None

    def close(self) -> None:
        self._db.close()

    # -- the chain -------------------------------------------------------------------------------

    def end(self) -> tuple[int, bytes]:
        """Number and hash of the last statement that was made."""
        return self._number("sequence"), self._get("head") or GENESIS

    def start(self) -> int:
        """Counts a start of the program; returns which it is."""
        with self._writing():
            starts = self._number("starts") + 1
            self._put("starts", str(starts).encode())
        return starts

    def state(
        self,
        make: Callable[[int, bytes], tuple[Signed, Sealed | None]],
        ticket: UUID | None = None,
    ) -> tuple[int, Stated]:
        """Makes the next statement with `make(sequence, previous)`, and has it on the disk before
        it returns; `ticket` is used up by it. Raises `TicketGone`, `Damaged`, and what `make`
        raises; then nothing was made."""
        with self._writing():
            if (
                ticket is not None
                and not self._db.execute(
                    "delete from ticket where id = ?", (ticket.bytes,)
                ).rowcount
            ):
                raise TicketGone()
            sequence, head = self.end()
            signed, payload = make(sequence + 1, head)
            stated = Stated(signed, payload)
            sealed = self._seal(b"outbox|%d" % (sequence + 1), msgspec.msgpack.encode(stated))
            self._db.execute(
                "insert into outbox (sequence, hash, content, at) values (?, ?, ?, ?)",
                (sequence + 1, signed.sha256, sealed, datetime.now(UTC).isoformat()),
            )
            self._put("sequence", str(sequence + 1).encode())
            self._put("head", signed.sha256)
        return sequence + 1, stated

    def waiting(self, after: int = 0, limit: int = 50) -> list[Waiting]:
        """Statements without a receipt, in order. Raises `Damaged`."""
        rows = self._db.execute(
            "select sequence, hash, content from outbox where sequence > ? "
            "order by sequence limit ?",
            (after, limit),
        ).fetchall()
        found = [
            Waiting(sequence, digest, self._opened(sequence, content))
            for sequence, digest, content in rows
        ]
        if any(one.stated.signed.sha256 != one.sha256 for one in found):
            raise Damaged(f"{self.path}: a statement is not what its hash says; enrol anew")
        return found

    def count(self) -> int:
        found: int = self._db.execute("select count(*) from outbox").fetchone()[0]
        return found

    def settle(self, sequence: int, sha256: bytes) -> bool:
        """The server has this statement for good; False where ours of that number is another."""
        row = self._db.execute("select hash from outbox where sequence = ?", (sequence,)).fetchone()
        if row is not None and row[0] != sha256:
            return False
        with self._writing():
            self._db.execute("delete from outbox where sequence = ?", (sequence,))
        return True

    def settle_until(self, sequence: int, head: bytes) -> bool:
        """The server's copy of the chain ends at `sequence`; False where that is no place of ours:
        one of the two was put back to an older state, or another holds our key."""
        last, own = self.end()
        if sequence > last:
            return False
        row = self._db.execute("select hash from outbox where sequence = ?", (sequence,)).fetchone()
        known = own if sequence == last else None if row is None else row[0]
        first = self._db.execute("select min(sequence) from outbox").fetchone()[0]
        if known is None:  # it was settled before: then what waits begins right after it
            return bool(first is not None and first == sequence + 1)
        if known != head:
            return False
        with self._writing():
            self._db.execute("delete from outbox where sequence <= ?", (sequence,))
        return True

    # -- what the server gave --------------------------------------------------------------------

    def remember_key(self, key: SealingKey) -> None:
        """To seal to while the server is out of reach."""
        with self._writing():
            self._put("sealing-key", self._seal(b"sealing-key", msgspec.msgpack.encode(key)))

    def sealing_key(self) -> SealingKey | None:
        held = self._get("sealing-key")
        if held is None:
            return None
        return msgspec.msgpack.decode(self._open(b"sealing-key", held), type=SealingKey)

    def set_tickets(self, tickets: tuple[Ticket, ...]) -> None:
        """All that may still be used; what a reading has used up here stays used up."""
        with self._writing():
            used = set(self._used())
            self._db.execute("delete from ticket")
            self._db.executemany(
                "insert into ticket (id, content) values (?, ?)",
                [
                    (t.id.bytes, self._seal(b"ticket|" + t.id.bytes, msgspec.msgpack.encode(t)))
                    for t in tickets
                    if t.id not in used
                ],
            )

    def tickets(self, now: datetime) -> list[Ticket]:
        """Unused and not over, the next to end first."""
        rows = self._db.execute("select id, content from ticket").fetchall()
        found = [
            msgspec.msgpack.decode(self._open(b"ticket|" + id, content), type=Ticket)
            for id, content in rows
        ]
        return sorted((t for t in found if t.expires_at > now), key=lambda t: t.expires_at)

    def _used(self) -> list[UUID]:
        """Tickets of statements that still wait: the server does not know of their use yet."""
        found = []
        for one in self.waiting(limit=10_000):
            said = msgspec.json.decode(one.stated.signed.body, type=_OfTicket)
            if said.ticket is not None:
                found.append(said.ticket)
        return found

    # -- notes for `reader-bridge status` --------------------------------------------------------

    def note(self, name: str, value: str) -> None:
        with self._writing():
            self._put(f"note:{name}", value.encode())

    def notes(self) -> dict[str, str]:
        rows = self._db.execute("select name, value from state where name like 'note:%'").fetchall()
        return {name.removeprefix("note:"): value.decode() for name, value in rows}

    # -- below -----------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._db.in_transaction:
            yield
            return
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def _get(self, name: str) -> bytes | None:
        row = self._db.execute("select value from state where name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _put(self, name: str, value: bytes) -> None:
        self._db.execute(
            "insert into state (name, value) values (?, ?) "
            "on conflict (name) do update set value = excluded.value",
            (name, value),
        )

    def _number(self, name: str) -> int:
        held = self._get(name)
        return 0 if held is None else int(held)

    def _seal(self, what: bytes, value: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, what)

    def _open(self, what: bytes, sealed: bytes) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], what)
        except InvalidTag:
            raise Damaged(f"{self.path} is of another key, or was changed; enrol anew") from None

    def _opened(self, sequence: int, content: bytes) -> Stated:
        return msgspec.msgpack.decode(self._open(b"outbox|%d" % sequence, content), type=Stated)


class _OfTicket(msgspec.Struct):
    ticket: UUID | None = None
