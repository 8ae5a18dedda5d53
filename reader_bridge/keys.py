"""The device's private key: in the operating system's store where there is one, else a 0600 file.

Which of the two it is goes into every statement (`key_protection`): whoever judges a reading later
may want to know how well its key was kept.
"""

from __future__ import annotations

import base64
import contextlib
import sys
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reader_bridge.folder import Unusable, write_private
from reader_bridge.folder import make as make_folder
from reader_bridge.messages import Protection

SERVICE: Final = "superapp-reader-bridge"
FILE: Final = "device.key"


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


def make(folder: Path, *, in_file: bool = False) -> Device:
    """A fresh key, stored before this returns; the one before it is gone. Raises `Unusable`."""
    make_folder(folder)
    private = Ed25519PrivateKey.generate()
    text = base64.b64encode(private.private_bytes_raw())
    if not in_file and (store := _store()) is not None:
        with contextlib.suppress(Exception):  # whatever a store may raise: there is the file
            store.set_password(SERVICE, _name(folder), text.decode())
            if store.get_password(SERVICE, _name(folder)) == text.decode():
                (folder / FILE).unlink(missing_ok=True)
                return Device(private, "os-key-store")
    write_private(folder / FILE, text)
    return Device(private, "file")


def move(source: Path, target: Path, device: Device) -> None:
    """Makes the key of `source` that of `target`, whose own is gone. Raises `Unusable`."""
    forget(target)
    if device.protection == "file":
        text = base64.b64encode(device.private.private_bytes_raw())
        write_private(target / FILE, text)
    elif (store := _store()) is not None:
        text = base64.b64encode(device.private.private_bytes_raw())
        store.set_password(SERVICE, _name(target), text.decode())
    forget(source)
    with contextlib.suppress(OSError):
        source.rmdir()


def load(folder: Path) -> Device:
    """Raises `Unusable` where there is none, or others may read it."""
    path = folder / FILE
    if path.exists():
        mode = path.stat().st_mode
        if sys.platform != "win32" and mode & 0o077:
            raise Unusable(f"{path} is open to others; look who could have read it, and enrol anew")
        return Device(_private(path.read_bytes(), str(path)), "file")
    store = _store()
    if store is not None:
        with contextlib.suppress(Exception):
            if held := store.get_password(SERVICE, _name(folder)):
                return Device(_private(held.encode(), "the key store"), "os-key-store")
    raise Unusable(f"no key of this device, neither in the key store nor as {path}; enrol anew")


def forget(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)
    if (store := _store()) is not None:
        with contextlib.suppress(Exception):
            store.delete_password(SERVICE, _name(folder))


def _private(text: bytes, where: str) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        raise Unusable(f"{where} holds no key of this program; enrol anew") from None


def _store() -> Any:
    """The `keyring` module where a real store stands behind it: not its null or plaintext ones."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        return None
    with contextlib.suppress(Exception):
        backend = keyring.get_keyring()
        if not isinstance(backend, (fail.Keyring, null.Keyring)) and backend.priority >= 1:
            return keyring
    return None


def _name(folder: Path) -> str:
    return str(folder.resolve())
