"""The bridge's read and a bare loop, by turns in one process: `python -m bench.card_reads`.

Both send the same APDUs in the same transactions to the same card: one for the text, one for the
photo, so that the text can be shown meanwhile. A turn of the bridge is all that a reading costs it:
its thread, its checks, decoding. The bare loop connects, sends, looks at the status words, and that
is all; `once` is the same with everything in one transaction. Prints a line of JSON: {"bridge":
[ms], "bare": [ms], "once": [ms], "apdus": count}. A program of its own: pcsc-lite looks for its
service once in a process.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from reader_bridge.card.reading import read_photo, read_text
from reader_bridge.fields import Field
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import Transaction
from reader_bridge.pcsc.sightings import Inserted
from reader_bridge.pcsc.watcher import Watcher
from reader_bridge.pcsc.winscard import Pcsc
from tests.pcsc.bare_read import bare_read


class Noting:
    """The port, and every APDU that went through it, by transactions."""

    def __init__(self, port: Pcsc) -> None:
        self._port = port
        self.sent: list[list[bytes]] = []

    @contextmanager
    def connect(self, reader: str) -> Iterator[Transaction]:
        self.sent.append([])
        with self._port.connect(reader) as transaction:
            yield _Noted(transaction, self.sent[-1])


class _Noted:
    def __init__(self, transaction: Transaction, sent: list[bytes]) -> None:
        self._transaction, self._sent = transaction, sent
        self.state = transaction.state

    def transmit(self, apdu: bytes) -> tuple[bytes, int, int]:
        self._sent.append(apdu)
        return self._transaction.transmit(apdu)


def main() -> None:
    from smartcard import scard

    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", required=True)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--photo", action="store_true")
    parser.add_argument("--fields", default="", help="by commas; all text when not said")
    asked = parser.parse_args()
    fields = {Field(name) for name in asked.fields.split(",") if name} or set(Field) - {
        Field.laser_no
    }
    port = Pcsc()
    watcher = Watcher(port, lambda sighting: None, settled=0)
    watcher.start()
    card = _lies(watcher, asked.reader)
    cards, noting = Cards(port, watcher), Noting(port)

    def read(cards: Cards) -> None:
        text = read_text(cards, card, fields)
        if asked.photo:
            read_photo(cards, card, text)

    once = Cards(noting, watcher)
    read(once)
    once.close()
    parts = [[list(apdu) for apdu in part] for part in noting.sent]
    whole = [apdu for part in parts for apdu in part]
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    bridge, bare, one = [], [], []
    gc.collect()
    for _ in range(asked.rounds):
        begun = time.perf_counter()
        read(cards)
        bridge.append((time.perf_counter() - begun) * 1000)
        bare.append(sum(bare_read(context, asked.reader, part)[0] for part in parts))
        one.append(bare_read(context, asked.reader, whole)[0])
    scard.SCardReleaseContext(context)
    cards.close()
    watcher.stop()
    print(json.dumps({"bridge": bridge, "bare": bare, "once": one, "apdus": len(whole)}))


def _lies(watcher: Watcher, reader: str) -> Inserted:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if (card := watcher.present(reader)) is not None:
            return card
        time.sleep(0.01)
    raise TimeoutError(f"no card in {reader}")


if __name__ == "__main__":
    main()
