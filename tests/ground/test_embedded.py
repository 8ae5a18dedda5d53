"""The launcher against real processes: what stays, what goes, and who is told why."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from api import children, embedded
from api.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.ground.processes import gone

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
as_root = pytest.mark.skipif(not embedded.is_root(), reason="needs root, to become someone else")


@pytest.fixture
def fresh() -> Iterator[Path]:
    """A folder to be, which `nobody` can reach (pytest's own are private to this user)."""
    place = embedded._temporary_home(durable=False)
    yield place / "data"
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The same for all tests here that do not mind data of others in it."""
    place = embedded._temporary_home(durable=False)
    yield place / "data"
    shutil.rmtree(place, ignore_errors=True)


LAUNCHER = """
import os, sys, time
from pathlib import Path
import asyncpg
from api import children, embedded
home, user = Path(sys.argv[1]), sys.argv[2]
if user:
    binaries = embedded._binaries()
    embedded._binaries = lambda: binaries
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
with embedded.EmbeddedPostgres(home, fsync=False) as postgres:
    print(postgres.url(), flush=True)
    time.sleep(60)
"""


def launch(home: Path, user: str = "") -> tuple[subprocess.Popen[str], str]:
    """A launcher in a process of its own, with PostgreSQL up; returns it and the URL."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(home), user],
        stdout=subprocess.PIPE,
        text=True,
        cwd=embedded.CHECKOUT,
    )
    assert launcher.stdout
    url = launcher.stdout.readline().strip()
    assert url.startswith("postgresql://")
    return launcher, url


