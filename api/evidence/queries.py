"""Statements of evidence: uploads and their parts, originals, claims, findings about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api.db import Tx
from api.evidence.model import (
    Bound,
    Creation,
    EvidenceRow,
    Flag,
    Opened,
    Part,
    Uploader,
    UploadRow,
)
from api.permissions import Scope

# --- uploads ------------------------------------------------------------------------------------


async def upload(tx: Tx, id: UUID) -> UploadRow | None:
    found = await uploads(tx, [id])
    return found[0] if found else None


async def uploads(tx: Tx, ids: Sequence[UUID]) -> list[UploadRow]:
    return await tx.all(
        UploadRow,
        """
        select id, account, complainant, state, size, received, sha256, parts, owner_kind, owner,
            item, taken_at, said, media_claimed, flags, expires_at
        from upload where id = any($1::uuid[])
        """,
        list(ids),
    )


async def insert_upload(
    tx: Tx,
    by: Uploader,
    creation: Creation,
    said: bytes | None,
    parts: UUID,
    expires_at: datetime,
    limit: int,
) -> bool:
    """False when the id is an upload's or evidence already, or the sender has `limit` of them.

    Of a complainant's, finished ones count too.
    """
    claims = creation.claims
    return bool(
        await tx.run(
            """
            insert into upload (id, account, state, size, sha256, parts, owner_kind, owner, item,
                taken_at, said, media_claimed, flags, created_at, expires_at, complainant)
            select $1, $2, 'receiving', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14,
                $16
            where not exists (select from evidence where id = $1)
                and (select count(*) from upload where account = $2 or complainant = $16)
                    + (select count(*) from evidence where complainant = $16) < $15
            on conflict (id) do nothing
            """,
            creation.id,
            by.account,
            creation.size,
            creation.sha256,
            parts,
            claims.owner_kind,
            claims.owner,
            claims.item,
            claims.taken_at,
            said,
            claims.media,
            _json(claims.flags),
            tx.now,
            expires_at,
            limit,
            by.complainant,
        )
    )


async def begin_anew(tx: Tx, id: UUID, parts: UUID, expires_at: datetime) -> None:
    await tx.run(
        """
        update upload set state = 'receiving', received = 0, parts = $2, expires_at = $3
        where id = $1 and state = 'refused'
        """,
        id,
        parts,
        expires_at,
    )


async def open_part(tx: Tx, id: UUID, by: Uploader, key: str, start: int) -> Opened | None:
    """Notes the part that will be written at `start`; None where the upload does not stand there.

    Not synced: should the note be lost with the machine, at most an object is left over.
    """
    return await tx.maybe_one(
        Opened,
        """
        with u as (
            select parts, size, set_config('synchronous_commit', 'off', true) from upload
            where id = $1 and (account = $2 or complainant = $6) and state = 'receiving'
                and received = $4
        ), p as (
            insert into upload_part (key, parts, start, begun_at) select $3, parts, $4, $5 from u
            returning key, parts
        )
        select p.key, p.parts, u.size from p, u
        """,
        id,
        by.account,
        key,
        start,
        tx.now,
        by.complainant,
    )


async def close_part(
    tx: Tx, id: UUID, part: Opened, start: int, size: int, expires_at: datetime
) -> bool | None:
    """Moves the offset past a stored part; True when the upload is whole, None when beaten."""
    whole: bool | None = await tx.value(
        """
        with moved as (
            update upload set received = received + $4, expires_at = $5,
                state = case when received + $4 = size then 'checking' else state end
            where id = $1 and parts = $2 and received = $3 and state = 'receiving'
            returning received = size as whole
        ), stored as (
            update upload_part set size = $4
            where key = $6 and size is null and exists (select from moved)
            returning key
        )
        select m.whole from moved m, stored s
        """,
        id,
        part.parts,
        start,
        size,
        expires_at,
        part.key,
    )
    return whole


async def parts(tx: Tx, of: UUID) -> list[Part]:
    """The stored parts in their order."""
    return await tx.all(
        Part,
        """
        select key, start, size::bigint from upload_part
        where parts = $1 and size is not null order by start
        """,
        of,
    )


async def refuse(tx: Tx, id: UUID, parts: UUID, fresh: UUID) -> bool:
    """Other bytes came than were claimed: they are parts of nothing any more."""
    return bool(
        await tx.run(
            """
            update upload set state = 'refused', parts = $3
            where id = $1 and parts = $2 and state = 'checking'
            """,
            id,
            parts,
            fresh,
        )
    )


async def delete_upload(tx: Tx, id: UUID, parts: UUID) -> bool:
    return bool(await tx.run("delete from upload where id = $1 and parts = $2", id, parts))


async def forget_part(tx: Tx, key: str) -> None:
    """The object is somebody else's now, or gone."""
    await tx.run("delete from upload_part where key = $1", key)


