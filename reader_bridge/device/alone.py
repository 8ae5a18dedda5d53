"""One running program for one folder: a second one would look to the server like a stolen key.

The lock is the operating system's, so it ends with the process, however that ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reader_bridge.device.folder import Unusable, closed, make

FILE: Final = "running.lock"
_TRIES: Final = 10
_BETWEEN_S: Final = 0.02


class Running(Unusable):
    """Another process of this PC has the folder."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Raises `Running`, and `Unusable` where the folder cannot be written."""
    make(folder)
    try:
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise closed(folder / FILE, error) from None
    try:
        if not _got(handle):
            raise Running(
                "โปรแกรมกำลังทำงานอยู่แล้วในเครื่องนี้ กรุณาหยุดบริการก่อน",
                "the bridge runs already; stop the service first",
                folder,
            )
        yield
    finally:
        os.close(handle)


def runs(folder: Path) -> bool:
    """Whether a process of this PC serves this folder now; also of one that cannot be written."""
    try:
        handle = os.open(folder / FILE, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    except OSError:
        return False
    try:
        _lock(handle)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _got(handle: int) -> bool:
    """The lock; not refused because somebody looked at it in this moment."""
    for _ in range(_TRIES):
        try:
            _lock(handle)
        except OSError:
            time.sleep(_BETWEEN_S)
        else:
            return True
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
