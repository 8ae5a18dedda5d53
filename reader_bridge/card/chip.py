"""The talk with one chip in one transaction: every answer whole and as long as it says, or a fault.

Nothing is ever sent twice to mend an answer: after any fault the transaction is over. A card can
say `61 xx` or `6C xx` for ever, so what follows one command is bounded.
"""

from __future__ import annotations

from collections.abc import Callable

from reader_bridge.card import thai_card
from reader_bridge.card.card_text import cid_number
from reader_bridge.fields import Fault, Field
from reader_bridge.pcsc.ports import CardFault, Transaction

FETCHES = 8  # GET RESPONSE after one command; a card of these needs one
GOOD = (0x90, 0x00)
Answer = tuple[bytes, int, int]
"""Data and status word."""


class Chip:
    """`stopped` is asked before every command and raises to end the reading."""

    def __init__(self, transaction: Transaction, atr: bytes, stopped: Callable[[], None]) -> None:
        self.apdus, self.atr = 0, atr
        self._transmit, self._stopped = transaction.transmit, stopped
        self._fetch = thai_card.get_response_head(atr)

    def select(self) -> None:
        """The applet of the Thai ID card."""
        if not self._selected(thai_card.select(thai_card.APPLET)):
            raise CardFault(Fault.not_a_thai_id, "its applet is not there")

    def version(self) -> bytes:
        version = self.read(thai_card.VERSION)
        if not version.isdigit():
            raise CardFault(Fault.card_damaged, "version: not four digits")
        return version

    def cid(self, version: bytes) -> str:
        data = self.read(thai_card.place(Field.cid, version))
        try:
            return cid_number(data)
        except ValueError as error:
            raise CardFault(Fault.card_damaged, str(error)) from None

    def read(self, span: thai_card.Span) -> bytes:
        """The bytes of `span`, exactly."""
        length, command = span.length, thai_card.read(span)
        answer = self._send(command)
        if answer == (b"", 0x61, length):  # every real one says that they wait to be fetched
            command = thai_card.get_response(length, self._fetch)
            answer = self._send(command)
        return self._rest(command, answer, length, length)

    def serial(self) -> str | None:
        """The chip's serial number in hexadecimal; None where the chip does not tell it.

        To be asked with the applet of the ID card selected, each time, and leaves it so: what a
        chip tells depends on that, and the same chip must tell the same at both ends.
        """
        production = self._try(thai_card.PRODUCTION_DATA, 21, 45)
        if production is None:
            if self._selected(thai_card.SELECT_MANAGER):
                production = self._try(thai_card.PRODUCTION_DATA, 21, 45)
            self.select()
        return None if production is None else thai_card.chip_serial(production)

    def laser_number(self) -> bytes | None:
        """Twelve bytes, or None where there is no such applet. Selects that applet."""
        if not self._selected(thai_card.select(thai_card.LASER_APPLET)):
            return None
        answer = self._try(thai_card.LASER, 19, 23)
        return None if answer is None else answer[7:19]

    def _selected(self, command: bytes) -> bool:
        _, sw1, sw2 = self._send(command)
        if sw1 == 0x6C and len(command) == 5:
            _, sw1, sw2 = self._send(command[:4] + bytes((sw2,)))
        return (sw1, sw2) == GOOD or sw1 == 0x61

    def _try(self, command: bytes, least: int, most: int) -> bytes | None:
        """As `_ask`; None when the card refuses the command."""
        try:
            return self._ask(command, least, most)
        except _Refused:
            return None

    def _ask(self, command: bytes, least: int, most: int) -> bytes:
        """From `least` to `most` bytes of data. Raises CardFault on everything else."""
        return self._rest(command, self._send(command), least, most)

    def _rest(self, command: bytes, answer: Answer, least: int, most: int) -> bytes:
        """As `_ask`, where `command` has had its first answer."""
        data, sw1, sw2 = answer
        if sw1 == 0x90 and sw2 == 0 and least <= len(data) <= most:
            return data
        got = bytearray(data)
        for _ in range(FETCHES):
            if len(got) > most:
                raise CardFault(Fault.card_damaged, "more bytes than were asked for")
            if (sw1, sw2) == GOOD:
                if len(got) < least:
                    raise CardFault(Fault.card_damaged, "fewer bytes than were asked for")
                return bytes(got)
            if sw1 == 0x61:
                more = sw2 or 256
                if len(got) + more > most:
                    raise CardFault(Fault.card_damaged, "promises more than was asked for")
                command = thai_card.get_response(more, self._fetch)
            elif sw1 == 0x6C and len(command) == 5 and not data:
                command = command[:4] + bytes((sw2,))
            else:
                raise _Refused(Fault.card_damaged, f"status {sw1:02X}{sw2:02X}")
            data, sw1, sw2 = self._send(command)
            got += data
        raise CardFault(Fault.card_damaged, "an answer without an end")

    def _send(self, command: bytes) -> Answer:
        self._stopped()
        self.apdus += 1
        return self._transmit(command)


class _Refused(CardFault):
    """The card answered with a status that means no."""
