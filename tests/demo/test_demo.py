"""`make demo` plays to its end, fails on the first thing that is wrong, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from demo import __main__ as demo
from demo.callers import NotAsItShould
from demo.story import Story

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def test_the_demo_plays_the_whole_day() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=CHECKOUT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "replayed" in done.stdout
    assert "accounts/device-wiped" in done.stdout


class _Server:
    url = "http://127.0.0.1:9"

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def last_words(self) -> str:
        return "the end of the log"

    def turn_calendar(self, record: str, days: int) -> None:
        pass

    def away(self) -> nullcontext[None]:
        return nullcontext()


def test_the_demo_ends_at_the_first_thing_that_is_not_as_it_should_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[str] = []

    def wrong(story: Story) -> None:
        story.equal({"state": "planned"}, {"state": "accepted"}, "the state")

    def after(story: Story) -> None:
        played.append("after")

    monkeypatch.setattr(demo, "CHAPTERS", [wrong, after])
    monkeypatch.setattr(demo, "Server", _Server)
    monkeypatch.setattr(demo.signal, "signal", lambda *_: None)
    assert demo.main() == 1
    said = capsys.readouterr().err
    assert "accepted" in said
    assert "planned" in said
    assert "the end of the log" in said
    assert played == []


def test_a_check_counts_and_tells_what_came_instead() -> None:
    story = Story("")
    story.equal(1, 1, "one")
    with pytest.raises(NotAsItShould, match="two: 2"):
        story.equal(1, 2, "two")
    assert story.checks == 2


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("seconds", [1.5, 4.0, 7.0])
def test_a_demo_that_is_killed_leaves_no_process_and_no_folder(
    number: str, seconds: float, tmp_path: Path
) -> None:
    # A folder of its own shows what is left; as root PostgreSQL must be able to enter it.
    place = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))
    place.chmod(0o755)
    options: dict[str, Any] = {"cwd": CHECKOUT, "env": os.environ | {"TMPDIR": str(place)}}
    with (tmp_path / "out").open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "demo"],
            stdout=out,
            stderr=out,
            start_new_session=True,
            **options,
        )
        time.sleep(seconds)
        child.send_signal(getattr(signal, number))
        child.wait(30)
    end = time.monotonic() + 20
    while time.monotonic() < end and (list(place.iterdir()) or _mentioning(str(place))):
        time.sleep(0.2)
    assert _mentioning(str(place)) == []
    assert list(place.iterdir()) == []
    place.rmdir()


def _mentioning(text: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if text in line]
