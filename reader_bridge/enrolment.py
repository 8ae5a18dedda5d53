"""A desk PC becomes a device: it shows a code and a fingerprint, an officer approves both."""

from __future__ import annotations

import platform
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import msgspec

from reader_bridge import folder, keys, messages
from reader_bridge.folder import Configuration
from reader_bridge.journal import FILE, Journal
from reader_bridge.messages import Enrolment, Kind, SealingKey


class Refused(Exception):
    """The server did not take this PC; the text says why."""


class Begun(msgspec.Struct, kw_only=True):
    """What the PC shows (RFC 8628 §3.2)."""

    device_code: str
    user_code: str
    fingerprint: str
    verification_uri: str
    expires_in: int
    interval: int


class Granted(msgspec.Struct, kw_only=True):
    device: UUID
    audience: str
    office: str
    name: str
    key: SealingKey


def enrol(
    where: Path,
    server: str,
    *,
    name: str,
    audience: str = "",
    software: str,
    show: Callable[[Begun], None],
    in_file: bool = False,
    ca_file: str = "",
    proxy: str = "",
    pause: Callable[[float], None] = time.sleep,
) -> Configuration:
    """Asks, shows, waits until somebody has decided, and writes the folder. A key, a journal and a
    configuration from before are replaced only by success. Raises `Refused`, `folder.Unusable`,
    `httpx.HTTPError`."""
    folder.make(where)
    aside = where / "enrolling"
    device = keys.make(aside, in_file=in_file)
    server = server.rstrip("/")
    tls = ssl.create_default_context(cafile=ca_file or None)
    with httpx.Client(base_url=server, verify=tls, proxy=proxy or None, timeout=20) as http:
        body = Enrolment(
            audience=audience or server,
            public_key=device.public,
            name=name or socket.gethostname() or "PC",
            platform=f"{platform.system()} {platform.release()}"[:200] or "?",
            software=software,
            key_protection=device.protection,
            at=datetime.now(UTC),
        )
        signed = messages.sign(device.private, Kind.enrolment, body)
        begun = msgspec.json.decode(
            _said(http.post("/v1/bridges/enrolments", content=messages.encode(signed))), type=Begun
        )
        show(begun)
        granted = _wait(http, begun, pause)
    keys.move(aside, where, device)
    (where / FILE).unlink(missing_ok=True)
    found = Configuration(
        server=server,
        device=granted.device,
        audience=granted.audience,
        office=granted.office,
        name=granted.name,
        ca_file=ca_file,
        proxy=proxy,
    )
    journal = Journal(where, device)
    journal.remember_key(granted.key)
    journal.close()
    folder.save(where, found)
    return found


def _wait(http: httpx.Client, begun: Begun, pause: Callable[[float], None]) -> Granted:
    until, interval = time.monotonic() + begun.expires_in, float(begun.interval)
    while time.monotonic() < until:
        pause(interval)
        try:
            answer = http.post(
                "/v1/bridges/enrolments/token", json={"device_code": begun.device_code}
            )
        except httpx.TransportError:
            interval = min(60.0, interval * 2)  # RFC 8628 §3.5
            continue
        if answer.status_code == 200:
            return msgspec.json.decode(answer.content, type=Granted)
        error = _error(answer)
        if error == "slow_down":
            interval += 5
        elif error != "authorization_pending" and answer.status_code < 500:
            raise Refused(_sentence(answer))
    raise Refused("หมดเวลา ไม่มีผู้อนุมัติ (nobody approved it in time)")


def _said(answer: httpx.Response) -> bytes:
    if answer.status_code != 200:
        raise Refused(_sentence(answer))
    return answer.content


def _error(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("error", ""))
    except ValueError:
        return ""


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["title"])
    except (ValueError, KeyError):
        return f"HTTP {answer.status_code}"
