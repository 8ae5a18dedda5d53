"""Statements on documents, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.db import Tx
from api.documents.model import DocumentLine, FileRow, ForceRow, Row
from api.permissions import Scope


async def insert(tx: Tx, row: Row) -> None:
    await tx.run(
        """
        insert into document (id, kind, subject, province, company, language, code, issued_at,
            supersedes, content, hash, jws, data_key)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        row.id,
        row.kind,
        row.subject,
        row.province,
        row.company,
        row.language,
        row.code,
        row.issued_at,
        row.supersedes,
        row.content,
        row.hash,
        row.jws,
        row.data_key,
    )


async def show(tx: Tx, document: UUID) -> None:
    """From now on its company may read it; shown again is nothing new."""
    await tx.run(
        """
        insert into document_shown (document, shown_at) values ($1, $2)
        on conflict (document) do nothing
        """,
        document,
        tx.now,
    )


async def by_code(tx: Tx, code: str) -> Row | None:
    return await tx.maybe_one(
        Row,
        """
        select id, kind, subject, province, company, language, code, issued_at, supersedes,
            content, hash, jws, data_key
        from document where code = $1
        """,
        code,
    )


async def by_id(tx: Tx, id: UUID, scope: Scope) -> Row | None:
    """The document where `scope` reaches it: by its province, or by the company it concerns."""
    return await tx.maybe_one(
        Row,
        """
        select id, kind, subject, province, company, language, code, issued_at, supersedes,
            content, hash, jws, data_key
        from document
        where id = $1
            and ($2::text[] is null or province = any($2) or (company = any($3::uuid[])
                and exists (select from document_shown s where s.document = id)))
        """,
        id,
        scope.provinces,
        list(scope.companies),
    )


async def latest(
    tx: Tx, kind: str, subject: UUID, company: UUID | None, language: str
) -> UUID | None:
    """The newest document of that kind about `subject`, in the same copy and language."""
    found: UUID | None = await tx.value(
        """
        select id from document
        where subject = $1 and kind = $2 and company is not distinct from $3 and language = $4
        order by id desc limit 1
        """,
        subject,
        kind,
        company,
        language,
    )
    return found


async def current(tx: Tx, kind: str, subject: UUID) -> list[UUID]:
    """The newest document of that kind about `subject` in each language and copy."""
    return await tx.values(
        """
        select distinct on (language, company) id from document
        where subject = $1 and kind = $2 order by language, company, id desc
        """,
        subject,
        kind,
    )


async def lines(
    tx: Tx,
    scope: Scope,
    *,
    subject: UUID | None,
    kind: str | None,
    before: UUID | None,
    limit: int,
) -> list[DocumentLine]:
    """A page of documents in `scope`, the newest first; `before`: where the last page ended."""
    return await tx.all(
        DocumentLine,
        """
        select d.id, d.kind, d.subject, d.language, d.code, d.issued_at, d.supersedes,
            (select f.force from document_force f where f.document = d.id order by n desc limit 1),
            exists (select from document_file f where f.document = d.id)
        from document d
        where ($1::text[] is null or d.province = any($1) or (d.company = any($2::uuid[])
                and exists (select from document_shown s where s.document = d.id)))
            and ($3::uuid is null or d.subject = $3)
            and ($4::text is null or d.kind = $4)
            and ($5::uuid is null or d.id < $5)
        order by d.id desc limit $6
        """,
        scope.provinces,
        list(scope.companies),
        subject,
        kind,
        before,
        limit,
    )


async def forces(tx: Tx, document: UUID) -> list[ForceRow]:
    """All that became of it, the first first."""
    return await tx.all(
        ForceRow,
        """
        select document, n, force, at, because, jws from document_force
        where document = $1 order by n
        """,
        document,
    )


async def force_changes(tx: Tx, document: UUID) -> int:
    """How often the audit trail says that its force changed."""
    found: int = await tx.value(
        "select count(*) from event where record = $1 and name = 'document.force_changed'",
        document,
    )
    return found


async def insert_force(tx: Tx, row: ForceRow) -> None:
    await tx.run(
        """
        insert into document_force (document, n, force, at, because, jws)
        values ($1, $2, $3, $4, $5, $6)
        """,
        row.document,
        row.n,
        row.force,
        row.at,
        row.because,
        row.jws,
    )


async def file(tx: Tx, document: UUID) -> FileRow | None:
    return await tx.maybe_one(
        FileRow,
        """
        select document, object, sha256, size, rendered_at, jws from document_file
        where document = $1
        """,
        document,
    )


async def insert_file(tx: Tx, row: FileRow) -> bool:
    """False where another worker was first: its file counts."""
    return bool(
        await tx.run(
            """
            insert into document_file (document, object, sha256, size, rendered_at, jws)
            values ($1, $2, $3, $4, $5, $6) on conflict (document) do nothing
            """,
            row.document,
            row.object,
            row.sha256,
            row.size,
            row.rendered_at,
            row.jws,
        )
    )


async def of_subjects(tx: Tx, subjects: Sequence[UUID]) -> list[DocumentLine]:
    """Every document of these subjects, the oldest first: for case files."""
    return await tx.all(
        DocumentLine,
        """
        select d.id, d.kind, d.subject, d.language, d.code, d.issued_at, d.supersedes,
            (select f.force from document_force f where f.document = d.id order by n desc limit 1),
            exists (select from document_file f where f.document = d.id)
        from document d where d.subject = any($1::uuid[]) order by d.id
        """,
        list(subjects),
    )
