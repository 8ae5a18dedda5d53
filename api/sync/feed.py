"""Pull: what changed in the caller's scopes since the cursor, each record as it stands now."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import cursors, events, permissions
from api.complaints.desk import reading as complaints
from api.cursors import CursorInvalid
from api.db import Tx
from api.evidence import service as evidence
from api.factories import service as factories
from api.inspection.checklists import queries as checklists
from api.inspection.orders import queries as order_queries
from api.inspection.orders import reading as orders
from api.inspection.visits import queries as visit_queries
from api.inspection.visits import reading as visits
from api.notify import service as notify
from api.permissions import Reach, Role, Scope, Session
from api.places import provinces
from api.sync import queries
from api.sync.model import Change, ChangeRow, Cursor, Pull

PAGE = 500
_encoder = msgspec.json.Encoder()


async def pull(
    tx: Tx, cursor: str | None, kinds: Sequence[str] | None = None, limit: int = PAGE
) -> Pull:
    """The next page after `cursor`; without one, from the beginning.

    A cursor of another epoch (a restored dump), from the future (the data folder's copy was put
    back) or of other scopes (the account moved to another office) begins anew and says `reset`.
    Raises `CursorInvalid`.
    """
    scopes = await scopes_of(tx)
    epoch = await _this_epoch(tx)
    digest = hashlib.sha256("\n".join([*scopes, *(kinds or ())]).encode()).hexdigest()[:16]
    at = _read(cursor) if cursor else Cursor(epoch, digest, 0, 0)
    reset = (at.epoch, at.scopes) != (epoch, digest)
    if reset:
        at = Cursor(epoch, digest, 0, 0)
    rows = await queries.changes(tx, scopes, kinds, at.xid, at.seq, limit)
    if not rows and not await _has_passed(tx, at.xid):
        reset, at = True, Cursor(epoch, digest, 0, 0)
        rows = await queries.changes(tx, scopes, kinds, at.xid, at.seq, limit)
    if not rows:
        return Pull([], cursors.write(at), more=False, reset=reset)
    end = Cursor(epoch, digest, rows[-1].xid, rows[-1].seq)
    return Pull(
        await _records(tx, scopes, rows), cursors.write(end), more=len(rows) == limit, reset=reset
    )


async def scopes_of(tx: Tx) -> list[str]:
    """The feed scopes that the caller may read, sorted."""
    actor = tx.actor
    reaches = permissions.reaches(actor, "sync.pull")
    assert isinstance(actor, Session)
    found = {"all", events.account(actor.account)}
    if Reach.all in reaches:
        found |= {events.province(p.code) for p in await provinces(tx)}
    if Reach.office in reaches:
        found |= {events.province(code) for code in actor.provinces}
    if Role.operator in actor.roles:
        found |= {events.company(id) for id in actor.companies}
    return sorted(found)


async def _this_epoch(tx: Tx) -> str:
    if "epoch" not in tx.told:
        epoch = await queries.epoch(tx)
        if await queries.stored_epoch(tx) != epoch:
            await queries.take_over(tx, epoch)
        tx.told["epoch"] = epoch
    return tx.told["epoch"]


async def _has_passed(tx: Tx, xid: int) -> bool:
    """Whether the feed has served transaction `xid`, as it has where a cursor of it was given.

    The horizon only rises, so what it was when this connection last asked is enough.
    """
    if xid >= int(tx.told.get("horizon", "0")):
        tx.told["horizon"] = str(await queries.horizon(tx))
    return xid < int(tx.told["horizon"])


Loader = Callable[[Tx, list[UUID]], Awaitable[Sequence[Any]]]


async def _company_visits(tx: Tx, ids: list[UUID]) -> Sequence[Any]:
    assert isinstance(tx.actor, Session)
    return await visits.company_visit_views(tx, tx.actor.companies, ids, limit=len(ids))


async def _company_orders(tx: Tx, ids: list[UUID]) -> Sequence[Any]:
    return await orders.company_orders(tx, ids=ids, limit=len(ids))


LOADERS: dict[str, Loader] = {
    "visit": visits.visit_views,
    "company_visit": _company_visits,
    "order": orders.orders,
    "company_order": _company_orders,
    "factory": factories.for_phones,
    "checklist": checklists.checklist_lines,
    "evidence": evidence.for_phones,
    "message": notify.pulled,
    "complaint": complaints.for_phones,
}


async def _records(tx: Tx, scopes: list[str], rows: Sequence[ChangeRow]) -> list[Change]:
    """The records in the order of the feed; one that is no longer there is `gone`.

    What left one scope of the caller for another of theirs is not gone.
    """
    rows = await _of_their_classes(tx, rows)
    left = [row.record for row in rows if row.gone]
    still = await queries.visible(tx, scopes, left) if left else set()
    wanted: dict[str, list[UUID]] = {}
    for row in rows:
        if not row.gone or (row.kind, row.record) in still:
            wanted.setdefault(row.kind, []).append(row.record)
    found: dict[tuple[str, UUID], msgspec.Raw] = {}
    for kind, ids in wanted.items():
        for record in await LOADERS[kind](tx, ids):
            found[kind, record.id] = msgspec.Raw(_encoder.encode(record))
    changes = []
    for row in rows:
        record = found.get((row.kind, row.record))
        if record is None:
            changes.append(Change(row.kind, row.record, gone=True))
        else:
            changes.append(Change(row.kind, row.record, record=record))
    return changes


async def _of_their_classes(tx: Tx, rows: Sequence[ChangeRow]) -> Sequence[ChangeRow]:
    """Without what is of classes that are not the caller's: feed scopes know provinces only."""
    classes = permissions.scope(tx.actor, "sync.pull").classes
    if classes is None:
        return rows
    scope = Scope(provinces=None, classes=classes)
    ids = [row.record for row in rows if row.kind == "visit"]
    known = {visit.id for visit in await visit_queries.visits(tx, ids, scope)}
    ids = [row.record for row in rows if row.kind == "order"]
    known |= await order_queries.in_scope(tx, ids, scope)
    ids = [row.record for row in rows if row.kind == "complaint"]
    known |= await complaints.known_to_local(tx, ids)
    held = ("visit", "order", "complaint")
    return [row for row in rows if row.kind not in held or row.record in known]


def _read(text: str) -> Cursor:
    found = cursors.read(text, Cursor)
    if not (0 <= found.xid < 1 << 63 and 0 <= found.seq < 1 << 63):
        raise CursorInvalid()
    return found
