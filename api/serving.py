"""How uvicorn serves the application: its limits, and an end that waits for nobody who listens."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import Any

import uvicorn

from api.settings import Settings
from reader_bridge.messages import LARGEST


class Server(uvicorn.Server):
    """Ends streams of events first: uvicorn would wait for them until its time is over."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hub = getattr(self.config.app.state, "readers", None)  # type: ignore[union-attr]
        if hub is not None:
            hub.stop()
        await super().shutdown(sockets)


def server(app: Any, settings: Settings) -> Server:
    return Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop" if find_spec("uvloop") else "asyncio",
            http="httptools",
            ws="websockets-sansio",
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
