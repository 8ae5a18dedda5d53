"""The register's open feed, read as it is: a CSV in, rows for COPY and rejected rows out.

What the file may bring: UTF-8 with or without BOM, UTF-16 or TIS-620; numbers quoted as
`="10180000125417"`; header names in any case and of several habits; NUL bytes; rows with too few
or too many columns; no position, or one with latitude and longitude swapped; the same number
twice. A row is refused only when it cannot be told which factory it speaks of or in what state
it is; anything lesser is dropped from the row and noted.

Pure: no data base. Run as a process (`python -m api.factories.feed …`) it writes frames to its
standard output, so that reading and loading run side by side.
"""

from __future__ import annotations

import codecs
import csv
import gc
import hashlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from api.factories import feed_row
from api.factories.feed_row import Note, Refused

CHUNK = 5_000
"""Rows a transaction: a long one would hold back every phone's pull."""

_ALIASES = {
    "fid": ("FID", "FACTORY_ID", "FACREG_NEW"),
    "shown": ("DISPFACREG", "DISP_FACREG", "FACREG_DISP"),
    "type": ("FACTYPE", "CLASS", "FAC_TYPE"),
    "name": ("FNAME", "FACTORY_NAME"),
    "operator": ("ONAME", "OWNER_NAME", "OPERATOR_NAME"),
    "number": ("FADDR", "ADDR"),
    "moo": ("FMOO", "MOO"),
    "soi": ("FSOI", "SOI"),
    "road": ("FROAD", "ROAD"),
    "subdistrict": ("FTUMNAME", "TUMNAME", "TAMBON"),
    "district": ("FAMPNAME", "AMPNAME", "AMPHOE"),
    "province": ("FPROVNAME", "PROVNAME", "PROVINCE"),
    "hp": ("HP", "HORSEPOWER"),
    "workers": ("TOTAL_WORKER", "TOTALWORKER", "WORKER", "WORKERS"),
    "lat": ("LAT", "LATITUDE", "LATITUDE_Y"),
    "lng": ("LNG", "LON", "LONG", "LONGITUDE", "LONGITUDE_X"),
    "isic": ("ISIC_CODE", "ISIC"),
    "estate": ("ESTATE_NAME_TH", "ESTATE_NAME", "ESTATE"),
    "status": ("STATUS", "FFLAG"),
}


class FeedNotUnderstood(Exception):
    """The file as a whole is not the register's feed; the message says what is missing."""


class Rejected(msgspec.Struct, array_like=True):
    """A line of the report. `kept`: the row was stored without the faulty part.

    `value` is a number or a code of the register, never a person's name.
    """

    line: int
    kept: bool
    field: str
    reason: str
    th: str
    en: str
    value: str = ""


class Chunk(msgspec.Struct, array_like=True):
    """A stretch of the file as COPY text, with what was refused of it.

    `read` counts every row seen, `rows` those in `copy`, of which `keys` are the numbers; `end`
    marks the last chunk; `fault` says why the whole file cannot be read.
    """

    number: int
    read: int
    rows: int
    copy: bytes
    keys: list[str]
    rejected: list[Rejected]
    offset: int
    end: bool = False
    fault: str = ""


class Survey(msgspec.Struct):
    """What a first pass over the bytes shows. `sha256` identifies the file."""

    sha256: str
    size: int
    encoding: str


