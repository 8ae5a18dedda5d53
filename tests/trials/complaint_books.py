"""Complaints in the data base, held against what their senders were told and against themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import asyncpg

from api.complaints import clocks, telling
from api.complaints.model import shown_number

MOVING = (
    *("accepted", "assigned", "reassigned", "begun", "asked", "informed", "resolved", "closed"),
    *("withdrawn", "left", "added_to", "occurred", "rated"),
)
"""Events of verbs that take a version each."""
SAYS = {
    ("addition", "answer"): ("added_to", "informed"),
    ("occurrence",): ("occurred",),
    ("note",): ("noted",),
    ("message",): ("messaged",),
    ("call",): ("called",),
    ("question",): ("asked",),
    ("rating",): ("rated",),
    ("decision",): ("resolved",),
}
"""What is written down, and the events that say so: as many of these as of those."""
ENDED = ("resolved", "closed", "withdrawn")


@dataclass
class Told:
    """A complaint as its sender knows it. `email`: where letters about it go."""

    number: str
    code: str
    contact: bool = False
    account: bool = False
    email: str = ""
    moves: list[str] = field(default_factory=list)
    """Verbs for which a 200 arrived."""


@dataclass
class Journal:
    """All that the senders were told."""

    told: dict[UUID, Told] = field(default_factory=dict)
    said: dict[UUID, tuple[UUID, str, str]] = field(default_factory=dict)
    """Entry → (complaint, kind, text), each acknowledged."""
    joined: dict[UUID, UUID] = field(default_factory=dict)
    """ "Me too" → complaint."""


async def check(connection: asyncpg.Connection, journals: Sequence[Journal]) -> dict[str, int]:
    """Everything acknowledged is there once; returns what was counted."""
    told = {id: told for journal in journals for id, told in journal.told.items()}
    said = {id: entry for journal in journals for id, entry in journal.said.items()}
    joined = {id: about for journal in journals for id, about in journal.joined.items()}
    rows = await connection.fetch(
        "select id, number, version, state, occurrences, me_toos, clocks::text, next_due, "
        "paused_at, received_at from complaint where id = any ($1)",
        list(told),
    )
    held = {row["id"]: row for row in rows}
    lost = [id for id in told if id not in held]
    assert not lost, f"{len(lost)} acknowledged complaints are not there: {lost[:3]}"
    numbers = [t.number for t in told.values()]
    assert len(set(numbers)) == len(numbers), "one number for two"
    for id, row in held.items():
        assert told[id].number == shown_number(row["number"], row["received_at"])
        await _one(connection, row, told[id])
    await _entries(connection, said)
    about = await connection.fetch(
        "select id, complaint from complainant where id = any ($1) and kind = 'me_too'",
        list(joined),
    )
    assert {row["id"]: row["complaint"] for row in about} == joined, "a me too is lost"
    return {"complaints": len(told), "entries": len(said), "me toos": len(joined)}


async def _entries(connection: asyncpg.Connection, said: dict[UUID, Any]) -> None:
    rows = await connection.fetch(
        "select id, complaint, kind, text from complaint_entry where id = any ($1)", list(said)
    )
    found = {row["id"]: (row["complaint"], row["kind"], row["text"]) for row in rows}
    lost = [said[id] for id in said if id not in found]
    assert not lost, f"{len(lost)} acknowledged entries are not there: {lost[:3]}"
    assert found == said


async def _one(connection: asyncpg.Connection, row: Any, told: Told) -> None:
    """The row of a complaint, its people, entries, events and clocks say the same."""
    id = row["id"]
    named = await _counts(connection, "name", "event where record = $1", id)
    events = {name.removeprefix("complaint."): count for name, count in named.items()}
    kinds = await _counts(connection, "kind", "complaint_entry where complaint = $1", id)
    assert events["submitted"] == 1, events
    moved = sum(events.get(name, 0) for name in MOVING)
    assert row["version"] == 1 + moved, f"{id}: version {row['version']}, {moved} moves: {events}"
    for entries, names in SAYS.items():
        written = sum(kinds.get(kind, 0) for kind in entries)
        recorded = sum(events.get(name, 0) for name in names)
        assert written == recorded, f"{id}: {entries} {kinds} {events}"
    for event in told.moves:
        done = events.get(event, 0) + events.get(f"re{event}", 0)
        assert done >= told.moves.count(event), f"{event} is lost: {events}"
    assert row["occurrences"] == kinds.get("occurrence", 0)
    people = await connection.fetchrow(
        """
        select count(*) filter (where kind = 'reporter') as reporters,
            count(*) filter (where kind = 'me_too' and account is not null) as counted,
            count(*) filter (where kind = 'reporter' and data_key is not null) as sealed,
            count(*) filter (where kind = 'reporter' and account is not null) as signed_in
        from complainant where complaint = $1
        """,
        id,
    )
    assert people is not None
    assert (people["reporters"], people["counted"]) == (1, row["me_toos"]), dict(people)
    assert (people["sealed"], people["signed_in"]) == (told.contact, told.account), dict(people)
    await _clocks(connection, row)


async def _clocks(connection: asyncpg.Connection, row: Any) -> None:
    """The clock's deadline is where its clocks say; none runs when it is over or stands still."""
    running = clocks.read(row["clocks"])
    assert len({clock.kind for clock in running}) == len(running), "a clock is there twice"
    still = None if row["paused_at"] else running
    assert row["next_due"] == (clocks.next_due(still) if still else None)
    if row["state"] in ENDED:
        assert all(clock.met_at for clock in running)
    due = await connection.fetch(
        "select due_at from deadline where kind = 'complaint.clock' and record = $1 "
        "and met_at is null and fired_at is null",
        row["id"],
    )
    point = clocks.next_point(still) if still else None
    assert [line["due_at"] for line in due] == ([point] if point else []), f"{row['id']}: {due}"


