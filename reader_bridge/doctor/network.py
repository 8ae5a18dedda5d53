"""What `doctor` asks the network: name, way out, TLS, server, and the server's clock."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from reader_bridge import messages
from reader_bridge.device.folder import Configuration
from reader_bridge.doctor.finding import Finding, good, warn, wrong
from reader_bridge.messages import Challenge, NotUnderstood, ServerKeys
from reader_bridge.server_keys import Foreign, Pin, followed

ANSWER_S: Final = 10.0
SKEW: Final = timedelta(minutes=2)
_SET: Final = (
    "ตั้งนาฬิกาจากเครือข่าย (NTP) ปีเป็น ค.ศ. (set the clock from the network, year of the Common Era)"
)


def network(configuration: Configuration, pin: Pin | None = None) -> Iterator[Finding]:
    """`pin`: what an enrolled PC knows of its server."""
    parts = urlsplit(configuration.server)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    proxy = configuration.proxy or _system_proxy(parts.scheme, host)
    if proxy:
        yield good("พร็อกซี", "proxy", without_password(proxy))
        host_to, port_to = urlsplit(proxy).hostname or "", urlsplit(proxy).port or 8080
    else:
        host_to, port_to = host, port
    if (found := _name(host_to)) is not None:
        yield found
        return
    yield good("ชื่อเครื่อง", "name resolution", host_to)
    yield from _reach(configuration, host_to, port_to, proxy, pin)


def _name(host: str) -> Finding | None:
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        return wrong(
            "ชื่อเครื่อง",
            "name resolution",
            f"{host}: {error.strerror or error}",
            "ตรวจสาย/ไวไฟ และ DNS ของหน่วยงาน (look at the cable or Wi-Fi, and at the office's DNS)",
        )
    return None


def _reach(
    configuration: Configuration, host: str, port: int, proxy: str, pin: Pin | None
) -> Iterator[Finding]:
    what = ("แม่ข่าย", "server")
    try:
        tls = ssl.create_default_context(cafile=configuration.ca_file or None)
    except OSError as error:
        yield wrong(
            "ใบรับรอง",
            "TLS",
            f"{configuration.ca_file}: {error}",
            "แก้ ca_file ใน bridge.toml (mend it)",
        )
        return
    try:
        with httpx.Client(verify=tls, proxy=proxy or None, timeout=ANSWER_S) as http:
            base = f"{configuration.server.rstrip('/')}/v1/bridge"
            answer = http.get(f"{base}/challenge")
            shown = http.get(f"{base}/identity") if pin is not None else None
    except httpx.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            yield from _certificate(configuration, proxy, str(error))
            return
        yield wrong(
            *what,
            f"{host}:{port} {error}",
            "ขอเปิดทางออก หรือตั้ง proxy ใน bridge.toml (ask for the way out, or set a proxy)",
        )
        return
    except httpx.ProxyError as error:
        yield wrong(
            "พร็อกซี", "proxy", str(error), "ตรวจชื่อและรหัสของพร็อกซี (look at its name and password)"
        )
        return
    except (httpx.HTTPError, ImportError) as error:
        yield wrong(*what, f"{type(error).__name__}: {error}", "ลองใหม่ภายหลัง (try later)")
        return
    yield from _answer(answer, datetime.now(UTC))
    if pin is not None and shown is not None and answer.status_code == 200:
        yield _server_key(configuration, pin, shown)


def _server_key(configuration: Configuration, pin: Pin, answer: httpx.Response) -> Finding:
    """Whether it is the server that this PC was enrolled with, whoever has the certificate."""
    what = ("กุญแจแม่ข่าย", "server's key")
    try:
        shown = msgspec.json.decode(answer.content, type=ServerKeys)
        return good(*what, followed(pin, shown, configuration.audience).fingerprint)
    except msgspec.MsgspecError:
        return wrong(
            *what,
            f"HTTP {answer.status_code} แม่ข่ายไม่แสดงกุญแจ (the server does not show its keys)",
            "แจ้งผู้ดูแลแม่ข่าย: แม่ข่ายเก่ากว่าโปรแกรมนี้? (tell whoever runs it: older than this program?)",
        )
    except Foreign as error:
        return wrong(
            *what,
            str(error),
            "เทียบกับ superapp keys list ที่แม่ข่าย: ถ้าแม่ข่ายมีกุญแจอื่นจริง ให้ลงทะเบียนใหม่ ถ้าไม่ มีผู้ดักกลางทาง "
            "อย่าลงทะเบียนใหม่ (have `superapp keys list` looked at: if that shows what is theirs "
            "here, the server has lost its keys, enrol anew; if not, somebody reads along on the "
            "way: do not enrol, have TLS inspection switched off for the server)",
        )


def _answer(answer: httpx.Response, now: datetime) -> Iterator[Finding]:
    what = ("แม่ข่าย", "server")
    try:
        if answer.status_code >= 500:
            raise ValueError
        said = messages.from_server(answer.content)
        if not isinstance(said, Challenge):
            raise ValueError
    except (NotUnderstood, ValueError):
        yield wrong(
            *what,
            f"HTTP {answer.status_code} ไม่ใช่แม่ข่าย หรือแม่ข่ายขัดข้อง (not our server, or ill)",
            "ลงชื่อเข้าใช้เครือข่าย หรือแจ้งผู้ดูแล (sign in to the network, or tell whoever runs it)",
        )
        return
    yield good(*what, said.audience)
    yield drift(said.at, now)


def drift(server: datetime, now: datetime) -> Finding:
    """How wrong this PC's clock is, by the server's."""
    off = now - server
    if abs(off) <= SKEW:
        return good("นาฬิกา", "clock", f"±{abs(off.total_seconds()):.0f} s")
    if abs(abs(off.days) - 543 * 365.25) < 400:
        return wrong("นาฬิกา", "clock", "ต่างกัน 543 ปี (543 years: the Buddhist Era)", _SET)
    seconds = off.total_seconds()
    found = f"{seconds:+.0f} s" if abs(seconds) < 86400 else f"{seconds / 86400:+.1f} d"
    return warn("นาฬิกา", "clock", f"คลาดเคลื่อน (off by) {found}", _SET)


def _certificate(configuration: Configuration, proxy: str, error: str) -> Iterator[Finding]:
    """A clock that is wrong makes every certificate wrong: the time is asked for, unproven."""
    with suppress(httpx.HTTPError, ImportError, KeyError, TypeError, ValueError):
        with httpx.Client(verify=False, proxy=proxy or None, timeout=ANSWER_S) as http:  # noqa: S501
            told = http.head(configuration.server).headers["date"]
        found = drift(parsedate_to_datetime(told), datetime.now(UTC))
        if found.state != "good":
            yield wrong(found.thai, found.english, found.found, found.do)
            return
    yield wrong(
        "ใบรับรอง",
        "TLS",
        error,
        "ถ้าหน่วยงานตรวจ TLS ให้ยกเว้นแม่ข่ายนี้ ถ้ากระทรวงมีใบรับรองเองให้ใส่ ca_file; อย่าข้าม แจ้งผู้ดูแล "
        "(where the office inspects TLS have the server left out of it, for an authority of the "
        "ministry's own set ca_file; never skip it, tell who looks after it)",
    )


def _system_proxy(scheme: str, host: str) -> str:
    if urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get(scheme, "")


def without_password(proxy: str) -> str:
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 8080}"
