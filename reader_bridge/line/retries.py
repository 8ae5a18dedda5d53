"""When the line is tried again, and which way: over a WebSocket, or by HTTP for a while."""

from __future__ import annotations

import math
import random
import time
from typing import Final

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0
"""The fleet's reconnects are spread over this when an outage was long."""
SPREAD: Final = 6
"""A server that goes, or has too much to do, is tried as after so many failures: within 64 s, or in
what its last welcome said (`spread_s`). Ten thousand others may have lost their line in the same
moment; a server greets some 200 a second."""
SELDOM: Final = 16
"""As after so many failures: within five minutes."""
HTTP_FOR_S: Final = 600.0
HTTP_AT_MOST_S: Final = 7200.0
"""So long the fall-back is kept to before a WebSocket is tried again: at first, and doubled each
time that none passes up to the second. Where handshakes are dropped no card is read meanwhile."""


class Retries:
    """Of one run of the program. `tries`: failures in a row; `http_until`: by the monotonic clock;
    `unanswered`: handshakes of a WebSocket in a row without an answer."""

    def __init__(self) -> None:
        self.tries = 0
        self.http_until = 0.0
        self.unanswered = 0
        self._blocked = 0
        self._spread = SPREAD

    def pause(self) -> float:
        """Seconds until the next try, at random: up to 1, 2, 4 … 300."""
        longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2**self.tries)
        self.tries = min(self.tries + 1, SELDOM)
        return random.uniform(0, longest)  # noqa: S311 - spreads, hides nothing

    def welcomed(self, spread_s: float, *, by_socket: bool) -> None:
        """The server is there; should it go, its PCs come back within `spread_s`."""
        self._spread = math.ceil(math.log2(spread_s))
        if by_socket:
            self.unanswered = self._blocked = 0

    def blocked(self) -> None:
        """No WebSocket passes: HTTP, for twice as long as the last time."""
        self._blocked += 1
        keeps = min(HTTP_AT_MOST_S, HTTP_FOR_S * 2.0 ** min(self._blocked - 1, 10))
        self.http_until = time.monotonic() + keeps

    def all_at_once(self) -> None:
        """Others have lost their line in the same moment."""
        self.tries = max(self.tries, self._spread)

    def seldom(self) -> None:
        """It will hardly be otherwise soon."""
        self.tries = SELDOM

    def held(self) -> None:
        """The line that has ended now did not break at once."""
        self.tries = min(self.tries, self._spread)

    def steady(self) -> None:
        """The line has held for a while, and holds."""
        self.tries = 0
