"""What the chapters share: telling, checking, and the people who have signed in so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import msgspec

from demo.callers import Caller, NotAsItShould

T = TypeVar("T")

LONGEST = 800


class Story:
    """`people` by the key of their sample account; `facts` is what later chapters go on with."""

    def __init__(
        self,
        url: str,
        turn_calendar: Callable[[str, int], None] | None = None,
        away: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        self.url = url
        self._turn, self._away = turn_calendar, away
        self.people: dict[str, Caller] = {}
        self.facts: dict[str, Any] = {}
        self.steps = 0
        self.checks = 0

    def chapter(self, th: str, en: str) -> None:
        print(f"\n━━ {th} · {en}")

    def step(self, th: str, en: str) -> None:
        """Says what happens next, before it happens."""
        self.steps += 1
        print(f"\n{self.steps:>3}. {th}\n     {en}")

    def came_back(self, *lines: str) -> None:
        for line in lines:
            print(f"     → {line}")

    def person(self, key: str) -> Caller:
        """Someone at a desk, signed in the first time they are needed."""
        if key not in self.people:
            self.people[key] = Caller.desk(self.url, key)
            self.people[key].sign_in(key)
        return self.people[key]

    def expect(self, is_so: bool, what: str, got: object = "") -> None:
        """Raises `NotAsItShould` unless `is_so`; `what` says what should be."""
        self.checks += 1
        if not is_so:
            raise NotAsItShould(f"{what}\n  but: {_shown(got)}")

    def wait(self, found: Callable[[], T | bool | None], what: str) -> T:
        """What `found` returns once it is something. Raises `NotAsItShould` after 30 s."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if value := found():
                return value  # type: ignore[return-value]
            time.sleep(0.2)
        raise NotAsItShould(f"{what}, within 30 s")

    def turn_calendar(self, record: str, days: int) -> None:
        """Brings the clocks of `record` so many days nearer, in the demo's own data base."""
        assert self._turn is not None
        self._turn(record, days)

    def server_away(self) -> AbstractContextManager[None]:
        """The server is out of reach while the `with` lasts."""
        assert self._away is not None
        return self._away()

    def equal(self, got: object, wanted: object, what: str) -> None:
        self.expect(got == wanted, f"{what}: {_shown(wanted)}", got)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
