"""`record` is the one line in every service verb: audit trail, the phones' feed, and reactions.

In the verb's own transaction it appends the event, moves the record's one row in `change` for
every scope that may see it, and enqueues the jobs that react to it. Feed scopes are texts:
`province:11`, `company:<id>`, `account:<id>`, `all`. Facts carry no personal data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from api import ids
from api.db import Tx
from api.permissions import Actor, Bridge, Client, Session, Tracking, Worker

_EVENT = """
insert into event (id, at, name, kind, record, actor, account, session, request_id, facts)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb)
"""
_RECORD = f"""
with happened as ({_EVENT}), reacting as (
    insert into job (id, name, args, due_at, enqueued_at)
    select j.id, j.name,
        jsonb_build_object('event', $1::uuid, 'name', $3::text, 'record', $5::uuid), $2, $2
    from unnest($13::uuid[], $14::text[]) as j(id, name)
)
insert into change (kind, record, scope, xid, seq, gone)
select $4, $5, s.scope, pg_current_xact_id(), nextval('change_seq'), s.gone
from (
    select unnest($11::text[]) as scope, false as gone
    union all
    select unnest($12::text[]), true
) s
on conflict (scope, kind, record) do update
set xid = excluded.xid, seq = excluded.seq, gone = excluded.gone
"""  # noqa: S608 - of our own words


_facts = msgspec.json.Decoder(dict[str, Any])
_reactions: Mapping[str, Sequence[str]] | None = None


def react(reactions: Mapping[str, Sequence[str]]) -> None:
    """Gives this process the map event → jobs; every composition root calls it once."""
    global _reactions
    _reactions = reactions


def actor_columns(tx: Tx) -> tuple[str, UUID | None, UUID | None]:
    """(kind of actor, account, session) as the `event` table keeps them."""
    actor = tx.actor
    if isinstance(actor, Session):
        return "session", actor.account, actor.session
    if isinstance(actor, Tracking):
        return "complainant", None, None  # who that is stands in no event
    if isinstance(actor, Client):
        return f"client:{actor.id}", None, None
    if isinstance(actor, Bridge):
        return f"bridge:{actor.id}", None, None
    return (actor.name if isinstance(actor, Worker) else "nobody"), None, None


async def record(
    tx: Tx,
    name: str,
    kind: str,
    record: UUID,
    *,
    scopes: Sequence[str] = (),
    gone: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Appends event `name` about `record` and tells `scopes`; in `gone` it ceased to exist.

    Must come last in a verb: an error of the statement is an error of the whole.
    """
    if _reactions is None:
        raise RuntimeError("events.react was not called: reactions would be lost")
    reacting = _reactions.get(name, ())
    event = _columns(tx, name, kind, record, facts)
    if not (scopes or gone or reacting):  # a trail that nobody follows at once: half the cost
        await tx.run(_EVENT, *event)
        return
    await tx.run(
        _RECORD,
        *event,
        list(scopes),
        list(gone),
        [ids.new() for _ in reacting],
        list(reacting),
    )


class Happened(msgspec.Struct):
    """An event of one of several who act in the same transaction."""

    by: Actor
    name: str
    kind: str
    record: UUID
    facts: Mapping[str, Any]


async def record_each(tx: Tx, happened: Sequence[Happened]) -> None:
    """As `record` for each, with no scope: at once where nobody follows them."""
    if _reactions is None:
        raise RuntimeError("events.react was not called: reactions would be lost")
    alone = []
    for one in happened:
        by = tx.by(one.by)
        if _reactions.get(one.name):
            await record(by, one.name, one.kind, one.record, facts=one.facts)
        else:
            alone.append(_columns(by, one.name, one.kind, one.record, one.facts))
    if alone:
        await tx.run_each(_EVENT, alone)


def _columns(
    tx: Tx, name: str, kind: str, record: UUID, facts: Mapping[str, Any] | None
) -> tuple[Any, ...]:
    """The arguments of `_EVENT`."""
    who, account, session = actor_columns(tx)
    text = msgspec.json.encode(facts or {}).decode()
    return ids.new(), tx.now, name, kind, record, who, account, session, tx.request_id, text


async def facts(tx: Tx, event: UUID) -> dict[str, Any]:
    """The facts of an event, for the jobs that it brought about."""
    found = await tx.value("select facts::text from event where id = $1", event)
    return _facts.decode(found) if found else {}


def moment(text: str) -> datetime:
    """A time among an event's facts."""
    return msgspec.convert(text, datetime)


async def holding(tx: Tx, kind: str, record: UUID, scopes: Sequence[str]) -> list[str]:
    """Those of `scopes` whose feed has the record: a tombstone elsewhere would only betray it."""
    if not scopes:
        return []
    return await tx.values(
        """
        select scope from change
        where scope = any($1::text[]) and kind = $2 and record = $3 and not gone
        """,
        list(scopes),
        kind,
        record,
    )


def province(code: str) -> str:
    """The feed scope of a province, by its two-digit DOPA code."""
    return f"province:{code}"


def company(id: UUID) -> str:
    return f"company:{id}"


def account(id: UUID) -> str:
    return f"account:{id}"
