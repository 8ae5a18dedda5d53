"""Where the device's key lies, and that it is never lost between two places."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from reader_bridge.cli import main
from reader_bridge.device import folder, keys
from reader_bridge.device.alone import FILE, Running, alone, runs
from reader_bridge.device.folder import Unusable


class Held:
    """A key store of an operating system; `broken` answers with a fault."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str] = {}
        self.broken = self.forgets = False
        self.priority = 5

    def _go(self) -> None:
        if self.broken:
            raise RuntimeError("locked")

    def set_password(self, service: str, name: str, value: str) -> None:
        self._go()
        if not self.forgets:
            self.values[service, name] = value

    def get_password(self, service: str, name: str) -> str | None:
        self._go()
        return self.values.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        self._go()
        del self.values[service, name]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Held:
    """The system's key store, in place of `keyring`'s."""
    held, whole, inner = Held(), ModuleType("keyring"), ModuleType("keyring.backends")
    for name in ("set_password", "get_password", "delete_password"):
        setattr(whole, name, getattr(held, name))
    whole.get_keyring = lambda: held  # type: ignore[attr-defined]
    whole.backends = inner  # type: ignore[attr-defined]
    for name, of in (("fail", "Keyring"), ("null", "Keyring"), ("chainer", "ChainerBackend")):
        one: Any = ModuleType(f"keyring.backends.{name}")
        setattr(one, of, type(of, (), {}))
        setattr(inner, name, one)
        monkeypatch.setitem(sys.modules, f"keyring.backends.{name}", one)
    monkeypatch.setitem(sys.modules, "keyring", whole)
    monkeypatch.setitem(sys.modules, "keyring.backends", inner)
    return held


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_store", lambda: None)


def test_a_key_in_a_file_is_nobody_elses_to_read(tmp_path: Path, no_store: None) -> None:
    device = keys.make(tmp_path / "new")
    assert device.protection == "file"
    assert keys.file(tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert keys.load(tmp_path / "new").public == device.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_key_that_others_may_read_or_write_is_not_used(
    tmp_path: Path, no_store: None, mode: int
) -> None:
    keys.make(tmp_path)
    keys.file(tmp_path).chmod(mode)
    with pytest.raises(Unusable):
        keys.load(tmp_path)


def test_a_key_in_the_systems_store_is_in_no_file(tmp_path: Path, store: Held) -> None:
    device = keys.make(tmp_path)
    assert device.protection == "os-key-store"
    assert list(tmp_path.iterdir()) == []
    assert keys.load(tmp_path).public == device.public
    assert keys.load(tmp_path).protection == "os-key-store"


@pytest.mark.parametrize("ill", ["broken", "forgets"])
def test_a_key_store_that_does_not_keep_the_key_leaves_it_in_a_file(
    tmp_path: Path, store: Held, ill: str
) -> None:
    setattr(store, ill, True)
    device = keys.make(tmp_path)
    assert device.protection == "file"
    assert keys.load(tmp_path).public == device.public


def test_a_plain_text_store_is_not_taken_for_a_key_store(tmp_path: Path, store: Held) -> None:
    store.priority = 0
    assert keys.make(tmp_path).protection == "file"


def test_a_locked_key_store_is_not_told_as_a_key_that_is_gone(tmp_path: Path, store: Held) -> None:
    keys.make(tmp_path)
    store.broken = True
    with pytest.raises(Unusable) as told:
        keys.load(tmp_path)
    assert not isinstance(told.value, keys.NoKey)
    assert "enrol anew" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"\x00" * 44, b"c2hvcnQ=", "กุญแจ".encode()])
def test_a_key_file_that_holds_no_key_says_so(
    tmp_path: Path, no_store: None, content: bytes
) -> None:
    folder.write_private(keys.file(tmp_path), content)
    with pytest.raises(Unusable):
        keys.load(tmp_path)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_the_next_key_becomes_the_devices_wherever_the_two_lie(
    tmp_path: Path, store: Held, before: bool, after: bool
) -> None:
    keys.make(tmp_path, in_file=before)
    later = keys.make(tmp_path, "next", in_file=after)
    found = keys.promote(tmp_path, "next")
    assert keys.load(tmp_path).public == later.public == found.public
    assert found.protection == ("file" if after else "os-key-store")
    with pytest.raises(keys.NoKey):
        keys.load(tmp_path, "next")
    assert keys.file(tmp_path).exists() is after
    assert len(store.values) == (0 if after else 1)


