"""Where a desk's PC connects: its WebSocket, and the same over HTTP. Known by its key alone.

The bridge's own routes are open: who it is stands in the signed hello (docs/reader-protocol.md),
and `api.readers.bridges.connecting` admits it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.params import JSONBody
from litestar.types import ASGIApp, Receive, Scope, Send

from api.edge import get, network, post
from api.permissions import PUBLIC
from api.readers.bridges import identity
from api.readers.channel import challenges, sockets
from api.readers.channel.exchange import exchange
from api.readers.problems import (
    BridgeElsewhere,
    BridgeEnded,
    BridgeForked,
    BridgeUnknown,
    ChallengeOver,
    DeskHeld,
    DeskNotFound,
    DeskWithoutReader,
    IntentOver,
    NonceWrong,
    PayloadWrong,
    ReaderElsewhere,
    SessionOver,
)
from api.readers.readings.problems import TicketElsewhere, TicketUsed
from reader_bridge.messages import Challenge, Exchange, Exchanged, ServerKeys

Web = Request[Any, Any, Any]
REFUSED = (
    DeskHeld,
    DeskNotFound,
    DeskWithoutReader,
    IntentOver,
    NonceWrong,
    PayloadWrong,
    ReaderElsewhere,
    SessionOver,
    TicketElsewhere,
    TicketUsed,
)
"""Why a statement was kept and its reading was not taken; the exchange itself is a 200."""


@get("/v1/bridge/challenge", verb=PUBLIC, operation="bridge.challenge")
async def challenge(request: Web) -> Challenge:
    """คำท้าสำหรับเครื่องที่เชื่อมต่อ WebSocket ไม่ได้ ใช้ได้หนึ่งนาที
    For the first hello of the HTTP fall-back; good for one minute."""
    return challenges.issue(await request.app.state.readers.mark())


@get("/v1/bridge/identity", verb=PUBLIC, operation="bridge.identity")
async def server_keys() -> ServerKeys:
    """กุญแจประจำแม่ข่ายและกุญแจที่แม่ข่ายลงนามรับรอง สำหรับเครื่องที่จะลงทะเบียนหรือตรวจสอบ
    By what this server is known, for whoever is to be enrolled, or looks what is wrong. It proves
    nothing to whoever has not pinned an identity before (docs/reader-protocol.md)."""
    return identity.shown()


@post(
    "/v1/bridge/exchange",
    verb=PUBLIC,
    operation="bridge.exchange",
    problems=[BridgeElsewhere, BridgeEnded, BridgeForked, BridgeUnknown, ChallengeOver],
    opt={"receipt_problems": REFUSED},
    status_code=200,
)
async def exchange_messages(request: Web, data: JSONBody[Exchange]) -> Exchanged:
    """ทางสำรองของเครื่องที่เชื่อมต่อ WebSocket ไม่ได้: ส่งและรับข้อความชุดเดียวกันผ่าน HTTP
    What a bridge has to say, and what there is to tell it, at once or within `wait_s`; for where
    no WebSocket passes."""
    state, gone = request.app.state, asyncio.create_task(_gone(request))
    try:
        return await exchange(state.readers, state.readers_told, data, gone, network(request))
    finally:
        gone.cancel()


async def _gone(request: Web) -> None:
    """Until the caller has hung up; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Sockets:
    """ASGI around everything else: takes the bridges' WebSockets before the framework sees them,
    whose own layer would cost each idle one more than all the rest."""

    def __init__(self, app: ASGIApp, of: Litestar) -> None:
        self.app, self.of = app, of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET and scope["path"] == sockets.PATH:
            taking: Any = sockets.serve
            come_from = network(ASGIConnection(scope))
            await taking(self.of.state.readers, scope, receive, send, come_from)
        else:
            await self.app(scope, receive, send)


ROUTES = [challenge, exchange_messages, server_keys]