async def delete_expired(tx: Tx) -> int:
    """Uploads that nobody went on with; verified ones are none any more."""
    return await tx.run("delete from upload where expires_at < $1 and state <> 'checking'", tx.now)


async def left_over(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Keys of parts that belong to nothing, and of those that nobody finished since `before`."""
    return await tx.values(
        """
        select p.key from upload_part p
        where (p.size is not null and not exists (select from upload u where u.parts = p.parts))
            or (p.size is null and p.begun_at < $1)
        limit $2
        """,
        before,
        limit,
    )


# --- originals ----------------------------------------------------------------------------------


async def insert_evidence(
    tx: Tx, up: UploadRow, *, key: str, media: str, flags: str, receipt: str
) -> bool:
    """False when the id is evidence already: what is written once stays."""
    inserted = await tx.run(
        """
        insert into evidence (id, account, size, sha256, media, key, owner_kind, owner, item,
            taken_at, said, flags, receipt, received_at, complainant)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15)
        on conflict (id) do nothing
        """,
        up.id,
        up.account,
        up.size,
        up.sha256,
        media,
        key,
        up.owner_kind,
        up.owner,
        up.item,
        up.taken_at,
        up.said,
        flags,
        receipt,
        tx.now,
        up.complainant,
    )
    return bool(inserted)


async def evidence(tx: Tx, ids: Sequence[UUID], scope: Scope) -> list[EvidenceRow]:
    """Those of `ids` that lie in `scope`: of its provinces, shown to its companies, or its own."""
    return await tx.all(
        EvidenceRow,
        """
        select e.id, e.account, e.complainant, e.size, e.sha256, e.media, e.key,
            coalesce(c.owner_kind, e.owner_kind) as owner_kind, coalesce(c.owner, e.owner) as owner,
            coalesce(c.item, e.item) as item, c.evidence is not null as claimed,
            e.taken_at, e.said, e.receipt, e.received_at, e.flags, x.flags as found, x.width,
            x.height, x.thumbnail, x.screen, x.exif_taken_at, x.place
        from evidence e left join evidence_claim c on c.evidence = e.id
            left join evidence_examined x on x.evidence = e.id
        where e.id = any($1::uuid[])
            and ($2::text[] is null or e.account = $4 or e.complainant = $6
                or (c.province = any($2) and ($3::smallint[] is null or c.class = any($3)))
                or (c.visible_to_company and c.company = any($5::uuid[])))
        """,
        list(ids),
        scope.provinces,
        scope.classes,
        scope.account,
        list(scope.companies),
        scope.complainant,
    )


async def insert_claim(
    tx: Tx,
    evidence: UUID,
    *,
    owner_kind: str,
    owner: UUID,
    item: str | None,
    province: str,
    class_: int | None,
    company: UUID | None,
    visible_to_company: bool,
) -> bool:
    """Binds evidence, or tells its owner's office and company anew; False: it is another's."""
    return bool(
        await tx.run(
            """
            insert into evidence_claim (evidence, owner_kind, owner, item, province, class,
                company, visible_to_company, claimed_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            on conflict (evidence) do update set province = excluded.province,
                class = excluded.class, company = excluded.company,
                visible_to_company = excluded.visible_to_company
            where evidence_claim.owner = excluded.owner
                and evidence_claim.owner_kind = excluded.owner_kind
            """,
            evidence,
            owner_kind,
            owner,
            item,
            province,
            class_,
            company,
            visible_to_company,
            tx.now,
        )
    )


async def waiting(tx: Tx, owner_kind: str, owner: UUID) -> list[UUID]:
    """Evidence whose sender named that owner and which nobody has claimed."""
    return await tx.values(
        """
        select e.id from evidence e
        where e.owner = $2 and e.owner_kind = $1
            and not exists (select from evidence_claim c where c.evidence = e.id)
        order by e.received_at, e.id
        """,
        owner_kind,
        owner,
    )


async def bound(tx: Tx, owner_kind: str, owners: Sequence[UUID]) -> list[Bound]:
    """What belongs to those owners, in the order of its arrival."""
    return await tx.all(
        Bound,
        """
        select c.owner, e.id, c.item, e.media,
            case when c.visible_to_company then c.company end as shown_to
        from evidence_claim c join evidence e on e.id = c.evidence
        where c.owner = any($2::uuid[]) and c.owner_kind = $1
        order by e.received_at, e.id
        """,
        owner_kind,
        list(owners),
    )


# --- what was found out -------------------------------------------------------------------------


async def same_bytes(tx: Tx, row: EvidenceRow) -> UUID | None:
    """The first other evidence of the same content; of complaints' files nobody is told."""
    found: UUID | None = await tx.value(
        """
        select id from evidence
        where sha256 = $1 and id <> $2 and received_at <= $3 and complainant is null
        order by received_at limit 1
        """,
        row.sha256,
        row.id,
        row.received_at,
    )
    return found


async def like(tx: Tx, row: EvidenceRow, likeness: int, distance: int) -> UUID | None:
    """The first earlier picture that differs in at most `distance` (≤ 3) bits.

    Pictures of one owner are like each other by nature and do not count.
    """
    found: UUID | None = await tx.value(
        """
        select e.id from evidence_examined x join evidence e on e.id = x.evidence
        where x.likeness_bands && $1::integer[]
            and bit_count(x.likeness # $2::bigint::bit(64)) <= $3
            and e.id <> $4 and e.received_at <= $5 and e.complainant is null
            and (e.owner is null or e.owner is distinct from $6)
        order by e.received_at limit 1
        """,
        bands(likeness),
        _signed(likeness),
        distance,
        row.id,
        row.received_at,
        row.owner,
    )
    return found


async def insert_examined(
    tx: Tx,
    evidence: UUID,
    *,
    width: int | None,
    height: int | None,
    taken_at: datetime | None,
    place: bytes | None,
    likeness: int | None,
    thumbnail: str | None,
    screen: str | None,
    flags: Sequence[Flag],
) -> bool:
    """False when another worker was faster."""
    return bool(
        await tx.run(
            """
            insert into evidence_examined (evidence, width, height, exif_taken_at, place, likeness,
                likeness_bands, thumbnail, screen, flags, examined_at)
            values ($1, $2, $3, $4, $5, $6::bigint::bit(64), $7::integer[], $8, $9, $10::jsonb,
                $11)
            on conflict (evidence) do nothing
            """,
            evidence,
            width,
            height,
            taken_at,
            place,
            None if likeness is None else _signed(likeness),
            None if likeness is None else bands(likeness),
            thumbnail,
            screen,
            _json(flags),
            tx.now,
        )
    )


def bands(likeness: int) -> list[int]:
    """Four numbers of which two likenesses share one unless they differ in four bits or more."""
    return [(place << 16) | (likeness >> (16 * place) & 0xFFFF) for place in range(4)]


def _signed(likeness: int) -> int:
    return likeness - (1 << 64) if likeness >> 63 else likeness


def _json(flags: Sequence[Flag]) -> str:
    return msgspec.json.encode(list(flags)).decode()