def kill(launcher: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    launcher.send_signal(number)
    launcher.wait(10)
    assert launcher.stdout
    launcher.stdout.close()


async def test_a_second_start_keeps_the_data(home: Path) -> None:
    with EmbeddedPostgres(home, fsync=False) as postgres:
        connection = await asyncpg.connect(postgres.url())
        await connection.execute("create table note as select 'โรงงาน' as said")
        await connection.close()
    assert gone(home)
    with EmbeddedPostgres(home, fsync=False) as postgres:
        connection = await asyncpg.connect(postgres.url())
        assert await connection.fetchval("select said from note") == "โรงงาน"
        await connection.close()


async def test_it_is_set_up_for_thai_and_for_durability(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        connection = await asyncpg.connect(postgres.url())
        shown = {
            name: await connection.fetchval(f"show {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        }
        listens = await connection.fetchval("show listen_addresses")
        await connection.execute("create extension pg_trgm")
        trigrams = await connection.fetchval("select show_trgm('โรงงาน')")
        await connection.close()
    assert set(shown.values()) == {"on"}
    assert listens == ""
    assert len(trigrams) == 7


async def test_the_log_holds_no_values_of_a_failed_statement(home: Path) -> None:
    with EmbeddedPostgres(home, fsync=False) as postgres:
        connection = await asyncpg.connect(postgres.url())
        await connection.execute("create table person (cid text primary key)")
        for _ in range(2):
            with contextlib.suppress(asyncpg.UniqueViolationError):
                await connection.execute("insert into person values ($1)", "0000000000001")
        await connection.close()
        log = postgres.log.read_text()
    assert "duplicate key" in log
    assert "0000000000001" not in log


def test_two_launchers_on_one_folder_the_second_is_told_who_holds_it(home: Path) -> None:
    with (
        EmbeddedPostgres(home, fsync=False),
        pytest.raises(EmbeddedPostgresError, match=f"in use by process {os.getpid()}"),
        EmbeddedPostgres(home, fsync=False),
    ):
        pass
    assert gone(home)


@linux
async def test_kill_9_of_the_launcher_ends_postgres_cleanly(home: Path) -> None:
    launcher, url = launch(home)
    connection = await asyncpg.connect(url)
    await connection.execute("create table open_session (id int)")
    kill(launcher)
    assert gone(home)
    last = (home / "postgres.log").read_text().splitlines()[-1]
    assert "database system is shut down" in last
    with contextlib.suppress(asyncpg.PostgresError, OSError):
        await connection.close()


@linux
@as_root
async def test_a_plain_user_starts_it_too_and_owns_the_data(fresh: Path) -> None:
    user = pwd.getpwnam("nobody").pw_uid
    fresh.mkdir()
    os.chown(fresh, user, user)
    launcher, url = launch(fresh, str(user))
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select 1") == 1
    await connection.close()
    assert (fresh / "postgres").stat().st_uid == user
    kill(launcher)
    assert gone(fresh)


@as_root
def test_as_root_the_data_is_nobodys_and_no_folder_above_is_loosened(fresh: Path) -> None:
    before = fresh.parent.stat().st_mode
    with EmbeddedPostgres(fresh, fsync=False) as postgres:
        assert postgres.process
        status = Path(f"/proc/{postgres.process.pid}/status").read_text()
        assert (fresh / "postgres").stat().st_mode & 0o777 == 0o700
        assert (fresh / "run").stat().st_mode & 0o777 == 0o700
    assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}" in status
    assert fresh.parent.stat().st_mode == before


@as_root
def test_as_root_a_folder_that_nobody_may_not_enter_is_refused_not_opened(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with (
        pytest.raises(EmbeddedPostgresError, match="nobody, who may not enter"),
        EmbeddedPostgres(tmp_path / "data", fsync=False),
    ):
        pass
    assert tmp_path.stat().st_mode & 0o777 == 0o700


async def test_a_pid_file_left_by_a_power_loss_is_survived(home: Path) -> None:
    with EmbeddedPostgres(home, fsync=False) as postgres:
        pid_file = postgres.data / "postmaster.pid"
        left = pid_file.read_text().split("\n")
    stranger = subprocess.Popen(["sleep", "60"])
    pid_file.write_text("\n".join([str(stranger.pid), *left[1:]]))
    try:
        with EmbeddedPostgres(home, fsync=False) as postgres:
            connection = await asyncpg.connect(postgres.url())
            assert await connection.fetchval("select 1") == 1
            await connection.close()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@linux
async def test_kill_9_of_postgres_itself_loses_nothing_and_start_brings_it_back(
    home: Path,
) -> None:
    with EmbeddedPostgres(home) as postgres:
        connection = await asyncpg.connect(postgres.url())
        await connection.execute("create table kept as select 7 as n")
        assert postgres.process
        postgres.process.kill()
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            await connection.close()
        while postgres.alive():
            time.sleep(0.01)
        postgres.start()
        connection = await asyncpg.connect(postgres.url())
        assert await connection.fetchval("select n from kept") == 7
        await connection.close()


def test_a_throwaway_leaves_no_folder() -> None:
    with EmbeddedPostgres(throwaway=True, fsync=False) as postgres:
        home = postgres.home
        assert home.exists()
    assert not home.exists()


async def test_a_folder_too_deep_for_a_socket_gets_a_short_private_one(fresh: Path) -> None:
    deep = fresh / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir(parents=True)
    with EmbeddedPostgres(deep, fsync=False) as postgres:
        assert len(str(postgres.run)) < embedded.LONGEST_SOCKET_FOLDER
        assert postgres.run.stat().st_mode & 0o777 == 0o700
        connection = await asyncpg.connect(postgres.url())
        assert await connection.fetchval("select 1") == 1
        await connection.close()
        run = postgres.run
    run.rmdir()


async def test_a_database_is_created_from_a_template_and_dropped(home: Path) -> None:
    with EmbeddedPostgres(home, fsync=False) as postgres:
        url = await postgres.create_database("one")
        connection = await asyncpg.connect(url)
        await connection.execute("create table note (id int)")
        await connection.close()
        connection = await asyncpg.connect(await postgres.create_database("two", template="one"))
        assert await connection.fetchval("select count(*) from note") == 0
        await connection.close()
        await postgres.drop_database("two")
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await asyncpg.connect(postgres.url("two"))


def test_without_the_kernels_help_a_watcher_ends_the_child() -> None:
    source = (
        "import os, subprocess, sys, time\n"
        "from api import children\n"
        "children.by_kernel = False\n"
        "child = children.spawn([sys.executable, '-c', 'import os, time;"
        " print(os.getpid(), flush=True); time.sleep(60)'])\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, cwd=embedded.CHECKOUT
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    kill(parent)
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()


def test_stopping_a_child_that_ignores_requests_kills_it_in_the_end() -> None:
    child = children.spawn(
        [
            sys.executable,
            "-c",
            "import signal, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n"
            "time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert child.stdout.readline() == b"deaf\n"
    children.stop(child, signal.SIGTERM, patience=0.2)
    assert child.returncode == -signal.SIGKILL
    child.stdout.close()
