"""The feed's chunks in order: a small file is read in place, a large one by processes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from api.factories.feed import PARTS, Chunk, FeedNotUnderstood, Rejected, read
from api.factories.feed_survey import Survey, survey

READERS = 2
SMALL = 1 << 20
"""Bytes up to which starting processes would take longer than reading."""
ROOT = Path(__file__).resolve().parents[2]


class Source:
    """One file, surveyed and about to be read in chunks of `size` rows."""

    def __init__(self, path: Path, size: int, facts: Survey, readers: list[Process]) -> None:
        self.path, self.size, self.facts, self.readers = path, size, facts, readers

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Each chunk once; of a number that occurs twice in the file the first row counts.

        Raises `FeedNotUnderstood`. The numbers seen are all that is remembered of what was read.
        """
        seen: set[int | str] = set()
        parts = self._from_processes() if self.readers else self._in_place()
        async for part in parts:
            if part.fault:
                raise FeedNotUnderstood(part.fault)
            plain = "".join(part.keys).isdigit()
            fresh = set(map(int if plain else _marker, part.keys))
            if len(fresh) < len(part.keys) or not fresh.isdisjoint(seen):
                _drop_repeated(part, seen)
            seen |= fresh
            yield part

    def progress(self, part: Chunk) -> tuple[int, int]:
        """How many bytes lie behind `part`, and how many the file has."""
        block = self.facts.blocks[part.number // PARTS]
        return block.start + block.length, self.facts.size

    async def _in_place(self) -> AsyncIterator[Chunk]:
        parts = read(self.path, self.facts, self.size)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            yield part

    async def _from_processes(self) -> AsyncIterator[Chunk]:
        decode = msgspec.msgpack.Decoder(Chunk).decode
        for reader in self.readers:
            assert reader.stdin is not None
            reader.stdin.write(msgspec.json.encode(self.facts) + b"\n")
        for number in range(len(self.facts.blocks)):
            stdout = self.readers[number % len(self.readers)].stdout
            assert stdout is not None
            more = True
            while more:
                length = int.from_bytes(await stdout.readexactly(4), "big")
                part = decode(await stdout.readexactly(length))
                yield part
                more = not part.last


@asynccontextmanager
async def open_source(path: Path, size: int) -> AsyncIterator[Source]:
    """Surveys the file while the processes that will read it start; they end with us."""
    readers: list[Process] = []
    large = await asyncio.to_thread(lambda: path.stat().st_size > SMALL)
    try:
        for part in range(READERS if large else 0):
            arguments = (str(path.absolute()), str(size), str(part), str(READERS))  # noqa: ASYNC240
            module = (sys.executable, "-m", "api.factories.feed")
            readers.append(
                await asyncio.create_subprocess_exec(
                    *module, *arguments, stdin=PIPE, stdout=PIPE, limit=4 << 20, cwd=ROOT
                )
            )
        yield Source(path, size, await asyncio.to_thread(survey, path), readers)
    finally:
        for reader in readers:
            if reader.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    reader.kill()
            await reader.wait()


def _marker(key: str) -> int | str:
    return int(key) if key.isdigit() else key


def _drop_repeated(part: Chunk, seen: set[int | str]) -> None:
    """Leaves the first row of each number, here and in the file before."""
    kept, here = [], set[int | str]()
    for place, key in enumerate(part.keys):
        if (marker := _marker(key)) not in seen and marker not in here:
            here.add(marker)
            kept.append(place)
            continue
        part.rejected.append(
            Rejected(
                part.lines[place],
                False,
                "FID",
                "duplicate",
                "เลขทะเบียนนี้มีแล้วในแฟ้มเดียวกัน ใช้แถวแรก",
                "this number stands earlier in the same file; the first row counts",
                key,
            )
        )
    part.rejected.sort(key=lambda line: line.line)
    part.sites, part.licences = part.pick(part.sites, kept), part.pick(part.licences, kept)
    columns: list[list[Any]] = [part.lines, part.keys, part.hashes, part.told]
    for column in columns:
        column[:] = [column[place] for place in kept]
