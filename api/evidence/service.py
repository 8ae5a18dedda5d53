"""Evidence for whoever may see it, and for the features that own it."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from api import clock, events, keys, permissions, settings, storage
from api.db import Tx
from api.evidence import claims, queries
from api.evidence.model import (
    Bound,
    Evidence,
    EvidenceNotFound,
    EvidenceRow,
    EvidenceState,
    EvidenceTaken,
    EvidenceUnknown,
    Flag,
    Form,
    Link,
    LinkInvalid,
    Position,
    Said,
    Uploader,
    UploadRow,
)
from api.permissions import Reach

FORMS: tuple[Form, ...] = ("original", "thumbnail", "screen")
_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/heic": "heic",
    "application/pdf": "pdf",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
}
SHOWN_FLAGS = frozenset({"image.unreadable", "image.too_large", "type.unknown", "type.differs"})
"""What officers are told of a complaint's file."""
_flags = msgspec.json.Decoder(list[Flag])
USED_BEFORE = "photo.used_before"
"""A flag that names other evidence, which is not everybody's to know of."""


# --- for the features above ---------------------------------------------------------------------


async def claim(
    tx: Tx,
    evidence_ids: Sequence[UUID],
    *,
    owner_kind: str,
    owner: UUID,
    province: str,
    company: UUID | None,
    visible_to_company: bool,
    class_: int | None,
    item: str | None = None,
) -> list[EvidenceRow]:
    """Binds finished evidence to its owner, and says who may see it; again it changes only that.

    `class_` is that of the factory; where it is None no local officer sees it. Without `item` the
    one that the sender named stays. The caller has checked that the sender may add to the owner.
    Raises `EvidenceUnknown` and `EvidenceTaken`.
    """
    await tx.lock(evidence_ids)
    rows = {row.id: row for row in await queries.evidence(tx, evidence_ids, permissions.EVERYTHING)}
    if missing := [str(id) for id in evidence_ids if id not in rows]:
        raise EvidenceUnknown(evidence=missing)
    for id in evidence_ids:
        bound = await queries.insert_claim(
            tx,
            id,
            owner_kind=owner_kind,
            owner=owner,
            item=item or rows[id].item,
            province=province,
            class_=class_,
            company=company,
            visible_to_company=visible_to_company,
        )
        if not bound:
            raise EvidenceTaken(evidence=str(id))
    return await queries.evidence(tx, evidence_ids, permissions.EVERYTHING)


async def of(tx: Tx, owner_kind: str, owner: UUID) -> list[EvidenceRow]:
    """Everything that belongs to `owner`, in the order of its arrival."""
    bound = [b.id for b in await queries.bound(tx, owner_kind, [owner])]
    rows = {row.id: row for row in await queries.evidence(tx, bound, permissions.EVERYTHING)}
    return [rows[id] for id in bound]


async def bound(tx: Tx, owner_kind: str, owners: Sequence[UUID]) -> dict[UUID, list[Bound]]:
    """Owner → its evidence in short, for views of many owners."""
    found: dict[UUID, list[Bound]] = {}
    for each in await queries.bound(tx, owner_kind, owners):
        found.setdefault(each.owner, []).append(each)
    return found


async def waiting(tx: Tx, owner_kind: str, owner: UUID) -> list[UUID]:
    """Evidence that names `owner` and that nobody has claimed."""
    return await queries.waiting(tx, owner_kind, owner)


async def one(tx: Tx, id: UUID) -> EvidenceRow:
    """For the system itself; raises `EvidenceUnknown`."""
    rows = await queries.evidence(tx, [id], permissions.EVERYTHING)
    if not rows:
        raise EvidenceUnknown(evidence=[str(id)])
    return rows[0]


async def made_where(tx: Tx, row: EvidenceRow) -> tuple[tuple[float, float] | None, float]:
    """Where it was made, as (latitude, longitude), and by how many metres that may be wrong.

    For comparing; who reads it is told by `read`.
    """
    return await claims.made_where(tx, row)


async def seen_as(tx: Tx, id: UUID, form: Form) -> AsyncIterator[bytes]:
    """The bytes of a form, to be read after `tx` has ended.

    Raises `EvidenceUnknown` also where there is no such form (not a picture, or not examined yet).
    """
    key = (await one(tx, id)).key_of(form)
    if key is None:
        raise EvidenceUnknown(evidence=[str(id)])
    return storage.current().read(key)


async def open_original(tx: Tx, id: UUID) -> AsyncIterator[bytes]:
    """As `seen_as(tx, id, "original")`."""
    return await seen_as(tx, id, "original")


# --- for readers --------------------------------------------------------------------------------


async def read(tx: Tx, id: UUID) -> Evidence:
    """An upload of the caller's, or evidence in their reach; raises `EvidenceNotFound`."""
    scope = permissions.scope(tx.actor, "evidence.read")
    for _ in range(2):  # between two statements an upload may become evidence: neither sees it then
        rows = await queries.evidence(tx, [id], scope)
        if rows:
            return await seen_by(tx, rows[0])
        held = await queries.upload(tx, id)
        if held is not None and held.by == _reader(tx):
            return await _upload_view(tx, held)
    raise EvidenceNotFound()


def _reader(tx: Tx) -> Uploader | None:
    if isinstance(tx.actor, permissions.Tracking):
        return Uploader(complainant=tx.actor.complainant)
    if isinstance(tx.actor, permissions.Session):
        return Uploader(account=tx.actor.account)
    return None


def _guarded(tx: Tx, row: EvidenceRow) -> bool:
    """Whether somebody else told it with a complaint: its original says where and by whom."""
    return row.complainant is not None and row.by != _reader(tx)


