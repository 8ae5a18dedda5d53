"""Child processes that end with the process that started them, also after its `kill -9`.

On Linux the kernel does it (`prctl(PR_SET_PDEATHSIG)`, see prctl(2)). Elsewhere this file is run as
a small watcher between parent and child: it reads a pipe whose other end the parent holds, and
ends the child when the pipe closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

PR_SET_PDEATHSIG = 1

by_kernel = sys.platform == "linux"
"""False: by a watcher and its pipe (tests set it to try that way on Linux too)."""


def spawn(
    command: Sequence[str], *, ending: int = signal.SIGTERM, **options: Any
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own; it gets the signal `ending` when we are gone.

    On Linux the kernel watches the *thread* that started the child, so that must be the main one:
    anything else is a RuntimeError. `options` go to `subprocess.Popen`.
    """
    options["start_new_session"] = True
    if not by_kernel:
        watcher = [sys.executable, "-I", __file__, str(int(ending)), *command]
        return subprocess.Popen(watcher, stdin=subprocess.PIPE, **options)
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start child processes from the main thread: they end with the thread")
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    # subprocess runs this after the change of user, which would have cleared the setting.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=bind, **options)


def follow_parent(ending: int = signal.SIGTERM) -> None:
    """Binds this very process to its parent (Linux): `kill -9` of `make` ends what it started."""
    if by_kernel:
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), ending)


def stop(child: subprocess.Popen[bytes], *signals: int, patience: float = 30.0) -> None:
    """Sends each signal in turn, waiting `patience` seconds after each, and at last SIGKILL."""
    for number in signals:
        if child.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            child.terminate() if sys.platform == "win32" else child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    if child.poll() is None:
        child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()


def _watch(ending: int, command: Sequence[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def forward(number: int, _frame: object = None) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate() if sys.platform == "win32" else child.send_signal(number)

    def until_parent_is_gone() -> None:
        sys.stdin.buffer.read()
        forward(ending)
        time.sleep(60)
        child.kill()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    if sys.platform != "win32":
        signal.signal(signal.SIGQUIT, forward)
    threading.Thread(target=until_parent_is_gone, daemon=True).start()
    return child.wait() & 0xFF


if __name__ == "__main__":
    sys.exit(_watch(int(sys.argv[1]), sys.argv[2:]))
