"""From an upload to evidence: the worker puts the parts together, hashes again, signs a receipt.

An upload of one part, as photographs are, is an original already: its object is written once and
synced. Longer ones are written anew, whole. Nothing is evidence before its bytes are stored and
their hash is the one that the sender claimed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from api import events, ids, jobs, keys, storage
from api.db import Database, Tx
from api.evidence import content, queries
from api.evidence.model import UPLOAD_MOVES, Flag, Part, UploadRow
from api.evidence.uploads import SWEEP
from api.jobs import Job
from api.permissions import Worker

LEASE = timedelta(minutes=10)
_flags = msgspec.json.Decoder(list[Flag])


async def assemble(db: Database, job: Job) -> None:
    """Makes an upload that is whole to evidence, or refuses it. Run again it ends the same way."""
    id = UUID(job.args["upload"])
    async with db.read(Worker("evidence")) as tx:
        held = await queries.upload(tx, id)
        parts = await queries.parts(tx, held.parts) if held else []
    if held is None or ("refuse", held.state) not in UPLOAD_MOVES:
        return  # done before
    reading = _Hashing(_joined(parts))
    async for _ in reading:
        pass
    if (reading.size, reading.digest()) != (held.size, held.sha256):
        async with db.begin(Worker("evidence")) as tx:
            await _refuse(tx, held)
        return
    key = parts[0].key
    if len(parts) > 1:
        key = f"originals/{id.hex[-2:]}/{held.parts}"
        await _write_original(key, parts, held)
    async with db.begin(Worker("evidence")) as tx:
        await _keep(tx, held, key, content.media_type(reading.head))


async def _write_original(key: str, parts: Sequence[Part], held: UploadRow) -> None:
    writing = _Hashing(_joined(parts), expecting=held.sha256)
    try:
        await storage.current().write(key, writing)
    except storage.ObjectExists:  # by this job, before it could say so
        again = _Hashing(storage.current().read(key), expecting=held.sha256)
        async for _ in again:
            pass


async def _refuse(tx: Tx, held: UploadRow) -> None:
    if await queries.refuse(tx, held.id, held.parts, ids.new()):
        await jobs.enqueue(tx, SWEEP, key="now")
        await _tell(tx, "evidence.refused", held)


async def _keep(tx: Tx, held: UploadRow, key: str, media: str) -> None:
    await tx.lock([held.id])
    if not await queries.delete_upload(tx, held.id, held.parts):
        return  # another worker was faster
    flags = _flags.decode(held.flags)
    if media == content.UNKNOWN:
        flags.append(Flag("type.unknown"))
    elif held.media_claimed and held.media_claimed not in (media, content.UNKNOWN):
        flags.append(Flag("type.differs", {"claimed": held.media_claimed}))
    fresh = await queries.insert_evidence(
        tx,
        held,
        key=key,
        media=media,
        flags=msgspec.json.encode(flags).decode(),
        receipt=sign(tx, held),
    )
    if not fresh:  # announced again in the moment in which it became evidence
        return
    await queries.forget_part(tx, key)
    await jobs.enqueue(tx, SWEEP, key="now")
    await _tell(tx, "evidence.completed", held)


async def _tell(tx: Tx, event: str, held: UploadRow) -> None:
    facts: dict[str, object] = {"size": held.size}
    if held.account is not None:  # a hash would tell whose photograph it is
        facts["sha256"] = held.sha256.hex()
    scopes = [events.account(held.account)] if held.account is not None else []
    await events.record(tx, event, "evidence", held.id, scopes=scopes, facts=facts)


def sign(tx: Tx, held: UploadRow) -> str:
    """A compact JWS (RFC 7515) over what the server holds; its key is in our JWKS."""
    kid, private = keys.ring().signer(keys.Purpose.receipt)
    header = {"alg": "EdDSA", "kid": kid, "typ": "receipt+jws"}
    payload = {
        "evidence": held.id,
        "sha256": held.sha256.hex(),
        "size": held.size,
        "received_at": tx.now,
    }
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, payload))
    return b".".join((signed, _base64url(private.sign(signed)))).decode()


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


async def _joined(parts: Sequence[Part]) -> AsyncIterator[bytes]:
    for part in parts:
        async for chunk in storage.current().read(part.key):
            yield chunk


class _Hashing:
    """Chunks on their way; afterwards their size, first bytes and SHA-256.

    With `expecting` other bytes end in a RuntimeError, before they get a name in the storage.
    """

    def __init__(self, chunks: AsyncIterable[bytes], expecting: bytes | None = None) -> None:
        self._chunks, self._expecting = chunks, expecting
        self._hash = hashlib.sha256()
        self.size, self.head = 0, b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self._hash.update(chunk)
            self.size += len(chunk)
            if len(self.head) < content.HEAD:
                self.head = (self.head + chunk)[: content.HEAD]
            yield chunk
        if self._expecting is not None and self.digest() != self._expecting:
            raise RuntimeError("the bytes of an upload have changed")

    def digest(self) -> bytes:
        return self._hash.digest()


# --- what is left over --------------------------------------------------------------------------


async def sweep(db: Database, job: Job) -> None:
    """Forgets uploads that nobody went on with, and deletes parts that belong to nothing."""
    async with db.begin(Worker("evidence")) as tx:
        await queries.delete_expired(tx)
    while True:
        async with db.read(Worker("evidence")) as tx:
            found = await queries.left_over(tx, tx.now - timedelta(days=1), 200)
        for key in found:
            await storage.current().delete(key)
            async with db.begin(Worker("evidence")) as tx:
                await queries.forget_part(tx, key)
        if len(found) < 200:
            return
