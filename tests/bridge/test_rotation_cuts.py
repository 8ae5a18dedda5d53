"""A new key, cut off at any step of it: the PC always has a key that opens its journal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reader_bridge.chain.journal import Journal
from reader_bridge.device import keys
from reader_bridge.line import rotation
from reader_bridge.line.rotation import Rotation
from tests.bridge.papers import journal, statement, stating


class Cut(BaseException):
    """The power is gone."""


class Power:
    """Goes at the step `at`, right before it is done."""

    def __init__(self) -> None:
        self.steps, self.at = 0, 0

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            self.steps += 1
            if self.steps == self.at:
                raise Cut
            return real(*args, **kwargs)

        return step


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    found = Power()
    for of, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
        monkeypatch.setattr(of, name, found.around(getattr(of, name)))
    monkeypatch.setattr(Journal, "rekey", found.around(Journal.rekey))
    return found


def rotate(where: Path) -> None:
    """As when the server has welcomed the new key."""
    device, kept = rotation.opened(where)
    try:
        turning = Rotation(where, stating(device, kept))
        turning.offered()
        turning.welcomed()
    finally:
        kept.close()


def test_cut_off_at_any_step_it_goes_on_with_the_key_that_the_server_has(
    tmp_path: Path, power: Power
) -> None:
    device, kept = journal(tmp_path / "before")
    kept.state(statement(device))
    after = keys.make(tmp_path / "before", "next", in_file=True)
    kept.close()
    done = 0
    for at in range(1, 100):
        where = tmp_path / str(at)
        shutil.copytree(tmp_path / "before", where)
        where.chmod(0o700)
        power.steps, power.at = 0, at
        try:
            rotate(where)
        except Cut:
            done = at
        power.at = 0
        found, kept = rotation.opened(where)
        turning = Rotation(where, stating(found, kept))
        tried = {turning.signer.public}
        turning.unknown()
        tried.add(turning.signer.public)
        assert after.public in tried, "the key that the server has is lost"
        assert kept.count() == 1
        kept.close()
        if done < at:
            break
        rotate(where)
        assert keys.load(where).public == after.public
        keys.forget(where)
        assert [path.name for path in where.iterdir()] == ["journal.sqlite"], "a key is left"
    assert done >= 5


def test_a_command_that_ends_a_rotation_first_does_not_leave_the_service_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, kept = journal(tmp_path)
    after = keys.make(tmp_path, "next", in_file=True)
    of = stating(device, kept)
    turning = Rotation(tmp_path, of)
    turning.offered()
    real = Journal.rekey

    def beaten(self: Journal, to: keys.Device) -> None:
        real(self, to)
        rotation.opened(tmp_path)[1].close()  # `status`, just then

    monkeypatch.setattr(Journal, "rekey", beaten)
    turning.welcomed()
    assert of.device.public == after.public == turning.signer.public
    kept.close()
