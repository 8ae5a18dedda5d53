"""A new key for the device, in steps of which each may be the last before a power cut.

1. The new key is stored beside the old one (`keys`, place `next`), only then offered: `Rotated`,
   signed by both. The server says nothing when it takes it.
2. From then on a connection is tried with the new key first, then with the old one. Welcomed with
   the new: journal and folder change to it. Welcomed with the old: the same new key is offered
   again. It is never thrown away, for the server may have it, or take it in a moment.

It begins only when nothing waits in the journal. What is stated while it is in doubt is signed anew
(`Journal.rekey`): number, hash and content stay.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reader_bridge import messages
from reader_bridge.chain.journal import Journal
from reader_bridge.chain.stating import Stating
from reader_bridge.chain.store import OfAnother
from reader_bridge.device import keys
from reader_bridge.device.folder import Unusable
from reader_bridge.device.keys import Device
from reader_bridge.messages import Kind, Rotated

log = logging.getLogger("reader_bridge.line.rotation")
ASKED: Final = "rotate"
"""The note by which another process asks the running service; empty when it is done."""
DONE: Final = "rotated"
TURNS: Final = 4
"""Refusals in a row, of one key and the other, after which neither is tried at once."""
OFFERS: Final = 3
"""So often it is offered in one run of the program; then it is left for another day."""


def opened(folder: Path) -> tuple[Device, Journal]:
    """The device's key and its journal, also where a rotation was cut off between the two.
    Raises `folder.Unusable`."""
    device = keys.load(folder)
    try:
        return device, Journal(folder, device)
    except OfAnother:
        try:
            after = keys.load(folder, "next")
        except keys.NoKey:
            raise
        journal = Journal(folder, after)
        return keys.promote(folder, "next"), journal


def waiting(folder: Path) -> int:
    """Statements in `folder` that the server does not have; 0 where nobody can tell."""
    with suppress(Unusable):
        _, journal = opened(folder)
        try:
            return journal.count()
        finally:
            journal.close()
    return 0


class Rotation:
    """Of one run of the program. `signer` is the key that the next hello is signed with."""

    def __init__(self, folder: Path, stating: Stating) -> None:
        self._folder, self._stating = folder, stating
        self._next: Device | None = None
        try:
            found = keys.load(folder, "next")
        except keys.NoKey:
            found = None
        if found is not None and found.public == stating.device.public:
            keys.forget(folder, "next")  # all but this was done already
        elif found is not None:
            self._next = found
        self._with_next = self._next is not None
        self._refused = self._offers = 0

    @property
    def signer(self) -> Device:
        return self._next if self._next is not None and self._with_next else self._stating.device

    def due(self) -> bool:
        """Whether it is to be offered on this connection, once nothing else waits."""
        if self._offers >= OFFERS or self.signer is not self._stating.device:
            return False
        asked = self._next is not None or bool(self._stating.journal.notes().get(ASKED))
        return asked and not self._stating.journal.count()

    def offer(self, challenge: bytes) -> Rotated:
        """For the connection of this challenge; `offered` is to be called whether or not it got
        through. Raises `folder.Unusable`."""
        self._offers += 1
        old = self._stating.device
        if self._next is None:
            self._next = keys.make(self._folder, "next", in_file=old.protection == "file")
        body = messages.Rotation(
            audience=self._stating.identity.audience,
            device=self._stating.identity.device,
            challenge=challenge,
            public_key=self._next.public,
            key_protection=self._next.protection,
        )
        by_old = messages.sign(old.private, Kind.rotation, body)
        return Rotated(by_old, messages.signature(self._next.private, Kind.rotation, by_old.body))

    def offered(self) -> None:
        """The server may have it: the next connection is tried with it."""
        self._with_next = self._next is not None

    def unknown(self) -> bool:
        """The server knows no such key: whether there is another one to be tried
        at once."""
        self._refused += 1
        if self._next is None:
            return False
        self._with_next = not self._with_next
        return self._refused < TURNS

    def welcomed(self) -> None:
        """The server knows `signer`. Raises `folder.Unusable`."""
        self._refused = 0
        if self._next is None or not self._with_next:
            return
        self._stating.journal.rekey(self._next)
        try:
            self._stating.device = keys.promote(self._folder, "next")
        except keys.NoKey:  # a command beside us came upon the journal just now, and ended it
            self._stating.device = keys.load(self._folder)
        self._next, self._with_next = None, False
        self._stating.journal.note(ASKED, "")
        self._stating.journal.note(DONE, datetime.now(UTC).isoformat())
        log.info("the device has a new key")
