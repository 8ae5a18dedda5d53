"""What `doctor` asks PC/SC: its service, readers, drivers, and who else holds a card."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from reader_bridge.doctor.finding import Finding, good, warn, wrong
from reader_bridge.fields import Fault
from reader_bridge.pcsc.ports import CardFault, Port
from reader_bridge.texts import fault

T = TypeVar("T")
WITHIN_S: Final = 3.0
"""So long PC/SC may take for an answer before it counts as hanging, or a card as held."""
USB: Final = Path("/sys/bus/usb/devices")
REFUSED: Final = "0x8010006a"  # SCARD_W_SECURITY_VIOLATION: polkit does not let this user
_RULES: Final = (
    "ติดตั้งกฎ polkit ตาม docs/reader-bridge.md (install units/49-reader-bridge.rules for this user)"
)
_START: Final = {
    "linux": "sudo systemctl enable --now pcscd.socket (ยังไม่มี? not there? apt install pcscd)",
    "win32": "เสียบเครื่องอ่าน แล้ว (plug a reader in, then) sc start SCardSvr",
    "darwin": "ถอดและเสียบเครื่องอ่านใหม่ (unplug the reader and plug it in again)",
}
_AGAIN: Final = {
    "linux": "sudo systemctl restart pcscd",
    "win32": "ปิดโปรแกรมอ่านบัตร แล้ว (close card programs, then) Restart-Service SCardSvr -Force",
    "darwin": "ปิดโปรแกรมอ่านบัตรอื่น แล้วเริ่มเครื่องใหม่ (close other card programs, then restart)",
}
_DRIVER: Final = {
    "linux": "sudo apt install libccid แล้วเสียบใหม่ (then plug it in again)",
    "win32": "ดูใน Device Manager แล้วติดตั้งไดรเวอร์ของผู้ผลิต (install the maker's driver)",
    "darwin": "ติดตั้งไดรเวอร์ของผู้ผลิต (install the maker's driver)",
}


def at_the_readers(port: Port, usb: Path = USB) -> Iterator[Finding]:
    """Never waits for longer than some seconds: whoever hangs is what is to be named."""
    try:
        names = _in_time(lambda: _listed(port))
    except CardFault as error:
        if REFUSED in error.detail:
            yield wrong("สิทธิใช้ PC/SC", "PC/SC rights", error.detail, _RULES)
            return
        # On Windows the service stops with the last reader: it is the same to whoever looks.
        yield wrong("บริการ PC/SC", "PC/SC service", fault(error.fault), _of(_START))
        return
    if names is None:
        yield wrong("บริการ PC/SC", "PC/SC service", "ไม่ตอบ (does not answer)", _of(_AGAIN))
        return
    yield good("บริการ PC/SC", "PC/SC service", "ทำงาน (runs)")
    if not names:
        yield _none(usb)
    plain = 0
    for name in dict.fromkeys(names):
        who = _in_time(lambda name=name: port.identity(name))  # type: ignore[misc]
        plain += who is not None and who.serial is None
        serial = "–" if who is None or who.serial is None else who.serial
        yield good("เครื่องอ่านบัตร", "reader", f"{name} [{serial}]")
        held = Fault.reader_busy if who is None else _held(port, name)
        if held is not None:
            yield warn("เครื่องอ่านบัตร", "reader", name, fault(held))
    if len(set(names)) < len(names):
        yield wrong(
            "เครื่องอ่านบัตร",
            "reader",
            "หลายเครื่องมีชื่อเดียวกัน (several have one name)",
            "ใช้ได้เครื่องเดียว ถอดเครื่องอื่นออก หรือแก้ชื่อในการตั้งค่าของไดรเวอร์ "
            "(only one of them works; unplug the others, or rename them in the driver's settings)",
        )
    if plain > 1:
        yield warn(
            "เครื่องอ่านบัตร",
            "reader",
            "หลายเครื่องไม่มีหมายเลข (several have no serial number)",
            "อย่าสลับช่อง USB หลังจับคู่กับโต๊ะ (leave each in its USB port once desks are mapped)",
        )


def _listed(port: Port) -> list[str]:
    with port.open() as states:
        return states.readers()


def _none(usb: Path) -> Finding:
    attached = _on_usb(usb)
    if attached:
        return wrong("ไดรเวอร์", "driver", f"USB {attached} ไม่มีไดรเวอร์ (has none)", _of(_DRIVER))
    return wrong(
        "เครื่องอ่านบัตร",
        "reader",
        "ไม่พบ (none)",
        f"เสียบสาย ลองช่อง USB อื่น หรือ (plug it in, try another port, or) {_of(_DRIVER)}",
    )


def _held(port: Port, name: str) -> Fault | None:
    """Why the card that lies there, if one does, cannot be had."""

    def ask() -> bool:
        with port.connect(name):
            return True

    try:
        return None if _in_time(ask) else Fault.reader_busy
    except CardFault as error:
        return None if error.fault is Fault.card_removed else error.fault


def _in_time(ask: Callable[[], T]) -> T | None:
    """What `ask` returns; None when it takes too long, as everything does that waits for a program
    which holds a card, or for a service that hangs. Raises CardFault as it does."""
    answers: SimpleQueue[T | CardFault] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except CardFault as error:
            answers.put(error)
        except Exception as error:
            answers.put(CardFault(Fault.failed, type(error).__name__))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=WITHIN_S)
    except Empty:
        return None
    if isinstance(answer, CardFault):
        raise answer
    return answer


def _on_usb(usb: Path) -> str:
    """A chip card interface (class 0x0b) that the kernel sees; Linux only."""
    for interface in sorted(usb.glob("*/bInterfaceClass")):
        try:
            if interface.read_text().strip() == "0b":
                return interface.parent.name
        except OSError:
            continue
    return ""


def _of(texts: dict[str, str]) -> str:
    return texts.get(sys.platform, texts["linux"])
