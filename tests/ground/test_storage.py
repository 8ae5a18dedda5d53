"""Objects in a folder and in a real S3 protocol server, by the same tests."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from obstore.exceptions import GenericError

from api import ids, storage
from api.settings import Settings
from api.storage import (
    PART,
    ObjectExists,
    ObjectMissing,
    Storage,
    StorageFull,
    StorageUnreachable,
    once,
)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with a bucket `evidence`."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    request = urllib.request.Request(f"http://{host}:{port}/evidence", method="PUT")
    urllib.request.urlopen(request).close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return Storage.open(Settings(data_dir=str(tmp_path)))
    return bucket(request.getfixturevalue("s3"))


def bucket(endpoint: str) -> Storage:
    return Storage.open(
        Settings(
            storage_url="s3://evidence/some/prefix",
            storage_endpoint=endpoint,
            storage_region="us-east-1",
            storage_access_key="sample",
            storage_secret_key="sample",
            storage_timeout_s=2,
        )
    )


def key() -> str:
    return f"tests/{ids.new()}"


async def pieces(data: bytes, of: int = 70_001) -> AsyncIterator[bytes]:
    for start in range(0, len(data), of):
        yield data[start : start + of]


async def read(store: Storage, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, start, end)])


@pytest.mark.parametrize("size", [0, 1, 300_000, 2 * PART + 17])
async def test_what_was_written_is_read_again(store: Storage, size: int) -> None:
    data, name = os.urandom(size), key()
    await store.write(name, pieces(data))
    assert await read(store, name) == data
    assert await store.size(name) == size


async def test_a_range_is_read_without_the_rest(store: Storage) -> None:
    data, name = os.urandom(900_000), key()
    await store.write(name, pieces(data))
    assert await read(store, name, 5, 9) == data[5:9]
    assert await read(store, name, 899_990) == data[899_990:]
    assert await read(store, name, 7, 7) == b""


@pytest.mark.parametrize("size", [3, 2 * PART])
async def test_a_key_is_written_once(store: Storage, size: int) -> None:
    name = key()
    await store.write(name, once(b"first"))
    with pytest.raises(ObjectExists):
        await store.write(name, pieces(os.urandom(size)))
    assert await read(store, name) == b"first"


@pytest.mark.parametrize("size", [100, 2 * PART])
async def test_what_breaks_off_leaves_nothing(store: Storage, size: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        async for piece in pieces(os.urandom(size)):
            yield piece
        raise RuntimeError("the line is cut")

    name = key()
    with pytest.raises(RuntimeError):
        await store.write(name, breaking())
    with pytest.raises(ObjectMissing):
        await store.size(name)
    if store.folder:
        assert not [
            p for p in (store.folder / "tests").iterdir() if name.rpartition("/")[2] in p.name
        ]


async def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(store: Storage) -> None:
    name = key()
    await store.write(name, once(b"x"))
    await store.delete(name)
    await store.delete(name)
    with pytest.raises(ObjectMissing):
        await read(store, name)


async def test_a_healthy_store_says_so(store: Storage) -> None:
    await store.check()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../b", "a", "a//b", "a/.hidden", "a\\b/c"]
)
async def test_a_key_never_leaves_its_place(store: Storage, name: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await store.write(name, once(b"x"))


async def test_a_store_that_is_away_is_a_problem_and_no_fault(s3: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        away = bucket(f"http://127.0.0.1:{listening.getsockname()[1]}")
    with pytest.raises(StorageUnreachable):
        await away.write(key(), once(b"x"))
    with pytest.raises(StorageUnreachable):
        await away.check()
    wrong = Storage.open(
        Settings(
            storage_url="s3://no-such-bucket/x",
            storage_endpoint=s3,
            storage_region="us-east-1",
            storage_access_key="sample",
            storage_secret_key="sample",
        )
    )
    with pytest.raises((StorageUnreachable, ObjectMissing)):
        await wrong.check()


async def test_a_store_says_what_ails_it_and_is_not_asked_all_the_time(
    store: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await store.ails() == ""

    async def full(self: Storage, key: str, chunks: object) -> None:
        raise StorageFull

    monkeypatch.setattr(Storage, "write", full)
    assert await store.ails() == ""
    monkeypatch.setattr(storage, "LOOK_S", 0.0)
    assert await store.ails() == "ground/storage-full"


async def test_no_room_is_a_problem_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(28, os.strerror(28))

    store = Storage.open(Settings(data_dir=str(tmp_path)))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        name = key()
        with pytest.raises(StorageFull):
            await store.write(name, once(b"x"))
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


class _Full(BaseHTTPRequestHandler):
    """A bucket without room."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(507)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


async def test_a_bucket_without_room_says_so_by_its_status() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Full)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(StorageFull):
        await bucket(f"http://127.0.0.1:{server.server_port}").write(key(), once(b"x"))
    server.shutdown()
    server.server_close()


def test_a_store_that_is_away_is_never_taken_for_a_full_one_by_the_time_it_took() -> None:
    with pytest.raises(StorageUnreachable), storage._as_problems():
        raise GenericError(
            "Generic S3 error: Error performing PUT http://127.0.0.1:507/evidence/one in 507.4ms,"
            " after 2 retries, max_retries: 2, retry_timeout: 2s  - HTTP error: error sending"
        )


async def test_a_file_system_without_nameless_files_does_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = os.open

    def without(path: Any, flags: int, *mode: Any, **options: Any) -> int:
        if flags & getattr(os, "O_TMPFILE", 0) == getattr(os, "O_TMPFILE", -1):
            raise OSError(errno.EOPNOTSUPP, "no")
        return opening(path, flags, *mode, **options)

    store, name = Storage.open(Settings(data_dir=str(tmp_path))), key()
    monkeypatch.setattr(os, "open", without)
    await store.write(name, once(b"first"))
    with pytest.raises(ObjectExists):
        await store.write(name, once(b"second"))
    assert await read(store, name) == b"first"
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [name.rpartition("/")[2]]


async def test_files_are_synced_before_they_get_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def note_sync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def note_link(source: Path, target: Path, **options: Any) -> None:
        done.append("name")
        link(source, target, **options)

    store = Storage.open(Settings(data_dir=str(tmp_path)))
    await store.write(key(), once(b"makes the folder"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", note_sync)
        patched.setattr(os, "link", note_link)
        await store.write(key(), once(b"x"))
    assert done == ["file", "name", "folder"]


def test_the_storage_of_the_process_is_that_of_its_settings(tmp_path: Path) -> None:
    mine = Storage.open(Settings(data_dir=str(tmp_path)))
    storage.use(mine)
    try:
        assert storage.current() is mine
    finally:
        storage.use(None)
