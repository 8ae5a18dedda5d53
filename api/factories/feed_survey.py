"""A first pass over a file's bytes: what it is, how it is encoded, where it may be cut."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from pathlib import Path
from typing import Any, TextIO

import msgspec

BLOCK = 2 << 20
"""Bytes after which a block may end: about 4,000 rows of the register."""
_PIECE = 1 << 18


class Block(msgspec.Struct, array_like=True):
    """Bytes `start` to `start + length` hold whole rows; `line` lines of the file lie before."""

    start: int
    length: int
    line: int


class Survey(msgspec.Struct):
    """What the bytes show. `sha256` identifies the file; `blocks` can be read independently."""

    sha256: str
    size: int
    encoding: str
    blocks: list[Block]


def survey(path: Path) -> Survey:
    """Hashes the file, finds its encoding and where rows end; raises `OSError`."""
    digest = hashlib.sha256()
    utf8: Any = codecs.getincrementaldecoder("utf-8")()
    encoding, size, cutter = "utf-8-sig", 0, _Cutter()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if size == 0 and piece[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                encoding = "utf-16"
            size += len(piece)
            digest.update(piece)
            cutter.take(piece)
            if encoding == "utf-8-sig":
                try:
                    utf8.decode(piece)
                except UnicodeDecodeError:
                    encoding = "cp874"  # TIS-620 as Windows writes it
    blocks = [Block(0, size, 0)] if encoding == "utf-16" else cutter.finish()
    return Survey(digest.hexdigest(), size, encoding, blocks)


def first_row(path: Path, facts: Survey) -> tuple[list[str], str, str]:
    """(the names of the columns, what parts them, the line as it stands)."""
    with path.open(encoding=facts.encoding, errors="replace", newline="") as file:
        first = file.readline(10_000)
    delimiter = max(",;\t|", key=first.count)
    return next(csv.reader([first.replace("\0", "")], delimiter=delimiter), []), delimiter, first


def text_of(path: Path, facts: Survey, block: Block) -> TextIO:
    """The lines of one block, without NUL bytes; what cannot be decoded becomes U+FFFD."""
    if facts.encoding == "utf-16":
        return path.open(encoding=facts.encoding, errors="replace", newline="")
    with path.open("rb") as raw:
        raw.seek(block.start)
        plain = raw.read(block.length).replace(b"\0", b"")
    return io.StringIO(plain.decode(facts.encoding, "replace"), newline="")


class _Cutter:
    """Finds ends of lines where every quote that was opened has been closed.

    A stray quote keeps the count odd; then a block is cut at a line all the same, so that the
    damage ends there.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.at = self.start = self.line = self.lines = 0
        self.odd = False

    def take(self, piece: bytes) -> None:
        """The next bytes of the file."""
        length = self.at + len(piece) - self.start
        end, opened = piece.rfind(b"\n") + 1, 0
        if length >= BLOCK and end:
            for _ in range(40):
                opened = piece.count(b'"', 0, end)
                if (opened % 2 == 1) == self.odd:
                    return self._cut(piece, end, opened)
                end = piece.rfind(b"\n", 0, end - 1) + 1
                if not end:
                    break
            if length >= 4 * BLOCK:
                end = piece.rfind(b"\n") + 1
                return self._cut(piece, end, piece.count(b'"', 0, end))
        self.lines += piece.count(b"\n")
        self.odd ^= piece.count(b'"') % 2 == 1
        self.at += len(piece)
        return None

    def _cut(self, piece: bytes, end: int, quotes: int) -> None:
        self.lines += piece.count(b"\n", 0, end)
        self.blocks.append(Block(self.start, self.at + end - self.start, self.line))
        self.start, self.line = self.at + end, self.lines
        self.lines += piece.count(b"\n", end)
        self.odd = (piece.count(b'"') - quotes) % 2 == 1
        self.at += len(piece)

    def finish(self) -> list[Block]:
        """All blocks; a file without a byte is one empty block."""
        if self.at > self.start or not self.blocks:
            self.blocks.append(Block(self.start, self.at - self.start, self.line))
        return self.blocks
