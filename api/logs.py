"""Structured logs: one JSON line an event, with the request id and without personal data.

What may be written is a list of safe fields; a message never carries a path with its parameters,
a body, a token or a query string.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any

import msgspec

from api import clock

request_id: ContextVar[str] = ContextVar("request_id", default="")
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; `extra={"facts": {...}}` become fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": clock.now(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if found := request_id.get():
            line["request_id"] = found
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["trace"] = _trace(record)
        return _encoder.encode(line).decode()


def _trace(record: logging.LogRecord) -> list[str]:
    """Where it happened, never what was in the variables: an exception's text may quote data."""
    import traceback

    assert record.exc_info is not None
    kind, _, tb = record.exc_info
    frames = traceback.extract_tb(tb)[-12:]
    name = kind.__name__ if kind else "?"
    return [name, *(f"{f.filename}:{f.lineno} {f.name}" for f in frames)]


def set_up(level: str = "INFO") -> None:
    """Sends every logger of this process to stderr as JSON lines."""
    # A line says neither thread nor place in the code, so nobody looks for them (logging HOWTO,
    # "Optimization"); a fault's place is in its trace.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")
