"""Challenges of the HTTP fall-back: any server knows those that any other gave, without a table.

32 bytes: when it was given (milliseconds, by PostgreSQL's clock: servers' clocks may be wrong), how
far devices had moved on then, four random ones, and a MAC under a key of this installation. On a
socket the challenge is random and kept by the connection.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from api import keys, settings
from api.readers.bridges.device_queries import Mark
from reader_bridge.messages import Challenge

GOOD_FOR: Final = timedelta(minutes=1)
"""A bridge uses it at once; who copies a hello may repeat it for as long."""
BACK: Final = timedelta(seconds=5)
"""So far PostgreSQL's clock may be set back, as when a standby takes over."""
_MAC: Final = 16


def issue(now: Mark) -> Challenge:
    """One that `stands` for `GOOD_FOR`."""
    head = _milliseconds(now.at).to_bytes(6, "big") + now.moves.to_bytes(6, "big")
    head += secrets.token_bytes(4)
    return told(head + _mac(head), now)


def told(challenge: bytes, now: Mark) -> Challenge:
    return Challenge(challenge, settings.current().base_url, now.at)


def stands(challenge: bytes, now: Mark) -> bool:
    """Whether this installation gave it in the last minute."""
    head, mac = challenge[:-_MAC], challenge[-_MAC:]
    age = _milliseconds(now.at) - int.from_bytes(head[:6], "big")
    young = -BACK <= timedelta(milliseconds=age) <= GOOD_FOR
    return hmac.compare_digest(mac, _mac(head)) and young


def asked(challenge: bytes) -> int:
    """How far devices had moved on when a challenge that `stands` was given."""
    return int.from_bytes(challenge[6:12], "big")


def _milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def _mac(head: bytes) -> bytes:
    return hmac.digest(keys.ring().derive("bridge-challenge"), head, "sha256")[:_MAC]
