"""Statements of the sync feature, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from api.cursors import Place
from api.db import Tx
from api.sync.model import ChangeRow, Receipt, Stored


async def stored(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Stored]:
    """The operations among `ids` that the server holds already."""
    rows = await tx.all(
        Stored,
        """
        select id, kind, record, account, received_at, hash, result, receipt
        from operation where id = any($1::uuid[])
        """,
        list(ids),
    )
    return {row.id: row for row in rows}


async def raw_of(tx: Tx, id: UUID) -> bytes:
    """The sealed bytes of an operation, as it was sent."""
    raw: bytes = await tx.value("select raw from operation where id = $1", id)
    return raw


async def insert_operation(
    tx: Tx,
    *,
    id: UUID,
    kind: str,
    record: UUID,
    account: UUID,
    session: UUID,
    digest: bytes,
    result: str,
    receipt: str,
    raw: bytes,
) -> None:
    await tx.run(
        """
        insert into operation (id, kind, record, account, session, received_at, hash, result,
            receipt, raw)
        values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10)
        """,
        id,
        kind,
        record,
        account,
        session,
        tx.now,
        digest,
        result,
        receipt,
        raw,
    )


async def insert_refused(
    tx: Tx, refused: UUID, operation: UUID | None, account: UUID, problem: str, raw: bytes
) -> None:
    await tx.run(
        """
        insert into refused_operation (refused, operation, account, received_at, problem, raw)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (refused) do nothing
        """,
        refused,
        operation,
        account,
        tx.now,
        problem,
        raw,
    )


async def epoch(tx: Tx) -> str:
    """Names the line of transaction ids that cursors count in: cluster, data base, timeline.

    A dump restored elsewhere has another cluster, one restored beside it another data base, and
    a recovery to a point in time another timeline.
    """
    value: str = await tx.value(
        """
        select concat_ws('.', system_identifier,
            (select oid from pg_database where datname = current_database()),
            left(pg_walfile_name(pg_current_wal_lsn()), 8))
        from pg_control_system()
        """
    )
    return value


async def stored_epoch(tx: Tx) -> str:
    """The epoch that the rows of `change` were last brought into."""
    value: str = await tx.value("select epoch from feed_line")
    return value


async def take_over(tx: Tx, epoch: str) -> None:
    """Moves the rows of another epoch that lie in the future of this one to the present.

    Else they would stay hidden until this cluster's transaction ids have come so far. Once, in
    whichever session is first; the others wait for it and find it done.
    """
    await tx.run(
        """
        with line as (update feed_line set epoch = $1 where epoch <> $1 returning true)
        update change set xid = pg_current_xact_id()
        where xid >= pg_snapshot_xmin(pg_current_snapshot()) and exists (select from line)
        """,
        epoch,
    )


async def horizon(tx: Tx) -> int:
    """The oldest transaction still running: what is below it is served and stays served."""
    found: int = await tx.value("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    return found


async def changes(
    tx: Tx, scopes: Sequence[str], kinds: Sequence[str] | None, xid: int, seq: int, limit: int
) -> list[ChangeRow]:
    """The next `limit` changes after (xid, seq), in feed order.

    Only below the oldest transaction still running: what commits late would be lost by any
    cursor that had passed it. Each scope is read along its own index, then merged.
    """
    return await tx.all(
        ChangeRow,
        """
        select c.scope, c.kind, c.record, c.xid::text::bigint, c.seq, c.gone
        from unnest($1::text[]) as s(scope)
            cross join lateral (
                select scope, kind, record, xid, seq, gone from change
                where scope = s.scope and (xid, seq) > ($2::text::xid8, $3::bigint)
                    and xid < pg_snapshot_xmin(pg_current_snapshot())
                    and ($4::text[] is null or kind = any($4))
                order by xid, seq limit $5
            ) c
        order by c.xid, c.seq limit $5
        """,
        list(scopes),
        str(xid),
        seq,
        None if kinds is None else list(kinds),
        limit,
    )


async def visible(tx: Tx, scopes: Sequence[str], records: Sequence[UUID]) -> set[tuple[str, UUID]]:
    """(kind, record) of those that some scope still shows."""
    rows = await tx.all(
        ChangeRow,
        """
        select scope, kind, record, xid::text::bigint, seq, gone from change
        where scope = any($1::text[]) and record = any($2::uuid[]) and not gone
        """,
        list(scopes),
        list(records),
    )
    return {(row.kind, row.record) for row in rows}


async def receipts(tx: Tx, account: UUID, after: Place | None, limit: int) -> list[Receipt]:
    """What the server holds of this account, oldest first."""
    return await tx.all(
        Receipt,
        """
        select id, received_at, receipt from operation
        where account = $1 and ($2::timestamptz is null or (received_at, id) > ($2, $3))
        order by received_at, id limit $4
        """,
        account,
        after and after.at,
        after and after.id,
        limit,
    )


async def lag_s(tx: Tx) -> float:
    """Seconds that the oldest writing transaction of the cluster holds the feed back."""
    value: float = await tx.value(
        """
        select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8
        from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
        """
    )
    return value
