"""One thing that `doctor` has looked at."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["good", "warning", "wrong"]
_SIGN = {"good": "✓", "warning": "!", "wrong": "✗"}


class Finding(msgspec.Struct, frozen=True):
    """`thai` and `english` name what was looked at; `do` is what helps, where something must."""

    state: State
    thai: str
    english: str
    found: str
    do: str = ""

    def text(self) -> str:
        first = f"{_SIGN[self.state]} {self.thai} ({self.english}): {self.found}"
        return first if not self.do else f"{first}\n    → {self.do}"


def good(thai: str, english: str, found: str) -> Finding:
    return Finding("good", thai, english, found)


def warn(thai: str, english: str, found: str, do: str) -> Finding:
    return Finding("warning", thai, english, found, do)


def wrong(thai: str, english: str, found: str, do: str) -> Finding:
    return Finding("wrong", thai, english, found, do)
