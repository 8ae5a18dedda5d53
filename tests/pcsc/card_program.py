"""The card side of the bridge as a program, for tests: `python -m tests.pcsc.card_program`.

Prints every sighting and every answer as a line of JSON. Commands are lines of JSON on its
standard input: {"read": reader, "fields": […], "photo": bool, "within": seconds, "id": …}, each in
a thread of its own, of the card that lies in the reader; {"alive": 1}; the end of input ends it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

import msgspec

from reader_bridge.cards import Cards
from reader_bridge.fields import Field
from reader_bridge.pcsc import Pcsc
from reader_bridge.ports import CardFault
from reader_bridge.reading import read_photo, read_text
from reader_bridge.sightings import Sighting
from reader_bridge.watcher import Watcher

_out = threading.Lock()


def say(**facts: Any) -> None:
    with _out:
        print(json.dumps(facts, default=str), flush=True)


def tell(sighting: Sighting) -> None:
    say(event=type(sighting).__name__, **asdict(sighting), heard=time.monotonic())


def read(watcher: Watcher, cards: Cards, asked: dict[str, Any]) -> None:
    inserted = watcher.present(asked["read"])
    if inserted is None:
        say(id=asked.get("id"), fault="no-card")
        return
    fields = [Field(name) for name in asked.get("fields", list(Field))]
    steps: list[tuple[int, int]] = []
    began = time.perf_counter()
    try:
        within = asked.get("within", 10.0)
        got = read_text(
            cards, inserted, fields, within=within, progress=lambda *step: steps.append(step)
        )
        photo = read_photo(cards, inserted, got, within=within) if asked.get("photo") else b""
    except CardFault as fault:
        took = time.perf_counter() - began
        say(id=asked.get("id"), fault=fault.fault, detail=fault.detail, took=took)
        return
    say(
        id=asked.get("id"),
        insertion=inserted.insertion,
        text=msgspec.to_builtins(got.text),
        serial=got.chip_serial,
        atr=got.atr.hex(),
        apdus=got.apdus,
        photo=len(photo),
        sha256=hashlib.sha256(photo).hexdigest(),
        steps=steps,
        took=time.perf_counter() - began,
    )


def main() -> None:
    port = Pcsc()
    watcher = Watcher(port, tell)
    cards = Cards(port, watcher)
    watcher.start()
    for line in sys.stdin:
        asked = json.loads(line)
        if "read" in asked:
            threading.Thread(target=read, args=(watcher, cards, asked), daemon=True).start()
        else:
            say(alive=watcher.alive, threads=threading.active_count())
    watcher.stop()


if __name__ == "__main__":
    main()
