"""What the worker finds out about a picture: derived forms, EXIF held against the claims, likeness.

Decoding happens in `guarded.py` alone. What cannot be decoded stays evidence, with a flag.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from uuid import UUID

import msgspec

from api import events, permissions, settings, storage
from api.db import Database, Tx
from api.evidence import claims, content, queries
from api.evidence.model import EvidenceRow, Flag, Place, Said
from api.jobs import Job
from api.permissions import Worker

log = logging.getLogger("superapp.evidence")
EXAMINE = "evidence.examine"
LEASE = timedelta(minutes=3)
PATIENCE_S = 60.0
TIME_DIFFERS = timedelta(minutes=10)
POSITION_DIFFERS_M = 300.0
LIKE = 3
"""Pictures whose likenesses differ in at most so many of 64 bits are taken for the same."""
GUARDED = {
    flag.code: flag
    for flag in (
        Flag("image.unreadable"),
        Flag("image.too_large"),
        Flag("image.trailing_bytes"),
    )
}
"""What the guarded program may say; nothing else that it says counts."""
_PROGRAM = Path(__file__).with_name("guarded.py")
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}


class Exif(msgspec.Struct):
    taken_at: datetime | None = None
    lat: float | None = None
    lng: float | None = None


class Seen(msgspec.Struct):
    """What the guarded program said; `pictures` by form."""

    flags: list[str] = []
    width: int | None = None
    height: int | None = None
    exif: Exif = msgspec.field(default_factory=Exif)
    likeness: int | None = None
    lengths: dict[str, int] = {}
    pictures: dict[str, bytes] = {}


async def examine(db: Database, job: Job) -> None:
    """Looks at finished evidence and keeps what was found out, once."""
    id = UUID(job.args["record"])
    async with db.read(Worker("evidence")) as tx:
        (row,) = await queries.evidence(tx, [id], permissions.EVERYTHING)
    if row.found is not None:
        return
    seen = Seen()
    if row.media in content.PICTURES:
        seen = await look(row)
    kept = {form: await _store(row, form, data) for form, data in seen.pictures.items()}
    async with db.begin(Worker("evidence")) as tx:
        await _keep(tx, row, seen, kept)


async def _keep(tx: Tx, row: EvidenceRow, seen: Seen, kept: dict[str, str]) -> None:
    flags = [GUARDED[code] for code in seen.flags if code in GUARDED]
    if seen.likeness is not None:
        flags += compared(row, await claims.said(tx, row), seen.exif)
    told = row.complainant is not None
    same = None if told else await queries.same_bytes(tx, row)
    if same is not None:
        flags.append(Flag("photo.used_before", {"evidence": str(same), "same_bytes": True}))
    elif not told and seen.likeness is not None and _has_content(seen.likeness):
        like = await queries.like(tx, row, seen.likeness, LIKE)
        if like is not None:
            flags.append(Flag("photo.used_before", {"evidence": str(like), "same_bytes": False}))
    place = None
    # Where a complainant was stays in the original.
    if row.account is not None and seen.exif.lat is not None and seen.exif.lng is not None:
        where = Place(seen.exif.lat, seen.exif.lng)
        place = await claims.seal_place(tx, row.account, row.id, where)
    fresh = await queries.insert_examined(
        tx,
        row.id,
        width=seen.width,
        height=seen.height,
        taken_at=seen.exif.taken_at,
        place=place,
        likeness=seen.likeness,
        thumbnail=kept.get("thumbnail"),
        screen=kept.get("screen"),
        flags=flags,
    )
    if fresh:
        codes = [flag.code for flag in flags]
        await events.record(
            tx,
            "evidence.examined",
            "evidence",
            row.id,
            scopes=[events.account(row.account)] if row.account is not None else [],
            facts={"flags": codes},
        )


def _has_content(likeness: int) -> bool:
    """A wall or the sky is like every other one: too few edges say nothing."""
    return 6 <= likeness.bit_count() <= 58


def compared(row: EvidenceRow, said: Said, exif: Exif) -> list[Flag]:
    """EXIF against what the phone claimed; where either says nothing there is no difference."""
    flags = []
    if exif.taken_at is None and exif.lat is None:
        flags.append(Flag("exif.missing"))
    if exif.taken_at is not None and row.taken_at is not None:
        apart = abs(exif.taken_at - row.taken_at)
        if apart > TIME_DIFFERS:
            flags.append(Flag("exif.time_differs", {"minutes": round(apart.total_seconds() / 60)}))
    if None not in (exif.lat, exif.lng, said.lat, said.lng):
        metres = _metres(exif.lat, exif.lng, said.lat, said.lng)  # type: ignore[arg-type]
        if metres > POSITION_DIFFERS_M + (said.accuracy_m or 0):
            flags.append(Flag("exif.position_differs", {"metres": round(metres)}))
    return flags


def _metres(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    """The way on the ground (haversine)."""
    a, b = radians(lat1), radians(lat2)
    across = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(lng2 - lng1) / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(min(1.0, across)))


async def _store(row: EvidenceRow, form: str, data: bytes) -> str:
    """Writes a derived picture; one left by a worker that died is replaced."""
    key = f"derived/{row.id.hex[-2:]}/{row.id}-{form}"
    try:
        await storage.current().write(key, storage.once(data))
    except storage.ObjectExists:
        await storage.current().delete(key)
        await storage.current().write(key, storage.once(data))
    return key


# --- the guarded program ------------------------------------------------------------------------


async def look(row: EvidenceRow) -> Seen:
    """Decodes a picture in a process of its own; whatever happens there is a flag and no error."""
    conf = settings.current()
    if row.size > conf.image_max_bytes:
        return Seen(flags=["image.too_large"])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", str(_PROGRAM), _FORMATS[row.media], str(conf.image_max_pixels)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": "", "LC_ALL": "C.UTF-8"},
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, out = await asyncio.gather(_feed(process, row), _drain(process))
            await process.wait()
    except TimeoutError:
        return Seen(flags=["image.unreadable"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    line, _, rest = out.partition(b"\n")
    try:
        if process.returncode:
            raise ValueError
        seen = msgspec.json.decode(line, type=Seen)
    except ValueError:
        facts = {"evidence": str(row.id), "ended": process.returncode}
        log.warning("a picture ended the guarded step", extra={"facts": facts})
        return Seen(flags=["image.unreadable"])
    for form, length in seen.lengths.items():
        seen.pictures[form], rest = rest[:length], rest[length:]
    return seen


async def _feed(process: asyncio.subprocess.Process, row: EvidenceRow) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        async for chunk in storage.current().read(row.key):
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()


async def _drain(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.read()
