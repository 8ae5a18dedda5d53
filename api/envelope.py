"""The outermost layer: request id, bounded unpacking of bodies, one log line and one measurement.

Wraps the whole application, so that a request no route matched is logged and counted too. The
request id is always ours: the audit trail must not carry what a caller chose. An id that the
caller sent is only written beside it in the log line.
"""

from __future__ import annotations

import logging
import re
import time
import zlib
from functools import cache
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPRequestEvent, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from api import ids, logs, permissions
from api.problems import Malformed, TooLarge

log = logging.getLogger("superapp.request")
_GIVEN_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
SECONDS = Histogram(
    "superapp_request_seconds",
    "Time from the first byte of a request to the last of its answer",
    ["operation"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
ANSWERS = Counter("superapp_answers", "Answers by operation and status", ["operation", "status"])
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_NO_STORE = (b"cache-control", b"no-store")

# Finding a metric by its labels takes a lock; there are as many as operations and statuses.
_seconds = cache(SECONDS.labels)
_answers = cache(ANSWERS.labels)


class Envelope:
    """ASGI middleware around the application. `limit` bounds a body after decompression, bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = ids.new().hex
        token = logs.request_id.set(request_id)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers") or ()
                out = [*given, (b"x-request-id", request_id.encode()), *_SECURITY]
                if b"cache-control" not in dict(given):  # ASGI: names are in lower case
                    out.append(_NO_STORE)
                message["headers"] = out
            await send(message)

        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        unpacked = receive if encoding in (b"identity", b"") else self._unpack(receive, encoding)
        try:
            await self.app(scope, unpacked, answer)
        finally:
            seconds = time.perf_counter() - started
            handler: Any = scope.get("route_handler")
            operation = str(getattr(handler, "operation_id", None) or "none")
            _seconds(operation).observe(seconds)
            _answers(operation, status).inc()
            facts = {
                "operation": operation,
                "method": scope.get("method"),
                "status": status,
                "ms": round(seconds * 1000, 1),
                "account": permissions.told_in_logs(
                    scope.get("user", permissions.NOBODY),
                    getattr(handler, "opt", {}).get("verb", permissions.PUBLIC),
                ),
            }
            if _GIVEN_ID.fullmatch(theirs := headers.get(b"x-request-id", b"")):
                facts["client_request_id"] = theirs.decode()
            log.info("request", extra={"facts": facts})
            logs.request_id.reset(token)

    def _unpack(self, receive: Receive, encoding: bytes) -> Receive:
        """Delivers a gzip body as one plain message; a bomb ends at `limit`, a cut at `Malformed`.

        The errors are raised where the body is read, inside the application, so they become
        problem documents.
        """
        done = False

        async def unpacked() -> Any:
            nonlocal done
            if done:
                return await receive()
            done = True
            if encoding != b"gzip":
                raise Malformed(
                    reason="Content-Encoding must be gzip or identity",
                    where="header Content-Encoding",
                )
            inflate = zlib.decompressobj(wbits=31)
            body, packed = bytearray(), 0
            while True:
                message: Any = await receive()
                if message["type"] != "http.request":
                    return message
                packed += len(message.get("body", b""))
                try:
                    body += inflate.decompress(message.get("body", b""), self.limit + 1 - len(body))
                except zlib.error:
                    raise Malformed(reason="the gzip body is damaged", where="body") from None
                if inflate.unused_data:  # not read to its end, which may never come
                    raise Malformed(reason="something follows the gzip body", where="body")
                if max(len(body), packed) > self.limit or inflate.unconsumed_tail:
                    raise TooLarge(limit_bytes=self.limit)
                if not message.get("more_body"):
                    break
            if not inflate.eof:
                raise Malformed(reason="the gzip body is cut off", where="body")
            event: HTTPRequestEvent = {
                "type": "http.request",
                "body": bytes(body),
                "more_body": False,
            }
            return event

        return unpacked
