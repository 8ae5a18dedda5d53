"""A virtual Thai national ID card: what it answers.

It is a card of T=0: an answer with data comes as `61 xx`, fetched with GET RESPONSE. Where no
source says what a real card does (a wrong P2, a block that is not there, reading past the end) it
answers as ISO 7816-4 has it. `transmit` is all of it; `wire.py` brings it into a real reader.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.pcsc.people import FIELDS, OLD_ADDRESS, SAMPLE, SIZE, VERSION, Person

THAI = bytes.fromhex("A000000054480001")
LASER = bytes.fromhex("A000000084060002")

ATRS = {
    "3B68": bytes.fromhex("3B680000") + b"TH NID 6",
    "3B78": bytes.fromhex("3B78180000") + b"TH NID 3",
    "3B79": bytes.fromhex("3B79180000") + b"TH NID 10",
    "3B79-fast": bytes.fromhex("3B79960000") + b"TH NID 12",
    "3B67": bytes.fromhex("3B670000") + b"SAMPLE7",  # GET RESPONSE with P2=01
}

OK = b"\x90\x00"
WRONG_LENGTH, NOT_NOW = b"\x67\x00", b"\x69\x85"
NO_FILE, WRONG_P1P2, PAST_THE_END = b"\x6a\x82", b"\x6a\x86", b"\x6b\x00"
NO_DATA, NO_INS, NO_CLA = b"\x6a\x88", b"\x6d\x00", b"\x6e\x00"


class CardPulled(Exception):
    """The card is gone; `then` is put into the reader in its place, if anything."""

    def __init__(self, then: VirtualCard | None = None) -> None:
        super().__init__("the card was pulled out")
        self.then = then


# May answer in the card's place (data and status word), raise CardPulled, or leave it to the next.
Fault = Callable[["VirtualCard", bytes], bytes | None]


class VirtualCard:
    """One card. `person` and `faults` may be changed while it lies in a reader.

    `seen` is every APDU since it was put in, as it came. Times are `time.monotonic()`, 0 if not
    yet: `noticed_at`, when the PC/SC service powered it up first, right before it tells programs
    of it; `began_at` and `ended_at`, the first APDU's arrival and the latest answer.
    `chip` is the chip's serial number (8 bytes; None: a card that does not tell), `pad` what
    fills the fields. Text and photo of a "0002" stand in block 1, its address in block 0.
    """

    def __init__(
        self,
        person: Person = SAMPLE,
        *faults: Fault,
        version: str = "0003",
        atr: bytes = ATRS["3B79"],
        chip: bytes | None = b"",
        pad: bytes = b" ",
    ) -> None:
        self.version, self.atr, self.pad = version, atr, pad
        self.person = person
        self.chip = person.chip() if chip == b"" else chip
        self.faults: list[Fault] = list(faults)
        self.seen: list[bytes] = []
        self.noticed_at = self.began_at = self.ended_at = 0.0
        self._memory: tuple[Person | None, dict[int, bytes]] = (None, {})
        self._applet, self._waiting = b"", b""

    def inserted(self) -> None:
        """Into a reader: counting starts anew."""
        self.seen = []
        self.noticed_at = self.began_at = self.ended_at = 0.0
        self.reset()

    def reset(self) -> None:
        """Powered up, or reset: nothing is selected, nothing waits to be fetched."""
        self._applet, self._waiting = b"", b""

    def transmit(self, apdu: bytes) -> tuple[bytes, int, int]:
        """Data and status word. Raises CardPulled, when that was ordered."""
        answer = self.respond(apdu)
        return answer[:-2], answer[-2], answer[-1]

    def respond(self, apdu: bytes) -> bytes:
        """Data with the status word behind it, as it goes over the wire. Raises CardPulled."""
        self.began_at = self.began_at or time.monotonic()
        self.seen.append(apdu)
        answers = (fault(self, apdu) for fault in list(self.faults))
        answer = next((answer for answer in answers if answer is not None), None)
        answer = self.answer(apdu) if answer is None else answer
        self.ended_at = time.monotonic()
        return answer

    def answer(self, apdu: bytes) -> bytes:
        """What the card itself says, faults apart."""
        if len(apdu) < 4:
            return WRONG_LENGTH
        waiting, self._waiting = self._waiting, b""
        head, p3, body = apdu[:4], (apdu[4:5] or b"\0")[0], apdu[5:]
        if head[:2] == b"\x00\xc0":
            return self._fetch(waiting, head, p3)
        if head == b"\x00\xa4\x04\x00":
            return self._select(body[:p3])
        if head == b"\x80\xca\x9f\x7f":
            return self._plain(self._production(), p3) if self.chip is not None else NO_DATA
        if head == b"\x80\x00\x00\x00" and self._applet == LASER:
            return self._plain(b"\0" * 7 + self.person.field("laser", 12) + b"\0" * 4, p3)
        if head[:2] == b"\x80\xb0" and self._applet == THAI:
            return self._read(int.from_bytes(head[2:4], "big"), p3, body)
        return NO_INS if head[0] in {0x00, 0x80} else NO_CLA

    def _select(self, aid: bytes) -> bytes:
        if aid not in {THAI, LASER}:
            return NO_FILE
        self._applet = aid
        return self._later(b"\x6f\x0a\x84\x08" + aid)

    def _read(self, offset: int, p3: int, body: bytes) -> bytes:
        if p3 != 2 or len(body) < 2:
            return WRONG_LENGTH
        block, length = body[0], body[1]
        memory = self._blocks().get(block)
        if memory is None:
            return NO_FILE
        if offset + length > len(memory):
            return PAST_THE_END
        return self._later(memory[offset : offset + length])

    def _later(self, data: bytes) -> bytes:
        self._waiting = data
        return bytes((0x61, len(data) & 0xFF))

    def _fetch(self, waiting: bytes, head: bytes, length: int) -> bytes:
        if not waiting:
            return NOT_NOW
        if head[2:] != (b"\x00\x01" if self.atr.startswith(b"\x3b\x67") else b"\x00\x00"):
            return WRONG_P1P2
        wanted = length or 256
        if wanted > len(waiting):
            self._waiting = waiting
            return bytes((0x6C, len(waiting)))
        left = waiting[wanted:]
        return waiting[:wanted] + (self._later(left) if left else OK)

    def _plain(self, data: bytes, length: int) -> bytes:
        return data + OK if length == len(data) else bytes((0x6C, len(data)))

    def _production(self) -> bytes:
        """GlobalPlatform's card production life cycle data: tag 9F7F, 42 bytes; serial at 13."""
        assert self.chip is not None
        return (b"\x9f\x7f\x2a" + bytes(10) + self.chip).ljust(45, b"\0")

    def _blocks(self) -> dict[int, bytes]:
        if self._memory[0] is not self.person:
            self._memory = (self.person, _written(self.person, self.version, self.pad))
        return self._memory[1]


def _written(person: Person, version: str, pad: bytes) -> dict[int, bytes]:
    """The blocks of a card's memory by number."""
    memory = bytearray(pad * SIZE)
    memory[VERSION[0] : VERSION[0] + VERSION[1]] = version.encode("ascii")
    for name, (offset, length) in FIELDS.items():
        if version != "0002" or name != "address":
            memory[offset : offset + length] = person.field(name, length, pad)
    if version != "0002":
        return {0: bytes(memory)}
    return {
        0: version.encode("ascii") + person.field("address", OLD_ADDRESS[1], pad),
        1: bytes(memory),
    }
