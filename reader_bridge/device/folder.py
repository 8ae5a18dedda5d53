"""Where a bridge keeps what it is: one folder, one configuration file, nobody else's to read.

`bridge.toml` is for people and holds no secret of the device; `journal.sqlite` is the device's own
(`journal`); the key lies in the operating system's store, or beside them as `device.key` (`keys`).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

CONFIGURATION = "bridge.toml"
SERVICES = (Path("/var/lib/reader-bridge"), Path("/var/lib/superapp-reader-bridge"))
"""Where a service keeps it on Linux, and root: whoever is neither looks in a place of their own."""
PROXY = r"^(https?://([^\s/@]*@)?[^\s/@]+/?)?$"


class Unusable(Exception):
    """What is wrong with this PC, and what to do: Thai, English, and the file or what the system
    said of it."""

    def __init__(self, thai: str, english: str, of: object = "") -> None:
        super().__init__(f"{thai} ({english})" + (f": {of}" if of else ""))


def closed(path: Path, error: OSError) -> Unusable:
    """The system lets us not read or write `path`."""
    return Unusable(
        "อ่านหรือเขียนแฟ้มไม่ได้ กรุณาตรวจสิทธิและพื้นที่ว่าง และใช้บัญชีเดียวกับที่ลงทะเบียน",
        "it cannot be read or written: look at rights and free space, and run as the user who "
        "enrolled this PC",
        f"{path}: {error.strerror or error}",
    )


class OfTheService(Unusable):
    """The folder is another account's: the service runs in it, or whoever enrolled this PC. `do`:
    what helps."""

    def __init__(self, folder: Path) -> None:
        self.do = f"sudo reader-bridge --folder {shlex.quote(str(folder))} …"
        if sys.platform == "win32":
            self.do = "เปิดพร้อมต์คำสั่งในฐานะผู้ดูแลระบบ (a prompt as administrator)"
        super().__init__(
            f"โฟลเดอร์ของเครื่องนี้เป็นของบัญชีอื่น กรุณาสั่งใหม่ด้วย {self.do} หรือแจ้งผู้ดูแลเครื่อง",
            f"the folder is another account's: run {self.do}, or ask who looks after this PC",
            folder,
        )


class Configuration(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`server`: its public address. `device`, `audience`, `office`, `name`: as it was approved.

    `ca_file`: a certificate authority of the ministry's own; `proxy`: for the way out, which may
    hold a password.
    """

    server: Annotated[str, Meta(pattern=r"^https?://[^\s/]+")]
    device: UUID | None = None
    audience: str = ""
    office: str = ""
    name: str = ""
    ca_file: str = ""
    proxy: Annotated[str, Meta(pattern=PROXY)] = ""


def default() -> Path:
    """Where the program looks when nothing is said: `SUPERAPP_BRIDGE_DIR`, or the system's place
    for a service's data."""
    if said := os.environ.get("SUPERAPP_BRIDGE_DIR"):
        return Path(said)
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "SuperAppReaderBridge"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "superapp-reader-bridge"
    if os.geteuid() == 0:
        return Path("/var/lib/superapp-reader-bridge")
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "superapp-reader-bridge"


def as_owner(folder: Path) -> None:
    """Root becomes whoever the folder belongs to, for the rest of this process: what an operator
    leaves there as root keeps the service out of it. Nothing where there is no folder yet."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    try:
        found = folder.stat()
    except OSError:
        return
    if found.st_uid != 0:
        os.setgroups([])
        os.setgid(found.st_gid)
        os.setuid(found.st_uid)


def make(folder: Path) -> None:
    """There, and nobody else's to read. Raises `Unusable`."""
    try:
        if sys.platform == "win32":
            if not folder.exists():
                folder.mkdir(parents=True)
                shut(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if folder.stat().st_mode & 0o077:
                folder.chmod(0o700)
    except OSError as error:
        raise closed(folder, error) from None


def shut(folder: Path) -> None:
    """Windows lets every user read below ProgramData: only SYSTEM, administrators and whoever runs
    this keep their rights here, by number, for their names are translated. Raises `Unusable`."""
    us = f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"
    rights = [f"{who}:(OI)(CI)F" for who in ("*S-1-5-18", "*S-1-5-32-544", us)]
    done = subprocess.run(
        ["icacls", str(folder), "/inheritance:r", "/grant:r", *rights],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Unusable(
            "ปิดโฟลเดอร์ไม่ให้ผู้ใช้อื่นอ่านไม่ได้ กรุณาเปิดโปรแกรมในฐานะผู้ดูแลระบบ",
            "icacls could not close the folder to other users; run as administrator",
            folder,
        )


def sync(folder: Path) -> None:
    """What was renamed or deleted in there has outlived a power cut. Windows does that by itself.
    Raises OSError."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(folder: Path) -> Configuration:
    """Raises `Unusable` where there is none, or it cannot be understood."""
    path = folder / CONFIGURATION
    try:
        # Editors on Windows put a mark before the first letter.
        text = path.read_text(encoding="utf-8-sig")
        return msgspec.toml.decode(text, type=Configuration)
    except FileNotFoundError as error:
        for service in SERVICES:
            if service != folder and os.path.isdir(service):  # noqa: PTH112 - never raises
                raise OfTheService(service) from None
        raise Unusable(
            "เครื่องนี้ยังไม่ได้ลงทะเบียน กรุณาใช้คำสั่ง reader-bridge enrol --server URL",
            "not enrolled: run `reader-bridge enrol --server URL`",
            f"{path}: {error.strerror}",
        ) from None
    except PermissionError:
        raise OfTheService(folder) from None
    except OSError as error:
        raise closed(path, error) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise Unusable(
            "อ่านไฟล์ตั้งค่าไม่เข้าใจ กรุณาแก้ไข หรือลงทะเบียนใหม่",
            "the configuration cannot be understood; mend it, or enrol anew",
            f"{path}: {why}",
        ) from None


def save(folder: Path, configuration: Configuration) -> None:
    """Whole or not at all. Raises `Unusable`."""
    said = msgspec.to_builtins(configuration)
    lines = [f"{name} = {_quoted(str(value))}\n" for name, value in said.items() if value]
    write_private(folder / CONFIGURATION, "".join(lines).encode())


def write_private(path: Path, content: bytes) -> None:
    """A file that nobody else may read, on the disk when this returns. Raises `Unusable`."""
    make(path.parent)
    beside = ""
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
        sync(path.parent)
    except OSError as error:
        if beside:
            Path(beside).unlink(missing_ok=True)
        raise closed(path, error) from None


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of its own."""
    return msgspec.json.encode(text).decode()
