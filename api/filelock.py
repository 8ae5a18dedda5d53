"""One process of this machine at a time: a lock on a file beside the one that is changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """Held while the block runs; the lock file stays, and is nobody else's to read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        beside = self._path.with_name(self._path.name + ".lock")
        self._handle = os.open(beside, os.O_CREAT | os.O_RDWR, 0o600)
        if sys.platform == "win32":
            msvcrt.locking(self._handle, msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
