"""The register of orders in the data base, held against what the desks were told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from api.db import Database
from api.documents import service as documents
from tests.trials.desks import AT_ONCE, Desk
from tests.trials.house import Server


async def check(connection: asyncpg.Connection, desks: Sequence[Desk]) -> dict[str, int]:
    """Numbers, signatures, services and messages; returns what was counted."""
    await numbers(connection)
    counted = await signatures(connection, desks)
    counted |= await services(connection, desks)
    return counted


async def numbers(connection: asyncpg.Connection) -> None:
    """By office and Buddhist year every number from 1 to the last is given, once."""
    given: dict[tuple[str, int], list[int]] = {}
    for row in await connection.fetch(
        "select o.code, l.number from legal_order l join office o on o.id = l.office "
        "where l.number is not null"
    ):
        code, _, running = row["number"].rpartition(" ")
        assert code == row["code"], row
        number, _, year = running.partition("/")
        given.setdefault((code, int(year)), []).append(int(number))
    last = {
        (row["code"], row["year"]): row["last"]
        for row in await connection.fetch(
            "select o.code, n.year, n.last from order_number n join office o on o.id = n.office"
        )
    }
    assert given.keys() == last.keys()
    for office, held in given.items():
        assert sorted(held) == list(range(1, last[office] + 1)), f"{office}: {sorted(held)}"


async def signatures(connection: asyncpg.Connection, desks: Sequence[Desk]) -> dict[str, int]:
    """Each signed order once: with its number, its used ticket, its event and its document."""
    known = {order: told for desk in desks for order, told in desk.journal.signed.items()}
    rows = await connection.fetch(
        """
        select o.id, o.state, o.number, o.document, o.content_hash, o.signed_content,
            (select count(*) from event e where e.record = o.id and e.name = 'order.signed')
                as events,
            (select count(*) from document d where d.subject = o.id and d.kind = 'order')
                as documents,
            (select count(*) from fresh_authentication f where f.sha256 = o.content_hash
                and f.used_at is not null) as used,
            (select f.id from fresh_authentication f where f.id = o.authentication
                and f.used_at is not null and f.sha256 = o.content_hash) as authentication
        from legal_order o where o.id = any($1::uuid[])
        """,
        [order for desk in desks for order in desk.journal.drafted],
    )
    held = {row["id"]: row for row in rows if row["state"] != "draft"}
    lost = [order for order in known if order not in held]
    assert not lost, f"{len(lost)} signatures are gone: {lost[:3]}"
    assert not held.keys() - known.keys(), "signed, and no desk knows of it"
    for order, told in known.items():
        row = held[order]
        assert (row["number"], str(row["document"])) == (told.number, told.document)
        assert (row["events"], row["documents"], row["used"]) == (1, 1, 1), dict(row)
        assert row["authentication"] is not None
        assert hashlib.sha256(row["signed_content"].encode()).hexdigest() == row["content_hash"]
    acknowledged = sum(told.acknowledged for told in known.values())
    drafted = sum(len(desk.journal.drafted) for desk in desks)
    assert len(rows) == drafted, "a draft that was acknowledged is gone"
    return {"drafted": drafted, "signed": len(known), "acknowledged": acknowledged}


async def services(connection: asyncpg.Connection, desks: Sequence[Desk]) -> dict[str, int]:
    """Each attempt once, its evidence bound to it; served exactly where an attempt counts."""
    told = {id: served for desk in desks for id, served in desk.journal.served.items()}
    rows = await connection.fetch(
        """
        select a.id, a.legal_order, a.how, a.evidence, a.counts_at, o.state,
            (select count(*) from event e where e.record = o.id
                and e.name = 'order.service_attempted') as attempted,
            (select count(*) from event e where e.record = o.id and e.name = 'order.served')
                as served,
            (select count(*) from deadline d where d.record = o.id and d.met_at is null
                and d.fired_at is null) as clocks,
            (select count(*) from evidence_claim c where c.owner = a.id
                and c.owner_kind = 'service' and c.evidence = any(a.evidence)) as bound
        from service_attempt a join legal_order o on o.id = a.legal_order
        where a.id = any($1::uuid[])
        """,
        list(told),
    )
    assert len(rows) == len(told), f"{len(told) - len(rows)} services are gone"
    for row in rows:
        mine = told[row["id"]]
        assert (row["legal_order"], row["how"]) == (mine.order, mine.how)
        assert row["evidence"] == mine.evidence and row["bound"] == len(mine.evidence)
        assert row["attempted"] == 1, f"{row['attempted']} events of one attempt"
        at_once = mine.how in AT_ONCE
        assert (row["state"], row["served"]) == (("served", 1) if at_once else ("signed", 0))
        assert row["clocks"] == (2 if at_once else 1), dict(row)
        if mine.answer["counts_at"] is not None:
            assert row["counts_at"] == datetime.fromisoformat(mine.answer["counts_at"])
    return {"served": sum(row["served"] for row in rows), "attempts": len(rows)}


async def reactions(connection: asyncpg.Connection, desks: Sequence[Desk]) -> dict[str, int]:
    """Once the worker has nothing left to do: every event had its effect, and had it once."""
    orders = [order for desk in desks for order in desk.journal.drafted]
    files = [file.id for desk in desks for file in desk.journal.files]
    failed = await connection.fetchval("select count(*) from job where failed_at is not null")
    assert failed == 0, f"{failed} jobs were given up"
    row: Any = await connection.fetchrow(
        """
        with told as (
            select e.id::text as key, o.drafted_by
            from event e join legal_order o on o.id = e.record
            where e.record = any($1::uuid[]) and e.name in ('order.signed', 'order.served')
        )
        select (select count(*) from told) as events,
            (select count(*) from told t join message m
                on m.key = t.key and m.account = t.drafted_by) as told,
            (select count(*) from message m where m.key in (select key from told)) as messages,
            (select count(distinct (account, key)) from message
                where key in (select key from told)) as different,
            (select count(*) from event s join message m on m.id = s.record
                where s.name = 'message.sent' and m.key in (select key from told)) as sent,
            (select count(*) from document d where d.subject = any($1::uuid[])) as documents,
            (select count(*) from document_file f join document d on d.id = f.document
                where d.subject = any($1::uuid[])) as pdfs,
            (select count(*) from event e join document d on d.id = e.record
                where d.subject = any($1::uuid[]) and e.name = 'document.rendered') as rendered,
            (select count(*) from evidence where id = any($2::uuid[])) as evidence,
            (select count(*) from event where record = any($2::uuid[])
                and name = 'evidence.completed') as completed,
            (select count(*) from event where record = any($2::uuid[])
                and name = 'evidence.examined') as examined
        """,
        orders,
        files,
    )
    found = dict(row)
    assert found["events"] == found["told"], found
    assert found["messages"] == found["different"] == found["sent"], found
    assert found["documents"] == found["pdfs"] == found["rendered"], found
    assert len(files) == found["evidence"] == found["completed"] == found["examined"], found
    return {"messages": found["messages"], "PDFs": found["pdfs"], "files": len(files)}


async def verified(db: Database, server: Server, desks: Sequence[Desk]) -> None:
    """Whoever asks is told that each signed document is intact; every file has its bytes."""
    orders = [order for desk in desks for order in desk.journal.signed]
    async with db.read() as tx:
        codes = await tx.values("select code from document where subject = any($1)", orders)
        assert len(codes) == len(orders)
        for code in codes:
            found = await documents.verify(tx, code)
            assert (found.record, found.force) == ("intact", "in_force"), code
    for desk in desks:
        for file in desk.journal.files:
            await file.kept(server)
