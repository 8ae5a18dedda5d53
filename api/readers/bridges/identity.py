"""How desk PCs know this server: what its identity has signed (docs/reader-protocol.md).

A sealing key and a succession are signed once in a process, whoever asks; what a PC is asked for,
once each. The keys lie in the keyring, so every server that has it is the same one.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from api import keys, settings
from api.keys import Purpose
from reader_bridge.messages import (
    Arm,
    Asked,
    Asking,
    FromServer,
    Kind,
    Sealing,
    ServerKeys,
    Signed,
    Succession,
    Tickets,
    sign,
)
from reader_bridge.server_keys import MOST


def shown() -> ServerKeys:
    """This server's identity, what is sealed to, and how the identity came from those before."""
    ring = keys.ring()
    line = tuple(key.kid for key in reversed(ring.usable(Purpose.identity)))  # the active one last
    kid, public = ring.sealing()
    return _shown(line[-MOST - 1 :], kid, public.public_bytes_raw(), settings.current().base_url)


def signed(hello: bytes, message: FromServer) -> FromServer:
    """`message` as it goes out to the device that has said `hello` (its SHA-256): signed for it,
    and for this time, where it lets a card be read."""
    if not isinstance(message, Arm) and not (isinstance(message, Tickets) and message.tickets):
        return message
    _, private = keys.ring().signer(Purpose.identity)
    said = sign(private, Kind.asked, Asking(hello, message))
    return Asked(said.body, said.signature)


@lru_cache(maxsize=8)
def _shown(line: tuple[str, ...], kid: str, public: bytes, audience: str) -> ServerKeys:
    held = [_held(one) for one in line]
    successions: list[Signed] = []
    for old, new in pairwise(held):
        heir = Succession(
            audience=audience, identity=new.public().public_bytes_raw(), since=new.created
        )
        successions.append(sign(old.private(), Kind.succession, heir))
    sealing = Sealing(audience=audience, kid=kid, public=public, since=_held(kid).created)
    said = sign(held[-1].private(), Kind.sealing_key, sealing)
    return ServerKeys(held[-1].public().public_bytes_raw(), said, tuple(successions))


def _held(kid: str) -> keys.Key:
    found = keys.ring().get(kid)
    assert found is not None  # none ever leaves the file
    return found
