"""The fall-back: the same messages, each exchange one request and one answer.

Never two at once, and none is given up for another: a hello that arrives late would tell an older
end of the chain than the server has by then, which is what a copied device looks like. So the
server is let wait for long only while no card is waited for. What is not signed by itself is said
in the hello, which is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

import httpx
import msgspec

from reader_bridge import messages
from reader_bridge.line.endings import Busy, Over, Stuck, Unknown
from reader_bridge.line.link import Link
from reader_bridge.messages import (
    LARGEST,
    Challenge,
    Exchange,
    FromBridge,
    FromServer,
    NotUnderstood,
    Progress,
    ReadersNow,
)

log = logging.getLogger("reader_bridge.line.link")
IDLE_WAIT_S: Final = 20
BUSY_WAIT_S: Final = 1
"""So long the server waits for something to say while a card may come at any moment."""
ANSWER_S: Final = 15.0
MOST: Final = 50
NOT_OURS: Final = "it is not our server that answers: a proxy, or a sign-in page?"
TOO_MUCH: Final = {429, 500, 502, 503, 504}


class _Answer(msgspec.Struct):
    challenge: Challenge
    messages: list[msgspec.Raw]


async def hold(link: Link) -> None:
    """Talks until a WebSocket is to be tried again, or the line breaks. Raises `Busy`, `Stuck`,
    what `Link.heard` raises, OSError, TimeoutError, httpx.HTTPError, ImportError."""
    async with httpx.AsyncClient(
        base_url=link.configuration.server.rstrip("/"),
        verify=link.tls(),
        proxy=link.configuration.proxy or None,
        timeout=IDLE_WAIT_S + ANSWER_S,
        headers={
            "User-Agent": f"superapp-reader-bridge/{link.software}",
            "Accept-Encoding": "identity",  # a small answer that unpacks to a huge one is none
        },
    ) as http:
        first, fetched, challenge = True, False, await fetch_challenge(http)
        began, turned = time.monotonic(), False
        while not turned and (link.agent.busy or time.monotonic() < link.retries.http_until):
            link.fresh.clear()
            said: list[FromBridge] = [] if first else link.outgoing(MOST)
            if not first and not said and not link.agent.busy and link.rotation.due():
                said, turned = [link.rotation.offer(challenge.challenge)], True
            wait = 0 if first or said else BUSY_WAIT_S if link.agent.busy else IDLE_WAIT_S
            try:
                answer = await exchange(link, http, challenge, said, wait)
            finally:
                if turned:
                    link.rotation.offered()
            if answer is None:
                if fetched:
                    raise Stuck("the server takes no challenge of its own")
                challenge, first, fetched = await fetch_challenge(http), True, True
                continue
            fetched = False
            challenge, heard = answer
            if first:
                if not heard:
                    raise Stuck("no welcome")
                link.begun(heard.pop(0), "HTTP")
                first = False
            for message in heard:
                link.heard(message)
            if time.monotonic() - began > 60:
                link.retries.steady()


async def fetch_challenge(http: httpx.AsyncClient) -> Challenge:
    """Raises `Busy`, `Stuck`, TimeoutError, httpx.HTTPError."""
    answer = await _answered(http, "GET", "/v1/bridge/challenge")
    _refused(answer)
    try:
        found = messages.from_server(answer.content)
    except NotUnderstood:
        raise Stuck(NOT_OURS) from None
    if not isinstance(found, Challenge):
        raise Stuck("the server speaks another protocol; update this program")
    return found


async def exchange(
    link: Link,
    http: httpx.AsyncClient,
    challenge: Challenge,
    said: list[FromBridge],
    wait_s: int,
) -> tuple[Challenge, list[FromServer]] | None:
    """The next challenge and what the server says; None where this challenge is over, as after a
    PC has slept. Raises `Over`, `Unknown`, `Busy`, `Stuck`, TimeoutError, httpx.HTTPError."""
    # Of each intent the last step; the readers are in every hello anyway.
    steps = {one.intent: one for one in said if isinstance(one, Progress)}
    rest: list[FromBridge] = [one for one in said if not isinstance(one, Progress | ReadersNow)]
    body = Exchange(hello=link.hello(challenge, steps.values()), messages=rest, wait_s=wait_s)
    answer = await _answered(http, "POST", "/v1/bridge/exchange", messages.encode(body))
    if _code(answer) == "readers/challenge-over":
        return None
    _refused(answer)
    try:
        found = msgspec.json.decode(answer.content, type=_Answer)
    except msgspec.MsgspecError:
        raise Stuck(NOT_OURS) from None
    heard = []
    for one in found.messages:
        try:
            heard.append(messages.from_server(bytes(one)))
        except NotUnderstood as error:
            log.warning("the server said something unknown (%s)", error)
    return found.challenge, heard


async def _answered(
    http: httpx.AsyncClient, method: str, path: str, said: bytes | None = None
) -> httpx.Response:
    """Whole, within its time and size, whoever it is that answers. Raises `Stuck`, TimeoutError,
    httpx.HTTPError."""
    async with asyncio.timeout(IDLE_WAIT_S + ANSWER_S):  # httpx's own is for each part of it
        async with http.stream(
            method, path, content=said, headers={"Content-Type": "application/json"}
        ) as answer:
            whole = bytearray()
            async for part in answer.aiter_bytes(LARGEST):
                whole += part
                if len(whole) > MOST * LARGEST:
                    raise Stuck(NOT_OURS)
            return httpx.Response(answer.status_code, content=bytes(whole), request=answer.request)


def _refused(answer: httpx.Response) -> None:
    """Only the server's own word counts: a proxy has its own 401 and 403."""
    code = _code(answer)
    if code == "readers/bridge-unknown":
        raise Unknown("แม่ข่ายไม่รู้จักเครื่องนี้ กรุณาลงทะเบียนใหม่ (not known to the server; enrol it anew)")
    if code in ("readers/bridge-ended", "readers/bridge-forked"):
        raise Over(
            "แม่ข่ายปิดการใช้เครื่องนี้แล้ว กรุณาติดต่อผู้ดูแลและลงทะเบียนใหม่ (the server has ended this "
            f"device: {_code(answer, 'title')}; ask who looks after it, then enrol it anew)"
        )
    if answer.status_code in TOO_MUCH:
        raise Busy(f"HTTP {answer.status_code}")
    answer.raise_for_status()


def _code(answer: httpx.Response, name: str = "code") -> str:
    if answer.status_code < 400:
        return ""
    with suppress(ValueError, AttributeError):
        return str(answer.json().get(name, ""))
    return ""
