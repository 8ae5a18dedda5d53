"""`reader-bridge doctor`: what is wrong with this PC, in the order in which it must be mended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reader_bridge.device import folder
from reader_bridge.device.alone import runs
from reader_bridge.device.folder import Configuration, OfTheService, Unusable
from reader_bridge.doctor.finding import Finding, good, warn, wrong
from reader_bridge.doctor.network import network
from reader_bridge.doctor.readers import at_the_readers
from reader_bridge.fields import Fault
from reader_bridge.line import rotation
from reader_bridge.pcsc.ports import Port
from reader_bridge.pcsc.winscard import NoPyscard, Pcsc
from reader_bridge.texts import fault

LITTLE: Final = 50 * 1024 * 1024
"""Bytes free, below which a disk counts as full."""


def diagnose(where: Path, software: str, port: Port | None = None) -> Iterator[Finding]:
    """Told one by one as they are found, for some take seconds."""
    yield clock(datetime.now(UTC))
    yield from _readers(port)
    configuration = None
    try:
        configuration = folder.load(where)
    except OfTheService as error:
        yield wrong("โฟลเดอร์", "folder", str(error), error.do)
    except Unusable as error:
        yield wrong(
            "การลงทะเบียน", "enrolment", str(error), "reader-bridge enrol --server https://…"
        )
    if configuration is None:
        return
    yield from _folder(where)
    notes: dict[str, str] = {}
    pin = None
    try:
        device, journal = rotation.opened(where)
        notes, waiting, pin = journal.notes(), journal.count(), journal.pin()
        journal.close()
        yield good("กุญแจและบันทึก", "key and journal", f"{device.protection}, {waiting} waiting")
        if pin is None:
            yield wrong(
                "กุญแจแม่ข่าย", "server's key", fault(Fault.server_not_pinned), "reader-bridge enrol"
            )
    except Unusable as error:
        yield wrong("กุญแจและบันทึก", "key and journal", str(error), "แก้ตามข้อความ (do as it says)")
    yield from network(configuration, pin)
    yield from _service(where, configuration, notes)


def clock(now: datetime) -> Finding:
    """Without anybody to ask: the Buddhist Era in the Common Era's place, or long ago."""
    do = "ตั้งนาฬิกาจากเครือข่าย (NTP) ปีเป็น ค.ศ. (set it from the network, year of the Common Era)"
    if now.year >= 2400:
        return wrong("นาฬิกา", "clock", f"ปี {now.year} เป็น พ.ศ. (a year of the Buddhist Era)", do)
    if now.year < 2026:
        return wrong("นาฬิกา", "clock", f"ปี {now.year} (long ago)", do)
    return good("นาฬิกา", "clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _readers(port: Port | None) -> Iterator[Finding]:
    try:
        yield from at_the_readers(Pcsc() if port is None else port)
    except NoPyscard as error:
        yield wrong(
            "ไลบรารี PC/SC",
            "PC/SC library",
            str(error),
            "ติดตั้งตาม docs/reader-bridge.md (install it)",
        )


def _folder(where: Path) -> Iterator[Finding]:
    try:
        folder.make(where)
        folder.write_private(where / ".doctor", b"")
        (where / ".doctor").unlink()
        free = shutil.disk_usage(where).free
    except (Unusable, OSError) as error:
        yield wrong(
            "โฟลเดอร์",
            "folder",
            str(error),
            "ใช้บัญชีเดียวกับที่ลงทะเบียน (run as the user who enrolled, or mend its rights)",
        )
        return
    if free < LITTLE:
        yield wrong(
            "โฟลเดอร์",
            "folder",
            f"{free // 2**20} MiB free",
            "เพิ่มพื้นที่ว่างในดิสก์ (make room on the disk)",
        )
    else:
        yield good("โฟลเดอร์", "folder", str(where))


def _service(where: Path, configuration: Configuration, notes: dict[str, str]) -> Iterator[Finding]:
    what = ("บริการ", "service")
    if configuration.device is None:
        yield wrong(*what, "not enrolled", "reader-bridge enrol --server https://…")
    elif notes.get("ended"):
        yield wrong(
            *what, notes["ended"], "ติดต่อผู้ดูแล แล้วลงทะเบียนใหม่ (ask who looks after it, enrol anew)"
        )
    elif not runs(where):
        yield wrong(
            *what,
            "ไม่ทำงาน (does not run)",
            "เริ่มบริการ เช่น (start it): systemctl start reader-bridge",
        )
    elif notes.get("connected"):
        yield good(*what, f"เชื่อมต่อแล้ว (connected) {notes['connected']}")
    else:
        yield wrong(
            *what,
            f"ยังไม่เชื่อมต่อ (not connected): {notes.get('error') or '–'}",
            "แก้ข้อที่ผิดข้างบนแล้วรอห้านาที (mend what is wrong above, then wait five minutes)",
        )
    if notes.get("clock"):
        yield warn(
            "นาฬิกา",
            "clock",
            f"คลาดเคลื่อน (off by) {notes['clock']} s",
            "ตั้งนาฬิกาจากเครือข่าย (set it, NTP)",
        )
