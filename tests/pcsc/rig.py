"""Real `pcscd`s with virtual readers, each in a network and mount namespace of its own.

Only `pcscd` lives in there: its Unix socket stands in a folder of the rig, so a program reaches
it from the ordinary network with `PCSCLITE_CSOCK_NAME` (`Service.environment`). pcsc-lite reads
that variable once in a process: one process speaks to one service, as one desk's PC does. Do not
load pyscard into the process of the tests; start a program (`Service.start`).

    with Rig(readers=2) as rig:
        rig[0].slots[0].insert(VirtualCard())
        print(rig[0].run("-m", "tests.pcsc.bare_read", "--rounds", "3").stdout)
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.pcsc.virtual_card import VirtualCard
from tests.pcsc.wire import Slot

CHECKOUT = Path(__file__).resolve().parent.parent.parent
MOST = 16  # readers that one pcscd serves
FIRST_PORT = 35963
HOW = (
    "as root on Linux: apt-get install pcscd vsmartcard-vpcd libpcsclite-dev pkg-config swig gcc "
    "libc6-dev python3-dev iproute2, then requirements/install bridge"
)
INSIDE = ("unshare", "--net", "--mount", "--propagation", "private")
# In a namespace of its own: `/run` is empty but for the rig's folder under the name pcscd wants.
# `setpriv` ends the service with us, however we end.
START = """
ip link set lo up
mount -t tmpfs none /run
mkdir /run/pcscd
mount --bind "$1" /run/pcscd
shift
exec setpriv --pdeathsig KILL pcscd --foreground "$@"
"""


@cache
def missing() -> str | None:
    """Why there can be no rig here and how to get it, in one line; None when all is there."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return f"needs to be root on Linux ({HOW})"
    without = [name for name in ("pcscd", "unshare", "ip", "setpriv") if shutil.which(name) is None]
    without += [] if _driver() else ["vpcd"]
    without += [] if find_spec("smartcard") else ["pyscard"]
    if without:
        return f"without {', '.join(without)} ({HOW})"
    tried = subprocess.run(
        [*INSIDE, "mount", "-t", "tmpfs", "none", "/run"],
        capture_output=True,
        check=False,
    )
    return "this machine allows no namespaces of our own" if tried.returncode else None


@cache
def _driver() -> Path | None:
    """vpcd's library, which the PC/SC service loads."""
    places = ("pcsc", "*/pcsc")
    found = [f for p in places for f in Path("/usr/lib").glob(f"{p}/drivers/serial/libifdvpcd.so")]
    return found[0] if found else None


class Rig:
    """`services` PC/SC services with `readers` virtual readers each (at most 16).

    Every service names its readers alike, as PCs with the same model do. (Within one, pcscd would
    give readers of one name and two libraries the very same name, index and all.)
    """

    def __init__(self, readers: int = 2, services: int = 1) -> None:
        if (reason := missing()) is not None:
            raise RuntimeError(reason)
        # A Unix socket's path is short, so not below a test's folder.
        self._folder = Path(tempfile.mkdtemp(prefix="pcsc-"))
        # A service ends with the thread that started it: this one lives as long as the rig.
        self._hand = ThreadPoolExecutor(max_workers=1)
        self.services = [
            Service(self._folder / str(number), readers, self._hand) for number in range(services)
        ]

    def __enter__(self) -> Rig:
        try:
            for service in self.services:
                service.up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, service: int) -> Service:
        return self.services[service]

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services)

    def insert(self, card: VirtualCard, reader: int = 0, service: int = 0) -> VirtualCard:
        """Put a card in and wait until the service has noticed it. Raises TimeoutError."""
        self.services[service].slots[reader].insert(card)
        end = time.monotonic() + 5
        while not card.noticed_at:
            if time.monotonic() > end:
                raise TimeoutError("the PC/SC service does not notice the card")
            time.sleep(0.005)
        return card

    def remove(self, reader: int = 0, service: int = 0) -> None:
        """Take the card out. The service notices within half a second."""
        self.services[service].slots[reader].remove()

    def close(self) -> None:
        """Take out all cards, end what runs, leave nothing behind. May be done twice."""
        for service in self.services:
            service.close()
        self._hand.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


class Service:
    """One `pcscd`, and the programs that were started for its readers."""

    def __init__(self, folder: Path, readers: int, hand: ThreadPoolExecutor) -> None:
        if not 0 <= readers <= MOST:
            raise ValueError(f"one PC/SC service has at most {MOST} readers")
        self._folder, self._hand = folder, hand
        self._ipc, self._log = folder / "run", folder / "pcscd.log"
        self._ipc.mkdir(parents=True)
        self.socket = self._ipc / "pcscd.comm"
        self.process: subprocess.Popen[bytes] | None = None
        self._programs: list[subprocess.Popen[str]] = []
        self.slots: list[Slot] = []
        driver, entries = _driver(), []
        assert driver is not None
        for number in range((readers + 1) // 2):
            copy = folder / f"vpcd{number}.so"  # its static state is by path
            shutil.copyfile(driver, copy)
            name = f"Sample Reader {chr(ord('A') + number)}"
            port = FIRST_PORT + 2 * number
            entries.append(
                f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:{port:#x}\n'
                f"LIBPATH {copy}\nCHANNELID {port:#x}\n"
            )
            for slot in range(2):
                self.slots.append(Slot(f"{name} 00 {slot:02d}", port + slot, self._namespace))
        del self.slots[readers:]
        (folder / "reader.conf").write_text("\n".join(entries), encoding="ascii")

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to reach this service."""
        return {"PCSCLITE_CSOCK_NAME": str(self.socket)}

    def up(self) -> None:
        """Start the service; returns when it answers. Raises RuntimeError with its log if not."""
        if self.process is None:
            self._hand.submit(self._start).result()
            self._wait_until_it_answers()

    def down(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the service by that signal. Cards stay where they are."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def restart(self, how: signal.Signals = signal.SIGTERM, away: float = 0.0) -> None:
        """End the service by that signal and start it again `away` seconds later."""
        self.down(how)
        time.sleep(away)
        self.up()

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `python …` with this service for its readers; the rig ends it at the latest."""
        program = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env={**os.environ, **(env or {}), **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._programs.append(program)
        return program

    def run(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """`start`, and wait for its end. Raises RuntimeError (with its words), TimeoutExpired."""
        program = self.start(*arguments)
        out, err = program.communicate(timeout=seconds)
        if program.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with {program.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(list(arguments), 0, out, err)

    def close(self) -> None:
        for program in self._programs:
            if program.poll() is None:
                program.kill()
                program.communicate()
        for slot in self.slots:
            slot.remove()
        self.down()

    def _start(self) -> None:
        options = ["--config", str(self._folder / "reader.conf"), *_options()]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*INSIDE, "sh", "-ec", START, "pcscd", str(self._ipc), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as line:
                if line.connect_ex(str(self.socket)) == 0:
                    return
            time.sleep(0.01)
        self.down(signal.SIGKILL)
        raise RuntimeError(f"pcscd did not start:\n{self._log.read_text(errors='replace')}")

    def _namespace(self) -> int | None:
        process = self.process
        try:
            return None if process is None else os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
        except OSError:
            return None


@cache
def _options() -> tuple[str, ...]:
    """What this release of pcscd must be told besides."""
    text = subprocess.run(["pcscd", "--help"], capture_output=True, text=True, check=False)
    return ("--disable-polkit",) if "--disable-polkit" in text.stdout + text.stderr else ()
