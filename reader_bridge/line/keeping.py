"""Keeps the line up: over a WebSocket, by HTTP where none passes, and again after each break."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from reader_bridge.chain.store import Damaged
from reader_bridge.line import by_http, by_socket
from reader_bridge.line.endings import Blocked, Busy, Over, Unknown
from reader_bridge.line.link import Link
from reader_bridge.server_keys import Foreign

log = logging.getLogger("reader_bridge.line.link")
STEADY_S: Final = 60.0
"""So long a line must have held to count as none that breaks at once."""


async def keep_up(link: Link) -> None:
    """Until it is cancelled. Raises `Over`, and `Damaged` for a journal that is; everything else is
    tried again."""
    retries = link.retries
    while True:
        began = time.monotonic()
        try:
            if began >= retries.http_until:
                await by_socket.hold(link)
            else:
                await by_http.hold(link)
        except (Over, Damaged) as error:
            link.note("ended", str(error))
            link.note("connected", "")
            raise
        except Unknown as error:
            if not link.rotation.unknown():
                # Perhaps the server alone is set up wrong: a fleet must not end of that.
                log.error("not known to the server; trying again seldom")
                link.note("ended", str(error))
                retries.seldom()
        except Blocked as error:
            log.warning("no WebSocket passes; going on by HTTP")
            retries.blocked()
            link.note("error", f"WebSocket: {error}")
        except Foreign as error:
            log.error("%s", error)
            link.note("error", str(error))
        except Exception as error:  # whatever a network, a proxy or a disk comes up with
            log.warning("line broken: %s", type(error).__name__)
            link.note("error", f"{type(error).__name__}: {error}")
            if isinstance(error, Busy):
                retries.all_at_once()
        if time.monotonic() - began > STEADY_S:
            retries.held()
        link.note("connected", "")
        await asyncio.sleep(retries.pause())