async def _counts(
    connection: asyncpg.Connection, what: str, of: str, record: UUID
) -> dict[str, int]:
    rows = await connection.fetch(f"select {what}, count(*) from {of} group by 1", record)
    return {row[0]: row[1] for row in rows}


def tally(counts: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in counts:
        found[each] = found.get(each, 0) + 1
    return dict(sorted(found.items()))


# --- once the workers have nothing left to do -----------------------------------------------------


async def effects(
    connection: asyncpg.Connection, journals: Sequence[Journal], letters: Sequence[EmailMessage]
) -> dict[str, int]:
    """Every event had its effects, each once: messages to both sides, letters."""
    told = {id: told for journal in journals for id, told in journal.told.items()}
    failed = await connection.fetch("select name, error from job where failed_at is not null")
    assert not failed, failed[:3]
    rows = await connection.fetch(
        """
        select e.id, e.name, e.record, p.id as complainant,
            (select count(*) from message m where m.key = e.id::text
                and m.about_kind = 'own_complaint') as own,
            (select count(*) from message m where m.key = e.id::text
                and m.about_kind <> 'own_complaint') as officers,
            (select count(distinct m.account || m.about_kind) from message m
                where m.key = e.id::text) as different,
            (select count(*) from message m join event s on s.record = m.id
                and s.name = 'message.sent' where m.key = e.id::text) as sent
        from event e join complainant p on p.complaint = e.record and p.kind = 'reporter'
        where e.record = any ($1) and e.name = any ($2)
        """,
        list(told),
        list(telling.EVENTS),
    )
    wanted = dict[str, str]()
    for row in rows:
        of, name = told[row["record"]], row["name"]
        heard = name in telling.COMPLAINANTS
        assert row["own"] == (heard and of.account), (name, dict(row))
        assert (row["officers"] > 0) == (name in telling.OFFICERS), (name, dict(row))
        assert row["own"] + row["officers"] == row["different"] == row["sent"], dict(row)
        if heard and of.email:
            wanted[f"<{row['id']}.{row['complainant']}@localhost>"] = of.email
    got = [(letter["Message-ID"], letter["To"]) for letter in letters]
    mine = [(id, to) for id, to in got if to in wanted.values()]
    assert dict(mine) == wanted, f"{len(wanted)} letters were to leave, {len(dict(mine))} did"
    return {
        "events": len(rows),
        "messages": sum(row["own"] + row["officers"] for row in rows),
        "letters": len(wanted),
        "letters sent again": len(mine) - len(wanted),
    }


async def reminded(
    connection: asyncpg.Connection, due: Mapping[UUID, set[tuple[str, bool, str]]]
) -> None:
    """Each clock said at each point, to each level, once."""
    for id, wanted in due.items():
        rows = await connection.fetch(
            "select name, facts->>'clock' as clock, facts->>'level' as level from event "
            "where record = $1 and name in ('complaint.clock_overdue', 'complaint.clock_reminded')",
            id,
        )
        said = [(r["clock"], r["name"] == "complaint.clock_overdue", r["level"]) for r in rows]
        assert len(said) == len(set(said)), f"said twice: {said}"
        assert set(said) == wanted, f"{said} {wanted}"
