"""The job that renders a document's PDF into the store, and reading it back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag

from api import keys, sealed, storage
from api.db import Database, Tx
from api.documents import contents, queries, rendering, service
from api.documents.model import NotRendered, RecordTampered, Row
from api.jobs import GiveUp, Job
from api.keys import Purpose
from api.permissions import Worker

LEASE: Final = timedelta(minutes=3)
Pictures = Callable[[Database, Sequence[UUID]], Awaitable[dict[UUID, bytes]]]
"""Gives images by evidence id, in the size of a screen and without metadata; leaves out what cannot
be shown. Raises `jobs.Later` while they are being made."""


def renderer(pictures: Pictures) -> Callable[[Database, Job], Awaitable[None]]:
    """The handler of `document.render`. Done twice, the first PDF counts."""

    async def render(db: Database, job: Job) -> None:
        document = UUID(job.args["document"])
        actor = Worker("document.render")
        async with db.read(actor) as tx:
            if await queries.file(tx, document) is not None:
                return
            row = await service.reached(tx, document)
            try:
                canonical, envelope = await service.opened(tx, row)
            except RecordTampered:
                raise GiveUp("the record is not what was signed") from None
            except sealed.Erased:
                raise GiveUp("the record was erased") from None
        wanted = list(dict.fromkeys(contents.images(envelope.content)))
        images = await pictures(db, wanted) if wanted else {}
        kid, private = keys.ring().signer(Purpose.document)
        try:
            made = await asyncio.to_thread(rendering.pdf, canonical, row.jws, images, kid, private)
        except rendering.Unrenderable as error:
            raise GiveUp(f"no template fits a {row.kind}") from error
        digest = hashlib.sha256(made).digest()
        key = f"documents/{document}/{digest.hex()}.pdf"
        async with db.read(actor) as tx:
            blob = await sealed.seal_bytes(tx, row.data_key, _cell(document), made)
        with contextlib.suppress(storage.ObjectExists):  # of an attempt that was cut off: the same
            await storage.current().write(key, storage.once(blob))
        async with db.begin(actor) as tx:
            await service.keep_file(tx, document, key, digest, len(made))

    return render


async def pdf(tx: Tx, row: Row) -> bytes:
    """The PDF as it was issued.

    Raises `NotRendered`, `RecordTampered` where the store has other bytes or none, `sealed.Erased`,
    `storage.StorageUnreachable`.
    """
    file = await service.checked_file(tx, row.id)
    if file is None:
        raise NotRendered()
    try:
        blob = b"".join([chunk async for chunk in storage.current().read(file.object)])
        made = await sealed.unseal_bytes(tx, _cell(row.id), blob)
    except (storage.ObjectMissing, InvalidTag, ValueError):
        raise RecordTampered() from None
    if hashlib.sha256(made).digest() != file.sha256:
        raise RecordTampered()
    return made


def _cell(id: UUID) -> sealed.Cell:
    return sealed.Cell("document", "pdf", id)
