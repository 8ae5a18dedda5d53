"""What an upload costs against the plainest streaming handler, and how much memory one holds.

Both write the same bytes into folders of one file system and sync file and folder. An upload is
creation and PATCH, as phones send them, up to the last 204; the worker does not run meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import psutil

from api import children, ids
from bench import frame
from bench.frame import Frame, median, spread
from bench.http import Phone
from bench.table import Row, row

PHOTOGRAPH = 5_000_000
AT_ONCE = 8
A_ROUND = 40
ROUNDS = 7
OPEN = 32  # uploads that stand open while memory is measured
SENT = 4_000_000  # of each of these, before it pauses
TUS = "Tus-Resumable: 1.0.0\r\n"


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where an answer is not what it must be, or bytes are missing."""
    frame.use(bench.conf)
    url = await bench.database("bench_upload")
    async with bench.connected(url) as db:
        token, _ = await bench.token(db, "inspector")
    data = os.urandom(PHOTOGRAPH)
    ours: list[float] = []
    plain: list[float] = []
    folder = bench.folder / "plain"
    folder.mkdir()
    async with bench.serving(url) as api, _plain(folder) as port:
        for n in range(ROUNDS + 1):
            ways = [(ours, bench.port, True), (plain, port, False)]
            for seconds, at, tus in ways if n % 2 else reversed(ways):
                took = await _round(at, token, data, tus=tus)
                if n:  # the first one warms up
                    seconds.append(took)
        _empty(folder)
        growth = await _memory(bench.port, token, api)
    await _check(bench, url, data)
    ratios = [p / o for p, o in zip(plain, ours, strict=True)]
    rate = A_ROUND * PHOTOGRAPH / 1e6
    return [
        row(
            "upload.vs_plain",
            median(ratios),
            f"{spread(ratios)}; {rate / median(ours):.0f} MB/s, plain {rate / median(plain):.0f}",
        ),
        row("upload.memory_mb", growth, f"{OPEN} open uploads, {SENT / 1e6:.0f} MB sent of each"),
    ]


async def _round(port: int, token: str, data: bytes, *, tus: bool) -> float:
    """Seconds for `A_ROUND` photographs, `AT_ONCE` at a time."""
    sha256 = hashlib.sha256(data).hexdigest()
    rest = iter(range(A_ROUND))

    async def phone() -> None:
        async with Phone(port, token) as line:
            for _ in rest:
                id = ids.new()
                if tus:
                    given = _creation(id, len(data), sha256)
                    made = await line.send("POST", "/v1/uploads", b"", given)
                    if made.status != 201:
                        raise RuntimeError(f"creation: {made.status} {made.body[:200]!r}")
                done = await line.send("PATCH", f"/v1/uploads/{id}", data, _patch(0))
                if done.status != 204:
                    raise RuntimeError(f"bytes: {done.status} {done.body[:200]!r}")

    begun = time.perf_counter()
    await asyncio.gather(*(phone() for _ in range(AT_ONCE)))
    return time.perf_counter() - begun


def _creation(id: UUID, size: int, sha256: str) -> str:
    pairs = {"id": str(id), "sha256": sha256, "filename": "IMG_0001.jpg"}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
    return f"{TUS}Upload-Length: {size}\r\nUpload-Metadata: {metadata}\r\n"


def _patch(offset: int) -> str:
    kind = "Content-Type: application/offset+octet-stream\r\n"
    return f"{TUS}Upload-Offset: {offset}\r\n{kind}"


async def _memory(port: int, token: str, pid: int) -> float:
    """MB by which the server grows for each upload that stands open in the middle of its body."""
    process, data = psutil.Process(pid), os.urandom(SENT)
    before = process.memory_info().rss
    most = before
    lines = []
    for _ in range(OPEN):
        id = ids.new()
        line = await Phone(port, token).__aenter__()
        lines.append(line)
        given = _creation(id, PHOTOGRAPH, hashlib.sha256(data).hexdigest())
        made = await line.send("POST", "/v1/uploads", b"", given)
        if made.status != 201:
            raise RuntimeError(f"creation: {made.status}")
        head = f"PATCH /v1/uploads/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        line.writer.write(f"{head}{_patch(0)}Content-Length: {PHOTOGRAPH}\r\n\r\n".encode())
    for line in lines:
        line.writer.write(data)
    for line in lines:
        await line.writer.drain()
        most = max(most, process.memory_info().rss)
    await asyncio.sleep(0.5)
    most = max(most, process.memory_info().rss)
    for line in lines:
        line.writer.close()
    await asyncio.sleep(1)
    return (most - before) / 1e6 / OPEN


async def _check(bench: Frame, url: str, data: bytes) -> None:
    """Every acknowledged byte is there, in objects of the right content."""
    async with bench.connected(url) as db, db.read() as tx:
        held = await tx.value("select count(*) from upload where state = 'checking'")
        keys = await tx.values("select key from upload_part where size is not null and start = 0")
    if held != A_ROUND * (ROUNDS + 1):
        raise RuntimeError(f"{held} uploads are whole")
    for key in keys[:20]:
        if (bench.conf.storage_folder / key).read_bytes() != data:
            raise RuntimeError(f"{key} holds other bytes")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@asynccontextmanager
async def _plain(folder: Path) -> AsyncIterator[int]:
    """The plain handler in a process of its own; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = children.spawn([sys.executable, "-m", "bench.plain", str(port), str(folder)])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            await asyncio.sleep(0.05)
        yield port
    finally:
        children.stop(server, signal.SIGTERM, patience=10)