def survey(path: Path) -> Survey:
    """Hashes the file and finds its encoding; raises `OSError`."""
    digest = hashlib.sha256()
    utf8: Any = codecs.getincrementaldecoder("utf-8")()
    encoding, size = "utf-8-sig", 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            if size == 0 and block[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                encoding = "utf-16"
            size += len(block)
            digest.update(block)
            if encoding == "utf-8-sig":
                try:
                    utf8.decode(block)
                except UnicodeDecodeError:
                    encoding = "cp874"  # TIS-620 as Windows writes it
    return Survey(digest.hexdigest(), size, encoding)


def _columns(header: list[str]) -> tuple[dict[str, int], list[str]]:
    known = {name.strip().strip('"').lstrip("\ufeff").upper(): i for i, name in enumerate(header)}
    found = {
        field: known[name]
        for field, names in reversed(_ALIASES.items())
        for name in reversed(names)
        if name in known
    }
    missing = [_ALIASES[field][0] for field in ("name", "status") if field not in found]
    if "fid" not in found and "shown" not in found:
        missing.append("FID")
    return found, missing


class _Line:
    """The lines of the file, with the count of the one that was read last."""

    def __init__(self, file: Any) -> None:
        self.file, self.number = file, 0

    def __iter__(self) -> Iterator[str]:
        for line in self.file:
            self.number += 1
            yield line.replace("\0", "") if "\0" in line else line


def read(
    path: Path, encoding: str, size: int = CHUNK, part: int = 0, parts: int = 1
) -> Iterator[Chunk]:
    """The file in chunks of at most `size` rows; raises `FeedNotUnderstood` and `OSError`.

    Of several readers of one file each converts the chunks whose number modulo `parts` is `part`.
    """
    csv.field_size_limit(20_000)  # a stray quote must not swallow the rest of the file
    with path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding, errors="replace", newline="")
        lines = _Line(text)
        first = next(iter(lines), "")
        delimiter = max(",;\t|", key=first.count)
        header = next(csv.reader([first], delimiter=delimiter), [])
        columns, missing = _columns(header)
        if missing:
            raise FeedNotUnderstood(f"the header lacks {', '.join(missing)}: {first[:200]!r}")
        rows = csv.reader(lines, delimiter=delimiter)
        convert = feed_row.Converter(columns, len(header))
        number, more = 0, True
        while more:
            if number % parts == part:
                chunk = _chunk(number, rows, lines, convert, size)
                chunk.offset = raw.tell()
                more = not chunk.end
                yield chunk
            else:
                more = _skip(rows, size)
            number += 1


def _chunk(number: int, rows: Any, lines: _Line, convert: feed_row.Converter, size: int) -> Chunk:
    made = Chunk(number, 0, 0, b"", [], [], 0)
    copy, keys, rejected = bytearray(), made.keys, made.rejected
    while made.read < size:
        start = lines.number + 1
        try:
            row = next(rows, None)
            if row is None:
                made.end = True
                break
            if not row:
                continue
            made.read += 1
            key, line, notes = convert(row, start)
            copy += line
            keys.append(key)
            if notes:
                rejected += [_rejection(start, note, kept=True) for note in notes]
        except Refused as refused:
            rejected.append(_rejection(start, refused.note, kept=False))
        except csv.Error as error:
            made.read += 1
            rejected.append(
                Rejected(
                    start,
                    False,
                    "",
                    "unreadable",
                    f"อ่านบรรทัดที่ {start}–{lines.number} ไม่ได้ เครื่องหมายคำพูดไม่ครบคู่",
                    f"lines {start} to {lines.number} cannot be read: a quote has no end",
                    str(error)[:80],
                )
            )
    made.rows, made.copy = len(keys), bytes(copy)
    return made


def _skip(rows: Any, size: int) -> bool:
    """Passes over what another reader converts; False at the end of the file."""
    left = size
    while left:
        try:
            row = next(rows, None)
        except csv.Error:
            row = [""]
        if row is None:
            return False
        if row:
            left -= 1
    return True


def _rejection(line: int, note: Note, *, kept: bool) -> Rejected:
    return Rejected(line, kept, note.field, note.reason, note.th, note.en, note.value)


def main() -> None:
    """`PATH SIZE PART PARTS`; the encoding is the first line of standard input.

    Each chunk leaves on standard output as a length (4 bytes, big endian) and MessagePack.
    """
    gc.disable()  # rows make no cycles
    path, size, part, parts = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    feed_row.warm()
    encoding = sys.stdin.readline().strip()
    out = sys.stdout.buffer
    encode = msgspec.msgpack.Encoder().encode

    def send(chunk: Chunk) -> None:
        frame = encode(chunk)
        out.write(len(frame).to_bytes(4, "big"))
        out.write(frame)
        out.flush()

    try:
        for chunk in read(path, encoding, size, part, parts):
            send(chunk)
    except FeedNotUnderstood as fault:
        send(Chunk(0, 0, 0, b"", [], [], 0, end=True, fault=str(fault)))
    except BrokenPipeError:
        sys.stderr.close()


__all__ = ["CHUNK", "Chunk", "FeedNotUnderstood", "Rejected", "Survey", "read", "survey"]

if __name__ == "__main__":
    main()
