"""How a line to the server ends."""

from __future__ import annotations


class Over(Exception):
    """The server will have no more of this device; the text says why, and what to do."""


class Unknown(Exception):
    """The server knows no such device, or not under this key."""


class Blocked(Exception):
    """Somebody on the way lets no WebSocket pass."""


class Busy(Exception):
    """The server goes down, or has too much to do: come again, but not all at once."""


class Stuck(Exception):
    """This connection leads to nothing; a new one may."""
