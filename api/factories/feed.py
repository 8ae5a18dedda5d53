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

import csv
import gc
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from api.factories import feed_row
from api.factories.feed_row import Note, Refused
from api.factories.feed_survey import Survey, first_row, text_of

CHUNK = 5_000
"""Rows a transaction: a long one would hold back every phone's pull."""

PARTS = 1_000
"""More chunks than a block can have: a chunk's number is its block's times this, and on."""

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


class Header(msgspec.Struct):
    """Where in a row each known field stands; how many columns there are; what parts them."""

    columns: dict[str, int]
    width: int
    delimiter: str


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
    """A stretch of the file: columns of equal length, one entry a row that can be stored.

    `lines` of the file, `keys`, `hashes` and `told` as in `feed_row.Row`; `sites` and `licences`
    are its COPY lines, one after the other.
    `read` counts every row seen; `last` marks the last chunk of a block; `fault` says why the
    whole file cannot be read.
    """

    number: int
    read: int
    lines: list[int]
    keys: list[str]
    hashes: list[str]
    told: list[str]
    sites: bytes
    licences: bytes
    rejected: list[Rejected]
    last: bool = False
    fault: str = ""

    def pick(self, lines: bytes, rows: Sequence[int]) -> bytes:
        """Of `sites` or `licences` the lines of `rows`, which are in order."""
        if len(rows) == len(self.keys):
            return lines
        each = lines.splitlines(keepends=True)
        return b"".join([each[n] for n in rows])

    @classmethod
    def empty(cls, number: int, fault: str = "") -> Chunk:
        return cls(number, 0, [], [], [], [], b"", b"", [], last=bool(fault), fault=fault)


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


def read_header(path: Path, facts: Survey) -> Header:
    """How the columns are named; raises `FeedNotUnderstood`."""
    names, delimiter, first = first_row(path, facts)
    columns, missing = _columns(names)
    if missing:
        raise FeedNotUnderstood(f"the header lacks {', '.join(missing)}: {first[:200]!r}")
    return Header(columns, len(names), delimiter)


def read(path: Path, facts: Survey, size: int = CHUNK) -> Iterator[Chunk]:
    """The whole file, chunk by chunk; raises `FeedNotUnderstood` and `OSError`."""
    header = read_header(path, facts)
    convert = feed_row.Converter(header.columns, header.width)
    for number in range(len(facts.blocks)):
        yield from read_block(path, facts, header, convert, number, size)


def read_block(
    path: Path, facts: Survey, header: Header, convert: feed_row.Converter, number: int, size: int
) -> Iterator[Chunk]:
    """The rows of one block in chunks of at most `size`; there is always at least one chunk."""
    csv.field_size_limit(20_000)  # a stray quote must not swallow the rest of the file
    with text_of(path, facts, facts.blocks[number]) as text:
        rows = csv.reader(text, delimiter=header.delimiter)
        if number == 0:
            next(rows, None)
        part, more = 0, True
        while more:
            chunk = _chunk(number * PARTS + part, rows, facts.blocks[number].line, convert, size)
            part, more = part + 1, not chunk.last
            yield chunk


def _chunk(
    number: int, rows: Any, lines_before: int, convert: feed_row.Converter, size: int
) -> Chunk:
    made = Chunk.empty(number)
    rejected = made.rejected
    sites: list[str] = []
    licences: list[str] = []
    while made.read < size:
        start = lines_before + rows.line_num + 1
        try:
            row = next(rows, None)
            if row is None:
                made.last = True
                break
            if not row:
                continue
            made.read += 1
            key, hashed, told, site, licence, notes = convert(row, start)
            made.lines.append(start)
            made.keys.append(key)
            made.hashes.append(hashed)
            made.told.append(told)
            sites.append(site)
            licences.append(licence)
            if notes:
                rejected += [_rejection(start, note, kept=True) for note in notes]
        except Refused as refused:
            rejected.append(_rejection(start, refused.note, kept=False))
        except csv.Error as error:
            made.read += 1
            end = lines_before + rows.line_num
            rejected.append(
                Rejected(
                    start,
                    False,
                    "",
                    "unreadable",
                    f"อ่านบรรทัดที่ {start}–{end} ไม่ได้ เครื่องหมายคำพูดไม่ครบคู่",
                    f"lines {start} to {end} cannot be read: a quote has no end",
                    str(error)[:80],
                )
            )
    made.sites, made.licences = "".join(sites).encode(), "".join(licences).encode()
    return made


def _rejection(line: int, note: Note, *, kept: bool) -> Rejected:
    return Rejected(line, kept, note.field, note.reason, note.th, note.en, note.value)


def main() -> None:
    """`PATH SIZE PART PARTS`; the `Survey`, as JSON, is the first line of standard input.

    Reads the blocks whose number modulo PARTS is PART. Each chunk leaves on standard output as a
    length (4 bytes, big endian) and MessagePack.
    """
    gc.disable()  # rows make no cycles
    path, size, part, parts = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    feed_row.warm()
    facts = msgspec.json.decode(sys.stdin.buffer.readline(), type=Survey)
    out = sys.stdout.buffer
    encode = msgspec.msgpack.Encoder().encode

    def send(chunk: Chunk) -> None:
        frame = encode(chunk)
        out.write(len(frame).to_bytes(4, "big"))
        out.write(frame)
        out.flush()

    try:
        header = read_header(path, facts)
        convert = feed_row.Converter(header.columns, header.width)
        for number in range(part, len(facts.blocks), parts):
            for chunk in read_block(path, facts, header, convert, number, size):
                send(chunk)
    except FeedNotUnderstood as fault:
        send(Chunk.empty(0, fault=str(fault)))
    except BrokenPipeError:
        sys.stderr.close()


__all__ = ["CHUNK", "PARTS", "Chunk", "FeedNotUnderstood", "Rejected", "read"]

if __name__ == "__main__":
    main()
