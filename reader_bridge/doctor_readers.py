"""What `doctor` asks PC/SC: its service, readers, drivers, and who else holds a card."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reader_bridge.fields import Fault
from reader_bridge.finding import Finding, good, warn, wrong
from reader_bridge.ports import CardFault, Port
from reader_bridge.texts import fault

WITHIN_S: Final = 3.0
"""So long a card may be held by others before it counts as held."""
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
_DRIVER: Final = {
    "linux": "sudo apt install libccid แล้วเสียบใหม่ (then plug it in again)",
    "win32": "ดูใน Device Manager แล้วติดตั้งไดรเวอร์ของผู้ผลิต (install the maker's driver)",
    "darwin": "ติดตั้งไดรเวอร์ของผู้ผลิต (install the maker's driver)",
}


def at_the_readers(port: Port, usb: Path = USB) -> Iterator[Finding]:
    try:
        with port.open() as states:
            names = states.readers()
    except CardFault as error:
        if REFUSED in error.detail:
            yield wrong("สิทธิใช้ PC/SC", "PC/SC rights", error.detail, _RULES)
            return
        # On Windows the service stops with the last reader: it is the same to whoever looks.
        yield wrong("บริการ PC/SC", "PC/SC service", fault(error.fault), _of(_START))
        return
    yield good("บริการ PC/SC", "PC/SC service", "ทำงาน (runs)")
    if not names:
        attached = _on_usb(usb)
        if attached:
            yield wrong("ไดรเวอร์", "driver", f"USB {attached} ไม่มีไดรเวอร์ (has none)", _of(_DRIVER))
        else:
            yield wrong(
                "เครื่องอ่านบัตร",
                "reader",
                "ไม่พบ (none)",
                f"เสียบสาย ลองช่อง USB อื่น หรือ (plug it in, try another port, or) {_of(_DRIVER)}",
            )
        return
    serials = [port.identity(name).serial for name in names]
    for name, serial in zip(names, serials, strict=True):
        yield good("เครื่องอ่านบัตร", "reader", f"{name} [{serial or '–'}]")
        held = _held(port, name)
        if held is not None:
            yield warn(
                "เครื่องอ่านบัตร",
                "reader",
                f"{name}: {fault(held)}",
                "ปิดโปรแกรมอ่านบัตรอื่น หรือดึงบัตรออกแล้วเสียบใหม่ "
                "(close other card programs, or take the card out and put it in again)",
            )
    if sum(serial is None for serial in serials) > 1:
        yield warn(
            "เครื่องอ่านบัตร",
            "reader",
            "หลายเครื่องไม่มีหมายเลข (several have no serial number)",
            "อย่าสลับช่อง USB หลังจับคู่กับโต๊ะ (leave each in its USB port once desks are mapped)",
        )


def _held(port: Port, name: str) -> Fault | None:
    """Why the card that lies there, if one does, cannot be had."""
    found: list[Fault] = []

    def ask() -> None:
        try:
            with port.connect(name):
                pass
        except CardFault as error:
            found.append(error.fault)
        except Exception:
            found.append(Fault.failed)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    if thread.is_alive():
        return Fault.reader_busy
    return found[0] if found and found[0] != Fault.card_removed else None


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
