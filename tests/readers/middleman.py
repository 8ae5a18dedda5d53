"""Whoever has broken TLS: reads and changes all that a desk PC and its server say to each other."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from reader_bridge.messages import SUBPROTOCOL

Lie = Callable[[str, Any], Any]


def truly(what: str, said: Any) -> Any:
    return said


class Middleman:
    """`says` is given what the server says, `hears` what the PC does, each with its type, or with
    the last part of the path; what they return goes on, and nothing where that is None. `adds` is
    said to the PC after each welcome. `by_http`: no WebSocket passes."""

    def __init__(self, upstream: str) -> None:
        self.upstream, self.url = upstream, ""
        self.by_http = False
        self.tell_the_truth()
        self.heard: list[tuple[str, Any]] = []
        self.said: list[Any] = []

    def tell_the_truth(self) -> None:
        self.says: Lie = truly
        self.hears: Lie = truly
        self.adds: Callable[[], list[Any]] = list

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            if self.by_http:
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._socket(receive, send)

    # -- a socket --------------------------------------------------------------------------------

    async def _socket(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        address = self.upstream.replace("http", "ws") + "/v1/bridge"
        with suppress(ConnectionClosed, OSError):
            async with connect(
                address,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            ) as upstream:
                tasks = [
                    asyncio.create_task(self._there(receive, upstream)),
                    asyncio.create_task(self._back(upstream, send)),
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):
            await send({"type": "websocket.close", "code": 1000})

    async def _there(self, receive: Any, upstream: ClientConnection) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            if (found := self._hears(json.loads(message["text"]))) is not None:
                await upstream.send(json.dumps(found))

    async def _back(self, upstream: ClientConnection, send: Any) -> None:
        async for text in upstream:
            for found in self._says([json.loads(text)]):
                await send({"type": "websocket.send", "text": json.dumps(found)})

    def _hears(self, said: Any) -> Any:
        self.heard.append((said["type"], said))
        return self.hears(said["type"], said)

    def _says(self, said: list[Any]) -> list[Any]:
        found = []
        for one in said:
            self.said.append(one)
            told = self.says(one["type"], one)
            found += [] if told is None else [told]
            found += self.adds() if one["type"] == "welcome" else []
        return found

    # -- a request -------------------------------------------------------------------------------

    async def _request(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        what = scope["path"].rsplit("/", 1)[-1]
        if body:
            self.heard.append((what, json.loads(body)))
            body = json.dumps(self.hears(what, json.loads(body))).encode()
        async with httpx.AsyncClient(base_url=self.upstream, timeout=40) as http:
            answer = await http.request(
                scope["method"],
                scope["path"],
                content=body,
                headers={"Content-Type": "application/json"},
            )
        said = answer.json()
        if what == "exchange" and answer.status_code == 200:
            said["messages"] = self._says(said["messages"])
        elif answer.status_code == 200:
            said = self.says(what, said)
        content = json.dumps(said).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send(
            {"type": "http.response.start", "status": answer.status_code, "headers": headers}
        )
        await send({"type": "http.response.body", "body": content})


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        pass


@asynccontextmanager
async def middleman(upstream: str) -> AsyncIterator[Middleman]:
    found = Middleman(upstream)
    server = _Server(
        uvicorn.Config(found, lifespan="off", log_level="error", ws="websockets-sansio")
    )
    listening = socket.create_server(("127.0.0.1", 0))
    found.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    task = asyncio.create_task(server._serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield found
    finally:
        server.should_exit = server.force_exit = True
        await task
        listening.close()
