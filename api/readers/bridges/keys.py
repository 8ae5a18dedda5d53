"""A device's public key: which ones are taken."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_P: Final = 2**255 - 19
_EIGHT: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
_SMALL: Final = frozenset((0, 1, _P - 1, _P, _P + 1, _EIGHT, _P - _EIGHT))
"""Heights of points of small order, and their other spellings: under such a key one signature
stands for any text (RFC 8032 §5.1.7 does not look for them)."""


def public(raw: bytes) -> Ed25519PublicKey:
    """Raises ValueError where the 32 bytes are no key, or one under which anybody could sign."""
    if int.from_bytes(raw, "little") & (2**255 - 1) in _SMALL:
        raise ValueError("a key of small order")
    return Ed25519PublicKey.from_public_bytes(raw)
