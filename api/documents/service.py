"""Issuing documents, saying what became of them, reading and verifying them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag

from api import codes, events, ids, jobs, keys, permissions, sealed, settings
from api.clock import BANGKOK
from api.db import Tx
from api.documents import queries, seals
from api.documents.contents import KINDS, TITLES, Content, Language
from api.documents.model import (
    FORCE_MOVES,
    FORCE_WORDS,
    CodeMistyped,
    Document,
    DocumentNotFound,
    Envelope,
    FileRow,
    Force,
    ForceRow,
    RecordTampered,
    Row,
    Verified,
    WrongForce,
)
from api.keys import Purpose

RENDER = "document.render"
_envelope = msgspec.json.Decoder(Envelope)


async def issue(
    tx: Tx,
    *,
    kind: str,
    subject: UUID,
    scope_province: str,
    company: UUID | None,
    language: Language,
    content: Mapping[str, Any] | Content,
    supersedes: UUID | None = None,
    shown: bool = True,
) -> Document:
    """Signs `content` and keeps it for good; the worker renders its PDF.

    `company` may read it too, where it is not `shown` only from `show` on. `supersedes` is out of
    force from here on. Raises `msgspec.ValidationError` where `content` is not what its kind says
    (`contents.KINDS`).
    """
    said = msgspec.convert(msgspec.to_builtins(content, str_keys=True), KINDS[kind])
    id, code = ids.new(), codes.new()
    envelope = Envelope(
        id=id,
        code=code,
        kind=kind,
        subject=subject,
        province=scope_province,
        company=company,
        language=language,
        issued_at=tx.now.astimezone(BANGKOK).isoformat(),
        supersedes=supersedes,
        verify_at=f"{settings.current().base_url}/verify/{codes.shown(code)}",
        content=msgspec.to_builtins(said),
    )
    canonical = seals.canonical(envelope)
    data_key = await sealed.new_key(tx)
    row = Row(
        id=id,
        kind=kind,
        subject=subject,
        province=scope_province,
        company=company,
        language=language,
        code=code,
        issued_at=tx.now,
        supersedes=supersedes,
        content=await sealed.seal_bytes(tx, data_key, _cell(id), canonical),
        hash=hashlib.sha256(canonical).digest(),
        jws=_sign(canonical, seals.CONTENT),
        data_key=data_key,
    )
    await queries.insert(tx, row)
    if shown:
        await queries.show(tx, id)
    first = await _add_force(tx, id, [], Force.in_force, "issued")
    if supersedes is not None:
        await _supersede(tx, supersedes)
    await jobs.enqueue(tx, RENDER, {"document": id}, key=str(id))
    facts = {"kind": kind, "subject": subject, "language": language}
    await events.record(tx, "document.issued", "document", id, facts=facts)
    return _view(row, canonical, envelope, [first], None)


async def show(tx: Tx, document: UUID) -> None:
    """The company that it concerns may read it from now on."""
    await queries.show(tx, document)


async def set_force(tx: Tx, document: UUID, force: Force | str, *, because: str = "") -> None:
    """What became of a document; to its present force it is nothing new.

    `because` names the verb behind it (`order.revoked`), never data. Raises `DocumentNotFound`,
    `WrongForce`.
    """
    to = Force(force)
    await tx.lock([document])
    before = await queries.forces(tx, document)
    if not before:
        raise DocumentNotFound()
    now = before[-1].force
    if now == to:
        return
    if to not in {reached for (_, state), reached in FORCE_MOVES.items() if state == now}:
        raise WrongForce(state=now)
    await _add_force(tx, document, before, to, because)
    facts = {"force": to, "because": because}
    await events.record(tx, "document.force_changed", "document", document, facts=facts)


async def read(tx: Tx, id: UUID) -> Document:
    """A document with its content; opening it is an event.

    Raises `DocumentNotFound` out of the caller's reach, `RecordTampered`, `sealed.Erased`.
    """
    row = await reached(tx, id)
    canonical, envelope, forces, file = await _whole(tx, row)
    await record_opening(tx, id, "document.read")
    return _view(row, canonical, envelope, forces, file)


class Summary(NamedTuple):
    """A document as another one lists it; `sha256` is that of its content."""

    number: str
    date: str
    sha256: str
    force: Force


async def summary(tx: Tx, id: UUID) -> Summary:
    """For case files. Raises `DocumentNotFound`, `RecordTampered`, `sealed.Erased`."""
    row = await queries.by_id(tx, id, permissions.EVERYTHING)
    if row is None:
        raise DocumentNotFound()
    _, envelope, forces, _ = await _whole(tx, row)
    content = envelope.content
    return Summary(content.get("number", ""), content["date"], row.hash.hex(), forces[-1].force)


async def record_opening(tx: Tx, id: UUID, purpose: str) -> None:
    """The content names people: that somebody opened it is an event."""
    facts = {"columns": ["content"], "purpose": purpose}
    await events.record(tx, "document.unsealed", "document", id, facts=facts)


async def reached(tx: Tx, id: UUID) -> Row:
    """The row where the caller's reach has it; raises `DocumentNotFound`."""
    row = await queries.by_id(tx, id, permissions.scope(tx.actor, "document.read"))
    if row is None:
        raise DocumentNotFound()
    return row


