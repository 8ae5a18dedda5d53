"""What `superapp up` watches over: the API, the worker and the embedded PostgreSQL.

Each is a child that is started again when it dies, and all of them end with this process, also
after its `kill -9`. The listening socket is held here, so that callers wait rather than fail while
the API starts again.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections import deque

from api import children
from api.embedded import EmbeddedPostgres

MANY_DEATHS, WITHIN_S = 5, 60.0


class KeepsEnding(Exception):
    """A child died several times within a minute."""


class Team:
    """The API and the worker (and the embedded PostgreSQL), kept alive until told to stop."""

    def __init__(
        self,
        environment: dict[str, str],
        listening: socket.socket,
        postgres: EmbeddedPostgres | None,
    ) -> None:
        self.environment, self.listening, self.postgres = environment, listening, postgres
        self.members: dict[str, subprocess.Popen[bytes]] = {}
        self.deaths: deque[float] = deque(maxlen=MANY_DEATHS)

    def start(self) -> None:
        for name in ("serve", "worker"):
            self._spawn(name)

    def _spawn(self, name: str) -> None:
        command = [sys.executable, "-m", "api.cli", name]
        if name == "serve" and sys.platform != "win32" and children.by_kernel:
            descriptor = self.listening.fileno()
            self.members[name] = children.spawn(
                [*command, "--fd", str(descriptor)],
                ending=signal.SIGKILL,
                env=self.environment,
                pass_fds=[descriptor],
            )
            return
        if name == "serve":  # no descriptor can be inherited: the child listens for itself
            self.listening.close()
        ending = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
        self.members[name] = children.spawn(command, ending=ending, env=self.environment)

    def wait_until_ready(self, stopping: list[int]) -> bool:
        """True once the API answers; False if it died or we are asked to stop."""
        host, port = self.listening.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        while not stopping and self.members["serve"].poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((host, port), 1) as s:
                s.settimeout(1)
                s.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                if s.recv(8):
                    return True
            time.sleep(0.05)
        return False

    def watch(self, stopping: list[int]) -> None:
        """Starts again what dies; KeepsEnding when that happens too often."""
        while not stopping:
            if self.postgres and not self.postgres.alive():
                self._note("PostgreSQL")
                self.postgres.start()
            for name, member in list(self.members.items()):
                if member.poll() is not None:
                    self._note(name)
                    self._spawn(name)
            time.sleep(0.2)

    def _note(self, name: str) -> None:
        self.deaths.append(time.monotonic())
        many = len(self.deaths) == MANY_DEATHS and self.deaths[-1] - self.deaths[0] < WITHIN_S
        if many:
            raise KeepsEnding(f"{name} keeps ending; its messages stand above.")
        sys.stderr.write(f"{name} ended; starting it again\n")

    def stop(self) -> None:
        for member in self.members.values():
            with contextlib.suppress(OSError):
                member.terminate()
        for member in self.members.values():  # the worker lets its jobs finish: job_loop.DRAIN_S
            children.stop(member, signal.SIGTERM, patience=40)
