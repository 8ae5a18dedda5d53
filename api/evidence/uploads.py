"""Uploads by tus 1.0: create, go on, look, end.

The bytes of a request become part objects that never change. The offset moves past a part only
once it is stored and synced, by compare-and-set in the data base, so that any number of servers may
take requests for one upload: who is second is told where it stands. No transaction is open while
bytes flow; this is the one service that opens its own.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from api import events, ids, jobs, permissions, settings, storage
from api.db import Tx
from api.evidence import claims, queries
from api.evidence.metadata import Checksum
from api.evidence.model import (
    UPLOAD_MOVES,
    ChecksumDiffers,
    Creation,
    EvidenceDiffers,
    OffsetDiffers,
    Opened,
    TooManyUploads,
    Uploader,
    UploadNotFound,
    UploadState,
    UploadTooLarge,
)
from api.permissions import Session, Tracking

log = logging.getLogger("superapp.evidence")
ASSEMBLE, SWEEP = "evidence.assemble", "evidence.sweep"
OF_COMPLAINT = "complaint"
"""The kind of owner whose files keep no account."""
PART = 16 * 1024 * 1024
"""A longer request is stored in several parts, so that a server that dies loses at most one."""

Begin = Callable[[], AbstractAsyncContextManager[Tx]]


class Line(NamedTuple):
    """How a request speaks to the data base while its body flows: never for long."""

    begin: Begin
    """A transaction of the caller's, with the session still live."""
    read: Begin
    """Statements without a transaction."""


class Cut(Exception):
    """The line broke in the middle of a body; raised by its iterator."""


# --- verbs --------------------------------------------------------------------------------------


async def create(tx: Tx, creation: Creation) -> tuple[int, datetime | None]:
    """Announces a file under its sender's id; returns how much of it is here, and until when.

    The same id with the same hash and size is the same upload, or the finished evidence: sent again
    it goes on where it stands. One that was refused begins anew. Raises `UploadTooLarge`,
    `TooManyUploads`, `EvidenceDiffers`, and `UploadNotFound` where the id is another account's.
    """
    by = _uploader(tx)
    conf = settings.current()
    largest, many = conf.upload_max_bytes, conf.uploads_open
    if isinstance(tx.actor, Tracking):
        theirs = creation.claims
        theirs.owner_kind, theirs.owner = OF_COMPLAINT, tx.actor.complaint
        theirs.item = None  # words of theirs that nobody needs
        largest, many = min(largest, conf.complaint_file_bytes), conf.complaint_files
        await tx.lock([tx.actor.complainant])  # so that as many at once are not one more
    if creation.size > largest:
        raise UploadTooLarge(limit_bytes=largest)
    until = _until(tx)
    said = await claims.seal_said(tx, by.account, creation.id, creation.claims)
    if await queries.insert_upload(tx, by, creation, said, ids.new(), until, many):
        return 0, until
    await tx.lock([creation.id])
    for done in await queries.evidence(tx, [creation.id], permissions.EVERYTHING):
        _same(by, creation, done.by, done.size, done.sha256)
        return done.size, None
    held = await queries.upload(tx, creation.id)
    if held is None:
        raise TooManyUploads(limit=many, retry_after_s=60)
    if ("begin_anew", held.state) in UPLOAD_MOVES:
        if held.by != by:
            raise UploadNotFound()
        if held.size != creation.size or held.sha256 != creation.sha256:
            await queries.delete_upload(tx, held.id, held.parts)
            await queries.insert_upload(tx, by, creation, said, ids.new(), until, many)
            return 0, until
        await queries.begin_anew(tx, creation.id, ids.new(), until)
        return 0, until
    _same(by, creation, held.by, held.size, held.sha256)
    return held.received, held.expires_at


def _same(by: Uploader, creation: Creation, holder: Uploader, size: int, sha256: bytes) -> None:
    if holder != by:
        raise UploadNotFound()
    if size != creation.size or sha256 != creation.sha256:
        raise EvidenceDiffers()


async def standing(tx: Tx, id: UUID) -> tuple[int, int, datetime | None]:
    """(bytes received, bytes announced, until when); finished evidence is whole for ever.

    Raises `UploadNotFound`.
    """
    by = _uploader(tx)
    held = await queries.upload(tx, id)
    if held is not None and held.by == by and held.expires_at > tx.now:
        if held.state == UploadState.refused:
            raise UploadNotFound()
        return held.received, held.size, held.expires_at
    done = await queries.evidence(tx, [id], permissions.EVERYTHING)
    if not done or done[0].by != by:
        raise UploadNotFound()
    return done[0].size, done[0].size, None


