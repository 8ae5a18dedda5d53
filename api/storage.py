"""Bytes outside the data base: a local folder, or any S3-compatible store (`SUPERAPP_STORAGE_*`).

An object is written whole or not at all, once, and is on the disk before `write` returns. Into a
bucket, and out of either, bytes go through obstore. Into a folder we write ourselves: obstore's
LocalStore never syncs, and would give the file its name before its bytes are safe; here a file is
synced first, then named, then its folder is synced.

Keys are relative paths of our own making, `uploads/4f/…`; nothing that a caller named is in one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from api import ids
from api import settings as config
from api.problems import Problem, Unavailable
from api.settings import Settings

T = TypeVar("T")
CHUNK = 256 * 1024
"""So many bytes are read at a time, and gathered before they are written."""
PART = 5 * 1024 * 1024
"""The smallest part that S3 takes but for the last; so much of an object is held in memory."""
LOOK_S = 30.0
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)+")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if os.name != "nt" else {errno.ENOSPC}
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}
_SAYS_FULL = re.compile(
    r"status code: 507\b|<Code>\w*(StorageFull|QuotaExceeded|InsufficientStorage)", re.IGNORECASE
)


class StorageFull(
    Problem,
    code="ground/storage-full",
    th="พื้นที่จัดเก็บไฟล์เต็ม กรุณาลองใหม่ภายหลัง ข้อมูลที่รับแล้วยังอยู่ครบ",
    en="There is no room left to store files; what was received before is safe, try again later",
):
    """Nothing of this request was stored (RFC 4918 §11.5)."""

    status = 507


class StorageUnreachable(
    Unavailable,
    code="ground/storage-unreachable",
    th="ระบบจัดเก็บไฟล์ไม่พร้อม กรุณาลองใหม่ภายหลัง",
    en="The file storage cannot be reached; try again later",
):
    """Nothing of this request was stored."""


class ObjectExists(Exception):
    """A key is written once; the caller chose one that is taken."""


class ObjectMissing(Exception):
    """No object has that key."""


class Storage:
    """One place for objects. `folder` is set for a local one, where writing is our own."""

    def __init__(self, store: LocalStore | S3Store, folder: Path | None) -> None:
        self.store, self.folder = store, folder
        self._threads = ThreadPoolExecutor(16, "storage")
        self._looked, self._ails = float("-inf"), ""

    @classmethod
    def open(cls, settings: Settings) -> Storage:
        """The store that the settings name; connects to nothing yet."""
        if not settings.storage_url:
            folder = settings.storage_folder
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(LocalStore(folder), folder.resolve())
        place = urlsplit(settings.storage_url)
        if place.scheme == "file":
            return cls.open_folder(Path(place.path))
        if place.scheme != "s3" or not place.netloc:
            raise ValueError("SUPERAPP_STORAGE_URL must be s3://bucket/prefix or file:///folder")
        given: dict[str, Any] = {
            "endpoint": settings.storage_endpoint or None,
            "region": settings.storage_region or None,
            "access_key_id": settings.storage_access_key or None,
            "secret_access_key": settings.storage_secret_key or None,
        }
        wait = timedelta(seconds=settings.storage_timeout_s)
        store = S3Store(
            place.netloc,
            prefix=place.path.strip("/") or None,
            client_options={
                "allow_http": settings.storage_endpoint.startswith("http://"),
                "connect_timeout": min(wait, timedelta(seconds=5)),
                "read_timeout": wait,
            },
            retry_config={"max_retries": 3, "retry_timeout": wait},
            **{name: value for name, value in given.items() if value},
        )
        return cls(store, None)

    @classmethod
    def open_folder(cls, folder: Path) -> Storage:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(folder), folder.resolve())

    # -- writing ---------------------------------------------------------------------------------

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Stores all of `chunks` under `key`, durably; an exception of `chunks` stores nothing.

        Raises `ObjectExists`, `StorageFull` and `StorageUnreachable`.
        """
        _check(key)
        with _as_problems():
            if self.folder is None:
                await self._write_bucket(key, chunks)
            else:
                await self._write_folder(self.folder / key, chunks)

    async def _write_folder(self, path: Path, chunks: AsyncIterable[bytes]) -> None:
        handle, aside = await self._run(_open_aside, path)
        finished = False
        try:
            gathered: list[bytes] = []
            size = 0
            async for chunk in chunks:
                gathered.append(chunk)
                size += len(chunk)
                if size >= CHUNK:
                    await self._run(_write_all, handle, gathered)
                    gathered, size = [], 0
            finished = True
            await self._run(_finish, handle, gathered, aside, path)
        finally:
            if not finished:
                await asyncio.shield(self._run(_clear, handle, aside))

    async def _write_bucket(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        rest = aiter(chunks)
        first = bytearray()
        async for chunk in rest:
            first += chunk
            if len(first) > PART:
                break
        else:
            await obstore.put_async(self.store, key, bytes(first), mode="create")
            return
        # In parts nothing can be made conditional: uniqueness is the data base's.
        if await self._exists(key):
            raise ObjectExists(key)
        await obstore.put_async(
            self.store,
            key,
            _chain(bytes(first), rest),
            use_multipart=True,
            chunk_size=PART,
            max_concurrency=1,
        )

    async def _exists(self, key: str) -> bool:
        try:
            await obstore.head_async(self.store, key)
        except FileNotFoundError:
            return False
        return True

    # -- reading ---------------------------------------------------------------------------------

    async def read(
        self, key: str, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to, not including, `end`.

        Raises `ObjectMissing` and `StorageUnreachable` at the first chunk.
        """
        _check(key)
        if end is not None and end <= start:
            return
        wanted: Any = (start, end) if end is not None else {"offset": start} if start else None
        options: Any = {"range": wanted} if wanted else None
        with _as_problems():
            found = await obstore.get_async(self.store, key, options=options)
            async for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    async def size(self, key: str) -> int:
        """In bytes. Raises `ObjectMissing` and `StorageUnreachable`."""
        _check(key)
        with _as_problems():
            return int((await obstore.head_async(self.store, key))["size"])

    async def delete(self, key: str) -> None:
        """Removes the object; one that is not there is gone already."""
        _check(key)
        with _as_problems():
            try:
                await obstore.delete_async(self.store, key)
            except FileNotFoundError:
                return

    async def check(self) -> None:
        """Writes, reads and deletes a small object; raises what `write` and `read` raise."""
        key = f"health/{ids.new()}"
        await self.write(key, once(b"ok"))
        try:
            if b"".join([chunk async for chunk in self.read(key)]) != b"ok":
                raise StorageUnreachable()
        finally:
            await self.delete(key)

    async def ails(self) -> str:
        """What is wrong, as a problem's code; empty when all is well. Looks every `LOOK_S`."""
        if time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            try:
                await self.check()
                self._ails = ""
            except (Problem, ObjectMissing) as error:
                self._ails = getattr(error, "code", "") or StorageUnreachable.code
        return self._ails

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


async def once(data: bytes) -> AsyncIterator[bytes]:
    """What fits into memory, as chunks for `write`."""
    yield data


async def _chain(first: bytes, rest: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _check(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise ValueError("not a key of ours")


@contextmanager
def _as_problems() -> Iterator[None]:
    """Translates what stores and folders raise."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectMissing() from error
    except (FileExistsError, AlreadyExistsError) as error:
        raise ObjectExists() from error
    except OSError as error:
        raise (StorageFull() if error.errno in _FULL else StorageUnreachable()) from error
    except BaseError as error:
        raise (StorageFull() if _SAYS_FULL.search(str(error)) else StorageUnreachable()) from error


# --- a local folder, in a thread ----------------------------------------------------------------


def _open_aside(path: Path) -> tuple[int, Path | None]:
    """A file in the folder where it will get its name; itself it has none where Linux can do that.

    Such a file is gone with a process that is killed; elsewhere it stays under the path returned.
    """
    try:
        return _nameless(path)
    except FileNotFoundError:
        _make_folder(path.parent)
        return _nameless(path)


def _nameless(path: Path) -> tuple[int, Path | None]:
    if sys.platform == "linux":
        try:
            return os.open(path.parent, os.O_WRONLY | os.O_TMPFILE, 0o600), None
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(aside, flags, 0o600), aside


def _name(handle: int, aside: Path | None, path: Path) -> None:
    """Unlike a rename it fails where the name is taken."""
    if aside is not None:
        os.link(aside, path)
        return
    # With a folder's descriptor, which an absolute path ignores, Python follows the link.
    os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle, follow_symlinks=True)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)
    _sync_folder(folder.parent)


def _write_all(handle: int, chunks: list[bytes]) -> None:
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            view = view[os.write(handle, view) :]


def _finish(handle: int, chunks: list[bytes], aside: Path | None, path: Path) -> None:
    try:
        _write_all(handle, chunks)
        os.fsync(handle)
        _name(handle, aside, path)
    finally:
        _clear(handle, aside)
    _sync_folder(path.parent)


def _clear(handle: int, aside: Path | None) -> None:
    os.close(handle)
    if aside is not None:
        aside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows syncs names with their files
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- this process's storage ---------------------------------------------------------------------

_current: Storage | None = None


def use(storage: Storage | None) -> None:
    """Makes `storage` that of this process; None: that of the settings, opened when needed."""
    global _current
    _current = storage


def current() -> Storage:
    global _current
    if _current is None:
        _current = Storage.open(config.current())
    return _current
