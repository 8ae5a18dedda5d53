"""How a reading becomes a signed statement in the journal: for an intent, or by a ticket."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from reader_bridge import messages
from reader_bridge.card.reading import TextReading
from reader_bridge.chain.journal import Journal
from reader_bridge.device.keys import Device
from reader_bridge.fields import Fault
from reader_bridge.messages import (
    Kind,
    Photographed,
    PhotoStatement,
    Sealed,
    Signed,
    Statement,
    Ticket,
    What,
)
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Inserted
from reader_bridge.server_keys import Pin


class Identity(msgspec.Struct, frozen=True):
    """What every statement of this run says of the device."""

    device: UUID
    audience: str
    boot: UUID


class Stating:
    """`device` signs, and what is read is sealed to the server that `pin` knows; both may change
    while this runs."""

    def __init__(self, identity: Identity, device: Device, journal: Journal) -> None:
        self.identity, self.device, self.journal = identity, device, journal
        self.pin: Pin | None = journal.pin()

    def state(
        self,
        card: Inserted,
        text: TextReading | None,
        *,
        nonce: bytes,
        purpose: str,
        waited: float,
        intent: UUID | None = None,
        ticket: Ticket | None = None,
    ) -> int:
        """The statement's number; it is on the disk then. `text` is None where no more was asked
        than which reader it is; `waited`: seconds until the insertion.

        Raises `CardFault` where the server is not known, and as `Journal.state` does.
        """

        def make(sequence: int, previous: bytes) -> tuple[Signed, Sealed | None]:
            of = intent or (None if ticket is None else ticket.id)
            assert of is not None
            payload = None
            if text is not None:
                payload = self._seal(msgspec.json.encode(text.text), "text", of)
            said = Statement(
                audience=self.identity.audience,
                intent=intent,
                ticket=None if ticket is None else ticket.id,
                nonce=nonce,
                purpose=purpose,
                device=self.identity.device,
                reader=card.reader,
                boot=self.identity.boot,
                sequence=sequence,
                previous=previous,
                waited_ms=round(max(0.0, waited) * 1000),
                inserted_at=card.at,
                read_at=datetime.now(UTC) if text is None else text.read_at,
                atr=b"" if text is None else text.atr,
                chip_serial=b"" if text is None else bytes.fromhex(text.chip_serial or ""),
                payload_sha256=b"" if payload is None else payload.sha256,
                key_protection=self.device.protection,
            )
            return messages.sign(self.device.private, Kind.statement, said), payload

        sequence, _ = self.journal.state(make, ticket)
        return sequence

    def photo(self, jpeg: bytes, *, intent: UUID, sequence: int) -> Photographed:
        """The photograph that belongs to statement `sequence`; stored nowhere. Raises
        `CardFault`."""
        payload = self._seal(jpeg, "photo", intent)
        said = PhotoStatement(
            device=self.identity.device,
            intent=intent,
            sequence=sequence,
            payload_sha256=payload.sha256,
        )
        return Photographed(messages.sign(self.device.private, Kind.photo, said), payload)

    def _seal(self, value: bytes, what: What, of: UUID) -> Sealed:
        if self.pin is None:
            raise CardFault(Fault.server_not_pinned)
        return messages.seal(self.pin.key, value, what, of, self.identity.device)