async def end(tx: Tx, id: UUID) -> None:
    """Forgets an unfinished upload. Evidence stays. Raises `UploadNotFound`."""
    by = _uploader(tx)
    held = await queries.upload(tx, id)
    if held is None or held.by != by or held.state == UploadState.checking:
        raise UploadNotFound()
    await queries.delete_upload(tx, id, held.parts)
    await jobs.enqueue(tx, SWEEP, key="now")
    await events.record(tx, "upload.ended", "upload", id)


async def receive(
    line: Line,
    id: UUID,
    offset: int,
    body: AsyncIterator[bytes],
    *,
    length: int | None = None,
    checksum: Checksum | None = None,
) -> tuple[int, datetime | None]:
    """Stores `body` from `offset` on; returns where the upload stands, and until when.

    Cut off, what arrived is kept, unless it had a checksum, which then cannot hold. `length` is
    what the request announces. Raises `UploadNotFound`, `OffsetDiffers`, `UploadTooLarge`,
    `ChecksumDiffers`, and the storage's problems; then nothing more than the offset tells is held.
    """
    incoming = _Incoming(body, checksum)
    await incoming.fill()
    until: datetime | None = None
    while incoming.more:
        async with line.read() as tx:
            part = await _open(tx, id, offset)
        if length is not None and offset + length > part.size:
            await _drop(line, part, stored=False)
            raise UploadTooLarge(limit_bytes=part.size)
        try:
            await storage.current().write(part.key, incoming.part(part.size - offset))
        except storage.ObjectExists as error:
            raise OffsetDiffers(offset=offset) from error  # keys are drawn, never given
        except BaseException:
            await _drop(line, part, stored=False)
            raise
        if incoming.size == 0:
            await _drop(line, part, stored=True)
            break
        offset, until = await _close(line, id, part, offset, incoming.size)
        length = None if length is None else length - incoming.size
    if until is None:
        async with line.read() as tx:
            offset, _, until = await standing(tx, id)
    return offset, until


async def _open(tx: Tx, id: UUID, offset: int) -> Opened:
    by = _uploader(tx)
    key = f"uploads/{id.hex[-2:]}/{id}.{offset}-{ids.new().hex[-12:]}"
    part = await queries.open_part(tx, id, by, key, offset)
    if part is None:
        stands, _, _ = await standing(tx, id)
        raise OffsetDiffers(offset=stands)
    return part


async def _close(
    line: Line, id: UUID, part: Opened, offset: int, size: int
) -> tuple[int, datetime]:
    try:
        async with line.begin() as tx:
            until = _until(tx)
            whole = await queries.close_part(tx, id, part, offset, size, until)
            if whole is None:
                raise OffsetDiffers(offset=(await standing(tx, id))[0])
            if whole:
                await jobs.enqueue(tx, ASSEMBLE, {"upload": id}, key=f"{id}:{part.parts}")
    except OffsetDiffers:
        await _drop(line, part, stored=True)
        raise
    return offset + size, until


async def _drop(line: Line, part: Opened, *, stored: bool) -> None:
    """Forgets a part that counts for nothing; what fails here the sweep does a day later."""
    with contextlib.suppress(Exception):
        if stored:
            await storage.current().delete(part.key)
        async with line.read() as tx:
            await queries.forget_part(tx, part.key)


class _Incoming:
    """A body, taken part by part. After each part `size` says how long it was."""

    def __init__(self, body: AsyncIterator[bytes], checksum: Checksum | None) -> None:
        self._body, self._checksum = body, checksum
        self._held = b""
        self.more, self.cut = True, False
        self.size = 0

    async def fill(self) -> None:
        """Takes the next bytes, so that `more` is known."""
        while not self._held and self.more:
            try:
                self._held = await anext(self._body)
            except (StopAsyncIteration, Cut) as end:
                self.cut = isinstance(end, Cut)
                self.more = False

    async def part(self, room: int) -> AsyncGenerator[bytes, None]:
        """Bytes for one object; raises `UploadTooLarge` and `ChecksumDiffers` into the storage.

        With a checksum the whole body is one part: nothing may stand before it is known to hold.
        """
        self.size, limit = 0, room if self._checksum else min(room, PART)
        while self.more and self.size < limit:
            chunk = self._held[: limit - self.size]
            self._held = self._held[len(chunk) :]
            self.size += len(chunk)
            if self._checksum:
                self._checksum.add(chunk)
            yield chunk
            await self.fill()
        if self.more and self.size == room:
            raise UploadTooLarge(limit_bytes=room)
        if self._checksum and (self.cut or not self._checksum.holds()):
            raise ChecksumDiffers()


def _uploader(tx: Tx) -> Uploader:
    permissions.reaches(tx.actor, "evidence.upload")
    if isinstance(tx.actor, Tracking):
        return Uploader(complainant=tx.actor.complainant)
    assert isinstance(tx.actor, Session)
    return Uploader(account=tx.actor.account)


def _until(tx: Tx) -> datetime:
    return tx.now + timedelta(days=settings.current().upload_days)