async def verify(tx: Tx, typed: str, sha256: bytes | None = None) -> Verified:
    """What anyone may know of the document with the code that they `typed`.

    `sha256`: of a file that they hold. Raises `CodeMistyped`, `DocumentNotFound`.
    """
    code = codes.read(typed)
    if code is None:
        raise CodeMistyped()
    row = await queries.by_code(tx, code)
    if row is None:
        raise DocumentNotFound()
    try:
        _, envelope, forces, file = await _whole(tx, row)
    except RecordTampered:
        return Verified(code=codes.shown(code), record="tampered")
    except sealed.Erased:
        return Verified(code=codes.shown(code), record="erased")
    content, now = envelope.content, forces[-1]
    th, en = TITLES[row.kind]
    force_th, force_en = FORCE_WORDS[now.force]
    return Verified(
        code=codes.shown(code),
        record="intact",
        file=_compared(sha256, file),
        kind=row.kind,
        kind_th=th,
        kind_en=en,
        number=content.get("number") or None,
        date=content["date"],
        office_th=content["office"]["th"],
        office_en=content["office"]["en"],
        issued_at=envelope.issued_at,
        force=now.force,
        force_th=force_th,
        force_en=force_en,
        force_since=now.at,
        content_sha256=row.hash.hex(),
    )


async def keep_file(tx: Tx, document: UUID, key: str, sha256: bytes, size: int) -> None:
    """The PDF of a document is in the store; the first one counts."""
    row = FileRow(document, key, sha256, size, tx.now, "")
    row.jws = _sign(_file_payload(row), seals.FILE)
    if await queries.insert_file(tx, row):
        facts = {"sha256": sha256.hex(), "size": size}
        await events.record(tx, "document.rendered", "document", document, facts=facts)


# --- shared -------------------------------------------------------------------------------------


async def opened(tx: Tx, row: Row) -> tuple[bytes, Envelope]:
    """The canonical bytes and what they say, held against hash, signature and columns.

    For the system's own use: it records no event. Raises `RecordTampered`, `sealed.Erased`.
    """
    try:
        canonical = await sealed.unseal_bytes(tx, _cell(row.id), row.content)
        envelope = _envelope.decode(canonical)
    except (InvalidTag, ValueError):  # which msgspec's errors are
        raise RecordTampered() from None
    same = (
        envelope.id == row.id
        and envelope.code == row.code
        and envelope.kind == row.kind
        and envelope.subject == row.subject
        and envelope.province == row.province
        and envelope.company == row.company
        and envelope.language == row.language
        and envelope.supersedes == row.supersedes
        and envelope.issued_at == row.issued_at.astimezone(BANGKOK).isoformat()
        and hmac.compare_digest(hashlib.sha256(canonical).digest(), row.hash)
        and seals.verify(row.jws, canonical, seals.CONTENT, key_of)
    )
    if not same:
        raise RecordTampered()
    return canonical, envelope


