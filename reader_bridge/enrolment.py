"""A desk PC becomes a device: it shows a code and a fingerprint, an officer approves both."""

from __future__ import annotations

import platform
import re
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
import msgspec

from reader_bridge import messages
from reader_bridge.chain.journal import Journal
from reader_bridge.device import folder, keys
from reader_bridge.device.alone import alone
from reader_bridge.device.folder import Configuration, Unusable
from reader_bridge.line import rotation
from reader_bridge.messages import Enrolment, Kind, ServerKeys
from reader_bridge.server_keys import Foreign, Pin, enrolment_fingerprint, pinned

T = TypeVar("T")
_USER_CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}")
"""As our server writes it: a code that could be spelled in many ways would leave whoever stands in
between many fingerprints to choose from."""


_NOT_OURS = "ผู้ตอบไม่ใช่แม่ข่ายของระบบนี้ (it is not our server that answers: a proxy, a sign-in page?)"


class Refused(Exception):
    """The server did not take this PC; the text says why."""


class Begun(msgspec.Struct, kw_only=True):
    """What the PC shows (RFC 8628 §3.2); `fingerprint` is its own reckoning."""

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
    keys: ServerKeys


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
    configuration from before are replaced only by success. Raises `Refused`, `folder.Unusable`
    (also while the service runs, and where readings wait that would be lost), `httpx.HTTPError`."""
    server = _address(server)
    if not re.match(folder.PROXY, proxy):
        raise Unusable(
            "พร็อกซีต้องเขียนเป็น http://ชื่อ:พอร์ต",
            "a proxy is written http://name:port, or http://user:password@name:port",
        )
    ca_file = str(Path(ca_file).resolve()) if ca_file else ""  # the service starts elsewhere
    with alone(where):
        if waiting := rotation.waiting(where):
            raise Unusable(
                f"มี {waiting} รายการที่ยังไม่ได้ส่ง กรุณาเปิดบริการให้ส่งก่อน หรือใช้คำสั่ง forget ถ้ายอมเสียไป",
                f"{waiting} statements are not sent yet: start the service and let it send them, "
                "or give them up with `reader-bridge forget`",
            )
        device = keys.make(where, "enrolling", in_file=in_file)
        try:
            granted, pin = _ask(
                where, device, server, name, audience, software, show, ca_file, proxy, pause
            )
        except BaseException:
            keys.forget(where, "enrolling")
            raise
        device = keys.promote(where, "enrolling")
        keys.forget(where, "next")
        journal = Journal(where, device, new=True)
        journal.remember(pin)
        journal.close()
        found = Configuration(
            server=server,
            device=granted.device,
            audience=granted.audience,
            office=granted.office,
            name=granted.name,
            ca_file=ca_file,
            proxy=proxy,
        )
        folder.save(where, found)
    return found


def _ask(
    where: Path,
    device: keys.Device,
    server: str,
    name: str,
    audience: str,
    software: str,
    show: Callable[[Begun], None],
    ca_file: str,
    proxy: str,
    pause: Callable[[float], None],
) -> tuple[Granted, Pin]:
    try:
        tls = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise Unusable(
            "ใช้แฟ้มใบรับรองนี้ไม่ได้ กรุณาตรวจ --ca-file",
            "no certificate authority can be read there; look at --ca-file",
            f"{ca_file}: {error.strerror or error}",
        ) from None
    with httpx.Client(base_url=server, verify=tls, proxy=proxy or None, timeout=20) as http:
        # The device's key is told to nobody before whoever answers has shown the server's.
        audience = audience or server
        shown = _read(_said(http.get("/v1/bridge/identity")), ServerKeys)
        pin = _pinned(shown.identity, shown, audience)
        body = Enrolment(
            audience=audience,
            public_key=device.public,
            server=pin.identity,
            name=(name or socket.gethostname() or "PC")[:200],
            platform=f"{platform.system()} {platform.release()}"[:200] or "?",
            software=software,
            key_protection=device.protection,
            at=datetime.now(UTC),
        )
        signed = messages.sign(device.private, Kind.enrolment, body)
        begun = _read(
            _said(http.post("/v1/bridges/enrolments", content=messages.encode(signed))), Begun
        )
        if not _USER_CODE.fullmatch(begun.user_code):
            raise Refused(_NOT_OURS)
        fingerprint = enrolment_fingerprint(device.public, pin.identity, begun.user_code)
        if begun.fingerprint.split() != fingerprint.split():
            raise Refused(
                "ลายนิ้วมือที่แม่ข่ายตอบไม่ตรงกับเครื่องนี้ อาจมีผู้แทรกกลาง "
                "(the server answers for other keys than we see: somebody may stand in between)"
            )
        show(msgspec.structs.replace(begun, fingerprint=fingerprint))
        granted = _wait(http, begun, pause)
        return granted, _pinned(pin.identity, granted.keys, audience)


def _pinned(identity: bytes, shown: ServerKeys, audience: str) -> Pin:
    try:
        return pinned(identity, shown, audience)
    except Foreign as error:
        raise Refused(str(error)) from None


def _address(server: str) -> str:
    """Raises `Unusable`. Without TLS only to this very machine."""
    try:
        url = httpx.URL(server.strip())
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise Unusable(
            "ไม่ใช่ที่อยู่แม่ข่าย กรุณาใส่ https://ชื่อแม่ข่าย",
            "no address of a server: https://its-name",
            repr(server),
        )
    if url.scheme == "http" and url.host not in ("localhost", "127.0.0.1", "::1"):
        raise Unusable(
            "ต้องใช้ https:// เท่านั้น", "https:// only; http:// reaches no further than this PC"
        )
    if url.path not in ("", "/") or url.query or url.fragment or url.userinfo:
        raise Unusable(
            "กรุณาใส่ชื่อแม่ข่ายเท่านั้น ไม่มีอะไรต่อท้าย",
            "the server's name alone, nothing after it",
            repr(server),
        )
    return str(url).rstrip("/")


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
            return _read(answer.content, Granted)
        error = _error(answer)
        if error == "slow_down":
            interval += 5
        elif error != "authorization_pending" and answer.status_code < 500:
            raise Refused(_sentence(answer))
    raise Refused("หมดเวลา ไม่มีผู้อนุมัติ (nobody approved it in time)")


def _said(answer: httpx.Response) -> bytes:
    if answer.status_code != 200 and _error(answer, "reason") == "server":
        raise Refused(
            "กุญแจแม่ข่ายที่เครื่องนี้ได้รับไม่ใช่ของแม่ข่าย อาจมีผู้ดักกลางทาง ลองอีกครั้ง หากยังเป็นอยู่ให้แจ้งผู้ดูแลระบบ "
            "(the server's key that this PC was shown is not the server's: somebody stands in "
            "between, or it has changed just now; try once more, else tell whoever runs the server)"
        )
    if answer.status_code != 200:
        raise Refused(_sentence(answer))
    return answer.content


def _read(content: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.MsgspecError:
        raise Refused(_NOT_OURS) from None


def _error(answer: httpx.Response, name: str = "error") -> str:
    try:
        return str(answer.json().get(name, ""))
    except (ValueError, AttributeError):
        return ""


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["title"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