def test_a_promotion_that_was_cut_off_is_done_again(
    tmp_path: Path, no_store: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.make(tmp_path)
    later = keys.make(tmp_path, "next")
    with monkeypatch.context() as power_cut:
        power_cut.setattr(keys, "forget", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            keys.promote(tmp_path, "next")
    assert keys.promote(tmp_path, "next").public == later.public
    assert keys.load(tmp_path).public == later.public


def test_what_is_derived_from_a_key_is_of_that_key_and_label_alone(
    tmp_path: Path, no_store: None
) -> None:
    one = keys.make(tmp_path / "a")
    other = keys.make(tmp_path / "b")
    derived = {one.derive("journal"), one.derive("else"), other.derive("journal")}
    assert len(derived) == 3
    assert keys.load(tmp_path / "a").derive("journal") in derived


def test_a_file_is_written_whole_or_not_at_all_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_private(tmp_path / "f", b"before")
    monkeypatch.setattr(folder.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(Unusable):
        folder.write_private(tmp_path / "f", b"after")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"before"]


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the disk, in order, and what of it the disk was waited for."""
    done: list[str] = []
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def synced(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def replaced(path: Path, to: Path) -> Path:
        done.append("replace")
        return replace(path, to)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        done.append("delete")
        unlink(path, missing_ok)

    monkeypatch.setattr(folder.os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    return done


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does that by itself")
def test_a_key_outlives_a_power_cut_once_it_is_said_to_be_kept(
    tmp_path: Path, on_disk: list[str]
) -> None:
    folder.write_private(tmp_path / "f", b"content")
    assert on_disk == ["file", "replace", "folder"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does that by itself")
def test_a_key_that_moved_to_the_systems_store_does_not_come_back_with_the_power(
    tmp_path: Path, store: Held, on_disk: list[str]
) -> None:
    keys.make(tmp_path, "next", in_file=True)
    on_disk.clear()
    keys.make(tmp_path, "next")
    assert keys.load(tmp_path, "next").protection == "os-key-store"
    assert on_disk[on_disk.index("delete") :][:2] == ["delete", "folder"]


def test_one_program_at_a_time_has_the_folder(tmp_path: Path) -> None:
    assert not runs(tmp_path)
    with alone(tmp_path):
        assert runs(tmp_path)
        with pytest.raises(Running), alone(tmp_path):
            pass
    assert not runs(tmp_path)


def test_whether_it_runs_is_told_also_of_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a fault of the disk, when `status` and `doctor` are wanted most."""
    real = os.open

    def read_only(path: Any, flags: int, *mode: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *mode)

    with alone(tmp_path):
        monkeypatch.setattr(os, "open", read_only)
        assert runs(tmp_path)
    assert not runs(tmp_path)
    with pytest.raises(Unusable, match="Read-only"), alone(tmp_path):
        pass


def test_a_look_whether_it_runs_keeps_no_service_from_starting(tmp_path: Path) -> None:
    """`status` has the lock for a moment."""
    with alone(tmp_path):
        pass
    handle = os.open(tmp_path / FILE, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    threading.Timer(0.05, os.close, (handle,)).start()
    with alone(tmp_path):
        pass


@pytest.mark.parametrize(("we", "owner", "become"), [(0, 990, [990]), (0, 0, []), (1000, 990, [])])
def test_root_leaves_nothing_of_its_own_in_the_folder_of_the_services_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, we: int, owner: int, become: list[int]
) -> None:
    """A key or lock that is root's would keep the service out of its own folder."""
    became: list[int] = []
    found = os.stat_result((0o40700, 0, 0, 1, owner, owner, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda self, **_: found)
    monkeypatch.setattr(os, "geteuid", lambda: we)
    for name in ("setgroups", "setgid"):
        monkeypatch.setattr(os, name, lambda _: None)
    monkeypatch.setattr(os, "setuid", became.append)
    folder.as_owner(tmp_path)
    assert became == become
    monkeypatch.undo()
    folder.as_owner(tmp_path / "none")


def test_every_command_works_as_the_owner_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(folder, "as_owner", asked.append)
    CliRunner().invoke(main, ["--folder", str(tmp_path), "status"])
    assert asked == [tmp_path]


@pytest.mark.parametrize(
    ("written", "understood"),
    [("utf-8", True), ("utf-8-sig", True), ("cp874", False), ("utf-16", False)],
)
def test_a_configuration_that_an_editor_wrote_its_own_way_is_read_or_told_and_no_fault(
    tmp_path: Path, written: str, understood: bool
) -> None:
    text = 'server = "https://superapp.example"\r\noffice = "สำนักงานตัวอย่าง"\r\n'
    (tmp_path / folder.CONFIGURATION).write_bytes(text.encode(written))
    if understood:
        assert folder.load(tmp_path).office == "สำนักงานตัวอย่าง"
    else:
        with pytest.raises(Unusable, match="UTF-8"):
            folder.load(tmp_path)
