"""What a device has stated, and what of it the server does not have yet: on the disk, in order.

Each statement has its number and the hash of the one before; it is made and stored in one
transaction, so that several processes (the service, an offline reading at the same PC) share one
chain. What a statement carries is sealed besides what the server's seal hides anyway (`store`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from reader_bridge.chain.store import Damaged, Store
from reader_bridge.device.keys import Device
from reader_bridge.messages import (
    GENESIS,
    Kind,
    Sealed,
    Signed,
    Stated,
    Ticket,
    signature,
)
from reader_bridge.server_keys import Pin

FILE: Final = "journal.sqlite"
_SCHEMA: Final = """
create table outbox (
    sequence integer primary key, hash blob not null, content blob not null, at text not null);
create table ticket (id blob primary key, content blob not null);
create table used_ticket (id blob primary key, until text not null)
"""
_REMEMBERED: Final = timedelta(days=2)
"""So long a ticket is known as used: the server may list it once more, not having heard yet."""


class TicketGone(Exception):
    """Another process of this PC has used it, or the server has taken it back."""


class Waiting(msgspec.Struct, frozen=True):
    """A statement that the server has not given a receipt for."""

    sequence: int
    sha256: bytes
    stated: Stated


class _Linked(msgspec.Struct):
    """What of a statement makes the chain."""

    sequence: int
    previous: bytes


class Journal:
    """One file, any number of processes of this PC. Every call is short and blocks.

    Any of them raises `store.NotWritten` (nothing was changed) and `store.Damaged`.
    """

    def __init__(self, folder: Path, device: Device, *, new: bool = False) -> None:
        """Raises `Damaged` where it does not hold together, or is not there (but for `new`)."""
        self._store = Store(folder / FILE, device, _SCHEMA, new=new)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._store.close()

    # -- the chain -------------------------------------------------------------------------------

    def end(self) -> tuple[int, bytes]:
        """Number and hash of the last statement that was made."""
        return self._store.number("sequence"), self._store.get("head") or GENESIS

    def settled(self) -> tuple[int, bytes]:
        """Number and hash of the last statement that the server is known to have."""
        return self._store.number("settled"), self._store.get("settled-head") or GENESIS

    def start(self) -> int:
        """Counts a start of the program; returns which it is."""
        with self._store.writing():
            starts = self._store.number("starts") + 1
            self._store.put_number("starts", starts)
        return starts

    def state(
        self,
        make: Callable[[int, bytes], tuple[Signed, Sealed | None]],
        ticket: Ticket | None = None,
    ) -> tuple[int, Stated]:
        """Makes the next statement with `make(sequence, previous)`, and has it on the disk before
        it returns; `ticket` is used up by it. Raises `TicketGone` and what `make` raises; then
        nothing was made."""
        with self._store.writing():
            if ticket is not None:
                self._use(ticket)
            last, head = self.end()
            signed, payload = make(last + 1, head)
            stated = Stated(signed, payload)
            self._store.run(
                "insert into outbox (sequence, hash, content, at) values (?, ?, ?, ?)",
                last + 1,
                signed.sha256,
                self._sealed(last + 1, stated),
                datetime.now(UTC).isoformat(),
            )
            self._store.put_number("sequence", last + 1)
            self._store.put("head", signed.sha256)
        return last + 1, stated

    def waiting(self, after: int = 0, limit: int = 50) -> list[Waiting]:
        """Statements without a receipt, in order."""
        rows = self._store.rows(
            "select sequence, hash, content from outbox where sequence > ? "
            "order by sequence limit ?",
            after,
            limit,
        )
        found = [Waiting(number, digest, self._opened(number, c)) for number, digest, c in rows]
        if any(one.stated.signed.sha256 != one.sha256 for one in found):
            raise Damaged(self._store.path, "a statement is not what its hash says")
        return found

    def count(self) -> int:
        found: int = self._store.rows("select count(*) from outbox")[0][0]
        return found

    def settle(self, sequence: int, sha256: bytes) -> bool:
        """The server has this statement, and all before it, for good; False where ours of that
        number is another."""
        if sequence <= self.settled()[0]:
            return True  # the receipt came twice
        held = self._store.rows("select hash from outbox where sequence = ?", sequence)
        if not held or held[0][0] != sha256:
            return False
        with self._store.writing():
            self._store.run("delete from outbox where sequence <= ?", sequence)
            self._store.put_number("settled", sequence)
            self._store.put("settled-head", sha256)
        return True

    def settle_until(self, sequence: int, head: bytes) -> bool:
        """The server's copy of the chain ends at `sequence`; False where that is no place of ours:
        one of the two was put back to an older state, or another holds our key."""
        settled, known = self.settled()
        if sequence == settled:
            return head == known
        return sequence > settled and self.settle(sequence, head)

    def rekey(self, device: Device) -> None:
        """Everything is of `device`'s key from here on, in one step: also the signatures of what
        still waits, for the server knows no other key now. The chain stays what it is."""
        with self._store.writing():
            waiting, tickets = self.waiting(limit=1_000_000), self._tickets()
            pin = self.pin()
            self._store.become(device)
            for one in waiting:
                body = one.stated.signed.body
                signed = Signed(body, signature(device.private, Kind.statement, body))
                content = self._sealed(one.sequence, Stated(signed, one.stated.payload))
                self._store.run(
                    "update outbox set content = ? where sequence = ?", content, one.sequence
                )
            self._put_tickets(tickets)
            if pin is not None:
                self.remember(pin)

    # -- what the server gave --------------------------------------------------------------------

    def remember(self, pin: Pin) -> None:
        """Who the server is, and what to seal to, also while it is out of reach."""
        if self._pin_is(pin):
            return
        with self._store.writing():
            self._store.put("pin", self._store.seal(b"pin", msgspec.msgpack.encode(pin)))

    def pin(self) -> Pin | None:
        """None of a device that was enrolled before servers were known by a key."""
        held = self._store.get("pin")
        if held is None:
            return None
        return msgspec.msgpack.decode(self._store.unseal(b"pin", held), type=Pin)

    def set_tickets(self, tickets: tuple[Ticket, ...]) -> None:
        """All that may still be used; what a reading has used up here stays used up."""
        with self._store.writing():
            now = datetime.now(UTC)
            for id, until in self._store.rows("select id, until from used_ticket"):
                if datetime.fromisoformat(until) < now:
                    self._store.run("delete from used_ticket where id = ?", id)
            used = {UUID(bytes=id) for (id,) in self._store.rows("select id from used_ticket")}
            good = {ticket.id: ticket for ticket in tickets if ticket.id not in used}
            if good != {ticket.id: ticket for ticket in self._tickets()}:  # told often, by HTTP
                self._put_tickets(list(good.values()))

    def tickets(self, now: datetime) -> list[Ticket]:
        """Unused and good at `now`, the next to end first."""
        found = [ticket for ticket in self._tickets() if ticket.good_at(now)]
        return sorted(found, key=lambda ticket: ticket.expires_at)

    def ticket_count(self) -> int:
        """Unused ones, also those that are over, or not good yet by this PC's clock."""
        found: int = self._store.rows("select count(*) from ticket")[0][0]
        return found

    # -- notes for `reader-bridge status` and other processes of this PC -------------------------

    def note(self, name: str, value: str) -> None:
        if self.notes().get(name, "") != value:
            with self._store.writing():
                self._store.put(f"note:{name}", value[:600].encode())

    def notes(self) -> dict[str, str]:
        rows = self._store.rows("select name, value from state where name like 'note:%'")
        return {name.removeprefix("note:"): value.decode() for name, value in rows}

    # -- below -----------------------------------------------------------------------------------

    def _check(self) -> None:
        """What waits begins right after what is settled, is linked, and ends where it must."""
        with self._store.writing():  # so that no other process moves it meanwhile
            (number, head), (last, end) = self.settled(), self.end()
            while batch := self.waiting(number):
                for one in batch:
                    said = _linked(one.stated.signed.body)
                    if said is None or (said.sequence, said.previous) != (number + 1, head):
                        raise Damaged(self._store.path, "cut or re-ordered")
                    number, head = one.sequence, one.sha256
            if (number, head) != (last, end):
                raise Damaged(self._store.path, "cut")

    def _use(self, ticket: Ticket) -> None:
        if not self._store.run("delete from ticket where id = ?", ticket.id.bytes):
            raise TicketGone()
        until = max(ticket.expires_at, datetime.now(UTC)) + _REMEMBERED
        self._store.run(
            "insert into used_ticket (id, until) values (?, ?)", ticket.id.bytes, until.isoformat()
        )

    def _tickets(self) -> list[Ticket]:
        return [
            msgspec.msgpack.decode(self._store.unseal(b"ticket|" + id, content), type=Ticket)
            for id, content in self._store.rows("select id, content from ticket")
        ]

    def _put_tickets(self, tickets: list[Ticket]) -> None:
        self._store.run("delete from ticket")
        self._store.many(
            "insert into ticket (id, content) values (?, ?)",
            [
                (t.id.bytes, self._store.seal(b"ticket|" + t.id.bytes, msgspec.msgpack.encode(t)))
                for t in tickets
            ],
        )

    def _pin_is(self, pin: Pin) -> bool:
        try:
            return self.pin() == pin
        except Damaged:  # while the journal changes to another key
            return False

    def _sealed(self, sequence: int, stated: Stated) -> bytes:
        return self._store.seal(b"outbox|%d" % sequence, msgspec.msgpack.encode(stated))

    def _opened(self, sequence: int, content: bytes) -> Stated:
        plain = self._store.unseal(b"outbox|%d" % sequence, content)
        return msgspec.msgpack.decode(plain, type=Stated)


def _linked(body: bytes) -> _Linked | None:
    try:
        return msgspec.json.decode(body, type=_Linked)
    except (msgspec.MsgspecError, RecursionError):
        return None
