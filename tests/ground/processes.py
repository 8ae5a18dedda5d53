"""What the system says about running processes (Linux, /proc)."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path


def family(home: Path) -> dict[int, str]:
    """Process → command of everything that works in `home`, names it, or was given it; not us."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes().split(b"\0")
            if int(entry.name) != os.getpid() and (
                os.fsencode(home) in command
                or str((entry / "cwd").readlink()).startswith(str(home))
                or b"SUPERAPP_DATA_DIR=" + os.fsencode(home) in environment
            ):
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def gone(home: Path, within_s: float = 15.0) -> bool:
    """True as soon as nothing of `home` runs any more."""
    end = time.monotonic() + within_s
    while family(home):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