async def _whole(tx: Tx, row: Row) -> tuple[bytes, Envelope, list[ForceRow], FileRow | None]:
    """Everything stored of a document, each part held against its signature."""
    canonical, envelope = await opened(tx, row)
    forces = await queries.forces(tx, row.id)
    before = ""
    for n, force in enumerate(forces, 1):
        if force.n != n or not seals.verify(
            force.jws, _force_payload(force, before), seals.FORCE, key_of
        ):
            raise RecordTampered()
        before = force.jws
    if not forces or len(forces) - 1 != await queries.force_changes(tx, row.id):
        raise RecordTampered()
    return canonical, envelope, forces, await checked_file(tx, row.id)


async def checked_file(tx: Tx, document: UUID) -> FileRow | None:
    """The row of the PDF; raises `RecordTampered` where it is not the one that was signed."""
    file = await queries.file(tx, document)
    if file is not None and not seals.verify(file.jws, _file_payload(file), seals.FILE, key_of):
        raise RecordTampered()
    return file


def key_of(kid: str) -> Any:
    """The public half of one of our own keys for documents."""
    return keys.ring().verifier(Purpose.document, kid)


async def _add_force(
    tx: Tx, document: UUID, before: list[ForceRow], to: Force, because: str
) -> ForceRow:
    row = ForceRow(document, len(before) + 1, to, tx.now, because, "")
    row.jws = _sign(_force_payload(row, before[-1].jws if before else ""), seals.FORCE)
    await queries.insert_force(tx, row)
    return row


async def _supersede(tx: Tx, document: UUID) -> None:
    """Out of force by a newer one, unless it is out of force already."""
    forces = await queries.forces(tx, document)
    if forces and ("supersede", forces[-1].force) in FORCE_MOVES:
        await set_force(tx, document, Force.superseded, because="document.issued")


def _force_payload(row: ForceRow, before: str) -> bytes:
    """Each says what the one before said, so that none can be taken out of the middle."""
    return seals.canonical(
        {
            "document": row.document,
            "n": row.n,
            "force": row.force,
            "at": row.at.astimezone(BANGKOK).isoformat(),
            "because": row.because,
            "before": hashlib.sha256(before.encode()).hexdigest(),
        }
    )


def _file_payload(row: FileRow) -> bytes:
    return seals.canonical({"document": row.document, "sha256": row.sha256.hex(), "size": row.size})


def _sign(payload: bytes, typ: str) -> str:
    kid, private = keys.ring().signer(Purpose.document)
    return seals.sign(kid, private, payload, typ)


def _cell(id: UUID) -> sealed.Cell:
    return sealed.Cell("document", "content", id)


def _compared(sha256: bytes | None, file: FileRow | None) -> Any:
    if sha256 is None:
        return "none"
    if file is None:
        return "not_rendered"
    return "unchanged" if hmac.compare_digest(sha256, file.sha256) else "different"


def _view(
    row: Row,
    canonical: bytes,
    envelope: Envelope,
    forces: list[ForceRow],
    file: FileRow | None,
) -> Document:
    return Document(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        language=row.language,
        number=envelope.content.get("number", ""),
        code=codes.shown(row.code),
        verify_at=envelope.verify_at,
        issued_at=row.issued_at,
        force=forces[-1].force,
        content=canonical.decode(),
        content_sha256=row.hash.hex(),
        jws=row.jws,
        pdf_sha256=file.sha256.hex() if file else None,
        pdf_size=file.size if file else None,
    )
