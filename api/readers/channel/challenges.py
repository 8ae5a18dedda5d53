"""Challenges of the HTTP fall-back: any server knows those that any other gave, without a table.

32 bytes: when it was given (milliseconds), eight random ones, and a MAC under a key of this
installation. On a socket the challenge is random and kept by the connection.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from api import keys, settings
from api.readers.bridges.connecting import CLOCKS
from reader_bridge.messages import Challenge

GOOD_FOR: Final = timedelta(minutes=1)
"""A bridge uses it at once; who copies a hello may repeat it for as long."""
_MAC: Final = 16


def issue(now: datetime) -> Challenge:
    """One that `stands` for `GOOD_FOR`."""
    head = _milliseconds(now).to_bytes(8, "big") + secrets.token_bytes(8)
    return told(head + _mac(head), now)


def told(challenge: bytes, now: datetime) -> Challenge:
    return Challenge(challenge, settings.current().base_url, now)


def stands(challenge: bytes, now: datetime) -> bool:
    """Whether this installation gave it in the last minute, by whichever server's clock."""
    head, mac = challenge[:-_MAC], challenge[-_MAC:]
    age = _milliseconds(now) - int.from_bytes(head[:8], "big")
    young = -CLOCKS <= timedelta(milliseconds=age) <= GOOD_FOR
    return hmac.compare_digest(mac, _mac(head)) and young


def given(challenge: bytes) -> datetime:
    """When a challenge that `stands` was given."""
    return datetime.fromtimestamp(int.from_bytes(challenge[:8], "big") / 1000, UTC)


def _milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def _mac(head: bytes) -> bytes:
    return hmac.digest(keys.ring().derive("bridge-challenge"), head, "sha256")[:_MAC]
