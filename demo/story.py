"""What the chapters share: telling, checking, and the people who have signed in so far."""

from __future__ import annotations

from typing import Any

import msgspec

from demo.callers import Caller, NotAsItShould

LONGEST = 800


class Story:
    """`people` by the key of their sample account; `facts` is what later chapters go on with."""

    def __init__(self, url: str) -> None:
        self.url = url
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

    def equal(self, got: object, wanted: object, what: str) -> None:
        self.expect(got == wanted, f"{what}: {_shown(wanted)}", got)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
