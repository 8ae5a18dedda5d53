"""The floor for any reading: the same APDUs over PC/SC in a bare loop, and nothing else.

    PCSCLITE_CSOCK_NAME=… python -m tests.pcsc.bare_read --reader NAME --rounds 100 --photo

Prints a line of JSON: {"ms": [a reading each, with connect and disconnect], "sha256": of all data}.
`--apdus FILE` sends the APDUs of that file instead, hexadecimal, one a line (`VirtualCard.seen`
of a card that the bridge has read), so that both read the same. A program of its own: pcsc-lite
looks for its service once in a process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.pcsc.people import FIELDS, OLD_ADDRESS, VERSION
from tests.pcsc.virtual_card import THAI

TEXT = tuple(name for name in FIELDS if name not in {"cid", "photo_header", "photo"})


def reading(
    names: Sequence[str] = TEXT,
    *,
    photo: bool = False,
    version: str = "0003",
    p2: int = 0,
) -> list[bytes]:
    """The APDUs of a whole reading, bracketed by CID and chip serial; each answer is known ahead.

    Answers without data are `61 xx`, the others end in 9000. At most 254 bytes are asked for.
    """
    data, old = int(version == "0002"), version == "0002"
    select = b"\x00\xa4\x04\x00\x08" + THAI
    serial = bytes.fromhex("80CA9F7F2D")
    spans = [(0, *VERSION), (data, *FIELDS["cid"])]
    for name in names:
        spans.append((0, *OLD_ADDRESS) if old and name == "address" else (data, *FIELDS[name]))
    if photo:
        spans.append((data, *FIELDS["photo"]))
    spans.append((data, *FIELDS["cid"]))
    sent = [serial, select, b"\x00\xc0\x00" + bytes((p2, 12))]
    for block, offset, length in spans:
        for start in range(offset, offset + length, 254):
            count = min(254, offset + length - start)
            sent.append(b"\x80\xb0" + start.to_bytes(2, "big") + bytes((2, block, count)))
            sent.append(b"\x00\xc0\x00" + bytes((p2, count)))
    return [*sent, serial]


def bare_read(context: Any, reader: str, apdus: list[list[int]]) -> tuple[float, bytes]:
    """Milliseconds and all data of one transaction. Raises RuntimeError on any status but good."""
    from smartcard import scard as pcsc

    begun, got = time.perf_counter(), bytearray()
    code, card, protocol = pcsc.SCardConnect(
        context, reader, pcsc.SCARD_SHARE_SHARED, pcsc.SCARD_PROTOCOL_T0
    )
    _good(code)
    try:
        _good(pcsc.SCardBeginTransaction(card))
        for apdu in apdus:
            code, answer = pcsc.SCardTransmit(card, protocol, apdu)
            _good(code)
            if answer[-2:] != [0x90, 0x00] and answer[-2] != 0x61:
                raise RuntimeError(f"{bytes(apdu).hex()} → {bytes(answer).hex()}")
            got += bytes(answer[:-2])
        _good(pcsc.SCardEndTransaction(card, pcsc.SCARD_LEAVE_CARD))
    finally:
        pcsc.SCardDisconnect(card, pcsc.SCARD_LEAVE_CARD)
    return (time.perf_counter() - begun) * 1000, bytes(got)


def _good(code: int) -> None:
    from smartcard import scard as pcsc

    if code != pcsc.SCARD_S_SUCCESS:
        raise RuntimeError(f"{code & 0xFFFFFFFF:#010x} {pcsc.SCardGetErrorMessage(code)}")


def wait_for_card(context: Any, reader: str, seconds: float) -> None:
    """Until a card is in `reader`. Raises TimeoutError."""
    from smartcard import scard as pcsc

    end, known = time.monotonic() + seconds, pcsc.SCARD_STATE_UNAWARE
    while time.monotonic() < end:
        _, states = pcsc.SCardGetStatusChange(context, 100, [(reader, known)])
        known = states[0][1]
        if known & pcsc.SCARD_STATE_PRESENT and not known & pcsc.SCARD_STATE_MUTE:
            return
    raise TimeoutError(f"no card in {reader}")


def main() -> None:
    from smartcard import scard as pcsc

    parser = argparse.ArgumentParser(description="a bare reading over PC/SC")
    parser.add_argument("--reader", default="", help="the first, if none is named")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--photo", action="store_true")
    parser.add_argument("--apdus", type=Path)
    asked = parser.parse_args()
    if asked.apdus is None:
        sent = reading(photo=asked.photo)
    else:
        sent = [bytes.fromhex(line) for line in asked.apdus.read_text().split()]
    code, context = pcsc.SCardEstablishContext(pcsc.SCARD_SCOPE_USER)
    _good(code)
    reader = asked.reader or pcsc.SCardListReaders(context, [])[1][0]
    wait_for_card(context, reader, 5)
    times, found = [], set()
    for _ in range(asked.rounds):
        took, data = bare_read(context, reader, [list(apdu) for apdu in sent])
        times.append(round(took, 3))
        found.add(hashlib.sha256(data).hexdigest())
    pcsc.SCardReleaseContext(context)
    (one,) = found
    print(json.dumps({"ms": times, "sha256": one}))


if __name__ == "__main__":
    main()
