"""The device's private key: in the operating system's store where there is one, else a 0600 file.

Which of the two it is goes into every statement (`key_protection`): whoever judges a reading later
may want to know how well its key was kept. A key that is not the device's yet lies beside it, in
another place: `enrolling` until an officer has approved it, `next` until the server has it.
"""

from __future__ import annotations

import base64
import contextlib
import sys
from pathlib import Path
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reader_bridge.device.folder import Unusable, closed, sync, write_private
from reader_bridge.device.folder import make as make_folder
from reader_bridge.messages import Protection

SERVICE: Final = "superapp-reader-bridge"
Place = Literal["device", "enrolling", "next"]


class NoKey(Unusable):
    """There is none in that place."""


class Device:
    """A key and where it lies."""

    def __init__(self, private: Ed25519PrivateKey, protection: Protection) -> None:
        self.private, self.protection = private, protection

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    def derive(self, label: str) -> bytes:
        """32 bytes that only the holder of this key has."""
        return HKDF(SHA256(), 32, None, label.encode()).derive(self.private.private_bytes_raw())


def make(folder: Path, place: Place = "device", *, in_file: bool = False) -> Device:
    """A fresh key, stored before this returns; the one before it is gone. Raises `Unusable`."""
    make_folder(folder)
    return _put(folder, place, Ed25519PrivateKey.generate(), in_file=in_file)


def promote(folder: Path, place: Place) -> Device:
    """Makes the key in `place` the device's, whose own is gone. May be done again after a crash.
    Raises `Unusable`."""
    found = load(folder, place)
    device = _put(folder, "device", found.private, in_file=found.protection == "file")
    if device.protection == "file":  # or an older one stays behind in the store
        _delete(folder, "device")
    forget(folder, place)
    return device


def load(folder: Path, place: Place = "device") -> Device:
    """Raises `Unusable`; `NoKey` where there is none."""
    path = file(folder, place)
    try:
        if path.exists():
            if sys.platform != "win32" and path.stat().st_mode & 0o077:
                raise Unusable(
                    "ผู้ใช้อื่นอ่านแฟ้มกุญแจได้ กรุณาตรวจว่าใครอ่านได้บ้าง แล้วลงทะเบียนใหม่",
                    "the key file is open to others; look who could have read it, and enrol anew",
                    path,
                )
            return Device(_private(path.read_bytes(), str(path)), "file")
    except OSError as error:
        raise closed(path, error) from None
    store = _store()
    if store is not None:
        try:
            held = store.get_password(SERVICE, _name(folder, place))
        except Exception as error:
            raise Unusable(
                "คลังกุญแจของระบบไม่ตอบ กรุณาปลดล็อก หรือใช้บัญชีเดียวกับที่ลงทะเบียน",
                "the system's key store does not answer: unlock it, or run as the user who "
                "enrolled this PC",
                type(error).__name__,
            ) from None
        if held:
            return Device(_private(held.encode(), "the key store"), "os-key-store")
    raise NoKey(
        "ไม่พบกุญแจของเครื่องนี้ กรุณาใช้บัญชีเดียวกับที่ลงทะเบียน หรือลงทะเบียนใหม่",
        "no key of this device in this user's key store nor as a file: run as the user who "
        "enrolled it, or enrol anew",
        path,
    )


def forget(folder: Path, place: Place = "device") -> None:
    """Also what a power cut left of its being written. Raises `Unusable`."""
    path = file(folder, place)
    try:
        for one in (path, *folder.glob(f".{path.name}.*")):
            one.unlink(missing_ok=True)
    except OSError as error:
        raise closed(path, error) from None
    _delete(folder, place)


def file(folder: Path, place: Place = "device") -> Path:
    return folder / f"{place}.key"


def _put(folder: Path, place: Place, private: Ed25519PrivateKey, *, in_file: bool) -> Device:
    text = base64.b64encode(private.private_bytes_raw()).decode()
    if not in_file and (store := _store()) is not None:
        with contextlib.suppress(Exception):  # whatever a store may raise: there is the file
            store.set_password(SERVICE, _name(folder, place), text)
            if store.get_password(SERVICE, _name(folder, place)) == text:
                file(folder, place).unlink(missing_ok=True)
                sync(folder)
                return Device(private, "os-key-store")
    write_private(file(folder, place), text.encode())
    return Device(private, "file")


def _delete(folder: Path, place: Place) -> None:
    if (store := _store()) is not None:
        with contextlib.suppress(Exception):
            store.delete_password(SERVICE, _name(folder, place))


def _private(text: bytes, where: str) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        raise Unusable(
            "แฟ้มหรือคลังกุญแจไม่มีกุญแจของโปรแกรมนี้ กรุณาลงทะเบียนใหม่",
            "it holds no key of this program; enrol anew",
            where,
        ) from None


def _store() -> Any:
    """The `keyring` module where a real store stands behind it: not its null or plaintext ones."""
    try:
        import keyring
        from keyring.backends import chainer, fail, null
    except ImportError:
        return None
    with contextlib.suppress(Exception):
        backend = keyring.get_keyring()
        if isinstance(backend, chainer.ChainerBackend):
            backend = backend.backends[0]  # the one that would take it
        if not isinstance(backend, (fail.Keyring, null.Keyring)) and backend.priority >= 1:
            return keyring
    return None


def _name(folder: Path, place: Place) -> str:
    whole = str(folder.resolve())
    return whole if place == "device" else f"{whole}#{place}"
