"""What the data base holds, held against the phones' journals and against itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from api.inspection.visits import merge
from api.inspection.visits.model import FindingState, Version
from tests.trials.phones import HELD, Entry, Phone

OPEN = (FindingState.open, FindingState.needs_confirmation)
EVENTS = ("visit.recorded", "visit.settled", "visit.submitted", "visit.result_added")


async def check(connection: asyncpg.Connection, phones: Sequence[Phone]) -> dict[str, int]:
    """Every acknowledged operation once, the others whole or absent; returns what was counted."""
    journal = {id: e for phone in phones for id, e in phone.journal.items()}
    rows = await connection.fetch(
        """
        select o.id::text, o.record::text as visit, o.receipt, o.result,
            (select count(*) from event e where e.record = o.record
                and e.name = any($2) and e.facts->>'operation' = o.id::text) as events,
            array(select item from answer a
                where a.visit = o.record and a.operation = o.id) as items
        from operation o where o.id = any($1::text[]::uuid[])
        """,
        list(journal),
        list(EVENTS),
    )
    held = {row["id"]: row for row in rows}
    acknowledged = [e for e in journal.values() if e.acknowledged]
    lost = [e.id for e in acknowledged if e.id not in held]
    assert not lost, f"{len(lost)} acknowledged operations are not there: {lost[:3]}"
    for entry in journal.values():
        same_every_time(entry)
        if (row := held.get(entry.id)) is None:
            continue
        assert row["events"] == 1, f"{entry.id}: {row['events']} events"
        assert sorted(row["items"]) == sorted(entry.items), f"{entry.id}: part of its answers"
        assert row["visit"] == entry.visit
        for result in entry.answers:
            if result["status"] in HELD:
                assert result["receipt"] == row["receipt"], f"{entry.id}: another receipt"
    visits = {e.visit for e in journal.values()}
    await agree(connection, sorted(visits))
    return {
        "made": len(journal),
        "acknowledged": len(acknowledged),
        "held": len(held),
        "sent more than once": sum(e.sent > 1 for e in journal.values()),
    }


def same_every_time(entry: Entry) -> None:
    """Every result that ever arrived for an operation is the same; only one is not a replay."""
    results = [a for a in entry.answers if a["status"] in HELD]
    plain = [{k: v for k, v in a.items() if k != "replayed"} for a in results]
    assert all(p == plain[0] for p in plain), f"{entry.id}: results differ: {plain}"
    assert sum(not a.get("replayed", False) for a in results) <= 1, f"{entry.id}: stored twice"


async def agree(connection: asyncpg.Connection, visits: Sequence[str]) -> None:
    """Operations, events, answers, findings and change rows of `visits` say the same."""
    for wrong, sql in (
        (
            "answers of no operation",
            """select count(*) from answer a where visit = any($1::text[]::uuid[])
            and not exists (select from operation o where o.id = a.operation)""",
        ),
        (
            "events of no operation",
            """select count(*) from event e where record = any($1::text[]::uuid[])
            and e.facts ? 'operation' and not exists (
                select from operation o where o.id::text = e.facts->>'operation')""",
        ),
        (
            "visits whose count of entries is not that of their operations",
            """select count(*) from visit v where id = any($1::text[]::uuid[])
            and entries <> (select count(*) from operation o where o.record = v.id)""",
        ),
        (
            "visits whose change row was not moved by their last write",
            """select count(*) from visit v left join change c
                on c.kind = 'visit' and c.record = v.id and c.scope = 'province:' || v.province
            where v.id = any($1::text[]::uuid[])
            and c.xmin is distinct from v.xmin""",
        ),
    ):
        count = await connection.fetchval(sql, list(visits))
        assert count == 0, f"{count} {wrong}"
    for visit in visits:
        await findings_follow(connection, visit)


async def findings_follow(connection: asyncpg.Connection, visit: str) -> None:
    """A finding is open exactly where one of the standing answers fails."""
    by_item: dict[str, list[Version]] = {}
    for row in await connection.fetch("select * from answer where visit = $1::text::uuid", visit):
        version = Version(
            item=row["item"],
            operation=row["operation"],
            author=row["author"],
            answered_at=row["answered_at"],
            received_at=row["received_at"],
            value=msgspec.json.decode(row["value"]) if row["value"] else None,
            outcome=row["outcome"],
            supersedes=tuple(row["supersedes"]),
        )
        by_item.setdefault(row["item"], []).append(version)
    failing = {
        item
        for item, versions in by_item.items()
        if any(v.outcome == "fail" for v in merge.standing(versions))
    }
    rows: list[Any] = await connection.fetch(
        "select item from finding where visit = $1::text::uuid and state = any($2)",
        visit,
        list(OPEN),
    )
    assert {row["item"] for row in rows} == failing, f"findings of {visit} do not follow"
