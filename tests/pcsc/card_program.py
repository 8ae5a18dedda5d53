"""The card side of the bridge as a program, for tests, and `Bridge`, our end of it.

Prints every sighting and every answer as a line of JSON. Commands are lines of JSON on its
standard input: {"read": reader, "fields": […], "photo": bool, "within": seconds, "id": …}, each in
a thread of its own, of the card that lies in the reader; {"alive": 1}; the end of input ends it.
pcsc-lite looks for its service once in a process, hence a program of its own.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec

from reader_bridge.card.reading import read_photo, read_text
from reader_bridge.fields import Field
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Sighting
from reader_bridge.pcsc.watcher import Watcher
from reader_bridge.pcsc.winscard import Pcsc
from tests.pcsc.rig import Service

_out = threading.Lock()
Facts = dict[str, Any]


class Bridge:
    """The program beside the readers of `service`. `told` is all that it said, in order."""

    def __init__(self, service: Service, *, settled: float = 0.0) -> None:
        self._program = service.start("-m", "tests.pcsc.card_program", str(settled))
        self._numbers = count(1)
        self.told: list[Facts] = []
        self._more = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        self.event("ReadersChanged", "ServiceLost")

    def events(self, *kinds: str) -> list[Facts]:
        """All sightings so far of these kinds, by the names of their classes."""
        with self._more:
            return [one for one in self.told if one.get("event") in kinds]

    def event(self, *kinds: str, number: int = 1, seconds: float = 10) -> Facts:
        """The sighting number `number` of these kinds. Raises AssertionError if there is none."""
        self._until(lambda: len(self.events(*kinds)) >= number, seconds)
        return self.events(*kinds)[number - 1]

    def ask(self, reader: str, **how: Any) -> int:
        """Begin a reading; its number is for `answer`."""
        number = next(self._numbers)
        self._write({"read": reader, "id": number, **how})
        return number

    def answer(self, number: int, seconds: float = 20) -> Facts:
        self._until(lambda: self._answers(number), seconds)
        return self._answers(number)[0]

    def read(self, reader: str, **how: Any) -> Facts:
        return self.answer(self.ask(reader, **how))

    def alive(self) -> bool:
        """Whether the watcher's thread lives."""
        asked = next(self._numbers)
        self._write({"alive": asked})
        return bool(self.answer(asked)["alive"])

    def _answers(self, number: int) -> list[Facts]:
        with self._more:
            return [one for one in self.told if one.get("id") == number]

    def _until(self, true: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._more:
            while not true():
                assert self._more.wait(end - time.monotonic()) or true(), self.told[-5:]

    def _write(self, command: Facts) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(command) + "\n")
        self._program.stdin.flush()

    def _listen(self) -> None:
        assert self._program.stdout is not None
        for line in self._program.stdout:
            with self._more:
                self.told.append(json.loads(line))
                self._more.notify_all()


def say(**facts: Any) -> None:
    with _out:
        print(msgspec.json.encode(facts).decode(), flush=True)


def tell(sighting: Sighting) -> None:
    say(event=type(sighting).__name__, **msgspec.to_builtins(sighting))


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
    watcher = Watcher(port, tell, settled=float(sys.argv[1]))
    cards = Cards(port, watcher)
    watcher.start()
    for line in sys.stdin:
        asked = json.loads(line)
        if "read" in asked:
            threading.Thread(target=read, args=(watcher, cards, asked), daemon=True).start()
        else:
            say(id=asked["alive"], alive=watcher.alive)
    watcher.stop()


if __name__ == "__main__":
    main()