async def seen_by(tx: Tx, row: EvidenceRow) -> Evidence:
    """Evidence as the caller sees it; others learn nothing of who made a complaint's files."""
    found = await _view(tx, row)
    if _guarded(tx, row):
        found.sha256, found.receipt, found.position, found.item = "", None, None, None
        found.flags = [Flag(flag.code) for flag in found.flags if flag.code in SHOWN_FLAGS]
        found.forms = [form for form in found.forms if form != "original"]
    return found


async def for_phones(tx: Tx, ids: Sequence[UUID]) -> list[Evidence]:
    """What the caller sent, as their phone pulls it: how far it has come, and its receipt."""
    assert isinstance(tx.actor, permissions.Session)
    rows = await queries.evidence(tx, ids, permissions.EVERYTHING)
    done = {row.id for row in rows}
    held = await queries.uploads(tx, [id for id in ids if id not in done])
    mine = tx.actor.account
    return [await _view(tx, row) for row in rows if row.account == mine] + [
        await _upload_view(tx, row) for row in held if row.account == mine
    ]


async def _view(tx: Tx, row: EvidenceRow) -> Evidence:
    """Where it was made is for the sender and for officers, and what other evidence it is like for
    officers alone: a company sees neither of what is not its own. Nor does it see whose it is (the
    id of a visit tells when it was planned) and the receipt, which is its sender's."""
    office = bool(permissions.reaches(tx.actor, "evidence.read") & {Reach.office, Reach.all})
    mine = row.by == _reader(tx)
    said = Said()
    if mine:
        said = await claims.said(tx, row)
    elif office:
        said = await claims.said_to_reader(tx, row)
    return Evidence(
        id=row.id,
        state=EvidenceState.stored,
        size=row.size,
        received=row.size,
        sha256=row.sha256.hex(),
        media=row.media,
        owner_kind=row.owner_kind,
        owner=row.owner if mine or office else None,
        item=row.item,
        claimed=row.claimed,
        taken_at=row.taken_at,
        position=_position(said),
        received_at=row.received_at,
        receipt=row.receipt if mine or office else None,
        flags=[flag for flag in row.all_flags() if office or flag.code != USED_BEFORE],
        width=row.width,
        height=row.height,
        forms=[form for form in FORMS if row.key_of(form)],
    )


async def _upload_view(tx: Tx, row: UploadRow) -> Evidence:
    return Evidence(
        id=row.id,
        state=EvidenceState(row.state),
        size=row.size,
        received=row.received,
        sha256=row.sha256.hex(),
        owner_kind=row.owner_kind,
        owner=row.owner,
        item=row.item,
        taken_at=row.taken_at,
        position=_position(await claims.said(tx, row)),
        flags=_flags.decode(row.flags),
    )


def _position(said: Said) -> Position | None:
    if said.lat is None or said.lng is None:
        return None
    return Position(said.lat, said.lng, said.accuracy_m)


# --- bytes --------------------------------------------------------------------------------------


class File(msgspec.Struct):
    """What a download needs to know; `etag` is the hash of the bytes where it may be known."""

    key: str
    media: str
    name: str
    etag: str


async def file(tx: Tx, id: UUID, form: Form) -> File:
    """Raises `EvidenceNotFound` out of reach, and where there is no such form."""
    rows = await queries.evidence(tx, [id], permissions.scope(tx.actor, "evidence.read"))
    return _file(_open(tx, rows, form), form)


def file_of(row: EvidenceRow, form: Form) -> File:
    """For the features above, which have asked whether the caller may; raises `EvidenceNotFound`
    where there is no such form."""
    return _file([row], form)


def _open(tx: Tx, rows: list[EvidenceRow], form: Form) -> list[EvidenceRow]:
    """Without the originals that the caller must not see."""
    return [row for row in rows if form != "original" or not _guarded(tx, row)]


def _file(rows: Sequence[EvidenceRow], form: Form) -> File:
    key = rows[0].key_of(form) if rows else None
    if key is None:
        raise EvidenceNotFound()
    row = rows[0]
    media = row.media_of(form)
    suffix = _SUFFIXES.get(media, "bin")
    name = f"{row.id}.{suffix}" if form == "original" else f"{row.id}-{form}.{suffix}"
    etag = row.sha256.hex() if row.complainant is None else str(row.id)
    return File(key, media, name, etag + ("" if form == "original" else f"-{form}"))


async def make_link(tx: Tx, id: UUID, form: Form) -> Link:
    """An address that works without a token for some minutes; raises `EvidenceNotFound`."""
    rows = await queries.evidence(tx, [id], permissions.scope(tx.actor, "evidence.link"))
    _file(_open(tx, rows, form), form)
    return await link(tx, id, form)


async def link(tx: Tx, id: UUID, form: Form) -> Link:
    """For the features above, which have asked whether the caller may."""
    until = (tx.now + timedelta(minutes=settings.current().link_minutes)).replace(microsecond=0)
    seconds = int(until.timestamp())
    path = f"/v1/evidence-links/{id}/{form}?until={seconds}&signature={_sign(id, form, seconds)}"
    await events.record(tx, "evidence.linked", "evidence", id, facts={"form": form})
    return Link(settings.current().base_url + path, until)


async def linked_file(tx: Tx, id: UUID, form: Form, until: int, signature: str) -> File:
    """Raises `LinkInvalid`."""
    good = hmac.compare_digest(signature.encode(), _sign(id, form, until).encode())
    if not good or until < clock.now().timestamp():
        raise LinkInvalid()
    return _file(await queries.evidence(tx, [id], permissions.EVERYTHING), form)


def _sign(id: UUID, form: str, until: int) -> str:
    message = f"{id}/{form}/{until}".encode()
    return hmac.digest(keys.ring().derive("evidence link"), message, "sha256").hex()
