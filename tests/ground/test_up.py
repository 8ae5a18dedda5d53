"""`superapp up` as a person runs it: one command, real processes, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api import embedded
from tests.ground.processes import family, gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


UP = [sys.executable, "-m", "api.cli", "up"]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    place = embedded._temporary_home()
    yield place / "data"
    shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def up(home: Path, *command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The supervisor, ready, and the address that it printed."""
    process = subprocess.Popen(
        command or UP,
        stdout=subprocess.PIPE,
        text=True,
        cwd=embedded.CHECKOUT,
        env=variables(home),
        start_new_session=True,
    )
    assert process.stdout
    with process.stdout:
        try:
            ready = next(line for line in process.stdout if line.startswith("Ready at "))
            yield process, ready.split()[2]
        finally:
            process.kill()
            process.wait()


def variables(home: Path, port: str = "0") -> dict[str, str]:
    return os.environ | {"SUPERAPP_DATA_DIR": str(home), "PORT": port}


def refused(home: Path, port: str = "0") -> str:
    """What a start says that must fail."""
    done = subprocess.run(
        UP, capture_output=True, text=True, cwd=embedded.CHECKOUT, env=variables(home, port)
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_a_request_to_stop_ends_everything_in_order(home: Path, number: int) -> None:
    with up(home) as (process, url):
        assert httpx.get(f"{url}/health").status_code == 200
        assert len(family(home)) > 4
        process.send_signal(number)
        assert process.wait(30) == 0
    assert family(home) == {}
    assert "shut down" in (home / "postgres.log").read_text().splitlines()[-1]


def test_kill_9_of_the_supervisor_leaves_no_process(home: Path) -> None:
    with up(home) as (process, _):
        process.kill()
        assert gone(home)
    assert "shut down" in (home / "postgres.log").read_text().splitlines()[-1]


def test_a_killed_api_or_postgres_is_started_again_while_callers_wait(home: Path) -> None:
    with up(home) as (process, url):
        for word in (" serve ", "/postgres "):
            victim = next(pid for pid, command in family(home).items() if word in command)
            os.kill(victim, signal.SIGKILL)
            time.sleep(0.5)
            assert httpx.get(f"{url}/health", timeout=20).status_code == 200
            assert victim not in family(home)
        assert any("/postgres " in command for command in family(home).values())
        process.terminate()
        assert process.wait(30) == 0
    assert family(home) == {}


def test_a_second_start_is_told_what_is_in_the_way(home: Path) -> None:
    with up(home) as (process, url):
        assert "cannot be listened on" in refused(home, port=url.rsplit(":", 1)[1])
        assert f"in use by process {process.pid}" in refused(home)
    assert gone(home)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_kill_9_of_make_ends_what_make_up_started(home: Path) -> None:
    with up(home, "make", "-o", ".venv/.installed", "up") as (process, _):
        process.kill()
        assert gone(home)
