"""How uvicorn serves the application: its limits, and an end that waits for nobody who listens."""

from __future__ import annotations

import asyncio
import gc
import socket
from importlib.util import find_spec
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from api.settings import Settings
from reader_bridge.messages import LARGEST

HEAD_S: Final = 20.0
"""So long a request's head may take, and a connection say nothing at first."""
SMALL: Final = 200
SMALL_PER_S: Final = 20.0
"""Pings, pongs and parts of a message. A bridge sends one in some ten seconds; a proxy may cut a
message into dozens."""


class Http(HttpToolsProtocol):
    """Ends whoever connects and does not ask, or does so without an end: uvicorn would wait."""

    _asking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._asking = self.loop.call_later(HEAD_S, transport.abort)

    def on_message_begin(self) -> None:
        if self._asking is None:  # not the first request of this connection
            self._asking = self.loop.call_later(HEAD_S, self.transport.abort)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._asked()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._asked()
        super().connection_lost(exc)

    def _asked(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None


class WebSocket(WebSocketsSansIOProtocol):
    """Ends whoever sends what is no message faster than anybody needs: each ping is answered, and
    each part kept, in the memory of the process, also for one who does not read."""

    _small, _small_at = 0.0, 0.0

    def handle_ping(self) -> None:
        if self._counts():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._counts():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if self._counts():
            super().handle_cont(event)

    def _counts(self) -> bool:
        now = self.loop.time()
        gone = (now - self._small_at) * SMALL_PER_S
        self._small, self._small_at = max(0.0, self._small - gone) + 1, now
        if self._small > SMALL:
            self.transport.abort()
        return self._small <= SMALL


class Server(uvicorn.Server):
    """Ends streams of events first: uvicorn would wait for them until its time is over."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub = getattr(self.config.app.state, "readers", None)  # type: ignore[union-attr]
        if hub is not None:
            hub.stop()
        await super().shutdown(sockets)


def settle() -> None:
    """For when all is loaded: it stays, so the collector of garbage need not walk it; and a push
    makes thousands of short-lived objects without cycles. Together a tenth of the processor time.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def server(app: Any, settings: Settings) -> Server:
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop" if find_spec("uvloop") else "asyncio",
            http=Http,
            ws=WebSocket,
            # Bridges: small texts, thousands of them idle. Compression costs each some 60 kB.
            ws_max_size=LARGEST,
            ws_per_message_deflate=False,
            ws_ping_interval=30.0,
            ws_ping_timeout=20.0,
            # Its default trusts X-Forwarded-For from loopback: a way round the rate limits.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=10,
            lifespan="on",
        )
    )
