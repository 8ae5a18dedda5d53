"""The plainest streaming handler there can be: a body into a file, synced; then its folder.

Bare ASGI under the same server program as the API. `python -m bench.plain PORT FOLDER`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import uvicorn

FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else ".")


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    path = FOLDER / scope["path"].rpartition("/")[2]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    more = True
    while more:
        message = await receive()
        os.write(handle, message.get("body", b""))
        more = message.get("more_body", False)
    await asyncio.to_thread(sync, handle)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def sync(handle: int) -> None:
    os.fsync(handle)
    os.close(handle)
    folder = os.open(FOLDER, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
    )
