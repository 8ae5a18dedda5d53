"""The HTTP fall-back: the same messages in one request and one answer, where no WebSocket passes.

The answer waits, holding nothing, until there is something to say. What a device was told is
remembered for some seconds by the server that told it, so that it is neither told in a loop, nor
never, should an answer be lost.

On a socket the hello stands for the whole connection. Here whoever has come by a hello could send
it again, with words of their own: only what the device signed counts, in the hello or by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Final
from uuid import UUID

import msgspec

from api.permissions import NOBODY
from api.problems import Overloaded
from api.readers.bridges import connecting, identity
from api.readers.channel import challenges
from api.readers.channel.hub import Hub
from api.readers.channel.talk import Over, Talk, welcome
from api.readers.problems import BridgeUnknown, ChallengeOver
from reader_bridge.messages import (
    Ended,
    Exchange,
    Exchanged,
    FromServer,
    NotTaken,
    Photographed,
    Progress,
    Rotated,
    Signed,
    Stated,
    Tickets,
)

TOLD_FOR_S: Final = 10.0
_REMEMBERED: Final = 20_000
_UNSIGNED: Final = NotTaken("readers/not-signed")


class _Hello(msgspec.Struct):
    challenge: bytes
    progress: list[Progress] = []


class Told:
    """Which device was told what a moment ago, by this process; bounded."""

    def __init__(self) -> None:
        self._held: OrderedDict[UUID, tuple[float, Talk]] = OrderedDict()

    def talk(self, hub: Hub, bridge: UUID, challenge: bytes) -> Talk:
        """The talk with a device as far as it got, or a new one."""
        began, talk = self._held.pop(bridge, (0.0, None))
        now = time.monotonic()
        if talk is None or now - began > TOLD_FOR_S:
            began, talk = now, Talk(hub, bridge, challenge)
        talk.challenge = challenge
        self._held[bridge] = (began, talk)
        while len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)
        return talk


async def exchange(
    hub: Hub, told: Told, asked: Exchange, gone: asyncio.Future[None], network: str
) -> Exchanged:
    """`gone` is done when nobody waits for the answer any more: then nothing is told, that would
    be told to nobody; `network` is where it comes from, for limits. Raises `ChallengeOver`,
    `BridgeUnknown`, `BridgeElsewhere`, `BridgeEnded`, `BridgeForked`, and `Overloaded` where too
    many wait to be looked up.
    """
    hello = _claimed(asked.hello)
    challenge = hello.challenge
    if not challenges.stands(challenge, await hub.mark()):
        raise ChallengeOver()
    if hub.full(network):
        raise Overloaded()
    with hub.stranger(network):
        async with hub.doors, hub.db.begin(NOBODY) as tx:
            device = await connecting.connect(
                tx, asked.hello, challenge, hub.server, challenges.asked(challenge)
            )
    hub.came_by_http(device.id)
    talk = told.talk(hub, device.id, challenge)
    talk.turn = turn = object()
    hub.wake_here(device.id)  # an earlier exchange of the device that still waits
    out: list[FromServer] = [welcome(device, len(hub.sockets))]
    try:
        for step in hello.progress:
            await talk.answer(step)
        for said in asked.messages:
            signed = isinstance(said, Stated | Photographed | Rotated)
            answer = await talk.answer(said) if signed else _UNSIGNED
            if answer is not None:
                out.append(answer)
        news = await _news(hub, talk, asked.wait_s if len(out) == 1 else 0, gone, turn)
        out += [identity.signed(asked.hello.sha256, message) for message in news]
    except Over as over:
        out.append(Ended(over.code))
    return Exchanged(challenge=challenges.issue(await hub.mark()), messages=out)


async def _news(
    hub: Hub, talk: Talk, wait_s: float, gone: asyncio.Future[None], turn: object
) -> list[FromServer]:
    """What is new, as soon as something is; nothing after `wait_s`. Tickets alone, which it is told
    again and again, are not worth an answer of their own."""
    found: list[FromServer] = []
    until = time.monotonic() + wait_s
    with hub.waiting(talk.bridge) as moved:
        gone.add_done_callback(lambda _: moved.set())
        while True:
            moved.clear()
            if gone.done() or talk.turn is not turn:
                return []
            found += await talk.news()
            urgent = any(not isinstance(message, Tickets) for message in found)
            left = until - time.monotonic()
            if urgent or left <= 0 or hub.stopping:
                return found
            try:
                await asyncio.wait_for(moved.wait(), left)
            except TimeoutError:
                continue


def _claimed(hello: Signed) -> _Hello:
    """What a hello says, before anything is checked."""
    try:
        return msgspec.json.decode(hello.body, type=_Hello)
    except (msgspec.MsgspecError, RecursionError):
        raise BridgeUnknown() from None
