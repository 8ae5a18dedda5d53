"""The unit files name commands, codes and folders that there are."""

from __future__ import annotations

import configparser
import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import reader_bridge
from reader_bridge import cli
from reader_bridge.console import FINAL

UNITS = Path(reader_bridge.__file__).parent / "units"


def unit() -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(UNITS / "reader-bridge.service", encoding="utf-8")
    return found


def test_the_systemd_unit_has_no_rights_but_its_own_folder() -> None:
    service = unit()["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes"
    assert service["User"] == "reader-bridge" and "ReadWritePaths" not in service
    assert service["Environment"].endswith("/var/lib/" + service["StateDirectory"])


def test_a_crash_of_the_service_writes_nothing_that_was_read_into_a_core_file_or_the_swap() -> None:
    service = unit()["Service"]
    assert service.get("LimitCORE") == "0" and service.get("MemorySwapMax") == "0"


def test_a_device_that_is_over_is_not_started_for_ever() -> None:
    assert unit()["Service"]["RestartPreventExitStatus"] == str(FINAL)
    assert unit()["Service"]["Restart"] == "always"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="without systemd-analyze")
def test_systemd_understands_every_line_of_the_unit() -> None:
    path = str(UNITS / "reader-bridge.service")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert "nknown" not in done.stderr


def test_each_unit_starts_the_program_with_a_command_that_there_is() -> None:
    with (UNITS / "org.superapp.reader-bridge.plist").open("rb") as file:
        launchd = plistlib.load(file)["ProgramArguments"]
    task = (UNITS / "windows-task.ps1").read_text(encoding="utf-8")
    windows = re.search(r'-Argument "(\w+)"', task)
    assert windows is not None
    systemd = unit()["Service"]["ExecStart"].split()
    assert launchd[-1] == windows[1] == systemd[-1] == "run"
    assert "run" in cli.main.commands
    assert Path(launchd[0]).name == Path(systemd[0]).name == "reader-bridge"
