"""Whoever runs a command in their own account is told in whose it must be, and how."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

from reader_bridge.cli import main
from reader_bridge.device import folder
from reader_bridge.device.folder import Configuration
from tests.bridge.papers import journal

NOBODY = 65534


@pytest.fixture
def where() -> Iterator[Path]:
    """The folder of the service, in a place that everybody may pass through."""
    above = Path(tempfile.mkdtemp(prefix="superapp-bridge-"))
    above.chmod(0o755)
    found = above / "reader-bridge"
    found.mkdir(mode=0o700)
    _, kept = journal(found)
    kept.close()
    folder.save(
        found, Configuration(server="https://superapp.example", device=UUID(int=1), audience="x")
    )
    yield found
    found.chmod(0o700)
    shutil.rmtree(above)


def as_another(work: Callable[[], str]) -> str:
    """What `work` says as a user who is not the owner: of another process, if this is root's."""
    if os.geteuid() != 0:
        return work()
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(into, work().encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as said:
        found = said.read()
    os.waitpid(child, 0)
    return found


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, list(arguments))
    return f"{done.exit_code}\n{done.output}{done.exception or ''}"


@pytest.mark.parametrize(
    "command",
    [["offline-read"], ["offline-read", "--list"], ["run"], ["status"], ["rotate-key"], ["doctor"]],
    ids=" ".join,
)
def test_a_command_in_another_account_says_in_thai_what_to_do(
    where: Path, command: list[str]
) -> None:
    if os.geteuid() != 0:
        where.chmod(0)
    code, _, said = as_another(lambda: run("--folder", str(where), *command)).partition("\n")
    assert code not in ("0", "2"), said
    assert f"sudo reader-bridge --folder {where}" in said, said
    assert "Usage" not in said and "Traceback" not in said and "enrol --server" not in said
    thai = next(n for n, letter in enumerate(said) if "ก" <= letter <= "๛")
    assert thai < said.index("another account"), said


def test_who_has_no_folder_of_their_own_is_not_told_to_enrol_a_pc_that_is_enrolled(
    where: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "SERVICES", (where,))
    said = run("--folder", str(tmp_path / "mine"), "offline-read")
    assert f"sudo reader-bridge --folder {where}" in said and "enrol --server" not in said
    monkeypatch.setattr(folder, "SERVICES", ())
    assert "enrol --server" in run("--folder", str(tmp_path / "mine"), "offline-read")
