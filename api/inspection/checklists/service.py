"""Published checklists: the newest, a version compiled once a process, and publishing a new one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import msgspec

from api import events, ids, permissions
from api.db import Tx
from api.inspection.checklists import queries, rules, standard
from api.inspection.checklists.model import ChecklistInvalid, ChecklistLine, ChecklistNotFound
from api.permissions import Session

_compiled: dict[UUID, rules.Compiled] = {}
_items = msgspec.json.Decoder(list[standard.Item])


async def compiled(tx: Tx, id: UUID, extra_items: str = "[]") -> rules.Compiled:
    """The rules of a published version; a version never changes, so it is kept.

    `extra_items` are those of one visit as stored: they are asked beside the checklist's own.
    """
    found = _compiled.get(id)
    if found is None:
        row = await queries.checklist_by_id(tx, id)
        found = _compiled[id] = rules.compile(standard.decode(row.content))
    return found if extra_items == "[]" else _with_extra(id, extra_items)


@lru_cache(maxsize=256)
def _with_extra(id: UUID, extra_items: str) -> rules.Compiled:
    return _compiled[id].with_extra(items_of(extra_items))


def items_of(stored: str) -> list[standard.Item]:
    """The extra items of a visit."""
    return [] if stored == "[]" else _items.decode(stored)


def text_of(items: Sequence[standard.Item]) -> str:
    """Extra items as they are stored."""
    return msgspec.json.encode(items).decode()


async def newest(tx: Tx) -> ChecklistLine:
    """The version for new visits; raises `ChecklistNotFound` on an empty data base."""
    found = await queries.newest_checklist(tx)
    if found is None:
        raise ChecklistNotFound()
    return found


async def publish(tx: Tx, content: standard.Standard, note: str = "") -> ChecklistLine:
    """Publishes `content` as the next version; visits that have begun keep theirs.

    Raises `ChecklistInvalid` with every fault, and where its version is not the next number.
    """
    permissions.reaches(tx.actor, "checklist.publish")
    await tx.lock([UUID(int=0x5C0)])  # one publisher at a time: numbers have no gaps
    last = await queries.newest_checklist(tx)
    number = last.number + 1 if last else 1
    wrong = standard.faults(content)
    if content.version != number:
        wrong = [f"version must be {number}", *wrong]
    if wrong:
        raise ChecklistInvalid(reason=wrong[0], faults=wrong)
    id = ids.new()
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    await queries.insert_checklist(
        tx,
        id,
        number,
        standard.encode(content).decode(),
        standard.content_hash(content),
        by,
        note,
    )
    await events.record(
        tx, "checklist.published", "checklist", id, scopes=["all"], facts={"number": number}
    )
    found = await queries.newest_checklist(tx)
    assert found is not None
    return found


async def load_standard(tx: Tx) -> None:
    """Publishes the product's own version 1 where nothing is published yet."""
    if await queries.newest_checklist(tx) is None:
        await publish(tx, standard.load_standard_1(), "version 1, built from the law")
