"""What the watcher tells: readers and cards that come and go, and PC/SC itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from reader_bridge.messages import ReaderSeen as ReaderSeen


@dataclass(frozen=True)
class ReadersChanged:
    """All readers there now, by name."""

    readers: tuple[ReaderSeen, ...]


@dataclass(frozen=True)
class Inserted:
    """A card lies in a reader.

    `insertion` is unique in this process. `fresh`: it was seen to come; False for a card that lay
    there when the watching began, when its reader came, or when PC/SC came back. `at` is the
    clock's time (UTC), `monotonic` that of `time.monotonic`. `atr` is empty for a card that does
    not answer (`mute`). `count` is PC/SC's own counter of that reader.
    """

    reader: str
    insertion: int
    atr: bytes
    at: datetime
    monotonic: float
    fresh: bool = True
    mute: bool = False
    count: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Removed:
    """The card of that insertion is gone, or nothing is known of it any more."""

    reader: str
    insertion: int


@dataclass(frozen=True)
class ServiceLost:
    """PC/SC does not answer. On Windows that is also how the last reader leaves."""


@dataclass(frozen=True)
class ServiceBack:
    """PC/SC answers again; readers and cards follow, none of the cards fresh."""


Sighting = ReadersChanged | Inserted | Removed | ServiceLost | ServiceBack
